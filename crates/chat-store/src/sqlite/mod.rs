//! A store in a file.

mod file;
mod sql;
mod thread;

use std::fmt;
use std::path::PathBuf;

use rusqlite::{Connection, OptionalExtension, Row, TransactionBehavior, params};

use self::file::failed;
use self::thread::Thread;
use crate::record::{from_millis, to_millis, to_u64};
use crate::{
    About, AppendError, ConversationId, Head, Loaded, Position, Store, StoreError, StoredTurn, Summary, TurnId,
};

/// A store in a file of SQLite, for the processes of one machine. Clones share a thread, which does all work: use it on any
/// executor.
///
/// The file has a write-ahead log, so there are up to three files: `X`, `X-wal` and `X-shm`. An append is on the disk before it
/// returns. When the last clone is dropped, it waits until the work is done and the file is closed; the last process that closes
/// it leaves one file. Processes wait for each other for up to 30 s. The file must not be on a network file system.
///
/// On Unix, a new file has mode 0600, and a new folder 0700: only their owner can read them. A file or folder that exists keeps
/// its mode, so that a group can share it. `X-wal` and `X-shm` get the mode of the file.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # async_io::block_on(async {
/// # let path = std::env::temp_dir().join(format!("chat-store-{}.sqlite3", chat_store::TurnId::new()));
/// use chat_store::{Sqlite, Store};
///
/// let store = Sqlite::open(&path).await?; // or `open_default()`
/// for conversation in store.list(None, 10).await? {
///     println!("{}: {}", conversation.id, conversation.about.title);
/// }
/// # std::fs::remove_file(path)?;
/// # Ok(())
/// # })
/// # }
/// ```
#[derive(Clone)]
pub struct Sqlite {
    thread: Thread,
}

impl Sqlite {
    /// Opens a file, and creates it and its folder if they do not exist.
    ///
    /// A file of an older version is migrated. Several processes may do so at the same time.
    ///
    /// # Errors
    ///
    /// [`StoreError::NewerVersion`] if a newer version of this library wrote the file, [`StoreError::Unreadable`] if it is not
    /// a file of this library, and [`StoreError::Unavailable`] if it could not be opened or created.
    pub async fn open(path: impl Into<PathBuf>) -> Result<Self, StoreError> {
        Ok(Self { thread: Thread::open(path.into()).await? })
    }

    /// Opens the file at [`default_path`](Self::default_path).
    ///
    /// # Errors
    ///
    /// Those of [`open`](Self::open) and [`default_path`](Self::default_path).
    pub async fn open_default() -> Result<Self, StoreError> {
        Self::open(Self::default_path()?).await
    }

    /// Returns the default file: `chat-rs/conversations.sqlite3` in the user's folder for state. This is `$XDG_STATE_HOME` or
    /// `~/.local/state`, and on Windows `%APPDATA%`.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the user has no home folder.
    pub fn default_path() -> Result<PathBuf, StoreError> {
        file::default_path()
    }
}

impl Store for Sqlite {
    async fn append(&self, conversation: &Head, expected_len: u64, turn: &StoredTurn) -> Result<(), AppendError> {
        let append = Append {
            conversation: conversation.id.to_string(),
            about: conversation.about.to_json(),
            // No conversation is so long.
            place: i64::try_from(expected_len).unwrap_or(i64::MAX),
            turn: turn.id,
            content: turn.to_json(),
        };
        match self.thread.run(move |connection| append.run(connection).map_err(failed)).await? {
            Appended::Done => Ok(()),
            Appended::Other(id, content) => {
                let id: TurnId = id.parse()?;
                if id == turn.id { Ok(()) } else { Err(AppendError::Conflict(StoredTurn::from_json(id, &content)?)) }
            }
            Appended::Shorter(len) => Err(AppendError::Shorter(to_u64(len))),
        }
    }

    async fn load(&self, conversation: ConversationId, last: usize) -> Result<Option<Loaded>, StoreError> {
        let last = i64::try_from(last).unwrap_or(i64::MAX);
        let found = self.thread.run(move |connection| load(connection, conversation, last).map_err(failed)).await?;
        let Some((about, len, turns)) = found else { return Ok(None) };
        let turns = turns.into_iter().rev().map(|(id, content)| StoredTurn::from_json(id.parse()?, &content));
        Ok(Some(Loaded::new(About::from_json(&about)?, to_u64(len), turns.collect::<Result<_, _>>()?)))
    }

