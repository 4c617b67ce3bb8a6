//! A span for each call and, within it, one for each request, with the fields that OpenTelemetry gives to
//! HTTP clients; and the events of both.

use http::StatusCode;
use reqwest::Request;
use tracing::field::{Empty, debug};
use tracing::{Span, info_span};
use url::Position;

use crate::error::{Error, ErrorKind};
use crate::headers::CallIds;
use crate::response::Response;

/// The span of a call.
pub(crate) fn call(operation: &str, url_template: Option<&str>, ids: CallIds) -> Span {
    info_span!(
        "partner_center",
        otel.name = operation,
        otel.kind = "internal",
        url.template = url_template,
        http.response.status_code = Empty,
        error.type = Empty,
        otel.status_code = Empty,
        partner_center.attempts = Empty,
        partner_center.request_id = %ids.request_id,
        partner_center.correlation_id = %ids.correlation_id,
    )
}

/// The span of the n-th request of a call, from 1.
pub(crate) fn request(request: &Request, url_template: Option<&str>, n: u32) -> Span {
    let (method, url) = (request.method().as_str(), request.url());
    info_span!(
        "http_request",
        otel.name = [method, url_template.unwrap_or_default()].join(" ").trim_end(),
        otel.kind = "client",
        http.request.method = method,
        http.request.resend_count = n.checked_sub(1).filter(|count| *count > 0),
        server.address = url.host_str().map(|host| host.trim_matches(['[', ']'])),
        server.port = url.port_or_known_default(),
        // Without the query, which may hold a secret of the caller.
        url.full = &url[..Position::AfterPath],
        url.template = url_template,
        http.response.status_code = Empty,
        error.type = Empty,
        otel.status_code = Empty,
    )
}

/// Records what a call or a request came to.
pub(crate) fn record<T>(span: &Span, outcome: &Result<Response<T>, Error>) {
    let status = match outcome {
        Ok(response) => Some(response.http_status()),
        Err(error) => error.status().filter(|_| error.kind() != ErrorKind::Credential),
    };
    if let Some(status) = status {
        span.record("http.response.status_code", status.as_u16());
    }
    if let Err(error) = outcome {
        span.record("otel.status_code", "ERROR");
        match status.filter(|status| error.kind() == ErrorKind::Service && *status != StatusCode::OK) {
            Some(status) => span.record("error.type", status.as_str()),
            None if error.is_timeout() => span.record("error.type", "timeout"),
            None => span.record("error.type", debug(error.kind())),
        };
    }
}

/// The event of an attempt.
pub(crate) fn log_attempt<T>(attempt: u32, outcome: &Result<Response<T>, Error>) {
    match outcome {
        Ok(response) => {
            let unreadable = response.unreadable_members();
            if let Some(first) = unreadable.first() {
                tracing::warn!(count = unreadable.len(), %first, "members of the response cannot be read and are absent");
            }
            tracing::debug!(attempt, http.response.status_code = response.http_status().as_u16(), "responded");
        }
        Err(error) => {
            let status = error.status().map(|status| status.as_u16());
            tracing::debug!(attempt, http.response.status_code = status, error = %error, retryable = error.is_retryable(), "failed");
        }
    }
}
