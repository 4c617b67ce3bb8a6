//! One attempt on the wire: the hooks of the generated client, which inject the headers and read
//! the body. They stay dumb; what an answer means is decided in the send loop.

use std::borrow::Cow;
use std::fmt;
use std::mem;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use serde::de::DeserializeOwned;
use url::Url;

use crate::credential::AccessToken;
use crate::foreign::redacted;
use crate::generated;
use crate::lenient::{self, ReadError, UnreadableMember};

// What the generated client takes from progenitor's runtime; `ResponseValue` is ours.
pub(crate) use progenitor_client::{ClientHooks, ClientInfo, Error, OperationInfo, RequestBuilderExt, encode_path};

/// How to read the body of a success. The generated client knows this only; the body itself is read
/// where the rest of the response is.
pub(crate) struct ResponseValue<T> {
    pub(crate) read: fn(&[u8]) -> Result<(T, Vec<UnreadableMember>), ReadError>,
}

impl<T: DeserializeOwned> ResponseValue<T> {
    pub(crate) async fn from_response<E>(_: reqwest::Response) -> Result<Self, Error<E>> {
        Ok(Self { read: lenient::from_slice })
    }
}

/// A body that is not JSON.
#[allow(dead_code)]
pub(crate) struct ByteStream(pub(crate) Vec<u8>);

// For successes without a body, or with another one than JSON: none of the operations has one yet.
#[allow(dead_code)]
impl ResponseValue<()> {
    pub(crate) fn empty(_: reqwest::Response) -> Self {
        Self { read: |_| Ok(((), Vec::new())) }
    }
}

#[allow(dead_code)]
impl ResponseValue<ByteStream> {
    pub(crate) fn stream(_: reqwest::Response) -> Self {
        Self { read: |body| Ok((ByteStream(body.to_vec()), Vec::new())) }
    }
}

/// What came back. The errors of the generated client lose parts of it, so it is kept beside them.
#[derive(Clone)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    /// Without byte-order mark; as far as it came.
    pub(crate) body: Bytes,
    /// The body was larger than the bound, or had too many objects: it is not kept.
    pub(crate) over_bounds: bool,
}

impl Answer {
    /// Whether the connection's end is not the only sign that the body is whole.
    pub(crate) fn has_length(&self) -> bool {
        [CONTENT_LENGTH, TRANSFER_ENCODING].iter().any(|name| self.headers.contains_key(name))
    }

    pub(crate) fn redact(&mut self, secrets: &[&str]) {
        if let Cow::Owned(body) = redacted(&self.body, secrets) {
            self.body = body.into();
        }
        for value in self.headers.values_mut() {
            if let Cow::Owned(bytes) = redacted(value.as_bytes(), secrets) {
                *value = HeaderValue::try_from(bytes).unwrap_or(HeaderValue::from_static("***"));
            }
        }
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer")
            .field("status", &self.status)
            .field("headers", &self.headers)
            .field("body", &format_args!("{} bytes", self.body.len()))
            .finish_non_exhaustive()
    }
}

/// The state that the generated client carries for its hooks.
#[derive(Clone, Debug)]
pub(crate) struct Attempt {
    pub(crate) span: tracing::Span,
    pub(crate) operation: &'static str,
    pub(crate) headers: HeaderMap,
    /// Those of this call so far, which no answer may bring to light.
    pub(crate) tokens: Vec<AccessToken>,
    pub(crate) timeout: Duration,
    pub(crate) body_limit: usize,
    pub(crate) exchange: Arc<Mutex<Exchange>>,
}

/// What went out and what came back, for the send loop.
#[derive(Debug, Default)]
pub(crate) struct Exchange {
    pub(crate) method: Method,
    pub(crate) answer: Option<Answer>,
}

