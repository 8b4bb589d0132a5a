//! What a call tells a subscriber of `tracing`, and what it never tells.

#![cfg(feature = "tracing")]

mod support;

use std::fmt::Write;
use std::sync::{Arc, Mutex};

use chat_client::completions::QA_EXPERT;
use chat_client::driver::{Attempt, Call, Elapsed, Output, Request};
use chat_client::sessions::CreateInput;
use chat_client::{Client, RetryPolicy};
use chat_mock::memory::{MemoryTransport, Script};
use serde_json::json;
use support::{answer, chunk, completions, run};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

/// Records all spans and events, one line each.
#[derive(Clone, Default)]
struct Log {
    lines: Arc<Mutex<String>>,
    /// Whether to record times. They differ between runs if the transport has a real clock.
    times: bool,
}

impl Log {
    fn line(&self, what: &str, tell: impl FnOnce(&mut Fields<'_>)) {
        let mut log = self.lines.lock().unwrap();
        log.push_str(what);
        tell(&mut Fields(&mut log, self.times));
        log.push('\n');
    }
}

struct Fields<'a>(&'a mut String, bool);

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        if self.1 || !matches!(field.name(), "seconds" | "gen_ai.response.time_to_first_chunk") {
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
    let log = log.lines.lock().unwrap().clone();
    for secret in [KEY, "a private question", "a private answer"] {
        assert!(!log.contains(secret), "{secret} was traced: {log}");
    }
    log
}

#[test]
fn a_call_traces_its_attempts_and_its_end() {
    let log = traced([Script::head(503, &[]), answer("a private answer")], |client| {
        run(client.session("docs").ask("a private question").finish()).unwrap();
    });
    let expected = "\
span chat otel.kind=\"client\" gen_ai.operation.name=\"chat\" gen_ai.provider.name=\"inkeep\" server.address=\"h.example\" server.port=443
span POST otel.kind=\"client\" http.request.method=\"POST\" server.address=\"h.example\" server.port=443
event message=attempt started number=1 server=\"h.example\"
record http.response.status_code=503
record network.protocol.version=\"1.1\"
event message=head received status=503
record error.type=\"api\"
event message=waiting before the next attempt error.type=\"api\" status=503
span POST otel.kind=\"client\" http.request.method=\"POST\" http.request.resend_count=1 server.address=\"h.example\" server.port=443
event message=attempt started number=2 server=\"h.example\"
record http.response.status_code=200
record network.protocol.version=\"1.1\"
event message=head received status=200
event message=first text received
record gen_ai.conversation.id=\"s/1\"
record gen_ai.response.finish_reasons=stop
event message=answer complete attempts=2 bytes=161 events=2
";
    assert_eq!(log, expected);
}

#[test]
fn a_chat_completion_traces_its_model_its_tokens_and_its_end() {
    let usage = "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":7}}\n\n".to_owned();
    let end = completions::chunk(&json!({}), Some("length"));
    let whole = Script::events([completions::text("a private answer"), end, usage, "data: [DONE]\n\n".to_owned()]);
    let log = traced([whole], |client| {
        run(client.chat("model-1").ask("a private question").finish()).unwrap();
    });
    let expected = "\
span chat otel.kind=\"client\" gen_ai.operation.name=\"chat\" gen_ai.provider.name=\"openai\" gen_ai.request.model=\"model-1\" server.address=\"h.example\" server.port=443
span POST otel.kind=\"client\" http.request.method=\"POST\" server.address=\"h.example\" server.port=443
event message=attempt started number=1 server=\"h.example\"
record http.response.status_code=200
record network.protocol.version=\"1.1\"
event message=head received status=200
event message=first text received
record gen_ai.response.finish_reasons=length
record gen_ai.response.id=\"c-1\"
record gen_ai.response.model=\"served-1\"
record gen_ai.usage.input_tokens=5
record gen_ai.usage.output_tokens=7
event message=answer complete attempts=1 bytes=308 events=4
";
    assert_eq!(log, expected);
}

#[test]
fn the_services_own_models_are_of_its_provider() {
    let log = traced([Script::completion("a private answer")], |client| {
        run(client.chat(QA_EXPERT).ask("a private question").finish()).unwrap();
    });
    assert!(log.contains("gen_ai.provider.name=\"inkeep\" gen_ai.request.model=\"inkeep-qa-expert\""), "{log}");
}

#[test]
fn a_chat_completion_that_fails_traces_what_arrived() {
    let usage = "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":5}}\n\n".to_owned();
    let log = traced([Script::events([completions::text("a private answer"), usage]).cut()], |client| {
        run(client.chat("model-1").ask("a private question").finish()).unwrap_err();
    });
    for field in ["gen_ai.response.id=\"c-1\"", "gen_ai.usage.input_tokens=5\nrecord\n", "error.type=\"truncated\""] {
        assert!(log.contains(field), "{field} is not in {log}");
    }
}

#[test]
fn a_list_of_models_is_not_traced() {
    let list = || Script::json(200, "{\"data\":[{\"id\":\"model-1\"}]}");
    let log = traced([Script::head(503, &[]), list(), Script::json(401, "{}")], |client| {
        assert_eq!(run(client.list_models()).unwrap().len(), 1);
        run(client.list_models()).unwrap_err();
    });
    assert_eq!(log, "");
}

