//! What a caller sets for individual calls: IDs, locale, headers, timeout.

use std::fmt;
use std::time::Duration;

use http::HeaderMap;
use uuid::{Builder, Uuid};

use crate::error::Error;
use crate::headers::{CallIds, X_LOCALE, filled_header_value, further_headers};

/// Your own IDs, locale, headers and timeout for the calls of a handle; what is not set comes from the client.
///
/// Pass it to [`PartnerCenter::with`](crate::PartnerCenter::with), as in Microsoft's SDK.
///
/// ```
/// use partner_center_devices::RequestContext;
/// use uuid::{Builder, Uuid};
///
/// let context =
///     RequestContext::new().correlation_id(Uuid::new_v4()).locale("de-DE");
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct RequestContext {
    request_id: Option<Uuid>,
    correlation_id: Option<Uuid>,
    locale: Option<String>,
    headers: Vec<(String, String)>,
    call_timeout: Option<Duration>,
}

impl RequestContext {
    /// A context that sets nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sends this `MS-RequestId` with every call of the handle.
    ///
    /// Microsoft asks for a new ID for each call; without this, each call has a new one, which
    /// is the same for all its attempts. Set it to repeat a call with the ID it had. A wait for an
    /// upload makes many calls, and each of them always has a new ID.
    #[must_use]
    pub fn request_id(mut self, id: Uuid) -> Self {
        self.request_id = Some(id);
        self
    }

    /// Sends this `MS-CorrelationId` with every call of the handle, to find the calls together in logs.
    ///
    /// Without this, each call has a new one.
    #[must_use]
    pub fn correlation_id(mut self, id: Uuid) -> Self {
        self.correlation_id = Some(id);
        self
    }

    /// Requests texts in this language instead of the client's locale. If it is not a valid header value,
    /// each call fails with a [`Config`](crate::ErrorKind::Config) error, before anything is sent.
    #[must_use]
    pub fn locale(mut self, locale: impl Into<String>) -> Self {
        self.locale = Some(locale.into());
        self
    }

    /// An additional header for every call of the handle, such as the `traceparent` of a trace. It replaces
    /// the client's headers of the same name, and those of an earlier context; set twice in one context, it is
    /// sent twice. It is not sent with sign-ins.
    ///
    /// If it is not a valid HTTP header, or it is one that the client or the connection sets itself
    /// (`Authorization`, `Host`, the IDs, …), each call fails with a [`Config`](crate::ErrorKind::Config)
    /// error, before anything is sent.
    ///
    /// ```
    /// # use partner_center_devices::{AccessToken, PartnerCenter, RequestContext};
    /// # fn main() -> Result<(), partner_center_devices::Error> {
    /// # let partner = PartnerCenter::builder(AccessToken::new("a-token")).build()?;
    /// let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    /// let traced = partner.with(RequestContext::new().header("traceparent", parent));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// How long each call of the handle may take with all its attempts and waits, instead of the
    /// client's [`call_timeout`](crate::Builder::call_timeout).
    #[must_use]
    pub fn call_timeout(mut self, timeout: Duration) -> Self {
        self.call_timeout = Some(timeout);
        self
    }

    /// What is not set here is that of another.
    pub(crate) fn or(self, other: &Self) -> Self {
        let is_own = |name: &str| self.headers.iter().any(|(own, _)| own.eq_ignore_ascii_case(name));
        let others = other.headers.iter().filter(|(name, _)| !is_own(name)).cloned();
        Self {
            headers: others.chain(self.headers.iter().cloned()).collect(),
            request_id: self.request_id.or(other.request_id),
            correlation_id: self.correlation_id.or(other.correlation_id),
            locale: self.locale.or_else(|| other.locale.clone()),
            call_timeout: self.call_timeout.or(other.call_timeout),
        }
    }

    pub(crate) fn call_timeout_or(&self, of_client: Duration) -> Duration {
        self.call_timeout.unwrap_or(of_client)
    }

    /// The same for many calls that belong together: with one correlation ID, from the caller or
    /// new, and a request ID for each.
    pub(crate) fn correlated(&self) -> Self {
        Self { request_id: None, correlation_id: Some(self.ids().correlation_id), ..self.clone() }
    }

    /// The IDs of one call: from the caller, or new ones.
    pub(crate) fn ids(&self) -> CallIds {
        let request_id = self.request_id.unwrap_or_else(Uuid::new_v4);
        // Derived from the request ID and a fast random number: a second call to the system's generator would
        // cost as much as the rest of this function.
        let another = || Builder::from_random_bytes((request_id.as_u128() ^ fastrand::u128(..)).to_ne_bytes());
        CallIds { request_id, correlation_id: self.correlation_id.unwrap_or_else(|| another().into_uuid()) }
    }

    /// Puts the locale and the further headers, if they are set, instead of the client's.
    pub(crate) fn write_headers(&self, headers: &mut HeaderMap) -> Result<(), Error> {
        let of_context = |why| Error::config(format!("{why} (in the request context)"));
        headers.extend(further_headers(&self.headers).map_err(of_context)?);
        if let Some(locale) = &self.locale {
            let value = filled_header_value("the locale of the request context", locale);
            headers.insert(X_LOCALE, value.map_err(Error::config)?);
        }
        Ok(())
    }
}

impl fmt::Debug for RequestContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the headers: there may be secrets in them.
        f.debug_struct("RequestContext")
            .field("request_id", &self.request_id)
            .field("correlation_id", &self.correlation_id)
            .field("locale", &self.locale)
            .field("call_timeout", &self.call_timeout)
            .finish_non_exhaustive()
    }
}
