//! When to send again. So far: how long the service asks to wait.

use std::time::Duration;

use chrono::{DateTime, Utc};
use http::HeaderMap;
use http::header::RETRY_AFTER;

use crate::context::header_text;

/// The wait that an answer asks for: seconds, or a date from which the wait counts. What is in the
/// past, negative or neither is ignored.
pub(crate) fn retry_after(headers: &HeaderMap, now: DateTime<Utc>) -> Option<Duration> {
    let text = header_text(headers, &RETRY_AFTER)?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    (DateTime::<Utc>::from(date) - now).to_std().ok()
}
