//! Signing in: the two OAuth 2.0 grants at the v2.0 endpoint of the sign-in service, what it responds,
//! and the errors of both.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, ACCEPT_ENCODING, LOCATION, RETRY_AFTER};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use crate::credential::{AccessToken, Issued, TokenRequest};
use crate::error::{Error, ErrorKind};
use crate::exchange::{Failure, Lost, after, receive};
use crate::fault::{Fault, Members, is_echo};
use crate::outcome::{no_response, undecodable};
use crate::pasted::{check_secret, pasted};
use crate::received::Received;
use crate::redact::Secrets;
use crate::retry::A_DAY;

/// Tokens have a few kilobytes.
const BODY_LIMIT: usize = 1 << 20;

/// An application that is registered with the sign-in service.
#[derive(Debug)]
pub(crate) struct Application {
    tenant: String,
    client_id: String,
    /// Public clients have none.
    client_secret: Option<SecretString>,
}

/// What a sign-in gave: the access token, unless that is of no use, and the refresh token that
/// replaces the one sent. That one may be spent, so it counts in any case.
pub(crate) struct SignedIn {
    pub(crate) access_token: Result<Issued, Error>,
    pub(crate) refresh_token: Option<SecretString>,
}

impl Application {
    pub(crate) fn new(
        tenant: impl Into<String>,
        client_id: impl Into<String>,
        client_secret: Option<String>,
    ) -> Result<Self, Error> {
        Ok(Self {
            tenant: path_segment("the tenant", tenant)?,
            client_id: path_segment("the client ID", client_id)?,
            client_secret: client_secret.map(|secret| check_secret("the client secret", pasted(secret))).transpose()?,
        })
    }

    /// Gets a token as the application itself or, with a refresh token, for its user.
    pub(crate) async fn sign_in(
        &self,
        request: &TokenRequest,
        refresh_token: Option<&SecretString>,
    ) -> Result<SignedIn, Error> {
        let url = format!("{}/{}/oauth2/v2.0/token", request.cloud.authority(), self.tenant);
        let scope = request.cloud.scope();
        let mut form = vec![("client_id", self.client_id.as_str())];
        form.extend(self.client_secret.iter().map(|secret| ("client_secret", secret.expose_secret())));
        // Without offline_access the response need not have the next refresh token.
        let with_offline_access = format!("{scope} offline_access");
        form.extend(match refresh_token {
            None => vec![("grant_type", "client_credentials"), ("scope", scope)],
            Some(token) => vec![
                ("grant_type", "refresh_token"),
                ("refresh_token", token.expose_secret()),
                ("scope", &with_offline_access),
            ],
        });
        let post = request.http.post(url).header(ACCEPT, "application/json").header(ACCEPT_ENCODING, "gzip");
        let post = post.form(&form).build().map_err(|error| not_reached(Lost::Broken(error)))?;
        let exchanged = receive(request.http.execute(post), BODY_LIMIT, after(request.timeout())).await;
        let (received, ended) = exchanged.map_err(not_reached)?;
        let secrets = self.client_secret.iter().chain(refresh_token).map(ExposeSecret::expose_secret);
        let refusal = refused(received.clone(), &Secrets::new(secrets));
        let is_refused = received.status != http::StatusCode::OK || refusal.code().is_some();
        match ended {
            // What it would have said is not known, so it is not known to be final.
            Err(Failure::Lost(lost @ Lost::TimedOut)) if refusal.code().is_none() => Err(not_reached(lost)),
            Err(Failure::Undecodable(why)) if is_refused => Err(refusal.caused_by(undecodable(&why))),
            _ if is_refused => Err(refusal),
            Ok(()) => read(&received.body),
            Err(Failure::Lost(lost)) => Err(not_reached(lost)),
            Err(Failure::TooLarge) => Err(no_token("the response is larger than any token")),
            Err(Failure::Undecodable(why)) => Err(no_token(undecodable(&why))),
        }
    }
}

