//! Validates request bodies, and builds the 422 of an invalid one.
//!
//! The body is walked as a JSON value instead of being deserialized, because serde stops at the first fault and the service
//! reports all of them, each with its path. Texts and types of the messages are those of the service's framework.

use chat_proto::sessions::{HttpValidationError, RecordsCited};
use chat_proto::{Location, ValidationError};
use serde::Deserialize;
use serde_json::{Map, Value};

type Object = Map<String, Value>;

/// The parts of a valid request that the server uses. The others are only checked.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ChatRequest {
    /// The text of the message.
    pub(crate) question: String,
    /// Whether the answer is streamed.
    pub(crate) stream: bool,
}

/// Reads the body of a create.
pub(crate) fn create(body: &[u8]) -> Result<ChatRequest, HttpValidationError> {
    read(body, |check, body| {
        check.required(body, "integration_id", Check::string);
        let question = check.required(body, "chat_session", Check::chat_session);
        check.optional(body, "chat_mode", Check::string);
        let stream = check.optional(body, "stream", Check::boolean);
        Some(ChatRequest { question: question?.to_owned(), stream: stream.unwrap_or(false) })
    })
}

/// Reads the body of a continue.
pub(crate) fn continued(body: &[u8]) -> Result<ChatRequest, HttpValidationError> {
    read(body, |check, body| {
        check.required(body, "integration_id", Check::string);
        let question = check.required(body, "message", Check::message);
        let stream = check.optional(body, "stream", Check::boolean);
        Some(ChatRequest { question: question?.to_owned(), stream: stream.unwrap_or(false) })
    })
}

fn read(
    body: &[u8],
    walk: impl FnOnce(&mut Check, &Object) -> Option<ChatRequest>,
) -> Result<ChatRequest, HttpValidationError> {
    let mut check = Check { at: vec![Location::Field("body".to_owned())], found: Vec::new() };
    let body = check.json(body);
    let request = match &body {
        Some(body) => check.object(body).and_then(|body| walk(&mut check, body)),
        None => None,
    };
    match request {
        Some(request) if check.found.is_empty() => Ok(request),
        _ => Err(HttpValidationError::new(check.found)),
    }
}

/// A walk over a body: the current path, and the faults found so far.
///
/// A step that finds a fault records it and returns `None`, so that the walk continues with the next field.
struct Check {
    at: Vec<Location>,
    found: Vec<ValidationError>,
}

impl Check {
    /// Records a fault of the current value.
    fn fault<T>(&mut self, msg: impl Into<String>, error_type: &str) -> Option<T> {
        self.found.push(ValidationError::new(self.at.clone(), msg, error_type));
        None
    }

    fn missing<T>(&mut self) -> Option<T> {
        self.fault("field required", "value_error.missing")
    }

    /// Runs a check one level down.
    fn under<T>(&mut self, step: Location, look: impl FnOnce(&mut Self) -> T) -> T {
        self.at.push(step);
        let seen = look(self);
        self.at.pop();
        seen
    }

    fn required<'v, T>(
        &mut self,
        object: &'v Object,
        name: &str,
        look: impl FnOnce(&mut Self, &'v Value) -> Option<T>,
    ) -> Option<T> {
        self.under(Location::Field(name.to_owned()), |check| match object.get(name) {
            None => check.missing(),
            Some(Value::Null) => check.fault("none is not an allowed value", "type_error.none.not_allowed"),
            Some(value) => look(check, value),
        })
    }

    /// A field that is null counts as absent.
    fn optional<'v, T>(
        &mut self,
        object: &'v Object,
        name: &str,
        look: impl FnOnce(&mut Self, &'v Value) -> Option<T>,
    ) -> Option<T> {
        let value = object.get(name).filter(|value| !value.is_null())?;
        self.under(Location::Field(name.to_owned()), |check| look(check, value))
    }

    /// Parses the body. An empty body or a bare null counts as missing.
    fn json(&mut self, body: &[u8]) -> Option<Value> {
        let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
        if body.is_empty() {
            return self.missing();
        }
        match serde_json::from_slice(body) {
            Ok(Value::Null) => self.missing(),
            Ok(value) => Some(value),
            Err(error) => self.fault(error.to_string(), "value_error.jsondecode"),
        }
    }

    fn object<'v>(&mut self, value: &'v Value) -> Option<&'v Object> {
        value.as_object().or_else(|| self.fault("value is not a valid dict", "type_error.dict"))
    }

    fn array<'v>(&mut self, value: &'v Value) -> Option<&'v Vec<Value>> {
        value.as_array().or_else(|| self.fault("value is not a valid list", "type_error.list"))
    }

    fn string<'v>(&mut self, value: &'v Value) -> Option<&'v str> {
        value.as_str().or_else(|| self.fault("str type expected", "type_error.str"))
    }

    fn boolean(&mut self, value: &Value) -> Option<bool> {
        value.as_bool().or_else(|| self.fault("value could not be parsed to a boolean", "type_error.bool"))
    }

    fn chat_session<'v>(&mut self, value: &'v Value) -> Option<&'v str> {
        let session = self.object(value)?;
        let question = self.required(session, "messages", Self::one_message);
        self.optional(session, "guidance", Self::string);
        self.optional(session, "context", Self::string);
        self.optional(session, "tags", |check, tags| {
            for (n, tag) in check.array(tags)?.iter().enumerate() {
                check.under(index(n), |check| check.string(tag));
            }
            Some(())
        });
        question
    }

    fn one_message<'v>(&mut self, value: &'v Value) -> Option<&'v str> {
        let messages = self.array(value)?;
        match messages.len() {
            0 => return self.fault("ensure this value has at least 1 items", "value_error.list.min_items"),
            1 => {}
            _ => return self.fault("ensure this value has at most 1 items", "value_error.list.max_items"),
        }
        self.under(index(0), |check| check.message(&messages[0]))
    }

    /// Returns the text of the message.
    fn message<'v>(&mut self, value: &'v Value) -> Option<&'v str> {
        let message = self.object(value)?;
        let role = self.required(message, "role", Self::role);
        let content = self.required(message, "content", Self::string);
        if role? == "assistant" {
            self.optional(message, "records_cited", Self::records_cited);
        }
        content
    }

    fn records_cited(&mut self, value: &Value) -> Option<()> {
        match RecordsCited::deserialize(value) {
            Ok(_) => Some(()),
            Err(error) => self.fault(error.to_string(), "value_error"),
        }
    }

    fn role<'v>(&mut self, value: &'v Value) -> Option<&'v str> {
        match value.as_str() {
            Some(role @ ("user" | "assistant")) => Some(role),
            _ => self.fault("unexpected value; permitted: 'user', 'assistant'", "value_error.const"),
        }
    }
}

fn index(n: usize) -> Location {
    Location::Index(i64::try_from(n).unwrap_or(i64::MAX))
}
