//! `chat sessions`: the stored conversations.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::time::{Duration, SystemTime};

use chat_client::{Citation, Error, OneLine};
use chat_store::{AnyStore, Content, Dialect, Store, StoredTurn, Summary};
use serde::Serialize;

use crate::args::{List, Output, Place, Sessions, SessionsCommand};
use crate::print::{USAGE, json_line, note, report};
use crate::stored;

pub(crate) async fn run(args: Sessions) -> io::Result<u8> {
    let command = args.command.unwrap_or(SessionsCommand::List(args.list));
    let mut out = io::stdout();
    let done = match command {
        SessionsCommand::List(args) => list(&args, &mut out).await?,
        SessionsCommand::Show { id, place, output, turns, json } => match load(&place, &id, turns).await {
            Ok(turns) => turns.iter().try_for_each(|turn| show(turn, output, json, &mut out)).map(Ok)?,
            Err(error) => Err(error),
        },
        SessionsCommand::Delete { ids, place } => delete(&place, &ids, &mut out).await?,
        #[cfg(feature = "terminal")]
        SessionsCommand::Resume { .. } => unreachable!("main runs it as `chat repl`"),
    };
    match done {
        Ok(()) => Ok(0),
        Err(error) => {
            report(&format!("{error:#}"), "`chat sessions` lists the conversations, and --store selects the store.");
            Ok(USAGE)
        }
    }
}

async fn list(args: &List, out: &mut impl Write) -> io::Result<Result<(), Error>> {
    let limit = args.limit.get();
    // One more shows whether there are more.
    let listed = async { stored::list(&stored::existing(&args.place).await?, None, limit.saturating_add(1)).await };
    let list = match listed.await {
        Ok(list) => list,
        Err(error) => return Ok(Err(error)),
    };
    let shown = &list[..list.len().min(limit)];
    if args.json {
        shown.iter().try_for_each(|summary| json_line(out, &Line::new(summary)))?;
    } else {
        write!(out, "{}", table(shown))?;
    }
    if shown.len() < list.len() {
        note("There are more conversations. --limit N lists more.");
    }
    Ok(Ok(()))
}

async fn load(place: &Place, id: &str, turns: usize) -> Result<Vec<StoredTurn>, Error> {
    let store = stored::existing(place).await?;
    let id = stored::find(&store, id).await?;
    let loaded = store.load(id, turns).await.map_err(|error| stored::refuse("the conversation", &error))?;
    loaded.map(|loaded| loaded.turns).ok_or_else(|| missing(&id.to_string()))
}

async fn delete(place: &Place, ids: &[String], out: &mut impl Write) -> io::Result<Result<(), Error>> {
    let store = match stored::existing(place).await {
        Ok(store) => store,
        Err(error) => return Ok(Err(error)),
    };
    for id in ids {
        match delete_one(&store, id).await {
            Ok(id) => writeln!(out, "deleted {id}")?,
            Err(error) => return Ok(Err(error)),
        }
    }
    Ok(Ok(()))
}

async fn delete_one(store: &AnyStore, part: &str) -> Result<String, Error> {
    let id = stored::find(store, part).await?;
    match store.delete(id).await {
        Ok(true) => Ok(id.to_string()),
        Ok(false) => Err(missing(&id.to_string())),
        Err(error) => Err(stored::refuse("the store", &error)),
    }
}

fn missing(id: &str) -> Error {
    Error::invalid_request(format!("the conversation {id}"), stored::NOT_THERE)
}

/// A conversation as a JSON line.
#[derive(Serialize)]
struct Line<'a> {
    id: String,
    api: &'static str,
    /// The model or the integration.
    name: &'a str,
    session_id: Option<&'a str>,
    title: &'a str,
    turns: u64,
    updated: String,
}

impl<'a> Line<'a> {
    fn new(summary: &'a Summary) -> Self {
        let (api, name, session_id) = match &summary.about.dialect {
            Dialect::Session { integration_id, session_id } => {
                ("sessions", integration_id.as_str(), session_id.as_deref())
            }
            Dialect::Chat { model, .. } => ("completions", model.as_str(), None),
            _ => ("", "", None),
        };
        Self {
            id: summary.id.to_string(),
            api,
            name,
            session_id,
            title: &summary.about.title,
            turns: summary.len,
            updated: humantime::format_rfc3339_millis(summary.updated).to_string(),
        }
    }
}

