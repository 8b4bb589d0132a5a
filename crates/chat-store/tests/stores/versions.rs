//! Stores of other versions.

use chat_store::{Postgres, Sqlite, StoreError};

use crate::support::postgres::client;
use crate::support::{Place, open};

pub(crate) fn a_newer_version_is_rejected(place: &Place) {
    let address = place.address();
    drop(place.run(open(&address)));
    let error = match place {
        Place::Sqlite(_) => {
            let connection = rusqlite::Connection::open(&address).unwrap();
            connection.execute_batch("PRAGMA user_version = 99").unwrap();
            place.run(Sqlite::open(&address)).map(drop).unwrap_err()
        }
        Place::Postgres(runtime, url) => runtime.block_on(async {
            client(url).await.batch_execute("UPDATE chat_store_version SET version = 99").await.unwrap();
            Postgres::connect(url).await.map(drop).unwrap_err()
        }),
    };
    assert!(matches!(error, StoreError::NewerVersion { found: 99, supported: 1 }), "{error:?}");
    let expected = "a newer version of this program wrote the store: the store has version 99, and this program reads up to 1; \
                    update the program, or use another store";
    assert_eq!(error.to_string(), expected);
}
