//! Lists and objects of the body, and how they are offered to a type that asks for a kind of value.

use serde::de::value::{MapAccessDeserializer, StrDeserializer};
use serde::de::{
    self, Deserialize, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Unexpected, Visitor,
};
use serde::forward_to_deserialize_any;

use crate::lenient::scalar::nothing;
use crate::lenient::{Place, Step, schema};
use crate::text_visitor::TextVisitor;

/// The parts of a list or an object, with what it takes to go on behind it after its type refused it.
pub(super) struct Parts<A> {
    inner: A,
    /// How many entries or members have been begun.
    pub(super) count: usize,
    value_is_next: bool,
    /// The body is at fault, and not the type.
    pub(super) is_broken: bool,
    pub(super) was_for_struct: bool,
}

impl<A> Parts<A> {
    pub(super) fn new(inner: A) -> Self {
        Self { inner, count: 0, value_is_next: false, is_broken: false, was_for_struct: false }
    }

    fn checked<R, E>(&mut self, outcome: Result<R, E>) -> Result<R, E> {
        self.is_broken |= outcome.is_err();
        outcome
    }

    /// Reads the value of a member, which is at this place.
    fn value_at<'de, T: Deserialize<'de>>(&mut self, place: &Place<'_>) -> Result<Option<T>, A::Error>
    where
        A: MapAccess<'de>,
    {
        let mut value = None;
        self.next_value_seed(place.value(&mut value)).map_err(|error| place.fail(error))?;
        Ok(value)
    }

    pub(super) fn skip_entries<'de>(&mut self) -> Result<(), A::Error>
    where
        A: SeqAccess<'de>,
    {
        while self.next_element::<IgnoredAny>()?.is_some() {}
        Ok(())
    }

    pub(super) fn skip_members<'de>(&mut self) -> Result<(), A::Error>
    where
        A: MapAccess<'de>,
    {
        if self.value_is_next {
            self.next_value::<IgnoredAny>()?;
        }
        while self.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(())
    }
}

/// The list as it is, for types that take any value.
impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Parts<A> {
    type Error = A::Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, A::Error> {
        let element = self.inner.next_element_seed(seed);
        self.count += usize::from(!matches!(element, Ok(None)));
        self.checked(element)
    }
}

/// The object as it is, for types that take any value.
impl<'de, A: MapAccess<'de>> MapAccess<'de> for Parts<A> {
    type Error = A::Error;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, A::Error> {
        let key = self.inner.next_key_seed(seed);
        self.value_is_next = matches!(key, Ok(Some(_)));
        self.checked(key)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        self.value_is_next = false;
        let value = self.inner.next_value_seed(seed);
        self.checked(value)
    }
}

macro_rules! same_for_both {
    () => {
        forward_to_deserialize_any! {
            bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct
            tuple tuple_struct identifier ignored_any
        }

        fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, A::Error> {
            visitor.visit_some(self)
        }

        fn deserialize_newtype_struct<V: Visitor<'de>>(
            self,
            _: &'static str,
            visitor: V,
        ) -> Result<V::Value, A::Error> {
            visitor.visit_newtype_struct(self)
        }
    };
}

/// Offers a list to a type.
pub(super) struct ListOf<'l, 'p, A> {
    pub(super) list: &'l mut Parts<A>,
    pub(super) place: &'p Place<'p>,
}

impl<'de, A: SeqAccess<'de>> Deserializer<'de> for ListOf<'_, '_, A> {
    type Error = A::Error;

    same_for_both! {}
    forward_to_deserialize_any! { map enum }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, A::Error> {
        visitor.visit_seq(self.list)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, A::Error> {
        visitor.visit_seq(self)
    }

    /// Derived code would read the list by position.
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, A::Error> {
        self.list.was_for_struct = true;
        Err(de::Error::invalid_type(Unexpected::Seq, &visitor))
    }
}

/// The entries that can be read.
impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for ListOf<'_, '_, A> {
    type Error = A::Error;

    fn next_element<T: Deserialize<'de>>(&mut self) -> Result<Option<T>, A::Error> {
        loop {
            let place = self.place.below(Step::Entry(self.list.count));
            let mut entry = None;
            let is_over =
                self.list.next_element_seed(place.value(&mut entry)).map_err(|error| place.fail(error))?.is_none();
            if is_over || entry.is_some() {
                return Ok(entry);
            }
        }
    }

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, A::Error> {
        self.list.next_element_seed(seed)
    }
}

/// Offers an object to a type.
pub(super) struct ObjectOf<'o, 'p, A> {
    pub(super) object: &'o mut Parts<A>,
    pub(super) place: &'p Place<'p>,
}

