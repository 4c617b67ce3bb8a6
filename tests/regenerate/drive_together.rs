//! Uses the client of a document with all edits that go together.
#![allow(missing_docs)]

use partner_center_devices::models::{
    BatchUploadDetails, DeviceBatch, DeviceUploadDetails, GroupInfo, Priority, SerialNumber, UploadStatus,
};
use partner_center_devices::*;
use serde_json::json;

include!("serve.rs");

/// The batch of a list with this batch alone, and what of it could not be read.
async fn batch(body: serde_json::Value) -> (DeviceBatch, Vec<String>) {
    let (address, _asked) = serve(&[("200 OK", json!({ "items": [body] }).to_string())]);
    let list = customer(&address).device_batches().get().await.unwrap();
    let unreadable = list.unreadable_members().iter().map(|member| member.path().to_owned()).collect();
    (list.into_inner().items.remove(0), unreadable)
}

/// Reads a batch with each of these values for a member: `shown` is what `Debug` says of it.
async fn each(member: &str, get: impl Fn(&DeviceBatch) -> String, values: &[(serde_json::Value, &str)]) {
    for (value, shown) in values {
        let (batch, unreadable) = batch(json!({ member: value, "groupTag": "read" })).await;
        assert_eq!(get(&batch), *shown, "{member}: {value}");
        assert_eq!(batch.group_tag.as_deref(), Some("read"));
        assert_eq!(unreadable, Vec::<String>::new(), "{member}: {value}");
    }
    let (absent, _) = batch(json!({})).await;
    let (null, unreadable) = batch(json!({ member: null })).await;
    assert_eq!((get(&null), unreadable), (get(&absent), Vec::new()));
}

async fn device(body: serde_json::Value) -> DeviceUploadDetails {
    let (address, _asked) = serve(&[("200 OK", json!({ "status": "finished", "devicesStatus": [body] }).to_string())]);
    let upload = customer(&address).batch_upload_status().by_id("0127ed8e-ff72-4983-a3d8-e8d8bd378932".parse().unwrap());
    upload.get().await.unwrap().into_inner().devices_status.remove(0)
}

