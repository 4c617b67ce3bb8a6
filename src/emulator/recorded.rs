//! What the stand-in remembers of requests: the latest, and no credential in plain sight.

use std::collections::VecDeque;

use http::header::{HeaderName, HeaderValue};
use http::{HeaderMap, Request};

/// Enough for any test, and little enough for one that runs for days.
const MOST_REQUESTS: usize = 10_000;

/// A request as it arrived. `Debug` shows no credentials, in whichever header they are.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RecordedRequest {
    /// The method, `GET` for both operations.
    pub method: String,
    /// The path with the query, if any.
    pub path: String,
    /// The headers.
    pub headers: HeaderMap,
}

impl RecordedRequest {
    pub(super) fn of<B>(request: &Request<B>) -> Self {
        let mut headers = request.headers().clone();
        for (name, value) in &mut headers {
            if is_credential(name, value) {
                value.set_sensitive(true);
            }
        }
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
        Self { method: request.method().to_string(), path: path.to_owned(), headers }
    }
}

/// By what headers are called that carry credentials, and by what tokens look like.
fn is_credential(name: &HeaderName, value: &HeaderValue) -> bool {
    const PARTS: [&str; 9] =
        ["auth", "cookie", "key", "token", "secret", "password", "credential", "signature", "assertion"];
    if PARTS.iter().any(|part| name.as_str().contains(part)) {
        return true;
    }
    let text = String::from_utf8_lossy(value.as_bytes());
    let starts = |scheme: &str| text.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme));
    // `eyJ` is how the JSON of a JWT begins in Base64.
    starts("bearer ") || starts("basic ") || text.contains("eyJ")
}

#[derive(Default)]
pub(super) struct RecordedRequests(VecDeque<RecordedRequest>);

impl RecordedRequests {
    pub(super) fn push(&mut self, request: RecordedRequest) {
        if self.0.len() == MOST_REQUESTS {
            self.0.pop_front();
        }
        self.0.push_back(request);
    }

    pub(super) fn all(&self) -> Vec<RecordedRequest> {
        self.0.iter().cloned().collect()
    }
}
