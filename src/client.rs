//! The client and its one send loop, through which every call goes.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, header};
use serde::de::DeserializeOwned;
use tokio::time::Instant;
use tracing::Instrument;
use url::Url;

use crate::builder::Builder;
use crate::context::{CallIds, RequestContext};
use crate::credential::Credential;
use crate::customers::Customers;
use crate::error::Error;
use crate::fleet::Fleet;
use crate::generated;
use crate::response::Response;
use crate::retry::RetryPolicy;
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
    /// Starts a client that signs in with this credential: an [`AccessToken`](crate::AccessToken),
    /// or any other [`Credential`].
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
        let ids = self.context.ids();
        let limit = self.context.call_timeout_or(self.shared.call_timeout);
        let started = Instant::now();
        let time_left = || limit.saturating_sub(started.elapsed());
        let (mut attempts, mut last) = (0, None);

        let attempting = async {
            fleet.count_call();
            let mut backoffs = retry.backoffs();
            loop {
                let in_flight = fleet.enter().await;
                fleet.wait_out_throttle(retry, time_left).await?;
                let error = match self.attempt(ids, time_left(), &mut attempts, &run).await {
                    Ok(response) => return Ok(response),
                    Err(error) => error,
                };
                drop(in_flight);
                fleet.note(&error);
                if !error.is_retryable() {
                    return Err(error);
                }
                let spread = retry.spread(error.retry_after().unwrap_or_default());
                match retry.next_delay(backoffs.next(), error.retry_after(), spread, time_left()) {
                    Some(delay) if fleet.may_retry() => {
                        last = Some(error);
                        tokio::time::sleep(delay).await;
                    }
                    _ => return Err(error),
                }
            }
        };
        let span = self.span(operation, ids);
        let outcome = tokio::time::timeout(limit, attempting).instrument(span.clone()).await;
        let outcome = outcome.unwrap_or_else(|_| Err(Error::out_of_time(last)));
        outcome.map_err(|error| {
            span.record("error.type", tracing::field::debug(error.kind()));
            error.of_call(ids, attempts)
        })
    }

    /// One attempt: the token, the headers, the generated operation, and what its outcome means.
    async fn attempt<T, F, Fut>(
        &self,
        ids: CallIds,
        time_left: Duration,
        attempts: &mut u32,
        run: &F,
    ) -> Result<Response<T>, Error>
    where
        T: DeserializeOwned,
        F: Fn(generated::Client) -> Fut,
        Fut: Future<Output = Result<generated::ResponseValue<T>, generated::Error>>,
    {
        let shared = &self.shared;
        let token = shared.credential.token().await?;
        let mut headers = shared.headers.clone();
        self.context.write_locale(&mut headers);
        ids.write(&mut headers);
        headers.insert(header::AUTHORIZATION, token.authorization()?);

        let attempt = Attempt::new(headers, token, shared.attempt_timeout.min(time_left), shared.max_body_size);
        let base_url = shared.base_url.as_str().trim_end_matches('/');
        let client = generated::Client::new_with_client(base_url, shared.http.clone(), attempt.clone());
        *attempts += 1;
        let outcome = run(client).await;
        let outcome = classify(outcome, attempt.take_answer());
        log_attempt(*attempts, &outcome);
        outcome.map(|(body, answer)| Response {
            body,
            status: answer.status,
            headers: answer.headers,
            ids,
            attempts: *attempts,
        })
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

/// What an attempt came to. The generated client's own errors lose status, headers or body, so the
/// answer that the hook kept decides.
fn classify<T: DeserializeOwned>(
    outcome: Result<generated::ResponseValue<T>, generated::Error>,
    answer: Option<Answer>,
) -> Result<(T, Answer), Error> {
    match (outcome, answer) {
        (_, Some(answer)) if answer.status != http::StatusCode::OK => Err(Error::service(answer)),
        (_, Some(answer)) if answer.too_large => Err(Error::decode(answer, "the answer is larger than the bound")),
        (Ok(value), Some(answer)) if is_object(&answer.body) => Ok((value.into_inner(), answer)),
        (Err(generated::Error::CommunicationError(error) | generated::Error::ResponseBodyError(error)), _) => {
            Err(Error::transport(error))
        }
        (_, Some(answer)) => Err(unreadable::<T>(answer)),
        (_, None) => Err(Error::config("the request cannot be built")),
    }
}

/// Serde would read an array as a struct by position; both operations answer with objects.
fn is_object(body: &[u8]) -> bool {
    body.trim_ascii_start().starts_with(b"{")
}

/// Reads a body again that could not be read, to tell where it is at fault.
fn unreadable<T: DeserializeOwned>(answer: Answer) -> Error {
    if !is_object(&answer.body) {
        return Error::decode(answer, "the answer is not a JSON object");
    }
    let mut reader = serde_json::Deserializer::from_slice(&answer.body);
    match serde_path_to_error::deserialize::<_, T>(&mut reader) {
        Ok(_) => Error::decode(answer, "the answer goes on after its end"),
        Err(error) => {
            let message = format!("cannot read the answer at `{}`", error.path());
            Error::decode(answer, message).caused_by(error.into_inner())
        }
    }
}

fn log_attempt<T>(attempt: u32, outcome: &Result<(T, Answer), Error>) {
    let span = tracing::Span::current();
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
