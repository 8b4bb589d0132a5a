//! What a server says about an error, in any of the forms that servers use. (contract-v1.md, section 8, rows 46 to 52)

use serde_json::Value;

use crate::completions::read as lenient;
use crate::{Error, ErrorKind};

/// What a server says about an error. Made by [`Error::server_error`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerError {
    /// The message for people.
    pub message: Option<String>,
    /// The type of the error, such as `invalid_request_error`.
    pub error_type: Option<String>,
    /// The code, such as `insufficient_quota`. Numbers are written as text.
    pub code: Option<String>,
    /// The parameter of the request that is wrong.
    pub param: Option<String>,
}

impl ServerError {
    /// Reads the body of an error: an object, a list of them, text in JSON, or server-sent events with one of these. Returns
    /// `None` if the text has no message, type or code in a known form.
    ///
    /// ```
    /// use chat_proto::ServerError;
    ///
    /// let error = ServerError::from_body(r#"{"error":{"message":"No such model.","code":"model_not_found"}}"#).unwrap();
    /// assert_eq!(error.message.as_deref(), Some("No such model."));
    /// assert_eq!(error.code.as_deref(), Some("model_not_found"));
    /// assert_eq!(ServerError::from_body("<h1>Bad gateway</h1>"), None);
    /// ```
    pub fn from_body(body: &str) -> Option<Self> {
        let body = body.trim_start_matches('\u{feff}').trim();
        let in_event = || body.lines().filter_map(|line| line.strip_prefix("data:")).find_map(read);
        read(body).or_else(in_event).filter(|error| *error != Self::default())
    }

    /// Whether the account has no quota left. Waiting does not help.
    pub(crate) fn is_insufficient_quota(&self) -> bool {
        [&self.code, &self.error_type].into_iter().flatten().any(|text| text == "insufficient_quota")
    }
}

fn read(json: &str) -> Option<ServerError> {
    let is_json = json.trim_start().starts_with(['{', '[', '"']);
    of(&is_json.then(|| lenient::<Value>(json))??)
}

fn of(body: &Value) -> Option<ServerError> {
    match body {
        Value::String(message) => Some(ServerError { message: given(message), ..ServerError::default() }),
        Value::Array(list) => of(list.first()?),
        Value::Object(_) => Some(of_object(body)),
        _ => None,
    }
}

fn of_object(body: &Value) -> ServerError {
    let error = &body["error"];
    // Members of `error` come first, then those beside it.
    let member = |name: &str| text(&error[name]).or_else(|| text(&body[name]));
    let nested = |value: &Value| of(value).and_then(|error| error.message);
    let named = text(error).filter(|_| text(&body["message"]).is_some());
    let message = text(&error["message"])
        .or_else(|| text(&body["message"]))
        .or_else(|| text(error))
        .or_else(|| details(&body["detail"]))
        .or_else(|| details(&error["detail"]))
        .or_else(|| nested(&body["errors"]))
        .or_else(|| text(&body["title"]));
    ServerError {
        message,
        error_type: member("type").or(named).or_else(|| text(&error["status"])),
        code: member("code"),
        param: member("param"),
    }
}

/// The `detail` of FastAPI: a text, an object, or a list of errors with a location.
fn details(detail: &Value) -> Option<String> {
    match detail {
        Value::Array(list) => {
            let all: Vec<String> = list.iter().filter_map(of_detail).collect();
            (!all.is_empty()).then(|| all.join("; "))
        }
        detail => of(detail)?.message,
    }
}

fn of_detail(detail: &Value) -> Option<String> {
    let message = text(&detail["msg"]).or_else(|| of(detail)?.message)?;
    let location: Vec<String> = detail["loc"].as_array().into_iter().flatten().filter_map(text).collect();
    Some(if location.is_empty() { message } else { format!("{}: {message}", location.join(".")) })
}

/// A string that is not blank, or a number as text.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => given(text),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn given(text: &str) -> Option<String> {
    Some(text).filter(|text| !text.trim().is_empty()).map(str::to_owned)
}

impl Error {
    /// What the server says about the error, read from [`body`](Self::body). `None` if the error has no body, or if the body
    /// has none of the known forms.
    pub fn server_error(&self) -> Option<ServerError> {
        match self.kind() {
            ErrorKind::Api { body } | ErrorKind::Validation { body, .. } | ErrorKind::Stream { data: body } => {
                ServerError::from_body(body)
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_form_is_read() {
        for (body, message, error_type, code, param) in [
            (r#"{"error":{"message":"m","type":"t","code":"c","param":"p"}}"#, "m", "t", "c", "p"),
            (r#"{"error":{"message":"m","type":null,"code":400,"param":null}}"#, "m", "", "400", ""),
            (
                r#"[{"error":{"code":400,"message":"m","status":"INVALID_ARGUMENT"}}]"#,
                "m",
                "INVALID_ARGUMENT",
                "400",
                "",
            ),
            (r#"{"error":"m"}"#, "m", "", "", ""),
            (r#"{"error":"SyntaxError","message":"m"}"#, "m", "SyntaxError", "", ""),
            (r#"{"detail":"m"}"#, "m", "", "", ""),
            (r#"{"detail":{"message":"m"}}"#, "m", "", "", ""),
            (r#"{"detail":[{"loc":["body","n",0],"msg":"a","type":"x"},{"msg":"b"}]}"#, "body.n.0: a; b", "", "", ""),
            (r#"{"object":"error","message":"m","type":"t","param":null,"code":404}"#, "m", "t", "404", ""),
            (
                r#"{"title":"T","status":404,"detail":"m","code":"not_found","error":{"code":"not_found","message":"m"}}"#,
                "m",
                "",
                "not_found",
                "",
            ),
            (r#"{"title":"T","status":500}"#, "T", "", "", ""),
            (r#"{"errors":[{"message":"m"}]}"#, "m", "", "", ""),
            (r#"{"error":{"message":"m \ud83d"}}"#, "m \u{fffd}", "", "", ""),
            ("\u{feff} \"m\" ", "m", "", "", ""),
            ("event: error\ndata: {\"error\":{\"message\":\"m\"}}\n\ndata: [DONE]\n", "m", "", "", ""),
        ] {
            let given = |text: &str| given(text);
            let error = ServerError {
                message: given(message),
                error_type: given(error_type),
                code: given(code),
                param: given(param),
            };
            assert_eq!(ServerError::from_body(body), Some(error), "{body}");
        }
        for body in [
            "",
            "Internal Server Error",
            "<html></html>",
            "{}",
            "[]",
            "{\"x\":1}",
            "5",
            "{\"error\":{\"mess",
            "data: x",
        ] {
            assert_eq!(ServerError::from_body(body), None, "{body}");
        }
    }
}
