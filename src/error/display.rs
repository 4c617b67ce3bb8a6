//! How an error is written: one line, with what the sender of the error said and the IDs that support
//! asks for.

use std::error::Error as _;
use std::time::Duration;
use std::{fmt, iter};

use serde_json::Value;
use uuid::Uuid;

use crate::error::{Error, ErrorKind, NO_TOKEN};
use crate::redact::{on_one_line, on_one_line_of, without_query};

/// So many names of properties are shown.
const MOST_NAMES: usize = 10;

/// The texts of the data, which are often names of properties.
fn names(data: Option<&Value>) -> Option<String> {
    let names = match data? {
        Value::Array(items) => joined(items.iter().filter_map(Value::as_str).take(MOST_NAMES).map(str::to_owned), ", "),
        Value::String(text) => Some(text.clone()),
        _ => None,
    };
    names.filter(|names| !names.trim().is_empty())
}

/// The parts as one text, if there are any.
fn joined(parts: impl Iterator<Item = String>, between: &str) -> Option<String> {
    Some(parts.collect::<Vec<_>>().join(between)).filter(|text| !text.is_empty())
}

/// So much of each further layer is shown.
const SHOWN_OF_CAUSE: usize = 1000;

impl Error {
    /// The layers below, without those that the text before them has already.
    fn causes(&self) -> Vec<String> {
        let mut text = self.line();
        let mut causes = Vec::new();
        for cause in iter::successors(self.source(), |cause| (*cause).source()) {
            let line = on_one_line_of(&cause.to_string(), SHOWN_OF_CAUSE);
            if !line.is_empty() && !text.contains(&line) {
                text.push_str(&line);
                causes.push(line);
            }
        }
        causes
    }

    /// This layer alone.
    fn line(&self) -> String {
        let mut line = self.0.message.clone().into_owned();
        match self.0.kind {
            ErrorKind::Service | ErrorKind::Credential => line += &self.said(),
            ErrorKind::NotFinished => {
                line += &self.subject().map(|subject| format!(" ({subject})")).unwrap_or_default();
                let last = self.0.last_response.as_ref().and_then(|last| last.status.as_ref());
                let last = last.map(|status| on_one_line(status.as_str())).filter(|status| !status.is_empty());
                line += &last.map(|status| format!("; its last status is {status}")).unwrap_or_default();
            }
            _ => {}
        }
        let is_bare = match self.0.kind {
            ErrorKind::Config => true,
            ErrorKind::Credential => self.0.message == NO_TOKEN && line == NO_TOKEN,
            _ => false,
        };
        if let Some(reason) = self.source().filter(|_| is_bare).map(|reason| on_one_line(&reason.to_string())) {
            line = format!("{line}: {reason}");
        }
        line
    }

    /// What its sender said, the IDs, and what to do.
    fn said(&self) -> String {
        let sentence = |text: &str| on_one_line(text).trim_end_matches('.').to_owned();
        let inner = [self.inner_code(), self.inner_description()].into_iter().flatten().map(sentence);
        let wait = self.0.retry_after.filter(|_| self.0.received.is_some());
        let seconds = |wait: Duration| wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0));
        let about = match self.0.kind {
            ErrorKind::Service => [self.subject(), self.ids(), self.count()],
            _ => [self.ids(), None, None],
        };
        let parts = [
            self.status().map(|status| format!(" {status}")),
            self.code().map(|code| format!(", code {}", on_one_line(code))),
            self.suberror().map(|suberror| format!(", suberror {}", on_one_line(suberror))),
            self.description().map(|description| format!(": {}", sentence(description))),
            names(self.data()).map(|names| format!(", data: {}", on_one_line(&names))),
            joined(inner, ": ").map(|inner| format!(", inner error {inner}")),
            self.location().map(|location| format!(", redirecting to {}", without_query(location))),
            wait.map(|wait| format!(", retry after {} s", seconds(wait))),
            joined(about.into_iter().flatten(), "; ").map(|about| format!(" ({about})")),
            self.meaning().zip(self.remedy()).map(|(meaning, remedy)| format!("; {meaning}: {remedy}")),
        ];
        parts.into_iter().flatten().collect()
    }

    /// The IDs that support asks for: those received or, of the service, those sent.
    fn ids(&self) -> Option<String> {
        let text = |id: Option<&str>, sent: Option<Uuid>| id.map(str::to_owned).or(sent.map(|id| id.to_string()));
        let sent = self.0.ids.filter(|_| self.0.attempts > 0 && self.0.kind == ErrorKind::Service);
        let (name, id) = match self.0.kind {
            ErrorKind::Credential => ("trace id", self.trace_id()),
            _ => ("request id", self.service_request_id()),
        };
        let id = text(id, sent.map(|ids| ids.request_id))?;
        let correlation_id = text(self.service_correlation_id(), sent.map(|ids| ids.correlation_id))?;
        Some(format!("{name} {}, correlation id {}", on_one_line(&id), on_one_line(&correlation_id)))
    }

    /// What was asked for.
    fn subject(&self) -> Option<String> {
        let url = || self.url().map(|url| on_one_line(url.as_str()));
        self.0.subject.as_deref().map(str::to_owned).or_else(url)
    }

    fn count(&self) -> Option<String> {
        match self.0.attempts {
            0 => None,
            1 => Some("1 attempt".to_owned()),
            attempts => Some(format!("{attempts} attempts")),
        }
    }
}

/// With `#`, the whole chain on one line.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.line())?;
        let causes = if f.alternate() { self.causes() } else { Vec::new() };
        causes.iter().try_for_each(|cause| write!(f, ": {cause}"))
    }
}

/// On one line or, with `#`, a line for each layer.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let between = if f.alternate() { "\n    caused by: " } else { ": " };
        write!(f, "{:?}: {}", self.0.kind, self.line())?;
        self.causes().iter().try_for_each(|cause| write!(f, "{between}{cause}"))?;
        let between = if f.alternate() { "\n    " } else { " " };
        // An error of the service has them in its line.
        let Some(ids) = self.0.ids.filter(|_| self.0.kind != ErrorKind::Service) else { return Ok(()) };
        write!(f, "{between}[")?;
        // An error of a wait has it there, too.
        if let Some(subject) = self.subject().filter(|_| self.0.kind != ErrorKind::NotFinished) {
            write!(f, "{subject}; ")?;
        }
        write!(
            f,
            "request id {}, correlation id {}; attempts: {}]",
            ids.request_id, ids.correlation_id, self.0.attempts
        )
    }
}
