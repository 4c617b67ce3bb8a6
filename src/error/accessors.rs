//! What an error knows: of the call, of the response, and what its sender said.

use std::time::Duration;

use http::header::LOCATION;
use http::{HeaderMap, StatusCode};
use serde_json::Value;
use url::Url;
use uuid::Uuid;

use crate::error::{Error, ErrorKind};
use crate::generated::types::BatchUploadDetails;
use crate::headers::header_text;
use crate::response::Response;

impl Error {
    /// Why the call failed, coarsely.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The HTTP status, if the service responded; of a [`Credential`](ErrorKind::Credential) error
    /// that of the sign-in service.
    pub fn status(&self) -> Option<StatusCode> {
        self.0.received.as_ref().map(|received| received.status)
    }

    /// The headers of the response, if the service responded.
    pub fn headers(&self) -> Option<&HeaderMap> {
        self.0.received.as_ref().map(|received| &received.headers)
    }

    /// The body of the response as it came, decompressed and without byte-order mark. Empty if there was
    /// none, if it was beyond [the bound](crate::Builder::max_body_size), or in an unknown coding.
    pub fn body(&self) -> &[u8] {
        self.0.received.as_ref().map_or(&[], |received| &received.body)
    }

    /// The error code of the service, as text: some responses have it as a number. Of a sign-in, the
    /// error of OAuth: `invalid_client`, `invalid_grant`, `interaction_required`.
    ///
    /// The same number can stand under two statuses, so look at [`status`](Self::status) as well.
    pub fn code(&self) -> Option<&str> {
        self.0.fault.code.as_deref()
    }

    /// What the service, or the gateway in front of it, says in words: in its error, in the
    /// `WWW-Authenticate` of a 401 without a body, or in a line of plain text.
    pub fn description(&self) -> Option<&str> {
        self.0.fault.description.as_deref()
    }

    /// The code of the innermost `innererror`: what really happened, where the [code](Self::code) is as
    /// general as `InternalServerError`.
    pub fn inner_code(&self) -> Option<&str> {
        self.0.fault.inner_code.as_deref()
    }

    /// What the innermost `innererror` says in words.
    pub fn inner_description(&self) -> Option<&str> {
        self.0.fault.inner_description.as_deref()
    }

    /// The codes of Microsoft's sign-in service, without `AADSTS`: why a sign-in was refused.
    pub fn error_codes(&self) -> &[u64] {
        &self.0.fault.error_codes
    }

    /// OAuth's `suberror` of a refused sign-in: why its [code](Self::code) is what it is, such as
    /// `bad_token`, `basic_action` or `consent_required`.
    pub fn suberror(&self) -> Option<&str> {
        self.0.fault.suberror.as_deref()
    }

    /// The trace id of a refused sign-in. Support finds it by this and the
    /// [correlation id](Self::service_correlation_id).
    pub fn trace_id(&self) -> Option<&str> {
        self.0.fault.trace_id.as_deref()
    }

    /// Further data about the error, such as the names of properties; documented as a list, seen as an
    /// object too.
    pub fn data(&self) -> Option<&Value> {
        self.0.fault.data.as_ref()
    }

    /// The system that the service names as the source of the error.
    pub fn source_system(&self) -> Option<&str> {
        self.0.fault.source.as_deref()
    }

    /// How long the service asks to wait before the next call: the longest `Retry-After` (a date counts
    /// from the `Date` of the response), `retry-after-ms` or `x-ms-retry-after-ms`; without these, what a
    /// gateway says in words ("Try again in 57 seconds").
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// Where a redirect points to. Redirects are never followed.
    pub fn location(&self) -> Option<&str> {
        header_text(self.headers()?, &LOCATION)
    }

    /// The `MS-RequestId` that was sent.
    pub fn request_id(&self) -> Option<Uuid> {
        self.0.ids.map(|ids| ids.request_id)
    }

    /// The `MS-CorrelationId` that was sent.
    pub fn correlation_id(&self) -> Option<Uuid> {
        self.0.ids.map(|ids| ids.correlation_id)
    }

    /// The `MS-RequestId` that the service responded with.
    pub fn service_request_id(&self) -> Option<&str> {
        self.0.received.as_ref()?.service_request_id()
    }

    /// The `MS-CorrelationId` that the service responded with, or the correlation id of a refused
    /// sign-in.
    pub fn service_correlation_id(&self) -> Option<&str> {
        self.0.fault.correlation_id.as_deref().or_else(|| self.0.received.as_ref()?.service_correlation_id())
    }

    /// The correlation vector (`MS-CV`) of the response.
    pub fn ms_cv(&self) -> Option<&str> {
        self.0.received.as_ref()?.ms_cv()
    }

    /// The server that responded (`MS-ServerId`), as text: it has leading zeros.
    pub fn server_id(&self) -> Option<&str> {
        self.0.received.as_ref()?.server_id()
    }

    /// Where the last request of the call went, without query; none if the call failed before the first.
    pub fn url(&self) -> Option<&Url> {
        self.0.url.as_deref()
    }

    /// The last response that a wait for an upload got before it failed.
    pub fn last_response(&self) -> Option<&Response<BatchUploadDetails>> {
        self.0.last_response.as_ref()
    }

    /// How many requests the call made before it failed; 0 if it failed before the first.
    ///
    /// The ids sent are the same for all of them.
    pub fn attempts(&self) -> u32 {
        self.0.attempts
    }
}
