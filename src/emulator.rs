//! A stand-in for the service on loopback: for your tests, for examples, for other languages.
//!
//! It speaks real HTTP, holds what you put into it beside the specification's own examples, and
//! responds as the documents say: 401 without a bearer token, 400 for what is not a GUID, 404 for
//! what it does not hold, each with the documented fault and headers. It signs applications in, as
//! the authority of a [cloud](Emulator::cloud) of its own. Either can be told to fail, or to send
//! any [response of yours](ScriptedResponse): late, compressed, broken off.
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
mod recorded;
mod response;
mod service;

use std::convert::Infallible;
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use http::{Request, StatusCode};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::task::{JoinHandle, JoinSet};
use url::Position;

use crate::client::PartnerCenter;
use crate::cloud::Cloud;
use crate::credential::AccessToken;
use crate::models::{BatchTrackingId, CustomerId, DeviceBatch, Link};
use crate::retry::RetryPolicy;
use authority::Authority;
use response::Sent;
use service::{EXAMPLE_CUSTOMER, EXAMPLE_UPLOAD, Service, as_sent};

pub use recorded::RecordedRequest;
pub use response::ScriptedResponse;
pub use service::ScriptedUpload;

/// No request to the service has a body, and none to the authority a larger one.
const LARGEST_REQUEST: usize = 1 << 16;
/// How long to wait when the system gives no connection, as when file descriptors have run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// The stand-in service. It runs until it is stopped or dropped; its port is free then.
pub struct Emulator {
    cloud: Cloud,
    partner: PartnerCenter,
    parts: Arc<Mutex<Parts>>,
    door: Arc<Door>,
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
    /// If no port can be had, or if this is called outside a tokio runtime.
    pub async fn start() -> io::Result<Self> {
        Self::start_on(0).await
    }