    async fn list(&self, after: Option<Position>, limit: usize) -> Result<Vec<Summary>, StoreError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows = self.thread.run(move |connection| list(connection, after, limit).map_err(failed)).await?;
        let summary = |(id, about, len, updated): (String, String, i64, i64)| {
            Ok(Summary::new(id.parse()?, About::from_json(&about)?, to_u64(len), from_millis(updated)))
        };
        rows.into_iter().map(summary).collect()
    }

    async fn delete(&self, conversation: ConversationId) -> Result<bool, StoreError> {
        let delete = move |connection: &mut Connection| {
            let deleted = connection.prepare_cached(sql::DELETE)?.execute([conversation.to_string()])?;
            Ok(deleted > 0)
        };
        self.thread.run(move |connection| delete(connection).map_err(failed)).await
    }
}

struct Append {
    conversation: String,
    about: String,
    place: i64,
    turn: TurnId,
    content: String,
}

enum Appended {
    Done,
    /// The id and the content of the turn at this place.
    Other(String, String),
    Shorter(i64),
}

impl Append {
    /// Adds the turn in one transaction, which excludes other writers.
    fn run(self, connection: &mut Connection) -> rusqlite::Result<Appended> {
        let Self { conversation, about, place, turn, content } = self;
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let key: Option<i64> = if place == 0 {
            transaction.prepare_cached(sql::CREATE)?.query_row(params![conversation, about], column).optional()?
        } else {
            transaction
                .prepare_cached(sql::EXTEND)?
                .query_row(params![conversation, about, place], column)
                .optional()?
        };
        if let Some(key) = key {
            transaction.prepare_cached(sql::ADD)?.execute(params![key, place, turn.to_string(), content])?;
            transaction.commit()?;
            return Ok(Appended::Done);
        }
        let found = transaction.prepare_cached(sql::HEAD)?.query_row([conversation], head).optional()?;
        let Some((key, _, len)) = found else { return Ok(Appended::Shorter(0)) };
        let other = transaction.prepare_cached(sql::TURN)?.query_row([key, place], |row| row.try_into()).optional()?;
        Ok(other.map_or(Appended::Shorter(len), |(id, content)| Appended::Other(id, content)))
    }
}

type Head3 = (i64, String, i64);
type IdAndContent = (String, String);

/// Returns what a conversation is about, its length, and its last turns, newest first.
fn load(
    connection: &mut Connection,
    id: ConversationId,
    last: i64,
) -> rusqlite::Result<Option<(String, i64, Vec<IdAndContent>)>> {
    // Both statements read the same state.
    let transaction = connection.transaction()?;
    let found: Option<Head3> = transaction.prepare_cached(sql::HEAD)?.query_row([id.to_string()], head).optional()?;
    let Some((key, about, len)) = found else { return Ok(None) };
    let mut statement = transaction.prepare_cached(sql::LAST)?;
    let turns = statement.query_map([key, last], |row| row.try_into())?.collect::<Result<_, _>>()?;
    Ok(Some((about, len, turns)))
}

fn list(
    connection: &mut Connection,
    after: Option<Position>,
    limit: i64,
) -> rusqlite::Result<Vec<(String, String, i64, i64)>> {
    match after {
        None => {
            let mut statement = connection.prepare_cached(sql::LIST)?;
            statement.query_map([limit], |row| row.try_into())?.collect()
        }
        Some(Position { updated, id }) => {
            let mut statement = connection.prepare_cached(sql::LIST_AFTER)?;
            let after = params![limit, to_millis(updated), id.to_string()];
            statement.query_map(after, |row| row.try_into())?.collect()
        }
    }
}

fn head(row: &Row<'_>) -> rusqlite::Result<Head3> {
    row.try_into()
}

fn column(row: &Row<'_>) -> rusqlite::Result<i64> {
    row.get(0)
}

impl fmt::Debug for Sqlite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sqlite").finish_non_exhaustive()
    }
}
