//! How a body becomes types: what each kind of value takes, what may be absent, and what may not.

use chrono::{DateTime, Utc};
use partner_center_devices::models::{self, BatchUploadDetails, DeviceBatch, DeviceBatchCollection, UploadStatus};
use partner_center_devices::{BatchTrackingId, CustomerId, ErrorKind, OPENAPI, Response};
use serde_json::{Value, json};

use crate::server::Server;

async fn upload(body: impl AsRef<[u8]>) -> Response<BatchUploadDetails> {
    Server::with_body(body).await.upload().get().await.unwrap()
}

async fn batches(body: impl AsRef<[u8]>) -> Response<DeviceBatchCollection> {
    Server::with_body(body).await.customer().device_batches().get().await.unwrap()
}

fn unreadable<T>(response: &Response<T>) -> Vec<(&str, &str)> {
    response.unreadable_members().iter().map(|member| (member.path(), member.text())).collect()
}

#[tokio::test]
async fn members_match_in_any_letter_case() {
    let body = json!({ "Status": "finished", "DEVICESSTATUS": [{ "SerialNumber": "1", "errorcode": 808 }] });
    let upload = upload(body.to_string()).await;
    assert_eq!(upload.status, Some(UploadStatus::Finished));
    let device = &upload.devices_status[0];
    assert_eq!((device.serial_number.as_deref(), device.error_code.as_deref()), (Some("1"), Some("808")));
}

#[tokio::test]
async fn of_a_member_that_comes_twice_the_first_counts() {
    let upload = upload(r#"{"status":"queued","Status":"finished","status":{"not":"read"}}"#).await;
    assert_eq!(upload.status, Some(UploadStatus::Queued));
    assert!(upload.unreadable_members().is_empty());
    let list = batches(r#"{"items":[{"id":"a"}],"items":[{"id":"b"},{"id":"c"}]}"#).await;
    assert_eq!(list.items.len(), 1);
}

#[tokio::test]
async fn null_and_an_empty_string_are_absent_for_every_kind_of_member() {
    for nothing in [json!(null), json!("")] {
        let body = json!({
            "totalCount": nothing,
            "links": nothing,
            "attributes": nothing,
            "items": [{
                "id": nothing, "status": nothing, "creationDate": nothing, "devicesCount": nothing, "devicesLink": nothing,
            }, nothing],
        });
        let list = batches(body.to_string()).await;
        assert_eq!(list.items, [DeviceBatch::default()], "{nothing}");
        assert!(list.unreadable_members().is_empty());
        assert_eq!(batches(json!({ "items": nothing }).to_string()).await.items, []);
    }
}

#[tokio::test]
async fn a_member_that_cannot_be_read_is_absent_and_listed_with_path_and_text() {
    let body = json!({
        "totalCount": 99_999_999_999_i64,
        "attributes": ["x"],
        "links": "none",
        "items": [
            { "id": "a", "devicesCount": "many", "createdBy": { "name": "Contoso" } },
            { "id": "b", "creationDate": true, "devicesLink": { "uri": "/b", "headers": [7, { "key": "k" }] } },
        ],
    });
    let list = batches(body.to_string()).await;
    let mut listed = unreadable(&list);
    listed.sort_unstable();
    let expected = [
        ("attributes", "[…]"),
        ("items[0].createdBy", "{…}"),
        ("items[0].devicesCount", "many"),
        ("items[1].creationDate", "true"),
        ("items[1].devicesLink.headers[0]", "7"),
        ("links", "none"),
        ("totalCount", "99999999999"),
    ];
    assert_eq!(listed, expected);
    let ids: Vec<_> = list.items.iter().map(|batch| batch.id.as_deref().unwrap()).collect();
    assert_eq!(ids, ["a", "b"]);
    let link = list.items[1].devices_link.as_ref().unwrap();
    assert_eq!((link.uri.as_deref(), link.headers.len()), (Some("/b"), 1));
}

#[tokio::test]
async fn a_refused_object_or_list_does_not_hide_what_stands_behind_it() {
    let deep =
        json!({ "startedTime": { "a": [{ "b": [] }, [[]]] }, "completedTime": [[1], { "c": 2 }], "status": "queued" });
    let upload = upload(deep.to_string()).await;
    assert_eq!(upload.status, Some(UploadStatus::Queued));
    assert_eq!(unreadable(&upload).len(), 2);
}

#[tokio::test]
async fn a_body_that_is_broken_behind_an_unreadable_member_is_an_error() {
    for body in [
        r#"{"startedTime":{"a":-},"status":"queued"}"#,
        r#"{"startedTime":{"a":1"#,
        r#"{"startedTime":["a",}],"status":"queued"}"#,
        r#"{"attributes":[{"a":tru}],"status":"queued"}"#,
    ] {
        let error = Server::with_body(body).await.upload().get().await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Decode | ErrorKind::Transport), "{body}: {error:?}");
    }
}