/// A part of a path that cannot become two, or none.
fn path_segment(what: &str, text: impl Into<String>) -> Result<String, Error> {
    let text = pasted(text).expose_secret().to_owned();
    let fits = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'));
    if !fits || text.trim_matches('.').is_empty() {
        return Err(Error::config(format!(
            "{what} is neither a GUID nor a name: expected letters, digits, '-', '_' and '.'"
        )));
    }
    Ok(text)
}

/// Reads the response with a token, as far as it is one: in all other respects Microsoft and its
/// likes send what they want. Its texts are in no error.
fn read(body: &[u8]) -> Result<SignedIn, Error> {
    let json = String::from_utf8_lossy(body);
    let members = Members::of(&json);
    if members.is_empty() {
        return Err(no_token("the response is not the JSON of a token"));
    }
    let text = |name| match members.value(name)? {
        Value::String(text) => Some(text.trim().to_owned()).filter(|text| !text.is_empty()),
        _ => None,
    };
    let access_token = match (text("access_token"), members.value("token_type")) {
        (None, _) if members.value("access_token").is_some_and(|token| !token.is_null() && !token.is_string()) => {
            Err(no_token("the response cannot be read at `access_token`"))
        }
        (None, _) => Err(no_token("the response has no access token")),
        (_, Some(Value::String(kind))) if !matches!(kind.trim().to_ascii_lowercase().as_str(), "" | "bearer") => {
            Err(no_token("the token in the response is not a bearer token"))
        }
        (Some(token), _) => {
            let token = AccessToken::new(token);
            // Before it is kept: it would fail every call until it expires.
            token.authorization().map(|_| Issued { token, lifetime: members.value("expires_in").and_then(seconds) })
        }
    };
    Ok(SignedIn { access_token, refresh_token: text("refresh_token").map(SecretString::from) })
}

/// The v1.0 endpoint has the number as text; what is not a number is as good as nothing.
fn seconds(value: Value) -> Option<Duration> {
    let seconds = value.as_f64().or_else(|| value.as_str()?.trim().parse().ok())?;
    Duration::try_from_secs_f64(seconds.clamp(0.0, A_DAY.as_secs_f64())).ok()
}

/// No access token, for this reason.
pub(crate) fn no_token(reason: impl fmt::Display) -> Error {
    Error::new(ErrorKind::Credential, format!("no access token: {reason}"))
}

/// The time of the call ran out before there was a token.
pub(crate) fn out_of_time() -> Error {
    no_token("the sign-in did not finish within the time of the call").timeout()
}

/// The sign-in service could not be reached, or its response broke off.
pub(crate) fn not_reached(lost: Lost) -> Error {
    no_response("the sign-in service", lost, no_token)
}

/// The sign-in service responded with an error. Of the response only what is known to hold no secret
/// is kept.
fn refused(mut received: Received, secrets: &Secrets<'_>) -> Error {
    let fault = Fault::read_sign_in(&received.body);
    let may_pass = fault.code.as_deref() == Some("temporarily_unavailable") || may_pass(received.status.as_u16());
    let wait = received.retry_after();
    let kept = [LOCATION, RETRY_AFTER].map(|name| Some((name.clone(), received.headers.get(&name)?.clone())));
    let kept = kept.into_iter().flatten().filter(|(_, value)| !value.to_str().is_ok_and(is_echo));
    received.headers = kept.collect();
    received.body = Bytes::new();
    let error = no_token("the sign-in service responded with").with_fault(fault);
    let error = error.with_received(received);
    let error = error.retrying_after(wait).redacted(secrets);
    if may_pass { error.retryable() } else { error }
}

/// Whether a sign-in with this status may succeed later: any 5xx, unlike a call's.
pub(crate) fn may_pass(status: u16) -> bool {
    matches!(status, 408 | 429 | 500..=599)
}

/// Whether the sign-in service has said that it gives no token, and will not later.
pub(crate) fn is_refusal(error: &Error) -> bool {
    !error.is_retryable() && (error.status().is_some() || !error.error_codes().is_empty())
}
