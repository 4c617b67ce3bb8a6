//! The emulator, called as a user would, and as another language would: by plain HTTP.

use std::time::Duration;

use http::StatusCode;
use partner_center_devices::emulator::{Emulator, ScriptedResponse, ScriptedUpload};
use partner_center_devices::models::{BatchUploadDetails, DeviceBatch, DeviceUploadDetails, Link, UploadStatus};
use partner_center_devices::{AppOnlyCredential, BatchTrackingId, CustomerId, ErrorKind, PartnerCenter, RetryPolicy};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use uuid::Uuid;

async fn plain(emulator: &Emulator, path: &str, token: Option<&str>) -> (StatusCode, http::HeaderMap, Value) {
    let mut request =
        reqwest::Client::builder().no_proxy().build().unwrap().get(format!("{}{path}", emulator.base_url()));
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status(), response.headers().clone());
    (status, headers, serde_json::from_slice(&response.bytes().await.unwrap()).unwrap())
}

#[tokio::test]
async fn it_serves_the_specifications_examples_from_the_start() {
    let emulator = Emulator::start().await.unwrap();
    let customer = emulator.partner().customers().by_id(emulator.example_customer());
    let upload = customer.batch_upload_status().by_id(emulator.example_upload()).get().await.unwrap();
    assert_eq!(upload.devices_status[0].error_code.as_deref(), Some("808"));
    let batches = customer.device_batches().get().await.unwrap();
    assert_eq!(batches.items[0].id.as_deref(), Some("Test batch"));
    assert_eq!(batches.server_id(), Some("030020344"));
}

#[tokio::test]
async fn its_examples_say_what_the_documents_print() {
    let emulator = Emulator::start().await.unwrap();
    let customer = format!("/v1/customers/{}", emulator.example_customer());
    for (path, fixture) in [
        (format!("{customer}/batchJobStatus/{}", emulator.example_upload()), "batch_upload_status.http"),
        (format!("{customer}/deviceBatches"), "device_batches.http"),
    ] {
        let printed = crate::server::documented(fixture);
        let body = printed.iter().position(|byte| *byte == b'{').unwrap();
        let (_, _, sent) = plain(&emulator, &path, Some("x")).await;
        assert_eq!(sent, serde_json::from_slice::<Value>(&printed[body..]).unwrap());
    }
}

#[tokio::test]
async fn times_that_the_caller_adds_are_on_the_wire_without_offset() {
    let emulator = Emulator::start().await.unwrap();
    let (customer, id) = (CustomerId::from(Uuid::new_v4()), BatchTrackingId::from(Uuid::new_v4()));
    let mut details = BatchUploadDetails::default();
    details.started_time = Some("2026-11-21T08:00:00Z".parse().unwrap());
    emulator.add_upload(customer, id, ScriptedUpload::new(details));
    let (_, _, body) = plain(&emulator, &format!("/v1/customers/{customer}/batchJobStatus/{id}"), Some("x")).await;
    assert_eq!(body["startedTime"], "2026-11-21T08:00:00");
}

#[tokio::test]
async fn a_script_without_end_does_no_harm() {
    let emulator = Emulator::start().await.unwrap();
    let (customer, id) = (CustomerId::from(Uuid::new_v4()), BatchTrackingId::from(Uuid::new_v4()));
    let mut details = BatchUploadDetails::default();
    details.devices_status = vec![DeviceUploadDetails::default(); 3];
    emulator.add_upload(customer, id, ScriptedUpload::new(details).queued_reads(1).processing_reads(usize::MAX));
    let upload = emulator.partner().customers().by_id(customer).batch_upload_status().by_id(id);
    for expected in [UploadStatus::Queued, UploadStatus::Processing, UploadStatus::Processing] {
        assert_eq!(upload.get().await.unwrap().status, Some(expected));
    }
    emulator.fail_next(usize::MAX, StatusCode::FORBIDDEN);
    assert_eq!(upload.get().await.unwrap_err().status(), Some(StatusCode::FORBIDDEN));
}

