//! The one error of the crate: opaque, a pointer wide, with a coarse kind, accessors for what the
//! service said, and predicates whose docs say what to do.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::header::LOCATION;
use http::{HeaderMap, StatusCode};
use serde_json::Value;
use uuid::Uuid;

use crate::context::{CallIds, MS_CORRELATION_ID, MS_CV, MS_REQUEST_ID, MS_SERVER_ID, header_text};
use crate::fault::Fault;
use crate::foreign::on_one_line;
use crate::lenient::ReadError;
use crate::models::BatchUploadDetails;
use crate::response::Response;
use crate::retry::retry_after;
use crate::wire::Answer;

type Source = Arc<dyn StdError + Send + Sync>;

/// Why a call failed, coarsely. New kinds may come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A mistake of the caller, found before any I/O: a base URL, a locale, a header.
    Config,
    /// No access token could be had: the sign-in was refused, or failed.
    Credential,
    /// Nothing usable came back: no connection, a broken one, a time-out.
    Transport,
    /// The service answered with something other than 200.
    Service,
    /// The service answered 200 with a body that cannot be read, or is too large.
    Decode,
    /// Waiting for an upload reached its limit before the upload ended. Look at
    /// [`Error::last_answer`], and wait again.
    NotFinished,
}

/// Why a call failed, with everything that is known about it.
///
/// `Display` is one line about this layer; [`source`](StdError::source) has the next. Neither has
/// a body, a header or a secret in it. For errors of the service it has the ids that support asks for.
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
    answer: Option<Answer>,
    retry_after: Option<Duration>,
    fault: Arc<Fault>,
    last_answer: Option<Response<BatchUploadDetails>>,
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
            answer: None,
            retry_after: None,
            fault: Arc::default(),
            last_answer: None,
        }))
    }

    pub(crate) fn config(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::Config, message)
    }

    /// For implementors of [`Credential`](crate::Credential): no token, for this reason.
    ///
    /// The reason becomes the source of the error and may be logged, so it must hold no secret.
    ///
    /// ```
    /// use partner_center_devices::{Error, ErrorKind};
    ///
    /// let error = Error::credential("the vault is sealed");
    /// assert_eq!(error.kind(), ErrorKind::Credential);
    /// assert_eq!(error.to_string(), "no access token");
    /// ```
    pub fn credential(reason: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::new(ErrorKind::Credential, "no access token").caused_by(reason)
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

    /// Time ran out, and there may be more of it later.
    pub(crate) fn timeout(mut self) -> Self {
        self.0.timeout = true;
        self.retryable()
    }

    pub(crate) fn with_fault(mut self, fault: Fault) -> Self {
        self.0.fault = fault.into();
        self
    }

    pub(crate) fn with_answer(mut self, answer: Answer) -> Self {
        self.0.answer = Some(answer);
        self
    }

    pub(crate) fn retrying_after(mut self, wait: Duration) -> Self {
        self.0.retry_after = Some(wait);
        self
    }

    /// Nothing usable came back. What came of the answer is kept, for its ids.
    pub(crate) fn transport(source: reqwest::Error, answer: Option<Answer>) -> Self {
        if source.is_builder() {
            return Self::config("the request cannot be built").caused_by(source);
        }
        let message = match &source {
            error if error.is_timeout() => "the service did not answer in time",
            error if error.is_connect() => "cannot connect to the service",
            error if error.is_body() || error.is_decode() => "the answer broke off",
            _ => "no answer from the service",
        };
        let timeout = source.is_timeout();
        let mut error = Self::new(ErrorKind::Transport, message).caused_by(source);
        (error.0.transient, error.0.timeout, error.0.answer) = (true, timeout, answer);
        error
    }

    pub(crate) fn service(answer: Answer) -> Self {
        let mut error = Self::new(ErrorKind::Service, "the service answered");
        error.0.transient = matches!(answer.status.as_u16(), 408 | 429 | 500 | 502 | 503 | 504);
        error.0.retry_after = retry_after(&answer.headers);
        error.0.fault = Fault::read(&answer.body).into();
        error.0.answer = Some(answer);
        if error.is_mfa_required() {
            error.0.message = "the user of this token has to sign in anew, with multi-factor authentication: \
                               the service answered"
                .into();
        }
        error
    }

    /// A 200 without length whose text has no end.
    pub(crate) fn broke_off(answer: Answer, reason: serde_json::Error) -> Self {
        let mut error = Self::new(ErrorKind::Transport, "the answer broke off").caused_by(reason.to_string());
        (error.0.transient, error.0.answer) = (true, Some(answer));
        error
    }

    /// The call is not sent because the service throttles the client, for this much longer.
    pub(crate) fn held_back(throttle: &Self, wait: Duration) -> Self {
        let mut error = throttle.clone().retrying_after(wait);
        error.0.message = "held back while the service throttles: another call was answered".into();
        error
    }

    /// The time of the whole call ran out.
    pub(crate) fn out_of_time() -> Self {
        Self::new(ErrorKind::Transport, "the call did not end in its time").timeout()
    }

    /// The upload has not ended within the limit of a wait.
    pub(crate) fn not_finished(last: Option<Response<BatchUploadDetails>>, failed: Option<Self>) -> Self {
        let mut error = Self::new(ErrorKind::NotFinished, "the upload has not ended within the time to wait for it");
        (error.0.ids, error.0.attempts) = match (&failed, &last) {
            (Some(failed), _) => (failed.0.ids, failed.0.attempts),
            (None, Some(last)) => (Some(last.ids), last.attempts),
            (None, None) => (None, 0),
        };
        error.0.retry_after = failed.as_ref().and_then(Self::retry_after);
        (error.0.timeout, error.0.last_answer) = (true, last);
        error.after(failed)
    }

    /// For a wait that has time left, but less than the service asks for.
    pub(crate) fn asked_to_wait(mut self, wait: Duration) -> Self {
        let message = "the upload has not ended, and the service asks to wait for longer than there is time";
        self.0.message = message.into();
        self.retrying_after(wait)
    }

    /// Keeps what a wait knew before it failed.
    pub(crate) fn with_last_answer(mut self, last: Option<Response<BatchUploadDetails>>) -> Self {
        self.0.last_answer = last;
        self
    }

    pub(crate) fn decode(answer: Answer, message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::Decode, message).with_answer(answer)
    }

    /// A body that cannot be read, and where.
    pub(crate) fn unreadable(ReadError { path, source }: ReadError) -> Self {
        let message = match path.as_str() {
            "" => "cannot read the answer".into(),
            path => Cow::from(format!("cannot read the answer at `{path}`")),
        };
        // As text: serde's own error can hold a whole member of the body.
        Self::new(ErrorKind::Decode, message).caused_by(on_one_line(&source.to_string()))
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

    /// Adds what the send loop knows and the place of failure does not.
    pub(crate) fn of_call(mut self, ids: CallIds, attempts: u32) -> Self {
        (self.0.ids, self.0.attempts) = (Some(ids), attempts);
        self
    }

    /// Why the call failed, coarsely.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The HTTP status, if the service answered; of a [`Credential`](ErrorKind::Credential) error
    /// that of the sign-in service.
    pub fn status(&self) -> Option<StatusCode> {
        self.0.answer.as_ref().map(|answer| answer.status)
    }

    /// The headers of the answer, if the service answered.
    pub fn headers(&self) -> Option<&HeaderMap> {
        self.0.answer.as_ref().map(|answer| &answer.headers)
    }

    /// The body of the answer as it came, without byte-order mark. Empty if there was none, or if
    /// it was beyond [the bound](crate::Builder::max_body_size).
    pub fn body(&self) -> &[u8] {
        self.0.answer.as_ref().map_or(&[], |answer| &answer.body)
    }

    /// The error code of the service, as text: some answers have it as a number. Of a sign-in, the
    /// error of OAuth: `invalid_client`, `invalid_grant`, `interaction_required`.
    ///
    /// The same number can stand under two statuses, so look at [`status`](Self::status) as well.
    pub fn code(&self) -> Option<&str> {
        self.0.fault.code.as_deref()
    }

    /// What the service, or the gateway in front of it, says in words.
    pub fn description(&self) -> Option<&str> {
        self.0.fault.description.as_deref()
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

    /// Further data about the error; documented as a list, seen as an object too.
    pub fn data(&self) -> Option<&Value> {
        self.0.fault.data.as_ref()
    }

    /// The system that the service names as the source of the error.
    pub fn source_system(&self) -> Option<&str> {
        self.0.fault.source.as_deref()
    }

    /// How long the service asks to wait before the next call (`Retry-After`, in either of its
    /// forms; a date counts from the moment the answer came).
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

    /// The `MS-RequestId` that the service answered with.
    pub fn service_request_id(&self) -> Option<&str> {
        header_text(self.headers()?, &MS_REQUEST_ID)
    }

    /// The `MS-CorrelationId` that the service answered with, or the correlation id of a refused
    /// sign-in.
    pub fn service_correlation_id(&self) -> Option<&str> {
        self.0.fault.correlation_id.as_deref().or_else(|| header_text(self.headers()?, &MS_CORRELATION_ID))
    }

    /// The correlation vector (`MS-CV`) of the answer.
    pub fn ms_cv(&self) -> Option<&str> {
        header_text(self.headers()?, &MS_CV)
    }

    /// The server that answered (`MS-ServerId`), as text: it has leading zeros.
    pub fn server_id(&self) -> Option<&str> {
        header_text(self.headers()?, &MS_SERVER_ID)
    }

    /// The last status that a wait for an upload got before it failed.
    pub fn last_answer(&self) -> Option<&Response<BatchUploadDetails>> {
        self.0.last_answer.as_ref()
    }

    /// How many requests the call made before it failed; 0 if it failed before the first.
    ///
    /// The ids sent are the same for all of them.
    pub fn attempts(&self) -> u32 {
        self.0.attempts
    }

    /// Whether the same call may succeed later: broken connections, time-outs, 408, 429, 500, 502,
    /// 503, 504, and the like of a sign-in.
    ///
    /// The client asks this itself. If it says so of an error that you got, then the client's own
    /// retries, its time or its budget for retries were used up: try again much later.
    pub fn is_retryable(&self) -> bool {
        self.0.transient
    }

    /// 404: the service does not know the customer or the upload. Check both ids, and that the
    /// upload was made for this customer.
    pub fn is_not_found(&self) -> bool {
        self.is_of_service(StatusCode::NOT_FOUND)
    }

    /// 401: the service refused the token, and a fresh one if the credential had one. Look whether the
    /// application may call Partner Center, and whether its tokens are for this cloud.
    pub fn is_unauthorized(&self) -> bool {
        self.is_of_service(StatusCode::UNAUTHORIZED)
    }

    /// 401 with [code](Self::code) `900421`: the user behind the token signed in without multi-factor
    /// authentication; or a sign-in that was refused for want of it (AADSTS 50072, 50074, 50076, 50078,
    /// 50079, 50158). No new token of the same sign-in helps: have the user sign in again, with it.
    pub fn is_mfa_required(&self) -> bool {
        let of_sign_in = |code: &u64| matches!(code, 50_072 | 50_074 | 50_076 | 50_078 | 50_079 | 50_158);
        self.is_unauthorized() && self.code() == Some("900421")
            || self.0.kind == ErrorKind::Credential && self.error_codes().iter().any(of_sign_in)
    }

    /// 429: too many calls. Wait [`retry_after`](Self::retry_after), then call less often and less
    /// in parallel: every further request counts against the limit too.
    pub fn is_throttled(&self) -> bool {
        self.is_of_service(StatusCode::TOO_MANY_REQUESTS)
    }

    /// Time ran out. The service may be slow, or the connection is.
    pub fn is_timeout(&self) -> bool {
        self.0.timeout
    }

    /// Whether the request certainly changed nothing at the service: it was not sent, or the service says
    /// that it was not done.
    pub(crate) fn had_no_effect(&self) -> bool {
        let source = self.0.source.as_deref().and_then(|source| source.downcast_ref::<reqwest::Error>());
        match self.0.kind {
            ErrorKind::Credential => true,
            ErrorKind::Transport => source.is_some_and(reqwest::Error::is_connect),
            _ => {
                self.is_throttled()
                    || self.is_of_service(StatusCode::SERVICE_UNAVAILABLE) && self.0.retry_after.is_some()
            }
        }
    }

    /// Whether another token may do better.
    pub(crate) fn refuses_token(&self) -> bool {
        self.is_unauthorized() && !self.is_mfa_required()
    }

    fn is_of_service(&self, status: StatusCode) -> bool {
        self.0.kind == ErrorKind::Service && self.status() == Some(status)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)?;
        if !matches!(self.0.kind, ErrorKind::Service | ErrorKind::Credential) {
            return Ok(());
        }
        if let Some(answer) = &self.0.answer {
            write!(f, " {}", answer.status)?;
        }
        if let Some(code) = self.code() {
            write!(f, ", code {}", on_one_line(code))?;
        }
        if let Some(suberror) = self.suberror() {
            write!(f, ", suberror {}", on_one_line(suberror))?;
        }
        if let Some(description) = self.description() {
            write!(f, ": {}", on_one_line(description).trim_end_matches('.'))?;
        }
        if let Some(location) = self.location() {
            write!(f, ", redirecting to {}", on_one_line(location))?;
        }
        if let Some(wait) = self.0.retry_after.filter(|_| self.0.answer.is_some()) {
            write!(f, ", retry after {} s", wait.as_secs())?;
        }
        let text = |id: Option<&str>, sent: Option<Uuid>| id.map(str::to_owned).or(sent.map(|id| id.to_string()));
        let sent = self.0.ids.filter(|_| self.0.attempts > 0 && self.0.kind == ErrorKind::Service);
        let (name, id) = match self.0.kind {
            ErrorKind::Credential => ("trace id", self.trace_id()),
            _ => ("request id", self.service_request_id()),
        };
        let id = text(id, sent.map(|ids| ids.request_id));
        let correlation_id = text(self.service_correlation_id(), sent.map(|ids| ids.correlation_id));
        if let (Some(id), Some(correlation_id)) = (id, correlation_id) {
            write!(f, " ({name} {}, correlation id {})", on_one_line(&id), on_one_line(&correlation_id))?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.0.kind)
            .field("message", &format_args!("{self}"))
            .field("answer", &self.0.answer)
            .field("ids", &self.0.ids)
            .field("attempts", &self.0.attempts)
            .field("source", &self.0.source)
            .finish()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}
