//! The one error of the crate: opaque, a pointer wide, with a coarse kind, accessors for what the
//! service said, and predicates whose docs say what to do.

mod accessors;
mod display;
mod known;
mod predicates;

use std::borrow::Cow;
use std::error::Error as StdError;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tokio::runtime::TryCurrentError;
use url::Url;

use crate::fault::Fault;
use crate::generated::types::BatchUploadDetails;
use crate::headers::CallIds;
use crate::received::Received;
use crate::redact::{Secrets, on_one_line};
use crate::response::Response;

/// Why there is none is in the source.
const NO_TOKEN: &str = "no access token";

type Source = Arc<dyn StdError + Send + Sync>;

/// The broad category of an error. New kinds may be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ErrorKind {
    /// A mistake in what you passed, found before any I/O: a base URL, a locale, a header.
    Config,
    /// There is no access token: the sign-in was refused, or failed.
    Credential,
    /// There is no usable response: no connection, a broken connection, a timeout.
    Transport,
    /// The service responded with something other than 200, or with a 200 whose body is an error.
    Service,
    /// The service responded 200 with a body that cannot be read, has none of the documented members, or is
    /// too large.
    Decode,
    /// The time limit of a wait passed before the upload ended. See
    /// [`Error::last_response`], and wait again.
    NotFinished,
}

/// Why a call failed, with everything that is known about it.
///
/// `Display` is one line about this error; [`source`](StdError::source) is its cause, and `{error:#}` is the whole
/// chain on one line. None contains a body, a header or a secret. For an error of the service, the line has the
/// operation with its IDs, the IDs that support asks for and the number of attempts. `Debug`, which `main` prints,
/// is the kind, the whole chain and the IDs.
///
/// ```
/// use partner_center_devices::{Error, ErrorKind};
///
/// fn advice(error: &Error) -> &'static str {
///     match error.kind() {
///         ErrorKind::Service if error.is_not_found() => {
///             "check customer and tracking ID"
///         }
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

    /// Outside a tokio runtime, tokio's timers and sockets panic.
    pub(crate) fn outside_runtime(_: TryCurrentError) -> Self {
        Self::config("must be called within a tokio runtime (use #[tokio::main], or the feature blocking)")
    }

    /// The upload has not ended within the limit of a wait; with its last response.
    pub(crate) fn unfinished(last: Option<Response<BatchUploadDetails>>) -> Self {
        let mut error = Self::new(ErrorKind::NotFinished, "the upload has not ended within the time limit of the wait");
        if let Some(last) = &last {
            error = error.of_call(last.ids, last.attempts);
        }
        error.timed_out().with_last_response(last)
    }

    /// For implementors of [`Credential`](crate::Credential): there is no token, for this reason.
    ///
    /// The reason becomes the source of the error and part of its line, and may be logged, so it must not
    /// contain a secret.
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

    /// For implementors of [`Credential`](crate::Credential): the reason is transient, so the call may be
    /// retried.
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

    /// Keeps what came back.
    pub(crate) fn with_received(mut self, received: impl Into<Option<Received>>) -> Self {
        self.0.received = received.into();
        self
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

    /// Where the requests went, without the query, which may hold a secret of the caller.
    pub(crate) fn at(mut self, url: Option<&Url>) -> Self {
        self.0.url = url.cloned().map(|mut url| {
            url.set_query(None);
            url.into()
        });
        self
    }

    /// The operation and its IDs, in words.
    pub(crate) fn about(mut self, subject: String) -> Self {
        self.0.subject = Some(subject.into());
        self
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}
