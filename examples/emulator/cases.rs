//! Responses that clients must handle. Each has its own customer ID, so that one running emulator serves
//! all of them, to curl and to the clients in `tests/clients`.

use http::StatusCode;
use partner_center_devices::CustomerId;
use partner_center_devices::emulator::{Emulator, ScriptedResponse};
use serde_json::{Value, json};
use uuid::Uuid;

pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    customer: u128,
    upload: ScriptedResponse,
    batches: ScriptedResponse,
}

impl Case {
    pub(crate) fn add_to(&self, emulator: &Emulator) -> CustomerId {
        // Some clients accept only version 4.
        let customer = Uuid::from_u128(0x00000000_0000_4000_8000_000000000000 + self.customer);
        let path = format!("/v1/customers/{customer}");
        let upload = emulator.example_upload();
        emulator.add_response(&format!("{path}/batchJobStatus/{upload}"), self.upload.clone());
        emulator.add_response(&format!("{path}/deviceBatches"), self.batches.clone());
        customer.into()
    }
}

/// All cases. `tests/clients/cases.json` has their customer IDs, too.
pub(crate) fn all() -> Vec<Case> {
    let both = |response: ScriptedResponse| (response.clone(), response);
    let ok = |upload: Value, batches: Value| {
        (ScriptedResponse::json(StatusCode::OK, &upload), ScriptedResponse::json(StatusCode::OK, &batches))
    };
    let plain = |body: Vec<u8>| ScriptedResponse::new(StatusCode::OK).body(body);
    let with_mark = |body: &Value| {
        let body = [b"\xef\xbb\xbf".as_slice(), body.to_string().as_bytes()].concat();
        plain(body).header("Content-Type", "application/json; charset=utf-8")
    };
    let html = "<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>";
    let fault = json!({ "code": 400072, "description": "The request cannot be served.", "source": "PartnerFD" });
    let not_found = json!({ "code": "1000", "description": "Not found", "data": [], "source": "PartnerFD" });
    let throttled = json!({ "statusCode": 429, "message": "Rate limit is exceeded. Try again in 57 seconds." });
    let mut cases = Vec::new();
    let mut add = |name, what, (upload, batches)| {
        let customer = cases.len() as u128 + 1;
        cases.push(Case { name, what, customer, upload, batches });
    };
    add("queued", "a queued upload without times and devices; no batches", ok(queued(), no_batches()));
    add(
        "unknown-values",
        "a status and members that nobody has documented",
        ok(upload_of_tomorrow(), batches_of_tomorrow()),
    );
    add("nulls", "null for members that are optional", ok(upload_of_nulls(), batches_of_nulls()));
    add(
        "no-content-type",
        "the documented example without Content-Type",
        (plain(upload().to_string().into_bytes()), plain(batches().to_string().into_bytes())),
    );
    add(
        "times",
        "times without offset, with fractions, and the year one",
        ok(upload_with_times(), batches_with_times()),
    );
    add("not-found", "404 with a fault", both(ScriptedResponse::json(StatusCode::NOT_FOUND, &not_found)));
    add(
        "throttled",
        "429 of the gateway, with Retry-After",
        both(ScriptedResponse::json(StatusCode::TOO_MANY_REQUESTS, &throttled).header("Retry-After", "57")),
    );
    add(
        "bad-gateway",
        "502 with a page of HTML",
        both(ScriptedResponse::new(StatusCode::BAD_GATEWAY).header("Content-Type", "text/html").body(html)),
    );
    add("empty-not-found", "404 without a body", both(ScriptedResponse::new(StatusCode::NOT_FOUND)));
    add("fault-with-200", "200 with a fault in place of the documented members", ok(fault.clone(), fault));
    add(
        "byte-order-mark",
        "the documented example behind a byte-order mark",
        (with_mark(&upload()), with_mark(&batches())),
    );
    add(
        "gzip",
        "the documented example, compressed with gzip",
        (
            ScriptedResponse::json(StatusCode::OK, &upload()).gzip(),
            ScriptedResponse::json(StatusCode::OK, &batches()).gzip(),
        ),
    );
    add(
        "broken-off",
        "the documented example, broken off after 20 bytes",
        (
            ScriptedResponse::json(StatusCode::OK, &upload()).break_off_after(20),
            ScriptedResponse::json(StatusCode::OK, &batches()).break_off_after(20),
        ),
    );
    cases
}

