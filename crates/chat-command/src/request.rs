//! What a request is made of, from the arguments.

use std::fs;
use std::path::Path;

use chat_client::completions::{CompletionInput, Message, ResponseFormat, Tool, ToolChoice};
use chat_client::{ENV_INTEGRATION_ID, Error, ErrorKind};
use serde_json::Value;
use tokio::io::AsyncReadExt;

use crate::args::{Api, Options};
use crate::connect::{ENV_MODEL, given, missing};

pub(crate) fn integration(args: &Options) -> Result<&str, Error> {
    given(&args.session.integration).ok_or_else(|| missing_integration(args))
}

pub(crate) fn model(args: &Options) -> Result<&str, Error> {
    given(&args.completion.model).ok_or_else(|| missing("model", ENV_MODEL))
}

/// The error of a missing integration. If there is a model, it names the other API.
fn missing_integration(args: &Options) -> Error {
    let error = missing("integration_id", ENV_INTEGRATION_ID);
    match (&args.completion.model, error.kind()) {
        (Some(_), ErrorKind::InvalidRequest { field, reason }) => {
            Error::invalid_request(field.clone(), format!("{reason}; to ask a model, add `--api completions`"))
        }
        _ => error,
    }
}

/// An option of the other API has no effect, so it is an error.
pub(crate) fn refuse_other_api(args: &Options, api: Api) -> Result<(), Error> {
    let (session, completion) = (&args.session, &args.completion);
    let of_sessions = [
        ("--integration", session.integration.is_some() && !args.connection.from_env.integration),
        ("--session", session.session.is_some()),
        ("--chat-mode", session.chat_mode.is_some()),
        ("--guidance", session.guidance.is_some()),
        ("--context", session.context.is_some()),
        ("--tag", !session.tags.is_empty()),
    ];
    let of_completions = [
        ("--model", completion.model.is_some() && !args.connection.from_env.model),
        ("--system", completion.system.is_some()),
        ("--links", completion.links),
        ("--tool", !completion.tools.is_empty()),
        ("--response-format", completion.response_format.is_some()),
        ("--extra", completion.extra.is_some()),
        ("--temperature", completion.temperature.is_some()),
        ("--max-tokens", completion.max_tokens.is_some()),
    ];
    let (others, other) = match api {
        Api::Sessions => (&of_completions[..], "completions"),
        Api::Completions => (&of_sessions[..], "sessions"),
    };
    match others.iter().find(|(_, is_given)| *is_given) {
        Some((name, _)) => Err(Error::invalid_request(*name, format!("needs `--api {other}`"))),
        None => Ok(()),
    }
}

/// A chat completion without the question.
pub(crate) fn complete(args: &Options, model: &str) -> Result<CompletionInput, Error> {
    let args_of = &args.completion;
    let mut tools = if args_of.links { vec![Tool::provide_links()] } else { Vec::new() };
    for file in &args_of.tools {
        tools.extend(read_tools(file)?);
    }
    let mut input = CompletionInput::new(model, args_of.system.iter().map(|text| Message::system(text.as_str())))
        .with_stream(!args.no_stream)
        .with_tools(tools)
        .with_temperature(args_of.temperature)
        .with_max_tokens(args_of.max_tokens)
        .with_tool_choice(args_of.links.then_some(ToolChoice::Auto));
    if let Some(file) = &args_of.response_format {
        input = input.with_response_format(read_response_format(file)?);
    }
    if let Some(extra) = &args_of.extra {
        input.extra = serde_json::from_str(extra).map_err(|error| refuse_json("--extra", "a JSON object", &error))?;
    }
    Ok(input)
}

/// Reads a tool or a list of tools. A tool without a `type` is a function.
fn read_tools(file: &Path) -> Result<Vec<Tool>, Error> {
    let tools = match read_json("--tool", file)? {
        Value::Array(tools) => tools,
        tool => vec![tool],
    };
    let tools = tools.into_iter().map(|tool| {
        let tool =
            if tool["type"].is_string() { tool } else { serde_json::json!({"type": "function", "function": tool}) };
        match serde_json::from_value(tool) {
            Ok(Tool::Other(tool)) if tool["type"] == "function" || tool["type"] == "custom" => {
                Err(Error::invalid_request("--tool", format!("{} has a tool without a name", file.display())))
            }
            Ok(tool) => Ok(tool),
            Err(error) => Err(refuse_json("--tool", "a tool", &error)),
        }
    });
    tools.collect()
}

/// Reads a response format. An object without a `type`, or with one of JSON schema, is a schema.
fn read_response_format(file: &Path) -> Result<ResponseFormat, Error> {
    let value = read_json("--response-format", file)?;
    if value["type"].is_string() && !is_schema(&value) {
        return serde_json::from_value(value)
            .map_err(|error| refuse_json("--response-format", "a response format", &error));
    }
    if !value.is_object() {
        return Err(Error::invalid_request("--response-format", format!("{} is not a JSON object", file.display())));
    }
    let stem = file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let name: String = value["title"].as_str().unwrap_or(&stem).chars().map(in_name).take(64).collect();
    Ok(ResponseFormat::json_schema(name, value))
}

/// Whether the `type` is one of JSON schema.
fn is_schema(value: &Value) -> bool {
    matches!(value["type"].as_str(), Some("object" | "array" | "string" | "number" | "integer" | "boolean" | "null"))
}

fn in_name(c: char) -> char {
    if c.is_ascii_alphanumeric() || matches!(c, '_' | '-') { c } else { '_' }
}

fn read_json(flag: &'static str, file: &Path) -> Result<Value, Error> {
    let text = fs::read_to_string(file).map_err(|error| {
        Error::invalid_request(flag, format!("names a file that cannot be read: {}", file.display())).with_source(error)
    })?;
    serde_json::from_str(text.strip_prefix(BOM).unwrap_or(&text)).map_err(|error| {
        Error::invalid_request(flag, format!("names a file that is not JSON: {}", file.display())).with_source(error)
    })
}

fn refuse_json(flag: &'static str, what: &str, error: &serde_json::Error) -> Error {
    Error::invalid_request(flag, format!("is not {what}: {error}"))
}

/// Byte order mark, which some programs write at the start of a text.
const BOM: char = '\u{feff}';

/// Returns the message, or if it is `-`, standard input without a byte order mark and line breaks at its end.
pub(crate) async fn read_message(message: &str) -> Result<String, Error> {
    let text = if message == "-" { read_stdin().await? } else { message.to_owned() };
    if text.trim_matches(|c: char| c.is_whitespace() || c == BOM).is_empty() {
        return Err(Error::invalid_request("message", "is empty"));
    }
    Ok(text)
}

async fn read_stdin() -> Result<String, Error> {
    let mut text = String::new();
    tokio::io::stdin().read_to_string(&mut text).await.map_err(|error| {
        Error::invalid_request("message", "could not be read from standard input").with_source(error)
    })?;
    Ok(text.strip_prefix(BOM).unwrap_or(&text).trim_end_matches(['\n', '\r']).to_owned())
}
