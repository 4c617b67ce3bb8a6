//! Values without parts, and how they are offered to a type that asks for a kind of value.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::{MapDeserializer, SeqDeserializer};
use serde::de::{self, Deserializer, IntoDeserializer, Visitor};
use serde::forward_to_deserialize_any;

use crate::time::{any_form, is_not_set};

#[derive(Clone, Copy)]
pub(super) enum Scalar<'v> {
    Null,
    Bool(bool),
    Signed(i64),
    Unsigned(u64),
    Float(f64),
    Text(&'v str),
}

/// Without quotes.
impl fmt::Display for Scalar<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(value) => value.fmt(f),
            Self::Signed(value) => value.fmt(f),
            Self::Unsigned(value) => value.fmt(f),
            Self::Float(value) => value.fmt(f),
            Self::Text(text) => f.write_str(text),
        }
    }
}

impl<'v> Scalar<'v> {
    /// Whether this means nothing to a type that is not text: `null`, `""`, or .NET's unset time.
    pub(super) fn is_absent(self) -> bool {
        matches!(self, Self::Null) || matches!(self, Self::Text(text) if text.trim().is_empty() || is_not_set(text))
    }

    /// Tries the other forms of this value until one fits: a time in the standard form, its date, the
    /// number in a text, `5.0` as 5, the text of a number.
    pub(super) fn fits_in_another_form(self, fits: &mut dyn FnMut(Scalar<'_>) -> bool) -> bool {
        let Self::Text(text) = self else {
            return self.whole().is_some_and(&mut *fits) || self.text().is_some_and(|text| fits(Scalar::Text(&text)));
        };
        let time = any_form(text).map(|time| time.to_rfc3339());
        let date = time.as_deref().and_then(|time| time.get(..10));
        let mut texts = [Some(text.trim()), time.as_deref(), date].into_iter().flatten();
        texts.any(|text| fits(Scalar::Text(text)))
            || Self::in_text(text).is_some_and(|number| fits(number) || number.whole().is_some_and(fits))
    }

    /// The number or boolean that a text stands for.
    fn in_text(text: &str) -> Option<Self> {
        let text = text.trim();
        let signed = text.parse().map(Self::Signed);
        let unsigned = || text.parse().map(Self::Unsigned);
        let float = || text.parse().ok().filter(|value: &f64| value.is_finite()).map(Self::Float);
        let bool = || text.to_ascii_lowercase().parse().map(Self::Bool).ok();
        signed.or_else(|_| unsigned()).ok().or_else(float).or_else(bool)
    }

    fn whole(self) -> Option<Self> {
        match self {
            Self::Float(value) if value.fract() == 0.0 && is_exact(value) => Some(Self::Signed(value as i64)),
            _ => None,
        }
    }

    /// The text of a number or boolean, unless digits of it were lost in reading it.
    fn text(self) -> Option<String> {
        match self {
            Self::Null => None,
            Self::Float(value) if !is_exact(value) => None,
            value => Some(value.to_string()),
        }
    }
}

/// Beyond this, a number has lost its last digits: no text is better than a wrong one.
fn is_exact(value: f64) -> bool {
    value.abs() < (1_u64 << f64::MANTISSA_DIGITS) as f64
}

/// Says only that a type refused a scalar: another offer follows most refusals, so it costs nothing.
#[derive(Debug)]
pub(super) struct Refused;

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("refused")
    }
}

impl std::error::Error for Refused {}

impl de::Error for Refused {
    fn custom<M: fmt::Display>(_: M) -> Self {
        Self
    }
}

/// Offers a scalar to a type, with errors of type `E`.
pub(super) struct Offer<'v, E> {
    value: Scalar<'v>,
    error: PhantomData<E>,
}

impl<'v, E: de::Error> Offer<'v, E> {
    pub(super) fn new(value: Scalar<'v>) -> Self {
        Self { value, error: PhantomData }
    }

    fn is_empty(&self) -> bool {
        matches!(self.value, Scalar::Null | Scalar::Text(""))
    }
}

pub(super) fn nothing<E>() -> SeqDeserializer<std::iter::Empty<()>, E> {
    SeqDeserializer::new(std::iter::empty())
}

impl<'de, E: de::Error> Deserializer<'de> for Offer<'_, E> {
    type Error = E;

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char string bytes byte_buf unit unit_struct tuple
        tuple_struct struct identifier ignored_any
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, E> {
        match self.value {
            Scalar::Null => visitor.visit_unit(),
            Scalar::Bool(value) => visitor.visit_bool(value),
            Scalar::Signed(value) => visitor.visit_i64(value),
            Scalar::Unsigned(value) => visitor.visit_u64(value),
            Scalar::Float(value) => visitor.visit_f64(value),
            Scalar::Text(text) => visitor.visit_str(text),
        }
    }

    /// Types that are not text themselves ask for it in this way. To a time, the year one is no time.
    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, E> {
        match self.value {
            Scalar::Text(text) if is_not_set(text) => Err(E::custom("a time that is not set")),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, E> {
        if self.is_empty() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, E> {
        if self.is_empty() { visitor.visit_seq(nothing()) } else { self.deserialize_any(visitor) }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, E> {
        let nothing = MapDeserializer::new(std::iter::empty::<(&str, &str)>());
        if self.is_empty() { visitor.visit_map(nothing) } else { self.deserialize_any(visitor) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, E> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, E> {
        match self.value.text() {
            Some(name) => visitor.visit_enum(name.into_deserializer()),
            None => self.deserialize_any(visitor),
        }
    }
}
