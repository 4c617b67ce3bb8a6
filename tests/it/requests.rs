//! What goes out: a call is exactly the documented request.

use std::time::Duration;

use partner_center_devices::{ErrorKind, RequestContext, RetryPolicy};
use uuid::Uuid;

use crate::server::{CUSTOMER, Server, TOKEN, TRACKING, customer, header, response, upload};

async fn responding_twice() -> Server {
    let reply = || crate::server::Reply::Send(response("200 OK", &[], "{}"));
    Server::new([reply(), reply()]).await
}

fn names(head: &str) -> Vec<String> {
    let mut names: Vec<_> =
        head.lines().skip(1).filter_map(|line| line.split_once(": ")).map(|(name, _)| name.to_lowercase()).collect();
    names.sort();
    names
}

#[tokio::test]
async fn an_upload_status_call_is_exactly_the_documented_request() {
    let server = Server::with_body("{}").await;
    let response = server.upload().get().await.unwrap();

    let head = &server.requests()[0];
    assert!(
        head.starts_with(&format!("GET /v1/customers/{CUSTOMER}/batchJobStatus/{TRACKING} HTTP/1.1\r\n")),
        "{head}"
    );
    assert_eq!(
        names(head),
        [
            "accept",
            "accept-encoding",
            "authorization",
            "host",
            "ms-correlationid",
            "ms-requestid",
            "user-agent",
            "x-locale"
        ]
    );
    let expected = [
        ("authorization", format!("Bearer {TOKEN}")),
        ("accept", "application/json".to_owned()),
        ("x-locale", "en-US".to_owned()),
        ("host", server.base_url.strip_prefix("http://").unwrap().to_owned()),
        ("user-agent", format!("partner-center-devices/{}", env!("CARGO_PKG_VERSION"))),
        ("ms-requestid", response.request_id().to_string()),
        ("ms-correlationid", response.correlation_id().to_string()),
    ];
    for (name, value) in expected {
        assert_eq!(header(head, name).as_deref(), Some(value.as_str()), "{name}");
    }
}

#[tokio::test]
async fn a_device_batches_call_is_the_documented_request() {
    let server = Server::with_body("{}").await;
    server.customer().device_batches().get().await.unwrap();
    let head = &server.requests()[0];
    assert!(head.starts_with(&format!("GET /v1/customers/{CUSTOMER}/deviceBatches HTTP/1.1\r\n")), "{head}");
}

#[tokio::test]
async fn sends_every_header_parameter_of_the_specification() {
    let server = responding_twice().await;
    let partner = server.builder().application_name("Contoso onboarding").build().unwrap();
    upload(&partner).get().await.unwrap();
    customer(&partner).device_batches().get().await.unwrap();

    let document = crate::specification::document();
    for (request, path) in document["paths"].as_object().unwrap().values().rev().enumerate() {
        for parameter in path["get"]["parameters"].as_array().unwrap() {
            let name = parameter["$ref"].as_str().unwrap().rsplit('/').next().unwrap();
            let parameter = &document["components"]["parameters"][name];
            if parameter["in"] == "header" {
                let name = parameter["name"].as_str().unwrap();
                assert!(server.sent(request, name).is_some(), "{name} is not sent");
            }
        }
    }
    assert_eq!(server.sent(0, "MS-PartnerCenter-Application").as_deref(), Some("Contoso onboarding"));
}

#[tokio::test]
async fn each_call_has_fresh_ids() {
    let server = responding_twice().await;
    let upload = server.upload();
    let (first, second) = (upload.get().await.unwrap(), upload.get().await.unwrap());
    assert_ne!(first.request_id(), second.request_id());
    assert_ne!(first.correlation_id(), second.correlation_id());
    assert_ne!(first.request_id(), first.correlation_id());
}

#[tokio::test]
async fn a_context_sets_ids_and_locale_for_its_handle_only() {
    let server = responding_twice().await;
    let partner = server.partner();
    let (request_id, correlation_id) = (Uuid::new_v4(), Uuid::new_v4());
    let context = RequestContext::new().request_id(request_id).correlation_id(correlation_id).locale("de-DE");
    upload(&partner.with(context)).get().await.unwrap();
    upload(&partner).get().await.unwrap();

    assert_eq!(server.sent(0, "MS-RequestId"), Some(request_id.to_string()));
    assert_eq!(server.sent(0, "MS-CorrelationId"), Some(correlation_id.to_string()));
    assert_eq!(server.sent(0, "X-Locale").as_deref(), Some("de-DE"));
    assert_ne!(server.sent(1, "MS-RequestId"), Some(request_id.to_string()));
    assert_eq!(server.sent(1, "X-Locale").as_deref(), Some("en-US"));
}

