//! Enums whose list of values is open: the values that the document lists, and the text of any other.
//! `build.rs` writes one line for each schema with a list; everything else about the type is here.

macro_rules! open_enum {
    (
        $(#[$meta:meta])*
        $name:ident { $($(#[$variant_meta:meta])* $variant:ident = $text:literal,)* }
        by_number [$($by_number:ident)*]
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$variant_meta])* $variant,)*
            /// A value that the specification does not list: its text as received.
            Other(::std::string::String),
        }

        impl $name {
            /// The value as the service writes it.
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $text,)*
                    Self::Other(text) => text,
                }
            }

            fn listed(text: &str) -> ::std::option::Option<Self> {
                match text {
                    $($text => return ::std::option::Option::Some(Self::$variant),)*
                    _ => {}
                }
                let by_number = &[$(Self::$by_number),*];
                let listed = &[$(Self::$variant),*];
                crate::open_enum::find(text, by_number, listed).cloned()
            }
        }

        /// Letter case, hyphens, underscores and spaces are ignored. A number stands for the value with
        /// that number, if the specification numbers the values. Any other text is kept unchanged.
        impl ::std::convert::From<&str> for $name {
            fn from(text: &str) -> Self {
                Self::listed(text).unwrap_or_else(|| Self::Other(text.to_owned()))
            }
        }

        impl ::std::convert::From<::std::string::String> for $name {
            fn from(text: ::std::string::String) -> Self {
                Self::listed(&text).unwrap_or(Self::Other(text))
            }
        }

        impl ::std::str::FromStr for $name {
            type Err = ::std::convert::Infallible;

            fn from_str(text: &str) -> ::std::result::Result<Self, Self::Err> {
                Ok(text.into())
            }
        }

        impl ::std::convert::AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                self.as_str()
            }
        }

        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl ::serde::Serialize for $name {
            fn serialize<S: ::serde::Serializer>(&self, serializer: S) -> ::std::result::Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> ::serde::Deserialize<'de> for $name {
            fn deserialize<D: ::serde::Deserializer<'de>>(deserializer: D) -> ::std::result::Result<Self, D::Error> {
                let read = |text: &str| ::std::option::Option::Some(text.into());
                deserializer.deserialize_str(crate::text_visitor::TextVisitor("a string", read))
            }
        }

        #[cfg(feature = "schemars")]
        impl ::schemars::JsonSchema for $name {
            fn schema_name() -> ::std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut ::schemars::SchemaGenerator) -> ::schemars::Schema {
                ::schemars::json_schema!({ "type": "string", "x-extensible-enum": [$($text),*] })
            }
        }
    };
}

pub(crate) use open_enum;

/// Finds the value that a text means although it does not write it exactly so.
#[cold]
pub(crate) fn find<'e, T: AsRef<str>>(text: &str, by_number: &'e [T], listed: &'e [T]) -> Option<&'e T> {
    fn letters(text: &str) -> impl Iterator<Item = char> {
        text.chars().filter(|c| !matches!(c, '-' | '_' | ' ')).map(|c| c.to_ascii_lowercase())
    }
    let text = text.trim();
    match text.parse::<usize>() {
        Ok(number) if !by_number.is_empty() => by_number.get(number),
        _ => listed.iter().find(|value| letters(value.as_ref()).eq(letters(text))),
    }
}
