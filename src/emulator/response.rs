//! Responses that a test scripts, byte for byte, and how they are sent.

use std::fmt::Display;
use std::io::{self, Write};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use http::{HeaderMap, StatusCode};
use hyper::body::{Body, Frame, SizeHint};
use serde_json::Value;
use uuid::Uuid;

use crate::headers::{MS_CORRELATION_ID, MS_CV, MS_REQUEST_ID, MS_SERVER_ID};

/// A response of your own, for [`Emulator::respond_next`](super::Emulator::respond_next) and
/// [`Emulator::add_response`](super::Emulator::add_response): status, headers and the bytes of the body,
/// and how they are sent.
///
/// ```
/// use std::time::Duration;
///
/// use http::StatusCode;
/// use partner_center_devices::emulator::ScriptedResponse;
///
/// // A page of a gateway, after two seconds.
/// let late = ScriptedResponse::new(StatusCode::BAD_GATEWAY)
///     .header("Content-Type", "text/html")
///     .body("<h1>Bad Gateway</h1>")
///     .delay(Duration::from_secs(2));
/// // A body that breaks off.
/// let broken = ScriptedResponse::new(StatusCode::OK).body(r#"{"status":"finished"}"#).break_off_after(9);
/// ```
#[derive(Clone, Debug)]
pub struct ScriptedResponse {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
    pub(super) delay: Duration,
    break_off_after: Option<usize>,
    pub(super) times: usize,
}

impl ScriptedResponse {
    /// A response with this status, without headers and body. Only `Date` and `Content-Length` are added.
    pub fn new(status: StatusCode) -> Self {
        Self {
            status,
            headers: HeaderMap::new(),
            body: Bytes::new(),
            delay: Duration::ZERO,
            break_off_after: None,
            times: 1,
        }
    }

    /// A response with this JSON, as the service sends it: with its content type, and with its IDs,
    /// correlation vector and server in the headers.
    pub fn json(status: StatusCode, body: &Value) -> Self {
        let mut response = Self::plain_json(status, body);
        response.headers.insert(MS_CV, HeaderValue::from_static("YrLe3w6BbUSMt1fi.0"));
        response.headers.insert(MS_SERVER_ID, HeaderValue::from_static("030020344"));
        // Its own IDs, as in the documents: not those of the request.
        response
            .header(MS_REQUEST_ID, &Uuid::new_v4().to_string())
            .header(MS_CORRELATION_ID, &Uuid::new_v4().to_string())
    }

    pub(super) fn plain_json(status: StatusCode, body: &Value) -> Self {
        let mut response = Self::new(status).body(body.to_string());
        response.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
        response
    }

    pub(super) fn retry_after(mut self, seconds: Option<u64>) -> Self {
        if let Some(seconds) = seconds {
            self.headers.insert(RETRY_AFTER, seconds.into());
        }
        self
    }

    /// Adds a header; one that is there with the same name stays.
    ///
    /// # Panics
    ///
    /// If HTTP cannot carry this name or this value.
    #[must_use]
    #[track_caller]
    pub fn header<N>(mut self, name: N, value: &str) -> Self
    where
        N: TryInto<HeaderName, Error: Display>,
    {
        let name = name.try_into().unwrap_or_else(|error| panic!("a header with this name cannot be sent: {error}"));
        let value =
            HeaderValue::from_str(value).unwrap_or_else(|error| panic!("{name} cannot have this value: {error}"));
        self.headers.append(name, value);
        self
    }

    /// The body, byte for byte. No content type comes with it.
    #[must_use]
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// Waits so long before anything is sent.
    #[must_use]
    pub fn delay(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// Closes the connection after so many bytes of the body, although its length promises more.
    #[must_use]
    pub fn break_off_after(mut self, bytes: usize) -> Self {
        self.break_off_after = Some(bytes);
        self
    }

    /// Compresses the body that has been given so far, and says so in `Content-Encoding`.
    #[must_use]
    pub fn gzip(mut self) -> Self {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        // Writing to memory does not fail.
        if encoder.write_all(&self.body).is_ok()
            && let Ok(compressed) = encoder.finish()
        {
            self.body = compressed.into();
            self.headers.append(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        self
    }

    /// How many requests in a row get it, where it is queued: one unless set.
    #[must_use]
    pub fn times(mut self, times: usize) -> Self {
        self.times = times;
        self
    }

    pub(super) fn send(self) -> http::Response<Sent> {
        let Self { status, mut headers, mut body, break_off_after, .. } = self;
        if let Some(bytes) = break_off_after {
            headers.entry(CONTENT_LENGTH).or_insert(body.len().into());
            body.truncate(bytes);
        }
        let end = if break_off_after.is_some() { End::BreakOff { is_sent: false } } else { End::Complete };
        let mut response = http::Response::new(Sent { body, end });
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        response
    }
}

/// A body on its way.
pub(super) struct Sent {
    body: Bytes,
    end: End,
}

enum End {
    Complete,
    BreakOff { is_sent: bool },
}

impl Body for Sent {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if !self.body.is_empty() {
            return Poll::Ready(Some(Ok(Frame::data(std::mem::take(&mut self.body)))));
        }
        match &mut self.end {
            End::Complete => Poll::Ready(None),
            // Not at once, or hyper would drop what it has not sent yet.
            End::BreakOff { is_sent: is_sent @ false } => {
                *is_sent = true;
                context.waker().wake_by_ref();
                Poll::Pending
            }
            End::BreakOff { is_sent: true } => Poll::Ready(Some(Err(io::Error::other("the script breaks off here")))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_empty() && matches!(self.end, End::Complete)
    }

    fn size_hint(&self) -> SizeHint {
        match self.end {
            End::Complete => SizeHint::with_exact(self.body.len().try_into().unwrap_or(u64::MAX)),
            End::BreakOff { .. } => SizeHint::default(),
        }
    }
}
