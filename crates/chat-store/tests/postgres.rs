//! What only Postgres has: a connection that may be lost.

mod support;

use chat_store::{ConversationId, Postgres, Store};
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

#[test]
fn an_invalid_url_is_an_error() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let error = runtime.block_on(Postgres::connect("postgres://h/?nonsense=1")).unwrap_err();
    assert!(error.to_string().starts_with("the store is not available: "), "{error}");
}
