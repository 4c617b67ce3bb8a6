//! The headers that make a call traceable: their names, the ids sent, and a caller's own choice of
//! them. Names and meaning are those of Microsoft's "Partner Center REST headers".

use std::time::Duration;

use http::header::{self, HeaderName};
use http::{HeaderMap, HeaderValue};
use uuid::Uuid;

use crate::error::Error;

pub(crate) const MS_REQUEST_ID: HeaderName = HeaderName::from_static("ms-requestid");
pub(crate) const MS_CORRELATION_ID: HeaderName = HeaderName::from_static("ms-correlationid");
pub(crate) const MS_CV: HeaderName = HeaderName::from_static("ms-cv");
pub(crate) const MS_SERVER_ID: HeaderName = HeaderName::from_static("ms-serverid");
pub(crate) const X_LOCALE: HeaderName = HeaderName::from_static("x-locale");
pub(crate) const MS_APPLICATION: HeaderName = HeaderName::from_static("ms-partnercenter-application");

/// Headers that are the client's or the connection's own.
#[rustfmt::skip]
pub(crate) static RESERVED: [HeaderName; 17] = [
    header::AUTHORIZATION, header::ACCEPT, header::ACCEPT_ENCODING, header::HOST, header::USER_AGENT, header::CONNECTION,
    header::CONTENT_LENGTH, header::EXPECT, header::PROXY_AUTHORIZATION, header::TE, header::TRAILER,
    header::TRANSFER_ENCODING, header::UPGRADE, MS_REQUEST_ID, MS_CORRELATION_ID, X_LOCALE, MS_APPLICATION,
];

/// The caller's own ids, locale and time for the calls of a handle; what is not set is the client's.
///
/// Give it to [`PartnerCenter::with`](crate::PartnerCenter::with), as one does in Microsoft's SDK.
///
/// ```
/// use partner_center_devices::RequestContext;
/// use uuid::Uuid;
///
/// # fn main() -> Result<(), partner_center_devices::Error> {
/// let context = RequestContext::new().correlation_id(Uuid::new_v4()).locale("de-DE")?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestContext {
    request_id: Option<Uuid>,
    correlation_id: Option<Uuid>,
    locale: Option<HeaderValue>,
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

    /// Asks for texts in this language, in place of the client's locale.
    ///
    /// # Errors
    ///
    /// [`Config`](crate::ErrorKind::Config) if the text is empty, or no HTTP header may carry it.
    pub fn locale(mut self, locale: impl AsRef<str>) -> Result<Self, Error> {
        self.locale = Some(filled_header_value("the locale", locale.as_ref())?);
        Ok(self)
    }

    /// How long each call of the handle may take with all its attempts and waits, in place of the
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

    /// Puts the locale, if one is set, in place of the client's.
    pub(crate) fn write_locale(&self, headers: &mut HeaderMap) {
        if let Some(locale) = &self.locale {
            headers.insert(X_LOCALE, locale.clone());
        }
    }
}

/// The ids that one call sends with all its attempts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CallIds {
    pub(crate) request_id: Uuid,
    pub(crate) correlation_id: Uuid,
}

impl CallIds {
    pub(crate) fn write(&self, headers: &mut HeaderMap) {
        for (name, id) in [(MS_REQUEST_ID, self.request_id), (MS_CORRELATION_ID, self.correlation_id)] {
            // Hexadecimal digits and hyphens are always a header value.
            if let Ok(value) = HeaderValue::from_str(id.hyphenated().encode_lower(&mut Uuid::encode_buffer())) {
                headers.insert(name, value);
            }
        }
    }
}

/// A header value from a caller's text, or the error that says which text it was.
pub(crate) fn header_value(what: &str, text: &str) -> Result<HeaderValue, Error> {
    // Bytes beyond ASCII pass HTTP's grammar, but no two receivers agree on what they mean.
    let value = HeaderValue::from_str(text).ok().filter(|value| value.to_str().is_ok());
    value.ok_or_else(|| Error::config(format!("{what} has characters that no HTTP header may carry")))
}

/// The same for a header that says nothing when it is empty.
pub(crate) fn filled_header_value(what: &str, text: &str) -> Result<HeaderValue, Error> {
    if text.trim().is_empty() { Err(Error::config(format!("{what} is empty"))) } else { header_value(what, text) }
}

/// More than any service takes; and far beyond, `HeaderMap` panics.
const MOST_HEADERS: usize = 100;

/// Adds a header, if there is room.
pub(crate) fn append(headers: &mut HeaderMap, name: HeaderName, value: HeaderValue) -> Result<(), Error> {
    if headers.len() == MOST_HEADERS {
        return Err(Error::config(format!("there are too many headers: {MOST_HEADERS} at most can be added")));
    }
    headers.append(name, value);
    Ok(())
}

/// A header of an answer, if it is text; beyond ASCII, too, as some put it into a `Location`.
pub(crate) fn header_text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    str::from_utf8(headers.get(name)?.as_bytes()).ok()
}
