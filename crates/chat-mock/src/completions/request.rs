//! Reads and checks a request for a chat completion.

use serde_json::Value;

use super::error::Error;
use super::field::Field;
use super::tools::{self, Call};
use crate::sessions::History;

/// A valid request: what the server uses of it.
#[derive(Debug)]
pub(crate) struct Request<'v> {
    pub(crate) model: &'v str,
    pub(crate) conversation: Conversation,
    /// `None` if the answer is one object.
    pub(crate) stream: Option<StreamOptions>,
    pub(crate) format: Format<'v>,
    pub(crate) call: Call<'v>,
}

#[derive(Debug)]
pub(crate) struct StreamOptions {
    pub(crate) include_usage: bool,
}

/// The form of the answer's text.
#[derive(Debug)]
pub(crate) enum Format<'v> {
    Text,
    /// Any JSON object.
    JsonObject,
    /// JSON of this schema.
    JsonSchema(&'v Value),
}

/// What the messages say.
#[derive(Debug)]
pub(crate) struct Conversation {
    /// The turns before the question.
    pub(crate) history: History,
    /// The text of the last user message.
    pub(crate) question: String,
    /// The number of words of all messages.
    pub(crate) words: usize,
    /// Whether the last message is the result of a tool.
    pub(crate) has_result: bool,
    /// Whether links were provided since the question.
    pub(crate) has_links: bool,
}

impl<'v> Request<'v> {
    pub(crate) fn read(body: &'v Value) -> Result<Self, Error> {
        let body = Field::body(body);
        let model = body.require("model")?.name()?;
        let conversation = conversation(&body.require("messages")?)?;
        if let Some(n) = body.get("n")?
            && n.value().as_u64() != Some(1)
        {
            return Err(n.must_be("1, because the mock server gives one choice per answer"));
        }
        let stream = stream(&body)?;
        let format = body.get("response_format")?.map_or(Ok(Format::Text), |format| Format::read(&format))?;
        let call = tools::call(&body, &conversation)?;
        Ok(Self { model, conversation, stream, format, call })
    }
}

fn stream(body: &Field<'_>) -> Result<Option<StreamOptions>, Error> {
    let stream = body.get("stream")?.map_or(Ok(false), |stream| stream.flag())?;
    let Some(options) = body.get("stream_options")? else {
        return Ok(stream.then_some(StreamOptions { include_usage: false }));
    };
    let include_usage = options.get("include_usage")?.map_or(Ok(false), |include| include.flag())?;
    if stream {
        Ok(Some(StreamOptions { include_usage }))
    } else {
        Err(options.must_be("absent if nothing is streamed"))
    }
}

impl<'v> Format<'v> {
    fn read(format: &Field<'v>) -> Result<Self, Error> {
        let kind = format.require("type")?;
        match kind.text()? {
            "text" => Ok(Self::Text),
            "json_object" => Ok(Self::JsonObject),
            "json_schema" => {
                let schema = format.require("json_schema")?;
                schema.require("name")?.name()?;
                let schema = schema.get("schema")?;
                schema.map_or(Ok(Self::JsonObject), |schema| Ok(Self::JsonSchema(schema.object()?)))
            }
            _ => Err(kind.must_be("one of 'text', 'json_object', 'json_schema'")),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Instruction,
    User,
    Assistant,
    Tool,
}

struct Message<'v> {
    role: Role,
    text: String,
    /// The names of the tools that it calls.
    calls: Vec<&'v str>,
}

fn conversation(messages: &Field<'_>) -> Result<Conversation, Error> {
    let mut read = Vec::new();
    for item in messages.items()? {
        read.push(Message::read(&item)?);
    }
    let Some(last) = read.iter().rposition(|message| message.role == Role::User) else {
        return Err(messages.must_be("an array with at least one user message"));
    };
    let words = read.iter().map(|message| message.text.split_whitespace().count()).sum();
    let has_result = read.last().is_some_and(|message| message.role == Role::Tool);
    let has_links = read[last..].iter().any(|message| message.calls.contains(&tools::PROVIDE_LINKS));
    let question = std::mem::take(&mut read[last].text);
    read.truncate(last);
    Ok(Conversation { history: history(read), question, words, has_result, has_links })
}

/// A turn is a user message and the text of the assistant up to the next one.
fn history(messages: Vec<Message<'_>>) -> History {
    let mut history = History::default();
    let mut turn: Option<(String, Vec<String>)> = None;
    let mut record = |turn: Option<(String, Vec<String>)>| {
        if let Some((question, answers)) = turn {
            history.record(question, answers.join("\n"));
        }
    };
    for message in messages {
        match message.role {
            Role::User => record(turn.replace((message.text, Vec::new()))),
            Role::Assistant if !message.text.is_empty() => {
                if let Some((_, answers)) = &mut turn {
                    answers.push(message.text);
                }
            }
            _ => {}
        }
    }
    record(turn);
    history
}

impl<'v> Message<'v> {
    fn read(message: &Field<'v>) -> Result<Self, Error> {
        let name = message.require("role")?;
        let (role, parts): (_, &[&str]) = match name.text()? {
            "system" | "developer" => (Role::Instruction, &["text"]),
            "user" => (Role::User, &["text", "image_url", "input_audio", "file"]),
            "assistant" => (Role::Assistant, &["text", "refusal"]),
            "tool" => (Role::Tool, &["text"]),
            _ => return Err(name.must_be("one of 'system', 'developer', 'user', 'assistant', 'tool'")),
        };
        if role == Role::Tool {
            message.require("tool_call_id")?.name()?;
        }
        let mut calls = Vec::new();
        let mut may_be_silent = false;
        if role == Role::Assistant {
            for call in message.get("tool_calls")?.map_or(Ok(Vec::new()), |calls| calls.items())? {
                calls.push(tools::earlier_call(&call)?);
            }
            let refusal = message.get("refusal")?;
            refusal.as_ref().map(Field::text).transpose()?;
            may_be_silent = !calls.is_empty() || refusal.is_some();
        }
        let content = if may_be_silent { message.get("content")? } else { Some(message.require("content")?) };
        let text = content.map_or(Ok(String::new()), |content| text(&content, parts))?;
        Ok(Self { role, text, calls })
    }
}

/// Returns the text of a content: a string, or the text parts of an array.
fn text(content: &Field<'_>, allowed: &[&str]) -> Result<String, Error> {
    if let Some(text) = content.value().as_str() {
        return Ok(text.to_owned());
    }
    let parts = content.items().map_err(|_| content.must_be("a string or an array of parts"))?;
    if parts.is_empty() {
        return Err(content.must_be("a string or an array with at least one part"));
    }
    let mut text = String::new();
    for part in parts {
        let kind = part.require("type")?;
        let name = kind.text()?;
        if !allowed.contains(&name) {
            return Err(kind.must_be(&format!("one of '{}' in a message of this role", allowed.join("', '"))));
        }
        let member = part.require(name)?;
        match name {
            "text" => text += member.text()?,
            "refusal" => drop(member.text()?),
            _ => drop(member.object()?),
        }
    }
    Ok(text)
}
