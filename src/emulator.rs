//! A stand-in for the service on loopback: for your tests, for examples, for other languages.
//!
//! It speaks real HTTP, holds what you put into it beside the specification's own examples, and
//! answers as the documents say: 401 without a bearer token, 400 for what is not a GUID, 404 for
//! what it does not hold, each with the documented fault and headers. It can be told to fail.
//!
//! ```
//! use partner_center_devices::emulator::Emulator;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let emulator = Emulator::start().await?;
//! let customer = emulator.partner().customers().by_id(emulator.example_customer());
//! let batches = customer.device_batches().get().await?;
//! assert_eq!(batches.items[0].id.as_deref(), Some("Test batch"));
//! assert_eq!(emulator.requests().len(), 1);
//! # Ok(())
//! # }
//! ```

use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;
use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};
use uuid::Uuid;

use crate::client::PartnerCenter;
use crate::context::{MS_CORRELATION_ID, MS_CV, MS_REQUEST_ID, MS_SERVER_ID};
use crate::credential::AccessToken;
use crate::models::{
    BatchTrackingId, BatchUploadDetails, CustomerId, DeviceBatch, DeviceBatchCollection, UploadStatus,
};
use crate::retry::RetryPolicy;

/// The examples of the specification by name, taken from the document by build.rs.
const EXAMPLES: &str = include_str!(concat!(env!("OUT_DIR"), "/examples.json"));

const EXAMPLE_CUSTOMER: Uuid = Uuid::from_u128(0x47021739_3426_40bf_9601_61b4b6d7c793);
const EXAMPLE_UPLOAD: Uuid = Uuid::from_u128(0x0127ed8e_ff72_4983_a3d8_e8d8bd378932);

/// The stand-in service. It runs until it is dropped.
pub struct Emulator {
    base_url: String,
    partner: PartnerCenter,
    service: Arc<Mutex<Service>>,
    server: JoinHandle<()>,
}

impl Emulator {
    /// Starts the service on a free port of loopback.
    ///
    /// # Errors
    ///
    /// If no port can be had.
    pub async fn start() -> io::Result<Self> {
        Self::start_on(0).await
    }

    /// Starts the service on this port of loopback.
    ///
    /// # Errors
    ///
    /// If the port is taken.
    pub async fn start_on(port: u16) -> io::Result<Self> {
        let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await?;
        let base_url = format!("http://{}", listener.local_addr()?);
        let partner = PartnerCenter::builder(AccessToken::new("emulator-access-token")).base_url(&base_url);
        let partner = partner
            .retry_policy(RetryPolicy::default().base_delay(Duration::ZERO))
            .build()
            .map_err(io::Error::other)?;
        let service = Arc::new(Mutex::new(Service::with_examples()?));
        let server = tokio::spawn(serve(listener, Arc::clone(&service)));
        Ok(Self { base_url, partner, service, server })
    }

    /// Where the service listens, for clients of your own.
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// A client that calls this service, and does not wait between its attempts.
    pub fn partner(&self) -> PartnerCenter {
        self.partner.clone()
    }

    /// The customer of the specification's examples; its data are there from the start.
    pub fn example_customer(&self) -> CustomerId {
        EXAMPLE_CUSTOMER.into()
    }

    /// The upload of the specification's examples.
    pub fn example_upload(&self) -> BatchTrackingId {
        EXAMPLE_UPLOAD.into()
    }

    /// Adds a customer without device batches; one that is there stays as it is.
    pub fn add_customer(&self, customer: CustomerId) {
        self.service().batches.entry(*customer).or_default();
    }

    /// Adds a device batch to a customer, and the customer if need be.
    pub fn add_device_batch(&self, customer: CustomerId, batch: DeviceBatch) {
        self.service().batches.entry(*customer).or_default().push(batch);
    }

    /// Adds an upload to a customer, and the customer if need be. One with the same id is replaced.
    pub fn add_upload(&self, customer: CustomerId, id: BatchTrackingId, upload: Upload) {
        self.add_customer(customer.clone());
        self.service().uploads.insert((*customer, *id), upload);
    }

