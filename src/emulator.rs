//! A stand-in for the service on loopback: for your tests, for examples, for other languages.
//!
//! It speaks real HTTP, holds what you put into it beside the specification's own examples, and
//! answers as the documents say: 401 without a bearer token, 400 for what is not a GUID, 404 for
//! what it does not hold, each with the documented fault and headers. It signs applications in, as
//! the authority of a [cloud](Emulator::cloud) of its own. It can be told to fail at either.
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

mod authority;
mod service;

use std::convert::Infallible;
use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};
use url::Position;

use crate::client::PartnerCenter;
use crate::cloud::Cloud;
use crate::credential::AccessToken;
use crate::models::{BatchTrackingId, CustomerId, DeviceBatch, Link};
use crate::retry::RetryPolicy;
use authority::Authority;
use service::{EXAMPLE_CUSTOMER, EXAMPLE_UPLOAD, Service, as_sent};

pub use service::Upload;

/// No request to the service has a body, and none to the authority a larger one.
const LARGEST_REQUEST: usize = 1 << 16;

/// The stand-in service. It runs until it is dropped.
pub struct Emulator {
    cloud: Cloud,
    partner: PartnerCenter,
    parts: Arc<Mutex<Parts>>,
    server: JoinHandle<()>,
    /// Where it runs, if not in the runtime of the caller.
    #[cfg(feature = "blocking")]
    driver: Option<crate::blocking::Driver>,
}

