//! The `error` member of a JSON object.

use std::fmt;

use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::serde_ext::Text;

/// Whether a JSON object has an `error` member that is not null, false, 0 or `""`. If there are several, the last one counts.
pub(super) struct ErrorMember(pub(super) bool);

impl<'de> Deserialize<'de> for ErrorMember {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ErrorMemberVisitor)
    }
}

struct ErrorMemberVisitor;

impl<'de> Visitor<'de> for ErrorMemberVisitor {
    type Value = ErrorMember;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ErrorMember, A::Error> {
        let mut is_error = false;
        while let Some(name) = map.next_key::<Text<'de>>()? {
            if name.0 == "error" {
                is_error = map.next_value::<Truth>()?.0;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(ErrorMember(is_error))
    }
}

/// Whether a JSON value is not null, false, 0 or `""`.
struct Truth(bool);

impl<'de> Deserialize<'de> for Truth {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TruthVisitor)
    }
}

struct TruthVisitor;

impl<'de> Visitor<'de> for TruthVisitor {
    type Value = Truth;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Truth, E> {
        Ok(Truth(false))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Truth, E> {
        Ok(Truth(value))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Truth, E> {
        Ok(Truth(number != 0))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Truth, E> {
        Ok(Truth(number != 0))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Truth, E> {
        Ok(Truth(number != 0.0))
    }

    fn visit_str<E>(self, text: &str) -> Result<Truth, E> {
        Ok(Truth(!text.is_empty()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Truth, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Truth(true))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Truth, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Truth(true))
    }
}
