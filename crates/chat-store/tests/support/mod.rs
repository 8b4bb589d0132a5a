//! Shared by the tests and the bench.

#![allow(dead_code, reason = "no test uses all of it")]

pub(crate) mod postgres;

use std::fs;
use std::future::Future;
use std::path::{Path, PathBuf};

use chat_client::Client;
use chat_mock::memory::{MemoryTransport, Script};
use chat_store::{About, AnyStore, Content, ConversationId, Dialect, Head, Memory, StoredTurn, TurnId};
use serde_json::json;

/// A folder that is removed at the end.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        let path = std::env::temp_dir().join(format!("chat-store-{}", TurnId::new()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

/// A place of one kind of store.
pub(crate) enum Place {
    Memory(Memory),
    Sqlite(Folder),
    /// A runtime, and the URL of a schema.
    Postgres(tokio::runtime::Runtime, String),
}

impl Place {
    pub(crate) fn memory() -> Self {
        Self::Memory(Memory::default())
    }

    pub(crate) fn sqlite() -> Self {
        Self::Sqlite(Folder::new())
    }

    pub(crate) fn postgres(url: String) -> Self {
        Self::Postgres(tokio::runtime::Runtime::new().unwrap(), url)
    }

    /// What another process needs to open it.
    pub(crate) fn address(&self) -> String {
        match self {
            Self::Memory(_) => panic!("no other process can open it"),
            Self::Sqlite(folder) => folder.path().join("state/store.sqlite3").display().to_string(),
            Self::Postgres(_, url) => url.clone(),
        }
    }

    /// Opens the store.
    pub(crate) fn open(&self) -> AnyStore {
        match self {
            Self::Memory(store) => AnyStore::new(store.clone()),
            Self::Sqlite(_) | Self::Postgres(..) => self.run(AnyStore::open(&self.address())).unwrap(),
        }
    }

    /// Runs a future on an executor that the store can be used on.
    pub(crate) fn run<F: Future>(&self, future: F) -> F::Output {
        match self {
            Self::Memory(_) | Self::Sqlite(_) => async_io::block_on(future),
            Self::Postgres(runtime, _) => runtime.block_on(future),
        }
    }
}

/// A client that answers from these scripts, and its transport.
pub(crate) fn client(scripts: impl IntoIterator<Item = Script>) -> (Client<MemoryTransport>, MemoryTransport) {
    let transport = MemoryTransport::new(scripts);
    (Client::builder().api_key("k").build_on(transport.clone()).unwrap(), transport)
}

/// The head of a chat.
pub(crate) fn head(id: ConversationId, title: &str) -> Head {
    Head::new(id, About::new(title, Dialect::Chat { model: "model-1".to_owned(), system: Vec::new() }))
}

/// A turn of a chat.
pub(crate) fn turn(question: &str, answer: &str) -> StoredTurn {
    let json = json!({
        "messages": [{"role": "user", "content": question}],
        "answer": {"role": "assistant", "content": answer},
    });
    StoredTurn::new(Content::Chat(serde_json::from_value(json).unwrap()))
}
