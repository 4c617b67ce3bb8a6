//! The client: what its clones and handles share, and the context that each uses for its calls.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use url::Url;

use crate::cloud::Cloud;
use crate::context::RequestContext;
use crate::credential::Credential;
use crate::limits::Limits;
use crate::retry::RetryPolicy;

/// A client of the Partner Center service, for one partner in one cloud.
///
/// Cheap to clone; clones share connections and the credential. There is no global state, so one
/// process can have clients for several partners and clouds. Calls need a tokio runtime with timers
/// and I/O enabled, as set up by `#[tokio::main]`.
///
/// ```no_run
/// use partner_center_devices::{AccessToken, PartnerCenter};
///
/// # async fn run(token: String) -> Result<(), Box<dyn std::error::Error>> {
/// let partner = PartnerCenter::builder(AccessToken::new(token)).build()?;
/// let customer =
///     partner.customers().by_id("47021739-3426-40bf-9601-61b4b6d7c793".parse()?);
/// for batch in &customer.device_batches().get().await?.items {
///     println!("{:?}: {:?} devices", batch.id, batch.devices_count);
/// }
/// # Ok(())
/// # }
/// ```
///
/// # Reliability
///
/// Every call ends in bounded time, with the response or with an error that says what happened:
///
/// - Broken connections, timeouts, bodies that break off, 408, 429, 500, 502, 503 and 504 are retried
///   3 times, after 0.5, 1 and 2 seconds, each lengthened at random to at most double (see
///   [`RetryPolicy`]). A name that is not found and a response that is not HTTP are retried only once; a certificate
///   that is not trusted and a proxy that requires credentials (407) are not retried.
/// - `Retry-After` makes a wait longer, never shorter. It is in seconds, also with decimals, or a date, relative
///   to the response's own `Date`. `retry-after-ms`, `x-ms-retry-after-ms` and, without any of these headers, the
///   message of a gateway ("Try again in 57 seconds.") count too; the longest applies. If it is longer
///   than 120 seconds or than the time left, the call fails at once with the value in the error.
/// - Connecting may take 10 seconds, an attempt 60, a call with all its waits 180. Dropping a call stops it,
///   but not its sign-in, which may return the next refresh token.
/// - All attempts of a call send the same IDs. The response or error has the number of attempts.
/// - A throttle (429, or 503 with `Retry-After`) applies to all calls of a client and its clones: they wait
///   until it is over, spread out, instead of getting a 429 each. Other retries, including those of sign-ins,
///   are limited to a fifth of the recent calls, plus ten per second.
/// - A 401 is retried once with a new token, if the credential has one, unless the user has
///   to sign in again with multi-factor authentication.
/// - Tokens are requested with the scope `{host of the API}/.default` when a call needs one, once for all
///   calls that wait, and replaced five minutes before they expire. Transient failures of the sign-in service,
///   including any 5xx, are retried in the same way. Refusals are not: for 10 seconds, further calls get
///   the same error without a new request, because repeated failures lock accounts.
/// - A body is read up to 64 MiB, which also bounds the memory of the typed body. Calls and
///   sign-ins request gzip; gzip and deflate are decoded, requested or not, and any other `Content-Encoding` is an
///   error that names it.
/// - A 200 whose body is an error, or has none of the documented members, is an error. A member that cannot be
///   read is absent and listed in [`Response::unreadable_members`](crate::Response::unreadable_members),
///   unless it decides what the response means: then the call fails and names it.
///
/// # Logs
///
/// Each call is a `tracing` span `partner_center` (INFO) with its operation, its IDs, `url.template`,
/// `partner_center.attempts`, `http.response.status_code` and, if it failed, `error.type` and `otel.status_code`. Each of its requests is a span `http_request`
/// within it, with the fields that OpenTelemetry gives to HTTP clients: `http.request.method`, `url.full`
/// without the query, `url.template`, `server.address`, `server.port`, `http.response.status_code`,
/// `error.type` and, from the second request on, `http.request.resend_count`. To pass a trace on, set its
/// `traceparent` with [`RequestContext::header`].
///
/// Events at WARN: "trying again" with attempt, delay and reason; "the service is throttling this client", once for
/// each throttle that delays calls; "cannot ask for the upload" when a wait continues after a failed call;
/// "members of the response cannot be read and are absent"; and "cannot refresh the access token, which is still
/// good". At DEBUG: the end of each attempt.
#[derive(Clone)]
#[must_use = "a client does nothing until a call is made with it"]
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
    pub(crate) limits: Limits,
    pub(crate) max_body_size: usize,
}

impl PartnerCenter {
    /// The same client with your own IDs, locale, headers or timeout for its calls. What the context does
    /// not set is unchanged.
    ///
    /// ```
    /// # use partner_center_devices::{AccessToken, PartnerCenter, RequestContext};
    /// # use uuid::Uuid;
    /// # fn main() -> Result<(), partner_center_devices::Error> {
    /// # let partner = PartnerCenter::builder(AccessToken::new("a-token")).build()?;
    /// let traced = partner.with(RequestContext::new().correlation_id(Uuid::new_v4()));
    /// let in_french = traced.with(RequestContext::new().locale("fr-FR"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn with(&self, context: RequestContext) -> Self {
        Self { shared: Arc::clone(&self.shared), context: context.or(&self.context) }
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
