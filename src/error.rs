//! The one error of the crate: opaque, a pointer wide, with a coarse kind, accessors for what the
//! service said, and predicates whose docs say what to do.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use chrono::Utc;
use http::{HeaderMap, StatusCode};
use serde_json::Value;
use uuid::Uuid;

use crate::context::{CallIds, MS_CORRELATION_ID, MS_CV, MS_REQUEST_ID, MS_SERVER_ID, header_text};
use crate::retry::retry_after;
use crate::wire::Answer;

type Source = Box<dyn StdError + Send + Sync>;

/// Why a call failed, coarsely. New kinds may come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A mistake of the caller, found before any I/O: a base URL, a locale, a header.
    Config,
    /// No access token could be had.
    Credential,
    /// Nothing usable came back: no connection, a broken one, a time-out.
    Transport,
    /// The service answered with something other than 200.
    Service,
    /// The service answered 200 with a body that cannot be read, or is too large.
    Decode,
    /// Waiting for an upload reached its limit before the upload ended.
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
pub struct Error(Box<Inner>);

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
    fault: Fault,
}

/// What an error body says, whichever of its shapes it has; nothing where it has none.
#[derive(Default)]
struct Fault {
    code: Option<String>,
    description: Option<String>,
    data: Option<Value>,
    source: Option<String>,
}

impl Fault {
    /// Reads each member by itself: one of an unexpected type does not lose the others.
    fn read(body: &[u8]) -> Self {
        let Ok(Value::Object(mut members)) = serde_json::from_slice(body) else { return Self::default() };
        let mut text = |name| match members.remove(name) {
            Some(Value::String(text)) => Some(text),
            Some(Value::Number(number)) => Some(number.to_string()),
            _ => None,
        };
        Self {
            code: text("code"),
            // `message` is the gateway's word for it, in the answer to a throttled call.
            description: text("description").or_else(|| text("message")),
            source: text("source"),
            data: members.remove("data").filter(|data| !data.is_null()),
        }
    }
}

