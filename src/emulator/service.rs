//! The service: what it holds, and how it responds.

use std::collections::HashMap;
use std::io;

use http::header::{ALLOW, AUTHORIZATION};
use http::{HeaderMap, Method, StatusCode};
use serde::Serialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::recorded::RecordedRequests;
use super::{RecordedRequest, Script, ScriptedResponse};
use crate::models::{BatchUploadDetails, UploadStatus};

/// The examples of the specification by name, taken from the document by build.rs.
const EXAMPLES: &str = include_str!(concat!(env!("OUT_DIR"), "/examples.json"));

pub(super) const EXAMPLE_CUSTOMER: Uuid = Uuid::from_u128(0x47021739_3426_40bf_9601_61b4b6d7c793);
pub(super) const EXAMPLE_UPLOAD: Uuid = Uuid::from_u128(0x0127ed8e_ff72_4983_a3d8_e8d8bd378932);

/// An upload that ends as its details say, after some reads of its status.
///
/// ```
/// use partner_center_devices::emulator::ScriptedUpload;
/// use partner_center_devices::models::{BatchUploadDetails, UploadStatus};
///
/// let mut details = BatchUploadDetails::default();
/// details.status = Some(UploadStatus::Finished);
/// // Queued for the first read, processing for the next three, then finished.
/// let upload = ScriptedUpload::new(details).queued_reads(1).processing_reads(3);
/// ```
#[derive(Clone, Debug)]
pub struct ScriptedUpload {
    details: Value,
    queued_reads: usize,
    processing_reads: usize,
    reads: usize,
}

impl ScriptedUpload {
    /// An upload that has ended: every read gives these details.
    pub fn new(details: BatchUploadDetails) -> Self {
        Self::of(as_sent(details))
    }

    fn of(details: Value) -> Self {
        Self { details, queued_reads: 0, processing_reads: 0, reads: 0 }
    }

    /// How many reads find it queued: without times and devices.
    #[must_use]
    pub fn queued_reads(mut self, reads: usize) -> Self {
        self.queued_reads = reads;
        self
    }

    /// How many further reads find it processing: one device after the other reaches its end.
    #[must_use]
    pub fn processing_reads(mut self, reads: usize) -> Self {
        self.processing_reads = reads;
        self
    }

    fn read(&mut self) -> Value {
        let read = self.reads;
        self.reads = read.saturating_add(1);
        let mut details = self.details.clone();
        let Some(members) = details.as_object_mut() else { return details };
        if read < self.queued_reads {
            members.insert("status".to_owned(), json!(UploadStatus::Queued));
            members.retain(|name, _| !["startedTime", "completedTime", "devicesStatus"].contains(&name.as_str()));
        } else if read < self.queued_reads.saturating_add(self.processing_reads) {
            members.insert("status".to_owned(), json!(UploadStatus::Processing));
            members.remove("completedTime");
            let devices = members.get_mut("devicesStatus").and_then(Value::as_array_mut);
            let devices = devices.map(Vec::as_mut_slice).unwrap_or_default();
            let done = (read - self.queued_reads).saturating_mul(devices.len()) / self.processing_reads;
            for device in devices.iter_mut().skip(done).filter_map(Value::as_object_mut) {
                device.insert("status".to_owned(), json!(UploadStatus::Processing));
                device.retain(|name, _| !["errorCode", "errorDescription"].contains(&name.as_str()));
            }
        }
        details
    }
}

/// Times without offset, as the service writes them.
pub(super) fn as_sent(value: impl Serialize) -> Value {
    let mut value = serde_json::to_value(value).unwrap_or_default();
    for name in ["startedTime", "completedTime", "creationDate"] {
        if let Some(time) = value.get_mut(name) {
            let without_offset = time.as_str().map(|text| text.trim_end_matches('Z').to_owned());
            *time = without_offset.map_or(Value::Null, Value::from);
        }
    }
    value
}

/// What comes next, whatever is asked for.
#[derive(Clone)]
pub(super) enum Scripted {
    /// The documented fault of a status, and the seconds to wait.
    Fault(StatusCode, Option<u64>),
    Response(ScriptedResponse),
}

pub(super) struct Service {
    pub(super) requests: RecordedRequests,
    pub(super) script: Script<Scripted>,
    pub(super) batches: HashMap<Uuid, Vec<Value>>,
    pub(super) uploads: HashMap<(Uuid, Uuid), ScriptedUpload>,
    /// By path and query in lower case.
    pub(super) resources: HashMap<String, ScriptedResponse>,
    examples: HashMap<String, Value>,
}

impl Service {
    pub(super) fn with_examples() -> io::Result<Self> {
        let examples: HashMap<String, Value> = serde_json::from_str(EXAMPLES)?;
        let example = |name: &str| examples.get(name).ok_or_else(|| io::Error::other(format!("no example {name}")));
        let batches = example("DeviceBatchesDocumented")?["items"].as_array().cloned().unwrap_or_default();
        let upload = ScriptedUpload::of(example("BatchUploadDetailsDocumented")?.clone());
        Ok(Self {
            requests: RecordedRequests::default(),
            script: Script::default(),
            batches: HashMap::from([(EXAMPLE_CUSTOMER, batches)]),
            uploads: HashMap::from([((EXAMPLE_CUSTOMER, EXAMPLE_UPLOAD), upload)]),
            resources: HashMap::from([(devices_path(), ScriptedResponse::json(StatusCode::OK, &devices()))]),
            examples,
        })
    }

