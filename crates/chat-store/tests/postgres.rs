//! What only Postgres has: a connection that may be lost.

mod support;

use chat_store::{AnyStore, ConversationId, Postgres, Store};
use support::postgres::Server;
use support::{head, turn};

#[test]
fn a_lost_connection_is_opened_again() {
    let Some(server) = Server::start() else { return };
    let url = server.schema();
    let (id, turns) = (ConversationId::new(), ["1?", "2?", "3?", "4?"].map(|question| turn(question, "!")));
    let runtime = || tokio::runtime::Runtime::new().unwrap();
    let first = runtime();
    let store = first.block_on(Postgres::connect(&url)).unwrap();
    let head = head(id, "t");
    let append = |len: usize| store.append(&head, len as u64, &turns[len]);
    first.block_on(append(0)).unwrap();

    server.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()");
    first.block_on(append(1)).unwrap();

    server.stop("immediate");
    let error = first.block_on(append(2)).unwrap_err();
    assert!(error.to_string().starts_with("the store is not available: "), "{error}");
    server.begin();
    first.block_on(append(2)).unwrap();

    // The connection was a task of the first runtime.
    drop(first);
    let second = runtime();
    second.block_on(append(3)).unwrap();
    assert_eq!(second.block_on(store.load(id, 9)).unwrap().unwrap().turns, turns);

    let error = async_io::block_on(store.list(None, 1)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the store is not available: Postgres was called outside of a tokio runtime; call it inside one"
    );
}

/// Opens a store at an address, which fails, and returns the text of the error.
fn failure(address: &str) -> String {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let error = runtime.block_on(AnyStore::open(address)).unwrap_err();
    format!("{error} {error:?}")
}

#[test]
fn an_invalid_url_is_an_error_without_the_password() {
    for url in [
        "postgres://u:secret@h/?nonsense=1",
        "postgres://u:secret@h:port/d",
        "postgres://u:p@secret@h/d",
        "postgres://u:p@h?secret=1@h/d",
        "postgres://u:p?secret@h/d",
        "postgres://h/d?password=p&secret=1",
        "postgres://h/d?password=secret@h",
        "postgres:secret",
    ] {
        let error = failure(url);
        assert!(error.starts_with("the URL of the Postgres server is not valid; write postgres://"), "{error}");
        assert!(!error.contains("secret"), "{error}");
    }
}

#[test]
fn a_refused_connection_is_an_error_without_the_password() {
    // No server listens on this reserved port.
    let error = failure("postgres://u:secret@127.0.0.1:1/d");
    assert!(error.starts_with("the store is not available: error connecting to server: "), "{error}");
    assert!(!error.contains("secret"), "{error}");
}

#[test]
fn a_refused_password_is_not_in_the_error_and_not_in_debug() {
    let Some(server) = Server::start() else { return };
    let error = failure(&server.schema().replace("chat@", "nobody:secret@"));
    assert!(error.contains("role \"nobody\" does not exist"), "{error}");
    assert!(!error.contains("secret"), "{error}");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    // The server of the tests takes any password.
    let url = server.schema().replace("chat@", "chat:secret@");
    let postgres = runtime.block_on(Postgres::connect(&url)).unwrap();
    let any = runtime.block_on(AnyStore::open(&url.replace("postgres:", "postgresql:"))).unwrap();
    assert_eq!(runtime.block_on(any.list(None, 1)).unwrap(), []);
    assert_eq!(format!("{postgres:?} {any:?}"), "Postgres { .. } AnyStore { .. }");
}

#[test]
fn each_schema_has_a_store_of_its_own() {
    let Some(server) = Server::start() else { return };
    server.sql("CREATE SCHEMA tenant; CREATE SCHEMA \"Te'n.ant\"\"2\"");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let stores = ["public", "tenant,public", "%22Te'n.ant%22%222%22,tenant,public"].map(|path| {
        let url = format!("{}?options=-csearch_path%3D{path}", server.url());
        let store = runtime.block_on(Postgres::connect(&url)).unwrap();
        assert_eq!(runtime.block_on(store.list(None, 9)).unwrap(), [], "{path}");
        let head = head(ConversationId::new(), path);
        for (len, turn) in [(0, turn("1?", "One.")), (1, turn("2?", "Two."))] {
            runtime.block_on(store.append(&head, len, &turn)).unwrap();
        }
        (store, head)
    });
    for (store, head) in &stores {
        let listed = runtime.block_on(store.list(None, 9)).unwrap();
        assert_eq!(listed.iter().map(|summary| summary.id).collect::<Vec<_>>(), [head.id]);
        for (_, other) in &stores {
            let len = runtime.block_on(store.load(other.id, 9)).unwrap().map(|loaded| loaded.turns.len());
            assert_eq!(len, (other.id == head.id).then_some(2));
        }
    }
    // A store whose tables are gone is not the next one of the path.
    server.sql("DROP SCHEMA tenant CASCADE");
    let [(public, head), (tenant, _), _] = &stores;
    runtime.block_on(tenant.list(None, 9)).unwrap_err();
    runtime.block_on(tenant.delete(head.id)).unwrap_err();
    assert_eq!(runtime.block_on(public.list(None, 9)).unwrap().len(), 1);
}

#[test]
fn a_schema_that_cannot_be_used_is_an_error() {
    let Some(server) = Server::start() else { return };
    let foreign = "CREATE SCHEMA foreign_type; CREATE TABLE foreign_type.chat_store_version AS SELECT 'x' AS version;
        CREATE SCHEMA foreign_rows; CREATE TABLE foreign_rows.chat_store_version (version bigint)";
    server.sql(foreign);
    for (path, expected) in [
        ("missing", "the store is not available: the search path has no schema that exists; create the schema first"),
        ("foreign_type", "could not read the version of the store: error deserializing column 0"),
        ("foreign_rows", "could not read the version of the store: the table chat_store_version is empty"),
    ] {
        let error = failure(&format!("{}?options=-csearch_path%3D{path}", server.url()));
        assert!(error.starts_with(expected), "{error}");
    }
}