    /// Starts the service on this port of loopback.
    ///
    /// # Errors
    ///
    /// If the port is taken, or if this is called outside a tokio runtime.
    pub async fn start_on(port: u16) -> io::Result<Self> {
        Handle::try_current().map_err(|_| {
            io::Error::other(
                "the emulator needs a tokio runtime: call it in one, or use `Emulator::start_blocking` \
                 (feature `blocking`)",
            )
        })?;
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
        let door = Arc::new(Door { listener: Mutex::new(Some(listener)), closed: Notify::new() });
        let server = tokio::spawn(serve(Arc::clone(&door), Arc::clone(&parts)));
        Ok(Self {
            cloud,
            partner,
            parts,
            door,
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

    /// Stops the service: closes its connections, those in use too, and waits until its port is free.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use partner_center_devices::emulator::Emulator;
    /// let emulator = Emulator::start().await?;
    /// let address = emulator.base_url().trim_start_matches("http://").to_owned();
    /// emulator.stop().await;
    /// std::net::TcpListener::bind(address)?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn stop(mut self) {
        self.door.close();
        // An error is a panic of the server, and it has ended all the same.
        let _ = (&mut self.server).await;
    }

    /// Where the service listens, for clients of your own.
    pub fn base_url(&self) -> &str {
        self.cloud.base_url()
    }

    /// The cloud whose service and authority this is, for [`Builder::cloud`](crate::Builder::cloud).
    /// The authority signs in any application with any secret, and any refresh token once: the response
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
    pub fn add_upload(&self, customer: CustomerId, id: BatchTrackingId, upload: ScriptedUpload) {
        let mut parts = self.parts();
        parts.service.batches.entry(*customer).or_default();
        parts.service.uploads.insert((*customer, *id), upload);
    }

    /// Adds what a link points to: any JSON, at the link's own text. What no client would follow, such
    /// as a link to another host, is not held.
    ///
    /// The devices behind the `devicesLink` of the specification's example are there from the start.
    pub fn add_resource(&self, uri: &str, body: Value) {
        self.add_response(uri, ScriptedResponse::json(StatusCode::OK, &body));
    }

    /// Sends this response whenever this path is asked for, also if it is the path of one of the two
    /// operations. Without a token the response is 401 all the same.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use http::StatusCode;
    /// # use partner_center_devices::emulator::{Emulator, ScriptedResponse};
    /// # let emulator = Emulator::start().await?;
    /// let customer = "b44bb1fb-c595-45b0-9e3d-d657365580be";
    /// let page = ScriptedResponse::new(StatusCode::FORBIDDEN).header("Content-Type", "text/html").body("<h1>No</h1>");
    /// emulator.add_response(&format!("/v1/customers/{customer}/deviceBatches"), page);
    /// let batches = emulator.partner().customers().by_id(customer.parse()?).device_batches();
    /// assert_eq!(batches.get().await.unwrap_err().status(), Some(StatusCode::FORBIDDEN));
    /// # Ok(())
    /// # }
    /// ```
    pub fn add_response(&self, uri: &str, response: ScriptedResponse) {
        let link = Link { uri: Some(uri.to_owned()), ..Link::default() };
        if let Ok(target) = crate::links::target(&self.partner.shared.base_url, &link) {
            let path = target[Position::BeforePath..].to_ascii_lowercase();
            self.parts().service.resources.insert(path, response);
        }
    }

    /// Sends this response to the next request to the service, whatever it asks for, and before its
    /// token is looked at. Responses that are queued by any method are sent in order.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use http::StatusCode;
    /// # use partner_center_devices::emulator::{Emulator, ScriptedResponse};
    /// # let emulator = Emulator::start().await?;
    /// let fault = serde_json::json!({ "code": 900150, "description": "The supplied role does not have the rights." });
    /// emulator.respond_next(ScriptedResponse::json(StatusCode::FORBIDDEN, &fault));
    /// let customer = emulator.partner().customers().by_id(emulator.example_customer());
    /// assert_eq!(customer.device_batches().get().await.unwrap_err().code(), Some("900150"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn respond_next(&self, response: ScriptedResponse) {
        self.parts().service.script.add(response.times, service::Scripted::Response(response));
    }

    /// Sends this status and its documented fault to the next `calls` requests to the service.
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
        self.parts().service.script.add(calls, service::Scripted::Fault(status, None));
    }

    /// Throttles the next `calls` requests to the service: 429, with this `Retry-After` in whole
    /// seconds, upwards.
    pub fn throttle_next(&self, calls: usize, retry_after: Duration) {
        let throttle = service::Scripted::Fault(StatusCode::TOO_MANY_REQUESTS, Some(whole_seconds(retry_after)));
        self.parts().service.script.add(calls, throttle);
    }

    /// The requests to the service that arrived so far, in order: the last 10,000 of them.
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
        self.parts().service.requests.all()
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

    /// How long the authority takes to respond from now on: no time unless set.
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
        self.parts().authority.script.add(sign_ins, authority::Scripted::Refusal(status, error.to_owned(), None));
    }

    /// Refuses the next `sign_ins` as Microsoft's sign-in service does with this AADSTS code: with the
    /// status, the error of OAuth, its `suberror` and the text that belong to it.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use partner_center_devices::emulator::Emulator;
    /// # let emulator = Emulator::start().await?;
    /// # use partner_center_devices::{AppUserCredential, PartnerCenter};
    /// // Multi-factor authentication is required.
    /// emulator.refuse_next_sign_ins(1, 50076);
    /// let credential = AppUserCredential::new("contoso.onmicrosoft.com", "an-application", "a-secret", "a-token")?;
    /// let partner = PartnerCenter::builder(credential).cloud(emulator.cloud()).build()?;
    /// let call = partner.customers().by_id(emulator.example_customer()).device_batches();
    /// assert!(call.get().await.unwrap_err().to_string().contains("50076"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn refuse_next_sign_ins(&self, sign_ins: usize, code: u32) {
        self.parts().authority.script.add(sign_ins, authority::Scripted::Code(code));
    }

    /// Sends this response to the next request for a token.
    pub fn respond_next_sign_in(&self, response: ScriptedResponse) {
        self.parts().authority.script.add(response.times, authority::Scripted::Response(response));
    }

    /// Throttles the next `sign_ins`: 429, with this `Retry-After` in whole seconds, upwards.
    pub fn throttle_next_sign_ins(&self, sign_ins: usize, retry_after: Duration) {
        let error = "temporarily_unavailable".to_owned();
        let throttle =
            authority::Scripted::Refusal(StatusCode::TOO_MANY_REQUESTS, error, Some(whole_seconds(retry_after)));
        self.parts().authority.script.add(sign_ins, throttle);
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
        self.door.close();
        self.server.abort();
    }
}

