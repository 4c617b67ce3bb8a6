//! How a type of this crate that is text on the wire is made of it.

use std::fmt;

use serde::de::{Error, Unexpected, Visitor};

/// Reads a text by this function, if that takes it, and otherwise says what was expected.
pub(crate) struct TextVisitor<F>(pub(crate) &'static str, pub(crate) F);

impl<T, F: FnOnce(&str) -> Option<T>> Visitor<'_> for TextVisitor<F> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        (self.1)(text).ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self.0))
    }
}