#[test]
fn drive() {
    check("a member becomes a reference to a named GUID", async {
        for (sent, read) in [(json!("0127ED8E-FF72-4983-A3D8-E8D8BD378932"), true), (json!(null), false), (json!(""), false), (json!("no GUID"), false), (json!(7), false)] {
            let (address, _asked) = serve(&[("200 OK", json!({ "batchTrackingId": sent, "status": "queued" }).to_string())]);
            let upload = customer(&address).batch_upload_status().by_id("0127ed8e-ff72-4983-a3d8-e8d8bd378932".parse().unwrap()).get().await.unwrap();
            let id: Option<BatchTrackingId> = upload.batch_tracking_id;
            assert_eq!(id.map(|id| id.to_string()), read.then(|| "0127ed8e-ff72-4983-a3d8-e8d8bd378932".to_owned()), "{sent}");
            assert_eq!(upload.status, Some(UploadStatus::Queued));
        }
    });
    check("a member that src/ reads becomes a reference to a named string", async {
        for (sent, read) in [(json!("SN 1"), Some("SN 1")), (json!(17), Some("17")), (json!(null), None), (json!(""), None)] {
            let device = device(json!({ "serialNumber": sent, "errorCode": 806 })).await;
            let serial: Option<SerialNumber> = device.serial_number.clone();
            assert_eq!(serial.map(|serial| serial.to_string()).as_deref(), read);
            let mut upload = BatchUploadDetails::default();
            upload.devices_status.push(device);
            let line = upload.failed_devices().next().unwrap().to_string();
            assert!(line.contains(read.unwrap_or("device 1 of the upload")), "{line}");
        }
    });
    check("a closed enum in place", each("colour", |batch| format!("{:?}", batch.colour), &[(json!("red"), r#"Some("red")"#), (json!("green"), r#"Some("green")"#), (json!(1), r#"Some("1")"#), (json!(""), "None")]));
    check("a closed enum of its own", each("phase", |batch| format!("{:?}", batch.phase), &[(json!("first_phase"), "Some(FirstPhase)"), (json!("Last Phase"), "Some(LastPhase)"), (json!("third"), r#"Some(Other("third"))"#), (json!(""), "None")]));
    check("an enum of numbers", each("level", |batch| format!("{:?}", batch.level), &[(json!(1), "Some(1)"), (json!("2"), "Some(2)"), (json!(3), "Some(3)"), (json!(""), "None")]));
    check("a list of a named string", each("serials", |batch| format!("{:?}", batch.serials.iter().map(|serial| serial.to_string()).collect::<Vec<_>>()), &[(json!(["a b", 1, null, true]), r#"["a b", "1", "true"]"#), (json!(""), "[]"), (json!({}), "[]"), (json!([]), "[]")]));
    check("a list of strings with a length", each("words", |batch| format!("{:?}", batch.words), &[(json!(["longer than five", 2, null, "b", "b"]), r#"["longer than five", "2", "b", "b"]"#), (json!(""), "[]"), (json!({}), "[]")]));
    check("text or object", async {
        each("owner", |batch| format!("{}", batch.owner.is_some()), &[(json!("Contoso"), "true"), (json!({ "name": "Contoso" }), "true"), (json!({ "name": null }), "true"), (json!(7), "true"), (json!(""), "false")]).await;
        let (read, _) = batch(json!({ "owner": { "name": "Contoso" } })).await;
        assert!(format!("{:?}", read.owner).contains("Contoso"));
    });
    check("an enum or any text", each("kind", |batch| format!("{}", serde_json::to_string(&batch.kind).unwrap()), &[(json!("a"), r#""a""#), (json!("b"), r#""b""#), (json!(1), r#""1""#)]));
    check("required members", async {
        let (read, unreadable) = batch(json!({ "id": null, "status": null, "devicesCount": "5", "creationDate": "" })).await;
        assert_eq!((read.id, read.status, read.devices_count, read.creation_date), (None, None, Some(5), None));
        assert!(unreadable.is_empty());
        assert_eq!(batch(json!({})).await.0, DeviceBatch::default());
    });
    check("a default, also beside a second name", async {
        let (read, _) = batch(json!({ "deviceCount": "7", "createdBy": null })).await;
        assert_eq!((read.devices_count, read.created_by), (Some(7), None));
        assert_eq!(batch(json!({})).await.0.devices_count, None, "the document's defaults are the service's");
    });
    check("integers with bounds and formats", async {
        for member in ["atLeastOne", "long", "unsigned", "small"] {
            let get = |batch: &DeviceBatch| match member {
                "atLeastOne" => format!("{:?}", batch.at_least_one),
                "long" => format!("{:?}", batch.long),
                "unsigned" => format!("{:?}", batch.unsigned),
                _ => format!("{:?}", batch.small),
            };
            each(member, get, &[(json!(3), "Some(3)"), (json!("3"), "Some(3)"), (json!(0), "Some(0)"), (json!(3.0), "Some(3)"), (json!(""), "None")]).await;
        }
        let (read, unreadable) = batch(json!({ "unsigned": -1, "long": 9_000_000_000_i64 })).await;
        assert_eq!((read.unsigned.is_none(), read.long, unreadable), (true, Some(9_000_000_000), vec!["items[0].unsigned".to_owned()]));
    });
    check("numbers with a fraction", async {
        each("weight", |batch| format!("{:?}", batch.weight.as_ref().and_then(|weight| weight.as_f64())), &[(json!(1.5), "Some(1.5)"), (json!("1.5"), "Some(1.5)"), (json!(2), "Some(2.0)"), (json!(""), "None")]).await;
        each("size", |batch| format!("{:?}", batch.size.as_ref().and_then(|size| size.as_f64())), &[(json!(0.25), "Some(0.25)")]).await;
    });
    check("a boolean", each("isNew", |batch| format!("{:?}", batch.is_new), &[(json!(true), "Some(true)"), (json!("False"), "Some(false)"), (json!(""), "None")]));
    check("a map", async {
        each("labels", |batch| format!("{:?}", batch.labels), &[(json!({ "a": "b", "c": null, "d": 1 }), r#"{"a": "b", "d": "1"}"#), (json!({}), "{}"), (json!(""), "{}")]).await;
        let (read, unreadable) = batch(json!({ "counts": { "a": "1", "b": "many", "c": 3 } })).await;
        assert_eq!((read.counts.len(), unreadable), (2, vec!["items[0].counts.b".to_owned()]));
    });
    check("a free object", async {
        let (read, _) = batch(json!({ "free": { "a": [null, { "b": "" }] }, "anything": [1, null, ""] })).await;
        assert_eq!(serde_json::to_value(&read).unwrap(), json!({ "free": { "a": [null, { "b": "" }] }, "anything": [1, null, ""] }));
        for nothing in [json!(null), json!("")] {
            let (read, unreadable) = batch(json!({ "free": nothing })).await;
            assert!(read.free.is_empty() && unreadable.is_empty());
        }
    });
    check("dates, IDs and addresses", async {
        each("day", |batch| format!("{:?}", batch.day), &[(json!("2017-07-25"), "Some(2017-07-25)"), (json!("2017-07-25T10:00:00"), "Some(2017-07-25)"), (json!(""), "None"), (json!("0001-01-01"), "None")]).await;
        each("moment", |batch| format!("{:?}", batch.moment), &[(json!("2017-07-25T10:00:00"), "Some(2017-07-25T10:00:00Z)"), (json!("2017-07-25T12:00:00+02:00"), "Some(2017-07-25T10:00:00Z)"), (json!(""), "None"), (json!("0001-01-01T00:00:00"), "None"), (json!("0001-01-01T00:00:00Z"), "None")]).await;
        each("guid", |batch| format!("{:?}", batch.guid), &[(json!(" {0127ED8E-FF72-4983-A3D8-E8D8BD378932} "), "Some(0127ed8e-ff72-4983-a3d8-e8d8bd378932)"), (json!(""), "None")]).await;
        each("link", |batch| format!("{:?}", batch.link), &[(json!("/a b"), r#"Some("/a b")"#)]).await;
        each("bytes", |batch| format!("{:?}", batch.bytes), &[(json!("AAE="), r#"Some("AAE=")"#)]).await;
        each("address", |batch| format!("{:?}", batch.address), &[(json!("127.0.0.1"), "Some(127.0.0.1)"), (json!(""), "None")]).await;
        let (_, unreadable) = batch(json!({ "day": "soon", "guid": 7, "address": "here" })).await;
        assert_eq!(unreadable.len(), 3);
    });
    check("lengths and patterns on members that src/ reads", async {
        let device = device(json!({ "productKey": "longer than ten characters", "errorCode": 808, "errorDescription": "ZtdDeviceAssignedToOtherTenant" })).await;
        let error = device.error().unwrap();
        assert!(error.meaning().is_some() && device.product_key.is_some());
    });
    check("a second open enum", async {
        each("priority", |batch| format!("{:?}", batch.priority), &[(json!("very_high"), "Some(VeryHigh)"), (json!("VeryHigh"), "Some(VeryHigh)"), (json!("3"), r#"Some(Other("3"))"#), (json!(3), r#"Some(Other("3"))"#), (json!(""), "None")]).await;
        let priority: Priority = "low".parse().unwrap();
        assert_eq!((priority.as_str(), priority.to_string(), serde_json::to_value(&priority).unwrap()), ("low", "low".to_owned(), json!("low")));
        assert!(Priority::Low < Priority::VeryHigh);
    });
    check("a new member and a new listed value", async {
        let (read, _) = batch(json!({ "groupTag": 7, "status": "paused-by-operator" })).await;
        assert_eq!((read.group_tag.as_deref(), read.status), (Some("7"), Some(UploadStatus::PausedByOperator)));
    });
    check("an optional query parameter on a call", async {
        let (address, asked) = serve(&[("200 OK", "{}".to_owned())]);
        customer(&address).device_batches().get().await.unwrap();
        assert!(asked.recv().unwrap().starts_with("GET /v1/customers/47021739-3426-40bf-9601-61b4b6d7c793/deviceBatches HTTP"));
    });
    check("a 200 that is a reference", async {
        assert_eq!(batch(json!({ "id": "a" })).await.0.id.as_deref(), Some("a"));
    });
    check("a third operation, by the recipe", async {
        let (address, asked) = serve(&[("200 OK", r#"{"totalCount":"1","items":[{"serialNumber":7}]}"#.to_owned()), ("404 Not Found", String::new())]);
        let customer = customer(&address);
        let devices = customer.devices("Test batch/1%?#ä", Some(5)).await.unwrap();
        let asked = asked.recv().unwrap();
        let line = "GET /v1/customers/47021739-3426-40bf-9601-61b4b6d7c793/deviceBatches/Test%20batch%2F1%25%3F%23%C3%A4/devices?size=5 ";
        assert!(asked.starts_with(line), "{asked}");
        assert!(asked.to_lowercase().contains("\r\nauthorization: bearer eyj") && asked.to_lowercase().contains("\r\nms-requestid: "));
        assert_eq!(devices.items[0].serial_number.as_ref().map(|serial| serial.to_string()).as_deref(), Some("7"));
        assert!(customer.devices("b", None).await.unwrap_err().is_not_found());
    });
    check("a POST with a body and a 202 without", async {
        let mut made = DeviceBatch::default();
        made.id = Some("B".to_owned());
        // Not done: sent again. In doubt: not.
        let throttled = ("429 Too Many Requests\r\nRetry-After: 0", String::new());
        let away = ("503 Service Unavailable\r\nRetry-After: 0", String::new());
        let (address, asked) = serve(&[throttled, away, ("202 Accepted", String::new())]);
        let response = customer(&address).make_batch(made.clone()).await.unwrap();
        assert_eq!((response.http_status().as_u16(), response.attempts()), (202, 3));
        let asked = asked.recv().unwrap();
        assert!(asked.starts_with("POST ") && asked.ends_with("\r\n\r\n{\"id\":\"B\"}"), "{asked}");
        for in_doubt in ["500 Internal Server Error", "502 Bad Gateway", "503 Service Unavailable", "504 Gateway Timeout", "408 Request Timeout"] {
            let (address, _asked) = serve(&[(in_doubt, String::new()), ("202 Accepted", String::new())]);
            let error = customer(&address).make_batch(made.clone()).await.unwrap_err();
            assert_eq!(error.attempts(), 1, "{in_doubt}");
        }
        let error = customer("http://127.0.0.1:1").make_batch(made).await.unwrap_err();
        assert_eq!(error.attempts(), 4, "no connection: nothing was sent");
    });
    check("an object in place", async {
        let (read, unreadable) = batch(json!({ "contact": { "Name": 7, "since": "2017-07-25T10:00:00", "more": 1 } })).await;
        let contact = read.contact.unwrap();
        assert_eq!((contact.name.as_deref(), contact.since.is_some(), unreadable.len()), (Some("7"), true, 0));
        let (read, unreadable) = batch(json!({ "contact": { "name": ["odd"], "since": "" } })).await;
        assert_eq!((read.contact.unwrap().name, unreadable), (None, vec!["items[0].contact.name".to_owned()]));
    });
    check("members that are seldom sent", async {
        let (read, _) = batch(json!({ "origin": { "etag": 7 }, "leftAt": "2017-07-25T10:00:00" })).await;
        assert_eq!(read.origin.unwrap().etag.as_deref(), Some("7"));
        assert!(read.left_at.is_some());
    });
    check("a list of objects in place", async {
        let (read, unreadable) = batch(json!({ "people": [{ "age": "7" }, null, {}, { "age": "old" }, "nobody"] })).await;
        let ages: Vec<_> = read.people.iter().map(|person| person.age).collect();
        assert_eq!((ages, unreadable), (vec![Some(7), None, None], vec!["items[0].people[3].age".to_owned(), "items[0].people[4]".to_owned()]));
    });
    check("allOf", async {
        let (read, _) = batch(json!({ "extended": { "objectType": "x", "extra": 5 } })).await;
        let extended = read.extended.unwrap();
        assert_eq!((extended.object_type.as_deref(), extended.extra.as_deref()), (Some("x"), Some("5")));
    });
    check("lists of lists", each("matrix", |batch| format!("{:?}", batch.matrix), &[(json!([[1, "2", null], null, [], ""]), "[[1, 2], [], []]"), (json!(""), "[]")]));
    check("readOnly, writeOnly, deprecated", async {
        let (read, _) = batch(json!({ "read": 1, "write": "w" })).await;
        assert_eq!((read.read.as_deref(), read.write.as_deref()), (Some("1"), Some("w")));
    });
    check("additionalProperties that are false, or of a kind beside members", async {
        let link = json!({ "uri": "/a", "more": 1, "headers": [{ "key": "k", "value": 7, "more": {} }] });
        let (read, unreadable) = batch(json!({ "devicesLink": link })).await;
        let link = read.devices_link.unwrap();
        assert_eq!((link.uri.as_deref(), link.headers[0].value.as_deref(), unreadable.len()), (Some("/a"), Some("7"), 0));
    });
    check("nullable everywhere", async {
        each("maybe", |batch| format!("{:?}", batch.maybe), &[(json!([null, "a"]), r#"["a"]"#)]).await;
        let (address, _asked) = serve(&[("200 OK", r#"{"items":[null,{"id":"a"},null]}"#.to_owned())]);
        assert_eq!(customer(&address).device_batches().get().await.unwrap().items.len(), 1);
    });
    check("times in a list and in a map", async {
        let sent = json!({ "times": ["2017-07-25T10:00:00", "", null, "0001-01-01T00:00:00"], "timesByName": { "a": "2017-07-25T10:00:00.5" } });
        let (read, unreadable) = batch(sent).await;
        assert!(unreadable.is_empty());
        assert_eq!(serde_json::to_value(&read).unwrap(), json!({ "times": ["2017-07-25T10:00:00"], "timesByName": { "a": "2017-07-25T10:00:00.5" } }));
    });
    check("a schema within itself", async {
        let (read, _) = batch(json!({ "id": "a", "parent": { "id": 1, "parent": { "id": 2 } }, "children": [{ "id": 3 }, null] })).await;
        assert_eq!(read.parent.unwrap().parent.unwrap().id.as_deref(), Some("2"));
        assert_eq!(read.children[0].id.as_deref(), Some("3"));
    });
    check("names that Rust cannot have", async {
        let sent = json!({ "match": "m", "info": { "type": "t", "@odata.etag": "e", "2nd": 2 } });
        let (read, unreadable) = batch(sent).await;
        assert!(unreadable.is_empty());
        assert_eq!(serde_json::to_value(&read).unwrap(), json!({ "match": "m", "info": { "type": "t", "@odata.etag": "e", "2nd": "2" } }));
        let _: Option<GroupInfo> = read.info;
    });
    check("names that Rust has already", async {
        let (read, _) = batch(json!({ "option": { "self": 1 }, "error": { "result": "r" } })).await;
        assert_eq!(serde_json::to_value(&read).unwrap(), json!({ "option": { "self": "1" }, "error": { "result": "r" } }));
    });
}