#[tokio::test]
async fn unreadable_members_are_warned_of_once_a_response() {
    let log = crate::secrets::log();
    // The log is that of all tests: this one is known by its values.
    let list = json!({ "items": [{ "devicesCount": "first-in-the-log" }, { "devicesCount": "second-in-the-log" }] });
    batches(list.to_string()).await;
    let text = log.text();
    let warnings: Vec<_> = text.lines().filter(|line| line.contains("-in-the-log")).collect();
    let [warning] = warnings[..] else { panic!("{warnings:?}") };
    assert!(warning.contains(" WARN ") && warning.contains("`items[0].devicesCount`: first-in-the-log"), "{warning}");
    assert!(warning.contains("count=2"), "{warning}");
}

#[tokio::test]
async fn at_most_a_hundred_unreadable_members_are_listed() {
    let items: Vec<_> = (0..1000).map(|_| json!({ "devicesCount": "many" })).collect();
    let list = batches(json!({ "items": items }).to_string()).await;
    assert_eq!((list.items.len(), list.unreadable_members().len()), (1000, 100));
    let long = upload(json!({ "startedTime": "x".repeat(100_000) }).to_string()).await;
    assert!(long.unreadable_members()[0].text().chars().count() <= 201);
}

#[tokio::test]
async fn times_are_read_in_the_forms_that_are_rare() {
    let time = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
    for (form, expected) in [
        ("/Date(1500976800000)/", "2017-07-25T10:00:00Z"),
        ("/Date(1500976800000+0200)/", "2017-07-25T10:00:00Z"),
        ("2017-07-25", "2017-07-25T00:00:00Z"),
        ("2017-07-25T10:00", "2017-07-25T10:00:00Z"),
        ("2017-07-25T10:00+02:00", "2017-07-25T08:00:00Z"),
        ("2017-07-25 10:00:00 UTC", "2017-07-25T10:00:00Z"),
        ("2017-07-25T10:00:00,25", "2017-07-25T10:00:00.25Z"),
        ("2017-07-25T10:00:00.1234567 +02:00", "2017-07-25T08:00:00.1234567Z"),
        (" 2017-07-25T10:00:00\n", "2017-07-25T10:00:00Z"),
    ] {
        let upload = upload(json!({ "startedTime": form }).to_string()).await;
        assert_eq!(upload.started_time, Some(time(expected)), "{form}");
        assert!(upload.unreadable_members().is_empty(), "{form}");
    }
}

#[tokio::test]
async fn a_followed_link_reads_the_types_of_the_document_and_of_the_caller() {
    #[derive(serde::Deserialize)]
    struct Devices {
        items: Vec<Device>,
    }
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Device {
        serial_number: String,
        count: Option<i32>,
    }
    let link = |server: &Server| {
        let mut link = models::Link::default();
        link.uri = Some("/customers/x/deviceBatches".to_owned());
        (server.partner(), link)
    };
    let page = json!({ "items": [{ "creationDate": "2017-07-25T10:00:00", "devicesCount": "many" }] });
    let server = Server::with_body(page.to_string()).await;
    let (partner, next) = link(&server);
    let list = partner.follow::<DeviceBatchCollection>(&next).await.unwrap();
    assert!(list.items[0].creation_date.is_some());
    assert_eq!(unreadable(&list), [("items[0].devicesCount", "many")]);

    let body = json!({ "items": [{ "serialNumber": 7, "count": "3" }] });
    let server = Server::with_body(body.to_string()).await;
    let (partner, next) = link(&server);
    let devices = partner.follow::<Devices>(&next).await.unwrap();
    assert_eq!((devices.items[0].serial_number.as_str(), devices.items[0].count), ("7", Some(3)));

    for (body, path) in [
        (json!({ "items": [{ "serialNumber": "1", "count": "many" }] }), "items[0].count"),
        (json!({ "items": [{ "serialNumber": null }] }), "items[0].serialNumber"),
    ] {
        let server = Server::with_body(body.to_string()).await;
        let (partner, next) = link(&server);
        let error = partner.follow::<Devices>(&next).await.err().unwrap();
        assert!(error.to_string().contains(&format!("at `{path}`")), "{error}");
    }
}

#[tokio::test]
async fn the_raw_body_has_what_the_types_do_not() {
    let body = "\u{feff}{\"status\":\"queued\", \"groupTag\":\"kiosk\"}";
    let upload = upload(body).await;
    assert_eq!(upload.body(), body.trim_start_matches('\u{feff}').as_bytes());
    let again: BatchUploadDetails = models::from_slice(upload.body()).unwrap();
    assert_eq!(again, *upload);
    assert_eq!(models::from_slice::<BatchUploadDetails>(body.as_bytes()).unwrap(), *upload);
}

