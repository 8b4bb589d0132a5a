//! Stores of other versions.

use std::fs;
use std::path::Path;

use chat_store::{AnyStore, ConversationId, Store, StoreError};

use crate::support::postgres::client;
use crate::support::{Place, head, turn};

pub(crate) fn a_newer_version_is_rejected(place: &Place) {
    drop(place.open());
    let address = place.address();
    match place {
        Place::Memory(_) => unreachable!("it has no version"),
        Place::Sqlite(_) => {
            let connection = rusqlite::Connection::open(&address).unwrap();
            connection.execute_batch("PRAGMA user_version = 99").unwrap();
        }
        Place::Postgres(runtime, url) => {
            let change = async { client(url).await.batch_execute("UPDATE chat_store_version SET version = 99").await };
            runtime.block_on(change).unwrap();
        }
    }
    let error = place.run(AnyStore::open(&address)).unwrap_err();
    assert!(matches!(error, StoreError::NewerVersion { found: 99, supported: 1 }), "{error:?}");
    let expected = "a newer version of this program wrote the store: the store has version 99, and this program reads up to 1; \
                    update the program, or use another store";
    assert_eq!(error.to_string(), expected);
}

pub(crate) fn an_empty_place_is_migrated_once(place: &Place) {
    let address = place.address();
    // A file without content. The schema of Postgres is empty.
    if let Place::Sqlite(_) = place {
        fs::create_dir_all(Path::new(&address).parent().unwrap()).unwrap();
        fs::write(&address, "").unwrap();
    }
    let id = ConversationId::new();
    place.run(place.open().append(&head(id, "t"), 0, &turn("?", "!"))).unwrap();
    let reopen = || {
        let loaded = place.run(place.open().load(id, 9)).unwrap().unwrap();
        assert_eq!(loaded.len, 1);
    };
    match place {
        Place::Memory(_) => unreachable!("it has no version"),
        Place::Sqlite(_) => {
            let connection = rusqlite::Connection::open(&address).unwrap();
            let read = |pragma| connection.query_row(pragma, (), |row| row.get::<_, i64>(0)).unwrap();
            assert_eq!(read("PRAGMA user_version"), 1);
            // It changes whenever another connection writes.
            let before = read("PRAGMA data_version");
            reopen();
            assert_eq!(read("PRAGMA data_version"), before);
        }
        Place::Postgres(runtime, url) => {
            // The version, and the transaction that wrote it.
            let sql = "SELECT version, xmin::text FROM chat_store_version";
            let read = || {
                let row = runtime.block_on(async { client(url).await.query_one(sql, &[]).await }).unwrap();
                (row.get::<_, i64>(0), row.get::<_, String>(1))
            };
            let before = read();
            assert_eq!(before.0, 1);
            reopen();
            assert_eq!(read(), before);
        }
    }
}
