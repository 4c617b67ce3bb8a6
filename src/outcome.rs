//! What an attempt came to: a response, or an error with all that was received.

use http::StatusCode;
use http::header::CONTENT_TYPE;

use crate::content_coding::Coding;
use crate::error::{Error, ErrorKind};
use crate::exchange::{Exchanged, Failure, Lost};
use crate::fault::Fault;
use crate::headers::{CallIds, header_text};
use crate::lenient::{MembersSeen, ReadError};
use crate::operation::Operation;
use crate::received::Received;
use crate::redact::Secrets;
use crate::response::Response;
use crate::transport::Trouble;

/// What an attempt came to, by what came back. No response may bring the secrets of the call, which are its
/// tokens, to light.
pub(crate) fn classify<T>(
    operation: &Operation<T>,
    exchanged: Exchanged,
    secrets: &Secrets<'_>,
    ids: CallIds,
    attempts: u32,
) -> Result<Response<T>, Error> {
    match exchanged {
        Err(lost) => Err(no_response("the service", lost, of_transport)),
        Ok((received, ended)) if is_refusal(operation, &received, &ended) => Err(refused(received, ended)),
        Ok((mut received, ended)) => {
            received.redact_success(secrets);
            match ended.map(|()| (operation.read)(&received.body)) {
                Ok(Ok((body, mut unreadable))) => {
                    unreadable.iter_mut().for_each(|member| member.redact(secrets));
                    return Ok(Response { body, unreadable, received, ids, attempts });
                }
                Ok(Err(error)) => Err(not_read(error, received, secrets)),
                Err(failure) => Err(not_whole(failure, &received).with_received(received)),
            }
        }
    }
    .map_err(|error| error.redacted(secrets))
}

/// Any status but those of a success; unless a 2xx broke off, which may come whole the next time.
fn is_refusal<T>(operation: &Operation<T>, received: &Received, ended: &Result<(), Failure>) -> bool {
    let broke_off = matches!(ended, Err(Failure::Lost(_))) && received.status.is_success();
    !operation.has_success(received.status) && !broke_off
}

fn of_transport(message: String) -> Error {
    Error::new(ErrorKind::Transport, message)
}

/// Why there is no body of a success to read.
fn not_whole(failure: Failure, received: &Received) -> Error {
    match failure {
        Failure::Lost(lost) => no_response("the service", lost, of_transport),
        Failure::TooLarge => {
            Error::new(ErrorKind::Decode, "the response is larger than the bound, or has too many objects")
        }
        Failure::Undecodable(why) => {
            let is_whole = received.has_length() || Coding::of(&received.headers).is_err();
            let error = match is_whole {
                true => Error::new(ErrorKind::Decode, "cannot decompress the response"),
                false => broke_off(),
            };
            error.caused_by(undecodable(&why))
        }
    }
}

pub(crate) fn undecodable(why: &str) -> String {
    format!("the response cannot be decompressed: {why}")
}

/// Why the body of a success cannot be read.
fn not_read(error: ReadError, received: Received, secrets: &Secrets<'_>) -> Error {
    // A text without end, and nothing else that says how long it is.
    let error = if error.source.is_eof() && !received.has_length() {
        broke_off().caused_by(error.source.to_string())
    } else if let Some(fault) = Fault::read_success(&received.body, error.members) {
        Error::new(ErrorKind::Service, "the service responded with an error and status").with_fault(fault)
    } else {
        unreadable(error, secrets)
    };
    error.with_received(received)
}

/// The service responded with a body that cannot be read.
fn unreadable(error: ReadError, secrets: &Secrets<'_>) -> Error {
    let (mut path, mut reason) = (error.path, error.source.to_string());
    [&mut path, &mut reason].into_iter().for_each(|text| secrets.hide_in(text));
    let unreadable = Error::unreadable(&path, &reason);
    match error.members {
        MembersSeen::Unexpected { of_document: true } => {
            unreadable.with_message("the response has none of the documented members")
        }
        _ => unreadable,
    }
}

fn broke_off() -> Error {
    Error::new(ErrorKind::Transport, "the response of the service broke off").retryable()
}

/// Nothing usable came back from this server: what this function makes of the words, with the reason.
pub(crate) fn no_response(server: &str, lost: Lost, error: fn(String) -> Error) -> Error {
    let mut source = match lost {
        Lost::Broken(source) => source,
        Lost::TimedOut => return error(format!("{server} did not respond in time")).timeout(),
    };
    // Its text has the URL; the query may hold a secret of the caller.
    source.url_mut().into_iter().for_each(|url| url.set_query(None));
    let trouble = Trouble::of(&source);
    let error = match trouble.message(server).filter(|_| !source.is_timeout()) {
        _ if source.is_builder() => Error::config(format!("the request to {server} cannot be built")),
        Some(message) if trouble.is_of_config() => Error::config(message),
        Some(message) => error(message),
        None if source.is_timeout() => error(format!("{server} did not respond in time")).timed_out(),
        None if source.is_connect() => error(format!("cannot connect to {server}")),
        None if source.is_body() || source.is_decode() => error(format!("the response of {server} broke off")),
        None => error(format!("no response from {server}")),
    };
    let error = if trouble.may_pass() && !source.is_builder() { error.retryable() } else { error };
    error.caused_by(source)
}

fn fault(received: &Received) -> Fault {
    let Received { status, headers, body, .. } = received;
    let fault = Fault::read(body);
    let is_plain = header_text(headers, &CONTENT_TYPE).is_some_and(|kind| kind.trim_start().starts_with("text/plain"));
    match *status {
        StatusCode::UNAUTHORIZED => fault.or_reason_for_401(headers, body),
        _ if is_plain => fault.or_plain_text(body),
        _ => fault,
    }
}

/// The service responded with an error.
fn refused(received: Received, ended: Result<(), Failure>) -> Error {
    let may_pass = matches!(received.status.as_u16(), 408 | 429 | 500 | 502 | 503 | 504);
    let error = Error::new(ErrorKind::Service, "the service responded with");
    let error = error.with_fault(fault(&received)).retrying_after(received.retry_after());
    let error = error.with_received(received);
    let error = match ended {
        Err(Failure::Undecodable(why)) => error.caused_by(undecodable(&why)),
        _ => error,
    };
    if may_pass { error.retryable() } else { error }
}
