//! A store on a server.

mod connection;
mod migrate;
mod sql;

use std::fmt;
use std::sync::Arc;

use tokio_postgres::tls::{MakeTlsConnect, TlsConnect};
use tokio_postgres::types::Type;
use tokio_postgres::{Config, NoTls, Row, Socket};
use uuid::Uuid;

use self::connection::Connection;
use crate::record::{from_millis, to_millis, to_u64};
use crate::{
    About, AppendError, ConversationId, Head, Loaded, Position, Store, StoreError, StoredTurn, Summary, TurnId,
};

/// A store on a Postgres server, for several instances. Clones share one connection.
///
/// All methods need a tokio runtime with I/O and timers: elsewhere, they return an error. A lost connection is opened again by
/// the next operation, and an operation that was interrupted is repeated once. An operation ends after 30 s without an answer.
///
/// The tables `chat_conversation`, `chat_turn` and `chat_store_version` are in the first schema of the search path that exists.
/// Tables of its other schemas are never used. The role needs the right to create the tables the first time. Statements of several tasks take turns on the connection: open more stores
/// if one connection is not enough.
///
/// ```no_run
/// # async fn open() -> Result<(), chat_store::StoreError> {
/// use chat_store::{Postgres, Store};
///
/// let store = Postgres::connect("postgres://chat@localhost/chat").await?;
/// for conversation in store.list(None, 10).await? {
///     println!("{}: {}", conversation.id, conversation.about.title);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Postgres {
    connection: Arc<Connection>,
}

impl Postgres {
    /// Connects without TLS, and migrates the tables if they are of an older version. Several processes may do so at the same
    /// time. The URL is `postgres://USER:PASSWORD@HOST:PORT/DATABASE`, with the options of
    /// [`Config`](tokio_postgres::Config).
    ///
    /// # Errors
    ///
    /// [`StoreError::InvalidAddress`] if the URL is not valid, [`StoreError::NewerVersion`] if a newer version of this library
    /// wrote the tables, and [`StoreError::Unavailable`] if there is no connection. No error contains the password.
    pub async fn connect(url: &str) -> Result<Self, StoreError> {
        Self::connect_with(config(url)?, NoTls).await
    }

    /// Connects with a configuration and with TLS. Otherwise like [`connect`](Self::connect).
    ///
    /// # Errors
    ///
    /// Those of [`connect`](Self::connect).
    pub async fn connect_with<T>(config: Config, tls: T) -> Result<Self, StoreError>
    where
        T: MakeTlsConnect<Socket> + Clone + Send + Sync + 'static,
        T::Stream: Send,
        T::TlsConnect: Send,
        <T::TlsConnect as TlsConnect<Socket>>::Future: Send,
    {
        Ok(Self { connection: Arc::new(Connection::open(config, tls).await?) })
    }

    /// The key, what it is about, and the length of a conversation.
    async fn head(&self, id: Uuid) -> Result<Option<(i64, String, i64)>, StoreError> {
        let rows = self.connection.query(sql::HEAD, &[(&id, Type::UUID)]).await?;
        rows.first().map(|row| Ok((get(row, 0)?, get(row, 1)?, get(row, 2)?))).transpose()
    }
}

impl Store for Postgres {
    async fn append(&self, conversation: &Head, expected_len: u64, turn: &StoredTurn) -> Result<(), AppendError> {
        let (id, turn_id) = (Uuid::from_bytes(*conversation.id.as_bytes()), Uuid::from_bytes(*turn.id.as_bytes()));
        let (about, content) = (conversation.about.to_json(), turn.to_json());
        // No conversation is so long.
        let place = i64::try_from(expected_len).unwrap_or(i64::MAX);
        let add = if place == 0 { sql::CREATE } else { sql::EXTEND };
        let params: &[connection::Param<'_>] = &[
            (&id, Type::UUID),
            (&about, Type::TEXT),
            (&place, Type::INT8),
            (&turn_id, Type::UUID),
            (&content, Type::TEXT),
        ];
        if !self.connection.query(add, params).await?.is_empty() {
            return Ok(());
        }
        let Some((key, _, len)) = self.head(id).await? else { return Err(AppendError::Shorter(0)) };
        let rows = self.connection.query(sql::TURN, &[(&key, Type::INT8), (&place, Type::INT8)]).await?;
        match rows.first().map(stored_turn).transpose()? {
            None => Err(AppendError::Shorter(to_u64(len))),
            Some(other) if other.id == turn.id => Ok(()),
            Some(other) => Err(AppendError::Conflict(other)),
        }
    }

