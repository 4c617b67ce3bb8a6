//! What came back: status, headers and body, whatever they mean. Responses and errors are made of it.

use std::borrow::Cow;
use std::fmt;
use std::mem;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderValue, StatusCode};

use crate::content_coding::{Coding, Decoder};
use crate::headers::{MS_CORRELATION_ID, MS_CV, MS_REQUEST_ID, MS_SERVER_ID, header_text};
use crate::redact::Secrets;
use crate::retry_after;

/// What came back. The errors of the generated client lose parts of it, so it is kept beside them.
#[derive(Clone)]
pub(crate) struct Received {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    /// Without byte-order mark; as far as it came.
    pub(crate) body: Bytes,
    /// The body was larger than the bound, or had too many objects: it is not kept.
    pub(crate) over_bounds: bool,
    /// Why the body could not be decompressed.
    pub(crate) undecoded: Option<String>,
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

impl fmt::Debug for Received {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Received")
            .field("status", &self.status)
            .field("headers", &self.headers)
            .field("body", &format_args!("{} bytes", self.body.len()))
            .finish_non_exhaustive()
    }
}

pub(crate) const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// How many objects a response may have whatever the bound is.
const MOST_OBJECTS_OF_ANY: usize = 10_000;

/// Takes a response in whole, within the bound, and undoes its coding; as far as it came, if it breaks off.
/// What is left of the response is its status.
pub(crate) async fn read(response: &mut reqwest::Response, limit: usize) -> (Received, reqwest::Result<()>) {
    let (status, headers) = (response.status(), mem::take(response.headers_mut()));
    let mut received = Received { status, headers, body: Bytes::new(), over_bounds: false, undecoded: None };
    let coding = match Coding::of(&received.headers) {
        Ok(coding) => coding,
        Err(why) => {
            received.undecoded = Some(why);
            return (received, Ok(()));
        }
    };
    let length = response.content_length().and_then(|length| usize::try_from(length).ok());
    received.over_bounds = length.is_some_and(|length| length > limit);
    if received.over_bounds {
        return (received, Ok(()));
    }
    let mut decoder = Decoder::new(coding, length.unwrap_or_default(), limit);
    // A body without coding that came in one piece: kept as it is.
    let mut whole = Bytes::new();
    let mut end = Ok(());
    let mut written = Ok(());
    while written.is_ok() {
        match response.chunk().await {
            Ok(Some(chunk)) if coding == Coding::Identity && length == Some(chunk.len()) => whole = chunk,
            Ok(Some(chunk)) => (decoder, written) = decoder.write(&chunk),
            Ok(None) => break,
            Err(error) => {
                end = Err(error);
                break;
            }
        }
    }
    let (body, finished) = decoder.finish();
    let bytes = if whole.is_empty() { body.bytes.into() } else { whole };
    // Three bytes of it can become half a kilobyte of memory. Braces within texts count, too.
    let objects = memchr::memchr_iter(b'{', &bytes).count();
    received.over_bounds = body.is_over || objects > MOST_OBJECTS_OF_ANY + limit / 64;
    if received.over_bounds {
        return (received, end);
    }
    match written.and(finished) {
        Err(_) if end.is_ok() => received.undecoded = Some(format!("it is not valid {}", coding.name())),
        Ok(()) if end.is_ok() && coding != Coding::Identity => {
            received.headers.remove(CONTENT_ENCODING);
            received.headers.insert(CONTENT_LENGTH, bytes.len().into());
        }
        _ => {}
    }
    received.body = bytes.strip_prefix(BYTE_ORDER_MARK).map_or(bytes.clone(), |text| bytes.slice_ref(text));
    (received, end)
}

pub(crate) fn is_object(body: &[u8]) -> bool {
    body.trim_ascii_start().starts_with(b"{")
}
