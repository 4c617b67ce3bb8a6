//! What came back: status, headers and body, whatever they mean. Responses and errors are made of it.

use std::borrow::Cow;
use std::fmt;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderValue, StatusCode};

use crate::headers::{MS_CORRELATION_ID, MS_CV, MS_REQUEST_ID, MS_SERVER_ID, header_text};
use crate::redact::Secrets;
use crate::retry_after;

/// What came back.
#[derive(Clone)]
pub(crate) struct Received {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    /// Without byte-order mark; as far as it came and is of use.
    pub(crate) body: Bytes,
}

impl Received {
    /// Whether the connection's end is not the only sign that the body is whole.
    pub(crate) fn has_length(&self) -> bool {
        [CONTENT_LENGTH, TRANSFER_ENCODING].iter().any(|name| self.headers.contains_key(name))
    }

    pub(crate) fn service_request_id(&self) -> Option<&str> {
        header_text(&self.headers, &MS_REQUEST_ID)
    }

    pub(crate) fn service_correlation_id(&self) -> Option<&str> {
        header_text(&self.headers, &MS_CORRELATION_ID)
    }

    pub(crate) fn ms_cv(&self) -> Option<&str> {
        header_text(&self.headers, &MS_CV)
    }

    pub(crate) fn server_id(&self) -> Option<&str> {
        header_text(&self.headers, &MS_SERVER_ID)
    }

    /// How long the sender asks to wait before the next request: in the headers, or in the words of an
    /// error if they do not say it.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        let in_headers = retry_after::in_headers(&self.headers, SystemTime::now());
        let in_words = || retry_after::in_words(&self.body).filter(|_| !self.status.is_success());
        in_headers.filter(|wait| !wait.is_zero()).or_else(in_words).or(in_headers)
    }

    /// Hides echoes of the secrets in body and headers.
    pub(crate) fn redact(&mut self, secrets: &Secrets<'_>) {
        if let Cow::Owned(body) = secrets.hide(&self.body) {
            self.body = body.into();
        }
        for value in self.headers.values_mut() {
            if let Cow::Owned(bytes) = secrets.hide(value.as_bytes()) {
                *value = HeaderValue::try_from(bytes).unwrap_or(HeaderValue::from_static("***"));
            }
        }
    }

    /// The same for a success, where a secret is looked for as it is.
    pub(crate) fn redact_success(&mut self, secrets: &Secrets<'_>) {
        let mut headers = self.headers.values().map(HeaderValue::as_bytes);
        if secrets.are_in(&self.body) || headers.any(|value| secrets.are_in(value)) {
            self.redact(secrets);
        }
    }
}

/// A response that is there already.
impl<B: Into<Bytes>> From<http::Response<B>> for Received {
    fn from(response: http::Response<B>) -> Self {
        let (head, body) = response.into_parts();
        let body = body.into();
        let body = body.slice_ref(without_mark(&body));
        Self { status: head.status, headers: head.headers, body }
    }
}

impl fmt::Debug for Received {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Received")
            .field("status", &self.status)
            .field("headers", &self.headers)
            .field("body", &format_args!("{} bytes", self.body.len()))
            .finish()
    }
}

/// A body without its byte-order mark.
pub(crate) fn without_mark(body: &[u8]) -> &[u8] {
    body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body)
}

pub(crate) fn is_object(body: &[u8]) -> bool {
    body.trim_ascii_start().starts_with(b"{")
}