struct Parts {
    service: Service,
    authority: Authority,
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
        let cloud = Cloud::custom(&base_url, &base_url).map_err(io::Error::other)?;
        let partner = PartnerCenter::builder(AccessToken::new("emulator-access-token")).cloud(cloud.clone());
        let partner = partner
            .retry_policy(RetryPolicy::default().initial_delay(Duration::ZERO))
            .build()
            .map_err(io::Error::other)?;
        let parts = Parts { service: Service::with_examples()?, authority: Authority::new(&base_url) };
        let parts = Arc::new(Mutex::new(parts));
        let server = tokio::spawn(serve(listener, Arc::clone(&parts)));
        Ok(Self {
            cloud,
            partner,
            parts,
            server,
            #[cfg(feature = "blocking")]
            driver: None,
        })
    }

    /// Starts the service on a free port of loopback, in a thread of its own: for tests of the client
    /// [without async](crate::blocking), whose page shows it.
    ///
    /// # Errors
    ///
    /// If no port can be had.
    #[cfg(feature = "blocking")]
    pub fn start_blocking() -> io::Result<Self> {
        let driver = crate::blocking::Driver::new()?;
        let (started, start) = std::sync::mpsc::channel();
        driver.spawn(async move { started.send(Self::start().await) });
        let mut emulator = start.recv().map_err(io::Error::other)??;
        emulator.driver = Some(driver);
        Ok(emulator)
    }

    /// Where the service listens, for clients of your own.
    pub fn base_url(&self) -> &str {
        self.cloud.base_url()
    }

    /// The cloud whose service and authority this is, for [`Builder::cloud`](crate::Builder::cloud).
    /// The authority signs in any application with any secret, and any refresh token once: the answer
    /// has the next one.
    pub fn cloud(&self) -> Cloud {
        self.cloud.clone()
    }

    /// A client that calls this service with a token of its own, and waits between its attempts only
    /// where a `Retry-After` says so.
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
        self.parts().service.batches.entry(*customer).or_default();
    }

    /// Adds a device batch to a customer, and the customer if need be.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use partner_center_devices::emulator::Emulator;
    /// # let emulator = Emulator::start().await?;
    /// # use partner_center_devices::models::DeviceBatch;
    /// let customer = "b44bb1fb-c595-45b0-9e3d-d657365580be".parse()?;
    /// let mut batch = DeviceBatch::default();
    /// batch.id = Some("Spring order".to_owned());
    /// emulator.add_device_batch(customer, batch);
    /// let batches = emulator.partner().customers().by_id(customer).device_batches().get().await?;
    /// assert_eq!(batches.items[0].id.as_deref(), Some("Spring order"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn add_device_batch(&self, customer: CustomerId, batch: DeviceBatch) {
        self.parts().service.batches.entry(*customer).or_default().push(as_sent(batch));
    }

    /// Adds an upload to a customer, and the customer if need be. One with the same id is replaced.
    pub fn add_upload(&self, customer: CustomerId, id: BatchTrackingId, upload: Upload) {
        let mut parts = self.parts();
        parts.service.batches.entry(*customer).or_default();
        parts.service.uploads.insert((*customer, *id), upload);
    }

    /// Adds what a link points to: any JSON, at the link's own text. What no client would follow, such
    /// as a link to another host, is not held.
    pub fn add_resource(&self, uri: &str, body: Value) {
        let link = Link { uri: Some(uri.to_owned()), ..Link::default() };
        if let Ok(target) = crate::links::target(&self.partner.shared.base_url, &link) {
            let path = target[Position::BeforePath..].to_ascii_lowercase();
            self.parts().service.resources.insert(path, body);
        }
    }

    /// Answers the next `calls` requests to the service with this status and its documented fault.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use partner_center_devices::emulator::Emulator;
    /// # let emulator = Emulator::start().await?;
    /// emulator.fail_next(1, http::StatusCode::BAD_GATEWAY);
    /// let customer = emulator.partner().customers().by_id(emulator.example_customer());
    /// assert_eq!(customer.device_batches().get().await?.attempts(), 2);
    /// # Ok(())
    /// # }
    /// ```
    pub fn fail_next(&self, calls: usize, status: StatusCode) {
        self.parts().service.failures.add(calls, (status, None));
    }

    /// Throttles the next `calls` requests to the service: 429, with this `Retry-After` in whole
    /// seconds, upwards.
    pub fn throttle_next(&self, calls: usize, retry_after: Duration) {
        let throttle = (StatusCode::TOO_MANY_REQUESTS, Some(whole_seconds(retry_after)));
        self.parts().service.failures.add(calls, throttle);
    }

    /// The requests to the service that arrived so far, in order.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use partner_center_devices::emulator::Emulator;
    /// # let emulator = Emulator::start().await?;
    /// let customer = emulator.partner().customers().by_id(emulator.example_customer());
    /// customer.device_batches().get().await?;
    /// let request = &emulator.requests()[0];
    /// assert_eq!(request.headers["x-locale"], "en-US");
    /// # Ok(())
    /// # }
    /// ```
    pub fn requests(&self) -> Vec<RecordedRequest> {
        self.parts().service.requests.clone()
    }

    /// How many requests for a token arrived so far.
    pub fn sign_ins(&self) -> usize {
        self.parts().authority.sign_ins
    }

    /// How long the tokens live that are given from now on: one hour unless set. Tells clients when
    /// to come again; the service itself takes expired tokens.
    pub fn set_token_lifetime(&self, lifetime: Duration) {
        self.parts().authority.lifetime = lifetime;
    }

    /// How long the authority takes to answer from now on: no time unless set.
    pub fn delay_sign_ins(&self, delay: Duration) {
        self.parts().authority.delay = delay;
    }

    /// Refuses the next `sign_ins` with this status and this error of OAuth.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use partner_center_devices::emulator::Emulator;
    /// # let emulator = Emulator::start().await?;
    /// # use partner_center_devices::{AppOnlyCredential, ErrorKind, PartnerCenter};
    /// emulator.fail_next_sign_ins(1, http::StatusCode::UNAUTHORIZED, "invalid_client");
    /// let credential = AppOnlyCredential::new("contoso.onmicrosoft.com", "an-application", "a-wrong-secret")?;
    /// let partner = PartnerCenter::builder(credential).cloud(emulator.cloud()).build()?;
    /// let call = partner.customers().by_id(emulator.example_customer()).device_batches();
    /// assert!(call.get().await.is_err_and(|error| error.kind() == ErrorKind::Credential));
    /// # Ok(())
    /// # }
    /// ```
    pub fn fail_next_sign_ins(&self, sign_ins: usize, status: StatusCode, error: &str) {
        self.parts().authority.failures.add(sign_ins, (status, error.to_owned(), None));
    }

    /// Throttles the next `sign_ins`: 429, with this `Retry-After` in whole seconds, upwards.
    pub fn throttle_next_sign_ins(&self, sign_ins: usize, retry_after: Duration) {
        let error = "temporarily_unavailable".to_owned();
        let throttle = (StatusCode::TOO_MANY_REQUESTS, error, Some(whole_seconds(retry_after)));
        self.parts().authority.failures.add(sign_ins, throttle);
    }

    /// Has the service refuse, with 401, every token that the authority gave so far.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use partner_center_devices::emulator::Emulator;
    /// # let emulator = Emulator::start().await?;
    /// # use partner_center_devices::{AppOnlyCredential, PartnerCenter};
    /// # let credential = AppOnlyCredential::new("contoso.onmicrosoft.com", "an-application", "any-secret")?;
    /// # let partner = PartnerCenter::builder(credential).cloud(emulator.cloud()).build()?;
    /// # let call = partner.customers().by_id(emulator.example_customer()).device_batches();
    /// call.get().await?;
    /// emulator.revoke_tokens();
    /// assert_eq!(call.get().await?.attempts(), 2);
    /// assert_eq!(emulator.sign_ins(), 2);
    /// # Ok(())
    /// # }
    /// ```
    pub fn revoke_tokens(&self) {
        let Authority { given, revoked, .. } = &mut self.parts().authority;
        revoked.append(given);
    }

    fn parts(&self) -> MutexGuard<'_, Parts> {
        lock(&self.parts)
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl fmt::Debug for Emulator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Emulator").field("base_url", &self.base_url()).finish_non_exhaustive()
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