    async fn load(&self, conversation: ConversationId, last: usize) -> Result<Option<Loaded>, StoreError> {
        let id = Uuid::from_bytes(*conversation.as_bytes());
        let Some((key, about, len)) = self.head(id).await? else { return Ok(None) };
        let last = i64::try_from(last).unwrap_or(i64::MAX);
        let params: &[connection::Param<'_>] = &[(&key, Type::INT8), (&len, Type::INT8), (&last, Type::INT8)];
        let rows = self.connection.query(sql::LAST, params).await?;
        if to_u64(last.min(len)) != rows.len() as u64 {
            // It was deleted meanwhile.
            return Ok(None);
        }
        let turns = rows.iter().rev().map(stored_turn).collect::<Result<_, _>>()?;
        Ok(Some(Loaded::new(About::from_json(&about)?, to_u64(len), turns)))
    }

    async fn list(&self, after: Option<Position>, limit: usize) -> Result<Vec<Summary>, StoreError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows = match after {
            None => self.connection.query(sql::LIST, &[(&limit, Type::INT8)]).await?,
            Some(Position { updated, id }) => {
                let (updated, id) = (to_millis(updated), Uuid::from_bytes(*id.as_bytes()));
                let params: &[connection::Param<'_>] =
                    &[(&limit, Type::INT8), (&updated, Type::INT8), (&id, Type::UUID)];
                self.connection.query(sql::LIST_AFTER, params).await?
            }
        };
        rows.iter().map(summary).collect()
    }

    async fn delete(&self, conversation: ConversationId) -> Result<bool, StoreError> {
        let id = Uuid::from_bytes(*conversation.as_bytes());
        Ok(!self.connection.query(sql::DELETE, &[(&id, Type::UUID)]).await?.is_empty())
    }
}

/// Reads a URL. The parser's reason may contain a part of the password, so it is not in the error. For the same reason, the
/// credentials must end at the only `@`: otherwise, a part of the password would be the name of a host or a database.
fn config(url: &str) -> Result<Config, StoreError> {
    let is_clear = url.rsplit_once('@').is_none_or(|(credentials, _)| !credentials.contains(['@', '?']));
    url.parse().ok().filter(|_| is_clear).ok_or_else(|| {
        StoreError::InvalidAddress(
            "the URL of the Postgres server is not valid; write postgres://USER:PASSWORD@HOST:PORT/DATABASE, and `@`, `?`, \
             `&` and `%` in the password as %40, %3F, %26 and %25"
                .to_owned(),
        )
    })
}

fn stored_turn(row: &Row) -> Result<StoredTurn, StoreError> {
    StoredTurn::from_json(TurnId::from_bytes(*get::<Uuid>(row, 0)?.as_bytes()), &get::<String>(row, 1)?)
}

fn summary(row: &Row) -> Result<Summary, StoreError> {
    let id = ConversationId::from_bytes(*get::<Uuid>(row, 0)?.as_bytes());
    let about = About::from_json(&get::<String>(row, 1)?)?;
    Ok(Summary::new(id, about, to_u64(get(row, 2)?), from_millis(get(row, 3)?)))
}

/// A column of a row.
fn get<'a, T: tokio_postgres::types::FromSql<'a>>(row: &'a Row, column: usize) -> Result<T, StoreError> {
    row.try_get(column).map_err(|error| StoreError::unreadable("a row", error))
}

impl fmt::Debug for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Postgres").finish_non_exhaustive()
    }
}
