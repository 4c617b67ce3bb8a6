//! The one error of the crate: opaque, a pointer wide, with a coarse kind, accessors for what the
//! service said, and predicates whose docs say what to do.

mod display;
mod known;
mod predicates;

use std::borrow::Cow;
use std::error::Error as StdError;
use std::sync::Arc;
use std::time::Duration;

use http::header::LOCATION;
use http::{HeaderMap, StatusCode};
use serde::Serialize;
use serde_json::Value;
use url::Url;
use uuid::Uuid;

use crate::fault::Fault;
use crate::generated::types::BatchUploadDetails;
use crate::headers::{CallIds, header_text};
use crate::lenient::ReadError;
use crate::received::Received;
use crate::redact::{Secrets, on_one_line};
use crate::response::Response;

/// Why there is none is in the source.
const NO_TOKEN: &str = "no access token";

type Source = Arc<dyn StdError + Send + Sync>;

/// Why a call failed, coarsely. New kinds may come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ErrorKind {
    /// A mistake of the caller, found before any I/O: a base URL, a locale, a header.
    Config,
    /// No access token could be had: the sign-in was refused, or failed.
    Credential,
    /// Nothing usable came back: no connection, a broken one, a time-out.
    Transport,
    /// The service responded with something other than 200, or with a 200 whose body is an error.
    Service,
    /// The service responded 200 with a body that cannot be read, has none of the documented members, or is
    /// too large.
    Decode,
    /// Waiting for an upload reached its limit before the upload ended. Look at
    /// [`Error::last_response`], and wait again.
    NotFinished,
}

/// Why a call failed, with everything that is known about it.
///
/// `Display` is one line about this layer; [`source`](StdError::source) has the next, and `{error:#}` all of
/// them on one line. None has a body, a header or a secret in it. Of errors of the service it has the operation
/// with its ids, the ids that support asks for and the number of attempts. `Debug`, which `main` prints, is the
/// kind, the whole chain and the ids.
///
/// ```
/// use partner_center_devices::{Error, ErrorKind};
///
/// fn advice(error: &Error) -> &'static str {
///     match error.kind() {
///         ErrorKind::Service if error.is_not_found() => "check customer and tracking id",
///         ErrorKind::Service if error.is_throttled() => "call less often",
///         _ if error.is_retryable() => "try again later",
///         _ => "show it to somebody",
///     }
/// }
/// ```
#[derive(Clone)]
pub struct Error(Box<Inner>);

