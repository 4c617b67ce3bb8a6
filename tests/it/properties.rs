//! Whatever bytes come in: never a panic, and what was valid stays the same through write and read.

use std::error::Error as _;

use partner_center_devices::Error;
use partner_center_devices::models::{BatchUploadDetails, DeviceBatchCollection, UploadStatus};
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::server::{Reply, Server, response};

/// Values of every JSON type; texts are often ones that mean something.
fn json_value() -> impl Strategy<Value = Value> {
    let text = prop_oneof![
        any::<String>(),
        "[a-z_-]{0,20}",
        "[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.+Z-]{0,20}",
        Just("0001-01-01T00:00:00".to_owned()),
        Just("finished_with_errors".to_owned()),
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        text.prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![vec(inner.clone(), 0..4).prop_map(Value::from), object(inner).prop_map(Value::Object)]
    })
}

const MEMBERS: &[&str] = &[
    "batchTrackingId",
    "status",
    "startedTime",
    "completedTime",
    "devicesStatus",
    "attributes",
    "deviceId",
    "serialNumber",
    "errorCode",
    "totalCount",
    "items",
    "links",
    "id",
    "creationDate",
    "devicesCount",
    "deviceCount",
    "devicesLink",
    "uri",
    "method",
    "headers",
    "key",
    "value",
    "etag",
    "objectType",
    "self",
    "next",
    "code",
    "description",
    "data",
    "source",
    "statusCode",
    "message",
    "other",
];

fn object(value: impl Strategy<Value = Value>) -> impl Strategy<Value = Map<String, Value>> {
    vec((prop::sample::select(MEMBERS), value), 0..6)
        .prop_map(|members| members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

fn body() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        vec(any::<u8>(), 0..200),
        object(json_value()).prop_map(|object| Value::Object(object).to_string().into_bytes()),
        json_value().prop_map(|value| value.to_string().into_bytes()),
    ]
}

fn header_bytes() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>().prop_filter("a header ends at a line's end", |byte| !matches!(byte, 0 | b'\r' | b'\n')), 0..40)
}

/// Touches everything that reads foreign bytes.
fn look_at(error: &Error) {
    let line = error.to_string();
    assert!(!line.chars().any(char::is_control), "{line:?}");
    let _ = (error.status(), error.code(), error.description(), error.data(), error.source_system(), error.headers());
    let _ = (error.retry_after(), error.location(), error.body(), error.ms_cv(), error.server_id());
    let _ = (error.service_request_id(), error.service_correlation_id(), error.source(), format!("{error:?}"));
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_response_makes_a_call_panic(
        status in prop_oneof![Just(200_u16), 200_u16..600, 100_u16..1000],
        body in body(),
        retry_after in header_bytes(),
        location in header_bytes(),
    ) {
        run(async {
            let mut bytes = format!("HTTP/1.1 {status} Any\r\nContent-Length: {}\r\n", body.len()).into_bytes();
            for (name, value) in [("Retry-After", &retry_after), ("Location", &location), ("MS-CV", &location)] {
                bytes.extend([name.as_bytes(), b": ", value, b"\r\n"].concat());
            }
            bytes.extend([b"\r\n", &body[..]].concat());
            let server = Server::new([Reply::SendAndClose(bytes.clone()), Reply::SendAndClose(bytes)]).await;
            if let Err(error) = server.upload().get().await {
                look_at(&error);
            }
            if let Err(error) = server.customer().device_batches().get().await {
                look_at(&error);
            }
        });
    }

    #[test]
    fn a_readable_upload_stays_the_same_through_write_and_read(object in object(json_value())) {
        if let Ok(details) = serde_json::from_value::<BatchUploadDetails>(Value::Object(object)) {
            let written = serde_json::to_string(&details).unwrap();
            prop_assert_eq!(serde_json::from_str::<BatchUploadDetails>(&written).unwrap(), details);
        }
    }

    #[test]
    fn a_readable_list_stays_the_same_through_write_and_read(items in vec(object(json_value()), 0..4)) {
        if let Ok(list) = serde_json::from_value::<DeviceBatchCollection>(json!({ "items": items })) {
            let written = serde_json::to_string(&list).unwrap();
            prop_assert_eq!(serde_json::from_str::<DeviceBatchCollection>(&written).unwrap(), list);
        }
    }

    #[test]
    fn every_status_text_is_kept_or_recognised(text in any::<String>()) {
        let status = UploadStatus::from(text.as_str());
        prop_assert_eq!(&UploadStatus::from(status.as_str()), &status);
        if let UploadStatus::Other(kept) = &status {
            prop_assert_eq!(kept, &text);
        }
    }

    #[test]
    fn every_retry_after_in_seconds_is_read(seconds in any::<u64>()) {
        let error = run(async {
            let headers = [("Retry-After", &*seconds.to_string())];
            Server::with_response(response("503 Busy", &headers, "")).await.upload().get().await.unwrap_err()
        });
        prop_assert_eq!(error.retry_after(), Some(std::time::Duration::from_secs(seconds)));
    }

    #[test]
    fn every_time_is_read_with_and_without_offset(seconds in -60_000_000_000_i64..250_000_000_000, fraction in 0_u32..10_000_000) {
        let time = chrono::DateTime::from_timestamp(seconds, fraction * 100).unwrap();
        for form in ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.fZ", "%Y-%m-%dT%H:%M:%S%.f+00:00"] {
            let body = json!({ "startedTime": time.format(form).to_string() });
            let details: BatchUploadDetails = serde_json::from_value(body).unwrap();
            prop_assert_eq!(details.started_time, Some(time));
        }
    }
}