    /// Answers the next `calls` requests with this status and its documented fault.
    pub fn fail_next(&self, calls: usize, status: StatusCode) {
        self.service().failures.extend(vec![Failure { status, retry_after: None }; calls]);
    }

    /// Throttles the next `calls` requests: 429, with this `Retry-After` in whole seconds.
    pub fn throttle_next(&self, calls: usize, retry_after: Duration) {
        let failure = Failure { status: StatusCode::TOO_MANY_REQUESTS, retry_after: Some(retry_after.as_secs()) };
        self.service().failures.extend(vec![failure; calls]);
    }

    /// The requests that arrived so far, in order.
    pub fn requests(&self) -> Vec<RecordedRequest> {
        self.service().requests.clone()
    }

    fn service(&self) -> MutexGuard<'_, Service> {
        lock(&self.service)
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl fmt::Debug for Emulator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Emulator").field("base_url", &self.base_url).finish_non_exhaustive()
    }
}

/// A request as it arrived. `Debug` does not show the token.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RecordedRequest {
    /// The method, `GET` for both operations.
    pub method: String,
    /// The path with the query, if any.
    pub path: String,
    /// The headers.
    pub headers: HeaderMap,
}

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
    details: BatchUploadDetails,
    queued_reads: usize,
    processing_reads: usize,
    reads: usize,
}

impl Upload {
    /// An upload that has ended: every read gives these details.
    pub fn new(details: BatchUploadDetails) -> Self {
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

    fn read(&mut self) -> BatchUploadDetails {
        let read = self.reads;
        self.reads += 1;
        let mut details = self.details.clone();
        if read < self.queued_reads {
            details.status = Some(UploadStatus::Queued);
            (details.started_time, details.completed_time) = (None, None);
            details.devices_status.clear();
        } else if read < self.queued_reads + self.processing_reads {
            details.status = Some(UploadStatus::Processing);
            details.completed_time = None;
            let done = (read - self.queued_reads) * details.devices_status.len() / self.processing_reads;
            for device in details.devices_status.iter_mut().skip(done) {
                device.status = Some(UploadStatus::Processing);
                (device.error_code, device.error_description) = (None, None);
            }
        }
        details
    }
}

#[derive(Clone)]
struct Failure {
    status: StatusCode,
    retry_after: Option<u64>,
}

/// What the service holds.
struct Service {
    examples: HashMap<String, Value>,
    batches: HashMap<Uuid, Vec<DeviceBatch>>,
    uploads: HashMap<(Uuid, Uuid), Upload>,
    failures: VecDeque<Failure>,
    requests: Vec<RecordedRequest>,
}

type Answer = http::Response<Full<Bytes>>;

impl Service {
    fn with_examples() -> io::Result<Self> {
        let examples: HashMap<String, Value> = serde_json::from_str(EXAMPLES)?;
        let mut service = Self {
            examples,
            batches: HashMap::new(),
            uploads: HashMap::new(),
            failures: VecDeque::new(),
            requests: Vec::new(),
        };
        let list: DeviceBatchCollection = service.example("DeviceBatchesDocumented")?;
        let upload: BatchUploadDetails = service.example("BatchUploadDetailsDocumented")?;
        service.batches.insert(EXAMPLE_CUSTOMER, list.items);
        service.uploads.insert((EXAMPLE_CUSTOMER, EXAMPLE_UPLOAD), Upload::new(upload));
        Ok(service)
    }

    fn example<T: DeserializeOwned>(&self, name: &str) -> io::Result<T> {
        let value = self.examples.get(name).ok_or_else(|| io::Error::other(format!("no example {name}")))?;
        Ok(serde_json::from_value(value.clone())?)
    }

