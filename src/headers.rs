//! The headers of Partner Center: their names, the IDs that calls send in them, and what a header can
//! carry. Names and meaning are those of Microsoft's "Partner Center REST headers".

use http::header::{self, HeaderName};
use http::{HeaderMap, HeaderValue};
use uuid::Uuid;

use crate::redact::beginning;

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

/// The IDs that one call sends with all its attempts.
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
pub(crate) fn header_value(what: &str, text: &str) -> Result<HeaderValue, String> {
    // Bytes beyond ASCII pass HTTP's grammar, but no two receivers agree on what they mean.
    let value = HeaderValue::from_str(text).ok().filter(|value| value.to_str().is_ok());
    value.ok_or_else(|| format!("{what} has characters that are not allowed in an HTTP header"))
}

/// The same for a header that says nothing when it is empty.
pub(crate) fn filled_header_value(what: &str, text: &str) -> Result<HeaderValue, String> {
    if text.trim().is_empty() { Err(format!("{what} is empty")) } else { header_value(what, text) }
}

/// More than any service takes; and far beyond, `HeaderMap` panics.
const MOST_HEADERS: usize = 100;

/// Adds a header, if there is room.
pub(crate) fn append(headers: &mut HeaderMap, name: HeaderName, value: HeaderValue) -> Result<(), String> {
    if headers.len() == MOST_HEADERS {
        return Err(format!("there are too many headers: {MOST_HEADERS} at most can be added"));
    }
    headers.append(name, value);
    Ok(())
}

/// The further headers that a caller sets, or the error that says which is not fit for HTTP or the client's
/// own.
pub(crate) fn further_headers(pairs: &[(String, String)]) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        // Not all of it: it may be a secret, or have one behind a colon.
        let shown = beginning(name.split([':', ' ']).next().unwrap_or_default());
        let key = HeaderName::try_from(name);
        let key = key.map_err(|_| format!("what begins with {shown:?} is not the name of a header"))?;
        if RESERVED.contains(&key) {
            return Err(format!("the header {key} is written by the client itself"));
        }
        append(&mut headers, key, header_value(&format!("the header {shown}"), value)?)?;
    }
    Ok(headers)
}

/// A header of a response, if it is text; beyond ASCII, too, as some put it into a `Location`.
pub(crate) fn header_text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    str::from_utf8(headers.get(name)?.as_bytes()).ok()
}