fn upload() -> Value {
    json!({
        "batchTrackingId": "0127ed8e-ff72-4983-a3d8-e8d8bd378932",
        "status": "finished",
        "startedTime": "2017-07-25T10:00:00",
        "completedTime": "2017-07-25T10:10:00",
        "devicesStatus": [{
            "serialNumber": "1234567890",
            "productKey": "12345-67890-09876-54321-13579",
            "status": "finished_with_errors",
            "errorCode": "808",
            "errorDescription": "ZtdDeviceAssignedToOtherTenant",
            "attributes": { "objectType": "DeviceUploadDetails" },
        }],
        "attributes": { "objectType": "BatchUploadDetails" },
    })
}

fn batches() -> Value {
    json!({
        "totalCount": 1,
        "items": [{
            "id": "Test batch",
            "status": "finished",
            "creationDate": "2017-07-25T01:51:00",
            "devicesCount": 5,
            "devicesLink": {
                "uri": "/customers/47021739-3426-40bf-9601-61b4b6d7c793/deviceBatches/Test batch/devices",
                "method": "GET",
                "headers": [],
            },
            "attributes": { "objectType": "DeviceBatch" },
        }],
        "attributes": { "objectType": "Collection" },
    })
}

fn queued() -> Value {
    json!({
        "batchTrackingId": "0127ed8e-ff72-4983-a3d8-e8d8bd378932",
        "status": "queued",
        "attributes": { "objectType": "BatchUploadDetails" },
    })
}

fn no_batches() -> Value {
    json!({ "totalCount": 0, "items": [], "attributes": { "objectType": "Collection" } })
}

fn upload_of_tomorrow() -> Value {
    let mut upload = upload();
    upload["status"] = json!("paused_by_operator");
    upload["region"] = json!({ "name": "west" });
    upload["devicesStatus"][0]["status"] = json!("waiting_for_hardware");
    upload["devicesStatus"][0]["modelName"] = json!("Model 1");
    upload["attributes"]["version"] = json!(2);
    upload
}

fn batches_of_tomorrow() -> Value {
    let mut batches = batches();
    batches["items"][0]["status"] = json!("paused_by_operator");
    batches["items"][0]["groupTag"] = json!("spring");
    batches["items"][0]["devicesLink"]["expires"] = json!(60);
    batches["continuationToken"] = json!("none");
    batches
}

fn upload_of_nulls() -> Value {
    json!({
        "batchTrackingId": "0127ed8e-ff72-4983-a3d8-e8d8bd378932",
        "status": null,
        "startedTime": null,
        "completedTime": null,
        "devicesStatus": null,
        "attributes": null,
    })
}

fn batches_of_nulls() -> Value {
    json!({
        "totalCount": null,
        "items": [{
            "id": "Test batch",
            "createdBy": null,
            "status": null,
            "creationDate": null,
            "devicesCount": null,
            "devicesLink": null,
            "links": null,
            "attributes": null,
        }],
        "links": null,
        "attributes": null,
    })
}

fn upload_with_times() -> Value {
    let mut upload = upload();
    upload["startedTime"] = json!("2017-07-25T10:00:00.1234567");
    upload["completedTime"] = json!("0001-01-01T00:00:00");
    upload
}

fn batches_with_times() -> Value {
    let mut batches = batches();
    batches["items"][0]["creationDate"] = json!("2017-08-09T14:43:26");
    batches
}
