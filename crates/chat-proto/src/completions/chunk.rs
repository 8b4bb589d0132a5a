//! Chunks of a stream and answers in one object, as servers write them.
//!
//! Members that are missing, null or unknown do not matter, and the last one of equal names counts. Strings are kept as
//! WTF-8, because a surrogate pair may be split over two chunks.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{Error as _, IgnoredAny, MapAccess, Visitor};
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
        choices: Vec<Choice<'a>> = b"choices",
        usage: &'a RawValue = b"usage",
        error: &'a RawValue = b"error",
    }

    /// One of the answers that a server generates at the same time. `delta` is in a chunk, `message` in an object.
    Choice as "a choice" {
        index: Integer = b"index",
        finish_reason: &'a RawValue = b"finish_reason",
        delta: Delta<'a> = b"delta",
        message: Delta<'a> = b"message",
    }

    /// A piece of an answer, or a whole answer.
    Delta as "a delta or a message" {
        content: &'a RawValue = b"content",
        reasoning_content: &'a RawValue = b"reasoning_content",
        reasoning: &'a RawValue = b"reasoning",
        refusal: Str<'a> = b"refusal",
        tool_calls: Vec<CallPiece<'a>> = b"tool_calls",
        function_call: Function<'a> = b"function_call",
        annotations: &'a RawValue = b"annotations",
    }

    /// A piece of a tool call, or a whole one.
    CallPiece as "a tool call" {
        index: Integer = b"index",
        id: Str<'a> = b"id",
        function: Function<'a> = b"function",
        custom: Function<'a> = b"custom",
    }

    /// The function of a call. `input` is that of a custom tool.
    Function as "a function" {
        name: Str<'a> = b"name",
        arguments: &'a RawValue = b"arguments",
        input: &'a RawValue = b"input",
    }

    /// A part of a content that is a list.
    Part as "a part of a content" {
        kind: Str<'a> = b"type",
        text: Str<'a> = b"text",
        thinking: &'a RawValue = b"thinking",
        refusal: Str<'a> = b"refusal",
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

    /// The choice that is read, by value. Other choices are ignored.
    pub(super) fn take_choice(&mut self) -> Option<Choice<'a>> {
        let choices = self.choices.take()?;
        choices.into_iter().find(|choice| choice.index.as_ref().is_none_or(|index| index.0 == 0))
    }
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

/// The text of a value that is a string and not empty.
pub(super) fn given_text(value: Option<&RawValue>) -> Option<String> {
    parse::<Str<'_>>(value?.get()).ok().map(|text| text.text()).filter(|text| !text.is_empty())
}

/// A content: text, or a list of parts.
pub(super) enum Content<'a> {
    Text(Str<'a>),
    Parts(Vec<ContentItem<'a>>),
}

/// An item of a list: a part, or plain text.
pub(super) enum ContentItem<'a> {
    Text(Str<'a>),
    Part(Part<'a>),
}

impl<'a> Content<'a> {
    pub(super) fn parse(value: &'a RawValue) -> Result<Self, serde_json::Error> {
        match value.get().as_bytes()[0] {
            b'"' => serde_json::from_str(value.get()).map(Self::Text),
            b'[' => {
                let items: Vec<&RawValue> = serde_json::from_str(value.get())?;
                items.into_iter().map(ContentItem::parse).collect::<Result<_, _>>().map(Self::Parts)
            }
            _ => Err(serde_json::Error::custom("a content is neither a string nor a list of parts")),
        }
    }
}

impl<'a> ContentItem<'a> {
    fn parse(value: &'a RawValue) -> Result<Self, serde_json::Error> {
        if value.get().starts_with('"') {
            serde_json::from_str(value.get()).map(Self::Text)
        } else {
            serde_json::from_str(value.get()).map(Self::Part)
        }
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
