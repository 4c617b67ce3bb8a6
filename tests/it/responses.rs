//! What comes in with a 200: every form that the documents, the SDKs and the wire were seen to have.

use chrono::{DateTime, Utc};
use http::StatusCode;
use partner_center_devices::models::{BatchUploadDetails, DeviceBatchCollection, UploadStatus};
use partner_center_devices::{Error, ErrorKind};
use serde_json::json;

use crate::server::{Server, TRACKING, documented, response};

async fn read_upload(body: impl AsRef<[u8]>) -> Result<BatchUploadDetails, Error> {
    Ok(Server::with_body(body).await.upload().get().await?.into_inner())
}

async fn read_batches(body: impl AsRef<[u8]>) -> Result<DeviceBatchCollection, Error> {
    Ok(Server::with_body(body).await.customer().device_batches().get().await?.into_inner())
}

fn utc(text: &str) -> Option<DateTime<Utc>> {
    Some(text.parse().unwrap())
}

#[tokio::test]
async fn reads_the_documented_upload_as_it_is_printed_without_content_type() {
    let bytes = documented("batch_upload_status.http");
    assert!(!String::from_utf8_lossy(&bytes).contains("Content-Type"));
    let response = Server::with_response(bytes).await.upload().get().await.unwrap();

    assert_eq!(response.batch_tracking_id.as_deref(), Some(TRACKING));
    assert_eq!(response.status, Some(UploadStatus::Finished));
    assert_eq!(response.started_time, utc("2017-07-25T10:00:00Z"));
    assert_eq!(response.completed_time, utc("2017-07-25T10:10:00Z"));
    let [device] = &response.devices_status[..] else { panic!("{:?}", response.devices_status) };
    assert_eq!(device.serial_number.as_deref(), Some("1234567890"));
    assert_eq!(device.product_key.as_deref(), Some("12345-67890-09876-54321-13579"));
    assert_eq!(device.status, Some(UploadStatus::FinishedWithErrors));
    assert_eq!(device.error_code.as_deref(), Some("808"));
    assert_eq!(device.error_description.as_deref(), Some("ZtdDeviceAssignedToOtherTenant"));
    assert_eq!(device.device_id, None);
    let object_type = response.attributes.as_ref().unwrap().object_type.as_deref();
    assert_eq!(object_type, Some("BatchUploadDetails"));
}

#[tokio::test]
async fn a_response_carries_status_ids_and_headers() {
    let response = Server::with_response(documented("batch_upload_status.http")).await.upload().get().await.unwrap();
    assert_eq!(response.http_status(), StatusCode::OK);
    assert_eq!(response.service_request_id(), Some("7b3e2e00-b330-4480-9d84-59ace713427f"));
    assert_eq!(response.service_correlation_id(), Some("4a5002a2-0c1b-4e57-b491-dbcf19c0e7b8"));
    assert_eq!(response.ms_cv(), Some("YrLe3w6BbUSMt1fi.0"));
    assert_eq!(response.server_id(), Some("030020344"));
    assert_eq!(response.attempts(), 1);
    assert_eq!(response.headers()["date"], "Tue, 25 Jul 2017 17:52:41 GMT");
}

#[tokio::test]
async fn reads_the_documented_list_as_it_is_printed() {
    let response =
        Server::with_response(documented("device_batches.http")).await.customer().device_batches().get().await.unwrap();
    assert_eq!(response.total_count, Some(1));
    let [batch] = &response.items[..] else { panic!("{:?}", response.items) };
    assert_eq!(batch.id.as_deref(), Some("Test batch"));
    assert_eq!(batch.status, Some(UploadStatus::Finished));
    assert_eq!(batch.creation_date, utc("2017-07-25T01:51:00Z"));
    assert_eq!(batch.devices_count, Some(5));
    let link = batch.devices_link.as_ref().unwrap();
    assert_eq!(
        link.uri.as_deref(),
        Some("/customers/47021739-3426-40bf-9601-61b4b6d7c793/deviceBatches/Test batch/devices")
    );
    assert_eq!(link.method.as_deref(), Some("GET"));
    assert!(link.headers.is_empty());
}

#[tokio::test]
async fn drops_the_byte_order_mark_that_the_documented_length_counts() {
    let printed = documented("device_batches.http");
    let body = printed.splitn(2, |&byte| byte == b'{').nth(1).unwrap();
    let compact: serde_json::Value = serde_json::from_slice(&[b"{", body].concat()).unwrap();
    let body = format!("\u{feff}{compact}");
    assert_eq!(body.len(), 339, "the Content-Length that the document prints");
    assert_eq!(read_batches(body).await.unwrap().items[0].id.as_deref(), Some("Test batch"));
}

