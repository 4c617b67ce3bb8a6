//! The client and its one send loop, through which every call goes.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, header};
use serde::de::DeserializeOwned;
use tracing::Instrument;
use url::Url;

use crate::builder::Builder;
use crate::context::{CallIds, RequestContext};
use crate::credential::{AccessToken, Credential, TokenRequest};
use crate::customers::Customers;
use crate::error::{Error, ErrorKind, masked, shortened};
use crate::fleet::Fleet;
use crate::generated;
use crate::response::Response;
use crate::retry::{Deadline, RetryPolicy};
use crate::wire::{Answer, Attempt};

/// A client of the Partner Center service, for one partner in one cloud.
///
/// Cheap to clone; clones share connections and credential. There is no state outside of it, so one
/// process can hold clients for several partners and clouds.
///
/// ```no_run
/// use partner_center_devices::{AccessToken, PartnerCenter};
///
/// # async fn run(token: String) -> Result<(), Box<dyn std::error::Error>> {
/// let partner = PartnerCenter::builder(AccessToken::new(token)).build()?;
/// let customer = partner.customers().by_id("47021739-3426-40bf-9601-61b4b6d7c793".parse()?);
/// for batch in &customer.device_batches().get().await?.items {
///     println!("{:?}: {:?} devices", batch.id, batch.devices_count);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct PartnerCenter {
    pub(crate) shared: Arc<Shared>,
    pub(crate) context: RequestContext,
}

/// What all clones and handles of a client share.
pub(crate) struct Shared {
    pub(crate) credential: Box<dyn Credential>,
    pub(crate) token_request: TokenRequest,
    pub(crate) base_url: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) attempt_timeout: Duration,
    pub(crate) call_timeout: Duration,
    pub(crate) retry: RetryPolicy,
    pub(crate) fleet: Fleet,
    pub(crate) max_body_size: usize,
}

impl PartnerCenter {
    /// Starts a client that signs in with this credential:
    /// [`AppOnlyCredential`](crate::AppOnlyCredential), [`AppUserCredential`](crate::AppUserCredential),
    /// an [`AccessToken`], or any other [`Credential`].
    pub fn builder(credential: impl Credential + 'static) -> Builder {
        Builder::new(credential)
    }

    /// The customers of the partner.
    pub fn customers(&self) -> Customers {
        Customers { partner: self.clone() }
    }

    /// The same client with the caller's ids or locale for its calls.
    pub fn with(&self, context: RequestContext) -> Self {
        Self { shared: Arc::clone(&self.shared), context }
    }

