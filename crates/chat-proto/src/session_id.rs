//! The id of a chat session.

use std::borrow::Borrow;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::serde_ext::Text;

/// The id of a chat session: an opaque string of the server's. It is cheap to clone.
///
/// Every chunk of a stream repeats the id. The receiver returns clones that share one allocation.
///
/// ```
/// use chat_proto::SessionId;
///
/// let id = SessionId::from("s-1");
/// assert_eq!(id, "s-1");
/// assert_eq!(id.as_str(), "s-1");
/// assert_eq!(id.len(), 3); // dereferences to `str`
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId(Arc<str>);

impl SessionId {
    /// The id as a string slice.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Deref for SessionId {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for SessionId {
    fn as_ref(&self) -> &str {
        self
    }
}

impl Borrow<str> for SessionId {
    fn borrow(&self) -> &str {
        self
    }
}

impl From<&str> for SessionId {
    fn from(id: &str) -> Self {
        Self(id.into())
    }
}

impl From<String> for SessionId {
    fn from(id: String) -> Self {
        Self(id.into())
    }
}

impl PartialEq<str> for SessionId {
    fn eq(&self, other: &str) -> bool {
        **self == *other
    }
}

impl PartialEq<&str> for SessionId {
    fn eq(&self, other: &&str) -> bool {
        **self == **other
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

impl Serialize for SessionId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self)
    }
}

impl<'de> Deserialize<'de> for SessionId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Text::deserialize(deserializer).map(|text| Self::from(&*text.0))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn every_form_is_the_text() {
        let id = SessionId::from("s-1");
        assert_eq!((id.as_str(), id.to_string(), format!("{id:?}")), ("s-1", "s-1".to_owned(), "\"s-1\"".to_owned()));
        assert!(id == *"s-1" && id == "s-1" && id != *"s-2" && id != "s-2");
        assert_eq!(HashMap::from([(id, 7)]).get("s-1"), Some(&7), "it is looked up by its text");
    }
}