impl fmt::Debug for Emulator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Emulator").field("base_url", &self.base_url()).finish_non_exhaustive()
    }
}

/// What is to come, each with how often it still is to happen.
struct Script<T>(Vec<(usize, T)>);

impl<T> Default for Script<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Clone> Script<T> {
    fn add(&mut self, times: usize, next: T) {
        self.0.push((times, next));
    }

    fn next(&mut self) -> Option<T> {
        self.0.retain(|(times, _)| *times > 0);
        let (times, next) = self.0.first_mut()?;
        *times -= 1;
        Some(next.clone())
    }
}

/// `Retry-After` has no parts of seconds.
fn whole_seconds(wait: Duration) -> u64 {
    wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0))
}

/// Where connections come in. The owner closes it, so that the port is free at once and not when the
/// runtime comes to it.
struct Door {
    listener: Mutex<Option<TcpListener>>,
    closed: Notify,
}

impl Door {
    fn close(&self) {
        lock(&self.listener).take();
        self.closed.notify_one();
    }

    /// The next connection, or `None` once the door is closed.
    async fn accept(&self) -> Option<io::Result<TcpStream>> {
        poll_fn(|context| match &*lock(&self.listener) {
            Some(listener) => listener.poll_accept(context).map(|accepted| Some(accepted.map(|(stream, _)| stream))),
            None => Poll::Ready(None),
        })
        .await
    }
}

async fn serve(door: Arc<Door>, parts: Arc<Mutex<Parts>>) {
    // Dropped with this task, and with it every connection.
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = door.closed.notified() => break,
            accepted = door.accept() => {
                let stream = match accepted {
                    Some(Ok(stream)) => stream,
                    // The next attempt may fail at once in the same way, and for long.
                    Some(Err(_)) => {
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                        continue;
                    }
                    None => break,
                };
                let parts = Arc::clone(&parts);
                let respond = service_fn(move |request| respond(Arc::clone(&parts), request));
                connections.spawn(async move {
                    // A client that hangs up does not concern the others.
                    let _ = http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), respond).await;
                });
            }
            Some(_) = connections.join_next() => {}
        }
    }
    connections.shutdown().await;
}

async fn respond(parts: Arc<Mutex<Parts>>, request: Request<Incoming>) -> Result<http::Response<Sent>, Infallible> {
    let path = request.uri().path().to_owned();
    let (response, delay) = if Authority::serves(&path) {
        let body = Limited::new(request.into_body(), LARGEST_REQUEST).collect().await;
        let form = body.map(|body| body.to_bytes()).unwrap_or_default();
        let mut parts = lock(&parts);
        let response = parts.authority.respond(&path, &form);
        let delay = response.delay.max(parts.authority.delay);
        (response, delay)
    } else if path == authority::SIGN_IN_PAGE {
        let text = "The stand-in signs in whoever asks: there is nothing to enter.\n";
        (ScriptedResponse::new(StatusCode::OK).body(text), Duration::ZERO)
    } else {
        let mut parts = lock(&parts);
        let Parts { service, authority } = &mut *parts;
        let response = service.respond(RecordedRequest::of(&request), |token| authority.takes(token));
        let delay = response.delay;
        (response, delay)
    };
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
    Ok(response.send())
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