#[tokio::test]
async fn it_holds_what_the_caller_adds() {
    let emulator = Emulator::start().await.unwrap();
    let customer = CustomerId::from(Uuid::new_v4());
    let handle = emulator.partner().customers().by_id(customer);
    assert!(handle.device_batches().get().await.unwrap_err().is_not_found());
    emulator.add_customer(customer);
    assert!(handle.device_batches().get().await.unwrap().items.is_empty());
    let mut batch = DeviceBatch::default();
    batch.id = Some("Autumn".to_owned());
    emulator.add_device_batch(customer, batch.clone());
    let list = handle.device_batches().get().await.unwrap();
    assert_eq!((list.total_count, &list.items[..]), (Some(1), &[batch][..]));
}

#[tokio::test]
async fn an_upload_goes_through_its_states_by_reads() {
    let emulator = Emulator::start().await.unwrap();
    let (customer, id) = (CustomerId::from(Uuid::new_v4()), BatchTrackingId::from(Uuid::new_v4()));
    let mut details = BatchUploadDetails::default();
    details.status = Some(UploadStatus::FinishedWithErrors);
    details.started_time = Some(chrono::DateTime::UNIX_EPOCH);
    let mut device = DeviceUploadDetails::default();
    device.status = Some(UploadStatus::FinishedWithErrors);
    device.error_code = Some("808".to_owned());
    details.devices_status = vec![device; 2];
    emulator.add_upload(customer, id, ScriptedUpload::new(details.clone()).queued_reads(1).processing_reads(2));

    let handle = emulator.partner().customers().by_id(customer).batch_upload_status().by_id(id);
    let queued = handle.get().await.unwrap();
    assert_eq!(
        (queued.status.as_ref(), queued.started_time, queued.devices_status.len()),
        (Some(&UploadStatus::Queued), None, 0)
    );
    for done in [0, 1] {
        let processing = handle.get().await.unwrap();
        assert_eq!(processing.status, Some(UploadStatus::Processing));
        let ended = processing.devices_status.iter().filter(|device| device.error_code.is_some()).count();
        assert_eq!(ended, done);
    }
    for _ in 0..2 {
        assert_eq!(handle.get().await.unwrap().into_inner(), details);
    }
}

#[tokio::test]
async fn it_refuses_as_the_documents_say() {
    let emulator = Emulator::start().await.unwrap();
    let (customer, upload) = (emulator.example_customer(), emulator.example_upload());
    let known = format!("/v1/customers/{customer}/batchJobStatus/{upload}");
    let unknown = format!("/v1/customers/{customer}/batchJobStatus/{customer}");
    let cases = [
        (known.clone(), None, 401, "400"),
        (known.clone(), Some(""), 401, "400"),
        ("/v1/customers/nobody/deviceBatches".to_owned(), Some("x"), 400, "900118"),
        (format!("/v1/customers/{customer}/batchJobStatus/0127ed8e"), Some("x"), 400, "3000"),
        (unknown, Some("x"), 404, "1000"),
        (format!("/v1/customers/{upload}/deviceBatches"), Some("x"), 404, "1000"),
        ("/".to_owned(), Some("x"), 404, "1000"),
    ];
    for (path, token, status, code) in cases {
        let (found, headers, body) = plain(&emulator, &path, token).await;
        assert_eq!(found.as_u16(), status, "{path}");
        assert_eq!(body["code"].to_string().trim_matches('"'), code, "{path}");
        assert!(body["description"].is_string() && body["source"].is_string());
        for name in ["MS-RequestId", "MS-CorrelationId", "MS-CV", "MS-ServerId"] {
            assert!(headers.contains_key(name), "{path}: {name}");
        }
    }
    let url = format!("{}{known}", emulator.base_url());
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let refused = client.post(url).bearer_auth("x").send().await.unwrap();
    assert_eq!((refused.status().as_u16(), &refused.headers()["allow"]), (405, &"GET".parse().unwrap()));
    let (status, ..) = plain(&emulator, &known.to_lowercase(), Some("x")).await;
    assert_eq!(status, StatusCode::OK, "letter case does not matter");
}

