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
    /// The broad category of the error.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The HTTP status, if the service responded; for a [`Credential`](ErrorKind::Credential) error,
    /// that of the sign-in service.
    pub fn status(&self) -> Option<StatusCode> {
        self.0.received.as_ref().map(|received| received.status)
    }

    /// The headers of the response, if the service responded.
    pub fn headers(&self) -> Option<&HeaderMap> {
        self.0.received.as_ref().map(|received| &received.headers)
    }

    /// The body of the response as received, decompressed and without byte-order mark. Empty if there was
    /// no body, if it exceeded [the bound](crate::Builder::max_body_size), or if its coding is unknown.
    pub fn body(&self) -> &[u8] {
        self.0.received.as_ref().map_or(&[], |received| &received.body)
    }

    /// The error code of the service, as text: some responses have it as a number. For a sign-in, the
    /// OAuth error: `invalid_client`, `invalid_grant`, `interaction_required`.
    ///
    /// The same code can occur with two statuses, so check [`status`](Self::status) as well.
    pub fn code(&self) -> Option<&str> {
        self.0.fault.code.as_deref()
    }

    /// The message of the service, or of the gateway in front of it: from its error, from the
    /// `WWW-Authenticate` of a 401 without a body, or from a line of plain text.
    pub fn description(&self) -> Option<&str> {
        self.0.fault.description.as_deref()
    }

    /// The code of the innermost `innererror`: the actual cause, where the [code](Self::code) is as
    /// general as `InternalServerError`.
    pub fn inner_code(&self) -> Option<&str> {
        self.0.fault.inner_code.as_deref()
    }

    /// The message of the innermost `innererror`.
    pub fn inner_description(&self) -> Option<&str> {
        self.0.fault.inner_description.as_deref()
    }

    /// The codes of Microsoft's sign-in service, without `AADSTS`: why a sign-in was refused.
    pub fn error_codes(&self) -> &[u64] {
        &self.0.fault.error_codes
    }

    /// OAuth's `suberror` of a refused sign-in: a more specific reason than its [code](Self::code), such as
    /// `bad_token`, `basic_action` or `consent_required`.
    pub fn suberror(&self) -> Option<&str> {
        self.0.fault.suberror.as_deref()
    }

    /// The trace ID of a refused sign-in. Support finds the sign-in by this and the
    /// [correlation ID](Self::service_correlation_id).
    pub fn trace_id(&self) -> Option<&str> {
        self.0.fault.trace_id.as_deref()
    }

    /// Further data about the error, such as the names of properties: documented as a list, but sometimes
    /// an object.
    pub fn data(&self) -> Option<&Value> {
        self.0.fault.data.as_ref()
    }

    /// The system that the service names as the source of the error.
    pub fn source_system(&self) -> Option<&str> {
        self.0.fault.source.as_deref()
    }

    /// How long the service asks to wait before the next call: the longest `Retry-After` (a date counts
    /// from the `Date` of the response), `retry-after-ms` or `x-ms-retry-after-ms`; without these, the time
    /// in the message of a gateway ("Try again in 57 seconds").
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

    /// The `MS-CorrelationId` that the service responded with, or the correlation ID of a refused
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

    /// The URL of the last request of the call, without query; `None` if the call failed before the first.
    pub fn url(&self) -> Option<&Url> {
        self.0.url.as_deref()
    }

    /// The last response that a wait for an upload got before it failed.
    pub fn last_response(&self) -> Option<&Response<BatchUploadDetails>> {
        self.0.last_response.as_ref()
    }

    /// How many requests the call made before it failed; 0 if it failed before the first.
    ///
    /// All of them sent the same IDs.
    pub fn attempts(&self) -> u32 {
        self.0.attempts
    }
}