#[derive(Clone)]
struct Inner {
    kind: ErrorKind,
    message: Cow<'static, str>,
    source: Option<Source>,
    transient: bool,
    timeout: bool,
    ids: Option<CallIds>,
    attempts: u32,
    /// What the call was about: the operation and its IDs.
    subject: Option<Arc<str>>,
    url: Option<Arc<Url>>,
    received: Option<Received>,
    retry_after: Option<Duration>,
    fault: Arc<Fault>,
    last_response: Option<Response<BatchUploadDetails>>,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Inner {
            kind,
            message: message.into(),
            source: None,
            transient: false,
            timeout: false,
            ids: None,
            attempts: 0,
            subject: None,
            url: None,
            received: None,
            retry_after: None,
            fault: Arc::default(),
            last_response: None,
        }))
    }

    pub(crate) fn config(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::Config, message)
    }

    /// For implementors of [`Credential`](crate::Credential): no token, for this reason.
    ///
    /// The reason becomes the source of the error and part of its line, and may be logged, so it must hold no
    /// secret.
    ///
    /// ```
    /// use partner_center_devices::{Error, ErrorKind};
    ///
    /// let error = Error::credential("the vault is sealed");
    /// assert_eq!(error.kind(), ErrorKind::Credential);
    /// assert_eq!(error.to_string(), "no access token: the vault is sealed");
    /// ```
    pub fn credential(reason: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::new(ErrorKind::Credential, NO_TOKEN).caused_by(reason)
    }

    /// For implementors of [`Credential`](crate::Credential): the reason may pass, so the call may be
    /// tried again.
    ///
    /// ```
    /// use partner_center_devices::Error;
    ///
    /// assert!(Error::credential("the vault is restarting").retryable().is_retryable());
    /// ```
    #[must_use]
    pub fn retryable(mut self) -> Self {
        self.0.transient = true;
        self
    }

    /// Time ran out.
    pub(crate) fn timed_out(mut self) -> Self {
        self.0.timeout = true;
        self
    }

    /// Time ran out, and there may be more of it later.
    pub(crate) fn timeout(self) -> Self {
        self.timed_out().retryable()
    }

    /// A body that cannot be read, and where.
    pub(crate) fn unreadable(path: &str, reason: &str) -> Self {
        let at = if path.is_empty() { String::new() } else { format!(" at `{path}`") };
        // As text: serde's own error can hold a whole member of the body.
        Self::new(ErrorKind::Decode, format!("cannot read the response{at}")).caused_by(on_one_line(reason))
    }

    /// Hides echoes of the secrets in what the response says.
    pub(crate) fn redacted(mut self, secrets: &Secrets<'_>) -> Self {
        Arc::make_mut(&mut self.0.fault).redact(secrets);
        self.0.received.iter_mut().for_each(|received| received.redact(secrets));
        self
    }

    pub(crate) fn with_message(mut self, message: impl Into<Cow<'static, str>>) -> Self {
        self.0.message = message.into();
        self
    }

    pub(crate) fn with_fault(mut self, fault: Fault) -> Self {
        self.0.fault = fault.into();
        self
    }

    pub(crate) fn with_received(mut self, received: impl Into<Option<Received>>) -> Self {
        self.0.received = received.into();
        self
    }

    /// Says why the body is not there, if that is so.
    pub(crate) fn compressed(self, received: &Received) -> Self {
        match received.undecoded.clone() {
            Some(why) => self.caused_by(format!("the response cannot be decompressed: {why}")),
            None => self,
        }
    }

    pub(crate) fn retrying_after(mut self, wait: impl Into<Option<Duration>>) -> Self {
        self.0.retry_after = wait.into();
        self
    }

    /// Keeps what a wait knew before it failed.
    pub(crate) fn with_last_response(mut self, last: Option<Response<BatchUploadDetails>>) -> Self {
        self.0.last_response = last;
        self
    }

    pub(crate) fn caused_by(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(Arc::from(source.into()));
        self
    }

    /// For an error that only says that there was no further attempt, or no other token: why the one
    /// before failed.
    pub(crate) fn after(mut self, last: Option<Self>) -> Self {
        if let Some(last) = last {
            self.0.source = Some(Arc::new(last));
        }
        self
    }

    /// Keeps the source, if there is one.
    pub(crate) fn or_caused_by(self, reason: &Self) -> Self {
        if self.0.source.is_some() { self } else { self.after(Some(reason.clone())) }
    }

    /// Adds what the send loop knows and the place of failure does not.
    pub(crate) fn of_call(mut self, ids: CallIds, attempts: u32) -> Self {
        (self.0.ids, self.0.attempts) = (Some(ids), attempts);
        self
    }

    pub(crate) fn of_same_call(mut self, other: &Self) -> Self {
        (self.0.ids, self.0.attempts) = (other.0.ids, other.0.attempts);
        (self.0.subject, self.0.url) = (other.0.subject.clone(), other.0.url.clone());
        self
    }

    /// Where the last request went.
    pub(crate) fn at(mut self, url: Option<Url>) -> Self {
        self.0.url = url.map(Arc::new);
        self
    }

    /// The operation and its IDs, in words.
    pub(crate) fn about(mut self, subject: String) -> Self {
        self.0.subject = Some(subject.into());
        self
    }

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

impl From<ReadError> for Error {
    fn from(error: ReadError) -> Self {
        Self::unreadable(&error.path, &error.source.to_string())
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}