#[tokio::test]
async fn null_and_missing_are_the_same() {
    let nothing = BatchUploadDetails::default();
    assert_eq!(read_upload("{}").await.unwrap(), nothing);
    let nulls = json!({ "batchTrackingId": null, "status": null, "startedTime": null, "completedTime": null,
        "devicesStatus": null, "attributes": null });
    assert_eq!(read_upload(nulls.to_string()).await.unwrap(), nothing);
    assert_eq!(
        read_batches(r#"{"totalCount":null,"items":null,"links":null}"#).await.unwrap(),
        DeviceBatchCollection::default()
    );
    let batch = json!({ "items": [{ "id": null, "createdBy": null, "status": null, "creationDate": null,
        "devicesCount": null, "links": null, "devicesLink": { "uri": null, "method": null, "headers": null } }] });
    let batches = read_batches(batch.to_string()).await.unwrap();
    assert_eq!(batches.items[0].devices_link, Some(Default::default()));
    let device =
        json!({ "status": "queued", "devicesStatus": [null, { "deviceId": null, "errorCode": null, "status": null }] });
    assert_eq!(read_upload(device.to_string()).await.unwrap().devices_status, [Default::default()]);
}

#[tokio::test]
async fn unknown_members_are_ignored() {
    let body =
        json!({ "status": "finished", "new": { "a": [1, null] }, " attributes": {}, "devicesStatus": [{ "more": 1 }] });
    assert_eq!(read_upload(body.to_string()).await.unwrap().status, Some(UploadStatus::Finished));
}

#[tokio::test]
async fn a_status_is_read_in_any_form_and_keeps_what_it_does_not_know() {
    let other = |text: &str| UploadStatus::Other(text.to_owned());
    let forms = [
        (json!("unknown"), UploadStatus::Unknown),
        (json!("queued"), UploadStatus::Queued),
        (json!("processing"), UploadStatus::Processing),
        (json!("finished"), UploadStatus::Finished),
        (json!("finished_with_errors"), UploadStatus::FinishedWithErrors),
        (json!("in-progress"), UploadStatus::InProgress),
        (json!("in_progress"), UploadStatus::InProgress),
        (json!("finished with errors"), UploadStatus::FinishedWithErrors),
        (json!("FINISHED"), UploadStatus::Finished),
        (json!("FinishedWithErrors"), UploadStatus::FinishedWithErrors),
        (json!(0), UploadStatus::Unknown),
        (json!(1), UploadStatus::Queued),
        (json!(2), UploadStatus::Processing),
        (json!(3), UploadStatus::Finished),
        (json!(4), UploadStatus::FinishedWithErrors),
        (json!(3.0), UploadStatus::Finished),
        (json!(2.5), other("2.5")),
        (json!(5), other("5")),
        (json!(-1), other("-1")),
        (json!("Paused by operator"), other("Paused by operator")),
        (json!("finished_"), UploadStatus::Finished),
        (json!("3"), UploadStatus::Finished),
        (json!(" finished "), UploadStatus::Finished),
        (json!("7"), other("7")),
    ];
    for (form, expected) in forms {
        let body = json!({ "batchTrackingId": TRACKING, "status": form, "devicesStatus": [{ "status": form }] });
        let details = read_upload(body.to_string()).await.unwrap();
        assert_eq!(details.status.as_ref(), Some(&expected), "{form}");
        assert_eq!(details.devices_status[0].status.as_ref(), Some(&expected), "{form}");
        assert_eq!(details.batch_tracking_id.as_deref(), Some(TRACKING));
    }
}

#[tokio::test]
async fn a_time_is_read_in_any_form() {
    let forms = [
        (json!("2017-07-25T10:00:00"), utc("2017-07-25T10:00:00Z")),
        (json!("2017-07-25T10:00:00Z"), utc("2017-07-25T10:00:00Z")),
        (json!("2017-07-25T10:00:00+02:00"), utc("2017-07-25T08:00:00Z")),
        (json!("2017-08-09T14:43:26.0092288-07:00"), utc("2017-08-09T21:43:26.0092288Z")),
        (json!("2017-07-25T10:00:00.1234567"), utc("2017-07-25T10:00:00.1234567Z")),
        (json!("2017-07-25T10:00:00+0200"), utc("2017-07-25T08:00:00Z")),
        (json!("2017-07-25 10:00:00"), utc("2017-07-25T10:00:00Z")),
        (json!("2017-07-25 10:00:00.5+02:00"), utc("2017-07-25T08:00:00.5Z")),
        (json!("2017-07-25T10:00:00 +02:00"), utc("2017-07-25T08:00:00Z")),
        (json!("2017-07-25 10:00:00 +02:00"), utc("2017-07-25T08:00:00Z")),
        (json!("0001-01-01T00:00:00"), None),
        (json!("0001-01-01T00:00:00Z"), None),
        (json!("0001-01-01T00:00:00+08:00"), None),
        (json!(""), None),
        (json!(null), None),
    ];
    for (form, expected) in forms {
        let details = read_upload(json!({ "status": "queued", "completedTime": form }).to_string()).await.unwrap();
        assert_eq!(details.completed_time, expected, "{form}");
        assert_eq!(details.status, Some(UploadStatus::Queued));
    }
}

#[tokio::test]
async fn a_text_that_is_not_a_time_is_absent_and_not_another_time() {
    for form in
        ["2017-07-25 1 0:00:00", "2017-07-25T10:00:00.1 2", "2017-07-25 10:00:00 UTC+2", "yesterday", "2017-13-01"]
    {
        let server = Server::with_body(json!({ "completedTime": form }).to_string()).await;
        let upload = server.upload().get().await.unwrap();
        let [member] = upload.unreadable_members() else { panic!("{form}: {:?}", upload.unreadable_members()) };
        assert_eq!((upload.completed_time, member.path(), member.text()), (None, "completedTime", form));
    }
}

#[tokio::test]
async fn numbers_stand_for_texts_and_texts_for_numbers() {
    let body = json!({ "devicesStatus": [{ "errorCode": 808, "serialNumber": 1234567890_u64 }] });
    let device = read_upload(body.to_string()).await.unwrap().devices_status.remove(0);
    assert_eq!(device.error_code.as_deref(), Some("808"));
    assert_eq!(device.serial_number.as_deref(), Some("1234567890"));
    let batches = read_batches(r#"{"totalCount":"7","items":[{"id":42,"devicesCount":"5"}]}"#).await.unwrap();
    assert_eq!(batches.total_count, Some(7));
    assert_eq!(batches.items[0].id.as_deref(), Some("42"));
    assert_eq!(batches.items[0].devices_count, Some(5));
}

#[tokio::test]
async fn a_number_whose_digits_are_lost_is_no_text() {
    let error = read_upload(r#"{"devicesStatus":[{"serialNumber":12345678901234567890123}]}"#).await.unwrap_err();
    assert!(error.to_string().contains("devicesStatus[0].serialNumber"), "{error}");
}

#[tokio::test]
async fn a_list_is_no_object_and_an_empty_one_is_none() {
    let body = json!({ "status": "queued", "attributes": [], "devicesStatus": [{ "attributes": "" }, [], null] });
    let upload = read_upload(body.to_string()).await.unwrap();
    assert_eq!((upload.attributes, upload.devices_status), (None, vec![Default::default()]));
    for none in [json!({}), json!(""), json!([])] {
        let body = json!({ "totalCount": 1, "items": [{ "devicesLink": { "uri": "/x", "headers": none } }] });
        let batches = read_batches(body.to_string()).await.unwrap();
        assert_eq!(batches.items[0].devices_link.as_ref().unwrap().headers, []);
        let list = json!({ "totalCount": 0, "items": none });
        assert_eq!(read_batches(list.to_string()).await.unwrap().items, []);
    }
    // An upload whose devices cannot be read must not look like one without failed devices.
    for devices in [json!({ "0": { "status": "finished" } }), json!({ "items": [] }), json!({ "status": "queued" })] {
        let body = json!({ "status": "finished", "devicesStatus": devices });
        let error = read_upload(body.to_string()).await.unwrap_err();
        assert!(error.to_string().contains("at `devicesStatus`"), "{error}");
    }
    for (body, path) in [
        (json!({ "items": [["x"]] }), "items[0]"),
        (json!({ "items": ["x"] }), "items[0]"),
        (json!({ "items": [{}, { "status": [] }] }), "items[1].status"),
    ] {
        let error = read_batches(body.to_string()).await.unwrap_err();
        assert!(error.to_string().contains(&format!("at `{path}`")), "{error}");
    }
}

#[tokio::test]
async fn more_objects_than_the_bound_allows_are_an_error() {
    let server = Server::with_body(format!(r#"{{"items":[{}{{}}]}}"#, "{},".repeat(20_000))).await;
    let partner = server.builder().max_body_size(100_000).build().unwrap();
    let error = crate::server::customer(&partner).device_batches().get().await.unwrap_err();
    assert_eq!((error.kind(), error.body().len()), (ErrorKind::Decode, 0));
    assert_eq!(
        read_batches(format!(r#"{{"items":[{}{{}}]}}"#, "{},".repeat(20_000))).await.unwrap().items.len(),
        20_001
    );
}

#[tokio::test]
async fn device_count_stands_for_devices_count() {
    let batches = read_batches(r#"{"items":[{"deviceCount":5}]}"#).await.unwrap();
    assert_eq!(batches.items[0].devices_count, Some(5));
}

#[tokio::test]
async fn a_response_with_both_spellings_of_the_count_is_read() {
    for (body, expected) in [
        (json!({ "devicesCount": 5, "deviceCount": 5 }), Some(5)),
        (json!({ "deviceCount": 4, "devicesCount": 5 }), Some(4)),
        (json!({ "devicecount": 4, "devicesCount": 5 }), Some(4)),
        (json!({ "deviceCount": 4, "devicesCount": null }), Some(4)),
        (json!({ "deviceCount": null }), None),
    ] {
        let list = read_batches(json!({ "items": [body] }).to_string()).await.unwrap();
        assert_eq!(list.items[0].devices_count, expected, "{body}");
    }
}

#[tokio::test]
async fn a_decode_error_has_no_more_than_a_line_of_the_body_in_its_source() {
    let long = "x".repeat(1_000_000);
    for body in [json!({ "devicesStatus": long }), json!({ "devicesStatus": [long] })] {
        let error = read_upload(body.to_string()).await.unwrap_err();
        assert!(format!("{error:?}").len() < 2000, "{error}");
        assert!(std::error::Error::source(&error).is_some());
    }
    assert_eq!(read_upload("{").await.unwrap_err().to_string(), "cannot read the response");
    let line =
        read_upload(format!("{{\"a\\u001b[31m\\nFAKE {}\":-}}", "k".repeat(100_000))).await.unwrap_err().to_string();
    assert!(line.len() < 500 && !line.chars().any(char::is_control), "{line:.999}");
}

#[tokio::test]
async fn the_servers_total_count_is_kept() {
    assert_eq!(read_batches(r#"{"totalCount":7,"items":[{}]}"#).await.unwrap().total_count, Some(7));
}

#[tokio::test]
async fn an_unreadable_200_names_the_field_at_fault_and_keeps_the_body() {
    let cases = [
        (r#"{"devicesStatus":[{},{"status":{}}]}"#, "devicesStatus[1].status"),
        (r#"{"Status":[1]}"#, "status"),
        (r#"{"devicesStatus":[{},{},{"errorCode":{"a":1}}]}"#, "devicesStatus[2].errorCode"),
        (r#"{"devicesStatus":"none"}"#, "devicesStatus"),
    ];
    for (body, path) in cases {
        let error = read_upload(body).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Decode, "{body}");
        assert_eq!(error.to_string(), format!("cannot read the response at `{path}`"));
        assert_eq!(error.body(), body.as_bytes());
        assert_eq!(error.status(), Some(StatusCode::OK));
        assert!(!error.is_retryable());
    }
}

#[tokio::test]
async fn a_200_that_is_no_json_object_is_a_decode_error() {
    for body in ["", "<html>", "null", "[]", "[null]", "{", r#"{"status":"finished"} more"#, "\"finished\""] {
        let error = read_upload(body).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Decode, "{body}");
        assert_eq!(error.body(), body.as_bytes());
        assert_eq!(error.attempts(), 1);
    }
}

#[tokio::test]
async fn a_decode_error_keeps_the_ids_of_the_response() {
    let headers = [("MS-RequestId", "from-the-service"), ("MS-CV", "cv.0"), ("MS-ServerId", "0123")];
    let error = Server::with_response(response("200 OK", &headers, "no")).await.upload().get().await.unwrap_err();
    assert_eq!(error.service_request_id(), Some("from-the-service"));
    assert_eq!(error.ms_cv(), Some("cv.0"));
    assert_eq!(error.server_id(), Some("0123"));
    assert!(error.request_id().is_some() && error.correlation_id().is_some());
}

#[tokio::test]
async fn a_body_over_the_bound_is_an_error() {
    let announced = response("200 OK", &[], vec![b' '; 1025]);
    let chunked =
        [&b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n401\r\n"[..], &[b' '; 1025], b"\r\n0\r\n\r\n"]
            .concat();
    for bytes in [announced, chunked] {
        let server = Server::with_response(bytes).await;
        let partner = server.builder().max_body_size(1024).build().unwrap();
        let error = crate::server::upload(&partner).get().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Decode);
        assert_eq!(error.to_string(), "the response is larger than the bound, or has too many objects");
        assert!(error.body().is_empty());
    }
    let server = Server::with_body(format!("{{}}{}", " ".repeat(1022))).await;
    let partner = server.builder().max_body_size(1024).build().unwrap();
    crate::server::upload(&partner).get().await.unwrap();
}
