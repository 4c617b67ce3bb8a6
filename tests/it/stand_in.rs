//! The emulator, called as a user would, and as another language would: by plain HTTP.

use std::time::Duration;

use http::StatusCode;
use partner_center_devices::emulator::{Emulator, Upload};
use partner_center_devices::models::{BatchUploadDetails, DeviceBatch, DeviceUploadDetails, Link, UploadStatus};
use partner_center_devices::{BatchTrackingId, CustomerId};
use serde_json::{Value, json};
use uuid::Uuid;

async fn plain(emulator: &Emulator, path: &str, token: Option<&str>) -> (StatusCode, http::HeaderMap, Value) {
    let mut request =
        reqwest::Client::builder().no_proxy().build().unwrap().get(format!("{}{path}", emulator.base_url()));
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    let answer = request.send().await.unwrap();
    let (status, headers) = (answer.status(), answer.headers().clone());
    (status, headers, serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap())
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
        let (_, _, answered) = plain(&emulator, &path, Some("x")).await;
        assert_eq!(answered, serde_json::from_slice::<Value>(&printed[body..]).unwrap());
    }
}

#[tokio::test]
async fn times_that_the_caller_adds_are_on_the_wire_without_offset() {
    let emulator = Emulator::start().await.unwrap();
    let (customer, id) = (CustomerId::from(Uuid::new_v4()), BatchTrackingId::from(Uuid::new_v4()));
    let mut details = BatchUploadDetails::default();
    details.started_time = Some("2026-11-21T08:00:00Z".parse().unwrap());
    emulator.add_upload(customer, id, Upload::new(details));
    let (_, _, body) = plain(&emulator, &format!("/v1/customers/{customer}/batchJobStatus/{id}"), Some("x")).await;
    assert_eq!(body["startedTime"], "2026-11-21T08:00:00");
}

#[tokio::test]
async fn a_script_without_end_does_no_harm() {
    let emulator = Emulator::start().await.unwrap();
    let (customer, id) = (CustomerId::from(Uuid::new_v4()), BatchTrackingId::from(Uuid::new_v4()));
    let mut details = BatchUploadDetails::default();
    details.devices_status = vec![DeviceUploadDetails::default(); 3];
    emulator.add_upload(customer, id, Upload::new(details).queued_reads(1).processing_reads(usize::MAX));
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
    emulator.add_upload(customer, id, Upload::new(details.clone()).queued_reads(1).processing_reads(2));

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
