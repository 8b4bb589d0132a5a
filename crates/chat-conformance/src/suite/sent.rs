//! A request as a server must receive it.

use chat_mock::RecordedRequest;
use http::header::{self, HeaderName};
use serde_json::Value;

use super::row::{describe, ensure};

/// What a request must be.
pub(crate) struct Sent<'a> {
    pub(crate) path: &'a str,
    /// The server's host and port.
    pub(crate) authority: &'a str,
    /// The header with the API key, and the others that the client was told to send.
    pub(crate) headers: Vec<(HeaderName, &'a str)>,
    /// The JSON of a `POST`. If `None`, the request is a `GET` without a body.
    pub(crate) body: Option<Value>,
}

impl Sent<'_> {
    /// Checks the method, the path, the body, and that each header occurs once. Only `connection` may be added, and a length
    /// of 0 to a `GET`.
    pub(crate) fn check(&self, request: &RecordedRequest) -> Result<(), String> {
        let method = if self.body.is_some() { "POST" } else { "GET" };
        ensure(request.method == method, || format!("method {}", request.method))?;
        ensure(request.path == self.path, || format!("path {}", request.path))?;
        match &self.body {
            Some(body) => {
                let sent: Value = serde_json::from_slice(&request.body).map_err(describe)?;
                ensure(sent == *body, || format!("body {sent}"))?;
            }
            None => ensure(request.body.is_empty(), || format!("a body of {} bytes", request.body.len()))?,
        }
        self.check_headers(request)
    }

    fn check_headers(&self, request: &RecordedRequest) -> Result<(), String> {
        let streams = self.body.as_ref().is_some_and(|body| body["stream"] == true);
        let accept = if streams { "text/event-stream, application/json;q=0.9" } else { "application/json" };
        let length = request.body.len().to_string();
        let mut expected = vec![
            (header::ACCEPT, accept),
            (header::ACCEPT_ENCODING, "identity"),
            (header::HOST, self.authority),
            (header::USER_AGENT, "chat-proto/"),
        ];
        if self.body.is_some() {
            expected.extend([(header::CONTENT_LENGTH, length.as_str()), (header::CONTENT_TYPE, "application/json")]);
        }
        expected.extend(self.headers.iter().cloned());
        let is_known = |name: &HeaderName| expected.iter().any(|(known, _)| known == name);
        let is_allowed =
            |name: &HeaderName, value| *name == header::CONNECTION || *name == header::CONTENT_LENGTH && value == "0";
        let foreign = request.headers.iter().find(|(name, value)| !is_known(name) && !is_allowed(name, *value));
        ensure(foreign.is_none(), || format!("an unexpected header: {:?}", foreign.map(|(name, _)| name)))?;
        for (name, expected) in &expected {
            let values: Vec<_> = request.headers.get_all(name).iter().collect();
            let is_so = |value: &str| value == *expected || *name == header::USER_AGENT && value.contains(expected);
            let fits = values.len() == 1 && values[0].to_str().is_ok_and(is_so);
            ensure(fits, || format!("{name}: {values:?}, not {expected}"))?;
        }
        Ok(())
    }
}
