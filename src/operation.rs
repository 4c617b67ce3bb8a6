//! The operations of the specification, as the generated client prepares them: it writes method, path, query
//! and body, and then hands over the request instead of sending it. Sending, repeating and reading belong to the
//! send loop, because the generated code loses parts of what came back.

use std::cell::RefCell;
use std::future::{self, Future};
use std::ops::RangeInclusive;
use std::rc::Rc;

use futures_util::FutureExt;
use http::header::ACCEPT;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use reqwest::Request;
use serde::de::value::UnitDeserializer;
use serde::de::{self, DeserializeOwned};
use url::Url;

use crate::client::Shared;
use crate::error::Error;
use crate::fault::Fault;
use crate::generated::{self, OPERATIONS};
use crate::lenient::{self, Read, ReadError};
use crate::received::is_object;
use crate::runtime::{ClientHooks, OperationInfo, ResponseValue};

/// What the specification says of an operation. `build.rs` writes them.
pub(crate) struct Documented {
    pub(crate) id: &'static str,
    pub(crate) url_template: &'static str,
    pub(crate) success: Statuses,
}

/// The statuses of a success.
type Statuses = &'static [RangeInclusive<u16>];

/// What is called, and how its response is read.
pub(crate) struct Operation<T> {
    pub(crate) name: &'static str,
    /// None for what a link points to.
    pub(crate) url_template: Option<&'static str>,
    success: Statuses,
    pub(crate) read: fn(&[u8]) -> Read<T>,
}

impl<T: DeserializeOwned> Operation<T> {
    /// The operation of the specification with this ID.
    pub(crate) fn documented(id: &'static str) -> Result<Self, Error> {
        let documented = OPERATIONS.iter().find(|documented| documented.id == id);
        let documented = documented.ok_or_else(|| Error::config(format!("there is no operation {id}")))?;
        let Documented { id, url_template, success } = *documented;
        Ok(Self { url_template: Some(url_template), success, ..Self::of_schema(id) })
    }

    /// An operation with a body of the specification and the status 200.
    pub(crate) fn of_schema(name: &'static str) -> Self {
        // Without a value there is nothing to read: the type of a 202 or 204 without a body.
        let read = if size_of::<T>() == 0 { read_nothing } else { lenient::from_slice };
        Self { name, url_template: None, success: &[200..=200], read }
    }

    /// Follows a link, with a type that the caller defined and that may accept any value: reads objects only.
    pub(crate) fn follow() -> Self {
        let read = |body: &[u8]| match is_object(body) {
            true => lenient::from_slice_unless(body, |members| Fault::read_success(body, members).is_some()),
            false => Err(ReadError::new("expected an object")),
        };
        Self { read, ..Self::of_schema("follow") }
    }
}

impl<T> Operation<T> {
    /// Any other status is refused, a 204 without a body too.
    pub(crate) fn has_success(&self, status: StatusCode) -> bool {
        self.success.iter().any(|statuses| statuses.contains(&status.as_u16()))
    }
}

fn read_nothing<T: DeserializeOwned>(body: &[u8]) -> Read<T> {
    let nothing = T::deserialize(UnitDeserializer::<de::value::Error>::new());
    nothing.map(|nothing| (nothing, Vec::new())).or_else(|_| lenient::from_slice(body))
}

/// Takes the request from the generated client, at the place where it would be sent.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outbox(Rc<RefCell<Option<Request>>>);

impl ClientHooks<Outbox> for generated::Client {
    fn exec(&self, request: Request, _: &OperationInfo) -> impl Future<Output = reqwest::Result<reqwest::Response>> {
        *self.inner.0.borrow_mut() = Some(request);
        future::pending()
    }
}

/// The request of an operation, as the generated client prepares it.
pub(crate) fn prepare<T, Fut>(shared: &Shared, run: impl FnOnce(generated::Client) -> Fut) -> Result<Request, Error>
where
    Fut: Future<Output = Result<ResponseValue<T>, generated::Error>>,
{
    let outbox = Outbox::default();
    let base_url = shared.base_url.as_str().trim_end_matches('/');
    let client = generated::Client::new_with_client(base_url, shared.http.clone(), outbox.clone());
    // Runs until `exec` above has the request. Nothing before that waits, so one poll is enough.
    let outcome = run(client).now_or_never();
    let not_built = || {
        let error = Error::config("the request to the service cannot be built");
        match outcome {
            Some(Err(generated::Error::CommunicationError(why))) => error.caused_by(why.without_url()),
            _ => error,
        }
    };
    outbox.0.take().ok_or_else(not_built)
}

/// The request of a resource that is none of the specification's.
pub(crate) fn get_resource(url: Url, headers: HeaderMap) -> Request {
    let mut request = Request::new(Method::GET, url);
    *request.headers_mut() = headers;
    request.headers_mut().insert(ACCEPT, HeaderValue::from_static("application/json"));
    request
}
