//! Key callbacks that are not `Send`.

mod support;

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use chat_client::driver::BoxError;
use chat_client::{Client, Error, ErrorKind, LocalKey, RetryPolicy, Timeouts};
use chat_mock::memory::{MemoryTransport, Script};
use support::{answer, run};

const KEY: &str = "sk-very-secret-1";

/// Counts its calls, and holds an `Rc` while it is pending.
fn client(transport: &MemoryTransport, calls: &Rc<Cell<u32>>) -> Client<LocalKey<MemoryTransport>> {
    let calls = Rc::clone(calls);
    let key = move || {
        let calls = Rc::clone(&calls);
        async move {
            support::yield_now().await;
            calls.set(calls.get() + 1);
            Ok(format!("{}-{KEY}", calls.get()))
        }
    };
    Client::builder().build_on_local(transport.clone(), key).unwrap()
}

#[test]
fn each_attempt_is_sent_with_its_key() {
    let transport = MemoryTransport::new([Script::head(503, &[]), answer("Yes."), answer("No.")]);
    let calls = Rc::default();
    let client = client(&transport, &calls);
    let mut session = client.session("docs");
    assert_eq!(run(session.ask("Is it?").finish()).unwrap().text, "Yes.");
    // Clients with other settings keep the callback.
    let other = client.with(|settings| settings.header("x-trace", "7f")).unwrap();
    assert_eq!(run(session.ask_by(&other, "Sure?").finish()).unwrap().text, "No.");
    let sent: Vec<_> = transport.requests().iter().map(|sent| sent.headers()["authorization"].clone()).collect();
    assert_eq!(sent, ["Bearer 1-sk-very-secret-1", "Bearer 2-sk-very-secret-1", "Bearer 3-sk-very-secret-1"]);
    assert!(sent.iter().all(http::HeaderValue::is_sensitive));
    assert_eq!(calls.get(), 3);
}

#[test]
fn the_keys_of_all_attempts_are_redacted() {
    let refusal = |number: u32| Script::json(429, format!("not with {number}-{KEY}"));
    let last = Script::head(401, &[("x-echo", KEY), ("x-full", "3-sk-very-secret-1")]);
    let transport = MemoryTransport::new([refusal(1), refusal(2), last]);
    let client = client(&transport, &Rc::default());
    let mut session = client.session("docs");
    let mut reply = session.ask("Is it?");
    let error = run(reply.next()).unwrap().unwrap_err();
    let bodies: Vec<_> = error.earlier().iter().map(Error::body).collect();
    let printed = format!("{error} {error:?} {bodies:?} {reply:?} {client:?} {:?}", error.head());
    assert!(!printed.contains("1-sk-very") && !printed.contains("2-sk-very"), "{printed}");
    assert!(!printed.contains("3-sk-very") && printed.contains("not with ***"), "{printed}");
    assert!(error.to_string().contains("the key came from a callback"), "{error}");
}

#[test]
fn an_attempt_without_a_key_does_not_count() {
    let transport = MemoryTransport::new([]);
    let fails = || async { Err::<String, BoxError>("the vault is locked".into()) };
    let client = Client::builder().build_on_local(transport.clone(), fails).unwrap();
    let mut session = client.session("docs");
    let error = run(session.ask("Is it?").finish()).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::InvalidRequest { field, .. } if field == "api_key"), "{error}");
    assert_eq!((error.attempts(), transport.requests().len()), (0, 0));
    assert_eq!(std::error::Error::source(&error).unwrap().to_string(), "the vault is locked");
    assert!(session.history().is_empty(), "the question was not sent");
}

#[test]
fn waiting_for_a_key_counts_towards_the_head_timeout() {
    let transport = MemoryTransport::new([]);
    let timeouts = Timeouts::default().with_head(Duration::from_secs(3));
    let retry = RetryPolicy::default();
    let builder = Client::builder().timeouts(timeouts).retry(retry);
    let client = builder.build_on_local(transport.clone(), std::future::pending).unwrap();
    let error = run(client.session("docs").ask("Is it?").finish()).unwrap_err();
    assert!(error.is_timeout(), "{error}");
    assert_eq!((transport.elapsed(), transport.requests().len()), (Duration::from_secs(3), 0));
}
