//! What calls log: their spans, with the fields of OpenTelemetry's HTTP clients, and their events.

use std::time::Duration;

use futures_util::future::join_all;
use partner_center_devices::models::Link;
use partner_center_devices::{AccessToken, ErrorKind, PartnerCenter, RequestContext, RetryPolicy};
use uuid::Uuid;

use crate::secrets::log;
use crate::server::{CUSTOMER, Reply, Server, TOKEN, response, upload};

const TEMPLATE: &str = "url.template=\"/v1/customers/{customer-id}/batchJobStatus/{batchtracking-id}\"";

fn reply(status: &str, headers: &[(&str, &str)]) -> Reply {
    Reply::Send(response(status, headers, "{}"))
}

/// A client whose calls can be found in the log.
fn traced(partner: &PartnerCenter) -> (PartnerCenter, Uuid) {
    let id = Uuid::new_v4();
    (partner.with(RequestContext::new().correlation_id(id)), id)
}

/// What was logged in the spans of the calls with this correlation id.
fn lines(id: Uuid) -> Vec<String> {
    log().text().lines().filter(|line| line.contains(&id.to_string())).map(str::to_owned).collect()
}

fn has(line: &str, fields: &[&str]) {
    for field in fields {
        assert!(line.contains(field), "{field} is missing in {line}");
    }
}

/// The lines that say that a span has ended: those of the requests, and that of the call.
fn closed(lines: &[String]) -> (Vec<&String>, &String) {
    let closed = lines.iter().filter(|line| line.contains(": close"));
    let (requests, calls): (Vec<_>, Vec<_>) = closed.partition(|line| line.contains("http_request{"));
    assert_eq!(calls.len(), 1, "{lines:#?}");
    (requests, calls[0])
}

fn retrying(server: &Server) -> PartnerCenter {
    server.builder().retry_policy(RetryPolicy::default().initial_delay(Duration::ZERO)).build().unwrap()
}

#[tokio::test]
async fn a_call_is_a_span_and_its_request_one_within() {
    log();
    let server = Server::with_body("{}").await;
    let (partner, id) = traced(&server.partner());
    let response = upload(&partner).get().await.unwrap();
    let lines = lines(id);
    let (requests, call) = closed(&lines);
    assert_eq!(requests.len(), 1);
    let request_id = format!("partner_center.request_id={}", response.request_id());
    let attempts = "partner_center.attempts=1";
    has(call, &["otel.name=\"getBatchUploadStatus\"", "otel.kind=\"internal\"", TEMPLATE, attempts, &request_id]);
    assert!(!call.contains("url.full") && !call.contains("error"), "{call}");
    let port = server.base_url.rsplit(':').next().unwrap();
    has(
        requests[0],
        &[
            "otel.name=\"GET /v1/customers/{customer-id}/batchJobStatus/{batchtracking-id}\"",
            "otel.kind=\"client\"",
            "http.request.method=\"GET\"",
            "server.address=\"127.0.0.1\"",
            &format!("server.port={port}"),
            &format!("url.full=\"{}/v1/customers/{CUSTOMER}/batchJobStatus/", server.base_url),
            "http.response.status_code=200",
        ],
    );
    assert_eq!(requests[0].matches("url.full").count(), 1, "{}", requests[0]);
    assert!(!requests[0].contains("resend_count") && !requests[0].contains("ERROR"), "{}", requests[0]);
    let responded = lines.iter().filter(|line| line.contains("responded")).collect::<Vec<_>>();
    assert!(responded.len() == 1 && responded[0].contains("http_request{"), "{responded:#?}");
}

#[tokio::test]
async fn each_attempt_is_a_span_of_its_own_and_counts_what_was_sent_again() {
    log();
    let server = Server::new((0..3).map(|_| reply("503 Busy", &[]))).await;
    let partner = server.builder().retry_policy(RetryPolicy::default().max_retries(2).initial_delay(Duration::ZERO));
    let (partner, id) = traced(&partner.build().unwrap());
    upload(&partner).get().await.unwrap_err();
    let lines = lines(id);
    let (requests, call) = closed(&lines);
    has(call, &["partner_center.attempts=3", "error.type=\"503\"", "otel.status_code=\"ERROR\""]);
    assert_eq!(requests.len(), 3);
    for (count, request) in requests.iter().enumerate() {
        has(
            request,
            &["http.response.status_code=503", "error.type=\"503\"", "otel.status_code=\"ERROR\"", "url.full"],
        );
        assert_eq!(request.matches("url.full").count(), 1, "{request}");
        assert_eq!(request.contains(&format!("http.request.resend_count={count}")), count > 0, "{request}");
    }
    let failed: Vec<_> = lines.iter().filter(|line| line.contains(": failed attempt=")).collect();
    assert_eq!(failed.len(), 3);
    has(failed[1], &["http.response.status_code=503", "retryable=true", "attempt=2", "http_request{"]);
}

