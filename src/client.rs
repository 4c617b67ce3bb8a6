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
use crate::credential::Credential;
use crate::customers::Customers;
use crate::error::Error;
use crate::generated;
use crate::response::Response;
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

    /// Sends one call: the ids once, then per attempt the token, the headers, the generated
    /// operation, and what its outcome means.
    pub(crate) async fn send<T, F, Fut>(&self, operation: &'static str, run: F) -> Result<Response<T>, Error>
    where
        T: DeserializeOwned,
        F: Fn(generated::Client) -> Fut,
        Fut: Future<Output = Result<generated::ResponseValue<T>, generated::Error>>,
    {
        let ids = self.context.ids();
        let span = self.span(operation, ids);
        async {
            let mut attempts = 0;
            let outcome = self.attempt(ids, &mut attempts, &run).await;
            outcome.map_err(|error| error.of_call(ids, attempts))
        }
        .instrument(span)
        .await
    }

    async fn attempt<T, F, Fut>(&self, ids: CallIds, attempts: &mut u32, run: &F) -> Result<Response<T>, Error>
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

        let attempt = Attempt::new(headers, token, shared.attempt_timeout, shared.max_body_size);
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
            span.record("error.type", tracing::field::debug(error.kind()));
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
