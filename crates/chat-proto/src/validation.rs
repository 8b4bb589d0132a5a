//! Validation errors of a request (422), in FastAPI's format.

use serde::{Deserialize, Serialize};

use crate::serde_ext::{self, object};

object! {
    /// One validation error of a request.
    #[serde(expecting = "a ValidationError")]
    pub struct ValidationError {
        /// The path to the invalid value, outermost first: `["body", "chat_session", "messages", 0]`.
        pub loc: Vec<Location>,
        /// The message for people.
        pub msg: String,
        /// The kind of error, for programs.
        #[serde(rename = "type")]
        pub error_type: String,
    }
}

impl ValidationError {
    /// Creates an error from its path, its message and its kind.
    pub fn new(loc: Vec<Location>, msg: impl Into<String>, error_type: impl Into<String>) -> Self {
        Self { loc, msg: msg.into(), error_type: error_type.into() }
    }
}

/// Displays as `body.chat_session.messages.0: field required`.
impl std::fmt::Display for ValidationError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (n, location) in self.loc.iter().enumerate() {
            if n > 0 {
                f.write_str(".")?;
            }
            match location {
                Location::Field(name) => f.write_str(name)?,
                Location::Index(index) => write!(f, "{index}")?,
            }
        }
        write!(f, ": {}", self.msg)
    }
}

/// One step of the path to an invalid value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Location {
    /// The field of an object.
    Field(String),
    /// The item of an array.
    Index(i64),
}

impl<'de> Deserialize<'de> for Location {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(LocationVisitor)
    }
}

struct LocationVisitor;

impl serde::de::Visitor<'_> for LocationVisitor {
    type Value = Location;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a string or an integer of 64 bits")
    }

    fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<Location, E> {
        Ok(Location::Field(name.to_owned()))
    }

    fn visit_i64<E: serde::de::Error>(self, index: i64) -> Result<Location, E> {
        Ok(Location::Index(index))
    }

    fn visit_u64<E: serde::de::Error>(self, index: u64) -> Result<Location, E> {
        serde_ext::IntegerVisitor.visit_u64(index).map(Location::Index)
    }

    fn visit_f64<E: serde::de::Error>(self, index: f64) -> Result<Location, E> {
        serde_ext::IntegerVisitor.visit_f64(index).map(Location::Index)
    }
}