#[tokio::test]
async fn what_a_link_points_to_has_no_template_and_a_failure_without_a_response_its_kind() {
    log();
    let server = Server::new([Reply::SendAndClose(Vec::new()), Reply::Send(Vec::new())]).await;
    let (partner, id) = traced(&server.partner());
    let mut link = Link::default();
    link.uri = Some("/customers?size=5".to_owned());
    partner.follow::<serde_json::Value>(&link).await.unwrap_err();
    let of_link = lines(id);
    let (requests, call) = closed(&of_link);
    has(call, &["otel.name=\"follow\"", "error.type=Transport"]);
    has(requests[0], &["otel.name=\"GET\"", "error.type=Transport", "/v1/customers\""]);
    assert!(!of_link.concat().contains("url.template") && !requests[0].contains("size"), "{of_link:#?}");

    let (partner, id) = traced(&partner.with(RequestContext::new().call_timeout(Duration::from_millis(50))));
    assert!(upload(&partner).get().await.unwrap_err().is_timeout());
    has(closed(&lines(id)).0[0], &["error.type=\"timeout\""]);
}

#[tokio::test]
async fn a_call_without_a_request_is_a_span_alone() {
    log();
    let partner = PartnerCenter::builder(AccessToken::new("no token")).build().unwrap();
    let (partner, id) = traced(&partner);
    assert_eq!(upload(&partner).get().await.unwrap_err().kind(), ErrorKind::Credential);
    let lines = lines(id);
    let (requests, call) = closed(&lines);
    assert!(requests.is_empty());
    has(call, &["partner_center.attempts=0", "error.type=Credential"]);
}

#[tokio::test]
async fn each_retry_is_an_event_with_its_attempt_delay_and_reason() {
    log();
    let echo = response(
        "503 Busy",
        &[("retry-after-ms", "20")],
        format!("{{\"code\":7,\"description\":\"you sent {TOKEN}\"}}"),
    );
    let replies = [reply("500 Trouble", &[]), reply("401 Unauthorized", &[]), Reply::Send(echo), reply("200 OK", &[])];
    let server = Server::new(replies).await;
    let (partner, id) = traced(&retrying(&server));
    let error = upload(&partner).get().await.unwrap_err();
    assert!(error.is_unauthorized(), "a fixed token has no other");
    let lines = lines(id);
    let again: Vec<_> = lines.iter().filter(|line| line.contains("trying again")).collect();
    assert_eq!(again.len(), 1, "{again:#?}");
    has(again[0], &["WARN", "attempt=1", "delay=0ns", "reason=the service responded with 500"]);

    let (partner, id) = traced(&partner);
    upload(&partner).get().await.unwrap();
    let lines = self::lines(id);
    let again: Vec<_> = lines.iter().filter(|line| line.contains("trying again")).collect();
    assert_eq!(again.len(), 1, "{again:#?}");
    has(again[0], &["attempt=1", "code 7: you sent ***"]);
    let delay = again[0].split("delay=").nth(1).unwrap().split("ms").next().unwrap();
    assert!((20.0..=40.0).contains(&delay.parse::<f64>().unwrap()), "{}", again[0]);
}

#[tokio::test]
async fn a_throttle_that_holds_calls_back_is_one_event_for_all_of_them() {
    log();
    let throttled = |seconds: &str| reply("429 Too Many Requests", &[("Retry-After", seconds)]);
    let server = Server::new([throttled("60"), throttled("60")]).await;
    let hold = |partner: &PartnerCenter| {
        let (partner, id) = traced(partner);
        async move {
            assert!(upload(&partner).get().await.unwrap_err().is_throttled());
            let alone = lines(id).iter().filter(|line| line.contains("held back")).count();
            assert_eq!(alone, 0, "no other call is held back");
            let calls = (0..10).map(|_| upload(&partner));
            join_all(calls.map(|call| async move { call.get().await.unwrap_err() })).await;
            let held: Vec<_> = lines(id).into_iter().filter(|line| line.contains("held back")).collect();
            assert_eq!(held.len(), 1, "{held:#?}");
            has(
                &held[0],
                &["WARN", "the service is throttling this client", "wait=", "reason=the service responded with 429"],
            );
        }
    };
    let partner = server.partner();
    let partner = partner.with(RequestContext::new().call_timeout(Duration::from_secs(50)));
    let clock = crate::sign_in::Clock::new();
    hold(&partner).await;
    clock.set(61).await;
    hold(&partner).await;
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn a_span_of_the_caller_is_left_alone() {
    use tracing::Instrument as _;
    let log = log();
    let server = Server::with_body("{}").await;
    let span = tracing::info_span!("of_the_caller", marker = "kept-apart", url.full = "mine");
    async { server.upload().get().await.unwrap() }.instrument(span.clone()).await;
    span.in_scope(|| tracing::info!("after the call"));
    let text = log.text();
    let line = text.lines().find(|line| line.contains("after the call")).unwrap();
    assert!(line.contains("url.full=\"mine\"") && !line.contains(&server.base_url), "{line}");
}