    fn answer(&mut self, request: RecordedRequest) -> Answer {
        let (method, path) = (request.method.clone(), request.path.clone());
        let authorized = bearer_token(&request.headers).is_some();
        self.requests.push(request);
        if let Some(Failure { status, retry_after }) = self.failures.pop_front() {
            return self.fault(status, retry_after);
        }
        if !authorized {
            return self.fault(StatusCode::UNAUTHORIZED, None);
        }
        if method != Method::GET.as_str() {
            return self.fault(StatusCode::METHOD_NOT_ALLOWED, None);
        }
        // The service does not care for letter case in paths, as its own documents show.
        let path = path.split('?').next().unwrap_or_default().to_ascii_lowercase();
        let segments: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        match segments[..] {
            ["v1", "customers", customer, "devicebatches"] => self.device_batches(customer),
            ["v1", "customers", customer, "batchjobstatus", id] => self.upload_status(customer, id),
            _ => self.fault(StatusCode::NOT_FOUND, None),
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
        respond(StatusCode::OK, &list)
    }

    fn upload_status(&mut self, customer: &str, id: &str) -> Answer {
        let (Ok(customer), Ok(id)) = (Uuid::parse_str(customer), Uuid::parse_str(id)) else {
            return self.fault(StatusCode::BAD_REQUEST, None);
        };
        match self.uploads.get_mut(&(customer, id)) {
            Some(upload) => respond(StatusCode::OK, &upload.read()),
            None => self.fault(StatusCode::NOT_FOUND, None),
        }
    }

    /// The documented fault of a status, or one of its form.
    fn fault(&self, status: StatusCode, retry_after: Option<u64>) -> Answer {
        let name = match status.as_u16() {
            400 => "FaultBadRequest",
            401 => "FaultUnauthorized",
            403 => "FaultForbidden",
            404 => "FaultNotFound",
            429 => "FaultThrottled",
            500 => "FaultInternalServerError",
            501 => "FaultNotImplemented",
            503 => "FaultServiceUnavailable",
            _ => "",
        };
        let of_its_form = || {
            json!({
                "code": status.as_u16(),
                "description": status.canonical_reason().unwrap_or("no reason given"),
                "data": [],
                "source": "PartnerFD",
            })
        };
        let mut fault = self.examples.get(name).cloned().unwrap_or_else(of_its_form);
        if let Some(seconds) = retry_after {
            fault["message"] = json!(format!("Rate limit is exceeded. Try again in {seconds} seconds."));
        }
        let mut answer = respond(status, &fault);
        if let Some(seconds) = retry_after {
            answer.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        answer
    }
}

fn bearer_token(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

/// An answer with the headers of the documents; its ids are the service's own, as there.
fn respond(status: StatusCode, body: &impl Serialize) -> Answer {
    let mut answer = Answer::new(Full::from(serde_json::to_vec(body).unwrap_or_default()));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
    headers.insert(MS_CV, HeaderValue::from_static("YrLe3w6BbUSMt1fi.0"));
    headers.insert(MS_SERVER_ID, HeaderValue::from_static("030020344"));
    for name in [MS_REQUEST_ID, MS_CORRELATION_ID] {
        if let Ok(id) = HeaderValue::from_str(&Uuid::new_v4().to_string()) {
            headers.insert(name, id);
        }
    }
    answer
}

async fn serve(listener: TcpListener, service: Arc<Mutex<Service>>) {
    // Dropped with this task, and with it every connection.
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else { continue };
                let service = Arc::clone(&service);
                let answer = service_fn(move |request: hyper::Request<Incoming>| {
                    let answer = lock(&service).answer(record(&request));
                    async move { Ok::<_, Infallible>(answer) }
                });
                connections.spawn(async move {
                    // A client that hangs up is no concern of the others.
                    let _ = http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), answer).await;
                });
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

fn record(request: &hyper::Request<Incoming>) -> RecordedRequest {
    let mut headers = request.headers().clone();
    if let Some(authorization) = headers.get_mut(header::AUTHORIZATION) {
        authorization.set_sensitive(true);
    }
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    RecordedRequest { method: request.method().to_string(), path: path.to_owned(), headers }
}

fn lock(service: &Mutex<Service>) -> MutexGuard<'_, Service> {
    service.lock().unwrap_or_else(PoisonError::into_inner)
}
