//! Chunks of a stream and answers in one object, as servers write them.
//!
//! Members that are missing, null or unknown do not matter, and the last one of equal names counts. Strings are kept as
//! WTF-8, because a surrogate pair may be split over two chunks.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::serde_ext::Integer;

/// A JSON string in WTF-8, borrowed if it has no escapes.
#[derive(Clone, Debug)]
pub(super) struct Str<'a>(pub(super) Cow<'a, [u8]>);

impl Str<'_> {
    /// The string as text. Lone halves of surrogate pairs become U+FFFD.
    pub(super) fn text(&self) -> String {
        let mut joiner = crate::surrogates::Joiner::default();
        let mut text = joiner.join(&self.0);
        text.extend(joiner.finish());
        text
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Str<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_bytes(StrVisitor)
    }
}

struct StrVisitor;

impl<'de> Visitor<'de> for StrVisitor {
    type Value = Str<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_borrowed_bytes<E>(self, bytes: &'de [u8]) -> Result<Str<'de>, E> {
        Ok(Str(Cow::Borrowed(bytes)))
    }

    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Str<'de>, E> {
        Ok(Str(Cow::Owned(bytes.to_vec())))
    }
}

/// Defines an object with optional members.
macro_rules! members {
    ($($(#[doc = $doc:literal])* $name:ident as $expected:literal { $($field:ident: $type:ty = $key:literal,)+ })+) => {$(
        $(#[doc = $doc])*
        #[derive(Debug, Default)]
        pub(super) struct $name<'a> {
            $(pub(super) $field: Option<$type>,)+
            lifetime: PhantomData<&'a ()>,
        }

        impl<'de: 'a, 'a> Deserialize<'de> for $name<'a> {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Members<'a>(PhantomData<&'a ()>);

                impl<'de: 'a, 'a> Visitor<'de> for Members<'a> {
                    type Value = $name<'a>;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str($expected)
                    }

                    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<$name<'a>, A::Error> {
                        let mut object = $name::default();
                        while let Some(Str(name)) = map.next_key()? {
                            match &*name {
                                $($key => object.$field = map.next_value()?,)+
                                _ => _ = map.next_value::<IgnoredAny>()?,
                            }
                        }
                        Ok(object)
                    }
                }

                deserializer.deserialize_map(Members(PhantomData))
            }
        }
    )+};
}

members! {
    /// A chunk of a stream, or an answer in one object.
    Chunk as "a chat completion object" {
        id: &'a RawValue = b"id",
        object: &'a RawValue = b"object",
        model: &'a RawValue = b"model",
        choices: &'a RawValue = b"choices",
        usage: &'a RawValue = b"usage",
        error: &'a RawValue = b"error",
        obfuscation: &'a RawValue = b"obfuscation",
    }

    /// One of the answers that a server generates at the same time. `delta` is in a chunk, `message` in an object.
    Choice as "a choice" {
        index: &'a RawValue = b"index",
        finish_reason: &'a RawValue = b"finish_reason",
        delta: Delta<'a> = b"delta",
        message: Delta<'a> = b"message",
    }

    /// A piece of an answer, or a whole answer.
    Delta as "a delta or a message" {
        content: &'a RawValue = b"content",
        reasoning_content: &'a RawValue = b"reasoning_content",
        reasoning: &'a RawValue = b"reasoning",
        refusal: &'a RawValue = b"refusal",
        tool_calls: &'a RawValue = b"tool_calls",
        function_call: Function<'a> = b"function_call",
        annotations: &'a RawValue = b"annotations",
    }

    /// A piece of a tool call, or a whole one.
    CallPiece as "a tool call" {
        index: &'a RawValue = b"index",
        id: &'a RawValue = b"id",
        function: Function<'a> = b"function",
        custom: Function<'a> = b"custom",
    }

    /// The function of a call. `input` is that of a custom tool.
    Function as "a function" {
        name: &'a RawValue = b"name",
        arguments: &'a RawValue = b"arguments",
        input: &'a RawValue = b"input",
    }

    /// The arguments of `provideLinks`.
    Arguments as "arguments" {
        links: &'a RawValue = b"links",
    }

    /// A part of a content that is a list.
    Part as "a part of a content" {
        kind: Str<'a> = b"type",
        text: Str<'a> = b"text",
        thinking: &'a RawValue = b"thinking",
        refusal: &'a RawValue = b"refusal",
    }
}

impl<'a> Chunk<'a> {
    /// Reads a JSON object.
    pub(super) fn parse(json: &'a str) -> Result<Self, serde_json::Error> {
        parse(json)
    }

    /// Whether there is an `error` member that is not null, false, 0 or `""`.
    pub(super) fn is_error(&self) -> bool {
        self.error.is_some_and(is_truthy)
    }

    /// Reads the choices with index 0. A missing index is 0. Other choices are ignored, even if they are malformed.
    pub(super) fn each_choice<E: From<serde_json::Error>>(
        &self,
        mut read: impl FnMut(Choice<'a>) -> Result<(), E>,
    ) -> Result<(), E> {
        let Some(choices) = self.choices else { return Ok(()) };
        each(choices, |json| match serde_json::from_str::<Choice<'_>>(json.get()) {
            Ok(choice) if number(choice.index).unwrap_or_default() == 0 => read(choice),
            Ok(_) => Ok(()),
            Err(_) if is_other(json) => Ok(()),
            Err(error) => Err(error.into()),
        })
    }
}

