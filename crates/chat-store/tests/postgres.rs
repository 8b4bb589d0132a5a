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
    assert_eq!(error.to_string(), "the store is not available: Postgres needs a tokio runtime, and this is none");
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
    // A port that nobody listens on.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let error = failure(&format!("postgres://u:secret@127.0.0.1:{port}/d"));
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