#[tokio::test]
async fn a_locale_that_no_header_may_carry_fails_the_call_and_sends_nothing() {
    let server = responding_twice().await;
    for locale in ["a\r\nX-Injected: 1", "a\nb", "naïve – dash", "a\0b", " "] {
        let error = upload(&server.partner().with(RequestContext::new().locale(locale))).get().await.unwrap_err();
        assert_eq!((error.kind(), error.attempts()), (ErrorKind::Config, 0));
        assert!(error.to_string().starts_with("the locale of the request context"), "{error}");
    }
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn a_context_leaves_what_it_does_not_set() {
    let server = responding_twice().await;
    let (id, correlation_id) = (Uuid::new_v4(), Uuid::new_v4());
    let context = RequestContext::new().request_id(id).correlation_id(correlation_id);
    let traced = server.partner().with(context.locale("de-DE"));
    upload(&traced.with(RequestContext::new().locale("fr-FR"))).get().await.unwrap();
    assert_eq!(server.sent(0, "MS-RequestId"), Some(id.to_string()));
    assert_eq!(server.sent(0, "MS-CorrelationId"), Some(correlation_id.to_string()));
    assert_eq!(server.sent(0, "X-Locale").as_deref(), Some("fr-FR"));
    upload(&traced.with(RequestContext::new())).get().await.unwrap();
    assert_eq!(server.sent(1, "X-Locale").as_deref(), Some("de-DE"));
    let out_of_time = traced.with(RequestContext::new().call_timeout(Duration::ZERO)).with(RequestContext::new());
    assert!(upload(&out_of_time).get().await.unwrap_err().is_timeout());
}

#[tokio::test]
async fn further_headers_of_the_client_are_sent() {
    let server = Server::with_body("{}").await;
    let partner = server.builder().header("ValidateMfa", "true").locale("fr-FR").build().unwrap();
    upload(&partner).get().await.unwrap();
    assert_eq!(server.sent(0, "validatemfa").as_deref(), Some("true"));
    assert_eq!(server.sent(0, "x-locale").as_deref(), Some("fr-FR"));
}

#[tokio::test]
async fn a_header_that_is_set_twice_is_sent_twice() {
    let server = Server::with_body("{}").await;
    let partner = server.builder().header("X-Tag", "one").header("X-Tag", "two").build().unwrap();
    upload(&partner).get().await.unwrap();
    let head = server.requests()[0].to_lowercase();
    assert!(head.contains("x-tag: one\r\n") && head.contains("x-tag: two\r\n"), "{head}");
}

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

#[tokio::test]
async fn a_context_sends_further_headers_with_every_attempt_of_its_calls_alone() {
    let reply = |status| crate::server::Reply::Send(response(status, &[], "{}"));
    let server = Server::new([reply("503 Busy"), reply("200 OK"), reply("200 OK")]).await;
    let partner = server.builder().retry_policy(RetryPolicy::default().initial_delay(Duration::ZERO)).build().unwrap();
    let context = RequestContext::new().header("traceparent", PARENT).header("TraceState", "a=1");
    upload(&partner.with(context)).get().await.unwrap();
    upload(&partner).get().await.unwrap();
    for request in 0..2 {
        assert_eq!(server.sent(request, "traceparent").as_deref(), Some(PARENT));
        assert_eq!(server.sent(request, "tracestate").as_deref(), Some("a=1"));
    }
    assert_eq!(server.sent(2, "traceparent"), None);
}

#[tokio::test]
async fn a_header_of_a_context_replaces_those_of_its_name_before_it_and_no_others() {
    let server = responding_twice().await;
    let partner = server.builder().header("X-Tag", "client").header("X-Tag", "again").header("X-Kept", "1");
    let first = RequestContext::new().header("x-tag", "one").header("X-Tag", "two").header("X-Other", "first");
    let partner = partner.build().unwrap().with(first);
    upload(&partner).get().await.unwrap();
    upload(&partner.with(RequestContext::new().header("X-TAG", "three").locale("fr-FR"))).get().await.unwrap();
    let head = server.requests()[0].to_lowercase();
    assert!(head.contains("x-tag: one\r\nx-tag: two\r\n") && !head.contains("client"), "{head}");
    assert_eq!(server.sent(1, "x-tag").as_deref(), Some("three"));
    for request in 0..2 {
        assert_eq!(server.sent(request, "x-other").as_deref(), Some("first"));
        assert_eq!(server.sent(request, "x-kept").as_deref(), Some("1"));
    }
}

#[tokio::test]
async fn a_header_of_a_context_that_is_reserved_or_unfit_fails_the_call_and_shows_no_secret() {
    let server = responding_twice().await;
    let many = (0..101).fold(RequestContext::new(), |context, n| context.header(format!("x-{n}"), "a"));
    let one = |name: &str, value: &str| RequestContext::new().header(name, value);
    for (context, why) in [
        (one("Authorization", "Bearer nobody-may-see"), "the header authorization is written by the client itself"),
        (one("ms-correlationid", "1"), "by the client itself"),
        (one("MS-RequestId", "1"), "by the client itself"),
        (one("Accept-Encoding", "br"), "by the client itself"),
        (one("X-Locale", "de"), "by the client itself"),
        (one("traceparent", "a\r\nX-Injected: 1"), "the header traceparent has characters"),
        (one("X Extra", "a"), "not the name of a header"),
        (one("Authorization: Bearer nobody-may-see", ""), "what begins with \"Authorization\""),
        (many, "too many headers"),
    ] {
        assert!(!format!("{context:?}").contains("nobody"), "{context:?}");
        let error = upload(&server.partner().with(context)).get().await.unwrap_err();
        assert_eq!((error.kind(), error.attempts()), (ErrorKind::Config, 0));
        let shown = format!("{error} {error:?}");
        assert!(shown.contains(why) && shown.contains("(in the request context)"), "{shown}");
        assert!(!shown.contains("nobody"), "{shown}");
    }
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn nothing_on_loopback_goes_through_a_proxy() {
    let proxy = Server::new([]).await;
    let server = Server::with_body("{}").await;
    let client = reqwest::Client::builder().proxy(reqwest::Proxy::all(&proxy.base_url).unwrap());
    upload(&server.builder().http_client(client).build().unwrap()).get().await.unwrap();
    assert!(proxy.requests().is_empty());
}

#[tokio::test]
async fn headers_of_the_callers_http_client_do_not_replace_ours() {
    let server = Server::with_body("{}").await;
    let mut headers = http::HeaderMap::new();
    headers.insert("authorization", http::HeaderValue::from_static("Bearer another"));
    headers.insert("x-gateway", http::HeaderValue::from_static("yes"));
    let client = reqwest::Client::builder().default_headers(headers).user_agent("another/1.0");
    upload(&server.builder().http_client(client).build().unwrap()).get().await.unwrap();
    assert_eq!(server.sent(0, "authorization"), Some(format!("Bearer {TOKEN}")));
    assert!(server.sent(0, "user-agent").unwrap().starts_with("partner-center-devices/"));
    assert_eq!(server.sent(0, "x-gateway").as_deref(), Some("yes"));
}

#[tokio::test]
async fn a_base_url_may_have_a_path_and_a_trailing_slash() {
    for (suffix, prefix) in [("/", ""), ("/gateway", "/gateway"), ("/gate/way///", "/gate/way")] {
        let server = Server::with_body("{}").await;
        let partner = server.builder().base_url(format!("{}{suffix}", server.base_url)).build().unwrap();
        customer(&partner).device_batches().get().await.unwrap();
        let head = &server.requests()[0];
        assert!(head.starts_with(&format!("GET {prefix}/v1/customers/{CUSTOMER}/deviceBatches ")), "{head}");
    }
}

#[tokio::test]
async fn handles_own_what_they_need_and_can_be_spawned() {
    let server = responding_twice().await;
    let handle = server.upload();
    let calls = [
        tokio::spawn({
            let handle = handle.clone();
            async move { handle.get().await }
        }),
        tokio::spawn(async move { handle.get().await }),
    ];
    for call in calls {
        call.await.unwrap().unwrap();
    }
    assert_eq!(server.requests().len(), 2);
}
