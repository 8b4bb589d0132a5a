//! A canceller ends a call in each of its states.

mod support;

use std::future::poll_fn;
use std::io::Read as _;
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc;
use std::task::Poll;
use std::thread;
use std::time::Instant;

use chat_blocking::driver::Config;
use chat_blocking::sessions::CreateInput;
use chat_blocking::{Client, ErrorKind, Reply};
use chat_mock::faults::{FIRST, RESULT};
use chat_mock::{ScriptServer, ScriptedReply as Script, Step};
use support::{LONG, client, once, question, runtime, stream, until};

/// Cancels a call from another thread after `waits` returns. The call has this many events then; `None` means no head.
fn cancels(what: &str, mut reply: Reply, events: Option<usize>, waits: impl FnOnce()) {
    let canceller = reply.canceller();
    let (tell, told) = mpsc::channel();
    let begun = Instant::now();
    let call = thread::spawn(move || {
        for count in 0.. {
            tell.send(count).unwrap();
            match reply.next().unwrap_or_else(|| panic!("the reply ended without an error")) {
                Ok(_) => {}
                Err(error) => {
                    assert!(reply.next().is_none());
                    return error;
                }
            }
        }
        unreachable!("it ends")
    });
    while told.recv().unwrap() < events.unwrap_or(0) {}
    waits();
    canceller.cancel();
    let error = call.join().unwrap();
    assert_eq!(error.kind(), &ErrorKind::Cancelled, "{what}: {error}");
    assert_eq!(error.partial().map(|answer| answer.events as usize), events, "{what}");
    assert!(begun.elapsed() < LONG / 2, "{what}");
}

fn ask(url: &str) -> Reply {
    client(url, &Config::default()).create(&question())
}

#[test]
fn while_getting_the_key() {
    let (tell, told) = mpsc::channel();
    let key = move || {
        let tell = tell.clone();
        poll_fn(move |_| {
            tell.send(()).unwrap();
            Poll::Pending
        })
    };
    let client = Client::builder().base_url("http://127.0.0.1:1").api_key_async(key).build().unwrap();
    cancels("the key", client.create(&question()), None, || told.recv().unwrap());
}

#[test]
fn while_connecting() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut accepted: Option<TcpStream> = None;
    let reply = ask(&format!("https://{}", silent.local_addr().unwrap()));
    cancels("TLS", reply, None, || accepted = Some(silent.accept().unwrap().0));
    // The connection is closed after the TLS client hello.
    accepted.unwrap().read_to_end(&mut Vec::new()).unwrap();
}

#[test]
fn while_writing() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    // More than the buffers of both sockets.
    let mut input = CreateInput::new("i", "m".repeat(64 << 20));
    input.stream = true;
    let url = format!("http://{}", listener.local_addr().unwrap());
    let mut accepted: Option<TcpStream> = None;
    cancels("a write", once(&url).create(&input), None, || {
        let mut tcp = listener.accept().unwrap().0;
        tcp.read_exact(&mut [0; 1024]).unwrap();
        accepted = Some(tcp);
    });
}

#[test]
fn while_reading_and_before_the_next_attempt() {
    let runtime = runtime();
    let _entered = runtime.enter();
    let whole = || Script::json(200, &[], RESULT);
    let by_close = || Script::head(200, &[("content-type", "text/event-stream")]).then(Step::Write(FIRST.into()));
    let rows = [
        ("the head", vec![Script::raw("").then(Step::Stall)], None, 1),
        ("the body", vec![stream().chunk(FIRST).then(Step::Stall)], Some(1), 1),
        ("the body on a reused connection", vec![whole(), stream().chunk(FIRST).then(Step::Stall)], Some(1), 2),
        // The end of the connection is the end of the body.
        ("the body until the close", vec![by_close().then(Step::Stall)], Some(1), 1),
        ("the next attempt", vec![Script::json(429, &[("retry-after", "30")], "{}")], None, 1),
    ];
    for (what, script, events, requests) in rows {
        let server = ScriptServer::start(script).unwrap();
        let client = client(&server.url(), &Config::default());
        for _ in 1..requests {
            client.create(&question()).finish().unwrap();
        }
        let waits = || until(what, || server.requests().len() == requests);
        cancels(what, client.create(&question()), events, waits);
        drop(client);
        until("the close", || server.open_connections() == 0);
    }
}

#[test]
fn before_the_start_and_after_the_end() {
    let runtime = runtime();
    let _entered = runtime.enter();
    let server = ScriptServer::start(vec![Script::json(200, &[], RESULT)]).unwrap();
    let client = once(&server.url());
    let mut session = client.session("i");
    let reply = session.ask("What is a chunk?");
    reply.canceller().cancel();
    assert_eq!(reply.finish().unwrap_err().kind(), &ErrorKind::Cancelled);
    assert_eq!((server.requests().len(), session.history().len()), (0, 0));

    let mut reply = client.create(&question());
    let canceller = reply.canceller();
    while reply.next().is_some() {}
    canceller.cancel();
    assert!(reply.next().is_none());
    assert_eq!(reply.finish().unwrap().text, "Yes, no.");
    // The canceller does not affect the connection after its call has ended.
    client.create(&question()).finish().unwrap();
    assert_eq!(server.accepted_connections(), 1);
}
