//! How long a response asks to wait before the next request: in its headers or, as a gateway does, in the
//! words of its body.

use std::time::{Duration, SystemTime};

use http::HeaderMap;
use http::header::{DATE, HeaderName, RETRY_AFTER};

/// Units, in milliseconds.
const MILLISECOND: u32 = 1;
const SECOND: u32 = 1000;

/// Headers with a wait, and the unit of a number in them.
const HEADERS: [(HeaderName, u32); 3] = [
    (RETRY_AFTER, SECOND),
    (HeaderName::from_static("retry-after-ms"), MILLISECOND),
    (HeaderName::from_static("x-ms-retry-after-ms"), MILLISECOND),
];

/// What stands before a number of seconds in a message.
const BEFORE: [&str; 4] = ["again in ", "again after ", "retry after ", "retry in "];

/// A message is shorter.
const LONGEST_MESSAGE: usize = 64 << 10;

/// The longest wait in the headers. Dates count from the `Date` of the same response, so that a clock that
/// is wrong does no harm, and without one from now. What is in the past, negative or no wait is ignored.
pub(crate) fn in_headers(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let date = headers.get(DATE).and_then(|date| httpdate::parse_http_date(date.to_str().ok()?).ok());
    let texts = |(name, unit): (HeaderName, u32)| {
        headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).map(move |text| (text, unit))
    };
    HEADERS.into_iter().flat_map(texts).filter_map(|(text, unit)| wait(text.trim(), unit, date.unwrap_or(now))).max()
}

/// The wait in a message such as "Rate limit is exceeded. Try again in 57 seconds."
pub(crate) fn in_words(body: &[u8]) -> Option<Duration> {
    let text = String::from_utf8_lossy(&body[..body.len().min(LONGEST_MESSAGE)]).to_ascii_lowercase();
    let waits = BEFORE.iter().flat_map(|before| text.split(before).skip(1));
    waits.filter_map(|rest| amount(rest, None)).max()
}

/// One value; or several, where something on the way has joined repeated headers.
fn wait(text: &str, unit: u32, date: SystemTime) -> Option<Duration> {
    if let Ok(until) = httpdate::parse_http_date(text) {
        return until.duration_since(date).ok();
    }
    text.split(',').filter_map(|text| amount(&text.trim().to_ascii_lowercase(), Some(unit))).max()
}

/// A number at the beginning of the text, with the unit behind it or this one. A number that is too large
/// for a time is the longest time.
fn amount(text: &str, unit: Option<u32>) -> Option<Duration> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, rest) = text.split_at(end);
    let word = rest.trim_start().split(|c: char| !c.is_ascii_alphabetic()).next();
    let unit = match word {
        Some("ms" | "milliseconds" | "millisecond") => MILLISECOND,
        Some("s" | "sec" | "secs" | "second" | "seconds") => SECOND,
        Some("m" | "min" | "mins" | "minute" | "minutes") => 60 * SECOND,
        Some("h" | "hour" | "hours") => 3600 * SECOND,
        _ if rest.is_empty() => unit?,
        _ => return None,
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if fraction.contains('.') || whole.is_empty() && fraction.is_empty() {
        return None;
    }
    // Of digits only, so that it fails if it is too large.
    let Ok(whole) = format!("0{whole}").parse::<u64>() else { return Some(Duration::MAX) };
    let fraction: f64 = format!("0.{fraction}0").parse().ok()?;
    // Rounded up: who asks too early is throttled again.
    let milliseconds = u128::from(whole) * u128::from(unit) + (fraction * f64::from(unit)).ceil() as u128;
    let Ok(seconds) = u64::try_from(milliseconds / 1000) else { return Some(Duration::MAX) };
    Some(Duration::from_secs(seconds) + Duration::from_millis((milliseconds % 1000) as u64))
}
