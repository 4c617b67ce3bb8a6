//! Times of the service: `2017-07-25T10:00:00`, without an offset and meant as UTC.
//!
//! Plain serde reads and writes that form. Every other form that the service and its neighbours were
//! seen to write is read, too.

// The generated types use these, as far as the document has such times.
#![allow(dead_code)]

use std::collections::BTreeMap;

use chrono::format::SecondsFormat;
use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::text_visitor::TextVisitor;

/// A date and time of the service. On the wire, it has no offset and is in UTC.
pub type PartnerDateTime = DateTime<Utc>;

/// Reads what has times of the service in it, for the attributes that `build.rs` puts on fields of this type.
pub(crate) fn deserialize<'de, T: Times, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    T::OnTheWire::deserialize(deserializer).map(T::read)
}

/// Writes it as the service does.
pub(crate) fn serialize<T: Times, S: Serializer>(times: &T, serializer: S) -> Result<S::Ok, S::Error> {
    times.write().serialize(serializer)
}

/// Where times can be: alone, in a list, in a map. A time that is not set is left out.
pub(crate) trait Times {
    type OnTheWire: for<'de> Deserialize<'de> + Serialize;
    fn read(wire: Self::OnTheWire) -> Self;
    fn write(&self) -> Self::OnTheWire;
}

impl Times for Option<DateTime<Utc>> {
    type OnTheWire = Option<ServiceTime>;

    fn read(wire: Self::OnTheWire) -> Self {
        wire?.0
    }

    fn write(&self) -> Self::OnTheWire {
        self.map(|time| ServiceTime(Some(time)))
    }
}

impl Times for Vec<DateTime<Utc>> {
    type OnTheWire = Vec<ServiceTime>;

    fn read(wire: Self::OnTheWire) -> Self {
        wire.into_iter().filter_map(|time| time.0).collect()
    }

    fn write(&self) -> Self::OnTheWire {
        self.iter().map(|time| ServiceTime(Some(*time))).collect()
    }
}

impl Times for BTreeMap<String, DateTime<Utc>> {
    type OnTheWire = BTreeMap<String, ServiceTime>;

    fn read(wire: Self::OnTheWire) -> Self {
        wire.into_iter().filter_map(|(name, time)| Some((name, time.0?))).collect()
    }

    fn write(&self) -> Self::OnTheWire {
        self.iter().map(|(name, time)| (name.clone(), ServiceTime(Some(*time)))).collect()
    }
}

/// A time as the service writes it; `None` if it is not set.
pub(crate) struct ServiceTime(Option<DateTime<Utc>>);

impl<'de> Deserialize<'de> for ServiceTime {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let read = |text: &str| match any_form(text) {
            None if text.is_empty() || is_not_set(text) => Some(Self(None)),
            time => time.map(|time| Self(Some(time))),
        };
        deserializer.deserialize_str(TextVisitor("an ISO 8601 date and time", read))
    }
}

impl Serialize for ServiceTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Some(time) = self.0 else { return serializer.serialize_none() };
        let text = time.to_rfc3339_opts(SecondsFormat::AutoSi, true);
        let text = text.trim_end_matches('Z');
        // Seven digits of a fraction are usual: zeros at its end say nothing.
        serializer.serialize_str(if text.contains('.') { text.trim_end_matches('0') } else { text })
    }
}

/// Whether a text is the year one, with which .NET says that a time is not set. An offset can move it
/// to the last day of the year before.
pub(crate) fn is_not_set(text: &str) -> bool {
    let text = text.trim_ascii_start();
    (text.starts_with("0001-01-01") || text.starts_with("0000-12-31")) && other_form(text).is_some()
}

/// The time that a text stands for, in any form: without an offset it is UTC, as the documents say in
/// words.
pub(crate) fn any_form(text: &str) -> Option<DateTime<Utc>> {
    documented_form(text.as_bytes()).or_else(|| other_form(text)).filter(|time| time.year() > 1)
}

/// `2017-07-25T10:00:00`, which is nearly every time that comes.
fn documented_form(text: &[u8]) -> Option<DateTime<Utc>> {
    let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2, b'T', h1, h2, b':', n1, n2, b':', s1, s2] = *text else {
        return None;
    };
    let number = |digits: &[u8]| {
        let digit = |number: u32, digit: &u8| digit.is_ascii_digit().then(|| number * 10 + u32::from(digit - b'0'));
        digits.iter().try_fold(0, digit)
    };
    let year = i32::try_from(number(&[y1, y2, y3, y4])?).ok()?;
    let date = NaiveDate::from_ymd_opt(year, number(&[m1, m2])?, number(&[d1, d2])?)?;
    Some(date.and_hms_opt(number(&[h1, h2])?, number(&[n1, n2])?, number(&[s1, s2])?)?.and_utc())
}

#[cold]
fn other_form(text: &str) -> Option<DateTime<Utc>> {
    let text = text.trim();
    // No form is longer or begins otherwise, so that other text is refused cheaply.
    if text.len() > 64 || !text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '/' | '+' | '-')) {
        return None;
    }
    if let Some(milliseconds) = text.strip_prefix("/Date(").and_then(|rest| rest.strip_suffix(")/")) {
        // An offset behind the number is for display: the number counts from 1970 in UTC.
        let end = milliseconds.rfind(['+', '-']).filter(|place| *place > 0).unwrap_or(milliseconds.len());
        return DateTime::from_timestamp_millis(milliseconds[..end].parse().ok()?);
    }
    // ISO 8601 has a comma, too; people write a space for the T, before the offset, and a name for it.
    let text = text.strip_suffix(" UTC").or_else(|| text.strip_suffix(" GMT")).unwrap_or(text).replacen(',', ".", 1);
    let text = match text.rsplit_once(' ') {
        Some((time, offset)) if offset.starts_with(['+', '-', 'Z']) => time.to_owned() + offset,
        _ => text,
    };
    let text = text.replacen([' ', 't'], "T", 1);
    let with_offset = ["%Y-%m-%dT%H:%M:%S%.f%#z", "%Y-%m-%dT%H:%M%#z"];
    let without = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M"];
    let with_offset = with_offset.iter().find_map(|form| DateTime::parse_from_str(&text, form).ok());
    let without = || without.iter().find_map(|form| NaiveDateTime::parse_from_str(&text, form).ok());
    let date = || text.parse::<NaiveDate>().ok()?.and_hms_opt(0, 0, 0);
    let time = DateTime::parse_from_rfc3339(&text).ok().or(with_offset).map(|time| time.to_utc());
    time.or_else(|| without().or_else(date).map(|time| time.and_utc()))
}

#[cfg(feature = "schemars")]
impl schemars::JsonSchema for ServiceTime {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "PartnerDateTime".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "format": "partner-date-time" })
    }
}
