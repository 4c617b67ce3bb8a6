//! The span of a call and the events of its attempts, as OpenTelemetry names them for HTTP clients.

use url::Url;

use crate::error::{Error, ErrorKind};
use crate::headers::CallIds;
use crate::response::Response;

/// One span for each call.
pub(crate) fn span(base_url: &Url, ids: CallIds) -> tracing::Span {
    tracing::info_span!(
        "partner_center",
        otel.name = tracing::field::Empty,
        otel.kind = "client",
        http.request.method = tracing::field::Empty,
        server.address = base_url.host_str().map(|host| host.trim_matches(['[', ']'])),
        server.port = base_url.port_or_known_default(),
        url.full = tracing::field::Empty,
        http.response.status_code = tracing::field::Empty,
        http.request.resend_count = tracing::field::Empty,
        error.type = tracing::field::Empty,
        otel.status_code = tracing::field::Empty,
        partner_center.request_id = %ids.request_id,
        partner_center.correlation_id = %ids.correlation_id,
    )
}

/// Records how a call ended, in the fields that OpenTelemetry defines for HTTP clients.
pub(crate) fn record<T>(span: &tracing::Span, attempts: u32, outcome: &Result<Response<T>, Error>) {
    if attempts > 1 {
        span.record("http.request.resend_count", attempts - 1);
    }
    let status = match outcome {
        Ok(response) => Some(response.http_status()),
        Err(error) => error.status().filter(|_| error.kind() != ErrorKind::Credential),
    };
    if let Some(status) = status {
        span.record("http.response.status_code", status.as_u16());
    }
    if let Err(error) = outcome {
        span.record("otel.status_code", "ERROR");
        match status.filter(|status| error.kind() == ErrorKind::Service && *status != http::StatusCode::OK) {
            Some(status) => span.record("error.type", status.as_str()),
            None => span.record("error.type", tracing::field::debug(error.kind())),
        };
    }
}

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
