//! Reads JSON the way the service means it, into plain derived types of any shape.
//!
//! The rules belong to the kind of value that a type asks its deserializer for, so no field of a
//! generated type needs an attribute, and a change of the document needs no change here:
//!
//! - a string also reads a number or a boolean; a number or a boolean also reads its text;
//! - an option reads `null` and `""` as absent;
//! - a list or a map reads `null`, `""` and `{}` as empty, and skips entries that are `null`;
//! - a struct reads an object only. Its members match in any letter case, or by the second name that
//!   the document gives them; of a member that comes twice, the first counts;
//! - a member that cannot be read is absent and reported, unless the document marks it as essential.
//!
//! Every value is offered to its type as it arrives. A scalar that is refused is offered again in
//! another form, and a list or an object that is refused is skipped: one pass, and no buffer.

mod compound;
mod scalar;

use std::cell::{Cell, RefCell};
use std::fmt;

use serde::de::{self, Deserialize, DeserializeOwned, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Error;

use crate::generated::SCHEMAS;
use crate::lenient::compound::{ListOf, ObjectOf, Parts};
use crate::lenient::scalar::{Offer, Refused, Scalar};
use crate::redact::{Secrets, on_one_line};

/// What the document says about one of its structs, as far as reading needs it. `build.rs` writes them.
pub(crate) struct Schema {
    pub(crate) name: &'static str,
    /// Members that decide what a response means: they must be readable.
    pub(crate) essential: &'static [&'static str],
    /// Second names of members, each with the member's own name.
    pub(crate) aliases: &'static [(&'static str, &'static str)],
}

fn schema(of: &str) -> Option<&'static Schema> {
    SCHEMAS.iter().find(|schema| schema.name == of)
}

/// A member of a response that could not be read and is therefore absent. The rest of the response is
/// not affected.
///
/// From [`Response::unreadable_members`](crate::Response::unreadable_members), which has an example.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct UnreadableMember {
    path: String,
    text: String,
}

impl UnreadableMember {
    /// Hides echoes of the secrets: the text is unescaped, unlike the body.
    pub(crate) fn redact(&mut self, secrets: &Secrets<'_>) {
        secrets.hide_in(&mut self.path);
        secrets.hide_in(&mut self.text);
    }

    /// Where the member is: `devicesStatus[1].attributes`, for example.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The value as received, on one line and at most 200 characters long: a string without its
    /// quotes, `[…]` for a list, `{…}` for an object.
    pub fn text(&self) -> &str {
        &self.text
    }
}

