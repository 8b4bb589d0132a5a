//! Ids that clients make.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

use crate::StoreError;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        ///
        /// It is a UUID of version 7: later ids are greater. Its text is that of a UUID.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Uuid);

        impl $name {
            /// Makes a new id from the time and random numbers.
            #[allow(clippy::new_without_default, reason = "two new ids are not equal")]
            pub fn new() -> Self {
                Self(Uuid::now_v7())
            }

            /// Returns the 16 bytes of the id, which sort like the id.
            pub fn as_bytes(&self) -> &[u8; 16] {
                self.0.as_bytes()
            }

            /// Creates an id from its 16 bytes.
            pub fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(Uuid::from_bytes(bytes))
            }
        }

        impl FromStr for $name {
            type Err = StoreError;

            /// Reads the text of an id.
            ///
            /// # Errors
            ///
            /// [`StoreError::Unreadable`] if the text is not a UUID.
            fn from_str(text: &str) -> Result<Self, StoreError> {
                let id = Uuid::parse_str(text).map_err(|error| StoreError::unreadable($what, error))?;
                Ok(Self(id))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
    };
}

id! {
    /// The id of a stored conversation.
    ConversationId, "the id of a conversation"
}

id! {
    /// The id of a stored turn. A store compares it to tell a repeated append from another turn.
    TurnId, "the id of a turn"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_its_text_and_its_bytes() {
        let (first, second) = (TurnId::new(), TurnId::new());
        assert!(first < second, "ids sort by time");
        assert_eq!(first.to_string().parse::<TurnId>().unwrap(), first);
        assert_eq!(TurnId::from_bytes(*first.as_bytes()), first);
        let error = "x".parse::<ConversationId>().unwrap_err();
        assert!(error.to_string().starts_with("could not read the id of a conversation"), "{error}");
    }
}
