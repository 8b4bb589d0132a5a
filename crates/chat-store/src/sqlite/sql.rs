//! The SQL of the store in SQLite.

/// Marks a file as ours, in its `application_id`.
pub(crate) const APPLICATION: i64 = 0x6368_6174;

/// The steps from an empty file to the newest version, which is their number. The file has its version in `user_version`. A
/// step is never changed.
pub(crate) const MIGRATIONS: &[&str] = &["
    CREATE TABLE conversation (
        key INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        about TEXT NOT NULL,
        len INTEGER NOT NULL,
        updated INTEGER NOT NULL -- milliseconds since 1970
    ) STRICT;
    CREATE INDEX conversation_updated ON conversation (updated, id);
    CREATE TABLE turn (
        conversation INTEGER NOT NULL REFERENCES conversation ON DELETE CASCADE,
        place INTEGER NOT NULL,
        id TEXT NOT NULL,
        content TEXT NOT NULL,
        PRIMARY KEY (conversation, place)
    ) STRICT;
"];

/// Creates a conversation with one turn, unless it exists: id, about.
pub(crate) const CREATE: &str = "
    INSERT INTO conversation (id, about, len, updated) VALUES (?1, ?2, 1, CAST(unixepoch('subsec') * 1000 AS INTEGER))
    ON CONFLICT DO NOTHING RETURNING key";

/// Makes room for a turn, if the conversation has the expected length: id, about, length.
pub(crate) const EXTEND: &str = "
    UPDATE conversation SET about = ?2, len = len + 1, updated = CAST(unixepoch('subsec') * 1000 AS INTEGER)
    WHERE id = ?1 AND len = ?3 RETURNING key";

/// Adds a turn: the key of the conversation, place, id, content.
pub(crate) const ADD: &str = "INSERT INTO turn (conversation, place, id, content) VALUES (?1, ?2, ?3, ?4)";

/// Returns the key, what it is about, and the length of a conversation: id.
pub(crate) const HEAD: &str = "SELECT key, about, len FROM conversation WHERE id = ?1";

/// Returns a turn: the key of the conversation, place.
pub(crate) const TURN: &str = "SELECT id, content FROM turn WHERE conversation = ?1 AND place = ?2";

/// Returns the last turns, newest first: the key of the conversation, number.
pub(crate) const LAST: &str = "SELECT id, content FROM turn WHERE conversation = ?1 ORDER BY place DESC LIMIT ?2";

/// Lists conversations, newest first: number.
pub(crate) const LIST: &str =
    "SELECT id, about, len, updated FROM conversation ORDER BY updated DESC, id DESC LIMIT ?1";

/// Lists conversations after a position: number, time, id.
pub(crate) const LIST_AFTER: &str = "
    SELECT id, about, len, updated FROM conversation WHERE (updated, id) < (?2, ?3)
    ORDER BY updated DESC, id DESC LIMIT ?1";

/// Deletes a conversation and its turns: id.
pub(crate) const DELETE: &str = "DELETE FROM conversation WHERE id = ?1";