    /// Sends one call: the ids once, then attempt after attempt until one ends it. What may be
    /// retried, and how long to wait, is said by the error and the policy; the fleet sees to it that
    /// the calls of a client together stay kind to the service.
    pub(crate) async fn send<T, F, Fut>(&self, operation: &'static str, run: F) -> Result<Response<T>, Error>
    where
        T: DeserializeOwned,
        F: Fn(generated::Client) -> Fut,
        Fut: Future<Output = Result<generated::ResponseValue<T>, generated::Error>>,
    {
        let Shared { retry, fleet, .. } = &*self.shared;
        let mut call = Call {
            ids: self.context.ids(),
            deadline: Deadline::after(self.context.call_timeout_or(self.shared.call_timeout)),
            attempts: 0,
            refused: None,
            last: None,
        };
        let span = self.span(operation, call.ids);
        let attempting = async {
            fleet.count_call();
            let mut backoffs = retry.backoffs();
            loop {
                let admitted = fleet.admit(retry, &call.deadline).await;
                let in_flight = admitted.map_err(|error| error.after(call.last.take()))?;
                let was_refused = call.refused.is_some();
                let error = match self.attempt(&mut call, &span, &run).await {
                    Ok(response) => return Ok(response),
                    Err(error) => error,
                };
                drop(in_flight);
                fleet.note(&error);
                if error.refuses_token() && !was_refused {
                    continue;
                }
                if !error.is_retryable() {
                    return Err(error);
                }
                // Sign-ins are one at a time for all calls: those that failed together come back
                // together, and make a single request.
                let is_sign_in = error.kind() == ErrorKind::Credential;
                let jitter = if is_sign_in { 0.0 } else { retry.jitter() };
                match retry.next_delay(backoffs.next(), error.retry_after(), jitter, call.deadline.left()) {
                    Some(delay) if is_sign_in || fleet.may_retry() => {
                        call.last = Some(error);
                        tokio::time::sleep(delay).await;
                    }
                    _ => return Err(error),
                }
            }
        };
        let outcome = attempting.instrument(span.clone()).await;
        outcome.map_err(|error| {
            span.record("error.type", tracing::field::debug(error.kind()));
            let error = if error.is_timeout() { error.after(call.last) } else { error };
            error.of_call(call.ids, call.attempts)
        })
    }

    /// One attempt: the token, the headers, the generated operation, and what its outcome means.
    async fn attempt<T, F, Fut>(&self, call: &mut Call, span: &tracing::Span, run: &F) -> Result<Response<T>, Error>
    where
        T: DeserializeOwned,
        F: Fn(generated::Client) -> Fut,
        Fut: Future<Output = Result<generated::ResponseValue<T>, generated::Error>>,
    {
        let shared = &self.shared;
        let token_request = TokenRequest { time_left: call.deadline.left(), ..shared.token_request.clone() };
        let token = call.deadline.bound(shared.credential.token(&token_request)).await;
        let token = token.unwrap_or_else(|_| Err(Error::sign_in_out_of_time()));
        let token = token.map_err(|error| error.after_refusal(call.refused.as_ref()))?;
        if let Some((_, error)) = call.refused.as_ref().filter(|(refused, _)| *refused == token) {
            return Err(error.clone());
        }
        let mut headers = shared.headers.clone();
        self.context.write_locale(&mut headers);
        call.ids.write(&mut headers);
        headers.insert(header::AUTHORIZATION, token.authorization()?);

        let timeout = shared.attempt_timeout.min(call.deadline.left());
        let attempt = Attempt::new(span.clone(), headers, token.clone(), timeout, shared.max_body_size);
        let base_url = shared.base_url.as_str().trim_end_matches('/');
        let client = generated::Client::new_with_client(base_url, shared.token_request.http.clone(), attempt.clone());
        call.attempts += 1;
        let outcome = classify(run(client).await, attempt.take_answer(), &token);
        log_attempt(span, call.attempts, &outcome);
        if let Some(error) = outcome.as_ref().err().filter(|error| error.refuses_token()) {
            shared.credential.refused(&token);
            call.refused = Some((token, error.clone()));
        }
        let (ids, attempts) = (call.ids, call.attempts);
        outcome.map(|(body, Answer { status, headers, .. })| Response { body, status, headers, ids, attempts })
    }

    /// One span a call, with the fields that OpenTelemetry gives to HTTP clients.
    fn span(&self, operation: &'static str, ids: CallIds) -> tracing::Span {
        let base_url = &self.shared.base_url;
        tracing::info_span!(
            "partner_center",
            otel.name = format_args!("GET {operation}"),
            otel.kind = "client",
            http.request.method = "GET",
            server.address = base_url.host_str(),
            server.port = base_url.port_or_known_default(),
            url.full = tracing::field::Empty,
            http.response.status_code = tracing::field::Empty,
            http.request.resend_count = tracing::field::Empty,
            error.type = tracing::field::Empty,
            partner_center.request_id = %ids.request_id,
            partner_center.correlation_id = %ids.correlation_id,
        )
    }
}

/// What one call carries from attempt to attempt.
struct Call {
    ids: CallIds,
    deadline: Deadline,
    attempts: u32,
    /// The token that the service refused, and how: it is not sent again.
    refused: Option<(AccessToken, Error)>,
    /// Why the attempt before failed.
    last: Option<Error>,
}

/// What an attempt came to. The generated client's own errors lose status, headers or body, so the
/// answer that the hook kept decides.
fn classify<T: DeserializeOwned>(
    outcome: Result<generated::ResponseValue<T>, generated::Error>,
    answer: Option<Answer>,
    token: &AccessToken,
) -> Result<(T, Answer), Error> {
    match (outcome, answer) {
        (_, Some(answer)) if answer.status != http::StatusCode::OK => Err(Error::service(answer, token)),
        (_, Some(answer)) if answer.too_large => Err(Error::decode(answer, "the answer is larger than the bound")),
        (Ok(value), Some(answer)) if is_object(&answer.body) => Ok((value.into_inner(), answer)),
        (Err(generated::Error::CommunicationError(error) | generated::Error::ResponseBodyError(error)), answer) => {
            Err(Error::transport(error, answer))
        }
        (_, Some(answer)) => Err(unreadable::<T>(answer, token)),
        (_, None) => Err(Error::config("the request cannot be built")),
    }
}

/// Serde would read an array as a struct by position; both operations answer with objects.
fn is_object(body: &[u8]) -> bool {
    body.trim_ascii_start().starts_with(b"{")
}

/// Reads a body again that could not be read, to tell where it is at fault.
fn unreadable<T: DeserializeOwned>(answer: Answer, token: &AccessToken) -> Error {
    if !is_object(&answer.body) {
        return Error::decode(answer, "the answer is not a JSON object");
    }
    let mut reader = serde_json::Deserializer::from_slice(&answer.body);
    match serde_path_to_error::deserialize::<_, T>(&mut reader) {
        Ok(_) => Error::decode(answer, "the answer goes on after its end"),
        Err(error) => {
            let message = match error.path().to_string().as_str() {
                "." | "?" => "cannot read the answer".to_owned(),
                path => format!("cannot read the answer at `{path}`"),
            };
            // As text: serde's own error can hold a whole member of the body.
            let reason = shortened(&masked(&error.into_inner().to_string(), &[token.expose()]));
            Error::decode(answer, message).caused_by(reason)
        }
    }
}

fn log_attempt<T>(span: &tracing::Span, attempt: u32, outcome: &Result<(T, Answer), Error>) {
    span.record("http.request.resend_count", attempt - 1);
    let status = match outcome {
        Ok((_, answer)) => Some(answer.status),
        Err(error) => error.status(),
    };
    if let Some(status) = status {
        span.record("http.response.status_code", status.as_u16());
    }
    match outcome {
        Ok(_) => tracing::debug!(attempt, "answered"),
        Err(error) => {
            tracing::debug!(attempt, error = %error, retryable = error.is_retryable(), "failed");
        }
    }
}

impl fmt::Debug for PartnerCenter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PartnerCenter")
            .field("base_url", &self.shared.base_url.as_str())
            .field("context", &self.context)
            .finish_non_exhaustive()
    }
}