#[test]
fn a_stored_body_that_cannot_be_read_is_a_decode_error_with_the_path() {
    let error = models::from_slice::<BatchUploadDetails>(br#"{"status":{}}"#).unwrap_err();
    assert_eq!(
        (error.kind(), error.to_string()),
        (ErrorKind::Decode, "cannot read the response at `status`".to_owned())
    );
}

#[tokio::test]
async fn a_response_can_be_mapped_borrowed_and_written() {
    let upload = upload(r#"{"status":"queued","startedTime":"2017-07-25T10:00:00"}"#).await;
    assert_eq!(upload.as_ref().map(|details| details.status.clone()).into_inner(), Some(UploadStatus::Queued));
    let written = serde_json::to_value(&upload).unwrap();
    assert_eq!(written, json!({ "status": "queued", "startedTime": "2017-07-25T10:00:00" }));
    let mapped = upload.map(|details| details.devices_status.len());
    assert_eq!((mapped.http_status().as_u16(), *mapped, mapped.attempts()), (200, 0, 1));
}

/// What the types cannot keep apart: null, an empty list or string, and a time that is not set are all absent;
/// and a time is written in the documented form, whatever form it had.
fn as_written(value: &mut Value) {
    match value {
        Value::Object(members) => {
            for (name, time) in [("startedTime", true), ("completedTime", true), ("creationDate", true)] {
                let Some(text) = members.get(name).filter(|_| time).and_then(Value::as_str) else { continue };
                let text = match text {
                    "0001-01-01T00:00:00" => None,
                    "2017-08-09T14:43:26.0092288-07:00" => Some("2017-08-09T21:43:26.0092288"),
                    text => Some(text.trim_end_matches('Z')),
                };
                let text = text.map_or(Value::Null, |text| text.into());
                members.insert(name.to_owned(), text);
            }
            members.values_mut().for_each(as_written);
            members.retain(|_, value| !matches!(value, Value::Null) && *value != json!([]));
        }
        Value::Array(items) => items.iter_mut().for_each(as_written),
        _ => {}
    }
}

#[test]
fn every_example_comes_back_equal_after_reading_and_writing() {
    fn written<T: serde::de::DeserializeOwned + serde::Serialize + PartialEq + std::fmt::Debug>(body: &[u8]) -> Value {
        let read: T = models::from_slice(body).unwrap();
        let written = serde_json::to_vec(&read).unwrap();
        assert_eq!(serde_json::from_slice::<T>(&written).unwrap(), read, "plain serde reads what it wrote");
        assert_eq!(models::from_slice::<T>(&written).unwrap(), read);
        serde_json::from_slice(&written).unwrap()
    }
    let document = crate::specification::document();
    let mut count = 0;
    for (name, example) in document["components"]["examples"].as_object().unwrap() {
        let mut value = example["value"].clone();
        let body = serde_json::to_vec(&value).unwrap();
        let written = match name.as_str() {
            name if name.starts_with("BatchUploadDetails") => written::<BatchUploadDetails>(&body),
            name if name.starts_with("DeviceBatches") => written::<DeviceBatchCollection>(&body),
            _ => continue,
        };
        as_written(&mut value);
        assert_eq!(written, value, "{name}");
        count += 1;
    }
    assert!(count >= 8);
}

#[test]
fn a_fraction_and_a_whole_second_are_written_as_the_service_writes_them() {
    for (read, written) in [
        ("2017-07-25T10:00:00", "2017-07-25T10:00:00"),
        ("2017-07-25T10:00:00.5Z", "2017-07-25T10:00:00.5"),
        ("2017-07-25T10:00:00.1234567", "2017-07-25T10:00:00.1234567"),
        ("2017-07-25T10:00:00+02:00", "2017-07-25T08:00:00"),
    ] {
        let upload: BatchUploadDetails =
            models::from_slice(json!({ "startedTime": read }).to_string().as_bytes()).unwrap();
        assert_eq!(serde_json::to_value(&upload).unwrap(), json!({ "startedTime": written }));
    }
}

#[test]
fn models_ids_and_the_open_enum_can_be_keys() {
    use std::collections::{BTreeMap, HashSet};
    let customer: CustomerId = crate::server::CUSTOMER.parse().unwrap();
    let upload: BatchTrackingId = crate::server::TRACKING.parse().unwrap();
    assert_eq!(BTreeMap::from([((customer, upload), 1)]).len(), 1);
    assert_eq!(BTreeMap::from([(UploadStatus::Queued, 1), (UploadStatus::from("new"), 2)]).len(), 2);
    assert_eq!(HashSet::from([BatchUploadDetails::default(), BatchUploadDetails::default()]).len(), 1);
}

#[test]
fn an_open_enum_is_read_and_written_in_every_way_that_a_string_is() {
    let status: UploadStatus = "Finished With Errors".parse().unwrap();
    assert_eq!(
        (status.as_str(), status.as_ref(), format!("{status:>22}").len()),
        ("finished_with_errors", "finished_with_errors", 22)
    );
    assert_eq!(UploadStatus::from("later".to_owned()), UploadStatus::Other("later".to_owned()));
    assert_eq!(serde_json::to_string(&status).unwrap(), "\"finished_with_errors\"");
    assert_eq!(serde_json::from_str::<UploadStatus>("\"in_progress\"").unwrap(), UploadStatus::InProgress);
}

#[test]
fn the_document_is_part_of_the_crate() {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/openapi/partner-center-devices.yaml"));
    assert_eq!(OPENAPI, text.unwrap());
}