#[tokio::test]
async fn it_fails_and_throttles_as_often_as_it_is_told() {
    let emulator = Emulator::start().await.unwrap();
    let handle = emulator.partner().customers().by_id(emulator.example_customer()).device_batches();
    emulator.throttle_next(1, Duration::from_millis(56_001));
    emulator.fail_next(1, StatusCode::FORBIDDEN);
    let path = format!("/v1/customers/{}/deviceBatches", emulator.example_customer());
    let (status, headers, body) = plain(&emulator, &path, Some("x")).await;
    assert_eq!((status, &headers["retry-after"]), (StatusCode::TOO_MANY_REQUESTS, &"57".parse().unwrap()));
    assert_eq!(body["message"], "Rate limit is exceeded. Try again in 57 seconds.");
    assert_eq!(handle.get().await.unwrap_err().code(), Some("20002"));
    handle.get().await.unwrap();
    assert_eq!(emulator.requests().len(), 3);
    assert_eq!(emulator.requests()[0].path, path);
}

#[tokio::test]
async fn it_holds_what_a_link_points_to_at_the_links_own_text() {
    let emulator = Emulator::start().await.unwrap();
    for uri in
        ["/customers/1/a b", "/v1/customers/1/x", "/customers/1/100% #1", "/customers/1/a\\b", "/customers?size=5"]
    {
        let mut link = Link::default();
        link.uri = Some(uri.to_owned());
        emulator.add_resource(uri, json!({ "uri": uri }));
        assert_eq!(emulator.partner().follow::<Value>(&link).await.unwrap()["uri"], uri);
    }
    emulator.add_resource("https://elsewhere.example.com/", json!({}));
}

/// The bytes that come for a request until the connection ends.
async fn bytes(emulator: &Emulator, headers: &str) -> String {
    let mut stream = TcpStream::connect(emulator.base_url().trim_start_matches("http://")).await.unwrap();
    let path = format!("/v1/customers/{}/deviceBatches", emulator.example_customer());
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.unwrap();
    String::from_utf8_lossy(&bytes).into_owned()
}

#[tokio::test]
async fn a_response_of_the_callers_own_is_on_the_wire_as_it_was_given() {
    let emulator = Emulator::start().await.unwrap();
    let page = ScriptedResponse::new(StatusCode::IM_A_TEAPOT).header("X-Gateway", "a").header("X-Gateway", "b");
    emulator.respond_next(page.body("\u{feff}<h1>No</h1>").times(2));
    for _ in 0..2 {
        let sent = bytes(&emulator, "").await;
        let (head, body) = sent.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 418 "), "{head}");
        let mut names: Vec<_> = head.lines().skip(1).map(|line| line.split(':').next().unwrap()).collect();
        names.sort_unstable();
        assert_eq!(names, ["connection", "content-length", "date", "x-gateway", "x-gateway"]);
        assert_eq!(body, "\u{feff}<h1>No</h1>");
    }
    assert!(bytes(&emulator, "").await.starts_with("HTTP/1.1 401 "));
}

#[tokio::test]
async fn a_fault_of_the_callers_own_has_the_headers_of_the_service() {
    let emulator = Emulator::start().await.unwrap();
    let fault = json!({ "code": 900150, "description": "The supplied role does not have the rights" });
    emulator.respond_next(ScriptedResponse::json(StatusCode::FORBIDDEN, &fault));
    let batches = emulator.partner().customers().by_id(emulator.example_customer()).device_batches();
    let error = batches.get().await.unwrap_err();
    assert_eq!((error.code(), error.server_id()), (Some("900150"), Some("030020344")));
    assert!(error.service_request_id().is_some());
}

#[tokio::test]
async fn a_response_breaks_off_where_it_is_told_to() {
    let emulator = Emulator::start().await.unwrap();
    for breaks_off_after in [0, 9, 100_000] {
        let body = "x".repeat(200_000);
        emulator.respond_next(ScriptedResponse::new(StatusCode::OK).body(body).break_off_after(breaks_off_after));
        let sent = bytes(&emulator, "").await;
        let (head, body) = sent.split_once("\r\n\r\n").unwrap();
        assert!(head.contains("content-length: 200000"), "{head}");
        assert_eq!(body.len(), breaks_off_after);
    }
    emulator.respond_next(ScriptedResponse::new(StatusCode::OK).body("{}").break_off_after(1));
    let batches = emulator.partner().customers().by_id(emulator.example_customer()).device_batches();
    assert_eq!(batches.get().await.unwrap().attempts(), 2);
}

