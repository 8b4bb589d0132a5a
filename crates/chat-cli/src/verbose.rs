//! `--verbose`: how a call goes, a line each on standard error.

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

/// Prints what the client tells from now on. It tells neither the key nor what is asked or answered.
pub(crate) fn listen() {
    let lines = tracing_subscriber::fmt::layer().with_writer(io::stderr).with_ansi(false).event_format(Line);
    // Nobody can be told that standard error is gone.
    let lines = lines.log_internal_errors(false);
    let ours = Targets::new().with_target("chat_client", Level::DEBUG);
    tracing_subscriber::registry().with(lines).with(ours).init();
}

/// What happened, with its fields; which call it was is clear where there is one.
struct Line;

impl<S, F> FormatEvent<S, F> for Line
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    F: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, context: &FmtContext<'_, S, F>, mut line: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        if print::leave_line() {
            writeln!(line)?;
        }
        let mut fields = String::new();
        context.field_format().format_fields(Writer::new(&mut fields), event)?;
        writeln!(line, "chat: {}", OneLine(&fields))
    }
}