impl<'de, A: MapAccess<'de>> Deserializer<'de> for ObjectOf<'_, '_, A> {
    type Error = A::Error;

    same_for_both! {}

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, A::Error> {
        visitor.visit_map(self.object)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, A::Error> {
        visitor.visit_map(Entries { object: self.object, place: self.place, key: String::new() })
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, A::Error> {
        match self.object.next_key::<IgnoredAny>()? {
            None => visitor.visit_seq(nothing()),
            Some(_) => Err(de::Error::invalid_type(Unexpected::Map, &visitor)),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        struct_name: &'static str,
        names: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, A::Error> {
        let fields = Fields { struct_name, names, seen: 0, current: 0 };
        visitor.visit_map(Members { object: self.object, place: self.place, fields })
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, A::Error> {
        visitor.visit_enum(MapAccessDeserializer::new(self.object))
    }
}

/// The members of a struct under the names that its derived code knows. A field is given once: of a member
/// that comes twice, the first counts.
struct Members<'o, 'p, A> {
    object: &'o mut Parts<A>,
    place: &'p Place<'p>,
    fields: Fields,
}

/// The fields of a struct, and those of them that the derived code has had.
struct Fields {
    struct_name: &'static str,
    names: &'static [&'static str],
    /// A bit for each.
    seen: u64,
    /// The one of the current member.
    current: usize,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Members<'_, '_, A> {
    type Error = A::Error;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, A::Error> {
        while let Some(is_field) = self.object.next_key_seed(FieldName(&mut self.fields))? {
            self.place.note_member(self.fields.struct_name, is_field);
            if is_field {
                return seed.deserialize(StrDeserializer::new(self.fields.current())).map(Some);
            }
            self.object.next_value::<IgnoredAny>()?;
        }
        Ok(None)
    }

    fn next_value<T: Deserialize<'de>>(&mut self) -> Result<T, A::Error> {
        let place = self.place.below(Step::Member(self.fields.current(), self.fields.struct_name));
        self.object.value_at(&place)?.map_or_else(|| place.absent(), Ok)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        let place = self.place.below(Step::Member(self.fields.current(), self.fields.struct_name));
        self.object.next_value_seed(seed).map_err(|error| place.fail(error))
    }
}

impl Fields {
    fn current(&self) -> &'static str {
        self.names[self.current]
    }

    /// Goes to the field of this name, if there is one that was not seen yet.
    #[inline]
    fn go_to(&mut self, name: &str) -> bool {
        let field = self.names.iter().position(|field| *field == name).or_else(|| self.position_loosely(name));
        let Some(field) = field else { return false };
        // A struct of more than 64 fields has no bit for the others: serde refuses one that comes twice.
        let bit = if field < 64 { 1 << field } else { 0 };
        let is_new = self.seen & bit == 0;
        self.seen |= bit;
        self.current = field;
        is_new
    }

    /// Microsoft's own deserializers ignore letter case.
    #[cold]
    fn position_loosely(&self, name: &str) -> Option<usize> {
        let position = |name: &str| self.names.iter().position(|field| field.eq_ignore_ascii_case(name));
        let aliases = schema(self.struct_name).map_or(&[][..], |schema| schema.aliases);
        let own_name = || aliases.iter().find(|(alias, _)| alias.eq_ignore_ascii_case(name)).map(|(_, own)| own);
        position(name).or_else(|| position(own_name()?))
    }
}

/// Reads a name, and says whether it stands for a field.
struct FieldName<'f>(&'f mut Fields);

impl<'de> DeserializeSeed<'de> for FieldName<'_> {
    type Value = bool;

    #[inline]
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_str(TextVisitor("the name of a member", |name: &str| Some(self.0.go_to(name))))
    }
}

/// The entries of a map that can be read.
struct Entries<'o, 'p, A> {
    object: &'o mut Parts<A>,
    place: &'p Place<'p>,
    /// Of the current entry.
    key: String,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Entries<'_, '_, A> {
    type Error = A::Error;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, A::Error> {
        let Some(key) = self.object.next_key()? else { return Ok(None) };
        self.key = key;
        seed.deserialize(StrDeserializer::new(&self.key)).map(Some)
    }

    fn next_value<T: Deserialize<'de>>(&mut self) -> Result<T, A::Error> {
        let place = self.place.below(Step::Key(&self.key));
        self.object.value_at(&place)?.map_or_else(|| place.absent(), Ok)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        let place = self.place.below(Step::Key(&self.key));
        self.object.next_value_seed(seed).map_err(|error| place.fail(error))
    }

    fn next_entry<K: Deserialize<'de>, T: Deserialize<'de>>(&mut self) -> Result<Option<(K, T)>, A::Error> {
        while let Some(key) = self.next_key()? {
            if let Some(value) = self.object.value_at(&self.place.below(Step::Key(&self.key)))? {
                return Ok(Some((key, value)));
            }
        }
        Ok(None)
    }
}
