//! Identifiers that are GUIDs. `build.rs` writes one line for each schema of this kind, so that a customer
//! ID and a batch tracking ID are two types that cannot be mistaken for each other.

use uuid::Uuid;

use crate::error::Error;
use crate::pasted::{named, unwrapped, visible};
use crate::redact::beginning;

macro_rules! guid_id {
    ($(#[$meta:meta])* $name:ident, $what:literal) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, ::serde::Serialize, ::serde::Deserialize)]
        #[cfg_attr(feature = "schemars", derive(::schemars::JsonSchema))]
        #[serde(transparent)]
        pub struct $name(pub ::uuid::Uuid);

        impl ::std::ops::Deref for $name {
            type Target = ::uuid::Uuid;

            fn deref(&self) -> &::uuid::Uuid {
                &self.0
            }
        }

        impl ::std::convert::From<$name> for ::uuid::Uuid {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl ::std::convert::From<::uuid::Uuid> for $name {
            fn from(id: ::uuid::Uuid) -> Self {
                Self(id)
            }
        }

        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                self.0.fmt(f)
            }
        }

        impl ::std::str::FromStr for $name {
            type Err = crate::error::Error;

            fn from_str(text: &str) -> ::std::result::Result<Self, Self::Err> {
                crate::ids::parse($what, text).map(Self)
            }
        }

        impl ::std::convert::TryFrom<&str> for $name {
            type Error = crate::error::Error;

            fn try_from(text: &str) -> ::std::result::Result<Self, Self::Error> {
                text.parse()
            }
        }

        impl ::std::convert::TryFrom<::std::string::String> for $name {
            type Error = crate::error::Error;

            fn try_from(text: ::std::string::String) -> ::std::result::Result<Self, Self::Error> {
                text.parse()
            }
        }
    };
}

pub(crate) use guid_id;

/// An ID comes from files, pages and command lines: white space, quotes and braces around it are dropped,
/// and characters of zero width anywhere. A message names a character that nobody sees.
pub(crate) fn parse(what: &str, text: &str) -> Result<Uuid, Error> {
    let visible = visible(text);
    let mut id = unwrapped(&visible);
    while let Some(inner) = id.strip_prefix('{').and_then(|id| id.strip_suffix('}')) {
        id = unwrapped(inner);
    }
    Uuid::parse_str(id).map_err(|_| {
        let odd = id.chars().find(|c| !c.is_ascii() || c.is_ascii_control());
        let contains = odd.map(|c| format!(" contains {} and", named(c))).unwrap_or_default();
        Error::config(format!("\"{}\"{contains} is not a {what}: expected a GUID", beginning(text)))
    })
}
