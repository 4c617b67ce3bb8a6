//! The client and its one send loop, through which every call goes.

use std::error::Error as _;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, Method, header};
use tokio::runtime::Handle;
use tracing::Instrument;
use url::Url;

use crate::builder::Builder;
use crate::cloud::Cloud;
use crate::context::{CallIds, RequestContext};
use crate::credential::{AccessToken, Credential, TokenRequest, out_of_time};
use crate::customers::Customers;
use crate::error::{Error, ErrorKind};
use crate::fleet::Fleet;
use crate::generated;
use crate::lenient::UnreadableMember;
use crate::response::Response;
use crate::retry::{Deadline, RetryPolicy};
use crate::wire::{Answer, Attempt, Exchange};

/// A client of the Partner Center service, for one partner in one cloud.
///
/// Cheap to clone; clones share connections and credential. There is no state outside of it, so one
/// process can hold clients for several partners and clouds. Calls need a tokio runtime with its timers
/// and I/O enabled, as `#[tokio::main]` makes it.
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
    pub(crate) cloud: Cloud,
    pub(crate) http: reqwest::Client,
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

    /// The same client with the caller's ids, locale or time for its calls. What the context does not
    /// set stays as it is.
    ///
    /// ```
    /// # use partner_center_devices::{AccessToken, PartnerCenter, RequestContext};
    /// # use uuid::Uuid;
    /// # fn main() -> Result<(), partner_center_devices::Error> {
    /// # let partner = PartnerCenter::builder(AccessToken::new("a-token")).build()?;
    /// let traced = partner.with(RequestContext::new().correlation_id(Uuid::new_v4()));
    /// let in_french = traced.with(RequestContext::new().locale("fr-FR")?);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn with(&self, context: RequestContext) -> Self {
        Self { shared: Arc::clone(&self.shared), context: context.or(&self.context) }
    }

    /// Sends one call: the ids once, then attempt after attempt until one ends it. What may be
    /// retried, and how long to wait, is said by the error and the policy; the fleet sees to it that
    /// the calls of a client together stay kind to the service.
    pub(crate) async fn send<T, F, Fut>(&self, operation: &'static str, run: F) -> Result<Response<T>, Error>
    where
        F: Fn(generated::Client) -> Fut,
        Fut: Future<Output = Result<generated::ResponseValue<T>, generated::Error>>,
    {
        in_runtime()?;
        let Shared { retry, fleet, .. } = &*self.shared;
        let mut call = Call {
            operation,
            ids: self.context.ids(),
            deadline: Deadline::after(self.context.call_timeout_or(self.shared.call_timeout)),
            method: Method::default(),
            attempts: 0,
            refused: None,
            last: None,
        };
        let span = self.span(call.ids);
        let attempting = async {
            fleet.count_call();
            let mut backoffs = retry.backoffs();
            loop {
                let was_refused = call.refused.is_some();
                let error = match self.attempt(&mut call, &span, &run).await {
                    Ok(response) => return Ok(response),
                    Err(error) => error,
                };
                if call.refused.is_some() && !was_refused {
                    call.last = Some(error);
                    continue;
                }
                if !error.is_retryable() || !(call.method.is_idempotent() || error.had_no_effect()) {
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
        let outcome = outcome.map_err(|error| {
            let error = if error.is_timeout() { error.after(call.last) } else { error };
            error.of_call(call.ids, call.attempts)
        });
        record(&span, call.attempts, &outcome);
        outcome
    }

    /// A token that the service has not refused in this call.
    async fn token(&self, call: &Call) -> Result<AccessToken, Error> {
        let shared = &self.shared;
        let (cloud, http) = (shared.cloud.clone(), shared.http.clone());
        let (attempt_timeout, time_left) = (shared.attempt_timeout, call.deadline.left());
        let request = TokenRequest { cloud, http, attempt_timeout, time_left };
        let token = call.deadline.bound(shared.credential.token(&request)).await;
        let token = token.unwrap_or_else(|| Err(out_of_time()));
        match (token, &call.refused) {
            (Ok(token), Some((refused, error))) if *refused == token => Err(error.clone()),
            (Err(error), Some((_, refusal))) if error.source().is_none() => Err(error.after(Some(refusal.clone()))),
            (token, _) => token,
        }
    }

    /// One attempt: the token, a place, the headers, the generated operation, and what its outcome
    /// means.
    async fn attempt<T, F, Fut>(&self, call: &mut Call, span: &tracing::Span, run: &F) -> Result<Response<T>, Error>
    where
        F: Fn(generated::Client) -> Fut,
        Fut: Future<Output = Result<generated::ResponseValue<T>, generated::Error>>,
    {
        let Shared { fleet, http, .. } = &*self.shared;
        // Before the place: while it is got, a throttle may come, and others need no token.
        let mut token = self.token(call).await?;
        let mut place = None;
        let held_back = |error: Error| error.after(call.last.clone());
        while fleet.admit(&mut place, &self.shared.retry, &call.deadline).await.map_err(held_back)? {
            // In the queue it may have expired, or been refused to another call.
            token = self.token(call).await?;
        }
        let timeout = self.shared.attempt_timeout.min(call.deadline.left());
        if timeout.is_zero() {
            return Err(Error::out_of_time());
        }
        let mut headers = self.shared.headers.clone();
        self.context.write_locale(&mut headers);
        call.ids.write(&mut headers);
        headers.insert(header::AUTHORIZATION, token.authorization()?);

        let attempt = Attempt {
            span: span.clone(),
            operation: call.operation,
            headers,
            tokens: call.refused.iter().map(|(refused, _)| refused).chain([&token]).cloned().collect(),
            timeout,
            body_limit: self.shared.max_body_size,
            exchange: Arc::default(),
        };
        let base_url = self.shared.base_url.as_str().trim_end_matches('/');
        let client = generated::Client::new_with_client(base_url, http.clone(), attempt.clone());
        call.attempts += 1;
        let outcome = run(client).await;
        let Exchange { method, answer } = attempt.take_exchange();
        call.method = method;
        let outcome = classify(outcome, answer);
        log_attempt(call.attempts, &outcome);
        if let Err(error) = &outcome {
            fleet.note(error);
            if error.refuses_token() {
                // Once a call: what refuses a fresh token, too, is no matter of tokens.
                if call.refused.is_none() {
                    self.shared.credential.refused(&token);
                }
                call.refused = Some((token, error.clone()));
            }
        }
        drop(place);
        let (ids, attempts) = (call.ids, call.attempts);
        outcome.map(|(body, unreadable, answer)| Response { body, unreadable, answer, ids, attempts })
    }

    /// One span a call, with the fields that OpenTelemetry gives to HTTP clients.
    fn span(&self, ids: CallIds) -> tracing::Span {
        let base_url = &self.shared.base_url;
        tracing::info_span!(
            "partner_center",
            otel.name = tracing::field::Empty,
            otel.kind = "client",
            http.request.method = tracing::field::Empty,
            server.address = base_url.host_str().map(|host| host.trim_matches(['[', ']'])),
            server.port = base_url.port_or_known_default(),
            url.full = tracing::field::Empty,
            http.response.status_code = tracing::field::Empty,
            http.request.resend_count = tracing::field::Empty,
            error.type = tracing::field::Empty,
            otel.status_code = tracing::field::Empty,
            partner_center.request_id = %ids.request_id,
            partner_center.correlation_id = %ids.correlation_id,
        )
    }
}

/// What one call carries from attempt to attempt.
struct Call {
    operation: &'static str,
    ids: CallIds,
    deadline: Deadline,
    /// That of the last request.
    method: Method,
    attempts: u32,
    /// The token that the service refused, and how: it is not sent again.
    refused: Option<(AccessToken, Error)>,
    /// Why the attempt before failed.
    last: Option<Error>,
}

/// Without a runtime, its timers and sockets panic.
pub(crate) fn in_runtime() -> Result<(), Error> {
    Handle::try_current().map(|_| ()).map_err(|_| Error::config("a call outside of a tokio runtime, which it needs"))
}

/// What an attempt came to. The generated client's own errors lose status, headers or body, so the
/// answer that the hook kept decides.
fn classify<T>(
    outcome: Result<generated::ResponseValue<T>, generated::Error>,
    answer: Option<Answer>,
) -> Result<(T, Vec<UnreadableMember>, Answer), Error> {
    match (outcome, answer) {
        (Err(_), Some(answer)) if !answer.status.is_success() => Err(Error::service(answer)),
        (Err(generated::Error::UnexpectedResponse(_)), Some(answer)) => Err(Error::service(answer)),
        (_, Some(answer)) if answer.over_bounds => {
            Err(Error::decode(answer, "the answer is larger than the bound, or has too many objects"))
        }
        (Err(generated::Error::CommunicationError(error) | generated::Error::ResponseBodyError(error)), answer) => {
            Err(Error::transport(error, answer))
        }
        (Ok(value), Some(answer)) => match (value.read)(&answer.body) {
            Ok((body, unreadable)) => Ok((body, unreadable, answer)),
            Err(error) if error.source.is_eof() && !answer.has_length() => Err(Error::broke_off(answer, error.source)),
            Err(error) => Err(Error::unreadable(error).with_answer(answer)),
        },
        _ => Err(Error::config("the request cannot be built")),
    }
}

/// What a call came to, as OpenTelemetry wants to have it of HTTP clients.
fn record<T>(span: &tracing::Span, attempts: u32, outcome: &Result<Response<T>, Error>) {
    if attempts > 1 {
        span.record("http.request.resend_count", attempts - 1);
    }
    let status = match outcome {
        Ok(response) => Some(response.http_status()),
        Err(error) => error.status().filter(|_| error.kind() != ErrorKind::Credential),
    };
    if let Some(status) = status {
        span.record("http.response.status_code", status.as_u16());
    }
    if let Err(error) = outcome {
        span.record("otel.status_code", "ERROR");
        match status.filter(|_| error.kind() == ErrorKind::Service) {
            Some(status) => span.record("error.type", status.as_str()),
            None => span.record("error.type", tracing::field::debug(error.kind())),
        };
    }
}

fn log_attempt<T>(attempt: u32, outcome: &Result<(T, Vec<UnreadableMember>, Answer), Error>) {
    match outcome {
        Ok((_, unreadable, answer)) => {
            if let Some(first) = unreadable.first() {
                tracing::warn!(count = unreadable.len(), %first, "members of the response cannot be read and are absent");
            }
            tracing::debug!(attempt, http.response.status_code = answer.status.as_u16(), "answered");
        }
        Err(error) => {
            let status = error.status().map(|status| status.as_u16());
            tracing::debug!(attempt, http.response.status_code = status, error = %error, retryable = error.is_retryable(), "failed");
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
