//! Additions to serde's derive: structs that are JSON objects only, integers that are never rounded, strings that are
//! borrowed if possible, and enumerations that keep unknown strings.

use std::borrow::Cow;
use std::fmt;

use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde::forward_to_deserialize_any;

/// A deserializer that reads a derived struct, or enumeration with a tag, from a JSON object only.
///
/// The derive also accepts an array of the fields in order, so that `[]` would be a record without fields. The contract has
/// objects only.
pub(crate) struct Object<D>(pub(crate) D);

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Object<D> {
    type Error = D::Error;

    // An enumeration with a tag is read by this one.
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_map(visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.0.deserialize_map(visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

/// Defines a struct of the contract, with serde's traits.
///
/// The `#[serde(..)]` of the fields go to a private mirror of the struct. A derive with `remote` adds an inherent
/// `deserialize` to its type. On a public type, callers could use it to bypass [`Object`].
macro_rules! object {
    (
        $(#[doc = $doc:literal])*
        $(#[derive($derive:ident)])?
        #[serde(expecting = $expecting:literal)]
        pub struct $name:ident {
            $(
                $(#[doc = $field_doc:literal])*
                $(#[serde($($serde:tt)*)])?
                $visible:vis $field:ident: $type:ty,
            )+
        }
    ) => {
        $(#[doc = $doc])*
        #[derive(Clone, Debug, PartialEq, Eq $(, $derive)?)]
        #[non_exhaustive]
        pub struct $name {
            $($(#[doc = $field_doc])* $visible $field: $type,)+
        }

        $crate::serde_ext::object_traits! {
            #[serde(remote = "Remote", expecting = $expecting)]
            struct $name {
                $($(#[serde($($serde)*)])? $field: $type,)+
            }
        }
    };
}
pub(crate) use object;

/// Implements serde's traits for a type, by a mirror that derives them. Reads it through [`Object`].
macro_rules! object_traits {
    (#[$serde:meta] $keyword:ident $name:ident { $($fields:tt)+ }) => {
        const _: () = {
            type Remote = $name;

            #[derive(serde::Serialize, serde::Deserialize)]
            #[$serde]
            $keyword Mirror { $($fields)+ }

            impl<'de> serde::Deserialize<'de> for $name {
                fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                    Mirror::deserialize($crate::serde_ext::Object(deserializer))
                }
            }

            impl serde::Serialize for $name {
                fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                    Mirror::serialize(self, serializer)
                }
            }
        };
    };
}
pub(crate) use object_traits;

/// A string of the input, borrowed if it has no escapes.
#[derive(Debug)]
pub(crate) struct Text<'a>(pub(crate) Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(TextVisitor)
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Text<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Text(Cow::Borrowed(text)))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        self.visit_string(text.to_owned())
    }

    fn visit_string<E: de::Error>(self, text: String) -> Result<Self::Value, E> {
        Ok(Text(Cow::Owned(text)))
    }
}

/// An integer of the contract: 64 bits. `1.0` is 1. A number that cannot be represented exactly is an error.
#[derive(Debug)]
pub(crate) struct Integer(pub(crate) i64);

impl<'de> Deserialize<'de> for Integer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Not `deserialize_i64`, because serde's buffered content would reject `1.0` there.
        deserializer.deserialize_any(IntegerVisitor).map(Self)
    }
}

pub(crate) struct IntegerVisitor;

impl Visitor<'_> for IntegerVisitor {
    type Value = i64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an integer of 64 bits")
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<i64, E> {
        Ok(number)
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<i64, E> {
        i64::try_from(number).map_err(|_| E::invalid_value(de::Unexpected::Unsigned(number), &self))
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<i64, E> {
        // Up to 2^53 every integer has its own float. Beyond, digits may already be lost.
        const EXACT: f64 = 9_007_199_254_740_992.0;
        if number.fract() == 0.0 && number.abs() < EXACT {
            Ok(number as i64)
        } else {
            Err(E::invalid_value(de::Unexpected::Float(number), &self))
        }
    }
}

/// Reads an optional integer, for `#[serde(deserialize_with)]`.
pub(crate) fn optional_integer<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    Ok(Option::<Integer>::deserialize(deserializer)?.map(|integer| integer.0))
}

/// Reads a flag that is `false` if absent or null, for `#[serde(deserialize_with)]`.
pub(crate) fn optional_flag<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// Defines an enumeration of strings that may grow. Unknown strings are kept as received.
macro_rules! open_enum {
    ($(#[$meta:meta])* $name:ident { $($(#[$variant_meta:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$variant_meta])* $variant,)+
            /// Any other string, as received. Use `From<&str>`, which maps known strings to their variants.
            Other(Box<str>),
        }

        impl $name {
            /// The string on the wire.
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $text,)+
                    Self::Other(text) => text,
                }
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                match text {
                    $($text => Self::$variant,)+
                    other => Self::Other(other.into()),
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                $crate::serde_ext::Text::deserialize(deserializer).map(|text| Self::from(&*text.0))
            }
        }
    };
}
pub(crate) use open_enum;