#[tokio::test]
async fn a_compressed_response_is_smaller_and_says_so() {
    let emulator = Emulator::start().await.unwrap();
    let response = ScriptedResponse::new(StatusCode::OK).body("x".repeat(200_000)).gzip();
    emulator.respond_next(response);
    let sent = bytes(&emulator, "").await;
    let (head, body) = sent.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("content-encoding: gzip") && body.len() < 2_000, "{head}");
    assert!(body.starts_with("\u{1f}"), "{body}");
}

#[tokio::test(start_paused = true)]
async fn a_response_with_a_delay_comes_after_it() {
    let emulator = Emulator::start().await.unwrap();
    let batches = json!({ "items": [], "attributes": { "objectType": "Collection" } });
    emulator.respond_next(ScriptedResponse::json(StatusCode::OK, &batches).delay(Duration::from_secs(50)));
    let started = tokio::time::Instant::now();
    let sent = bytes(&emulator, "").await;
    assert!(sent.starts_with("HTTP/1.1 200 ") && started.elapsed() >= Duration::from_secs(50));
}

#[tokio::test]
async fn a_path_can_have_a_response_of_its_own_also_one_of_the_two_operations() {
    let emulator = Emulator::start().await.unwrap();
    let customer = CustomerId::from(Uuid::new_v4());
    let path = format!("/v1/customers/{customer}/deviceBatches");
    emulator.add_response(&path, ScriptedResponse::json(StatusCode::GONE, &json!({ "code": 7 })));
    for _ in 0..2 {
        assert_eq!(plain(&emulator, &path, Some("x")).await.0, StatusCode::GONE);
    }
    assert_eq!(plain(&emulator, &path, None).await.0, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn the_devices_behind_the_examples_link_are_there() {
    let emulator = Emulator::start().await.unwrap();
    let partner = emulator.partner();
    let batches = partner.customers().by_id(emulator.example_customer()).device_batches().get().await.unwrap();
    let batch = &batches.items[0];
    let devices = partner.follow::<Value>(batch.devices_link.as_ref().unwrap()).await.unwrap();
    assert_eq!(devices["totalCount"], json!(batch.devices_count.unwrap()));
    assert_eq!(devices["items"].as_array().unwrap().len(), 5);
    assert_eq!(devices["items"][0]["attributes"]["objectType"], "Device");
}

#[tokio::test]
async fn sign_ins_are_refused_with_the_code_that_was_asked_for() {
    let emulator = Emulator::start().await.unwrap();
    let codes = [
        (50_076, 400, "invalid_grant", Some("basic_action")),
        (53_003, 400, "access_denied", Some("message_only")),
        (65_001, 400, "invalid_grant", Some("consent_required")),
        (700_016, 400, "unauthorized_client", None),
        (700_082, 400, "invalid_grant", Some("bad_token")),
        (7_000_215, 401, "invalid_client", None),
        (4_711, 400, "invalid_grant", None),
    ];
    for (code, status, error, suberror) in codes {
        emulator.refuse_next_sign_ins(1, code);
        let url = format!("{}/contoso.onmicrosoft.com/oauth2/v2.0/token", emulator.base_url());
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let response = client.post(url).body("grant_type=client_credentials").send().await.unwrap();
        assert_eq!(response.status().as_u16(), status, "{code}");
        let body: Value = serde_json::from_slice(&response.bytes().await.unwrap()).unwrap();
        assert_eq!((body["error"].as_str(), body["suberror"].as_str()), (Some(error), suberror), "{code}");
        assert_eq!(body["error_codes"], json!([code]));
        assert!(body["error_description"].as_str().unwrap().starts_with(&format!("AADSTS{code}: ")));
    }
}

#[tokio::test]
async fn the_next_sign_in_gets_a_response_of_the_callers_own() {
    let emulator = Emulator::start().await.unwrap();
    emulator.respond_next_sign_in(ScriptedResponse::new(StatusCode::FORBIDDEN).body("<h1>A proxy</h1>"));
    // Of two credentials: one remembers that it was refused.
    let batches = || {
        let credential = AppOnlyCredential::new("contoso.onmicrosoft.com", "an-application", "a-secret").unwrap();
        let partner = PartnerCenter::builder(credential).cloud(emulator.cloud()).retry_policy(RetryPolicy::none());
        partner.build().unwrap().customers().by_id(emulator.example_customer()).device_batches()
    };
    assert_eq!(batches().get().await.unwrap_err().kind(), ErrorKind::Credential);
    batches().get().await.unwrap();
    assert_eq!(emulator.sign_ins(), 2);
}

#[test]
fn starting_outside_a_runtime_is_an_error_that_says_so() {
    let mut start = Box::pin(Emulator::start());
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let std::task::Poll::Ready(Err(error)) = start.as_mut().poll(&mut context) else { panic!("it started") };
    assert!(error.to_string().contains("needs a tokio runtime"), "{error}");
}

#[tokio::test]
async fn its_port_is_free_as_soon_as_it_is_dropped() {
    let emulator = Emulator::start().await.unwrap();
    let address = emulator.base_url().trim_start_matches("http://").to_owned();
    plain(&emulator, "/", Some("x")).await;
    drop(emulator);
    TcpListener::bind(address).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn it_is_stopped_when_stop_returns_with_its_connections() {
    let emulator = Emulator::start().await.unwrap();
    let address = emulator.base_url().trim_start_matches("http://").to_owned();
    let mut open = TcpStream::connect(&address).await.unwrap();
    emulator.respond_next(ScriptedResponse::new(StatusCode::OK).delay(Duration::from_secs(3600)));
    open.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    // The paused clock goes on when there is nothing left to do.
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(emulator.requests().len(), 1);
    emulator.stop().await;
    TcpListener::bind(address).await.unwrap();
    let mut rest = Vec::new();
    let ended = open.read_to_end(&mut rest).await;
    assert!(ended.is_err() || rest.is_empty());
}

#[cfg(feature = "blocking")]
#[test]
fn its_port_is_free_as_soon_as_a_blocking_one_is_dropped() {
    let emulator = Emulator::start_blocking().unwrap();
    let address = emulator.base_url().trim_start_matches("http://").to_owned();
    drop(emulator);
    std::net::TcpListener::bind(address).unwrap();
}

#[tokio::test]
async fn what_it_records_shows_no_credentials_in_any_header() {
    let emulator = Emulator::start().await.unwrap();
    let secret = "nobody-may-see";
    let names = ["Authorization", "Proxy-Authorization", "Cookie", "Ocp-Apim-Subscription-Key", "X-Api-Key", "X-Auth"];
    let headers: String = names.map(|name| format!("{name}: {secret}\r\n")).concat();
    let looks_like_one =
        format!("X-Forwarded-Authz: bearer {secret}\r\nX-Other: eyJ0eXAi{secret}\r\nX-Locale: de-DE\r\n");
    bytes(&emulator, &(headers + &looks_like_one)).await;
    let requests = emulator.requests();
    let shown = format!("{requests:?}");
    assert!(!shown.contains(secret) && shown.contains("de-DE"), "{shown}");
    assert_eq!(requests[0].headers["x-api-key"], secret, "a test can still look at what was sent");
}

#[tokio::test]
async fn what_it_records_is_bounded() {
    let emulator = Emulator::start().await.unwrap();
    let mut stream = TcpStream::connect(emulator.base_url().trim_start_matches("http://")).await.unwrap();
    let mut response = vec![0; 1 << 16];
    for request in 0..10_005_u32 {
        emulator.respond_next(ScriptedResponse::new(StatusCode::NO_CONTENT));
        stream.write_all(format!("GET /{request} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes()).await.unwrap();
        let mut read = 0;
        while !response[..read].ends_with(b"\r\n\r\n") {
            read += stream.read(&mut response[read..]).await.unwrap();
        }
    }
    let requests = emulator.requests();
    assert_eq!((requests.len(), requests[0].path.as_str()), (10_000, "/5"));
}
