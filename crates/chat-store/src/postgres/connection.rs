//! The connection to the server, which is opened again after it is lost.

use std::error::Error as _;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::timeout;
use tokio_postgres::error::SqlState;
use tokio_postgres::tls::{MakeTlsConnect, TlsConnect};
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Config, Error, Row, Socket};

use super::migrate::migrate;
use super::sql::in_schema;
use crate::StoreError;

/// Maximum time to connect, unless the configuration has one.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Maximum time of an operation. A silent connection is given up.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A parameter of a statement.
pub(crate) type Param<'a> = (&'a (dyn ToSql + Sync), Type);

type Connect = dyn Fn() -> Pin<Box<dyn Future<Output = Result<Client, Error>> + Send>> + Send + Sync;

pub(crate) struct Connection {
    connect: Box<Connect>,
    open: Mutex<Option<Arc<Open>>>,
}

/// A connection that is open.
struct Open {
    client: Client,
    /// The schema of the tables.
    schema: String,
}

impl Connection {
    /// Connects, and migrates the tables.
    pub(crate) async fn open<T>(mut config: Config, tls: T) -> Result<Self, StoreError>
    where
        T: MakeTlsConnect<Socket> + Clone + Send + Sync + 'static,
        T::Stream: Send,
        T::TlsConnect: Send,
        <T::TlsConnect as TlsConnect<Socket>>::Future: Send,
    {
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT_TIMEOUT);
        }
        let connect = move || {
            let (config, tls) = (config.clone(), tls.clone());
            let connect = async move {
                let (client, connection) = config.connect(tls).await?;
                // An error of the connection is also that of the statement.
                tokio::spawn(async move { drop(connection.await) });
                Ok(client)
            };
            Box::pin(connect) as Pin<Box<dyn Future<Output = _> + Send>>
        };
        let connection = Self { connect: Box::new(connect), open: Mutex::new(None) };
        connection.get().await?;
        Ok(connection)
    }

    /// Runs a statement. If the connection is lost, it is opened again, and the statement is repeated once: it must do no
    /// harm if it runs twice.
    pub(crate) async fn query(&self, sql: &str, params: &[Param<'_>]) -> Result<Vec<Row>, StoreError> {
        let open = self.get().await?;
        match self.run(&open, sql, params).await {
            Err(Failed::Lost(_)) => {}
            result => return result.map_err(Failed::into_error),
        }
        let open = self.get().await?;
        self.run(&open, sql, params).await.map_err(Failed::into_error)
    }

    async fn run(&self, open: &Arc<Open>, sql: &str, params: &[Param<'_>]) -> Result<Vec<Row>, Failed> {
        // Without preparing it, so that it takes one round trip, and poolers such as PgBouncer need no session.
        let sql = in_schema(sql, &open.schema);
        let error = match timeout(TIMEOUT, open.client.query_typed(&sql, params)).await {
            Ok(Ok(rows)) => return Ok(rows),
            Ok(Err(error)) if is_lost(&open.client, &error) => Failed::Lost(error),
            Ok(Err(error)) => return Err(Failed::Refused(failed(error))),
            Err(_) => Failed::Refused(StoreError::unavailable(format!("no answer within {} s", TIMEOUT.as_secs()))),
        };
        self.forget(open).await;
        Err(error)
    }

    /// Returns the open connection, or a new one. The tables of a new one are checked.
    async fn get(&self) -> Result<Arc<Open>, StoreError> {
        if tokio::runtime::Handle::try_current().is_err() {
            return Err(StoreError::unavailable("Postgres was called outside of a tokio runtime; call it inside one"));
        }
        let mut slot = self.open.lock().await;
        if let Some(open) = slot.as_ref().filter(|open| !open.client.is_closed()) {
            return Ok(Arc::clone(open));
        }
        let open = async {
            let mut client = (self.connect)().await.map_err(failed)?;
            let schema = migrate(&mut client).await?;
            Ok(Open { client, schema })
        };
        let no_answer = |_| StoreError::unavailable(format!("no connection within {} s", TIMEOUT.as_secs()));
        let open = Arc::new(timeout(TIMEOUT, open).await.map_err(no_answer)??);
        *slot = Some(Arc::clone(&open));
        Ok(open)
    }

    /// Closes a connection that can't be used again.
    async fn forget(&self, open: &Arc<Open>) {
        let mut slot = self.open.lock().await;
        if slot.as_ref().is_some_and(|current| Arc::ptr_eq(current, open)) {
            *slot = None;
        }
    }
}

enum Failed {
    /// The connection was lost.
    Lost(Error),
    /// Another attempt would not help.
    Refused(StoreError),
}

impl Failed {
    fn into_error(self) -> StoreError {
        match self {
            Self::Lost(error) => failed(error),
            Self::Refused(error) => error,
        }
    }
}

/// Whether the connection was lost: closed, or the server shuts down.
fn is_lost(client: &Client, error: &Error) -> bool {
    let shutdown = [SqlState::ADMIN_SHUTDOWN, SqlState::CRASH_SHUTDOWN, SqlState::CANNOT_CONNECT_NOW];
    client.is_closed() || error.is_closed() || error.code().is_some_and(|code| shutdown.contains(code))
}

/// The error of an operation. The cause is in its text, because that of tokio-postgres is only `db error`.
pub(crate) fn failed(error: Error) -> StoreError {
    match error.source() {
        Some(cause) => StoreError::unavailable(format!("{error}: {cause}")),
        None => StoreError::unavailable(error),
    }
}
