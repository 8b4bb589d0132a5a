//! The address of a store, as a user writes it.

use crate::StoreError;

/// What an address names.
#[derive(Debug, PartialEq)]
pub(crate) enum Address<'a> {
    Memory,
    /// The path of a file.
    Sqlite(&'a str),
    /// The whole URL.
    Postgres(&'a str),
}

impl<'a> Address<'a> {
    /// Reads an address. The errors contain no part of it that may be a password.
    pub(crate) fn parse(address: &'a str) -> Result<Self, StoreError> {
        match scheme(address) {
            Some(("memory", "")) => Ok(Self::Memory),
            Some(("postgres" | "postgresql", _)) => Ok(Self::Postgres(address)),
            // Other programs write `sqlite://PATH`.
            Some(("sqlite", path)) => file(path.strip_prefix("//").unwrap_or(path)),
            Some((scheme, _)) => Err(StoreError::InvalidAddress(format!(
                "there is no kind of store `{scheme}:`; {KINDS}; a path with a colon begins with `./` or `/`"
            ))),
            None => file(address),
        }
    }
}

/// The end of an error.
const KINDS: &str = "use a path, `sqlite:PATH`, `postgres://USER:PASSWORD@HOST/DATABASE`, or `memory:`";

/// Splits an address after its scheme. A single letter is a drive of Windows.
fn scheme(address: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = address.split_once(':')?;
    let is_scheme = scheme.len() > 1
        && scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.chars().all(|other| other.is_ascii_alphanumeric() || "+-.".contains(other));
    is_scheme.then_some((scheme, rest))
}

/// The address of a file. SQLite's name for memory and misspelled URLs would be surprising names.
fn file(path: &str) -> Result<Address<'_>, StoreError> {
    if path.is_empty() || path == ":memory:" || path.contains("://") {
        return Err(StoreError::InvalidAddress(format!("the path of the file is not valid; {KINDS}")));
    }
    Ok(Address::Sqlite(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_names_a_store() {
        for (address, expected) in [
            ("memory:", Address::Memory),
            ("store.sqlite3", Address::Sqlite("store.sqlite3")),
            ("/a b/東京:1?x=%20#y", Address::Sqlite("/a b/東京:1?x=%20#y")),
            ("./sqlite:x", Address::Sqlite("./sqlite:x")),
            (r"C:\chat\store", Address::Sqlite(r"C:\chat\store")),
            ("sqlite:a/b", Address::Sqlite("a/b")),
            ("sqlite:/a/b", Address::Sqlite("/a/b")),
            ("sqlite://a/b", Address::Sqlite("a/b")),
            ("sqlite:///a/b", Address::Sqlite("/a/b")),
            ("postgres://u:p@h/d?x=y", Address::Postgres("postgres://u:p@h/d?x=y")),
            ("postgresql://h", Address::Postgres("postgresql://h")),
        ] {
            assert_eq!(Address::parse(address).unwrap(), expected);
        }
    }

    #[test]
    fn other_addresses_are_errors_without_their_passwords() {
        for (address, reason) in [
            ("", "the path of the file is not valid; use a path"),
            ("sqlite:", "the path"),
            ("sqlite://", "the path"),
            ("sqlite::memory:", "the path"),
            (":memory:", "the path"),
            (" postgres://u:secret@h/d", "the path"),
            ("sqlite:postgres://u:secret@h/d", "the path"),
            ("mysql://u:secret@h/d", "there is no kind of store `mysql:`; use a path"),
            ("memory:secret", "there is no kind of store `memory:`"),
            ("user:secret@h/d", "there is no kind of store `user:`"),
            ("Postgres://u:secret@h/d", "there is no kind of store `Postgres:`"),
        ] {
            let error = Address::parse(address).unwrap_err();
            assert!(error.to_string().starts_with(reason), "{address}: {error}");
            assert!(!format!("{error} {error:?}").contains("secret"), "{error:?}");
        }
    }
}
