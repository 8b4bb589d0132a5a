//! Writes requests.

use bytes::Bytes;
use http::Method;
use serde_json::Value;

use super::filters::filters_header;
use super::{CompletionInput, Role};
use crate::endpoint::INKEEP_FILTERS;
use crate::request::{self, Dialect, Idempotency};
use crate::{Endpoint, Error, Request};

impl Request {
    /// Creates the request for a chat completion.
    ///
    /// The URL is that of the endpoint: if it is a host only, `/v1` is added, and if it does not end in
    /// `/chat/completions`, that is added. (contract-v1.md, section 0)
    ///
    /// # Errors
    ///
    /// [`InvalidRequest`](crate::ErrorKind::InvalidRequest), naming the field, if there is no model or no message, if `n` is
    /// greater than 1, if a number is not finite, if `stream_options` is set without `stream`, or if a `tool` message does
    /// not name its call.
    ///
    /// ```
    /// use chat_proto::completions::CompletionInput;
    /// use chat_proto::{Endpoint, Request};
    ///
    /// let endpoint = Endpoint::new("https://api.example")?;
    /// let request = Request::complete(&endpoint, &CompletionInput::new("model-1", ["Hello?"]))?;
    /// assert_eq!(request.http().uri(), "https://api.example/v1/chat/completions");
    /// assert_eq!(
    ///     request.http().body().as_ref(),
    ///     br#"{"model":"model-1","messages":[{"role":"user","content":"Hello?"}],"stream":true}"#,
    /// );
    /// # Ok::<(), chat_proto::Error>(())
    /// ```
    pub fn complete(endpoint: &Endpoint, input: &CompletionInput) -> Result<Self, Error> {
        check(input)?;
        let body = body(input)?;
        let filters = filters_header(&input.filters)?;
        let uri = endpoint.completions_uri()?;
        let mut http = request::json(endpoint, Method::POST, uri, body, input.stream);
        if let Some(filters) = filters {
            http.headers_mut().insert(INKEEP_FILTERS, filters);
        }
        let (idempotency, dialect) = (Idempotency::Harmless, Dialect::Completions);
        // An extra field replaces the model.
        let model = input.extra.get("model").map_or(Some(&*input.model), Value::as_str).map(Into::into);
        Ok(Self { http: Box::new(http), idempotency, dialect, model })
    }

    /// Creates the request for the list of models. The body is the answer's text. To read it, use
    /// [`Model::list`](super::Model::list).
    ///
    /// # Errors
    ///
    /// [`InvalidRequest`](crate::ErrorKind::InvalidRequest) if the URL becomes too long.
    pub fn models(endpoint: &Endpoint) -> Result<Self, Error> {
        let http = request::json(endpoint, Method::GET, endpoint.models_uri()?, Bytes::new(), false);
        let (idempotency, dialect) = (Idempotency::Harmless, Dialect::Models);
        Ok(Self { http: Box::new(http), idempotency, dialect, model: None })
    }
}

fn check(input: &CompletionInput) -> Result<(), Error> {
    if input.model.is_empty() {
        return Err(Error::invalid_request("model", "is empty"));
    }
    if input.messages.is_empty() {
        return Err(Error::invalid_request("messages", "is empty"));
    }
    for (at, message) in input.messages.iter().enumerate() {
        if message.role == Role::Tool && message.tool_call_id.is_none() {
            let reason = "is missing: a tool message must name the call that it answers";
            return Err(Error::invalid_request(format!("messages[{at}].tool_call_id"), reason));
        }
    }
    let numbers = [
        ("temperature", input.temperature),
        ("top_p", input.top_p),
        ("frequency_penalty", input.frequency_penalty),
        ("presence_penalty", input.presence_penalty),
    ];
    let numbers = numbers.into_iter().filter_map(|(name, number)| Some((name, number?)));
    let biases = input.logit_bias.values().map(|bias| ("logit_bias", *bias));
    if let Some((name, _)) = numbers.chain(biases).find(|(_, number)| !number.is_finite()) {
        return Err(Error::invalid_request(name, "is not a finite number"));
    }
    if input.stream_options.is_some() && !input.stream {
        return Err(Error::invalid_request("stream_options", "needs `stream`"));
    }
    Ok(())
}

/// The body, with the extra fields merged in.
fn body(input: &CompletionInput) -> Result<Bytes, Error> {
    const CANNOT_FAIL: &str = "the inputs can always be written as JSON";
    // An extra field may be written as 2.0.
    let is_several = |n: &Value| n.as_f64().is_some_and(|n| n > 1.0);
    if input.extra.get("n").map_or(input.n.is_some_and(|n| n > 1), is_several) {
        let reason = "must not be greater than 1, because only the first choice is read; make several calls instead";
        return Err(Error::invalid_request("n", reason));
    }
    if input.extra.is_empty() {
        return Ok(serde_json::to_vec(input).expect(CANNOT_FAIL).into());
    }
    if input.extra.contains_key("stream") {
        return Err(Error::invalid_request("extra", "must not contain `stream`, which has a setting of its own"));
    }
    let mut body = serde_json::to_value(input).expect(CANNOT_FAIL);
    let members = body.as_object_mut().expect("a struct is an object");
    members.extend(input.extra.iter().map(|(name, value)| (name.clone(), value.clone())));
    Ok(serde_json::to_vec(&body).expect(CANNOT_FAIL).into())
}
