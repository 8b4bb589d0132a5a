//! Tools: which one an answer calls, and the arguments of the call.

use chat_proto::Citation;
use serde_json::{Value, json};

use super::error::Error;
use super::field::Field;
use super::request::Conversation;
use super::schema;

/// The function that takes the links of an answer.
pub(crate) const PROVIDE_LINKS: &str = "provideLinks";

/// A function that the client offers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Function<'v> {
    pub(crate) name: &'v str,
    /// The JSON schema of its arguments.
    parameters: Option<&'v Value>,
}

/// The function that an answer calls.
#[derive(Debug)]
pub(crate) enum Call<'v> {
    None,
    /// `provideLinks`, beside the text. `always` is whether it is called even if there are no links.
    Links {
        function: Function<'v>,
        always: bool,
    },
    /// Another function, instead of the text.
    Forced(Function<'v>),
}

/// Reads `tools` and `tool_choice`.
pub(crate) fn call<'v>(body: &Field<'v>, conversation: &Conversation) -> Result<Call<'v>, Error> {
    let mut functions = Vec::new();
    for tool in body.get("tools")?.map_or(Ok(Vec::new()), |tools| tools.items())? {
        functions.extend(function(&tool)?);
    }
    let choice = body.get("tool_choice")?;
    let forced = match &choice {
        None => None,
        Some(choice) if choice.value() == "none" => return Ok(Call::None),
        Some(choice) => forced(choice, &functions)?,
    };
    Ok(match forced.filter(|_| !conversation.has_result) {
        Some(function) if function.name != PROVIDE_LINKS => Call::Forced(function),
        forced => match functions.into_iter().find(|function| function.name == PROVIDE_LINKS) {
            Some(function) if !conversation.has_links => Call::Links { function, always: forced.is_some() },
            _ => Call::None,
        },
    })
}

/// Returns the function of a tool, or `None` if the tool is of another type.
fn function<'v>(tool: &Field<'v>) -> Result<Option<Function<'v>>, Error> {
    let kind = tool.require("type")?;
    match kind.text()? {
        "function" => {
            let function = tool.require("function")?;
            let name = function.require("name")?.name()?;
            let parameters = function.get("parameters")?.map(|parameters| parameters.object()).transpose()?;
            Ok(Some(Function { name, parameters }))
        }
        "custom" => tool.require("custom")?.require("name")?.name().map(|_| None),
        _ => Err(kind.must_be("one of 'function', 'custom'")),
    }
}

/// Returns the function that the choice forces.
fn forced<'v>(choice: &Field<'v>, functions: &[Function<'v>]) -> Result<Option<Function<'v>>, Error> {
    match choice.value().as_str() {
        Some("auto") => return Ok(None),
        Some("required") => {
            let first = functions.first().copied();
            return first.map(Some).ok_or_else(|| choice.must_be("absent if 'tools' has no function"));
        }
        _ => {}
    }
    if !choice.value().is_object() {
        return Err(choice.must_be("'none', 'auto', 'required' or an object"));
    }
    let kind = choice.require("type")?;
    if kind.text()? != "function" {
        return Err(kind.must_be("'function', because the mock server calls no other tools"));
    }
    let name = choice.require("function")?.require("name")?;
    let wanted = name.name()?;
    let function = functions.iter().copied().find(|function| function.name == wanted);
    function.map(Some).ok_or_else(|| name.must_be("the name of a function in 'tools'"))
}

/// Checks a call in an earlier answer, and returns the name of its tool.
pub(crate) fn earlier_call<'v>(call: &Field<'v>) -> Result<&'v str, Error> {
    call.require("id")?.name()?;
    let kind = call.require("type")?;
    let (member, input) = match kind.text()? {
        "function" => ("function", "arguments"),
        "custom" => ("custom", "input"),
        _ => return Err(kind.must_be("one of 'function', 'custom'")),
    };
    let member = call.require(member)?;
    member.require(input)?.text()?;
    member.require("name")?.name()
}

impl Function<'_> {
    /// Returns arguments that fit the schema. Its required strings are the question.
    pub(crate) fn arguments(&self, question: &str) -> Value {
        self.parameters.map_or_else(|| json!({}), |schema| schema::required(schema, question))
    }

    /// Returns the arguments of `provideLinks`. They have the text only if the schema requires it.
    pub(crate) fn links(&self, citations: &[Citation], text: &str) -> Value {
        let links: Vec<Value> = citations.iter().map(link).collect();
        let required = self.parameters.and_then(|schema| schema.get("required")).and_then(Value::as_array);
        if required.is_some_and(|names| names.iter().any(|name| name == "text")) {
            json!({ "links": links, "text": text })
        } else {
            json!({ "links": links })
        }
    }
}

fn link(citation: &Citation) -> Value {
    let record = &citation.record;
    json!({
        "label": citation.number.map(|number| number.to_string()),
        // A link must have a URL.
        "url": record.url.as_deref().or(citation.hit_url.as_deref()).unwrap_or_default(),
        "title": record.title,
        "description": record.description,
        "type": record.record_type,
        "breadcrumbs": record.breadcrumbs,
    })
}
