//! How an error is written: one line, with what the sender of the error said and the IDs that support
//! asks for.

use std::fmt;

use uuid::Uuid;

use crate::error::{Error, ErrorKind};
use crate::redact::{on_one_line, without_query};

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)?;
        if !matches!(self.0.kind, ErrorKind::Service | ErrorKind::Credential) {
            return Ok(());
        }
        if let Some(status) = self.status() {
            write!(f, " {status}")?;
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
            write!(f, ", redirecting to {}", without_query(location))?;
        }
        if let Some(wait) = self.0.retry_after.filter(|_| self.0.received.is_some()) {
            write!(f, ", retry after {} s", wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0)))?;
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
            .field("received", &self.0.received)
            .field("ids", &self.0.ids)
            .field("attempts", &self.0.attempts)
            .field("source", &self.0.source)
            .finish()
    }
}
