//! A store of any type.

use std::fmt;
use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;

use crate::address::Address;
use crate::{AppendError, ConversationId, Head, Loaded, Memory, Position, Store, StoreError, StoredTurn, Summary};

type BoxFuture<'a, R> = Pin<Box<dyn Future<Output = R> + Send + 'a>>;

/// A store of any type: what `Arc<dyn Store>` would be. Use it if the kind of store is chosen at run time. Clones share the
/// store, and each operation allocates its future.
#[derive(Clone)]
pub struct AnyStore(Arc<dyn Object>);

impl AnyStore {
    /// Makes a store of any type from a store.
    pub fn new(store: impl Store + 'static) -> Self {
        Self(Arc::new(store))
    }

    /// Opens the store at an address, such as one in a configuration:
    ///
    /// | address | store | feature |
    /// | --- | --- | --- |
    /// | `sqlite:PATH`, or only the path | `Sqlite` | `sqlite` |
    /// | `postgres://USER:PASSWORD@HOST/DATABASE`, or `postgresql://…` | `Postgres` without TLS | `postgres` |
    /// | `memory:` | a new [`Memory`] | |
    ///
    /// `sqlite://PATH` is the same as `sqlite:PATH`, and the path is taken as it is. For Postgres with TLS, pass a
    /// `Postgres::connect_with` to [`new`](Self::new).
    ///
    /// ```
    /// # async_io::block_on(async {
    /// use chat_store::{AnyStore, StoreError};
    ///
    /// let store = AnyStore::open("memory:").await?;
    /// assert!(matches!(AnyStore::open("mysql://h").await, Err(StoreError::InvalidAddress(_))));
    /// # Ok::<(), StoreError>(())
    /// # }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// [`StoreError::InvalidAddress`] if the address has another form, and [`StoreError::NotBuilt`] if the feature is off.
    /// Also the errors of the store. No error contains the password.
    pub async fn open(address: &str) -> Result<Self, StoreError> {
        match Address::parse(address)? {
            Address::Memory => Ok(Self::new(Memory::default())),
            Address::Sqlite(path) => sqlite(path).await,
            Address::Postgres(url) => postgres(url).await,
        }
    }

    /// Whether [`open`](Self::open) would create a file. Use it before an operation that only reads, for which a misspelled
    /// path is an error.
    ///
    /// # Errors
    ///
    /// [`StoreError::InvalidAddress`].
    pub fn would_create(address: &str) -> Result<bool, StoreError> {
        Ok(matches!(Address::parse(address)?, Address::Sqlite(path) if !Path::new(path).exists()))
    }
}

#[cfg(feature = "sqlite")]
async fn sqlite(path: &str) -> Result<AnyStore, StoreError> {
    Ok(AnyStore::new(crate::Sqlite::open(path).await?))
}

#[cfg(not(feature = "sqlite"))]
async fn sqlite(_: &str) -> Result<AnyStore, StoreError> {
    Err(StoreError::NotBuilt { feature: "sqlite" })
}

#[cfg(feature = "postgres")]
async fn postgres(url: &str) -> Result<AnyStore, StoreError> {
    Ok(AnyStore::new(crate::Postgres::connect(url).await?))
}

#[cfg(not(feature = "postgres"))]
async fn postgres(_: &str) -> Result<AnyStore, StoreError> {
    Err(StoreError::NotBuilt { feature: "postgres" })
}

/// The required methods of [`Store`] with boxed futures.
trait Object: Send + Sync {
    fn append<'a>(&'a self, head: &'a Head, len: u64, turn: &'a StoredTurn) -> BoxFuture<'a, Result<(), AppendError>>;
    fn load(&self, id: ConversationId, last: usize) -> BoxFuture<'_, Result<Option<Loaded>, StoreError>>;
    fn list(&self, after: Option<Position>, limit: usize) -> BoxFuture<'_, Result<Vec<Summary>, StoreError>>;
    fn delete(&self, id: ConversationId) -> BoxFuture<'_, Result<bool, StoreError>>;
}

impl<S: Store> Object for S {
    fn append<'a>(&'a self, head: &'a Head, len: u64, turn: &'a StoredTurn) -> BoxFuture<'a, Result<(), AppendError>> {
        Box::pin(Store::append(self, head, len, turn))
    }

    fn load(&self, id: ConversationId, last: usize) -> BoxFuture<'_, Result<Option<Loaded>, StoreError>> {
        Box::pin(Store::load(self, id, last))
    }

    fn list(&self, after: Option<Position>, limit: usize) -> BoxFuture<'_, Result<Vec<Summary>, StoreError>> {
        Box::pin(Store::list(self, after, limit))
    }

    fn delete(&self, id: ConversationId) -> BoxFuture<'_, Result<bool, StoreError>> {
        Box::pin(Store::delete(self, id))
    }
}

impl Store for AnyStore {
    async fn append(&self, conversation: &Head, expected_len: u64, turn: &StoredTurn) -> Result<(), AppendError> {
        self.0.append(conversation, expected_len, turn).await
    }

    async fn load(&self, conversation: ConversationId, last: usize) -> Result<Option<Loaded>, StoreError> {
        self.0.load(conversation, last).await
    }

    async fn list(&self, after: Option<Position>, limit: usize) -> Result<Vec<Summary>, StoreError> {
        self.0.list(after, limit).await
    }

    async fn delete(&self, conversation: ConversationId) -> Result<bool, StoreError> {
        self.0.delete(conversation).await
    }
}

impl fmt::Debug for AnyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnyStore").finish_non_exhaustive()
    }
}