impl Attempt {
    /// What was sent and what came back, even if it broke off.
    pub(crate) fn take_exchange(&self) -> Exchange {
        mem::take(&mut *self.exchange.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Writes the headers of the call over whatever the generated client or the HTTP client set.
    pub(crate) fn prepare(&self, request: &mut reqwest::Request) {
        request.headers_mut().extend(self.headers.clone());
        *request.timeout_mut() = Some(self.timeout);
        self.span.record("url.full", request.url().as_str());
        self.span.record("http.request.method", request.method().as_str());
        let name = format_args!("{} {}", request.method(), self.operation);
        self.span.record("otel.name", tracing::field::display(name));
        self.exchange.lock().unwrap_or_else(PoisonError::into_inner).method = request.method().clone();
    }

    /// Sends the request and reads the answer whole, within the bound.
    pub(crate) async fn exchange(
        &self,
        client: &reqwest::Client,
        request: reqwest::Request,
    ) -> reqwest::Result<reqwest::Response> {
        let (mut answer, end) = read(client.execute(request).await?, self.body_limit).await;
        answer.redact(&self.tokens.iter().map(AccessToken::expose).collect::<Vec<_>>());
        let status = answer.status;
        self.exchange.lock().unwrap_or_else(PoisonError::into_inner).answer = Some(answer);
        end?;

        // The generated client looks at the status only.
        let mut head = http::Response::new(Bytes::new());
        *head.status_mut() = status;
        Ok(head.into())
    }
}

pub(crate) const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// How many objects an answer may have whatever the bound is.
const MOST_OBJECTS_OF_ANY: usize = 10_000;

/// Reads an answer whole, within the bound; as far as it came, if it breaks off.
pub(crate) async fn read(mut response: reqwest::Response, limit: usize) -> (Answer, reqwest::Result<()>) {
    let mut body = Vec::new();
    let mut over_bounds = response.content_length().is_some_and(|length| length > limit as u64);
    let mut end = Ok(());
    while !over_bounds {
        match response.chunk().await {
            Ok(Some(chunk)) if body.len() + chunk.len() > limit => over_bounds = true,
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) => break,
            Err(error) => {
                end = Err(error);
                break;
            }
        }
    }
    // Three bytes of it can become half a kilobyte of memory. Braces within texts count, too.
    over_bounds |= body.iter().filter(|byte| **byte == b'{').count() > MOST_OBJECTS_OF_ANY + limit / 64;
    let body = if over_bounds { Bytes::new() } else { Bytes::from(body) };
    let body = body.strip_prefix(BYTE_ORDER_MARK).map_or(body.clone(), |text| body.slice_ref(text));
    (Answer { status: response.status(), headers: response.headers().clone(), body, over_bounds }, end)
}

/// Reads a type of the caller's, which could be one that takes anything.
fn read_object<T: DeserializeOwned>(body: &[u8]) -> Result<(T, Vec<UnreadableMember>), ReadError> {
    match is_object(body) {
        true => lenient::from_slice(body),
        false => Err(ReadError::new("expected an object")),
    }
}

pub(crate) fn is_object(body: &[u8]) -> bool {
    body.trim_ascii_start().starts_with(b"{")
}

impl generated::Client {
    /// Gets a resource that is none of the specification's, the way that its operations go.
    pub(crate) async fn get_resource<T: DeserializeOwned>(
        &self,
        url: Url,
        headers: HeaderMap,
    ) -> Result<generated::ResponseValue<T>, generated::Error> {
        let mut request = reqwest::Request::new(Method::GET, url);
        *request.headers_mut() = headers;
        request.headers_mut().insert(ACCEPT, HeaderValue::from_static("application/json"));
        self.inner.prepare(&mut request);
        let response = self.inner.exchange(&self.client, request).await?;
        match response.status() {
            StatusCode::OK => Ok(ResponseValue { read: read_object }),
            _ => Err(Error::UnexpectedResponse(response)),
        }
    }
}

impl ClientHooks<Attempt> for generated::Client {
    async fn pre<E>(&self, request: &mut reqwest::Request, _: &OperationInfo) -> Result<(), Error<E>> {
        // The generator adds the document's version as a header that no document knows.
        request.headers_mut().remove("api-version");
        self.inner.prepare(request);
        Ok(())
    }

    async fn exec(&self, request: reqwest::Request, _: &OperationInfo) -> reqwest::Result<reqwest::Response> {
        self.inner.exchange(&self.client, request).await
    }
}