impl<'a> Delta<'a> {
    /// The content as it is written between its quotes, if it is a string and no other member is held back until the end.
    pub(super) fn only_content(&self) -> Option<&'a str> {
        let has_others = self.function_call.is_some() || self.annotations.is_some();
        self.content.filter(|_| !has_others).and_then(inside_quotes)
    }
}

/// Whether a choice that cannot be read has another index than 0.
fn is_other(choice: &RawValue) -> bool {
    members! {
        /// What tells the choices apart.
        Indexed as "an object" {
            index: &'a RawValue = b"index",
        }
    }
    serde_json::from_str::<Indexed<'_>>(choice.get()).is_ok_and(|choice| number(choice.index).unwrap_or_default() != 0)
}

/// Reads the items of a list one by one, so that a list of many small items takes no memory.
pub(super) fn each<'a, E: From<serde_json::Error>>(
    list: &'a RawValue,
    read: impl FnMut(&'a RawValue) -> Result<(), E>,
) -> Result<(), E> {
    struct Items<F, E>(F, Option<E>);

    impl<'a, E, F: FnMut(&'a RawValue) -> Result<(), E>> Visitor<'a> for &mut Items<F, E> {
        type Value = ();

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list")
        }

        fn visit_seq<A: SeqAccess<'a>>(self, mut items: A) -> Result<(), A::Error> {
            while let Some(item) = items.next_element()? {
                if let Err(error) = (self.0)(item) {
                    self.1 = Some(error);
                    return Err(A::Error::custom("an item could not be read"));
                }
            }
            Ok(())
        }
    }

    let mut items = Items(read, None);
    match serde_json::Deserializer::from_str(list.get()).deserialize_seq(&mut items) {
        Ok(()) => Ok(()),
        Err(error) => Err(items.1.unwrap_or_else(|| error.into())),
    }
}

/// An integer, also as a string.
pub(super) fn number(value: Option<&RawValue>) -> Option<i64> {
    let json = value?.get();
    serde_json::from_str::<Integer>(json).ok().map(|integer| integer.0).or_else(|| given_text(value)?.parse().ok())
}

/// Parses JSON whose strings may have lone halves of surrogate pairs.
pub(super) fn parse<'a, T: Deserialize<'a>>(json: &'a str) -> Result<T, serde_json::Error> {
    // serde_json does not reject control characters in strings that it reads as bytes. Compact JSON has none at all.
    if json.bytes().any(|byte| byte < b' ') {
        serde_json::from_str::<IgnoredAny>(json)?;
    }
    serde_json::from_str(json)
}

/// Whether a value is not null, false, 0 or `""`.
fn is_truthy(value: &RawValue) -> bool {
    match value.get() {
        "null" | "false" | "\"\"" => false,
        number if number.starts_with(|c: char| c == '-' || c.is_ascii_digit()) => {
            number.parse::<f64>().is_ok_and(|number| number != 0.0)
        }
        _ => true,
    }
}

/// A value that is a string.
pub(super) fn string(value: Option<&RawValue>) -> Option<Str<'_>> {
    serde_json::from_str(value?.get()).ok()
}

/// What is between the quotes of a value that is a string, as it is written.
pub(super) fn inside_quotes(value: &RawValue) -> Option<&str> {
    value.get().strip_prefix('"')?.strip_suffix('"')
}

/// The text of a value that is a string and not empty.
pub(super) fn given_text(value: Option<&RawValue>) -> Option<String> {
    string(value).map(|text| text.text()).filter(|text| !text.is_empty())
}

/// The text of an id: a string that is not empty, or a number.
pub(super) fn id(value: Option<&RawValue>) -> Option<String> {
    given_text(value).or_else(|| serde_json::from_str::<serde_json::Number>(value?.get()).ok().map(|id| id.to_string()))
}

/// Reads a content: a string, or the items of a list, each of which is a string or a part.
pub(super) fn each_part<'a>(
    content: &'a RawValue,
    mut read: impl FnMut(Part<'a>) -> Result<(), serde_json::Error>,
) -> Result<(), serde_json::Error> {
    let mut read_item = |item: &'a RawValue| match item.get().as_bytes()[0] {
        b'"' => read(Part { text: Some(serde_json::from_str(item.get())?), ..Part::default() }),
        b'n' => Ok(()),
        _ => read(serde_json::from_str(item.get())?),
    };
    match content.get().as_bytes()[0] {
        b'"' => read_item(content),
        b'[' => each(content, read_item),
        _ => Err(serde_json::Error::custom("a content is neither a string nor a list of parts")),
    }
}

/// The arguments of a call: a string, or another value as its JSON text.
pub(super) fn arguments(value: &RawValue) -> Result<Str<'_>, serde_json::Error> {
    if value.get().starts_with('"') {
        serde_json::from_str(value.get())
    } else {
        Ok(Str(Cow::Borrowed(value.get().as_bytes())))
    }
}

/// What a named event is, by the members of its JSON.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// It has choices.
    Chunk,
    /// It has no choices, and an error.
    Error,
    /// Anything else.
    Other,
}

impl Shape {
    pub(super) fn of(json: &str) -> Self {
        members! {
            /// The two members that tell.
            Signs as "an object" {
                choices: &'a RawValue = b"choices",
                error: &'a RawValue = b"error",
            }
        }
        match parse::<Signs<'_>>(json) {
            Ok(Signs { choices: Some(_), .. }) => Self::Chunk,
            Ok(Signs { error: Some(error), .. }) if is_truthy(error) => Self::Error,
            _ => Self::Other,
        }
    }
}
