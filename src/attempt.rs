//! One attempt on the wire: the hooks of the generated client, which inject the headers and read
//! the body. They stay dumb; what a response means is decided in the send loop.

use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::header::ACCEPT;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use serde::de::DeserializeOwned;
use tracing::{Instrument, Span};
use url::Url;

use crate::fault::Fault;
use crate::generated;
use crate::lenient::{self, Read, ReadError};
use crate::received::{Received, is_object, read};
use crate::runtime::{ClientHooks, Error, OperationInfo, ResponseValue};
use crate::trace;

/// The state that the generated client carries for its hooks.
#[derive(Clone, Debug)]
pub(crate) struct Attempt {
    /// From 1.
    pub(crate) number: u32,
    pub(crate) url_template: Option<&'static str>,
    pub(crate) timeout: Duration,
    pub(crate) body_limit: usize,
    pub(crate) exchange: Arc<Mutex<Exchange>>,
}

/// What is to go out, and then what went out and what came back, for the send loop.
#[derive(Debug)]
pub(crate) struct Exchange {
    /// Those of the call, until the request has them.
    headers: HeaderMap,
    pub(crate) span: Span,
    pub(crate) method: Method,
    /// Without query.
    pub(crate) url: Option<Url>,
    pub(crate) received: Option<Received>,
}

impl Exchange {
    pub(crate) fn of(headers: HeaderMap) -> Self {
        Self { headers, span: Span::none(), method: Method::default(), url: None, received: None }
    }
}

impl Attempt {
    /// What was sent and what came back, even if it broke off.
    pub(crate) fn take_exchange(&self) -> Exchange {
        mem::replace(&mut *self.lock(), Exchange::of(HeaderMap::new()))
    }

    fn lock(&self) -> MutexGuard<'_, Exchange> {
        self.exchange.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes the headers of the call over whatever the generated client or the HTTP client set.
    pub(crate) fn prepare(&self, request: &mut reqwest::Request) {
        request.headers_mut().extend(mem::take(&mut self.lock().headers));
        *request.timeout_mut() = Some(self.timeout);
    }

    /// Sends the request and reads the response whole, within the bound.
    pub(crate) fn exchange(
        &self,
        client: &reqwest::Client,
        request: reqwest::Request,
    ) -> impl Future<Output = reqwest::Result<reqwest::Response>> {
        let span = trace::request(&request, self.url_template, self.number);
        let mut url = request.url().clone();
        url.set_query(None);
        {
            let mut exchange = self.lock();
            (exchange.span, exchange.method, exchange.url) = (span.clone(), request.method().clone(), Some(url));
        }
        // Here and not in the future, which would keep room for the request to its end.
        let response = span.in_scope(|| client.execute(request));
        let exchange = async move {
            let mut response = response.await?;
            let (received, end) = read(&mut response, self.body_limit).await;
            self.lock().received = Some(received);
            // The generated client looks at the status only.
            end.map(|()| response)
        };
        exchange.instrument(span)
    }
}

/// Reads a type that the caller defined, which may accept any value.
fn read_object<T: DeserializeOwned>(body: &[u8]) -> Read<T> {
    match is_object(body) {
        true => lenient::from_slice_unless(body, |members| Fault::read_success(body, members).is_some()),
        false => Err(ReadError::new("expected an object")),
    }
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

    fn exec(
        &self,
        request: reqwest::Request,
        _: &OperationInfo,
    ) -> impl Future<Output = reqwest::Result<reqwest::Response>> {
        self.inner.exchange(&self.client, request)
    }
}
