//! The spans and events of a call. Without the feature `tracing`, there are none.
//!
//! The span `chat` is the call, and each span `POST` in it is an attempt. Field names follow OpenTelemetry's conventions for
//! generative AI and HTTP. No field contains the text of a question or an answer, or the key, even if the server sent it
//! back.

#[cfg(feature = "tracing")]
pub(crate) use on::Trace;

#[cfg(not(feature = "tracing"))]
pub(crate) use off::Trace;

#[cfg(feature = "tracing")]
mod on {
    use bytes::Bytes;
    use chat_proto::{Answer, Elapsed, Error, Event};
    use tracing::field::Empty;
    use tracing::{Level, Span, event, span};

    use crate::sent_keys::SentKeys;

    /// Target of all spans and events, as in the filter `chat_client=info`.
    const TARGET: &str = "chat_client";

    /// The provider by OpenTelemetry's conventions, which name other servers of OpenAI's API by the API.
    fn provider(model: Option<&str>) -> &'static str {
        if model.is_none_or(|model| model.starts_with("inkeep")) { "inkeep" } else { "openai" }
    }

    /// The spans of a call, and the fields of its last event.
    pub(crate) struct Trace {
        call: Span,
        attempt: Span,
        /// The model that is asked for.
        model: Option<Box<str>>,
        /// Current time, since the start of the call.
        now: Elapsed,
        sent: Elapsed,
        attempts: u32,
        bytes: u64,
        has_text: bool,
    }

    impl Trace {
        /// Whether the feature is enabled.
        pub(crate) const IS_ON: bool = true;

        pub(crate) fn new(model: Option<&str>) -> Self {
            Self {
                call: Span::none(),
                attempt: Span::none(),
                model: model.map(Into::into),
                now: Elapsed::START,
                sent: Elapsed::START,
                attempts: 0,
                bytes: 0,
                has_text: false,
            }
        }

        /// Sets the current time.
        pub(crate) fn set_now(&mut self, now: Elapsed) {
            self.now = now;
        }

        /// Runs `f` in the spans of the call and its current attempt.
        pub(crate) fn in_span<R>(&self, f: impl FnOnce() -> R) -> R {
            self.call.in_scope(|| self.attempt.in_scope(f))
        }

        /// Starts an attempt. `number` starts at 1.
        pub(crate) fn attempt(&mut self, number: u32, request: &http::Request<Bytes>) {
            // The list of models is not traced.
            if request.method() != http::Method::POST {
                return;
            }
            let uri = request.uri();
            let port = uri.port_u16().unwrap_or(if uri.scheme_str() == Some("http") { 80 } else { 443 });
            if number == 1 {
                self.call = span!(
                    target: TARGET,
                    Level::INFO,
                    "chat",
                    otel.kind = "client",
                    gen_ai.operation.name = "chat",
                    gen_ai.provider.name = provider(self.model.as_deref()),
                    gen_ai.request.model = self.model.as_deref(),
                    gen_ai.conversation.id = Empty,
                    gen_ai.response.id = Empty,
                    gen_ai.response.model = Empty,
                    gen_ai.response.finish_reasons = Empty,
                    gen_ai.usage.input_tokens = Empty,
                    gen_ai.usage.output_tokens = Empty,
                    server.address = uri.host(),
                    server.port = port,
                    error.r#type = Empty,
                );
            }
            (self.sent, self.attempts) = (self.now, number);
            self.attempt = span!(
                target: TARGET,
                parent: &self.call,
                Level::INFO,
                "POST",
                otel.kind = "client",
                http.request.method = "POST",
                http.request.resend_count = (number > 1).then(|| number - 1),
                http.response.status_code = Empty,
                network.protocol.version = Empty,
                server.address = uri.host(),
                server.port = port,
                error.r#type = Empty,
            );
            event!(target: TARGET, parent: &self.attempt, Level::DEBUG, number, server = uri.host(), "attempt started");
        }

        /// The head was received.
        pub(crate) fn head(&self, status: http::StatusCode, version: http::Version) {
            if self.attempts == 0 {
                return;
            }
            self.attempt.record("http.response.status_code", status.as_u16());
            let version = match version {
                http::Version::HTTP_2 => "2",
                http::Version::HTTP_10 => "1.0",
                _ => "1.1",
            };
            self.attempt.record("network.protocol.version", version);
            let after = self.now.saturating_since(self.sent).as_secs_f64();
            let status = status.as_u16();
            event!(target: TARGET, parent: &self.attempt, Level::DEBUG, status, seconds = after, "head received");
        }

        /// A chunk of the body was received.
        pub(crate) fn data(&mut self, bytes: usize) {
            self.bytes += bytes as u64;
        }

        /// An event is returned to the caller.
        pub(crate) fn event(&mut self, event: &Event) {
            if self.attempts > 0 && !self.has_text && event.text().is_some_and(|text| !text.is_empty()) {
                self.has_text = true;
                let after = self.now.since_start().as_secs_f64();
                event!(
                    target: TARGET, parent: &self.call, Level::DEBUG, gen_ai.response.time_to_first_chunk = after,
                    "first text received"
                );
            }
        }

        /// An attempt failed, and the call waits for the next one.
        pub(crate) fn wait(&mut self, until: Option<Elapsed>, failed: Option<&Error>) {
            if !self.attempt.is_none() {
                let wait = until.map(|until| until.saturating_since(self.now).as_secs_f64());
                let kind = failed.map(|error| error.kind().name());
                self.attempt.record("error.type", kind);
                let status = failed.and_then(Error::status).map(|status| status.as_u16());
                event!(
                    target: TARGET, parent: &self.call, Level::INFO, error.r#type = kind, status, seconds = wait,
                    "waiting before the next attempt"
                );
                self.attempt = Span::none();
            }
        }

        /// The call has ended.
        pub(crate) fn end(&mut self, outcome: &Result<Answer, Error>, keys: &SentKeys) {
            if self.attempts == 0 {
                return;
            }
            let answer = outcome.as_ref().map_or_else(Error::partial, Some);
            if let Some(id) = answer.and_then(|answer| answer.session_id.as_deref()) {
                self.call.record("gen_ai.conversation.id", keys.redact_text(id).as_str());
            }
            if let Some(reason) = answer.and_then(|answer| answer.finish_reason.as_ref()) {
                let reason = keys.redact_text(reason.as_str());
                self.call.record("gen_ai.response.finish_reasons", tracing::field::display(reason));
            }
            if let Some(id) = answer.and_then(Answer::id) {
                self.call.record("gen_ai.response.id", keys.redact_text(id).as_str());
            }
            if let Some(model) = answer.and_then(Answer::model) {
                self.call.record("gen_ai.response.model", keys.redact_text(model).as_str());
            }
            if let Some(usage) = answer.and_then(|answer| answer.usage.as_ref()) {
                self.call.record("gen_ai.usage.input_tokens", usage.prompt_tokens);
                self.call.record("gen_ai.usage.output_tokens", usage.completion_tokens);
            }
            let (seconds, bytes) = (self.now.since_start().as_secs_f64(), self.bytes);
            // `self.attempts` also counts an attempt that was not sent because there was no key.
            let attempts = outcome.as_ref().map_or_else(Error::attempts, |_| self.attempts);
            let events = answer.map_or(0, |answer| answer.events);
            match outcome {
                Ok(_) => {
                    event!(
                        target: TARGET, parent: &self.call, Level::INFO, attempts, bytes, events, seconds,
                        "answer complete"
                    );
                }
                Err(error) => {
                    let kind = error.kind().name();
                    self.attempt.record("error.type", kind);
                    self.call.record("error.type", kind);
                    let status = error.status().map(|status| status.as_u16());
                    let request_id = error.request_id();
                    event!(
                        target: TARGET, parent: &self.call, Level::WARN, error.r#type = kind, status, request_id,
                        attempts, bytes, events, seconds, "call failed"
                    );
                }
            }
            *self = Self::new(None);
        }
    }
}

#[cfg(not(feature = "tracing"))]
mod off {
    use bytes::Bytes;
    use chat_proto::{Answer, Elapsed, Error, Event};

    use crate::sent_keys::SentKeys;

    /// Does nothing.
    pub(crate) struct Trace;

    impl Trace {
        pub(crate) const IS_ON: bool = false;

        pub(crate) fn new(_: Option<&str>) -> Self {
            Self
        }

        pub(crate) fn set_now(&mut self, _: Elapsed) {}

        pub(crate) fn in_span<R>(&self, f: impl FnOnce() -> R) -> R {
            f()
        }

        pub(crate) fn attempt(&mut self, _: u32, _: &http::Request<Bytes>) {}

        pub(crate) fn head(&self, _: http::StatusCode, _: http::Version) {}

        pub(crate) fn data(&mut self, _: usize) {}

        pub(crate) fn event(&mut self, _: &Event) {}

        pub(crate) fn wait(&mut self, _: Option<Elapsed>, _: Option<&Error>) {}

        pub(crate) fn end(&mut self, _: &Result<Answer, Error>, _: &SentKeys) {}
    }
}