/// A turn as a JSON line.
#[derive(Serialize)]
struct TurnLine<'a> {
    id: String,
    question: String,
    answer: String,
    citations: &'a [Citation],
    partial: bool,
    turn: &'a Content,
}

/// The conversations as lines of text, the one used last first.
pub(crate) fn table(list: &[Summary]) -> String {
    if list.is_empty() {
        return "There are no stored conversations.\n".to_owned();
    }
    let now = SystemTime::now();
    let mut text = String::new();
    for summary in list {
        let line = Line::new(summary);
        let age = age(now.duration_since(summary.updated).unwrap_or_default());
        let row = format!("{}  {age:>11}  {:>9}  {}: {}", short(&line.id), count(line.turns), line.name, line.title);
        let row = OneLine(&row).to_string();
        #[cfg(feature = "terminal")]
        let row = crate::terminal::cut(&row);
        let _ = writeln!(text, "{row}");
    }
    text
}

/// The number of turns in words.
pub(crate) fn count(turns: u64) -> String {
    format!("{turns} {}", if turns == 1 { "turn" } else { "turns" })
}

/// The end of an id. It is random, and the start is the time.
fn short(id: &str) -> &str {
    &id[id.len().saturating_sub(8)..]
}

/// The largest unit of a time, such as `5 min ago`.
fn age(time: Duration) -> String {
    let seconds = time.as_secs();
    let (count, unit) = match seconds {
        0..60 => return "just now".to_owned(),
        60..3600 => (seconds / 60, "min"),
        3600..86_400 => (seconds / 3600, "h"),
        _ => (seconds / 86_400, "d"),
    };
    format!("{count} {unit} ago")
}

fn show(turn: &StoredTurn, output: Output, json: bool, out: &mut impl Write) -> io::Result<()> {
    if !json {
        return writeln!(out, "{}", self::turn(turn, output));
    }
    let line = TurnLine {
        id: turn.id.to_string(),
        question: turn.question(),
        answer: turn.answer(),
        citations: turn.citations(),
        partial: turn.is_partial(),
        turn: &turn.content,
    };
    json_line(out, &line)
}

/// A turn as text: the question, the answer and the sources.
pub(crate) fn turn(turn: &StoredTurn, output: Output) -> String {
    let mut text = String::new();
    let question = turn.question();
    if !question.is_empty() {
        for line in question.lines() {
            let _ = writeln!(text, "> {}", OneLine(line));
        }
        text.push('\n');
    }
    text += &answer(&turn.answer(), output);
    let sources = sources(turn.citations(), output);
    if !sources.is_empty() {
        let _ = write!(text, "\n{sources}");
    }
    if turn.is_partial() {
        text += "(The answer is incomplete.)\n";
    }
    text
}

/// The whole answer, rendered on a terminal.
#[cfg(feature = "terminal")]
fn answer(text: &str, output: Output) -> String {
    crate::terminal::render(text, output)
}

#[cfg(feature = "terminal")]
use crate::terminal::sources;

#[cfg(not(feature = "terminal"))]
fn answer(text: &str, _: Output) -> String {
    let mut lines = String::new();
    for line in text.lines() {
        let _ = writeln!(lines, "{}", OneLine(line));
    }
    lines
}

#[cfg(not(feature = "terminal"))]
fn sources(citations: &[Citation], _: Output) -> String {
    chat_client::Footnotes::new(citations).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_has_its_largest_unit() {
        for (seconds, text) in [
            (0, "just now"),
            (59, "just now"),
            (60, "1 min ago"),
            (3599, "59 min ago"),
            (3600, "1 h ago"),
            (86_399, "23 h ago"),
            (864_000, "10 d ago"),
        ] {
            assert_eq!(age(Duration::from_secs(seconds)), text);
        }
    }
}