    pub(super) fn respond(&mut self, request: RecordedRequest, is_good: impl Fn(&str) -> bool) -> ScriptedResponse {
        let (method, path) = (request.method.clone(), request.path.clone());
        let authorized = bearer_token(&request.headers).is_some_and(is_good);
        self.requests.push(request);
        match self.script.next() {
            Some(Scripted::Fault(status, retry_after)) => return self.fault(status, retry_after),
            Some(Scripted::Response(response)) => return response,
            None => {}
        }
        if !authorized {
            return self.fault(StatusCode::UNAUTHORIZED, None);
        }
        if method != Method::GET.as_str() {
            return self.fault(StatusCode::METHOD_NOT_ALLOWED, None).header(ALLOW, Method::GET.as_str());
        }
        // The service does not care for letter case in paths, as its own documents show.
        let path = path.to_ascii_lowercase();
        if let Some(resource) = self.resources.get(&path) {
            return resource.clone();
        }
        let segments: Vec<&str> =
            path.split('?').next().unwrap_or_default().trim_start_matches('/').split('/').collect();
        match segments[..] {
            ["v1", "customers", customer, "devicebatches"] => self.device_batches(customer),
            ["v1", "customers", customer, "batchjobstatus", id] => self.upload_status(customer, id),
            _ => self.fault(StatusCode::NOT_FOUND, None),
        }
    }

    fn device_batches(&self, customer: &str) -> ScriptedResponse {
        let Ok(customer) = Uuid::parse_str(customer) else { return self.fault(StatusCode::BAD_REQUEST, None) };
        let Some(batches) = self.batches.get(&customer) else { return self.fault(StatusCode::NOT_FOUND, None) };
        let list = json!({
            "totalCount": batches.len(),
            "items": batches,
            "attributes": { "objectType": "Collection" },
        });
        ScriptedResponse::json(StatusCode::OK, &list)
    }

    fn upload_status(&mut self, customer: &str, id: &str) -> ScriptedResponse {
        let Ok(customer) = Uuid::parse_str(customer) else { return self.fault(StatusCode::BAD_REQUEST, None) };
        let Ok(id) = Uuid::parse_str(id) else { return self.example(StatusCode::BAD_REQUEST, "FaultInvalidProperty") };
        match self.uploads.get_mut(&(customer, id)) {
            Some(upload) => ScriptedResponse::json(StatusCode::OK, &upload.read()),
            None => self.fault(StatusCode::NOT_FOUND, None),
        }
    }

    fn example(&self, status: StatusCode, name: &str) -> ScriptedResponse {
        ScriptedResponse::json(status, &self.examples.get(name).cloned().unwrap_or_default())
    }

    /// The documented fault of a status, or one of its form.
    fn fault(&self, status: StatusCode, retry_after: Option<u64>) -> ScriptedResponse {
        let reason = status.canonical_reason().unwrap_or("no reason given");
        let name = match status {
            StatusCode::TOO_MANY_REQUESTS => "FaultThrottled".to_owned(),
            _ => format!("Fault{}", reason.replace(' ', "")),
        };
        let of_its_form =
            || json!({ "code": status.as_u16(), "description": reason, "data": [], "source": "PartnerFD" });
        let mut fault = self.examples.get(&name).cloned().unwrap_or_else(of_its_form);
        if let Some(seconds) = retry_after {
            fault["message"] = json!(format!("Rate limit is exceeded. Try again in {seconds} seconds."));
        }
        ScriptedResponse::json(status, &fault).retry_after(retry_after)
    }
}

fn bearer_token(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

/// What the example's `devicesLink` points to.
fn devices_path() -> String {
    format!("/v1/customers/{EXAMPLE_CUSTOMER}/devicebatches/test%20batch/devices")
}

/// The members are those of Microsoft's page on the devices of a batch; the values are made up, as many
/// as the example's `devicesCount` says.
fn devices() -> Value {
    let devices: Vec<_> = (0..5)
        .map(|place| {
            json!({
                "id": Uuid::from_u128(0x6f1f6a1e_7d9e_4b5e_8d2f_1c8b1c0f0a11 + place),
                "serialNumber": (1_234_567_890 + place).to_string(),
                "productKey": format!("12345-67890-09876-54321-{}", 13_579 + place),
                "hardwareHash": "DummyHash123",
                "modelName": "Model 1",
                "oemManufacturerName": "Contoso",
                "policies": [],
                "uploadedDate": "2017-07-25T01:51:00.0092288-07:00",
                "allowedOperations": ["Delete"],
                "attributes": { "objectType": "Device" },
            })
        })
        .collect();
    json!({ "totalCount": devices.len(), "items": devices, "attributes": { "objectType": "Collection" } })
}
