//! What a call tells a subscriber of `tracing`, and what it never tells.

#![cfg(feature = "tracing")]

mod support;

use std::fmt::Write;
use std::sync::{Arc, Mutex};

use chat_client::{Call, Client, CreateInput, Request, Step};
use chat_mock::memory::{MemoryTransport, Script};
use support::{answer, chunk, run};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

/// Writes down all that is told, a line each.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<String>>);

impl Log {
    fn line(&self, what: &str, tell: impl FnOnce(&mut Fields<'_>)) {
        let mut log = self.0.lock().unwrap();
        log.push_str(what);
        tell(&mut Fields(&mut log));
        log.push('\n');
    }
}

struct Fields<'a>(&'a mut String);

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        // Times differ from run to run.
        if !matches!(field.name(), "seconds" | "gen_ai.response.time_to_first_chunk") {
            write!(self.0, " {field}={value:?}").unwrap();
        }
    }
}

impl<S: Subscriber> Layer<S> for Log {
    fn on_new_span(&self, attrs: &Attributes<'_>, _: &Id, _: Context<'_, S>) {
        self.line(&format!("span {}", attrs.metadata().name()), |fields| attrs.record(fields));
    }

    fn on_record(&self, _: &Id, values: &Record<'_>, _: Context<'_, S>) {
        self.line("record", |fields| values.record(fields));
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        self.line("event", |fields| event.record(fields));
    }
}

const KEY: &str = "sk-very-secret-1";

fn traced(scripts: impl IntoIterator<Item = Script>, ask: impl FnOnce(Client<MemoryTransport>)) -> String {
    let log = Log::default();
    let subscriber = tracing_subscriber::registry().with(log.clone());
    let client = Client::builder().api_key(KEY).base_url("https://h.example").header("x-other", KEY);
    let client = client.build_on(MemoryTransport::new(scripts)).unwrap();
    tracing::subscriber::with_default(subscriber, || ask(client));
    let log = log.0.lock().unwrap().clone();
    for secret in [KEY, "a private question", "a private answer"] {
        assert!(!log.contains(secret), "{secret} was told: {log}");
    }
    log
}

#[test]
fn a_call_tells_its_attempts_and_its_end() {
    let log = traced([Script::head(503, &[]), answer("a private answer")], |client| {
        run(client.session("docs").ask("a private question").finish()).unwrap();
    });
    let expected = "\
span chat otel.kind=\"client\" gen_ai.operation.name=\"chat\" gen_ai.provider.name=\"inkeep\" server.address=\"h.example\" server.port=443
span POST otel.kind=\"client\" http.request.method=\"POST\" server.address=\"h.example\" server.port=443
event message=an attempt begins number=1 server=\"h.example\"
record http.response.status_code=503
record network.protocol.version=\"1.1\"
event message=the head came status=503
record error.type=\"api\"
event message=waits before the next attempt error.type=\"api\" status=503
span POST otel.kind=\"client\" http.request.method=\"POST\" http.request.resend_count=1 server.address=\"h.example\" server.port=443
event message=an attempt begins number=2 server=\"h.example\"
record http.response.status_code=200
record network.protocol.version=\"1.1\"
event message=the head came status=200
event message=the text begins
record gen_ai.conversation.id=\"s/1\"
record gen_ai.response.finish_reasons=stop
event message=the answer is complete attempts=2 bytes=161 events=2
";
    assert_eq!(log, expected);
}

#[test]
fn a_failed_call_tells_its_kind() {
    let log = traced([Script::json(401, "{\"detail\":\"sk-very-secret-1\"}")], |client| {
        run(client.session("docs").ask("a private question").finish()).unwrap_err();
    });
    assert!(
        log.ends_with("event message=the call failed error.type=\"api\" status=401 attempts=1 bytes=29 events=0\n"),
        "{log}"
    );
    assert_eq!(log.matches("record error.type=\"api\"").count(), 2, "the attempt and the call: {log}");
}

#[test]
fn a_dropped_call_is_told_too() {
    let log = traced([Script::events([chunk("a private answer", "")]).stall()], |client| {
        let mut session = client.session("docs");
        let mut reply = session.ask("a private question");
        run(reply.next()).unwrap().unwrap();
    });
    assert!(log.contains("error.type=\"cancelled\" status=200 attempts=1 bytes="), "{log}");
}

#[test]
fn a_call_that_was_never_begun_tells_nothing() {
    assert_eq!(traced([], |client| drop(client.session("docs").ask("a private question"))), "");
}

#[test]
fn what_the_io_tells_is_told_within_the_attempt() {
    let subscriber = tracing_subscriber::registry().with(Log::default());
    tracing::subscriber::with_default(subscriber, || {
        let settings = Client::<MemoryTransport>::builder().api_key(KEY).settings().unwrap();
        let request = Request::create(&settings.endpoint, &CreateInput::new("docs", "a private question"));
        let mut call = Call::new(request, None, &settings, 0);
        let here = || tracing::Span::current().metadata().map(tracing::Metadata::name);
        assert_eq!(call.within(here), None);
        let step = call.poll();
        assert!(matches!(step, Step::Send(_)), "{step:?}");
        assert_eq!(call.within(here), Some("POST"));
    });
}