/// The path and the value.
impl fmt::Display for UnreadableMember {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`: {}", self.path, self.text)
    }
}

/// A server could send millions of them.
const MAX_REPORTED: usize = 100;

/// Why a body cannot be read.
#[derive(Debug)]
pub(crate) struct ReadError {
    /// The path of the value at fault; empty for the body as a whole.
    pub(crate) path: String,
    pub(crate) source: Error,
    pub(crate) members: MembersSeen,
}

/// Which members the body has, read as an object.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) enum MembersSeen {
    /// It is empty, or its type takes any member.
    #[default]
    Any,
    /// At least one that its type has.
    Expected,
    /// Only members that its type, from the document or from the caller, does not have.
    Unexpected { of_document: bool },
}

/// A value, and what of it could not be read.
pub(crate) type Read<T> = Result<(T, Vec<UnreadableMember>), ReadError>;

impl ReadError {
    pub(crate) fn new(what: &str) -> Self {
        Self { path: String::new(), source: de::Error::custom(what), members: MembersSeen::Any }
    }
}

/// Reads a whole body, without byte-order mark.
pub(crate) fn from_slice<T: DeserializeOwned>(body: &[u8]) -> Read<T> {
    from_slice_unless(body, |_| false)
}

/// The same, but fails if this says so of the members.
pub(crate) fn from_slice_unless<T: DeserializeOwned>(
    body: &[u8],
    is_unusable: impl FnOnce(MembersSeen) -> bool,
) -> Read<T> {
    let reading = Reading::default();
    let root = Place { reading: &reading, parent: None, step: Step::Root };
    // Checked once as a whole, which is faster than string by string.
    let read = str::from_utf8(body).map_err(de::Error::custom).and_then(|text| {
        let mut json = serde_json::Deserializer::from_str(text);
        let mut found = None;
        root.value(&mut found).deserialize(&mut json)?;
        json.end()?;
        found.ok_or_else(|| de::Error::custom("expected an object or a list"))
    });
    let Reading { unreadable, failed_at, members } = reading;
    let (path, members) = (failed_at.into_inner().unwrap_or_default(), members.get());
    let value = read.map_err(|source| ReadError { path, source, members })?;
    // Every member is optional, so any object would do.
    if members == (MembersSeen::Unexpected { of_document: true }) || is_unusable(members) {
        return Err(ReadError { members, ..ReadError::new("it has none of the documented members") });
    }
    Ok((value, unreadable.into_inner()))
}

/// What is known of one reading as a whole.
#[derive(Default)]
struct Reading {
    unreadable: RefCell<Vec<UnreadableMember>>,
    /// The path of the value that ends the reading.
    failed_at: RefCell<Option<String>>,
    members: Cell<MembersSeen>,
}

/// Where a value is. Places are linked on the stack, so a path costs nothing until it is needed.
struct Place<'p> {
    reading: &'p Reading,
    parent: Option<&'p Place<'p>>,
    step: Step<'p>,
}

enum Step<'p> {
    Root,
    /// The name of a member, and of its struct.
    Member(&'p str, &'static str),
    /// Of a map.
    Key(&'p str),
    Entry(usize),
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.parent.map_or(Ok(()), |parent| parent.fmt(f))?;
        match self.step {
            Step::Root => Ok(()),
            Step::Member(name, _) | Step::Key(name) => {
                let is_first = self.parent.is_none_or(|parent| parent.parent.is_none());
                write!(f, "{}{name}", if is_first { "" } else { "." })
            }
            Step::Entry(index) => write!(f, "[{index}]"),
        }
    }
}

impl<'p> Place<'p> {
    #[inline]
    fn below(&'p self, step: Step<'p>) -> Self {
        Self { reading: self.reading, parent: Some(self), step }
    }

    /// Whether the value must be readable. An entry is what its list or map is; what is in a type that the
    /// document does not have, always.
    fn is_essential(&self) -> bool {
        match self.step {
            Step::Member(name, of) => schema(of).is_none_or(|schema| schema.essential.contains(&name)),
            _ => self.parent.is_none_or(Place::is_essential),
        }
    }

    /// Reads the value of this place.
    fn value<T>(&'p self, found: &'p mut Option<T>) -> Value<'p, T> {
        Value { place: self, found }
    }

    /// Notes a member of the body itself, as a member of this struct.
    #[inline]
    fn note_member(&self, of: &str, is_expected: bool) {
        let members = &self.reading.members;
        if self.parent.is_some() || members.get() == MembersSeen::Expected {
            return;
        }
        members.set(match is_expected {
            true => MembersSeen::Expected,
            false => MembersSeen::Unexpected { of_document: schema(of).is_some() },
        });
    }

    /// Marks this place as the one at fault, unless a deeper one is already.
    #[cold]
    fn fail<E>(&self, error: E) -> E {
        self.reading.failed_at.borrow_mut().get_or_insert_with(|| on_one_line(&self.to_string()));
        error
    }

    /// Reports a value that is left out; fails if it must not be.
    #[cold]
    fn leave_out<E>(&self, text: impl fmt::Display, error: impl FnOnce() -> E) -> Result<(), E> {
        if self.is_essential() {
            return Err(self.fail(error()));
        }
        let mut unreadable = self.reading.unreadable.borrow_mut();
        if unreadable.len() < MAX_REPORTED {
            let (path, text) = (on_one_line(&self.to_string()), on_one_line(&text.to_string()));
            unreadable.push(UnreadableMember { path, text });
        }
        Ok(())
    }

    /// What a type makes of a value that is absent.
    fn absent<'de, T: Deserialize<'de>, E: de::Error>(&self) -> Result<T, E> {
        T::deserialize(Offer::new(Scalar::Null)).map_err(|error| self.fail(error))
    }
}

/// Reads one value, whatever it is, as a `T`, into where it belongs: structs are large, and every way back
/// would copy them. Leaves `None` there if the value is to be left out.
struct Value<'p, T> {
    place: &'p Place<'p>,
    found: &'p mut Option<T>,
}

impl<'de, T: Deserialize<'de>> DeserializeSeed<'de> for Value<'_, T> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

macro_rules! scalars {
    ($($visit:ident($type:ty) => $scalar:ident),*) => {
        $(fn $visit<E: de::Error>(self, value: $type) -> Result<(), E> {
            self.scalar(Scalar::$scalar(value))
        })*
    };
}

/// `null` arrives as a unit, and strings of the body as they are or unescaped.
impl<'de, T: Deserialize<'de>> Visitor<'de> for Value<'_, T> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    scalars! { visit_bool(bool) => Bool, visit_i64(i64) => Signed, visit_u64(u64) => Unsigned, visit_f64(f64) => Float,
    visit_str(&str) => Text }

    fn visit_unit<E: de::Error>(self) -> Result<(), E> {
        match self.place.step {
            Step::Entry(_) | Step::Key(_) => Ok(()),
            Step::Root | Step::Member(..) => self.scalar(Scalar::Null),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<(), A::Error> {
        let mut list = Parts::new(list);
        match T::deserialize(ListOf { list: &mut list, place: self.place }) {
            Ok(value) => *self.found = Some(value),
            Err(error) if self.is_over(&list) => return Err(self.place.fail(error)),
            Err(error) => {
                list.skip_entries()?;
                // Some servers write an absent object as an empty list.
                let is_absent_object = list.was_for_struct && list.count == 0;
                if is_absent_object { self.absent() } else { self.place.leave_out("[…]", || error)? }
            }
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<(), A::Error> {
        let mut object = Parts::new(object);
        match T::deserialize(ObjectOf { object: &mut object, place: self.place }) {
            Ok(value) => *self.found = Some(value),
            Err(error) if self.is_over(&object) => return Err(self.place.fail(error)),
            Err(error) => {
                object.skip_members()?;
                self.place.leave_out("{…}", || error)?;
            }
        }
        Ok(())
    }
}

impl<'de, T: Deserialize<'de>> Value<'_, T> {
    #[inline]
    fn scalar<E: de::Error>(self, value: Scalar<'_>) -> Result<(), E> {
        match T::deserialize(Offer::new(value)) {
            Ok(value) => *self.found = Some(value),
            Err(Refused) => self.refused(value)?,
        }
        Ok(())
    }

    /// Offers a scalar in the other forms that it may have been meant in.
    #[cold]
    fn refused<E: de::Error>(self, value: Scalar<'_>) -> Result<(), E> {
        if value.is_absent() {
            self.absent();
            return Ok(());
        }
        let fits = &mut |form: Scalar<'_>| {
            *self.found = T::deserialize(Offer::<Refused>::new(form)).ok();
            self.found.is_some()
        };
        if value.fits_in_another_form(fits) {
            return Ok(());
        }
        // Once more, for the words.
        let words = || T::deserialize(Offer::new(value)).err().unwrap_or_else(|| E::custom("refused"));
        self.place.leave_out(value, words)
    }

    fn absent(self) {
        *self.found = T::deserialize(Offer::<Refused>::new(Scalar::Null)).ok();
    }

    /// Whether the body cannot be read further: it is broken, or an essential part of it was refused.
    fn is_over<A>(&self, parts: &Parts<A>) -> bool {
        parts.is_broken || self.place.reading.failed_at.borrow().is_some()
    }
}
