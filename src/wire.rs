//! One attempt on the wire: the hooks of the generated client, which inject the headers and read
//! the body. They stay dumb; what an answer means is decided in the send loop.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode};
use memchr::memmem;
use progenitor_client::{ClientHooks, OperationInfo};

use crate::credential::AccessToken;
use crate::generated;

/// What came back. The errors of the generated client lose parts of it, so it is kept beside them.
#[derive(Clone)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    /// Without byte-order mark; as far as it came.
    pub(crate) body: Bytes,
    /// The body was larger than the bound and was not read.
    pub(crate) too_large: bool,
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
    headers: HeaderMap,
    token: AccessToken,
    timeout: Duration,
    body_limit: usize,
    answer: Arc<Mutex<Option<Answer>>>,
}

impl Attempt {
    pub(crate) fn new(headers: HeaderMap, token: AccessToken, timeout: Duration, body_limit: usize) -> Self {
        Self { headers, token, timeout, body_limit, answer: Arc::default() }
    }

    /// What came back so far: it is there as soon as the headers are.
    pub(crate) fn take_answer(&self) -> Option<Answer> {
        self.answer.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn keep(&self, answer: &Answer) {
        *self.answer.lock().unwrap_or_else(PoisonError::into_inner) = Some(answer.clone());
    }

    /// Writes the headers of the call over whatever the generated client or the HTTP client set.
    pub(crate) fn prepare(&self, request: &mut reqwest::Request) {
        // The generator adds the document's version as a header that no document knows.
        request.headers_mut().remove("api-version");
        for (name, value) in &self.headers {
            request.headers_mut().insert(name, value.clone());
        }
        *request.timeout_mut() = Some(self.timeout);
        tracing::Span::current().record("url.full", request.url().as_str());
    }

    /// Sends the request and reads the answer whole, within the bound.
    pub(crate) async fn exchange(
        &self,
        client: &reqwest::Client,
        request: reqwest::Request,
    ) -> reqwest::Result<reqwest::Response> {
        let mut response = client.execute(request).await?;
        let mut answer = Answer {
            status: response.status(),
            headers: response.headers().clone(),
            body: Bytes::new(),
            too_large: response.content_length().is_some_and(|length| length > self.body_limit as u64),
        };
        self.hide_token_in_headers(&mut answer.headers);
        self.keep(&answer);

        let mut body = Vec::new();
        let mut end = Ok(());
        while !answer.too_large {
            match response.chunk().await {
                Ok(Some(chunk)) if body.len() + chunk.len() > self.body_limit => answer.too_large = true,
                Ok(Some(chunk)) => body.extend_from_slice(&chunk),
                Ok(None) => break,
                Err(error) => {
                    end = Err(error);
                    break;
                }
            }
        }
        if !answer.too_large {
            self.hide_token(&mut body);
            let body = Bytes::from(body);
            answer.body = body.strip_prefix(b"\xEF\xBB\xBF").map_or(body.clone(), |text| body.slice_ref(text));
        }
        self.keep(&answer);
        end?;

        let mut whole = http::Response::new(answer.body);
        *whole.status_mut() = answer.status;
        *whole.headers_mut() = answer.headers;
        Ok(whole.into())
    }

    /// A server that echoes the request must not bring the token into an error or a log.
    fn hide_token(&self, body: &mut [u8]) {
        // Anything shorter is no real token, and could stand in an answer by chance.
        const SHORTEST: usize = 8;
        let token = self.token.expose().as_bytes();
        if token.len() < SHORTEST {
            return;
        }
        let places: Vec<usize> = memmem::find_iter(body, token).collect();
        for place in places {
            body[place..place + token.len()].fill(b'*');
        }
    }

    fn hide_token_in_headers(&self, headers: &mut HeaderMap) {
        for value in headers.values_mut() {
            let mut bytes = value.as_bytes().to_vec();
            self.hide_token(&mut bytes);
            if bytes != value.as_bytes() {
                *value = HeaderValue::from_bytes(&bytes).unwrap_or(HeaderValue::from_static("*"));
            }
        }
    }
}

impl ClientHooks<Attempt> for generated::Client {
    async fn pre<E>(
        &self,
        request: &mut reqwest::Request,
        _: &OperationInfo,
    ) -> Result<(), progenitor_client::Error<E>> {
        self.inner.prepare(request);
        Ok(())
    }

    async fn exec(&self, request: reqwest::Request, _: &OperationInfo) -> reqwest::Result<reqwest::Response> {
        self.inner.exchange(&self.client, request).await
    }
}
