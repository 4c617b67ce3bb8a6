//! Readers for the fields of generated types: what the service is known to send, or its peers were
//! seen to choke on, is read as what it means. build.rs names these functions by field type.
//!
//! In all of them null is the same as a missing member. What has no sensible reading (a status
//! that is an object, a time that is prose) is an error that names the field: guessing would hide it.

use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

use chrono::{DateTime, Datelike, NaiveDateTime, Utc};
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Unexpected, Visitor};

/// A text, a number or a boolean, each as its text: `errorCode` is `"808"` or `808`.
pub(crate) struct Scalar(pub(crate) String);

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ScalarVisitor;

        impl Visitor<'_> for ScalarVisitor {
            type Value = Scalar;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text, a number or a boolean")
            }

            fn visit_str<E>(self, value: &str) -> Result<Scalar, E> {
                Ok(Scalar(value.to_owned()))
            }

            fn visit_bool<E>(self, value: bool) -> Result<Scalar, E> {
                Ok(Scalar(value.to_string()))
            }

            fn visit_i64<E>(self, value: i64) -> Result<Scalar, E> {
                Ok(Scalar(value.to_string()))
            }

            fn visit_u64<E>(self, value: u64) -> Result<Scalar, E> {
                Ok(Scalar(value.to_string()))
            }

            fn visit_f64<E: de::Error>(self, value: f64) -> Result<Scalar, E> {
                // Beyond, its last digits are lost: no text is better than a wrong one.
                let is_exact = value.abs() < (1_u64 << f64::MANTISSA_DIGITS) as f64;
                if is_exact {
                    Ok(Scalar(value.to_string()))
                } else {
                    Err(E::invalid_value(Unexpected::Float(value), &self))
                }
            }
        }

        // Not by way of a `Value`, which builds what it is then refused for: a list of 64 MiB, say.
        deserializer.deserialize_any(ScalarVisitor)
    }
}

/// Reads an optional text.
pub(crate) fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(Option::deserialize(deserializer)?.map(|Scalar(text)| text))
}

/// Reads an optional number, boolean or id, also from its text (`"5"`). Empty is none.
pub(crate) fn parsed<'de, D: Deserializer<'de>, T: FromStr<Err: fmt::Display>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    let Some(text) = text(deserializer)? else { return Ok(None) };
    match text.trim() {
        "" => Ok(None),
        text => text.parse().map(Some).map_err(|error| de::Error::custom(format_args!("{text:?}: {error}"))),
    }
}

/// An object; empty, in any form, is none. Serde alone would read a list by position.
struct Object<T>(Option<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ObjectVisitor<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
            type Value = Object<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_unit<E>(self) -> Result<Object<T>, E> {
                Ok(Object(None))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Object<T>, E> {
                if text.is_empty() { Ok(Object(None)) } else { Err(E::invalid_type(Unexpected::Str(text), &self)) }
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<Object<T>, A::Error> {
                match entries.next_element::<IgnoredAny>()? {
                    None => Ok(Object(None)),
                    Some(_) => Err(de::Error::invalid_type(Unexpected::Seq, &self)),
                }
            }

            fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Object<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(members)).map(|object| Object(Some(object)))
            }
        }

        deserializer.deserialize_any(ObjectVisitor(PhantomData))
    }
}

/// Reads an optional object.
pub(crate) fn object<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    Ok(Object::deserialize(deserializer)?.0)
}

/// Reads a list of objects; empty, in any form, is an empty one. Entries that are none are left out, and
/// take no room: the bound on objects does not count them.
pub(crate) fn objects<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    struct ObjectsVisitor<T>(PhantomData<T>);

    impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectsVisitor<T> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list of objects")
        }

        fn visit_unit<E>(self) -> Result<Vec<T>, E> {
            Ok(Vec::new())
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<Vec<T>, E> {
            if text.is_empty() { Ok(Vec::new()) } else { Err(E::invalid_type(Unexpected::Str(text), &self)) }
        }

        fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Vec<T>, A::Error> {
            match members.next_key::<IgnoredAny>()? {
                None => Ok(Vec::new()),
                Some(_) => Err(de::Error::invalid_type(Unexpected::Map, &self)),
            }
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<Vec<T>, A::Error> {
            let mut objects = Vec::new();
            while let Some(Object(object)) = entries.next_element()? {
                objects.extend(object);
            }
            Ok(objects)
        }
    }

    deserializer.deserialize_any(ObjectsVisitor(PhantomData))
}

/// Reads a list or map of anything else. The document has none yet.
#[allow(dead_code)]
pub(crate) fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// Reads an optional time. Without offset it is UTC, as the documents say in words.
/// Empty and the year one (the "not set" of .NET) are none.
pub(crate) fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<DateTime<Utc>>, D::Error> {
    let Some(text) = Option::<String>::deserialize(deserializer)? else { return Ok(None) };
    parse_time(&text).map_err(|()| de::Error::invalid_value(Unexpected::Str(&text), &"an ISO 8601 date and time"))
}

fn parse_time(text: &str) -> Result<Option<DateTime<Utc>>, ()> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    // ISO 8601 also has offsets without colon, and people write a space for the T or before the offset.
    let text = match text.rsplit_once(' ') {
        Some((time, offset)) if offset.starts_with(['+', '-', 'Z']) => time.to_owned() + offset,
        _ => text.to_owned(),
    };
    let text = text.replacen(' ', "T", 1);
    let time = DateTime::parse_from_rfc3339(&text)
        .or_else(|_| DateTime::parse_from_str(&text, "%Y-%m-%dT%H:%M:%S%.f%#z"))
        .map(|time| time.to_utc())
        .or_else(|_| text.parse::<NaiveDateTime>().map(|time| time.and_utc()))
        .map_err(|_| ())?;
    // An offset can move the sentinel to the last day of the year before.
    Ok((time.year() > 1).then_some(time))
}

#[cfg(test)]
mod tests {
    #[test]
    fn entries_that_are_none_take_no_room() {
        for none in ["null", "[]", "\"\""] {
            let list = format!("[{}{none}]", format!("{none},").repeat(1000));
            let list = super::objects::<_, crate::models::DeviceBatch>(&mut serde_json::Deserializer::from_str(&list));
            assert!(list.is_ok_and(|list| list.capacity() == 0), "{none}");
        }
    }
}
