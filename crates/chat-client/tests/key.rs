//! Key sources, and the redaction of keys.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use chat_client::{Client, ErrorKind, Timeouts};
use chat_mock::memory::{MemoryTransport, Script};
use support::{answer, chunk, run};

const KEY: &str = "sk-very-secret-1";

fn keys(transport: &MemoryTransport) -> Vec<String> {
    transport.requests().iter().map(|sent| sent.headers()["authorization"].to_str().unwrap().to_owned()).collect()
}

#[test]
fn a_callback_is_called_for_every_attempt() {
    let transport = MemoryTransport::new([Script::head(503, &[]), answer("Yes.")]);
    let calls = AtomicUsize::new(0);
    let key = move || Ok(format!("{KEY}-{}", calls.fetch_add(1, Ordering::Relaxed)));
    let client = Client::builder().api_key_fn(key).build_on(transport.clone()).unwrap();
    run(client.session("docs").ask("Is it?").finish()).unwrap();
    assert_eq!(keys(&transport), [format!("Bearer {KEY}-0"), format!("Bearer {KEY}-1")]);
}

#[test]
fn an_async_callback_is_awaited() {
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
fn an_attempt_without_a_key_does_not_count() {
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
    assert!(session.history().is_empty(), "the question was not sent");
    assert!(error.to_string().starts_with("api_key is not a valid header value"), "{error}");
}

#[test]
fn waiting_for_a_key_counts_towards_the_head_timeout() {
    let transport = MemoryTransport::new([]);
    let timeouts = Timeouts::default().with_head(Duration::from_secs(3));
    let client = Client::builder().api_key_async(std::future::pending).timeouts(timeouts);
    let client = client.build_on(transport.clone()).unwrap();
    let error = run(client.session("docs").ask("Is it?").finish()).unwrap_err();
    assert!(error.is_timeout(), "{error}");
    assert_eq!((transport.elapsed(), transport.requests().len()), (Duration::from_secs(3), 0));
}

#[test]
fn the_error_of_a_missing_key_says_what_to_do() {
    let error = Client::builder().build_on(MemoryTransport::new([])).unwrap_err();
    assert_eq!(error.to_string(), "api_key is not set; set it, or call `env()` to read INKEEP_API_KEY");
}

#[test]
fn the_error_of_a_rejected_key_names_its_origin() {
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

/// The key as a server may send it back: plain, or with JSON escapes.
fn echoes() -> [String; 2] {
    [KEY.to_owned(), KEY.bytes().map(|byte| format!("\\u{byte:04x}")).collect()]
}

#[test]
fn a_key_that_the_server_sends_back_is_in_no_error() {
    for echo in echoes() {
        let padded = |at: usize| "x".repeat(at) + &echo;
        let scripts = || {
            [
                Script::json(401, format!("{{\"detail\":\"{}\"}}", padded(0))),
                Script::json(400, padded(290)),
                Script::json(
                    422,
                    format!("{{\"detail\":[{{\"loc\":[\"{echo}\"],\"msg\":\"{echo}\",\"type\":\"t\"}}]}}"),
                ),
                Script::json(200, format!("{{\"error\":\"{}\"}}", padded(280))),
                Script::events([format!("event: error\ndata: {}\n\n", padded(299))]),
                Script::events([chunk("Hi", ""), format!("event: error\ndata: {echo}\n")]),
                Script::head(500, &[("x-echo", KEY), ("x-request-id", KEY)]),
            ]
        };
        let count = scripts().len();
        for callback in [false, true] {
            for at in 0..count {
                let transport = MemoryTransport::new(scripts().into_iter().nth(at));
                let retry = chat_client::RetryPolicy::default().with_max_retries(0);
                let builder = Client::builder().retry(retry);
                let builder = if callback { builder.api_key_fn(|| Ok(KEY.to_owned())) } else { builder.api_key(KEY) };
                let client = builder.build_on(transport).unwrap();
                let mut session = client.session("docs");
                let mut reply = session.ask("Is it?");
                let error = loop {
                    match run(reply.next()).expect("an error") {
                        Ok(_) => {}
                        Err(error) => break error,
                    }
                };
                let head = error.head().map(|head| head.headers.values().cloned().collect::<Vec<_>>());
                let mut printed = format!("{error} {error:#} {error:?} {:?} {:?} {head:?}", error.kind(), error.body());
                printed += &format!("{reply:?} {client:?}");
                drop(reply);
                printed += &format!("{session:?} {:?}", session.history());
                assert!(!printed.contains(&KEY[..8]) && !printed.contains(&echoes()[1][..48]), "{at}: {printed}");
            }
        }
    }
}

#[test]
fn the_keys_of_all_attempts_are_redacted() {
    let calls = AtomicUsize::new(0);
    let key = move || Ok(format!("{}-{KEY}", calls.fetch_add(1, Ordering::Relaxed)));
    let refusal = |number: usize| Script::json(429, format!("not with {number}-{KEY}"));
    let transport = MemoryTransport::new([refusal(0), refusal(1), Script::json(401, format!("nor with 2-{KEY}"))]);
    let client = Client::builder().api_key_fn(key).build_on(transport).unwrap();
    let error = run(client.session("docs").ask("Is it?").finish()).unwrap_err();
    let printed = format!(
        "{error} {:?} {:?}",
        error.earlier(),
        error.earlier().iter().map(chat_client::Error::body).collect::<Vec<_>>()
    );
    assert!(
        !printed.contains(KEY) && printed.contains("not with ***") && printed.contains("nor with ***"),
        "{printed}"
    );
}

#[test]
fn the_text_of_an_answer_is_unchanged_and_not_in_debug_output() {
    let said = format!("Your key is {KEY}.");
    let transport = MemoryTransport::new([Script::events([chunk(&said, ",\"finish_reason\":\"stop\"")])]);
    let client = Client::builder().api_key(KEY).build_on(transport).unwrap();
    let mut session = client.session("docs");
    let mut reply = session.ask("Which key?");
    let event = run(reply.next()).unwrap().unwrap();
    assert_eq!(event.text(), Some(&*said));
    let mut printed = format!("{reply:?}");
    assert_eq!(run(reply.finish()).unwrap().text, said);
    printed += &format!("{session:?} {:?}", session.history());
    assert!(!printed.contains(KEY), "{printed}");
    assert_eq!(session.history()[0].answer().unwrap().text, said);
}