impl Error {
    fn new(kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
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
            fault: Fault::default(),
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

    pub(crate) fn transport(source: reqwest::Error) -> Self {
        let message = match &source {
            error if error.is_timeout() => "the service did not answer in time",
            error if error.is_connect() => "cannot connect to the service",
            error if error.is_body() || error.is_decode() => "the answer broke off",
            _ => "no answer from the service",
        };
        let timeout = source.is_timeout();
        let mut error = Self::new(ErrorKind::Transport, message).caused_by(source);
        (error.0.transient, error.0.timeout) = (true, timeout);
        error
    }

    pub(crate) fn service(answer: Answer) -> Self {
        let status = answer.status;
        let mut error = Self::new(ErrorKind::Service, "the service answered");
        error.0.transient = matches!(status.as_u16(), 408 | 429 | 500 | 502 | 503 | 504);
        error.0.retry_after = retry_after(&answer.headers, Utc::now());
        error.0.fault = Fault::read(&answer.body);
        error.0.answer = Some(answer);
        error
    }

    /// The call was not sent because the service throttles the client, for this much longer.
    pub(crate) fn held_back(answer: Answer, wait: Duration) -> Self {
        let mut error = Self::service(answer);
        error.0.message = "not sent, for the service throttles: another call was answered".into();
        error.0.retry_after = Some(wait);
        error
    }

    /// The time of the whole call ran out; the error of the attempt before, if any, is the source.
    pub(crate) fn out_of_time(last: Option<Self>) -> Self {
        let mut error = Self::new(ErrorKind::Transport, "the call did not end in its time");
        (error.0.transient, error.0.timeout) = (true, true);
        error.0.source = last.map(Into::into);
        error
    }

    pub(crate) fn answer(&self) -> Option<&Answer> {
        self.0.answer.as_ref()
    }

    pub(crate) fn decode(answer: Answer, message: impl Into<Cow<'static, str>>) -> Self {
        let mut error = Self::new(ErrorKind::Decode, message);
        error.0.answer = Some(answer);
        error
    }

    pub(crate) fn caused_by(mut self, source: impl Into<Source>) -> Self {
        self.0.source = Some(source.into());
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

    /// The HTTP status, if the service answered.
    pub fn status(&self) -> Option<StatusCode> {
        self.0.answer.as_ref().map(|answer| answer.status)
    }

    /// The headers of the answer, if the service answered.
    pub fn headers(&self) -> Option<&HeaderMap> {
        self.0.answer.as_ref().map(|answer| &answer.headers)
    }

    /// The body of the answer as it came, without byte-order mark. Empty if there was none, or if
    /// it was larger than [the bound](crate::Builder::max_body_size).
    pub fn body(&self) -> &[u8] {
        self.0.answer.as_ref().map_or(&[], |answer| &answer.body)
    }

    /// The error code of the service, as text: some answers have it as a number.
    ///
    /// The same number can stand under two statuses, so look at [`status`](Self::status) as well.
    pub fn code(&self) -> Option<&str> {
        self.0.fault.code.as_deref()
    }

    /// What the service, or the gateway in front of it, says in words.
    pub fn description(&self) -> Option<&str> {
        self.0.fault.description.as_deref()
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
        header_text(self.headers()?, &http::header::LOCATION)
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

    /// The `MS-CorrelationId` that the service answered with.
    pub fn service_correlation_id(&self) -> Option<&str> {
        header_text(self.headers()?, &MS_CORRELATION_ID)
    }

    /// The correlation vector (`MS-CV`) of the answer.
    pub fn ms_cv(&self) -> Option<&str> {
        header_text(self.headers()?, &MS_CV)
    }

    /// The server that answered (`MS-ServerId`), as text: it has leading zeros.
    pub fn server_id(&self) -> Option<&str> {
        header_text(self.headers()?, &MS_SERVER_ID)
    }

    /// How many requests the call made before it failed; 0 if it failed before the first.
    ///
    /// The ids sent are the same for all of them.
    pub fn attempts(&self) -> u32 {
        self.0.attempts
    }

    /// Whether the same call may succeed later: broken connections, time-outs, 408, 429, 500, 502,
    /// 503, 504.
    ///
    /// The client asks this itself. If it says so of an error that you got, then the client's own
    /// retries, its time or its budget for retries were used up: try again much later.
    pub fn is_retryable(&self) -> bool {
        self.0.transient
    }

    /// 404: the service does not know the customer or the upload. Check both ids, and that the
    /// upload was made for this customer.
    pub fn is_not_found(&self) -> bool {
        self.status() == Some(StatusCode::NOT_FOUND)
    }

    /// 401: the service refused the token. Get a new one; for [code](Self::code) `900421`, one from
    /// a sign-in with multi-factor authentication.
    pub fn is_unauthorized(&self) -> bool {
        self.status() == Some(StatusCode::UNAUTHORIZED)
    }

    /// 429: too many calls. Wait [`retry_after`](Self::retry_after), then call less often and less
    /// in parallel: every further request counts against the limit too.
    pub fn is_throttled(&self) -> bool {
        self.status() == Some(StatusCode::TOO_MANY_REQUESTS)
    }

    /// Time ran out. The service may be slow, or the connection is.
    pub fn is_timeout(&self) -> bool {
        self.0.timeout
    }
}

/// At most this much of a foreign text goes into `Display`; the accessors have it whole.
const SHOWN: usize = 200;

fn on_one_line(text: &str) -> impl fmt::Display {
    let line = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    line.take(SHOWN).collect::<String>().trim_end().trim_end_matches('.').to_owned()
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)?;
        let (ErrorKind::Service, Some(answer)) = (self.0.kind, &self.0.answer) else { return Ok(()) };
        write!(f, " {}", answer.status)?;
        if let Some(code) = self.code() {
            write!(f, ", code {}", on_one_line(code))?;
        }
        if let Some(description) = self.description() {
            write!(f, ": {}", on_one_line(description))?;
        }
        if let Some(location) = self.location() {
            write!(f, ", redirecting to {}", on_one_line(location))?;
        }
        if let Some(wait) = self.0.retry_after {
            write!(f, ", retry after {} s", wait.as_secs())?;
        }
        let (sent_request_id, sent_correlation_id) = (self.request_id(), self.correlation_id());
        let sent = |id: Option<Uuid>| id.map(|id| id.to_string());
        let request_id = self.service_request_id().map(str::to_owned).or_else(|| sent(sent_request_id));
        let correlation_id = self.service_correlation_id().map(str::to_owned).or_else(|| sent(sent_correlation_id));
        if let (Some(request_id), Some(correlation_id)) = (request_id, correlation_id) {
            write!(f, " (request id {}, correlation id {})", on_one_line(&request_id), on_one_line(&correlation_id))?;
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