#[test]
fn a_failed_call_traces_its_kind() {
    let log = traced([Script::json(401, "{\"detail\":\"sk-very-secret-1\"}")], |client| {
        run(client.session("docs").ask("a private question").finish()).unwrap_err();
    });
    assert!(
        log.ends_with("event message=call failed error.type=\"api\" status=401 attempts=1 bytes=29 events=0\n"),
        "{log}"
    );
    assert_eq!(log.matches("record error.type=\"api\"").count(), 2, "the attempt and the call: {log}");
}

/// `traced` checks that the key is absent.
#[test]
fn a_key_that_the_server_sends_back_is_not_traced() {
    let named = format!(",\"chat_session_id\":\"{KEY}\",\"finish_reason\":\"{KEY}\"");
    let in_chunk = json!({"id": KEY, "model": KEY, "choices": [{"delta": {}, "finish_reason": KEY}]});
    let echo = [("x-request-id", KEY), ("content-type", KEY)];
    for script in [
        Script::events([chunk("a private answer", &named)]),
        Script::events([chunk("a private answer", &named)]).cut(),
        Script::head(500, &echo),
        Script::head(200, &echo),
    ] {
        let log = traced([script], |client| {
            let client = client.with(|all| all.retry(RetryPolicy::default().with_max_retries(0))).unwrap();
            let _ = run(client.session("docs").ask("a private question").finish());
        });
        assert!(log.contains("***"), "{log}");
    }
    let log = traced([Script::events([format!("data: {in_chunk}\n\n")])], |client| {
        run(client.chat("model-1").ask("a private question").finish()).unwrap();
    });
    assert_eq!(log.matches("***").count(), 3, "{log}");
}

#[test]
fn an_attempt_without_a_key_does_not_count() {
    let log = traced([], |client| {
        let client = client.with(|settings| settings.api_key_fn(|| Err("the vault is locked".into()))).unwrap();
        run(client.session("docs").ask("a private question").finish()).unwrap_err();
    });
    assert!(log.ends_with("call failed error.type=\"invalid_request\" attempts=0 bytes=0 events=0\n"), "{log}");
}

#[test]
fn a_dropped_call_is_traced_too() {
    let log = traced([Script::events([chunk("a private answer", "")]).stall()], |client| {
        let mut session = client.session("docs");
        let mut reply = session.ask("a private question");
        run(reply.next()).unwrap().unwrap();
    });
    assert!(log.contains("error.type=\"cancelled\" status=200 attempts=1 bytes="), "{log}");
}

#[test]
fn a_call_that_never_started_is_not_traced() {
    assert_eq!(traced([], |client| drop(client.session("docs").ask("a private question"))), "");
}

/// A call without a driver.
fn call() -> Call {
    let settings = Client::<MemoryTransport>::builder().api_key(KEY).settings().unwrap();
    let request = Request::create(&settings.endpoint, &CreateInput::new("docs", "a private question"));
    Call::new(request, None, &settings, 0)
}

#[test]
fn times_are_those_that_the_driver_told() {
    let log = Log { times: true, ..Log::default() };
    let subscriber = tracing_subscriber::registry().with(log.clone());
    tracing::subscriber::with_default(subscriber, || {
        let at = |seconds: u64| Elapsed::from_millis(1000 * seconds);
        let mut call = call();
        assert!(matches!(call.poll_output(at(0)), Output::Send(..)));
        let head = http::Response::builder().version(http::Version::HTTP_2).header("content-type", "text/event-stream");
        call.handle_head(Attempt::new(1), head.body(()).unwrap().into_parts().0, at(2));
        for (text, seconds) in [("", 3), ("He", 4), ("y", 5)] {
            call.handle_data(Attempt::new(1), chunk(text, "").into(), at(seconds));
            assert!(call.poll_event().is_some());
        }
        call.handle_eof(Attempt::new(1), at(6));
        assert!(matches!(call.poll_output(at(6)), Output::Done));
    });
    let log = log.lines.lock().unwrap().clone();
    assert!(
        log.contains("network.protocol.version=\"2\"\nevent message=head received status=200 seconds=2.0\n"),
        "{log}"
    );
    let begins = "event message=first text received gen_ai.response.time_to_first_chunk=4.0\n";
    assert!(log.contains(begins) && log.matches("first text received").count() == 1, "{log}");
    assert!(log.ends_with("events=3 seconds=6.0\n"), "{log}");
}

#[test]
fn events_of_the_io_are_in_the_span_of_the_attempt() {
    let subscriber = tracing_subscriber::registry().with(Log::default());
    tracing::subscriber::with_default(subscriber, || {
        let mut call = call();
        let here = || tracing::Span::current().metadata().map(tracing::Metadata::name);
        assert_eq!(call.in_span(here), None);
        let output = call.poll_output(Elapsed::START);
        assert!(matches!(output, Output::Send(..)), "{output:?}");
        assert_eq!(call.in_span(here), Some("POST"));
    });
}