/// Failures to come, each with how often it still is to happen.
#[derive(Default)]
struct Failures<F>(Vec<(usize, F)>);

impl<F: Clone> Failures<F> {
    fn add(&mut self, times: usize, failure: F) {
        self.0.push((times, failure));
    }

    fn next(&mut self) -> Option<F> {
        self.0.retain(|(times, _)| *times > 0);
        let (times, failure) = self.0.first_mut()?;
        *times -= 1;
        Some(failure.clone())
    }
}

/// `Retry-After` has no parts of seconds.
fn whole_seconds(wait: Duration) -> u64 {
    wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0))
}

type Answer = http::Response<Full<Bytes>>;

fn json_answer(status: StatusCode, body: &Value, retry_after: Option<u64>) -> Answer {
    let mut answer = Answer::new(Full::from(body.to_string()));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
    if let Some(seconds) = retry_after {
        headers.insert(RETRY_AFTER, seconds.into());
    }
    answer
}

async fn serve(listener: TcpListener, parts: Arc<Mutex<Parts>>) {
    // Dropped with this task, and with it every connection.
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else { continue };
                let parts = Arc::clone(&parts);
                let respond = service_fn(move |request| respond(Arc::clone(&parts), request));
                connections.spawn(async move {
                    // A client that hangs up is no concern of the others.
                    let _ = http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), respond).await;
                });
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn respond(parts: Arc<Mutex<Parts>>, request: Request<Incoming>) -> Result<Answer, Infallible> {
    let path = request.uri().path().to_owned();
    if Authority::serves(&path) {
        let body = Limited::new(request.into_body(), LARGEST_REQUEST).collect().await;
        let form = body.map(|body| body.to_bytes()).unwrap_or_default();
        let (answer, delay) = lock(&parts).authority.answer(&path, &form);
        tokio::time::sleep(delay).await;
        return Ok(answer);
    }
    if path == authority::SIGN_IN_PAGE {
        return Ok(Answer::new("The stand-in signs in whoever asks: there is nothing to enter.\n".into()));
    }
    let mut parts = lock(&parts);
    let Parts { service, authority } = &mut *parts;
    Ok(service.answer(recorded(&request), |token| authority.takes(token)))
}

fn recorded(request: &Request<Incoming>) -> RecordedRequest {
    let mut headers = request.headers().clone();
    if let Some(authorization) = headers.get_mut(http::header::AUTHORIZATION) {
        authorization.set_sensitive(true);
    }
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    RecordedRequest { method: request.method().to_string(), path: path.to_owned(), headers }
}

fn lock(parts: &Mutex<Parts>) -> MutexGuard<'_, Parts> {
    parts.lock().unwrap_or_else(PoisonError::into_inner)
}
