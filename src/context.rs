//! What a caller sets for single calls: IDs, locale, time.

use std::time::Duration;

use http::HeaderMap;
use uuid::Uuid;

use crate::error::Error;
use crate::headers::{CallIds, X_LOCALE, filled_header_value};

/// The caller's own ids, locale and time for the calls of a handle; what is not set is the client's.
///
/// Give it to [`PartnerCenter::with`](crate::PartnerCenter::with), as one does in Microsoft's SDK.
///
/// ```
/// use partner_center_devices::RequestContext;
/// use uuid::Uuid;
///
/// let context = RequestContext::new().correlation_id(Uuid::new_v4()).locale("de-DE");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestContext {
    request_id: Option<Uuid>,
    correlation_id: Option<Uuid>,
    locale: Option<String>,
    call_timeout: Option<Duration>,
}

impl RequestContext {
    /// A context that sets nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sends this `MS-RequestId` with every call of the handle.
    ///
    /// The documents want a new one for each call; without this, each call has a fresh one, which
    /// stays the same over its attempts. Set it to repeat a call under the id it had. A wait for an
    /// upload makes many calls, so each of them has a fresh one in any case.
    #[must_use]
    pub fn request_id(mut self, id: Uuid) -> Self {
        self.request_id = Some(id);
        self
    }

    /// Sends this `MS-CorrelationId` with every call of the handle, to find them together in logs.
    ///
    /// Without this, each call has a fresh one.
    #[must_use]
    pub fn correlation_id(mut self, id: Uuid) -> Self {
        self.correlation_id = Some(id);
        self
    }

    /// Asks for texts in this language instead of the client's locale. If no HTTP header can carry it,
    /// each call fails with a [`Config`](crate::ErrorKind::Config) error, before anything is sent.
    #[must_use]
    pub fn locale(mut self, locale: impl Into<String>) -> Self {
        self.locale = Some(locale.into());
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
        Self {
            request_id: self.request_id.or(other.request_id),
            correlation_id: self.correlation_id.or(other.correlation_id),
            locale: self.locale.or_else(|| other.locale.clone()),
            call_timeout: self.call_timeout.or(other.call_timeout),
        }
    }

    pub(crate) fn call_timeout_or(&self, of_client: Duration) -> Duration {
        self.call_timeout.unwrap_or(of_client)
    }

    /// The same for many calls that belong together: with one correlation id, the caller's or a fresh
    /// one, and with a request id for each.
    pub(crate) fn correlated(&self) -> Self {
        Self { request_id: None, correlation_id: Some(self.ids().correlation_id), ..self.clone() }
    }

    /// The ids of one call: the caller's, or fresh ones.
    pub(crate) fn ids(&self) -> CallIds {
        CallIds {
            request_id: self.request_id.unwrap_or_else(Uuid::new_v4),
            correlation_id: self.correlation_id.unwrap_or_else(Uuid::new_v4),
        }
    }

    /// Puts the locale, if one is set, instead of the client's.
    pub(crate) fn write_locale(&self, headers: &mut HeaderMap) -> Result<(), Error> {
        if let Some(locale) = &self.locale {
            let value = filled_header_value("the locale of the request context", locale);
            headers.insert(X_LOCALE, value.map_err(Error::config)?);
        }
        Ok(())
    }
}
