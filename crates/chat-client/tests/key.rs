//! Where keys come from, and where they never go.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use chat_client::{Client, ErrorKind, Timeouts};
use chat_mock::memory::{MemoryTransport, Script};
use support::{answer, run};

const KEY: &str = "sk-very-secret-1";

fn keys(transport: &MemoryTransport) -> Vec<String> {
    transport.requests().iter().map(|sent| sent.headers()["authorization"].to_str().unwrap().to_owned()).collect()
}

#[test]
fn a_callback_is_asked_on_every_attempt() {
    let transport = MemoryTransport::new([Script::head(503, &[]), answer("Yes.")]);
    let calls = AtomicUsize::new(0);
    let key = move || Ok(format!("{KEY}-{}", calls.fetch_add(1, Ordering::Relaxed)));
    let client = Client::builder().api_key_fn(key).build_on(transport.clone()).unwrap();
    run(client.session("docs").ask("Is it?").finish()).unwrap();
    assert_eq!(keys(&transport), [format!("Bearer {KEY}-0"), format!("Bearer {KEY}-1")]);
}

#[test]
fn a_key_may_be_waited_for() {
    let transport = MemoryTransport::new([Script::head(503, &[]), answer("Yes.")]);
    let calls = Arc::new(AtomicUsize::new(0));
    let key = {
        let calls = Arc::clone(&calls);
        move || {
            let number = calls.fetch_add(1, Ordering::Relaxed);
            async move {
                support::yield_now().await;
                Ok(format!("{KEY}-{number}"))
            }
        }
    };
    let client = Client::builder().api_key_async(key).build_on(transport.clone()).unwrap();
    run(client.session("docs").ask("Is it?").finish()).unwrap();
    assert_eq!(keys(&transport), [format!("Bearer {KEY}-0"), format!("Bearer {KEY}-1")]);
}

#[test]
fn no_key_is_no_attempt() {
    let transport = MemoryTransport::new([Script::head(503, &[])]);
    let calls = AtomicUsize::new(0);
    let key = move || match calls.fetch_add(1, Ordering::Relaxed) {
        0 => Ok(KEY.to_owned()),
        _ => Err("the vault is locked".into()),
    };
    let client = Client::builder().api_key_fn(key).build_on(transport.clone()).unwrap();
    let error = run(client.session("docs").ask("Is it?").finish()).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::InvalidRequest { field, .. } if field == "api_key"), "{error}");
    assert_eq!((error.attempts(), transport.requests().len()), (1, 1));
    assert_eq!(std::error::Error::source(&error).unwrap().to_string(), "the vault is locked");

    let bad = Client::builder().api_key_fn(|| Ok("a b".to_owned())).build_on(transport).unwrap();
    let mut session = bad.session("docs");
    let error = run(session.ask("Is it?").finish()).unwrap_err();
    assert!(session.history().is_empty(), "it was not asked");
    assert!(error.to_string().starts_with("api_key is no value for a header"), "{error}");
}

#[test]
fn a_key_that_never_comes_is_a_head_that_never_comes() {
    let transport = MemoryTransport::new([]);
    let timeouts = Timeouts::default().with_head(Duration::from_secs(3));
    let client = Client::builder().api_key_async(std::future::pending).timeouts(timeouts);
    let client = client.build_on(transport.clone()).unwrap();
    let error = run(client.session("docs").ask("Is it?").finish()).unwrap_err();
    assert!(error.is_timeout(), "{error}");
    assert_eq!((transport.elapsed(), transport.requests().len()), (Duration::from_secs(3), 0));
}

#[test]
fn no_key_is_a_mistake_that_says_what_to_do() {
    let error = Client::builder().build_on(MemoryTransport::new([])).unwrap_err();
    assert_eq!(error.to_string(), "api_key is not set; INKEEP_API_KEY would be read by `env()`");
}

#[test]
fn a_refused_key_is_named_by_where_it_came_from() {
    for (status, named) in [(401, true), (403, true), (404, false)] {
        let transport = MemoryTransport::new([Script::json(status, "{}"), Script::json(status, "{}")]);
        let client = Client::builder().api_key(KEY).build_on(transport).unwrap();
        let error = run(client.session("docs").ask("Is it?").finish()).unwrap_err();
        let text = error.to_string();
        assert_eq!(text.contains("the key came from the client's settings"), named, "{text}");
        let client = client.with(|settings| settings.api_key_fn(|| Ok(KEY.to_owned()))).unwrap();
        let error = run(client.session("docs").ask("Is it?").finish()).unwrap_err();
        assert_eq!(error.to_string().contains("the key came from a callback"), named, "{error}");
    }
}

#[test]
fn nothing_prints_the_key() {
    let builder = || Client::builder().api_key(KEY).header("x-other", KEY);
    let transport = MemoryTransport::new([Script::json(401, "{}"), answer("Yes.")]);
    let mut printed = format!("{:?}", builder());
    let client = builder().build_on(transport).unwrap();
    let mut session = client.session("docs");
    let mut reply = session.ask("Is it?");
    printed += &format!("{client:?} {session:?} {reply:?} {:?}", client.settings());
    let error = run(reply.next()).unwrap().unwrap_err();
    printed += &format!("{reply:?} {error} {error:?} {error:#?} {}", error.advice());
    printed += &format!("{:?} {:?}", run(session.ask("Is it?").finish()), session.history());
    assert!(!printed.contains(KEY), "{printed}");
    assert!(printed.contains("ApiKey") || printed.contains("KeySource"), "{printed}");
}
