//! The service: what it holds, and how it answers.

use std::collections::HashMap;
use std::io;

use http::header::{AUTHORIZATION, HeaderValue};
use http::{HeaderMap, Method, StatusCode};
use serde::Serialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Answer, Failures, RecordedRequest, json_answer};
use crate::headers::{MS_CORRELATION_ID, MS_CV, MS_REQUEST_ID, MS_SERVER_ID};
use crate::models::{BatchUploadDetails, UploadStatus};

/// The examples of the specification by name, taken from the document by build.rs.
const EXAMPLES: &str = include_str!(concat!(env!("OUT_DIR"), "/examples.json"));

pub(super) const EXAMPLE_CUSTOMER: Uuid = Uuid::from_u128(0x47021739_3426_40bf_9601_61b4b6d7c793);
pub(super) const EXAMPLE_UPLOAD: Uuid = Uuid::from_u128(0x0127ed8e_ff72_4983_a3d8_e8d8bd378932);

/// An upload that ends as its details say, after some reads of its status.
///
/// ```
/// use partner_center_devices::emulator::Upload;
/// use partner_center_devices::models::{BatchUploadDetails, UploadStatus};
///
/// let mut details = BatchUploadDetails::default();
/// details.status = Some(UploadStatus::Finished);
/// // Queued for the first read, processing for the next three, then finished.
/// let upload = Upload::new(details).queued_reads(1).processing_reads(3);
/// ```
#[derive(Clone, Debug)]
pub struct Upload {
    details: Value,
    queued_reads: usize,
    processing_reads: usize,
    reads: usize,
}

impl Upload {
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

pub(super) struct Service {
    pub(super) requests: Vec<RecordedRequest>,
    /// Status, and seconds to wait.
    pub(super) failures: Failures<(StatusCode, Option<u64>)>,
    pub(super) batches: HashMap<Uuid, Vec<Value>>,
    pub(super) uploads: HashMap<(Uuid, Uuid), Upload>,
    /// By path and query in lower case.
    pub(super) resources: HashMap<String, Value>,
    examples: HashMap<String, Value>,
}

impl Service {
    pub(super) fn with_examples() -> io::Result<Self> {
        let examples: HashMap<String, Value> = serde_json::from_str(EXAMPLES)?;
        let example = |name: &str| examples.get(name).ok_or_else(|| io::Error::other(format!("no example {name}")));
        let batches = example("DeviceBatchesDocumented")?["items"].as_array().cloned().unwrap_or_default();
        let upload = Upload::of(example("BatchUploadDetailsDocumented")?.clone());
        Ok(Self {
            requests: Vec::new(),
            failures: Failures::default(),
            batches: HashMap::from([(EXAMPLE_CUSTOMER, batches)]),
            uploads: HashMap::from([((EXAMPLE_CUSTOMER, EXAMPLE_UPLOAD), upload)]),
            resources: HashMap::new(),
            examples,
        })
    }

    pub(super) fn answer(&mut self, request: RecordedRequest, is_good: impl Fn(&str) -> bool) -> Answer {
        let (method, path) = (request.method.clone(), request.path.clone());
        let authorized = bearer_token(&request.headers).is_some_and(is_good);
        self.requests.push(request);
        if let Some((status, retry_after)) = self.failures.next() {
            return self.fault(status, retry_after);
        }
        if !authorized {
            return self.fault(StatusCode::UNAUTHORIZED, None);
        }
        if method != Method::GET.as_str() {
            return self.fault(StatusCode::METHOD_NOT_ALLOWED, None);
        }
        // The service does not care for letter case in paths, as its own documents show.
        let path = path.to_ascii_lowercase();
        let segments: Vec<&str> =
            path.split('?').next().unwrap_or_default().trim_start_matches('/').split('/').collect();
        match segments[..] {
            ["v1", "customers", customer, "devicebatches"] => self.device_batches(customer),
            ["v1", "customers", customer, "batchjobstatus", id] => self.upload_status(customer, id),
            _ => match self.resources.get(&path) {
                Some(resource) => respond(StatusCode::OK, resource, None),
                None => self.fault(StatusCode::NOT_FOUND, None),
            },
        }
    }

    fn device_batches(&self, customer: &str) -> Answer {
        let Ok(customer) = Uuid::parse_str(customer) else { return self.fault(StatusCode::BAD_REQUEST, None) };
        let Some(batches) = self.batches.get(&customer) else { return self.fault(StatusCode::NOT_FOUND, None) };
        let list = json!({
            "totalCount": batches.len(),
            "items": batches,
            "attributes": { "objectType": "Collection" },
        });
        respond(StatusCode::OK, &list, None)
    }

    fn upload_status(&mut self, customer: &str, id: &str) -> Answer {
        let Ok(customer) = Uuid::parse_str(customer) else { return self.fault(StatusCode::BAD_REQUEST, None) };
        let Ok(id) = Uuid::parse_str(id) else { return self.example(StatusCode::BAD_REQUEST, "FaultInvalidProperty") };
        match self.uploads.get_mut(&(customer, id)) {
            Some(upload) => respond(StatusCode::OK, &upload.read(), None),
            None => self.fault(StatusCode::NOT_FOUND, None),
        }
    }

    fn example(&self, status: StatusCode, name: &str) -> Answer {
        respond(status, &self.examples.get(name).cloned().unwrap_or_default(), None)
    }

    /// The documented fault of a status, or one of its form.
    fn fault(&self, status: StatusCode, retry_after: Option<u64>) -> Answer {
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
        respond(status, &fault, retry_after)
    }
}

fn bearer_token(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

/// An answer with the headers of the documents; its ids are the service's own, as there.
fn respond(status: StatusCode, body: &Value, retry_after: Option<u64>) -> Answer {
    let mut answer = json_answer(status, body, retry_after);
    let headers = answer.headers_mut();
    headers.insert(MS_CV, HeaderValue::from_static("YrLe3w6BbUSMt1fi.0"));
    headers.insert(MS_SERVER_ID, HeaderValue::from_static("030020344"));
    for name in [MS_REQUEST_ID, MS_CORRELATION_ID] {
        if let Ok(id) = HeaderValue::from_str(&Uuid::new_v4().to_string()) {
            headers.insert(name, id);
        }
    }
    answer
}
