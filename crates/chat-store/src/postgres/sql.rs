//! The SQL of the store in Postgres. All statements name the schema as `{schema}`, because the search path may have others.

/// Puts the schema into a statement.
pub(crate) fn in_schema(sql: &str, schema: &str) -> String {
    sql.replace("{schema}", schema)
}

/// The steps from an empty schema to the newest version, which is their number. A step is never changed.
pub(crate) const MIGRATIONS: &[&str] = &["
    CREATE TABLE {schema}.chat_conversation (
        key bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        id uuid NOT NULL UNIQUE,
        about text NOT NULL,
        len bigint NOT NULL,
        updated bigint NOT NULL -- milliseconds since 1970
    );
    CREATE INDEX chat_conversation_updated ON {schema}.chat_conversation (updated, id);
    CREATE TABLE {schema}.chat_turn (
        conversation bigint NOT NULL REFERENCES {schema}.chat_conversation ON DELETE CASCADE,
        place bigint NOT NULL,
        id uuid NOT NULL,
        content text NOT NULL,
        PRIMARY KEY (conversation, place)
    );
"];

/// Makes other processes wait until the end of the transaction. The number is arbitrary.
pub(crate) const LOCK_MIGRATIONS: &str = "SELECT pg_advisory_xact_lock(7090706337402880564)";

/// Returns the first schema of the search path that exists, as it is written in a statement. NULL if no schema exists.
pub(crate) const SCHEMA: &str = "SELECT quote_ident(current_schema())";

/// Whether the table with the version exists: the schema. `to_regclass` would not see a table that was created while this
/// process waited.
pub(crate) const HAS_VERSION: &str = "
    SELECT EXISTS (
        SELECT FROM pg_catalog.pg_class WHERE relname = 'chat_store_version' AND relnamespace = $1::regnamespace
    )";

/// Creates the table with the version, which has one row.
pub(crate) const CREATE_VERSION: &str = "CREATE TABLE {schema}.chat_store_version (version bigint NOT NULL); INSERT INTO {schema}.chat_store_version VALUES (0);";

/// Returns the version.
pub(crate) const VERSION: &str = "SELECT version FROM {schema}.chat_store_version";

/// Sets the version.
pub(crate) const SET_VERSION: &str = "UPDATE {schema}.chat_store_version SET version = $1";

/// Creates a conversation with its first turn, unless it exists: id, about, place 0, id and content of the turn.
pub(crate) const CREATE: &str = "
    WITH head AS (
        INSERT INTO {schema}.chat_conversation (id, about, len, updated)
        VALUES ($1, $2, 1, (extract(epoch FROM clock_timestamp()) * 1000)::bigint)
        ON CONFLICT DO NOTHING RETURNING key
    )
    INSERT INTO {schema}.chat_turn (conversation, place, id, content) SELECT key, $3, $4, $5 FROM head RETURNING place";

/// Adds a turn, if the conversation has the expected length: id, about, length, id and content of the turn.
pub(crate) const EXTEND: &str = "
    WITH head AS (
        UPDATE {schema}.chat_conversation
        SET about = $2, len = len + 1, updated = (extract(epoch FROM clock_timestamp()) * 1000)::bigint
        WHERE id = $1 AND len = $3 RETURNING key
    )
    INSERT INTO {schema}.chat_turn (conversation, place, id, content) SELECT key, $3, $4, $5 FROM head RETURNING place";

/// Returns the key, what it is about, and the length of a conversation: id.
pub(crate) const HEAD: &str = "SELECT key, about, len FROM {schema}.chat_conversation WHERE id = $1";

/// Returns a turn: the key of the conversation, place.
pub(crate) const TURN: &str = "SELECT id, content FROM {schema}.chat_turn WHERE conversation = $1 AND place = $2";

/// Returns the last turns before a place, newest first: the key of the conversation, place, number.
pub(crate) const LAST: &str = "
    SELECT id, content FROM {schema}.chat_turn WHERE conversation = $1 AND place < $2 ORDER BY place DESC LIMIT $3";

/// Lists conversations, newest first: number.
pub(crate) const LIST: &str =
    "SELECT id, about, len, updated FROM {schema}.chat_conversation ORDER BY updated DESC, id DESC LIMIT $1";

/// Lists conversations after a position: number, time, id.
pub(crate) const LIST_AFTER: &str = "
    SELECT id, about, len, updated FROM {schema}.chat_conversation WHERE (updated, id) < ($2, $3)
    ORDER BY updated DESC, id DESC LIMIT $1";

/// Deletes a conversation and its turns: id.
pub(crate) const DELETE: &str = "DELETE FROM {schema}.chat_conversation WHERE id = $1 RETURNING key";
