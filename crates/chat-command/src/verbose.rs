//! `--verbose`: prints the trace events of the client, one per line, to standard error.

use std::{fmt, io};

use chat_client::OneLine;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::FmtContext;
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, Writer};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

use crate::print;

/// Prints the client's trace events from now on. They contain neither the key nor the text of questions and answers.
pub(crate) fn enable() {
    let lines = tracing_subscriber::fmt::layer().with_writer(io::stderr).with_ansi(false).event_format(EventFormat);
    // A closed standard error cannot be reported anywhere.
    let lines = lines.log_internal_errors(false);
    let client_events = Targets::new().with_target("chat_client", Level::DEBUG);
    tracing_subscriber::registry().with(lines).with(client_events).init();
}

/// Formats an event as `chat: message field=value`. Spans are left out, because the command makes one call.
struct EventFormat;

impl<S, F> FormatEvent<S, F> for EventFormat
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    F: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, context: &FmtContext<'_, S, F>, mut line: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        if print::close_terminal_line() {
            writeln!(line)?;
        }
        let mut fields = String::new();
        context.field_format().format_fields(Writer::new(&mut fields), event)?;
        writeln!(line, "chat: {}", OneLine(&fields))
    }
}
