//! Stores of other versions.

use chat_store::{AnyStore, StoreError};

use crate::support::Place;
use crate::support::postgres::client;

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
