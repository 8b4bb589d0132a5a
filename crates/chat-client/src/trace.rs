//! What a call tells `tracing`; nothing without the feature of that name.
//!
//! A span `chat` holds the call and a span `POST` each attempt. Their fields are named by OpenTelemetry's conventions for
//! generative AI and HTTP. Neither the key nor the text of a question or an answer is ever among them.

#[cfg(feature = "tracing")]
pub(crate) use on::Trace;

#[cfg(not(feature = "tracing"))]
pub(crate) use off::Trace;

#[cfg(feature = "tracing")]
mod on {
    use std::time::Duration;

    use bytes::Bytes;
    use chat_proto::{Answer, Error, Event};
    use tracing::field::Empty;
    use tracing::{Level, Span, event, span};

    /// The spans of a call, and what its end tells.
    pub(crate) struct Trace {
        call: Span,
        attempt: Span,
        begun: Option<Duration>,
        sent: Duration,
        bytes: u64,
        has_text: bool,
    }

    impl Trace {
        pub(crate) fn new() -> Self {
            Self {
                call: Span::none(),
                attempt: Span::none(),
                begun: None,
                sent: Duration::ZERO,
                bytes: 0,
                has_text: false,
            }
        }

        /// Does something within the span of the newest attempt.
        pub(crate) fn within<R>(&self, f: impl FnOnce() -> R) -> R {
            self.attempt.in_scope(f)
        }

        /// The attempt with this number, from 1, begins.
        pub(crate) fn attempt(&mut self, number: u32, request: &http::Request<Bytes>, now: Duration) {
            let uri = request.uri();
            let port = uri.port_u16().unwrap_or(if uri.scheme_str() == Some("http") { 80 } else { 443 });
            if number == 1 {
                self.begun = Some(now);
                self.call = span!(
                    Level::INFO,
                    "chat",
                    otel.kind = "client",
                    gen_ai.operation.name = "chat",
                    gen_ai.provider.name = "inkeep",
                    gen_ai.conversation.id = Empty,
                    gen_ai.response.finish_reasons = Empty,
                    server.address = uri.host(),
                    server.port = port,
                    error.r#type = Empty,
                );
            }
            self.sent = now;
            self.attempt = span!(
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
        }

        /// The head came.
        pub(crate) fn head(&self, status: http::StatusCode, version: http::Version, now: Duration) {
            self.attempt.record("http.response.status_code", status.as_u16());
            let version = match version {
                http::Version::HTTP_2 => "2",
                http::Version::HTTP_10 => "1.0",
                _ => "1.1",
            };
            self.attempt.record("network.protocol.version", version);
            let after = (now - self.sent).as_secs_f64();
            event!(parent: &self.attempt, Level::DEBUG, seconds = after, "the head came");
        }

        /// Some of the body came.
        pub(crate) fn data(&mut self, bytes: usize) {
            self.bytes += bytes as u64;
        }

        /// The caller gets an event. `now` is asked for once at most.
        pub(crate) fn event(&mut self, event: &Event, now: impl FnOnce() -> Duration) {
            if !self.has_text && event.text().is_some_and(|text| !text.is_empty()) {
                self.has_text = true;
                let after = (now() - self.begun.unwrap_or_default()).as_secs_f64();
                event!(parent: &self.call, Level::DEBUG, gen_ai.response.time_to_first_chunk = after, "the text begins");
            }
        }

        /// The newest attempt failed, and the next one waits.
        pub(crate) fn wait(&mut self, wait: Duration) {
            if !self.attempt.is_none() {
                event!(parent: &self.call, Level::INFO, seconds = wait.as_secs_f64(), "waits before the next attempt");
                self.attempt = Span::none();
            }
        }

        /// The call is over.
        pub(crate) fn end(&mut self, outcome: &Result<Answer, Error>, attempts: u32, now: Duration) {
            let Some(begun) = self.begun else { return };
            let answer = outcome.as_ref().map_or_else(Error::partial, Some);
            if let Some(id) = answer.and_then(|answer| answer.chat_session_id.as_deref()) {
                self.call.record("gen_ai.conversation.id", id);
            }
            if let Some(reason) = answer.and_then(|answer| answer.finish_reason.as_ref()) {
                self.call.record("gen_ai.response.finish_reasons", tracing::field::display(reason));
            }
            let (seconds, bytes) = ((now - begun).as_secs_f64(), self.bytes);
            let events = answer.map_or(0, |answer| answer.events);
            match outcome {
                Ok(_) => {
                    event!(parent: &self.call, Level::INFO, attempts, bytes, events, seconds, "the answer is complete");
                }
                Err(error) => {
                    let kind = error.kind().name();
                    self.attempt.record("error.type", kind);
                    self.call.record("error.type", kind);
                    let status = error.status().map(|status| status.as_u16());
                    let request_id = error.request_id();
                    event!(
                        parent: &self.call, Level::WARN, error.r#type = kind, status, request_id, attempts, bytes, events,
                        seconds, "the call failed"
                    );
                }
            }
            *self = Self::new();
        }
    }
}

#[cfg(not(feature = "tracing"))]
mod off {
    use std::time::Duration;

    use bytes::Bytes;
    use chat_proto::{Answer, Error, Event};

    /// Nothing.
    pub(crate) struct Trace;

    impl Trace {
        pub(crate) fn new() -> Self {
            Self
        }

        pub(crate) fn within<R>(&self, f: impl FnOnce() -> R) -> R {
            f()
        }

        pub(crate) fn attempt(&mut self, _: u32, _: &http::Request<Bytes>, _: Duration) {}

        pub(crate) fn head(&self, _: http::StatusCode, _: http::Version, _: Duration) {}

        pub(crate) fn data(&mut self, _: usize) {}

        pub(crate) fn event(&mut self, _: &Event, _: impl FnOnce() -> Duration) {}

        pub(crate) fn wait(&mut self, _: Duration) {}

        pub(crate) fn end(&mut self, _: &Result<Answer, Error>, _: u32, _: Duration) {}
    }
}
