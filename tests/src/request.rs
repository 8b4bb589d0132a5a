//! Check of requests with any strings: they are rejected or encoded exactly.

use chat_proto::completions::CompletionInput;
use chat_proto::sessions::{ContinueInput, CreateInput};
use chat_proto::{ApiKey, Endpoint, ErrorKind, Request};

/// Builds requests. The bytes are a base URL, a session id, a header's name and value, a key and a message, separated
/// by U+001F.
///
/// # Panics
///
/// If a request differs from its input, or if a rejection does not name a field.
pub fn check_request(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let mut parts = text.split('\u{1f}');
    let mut part = || parts.next().unwrap_or_default();
    let (base_url, id, name, value, key, message) = (part(), part(), part(), part(), part(), part());

    let endpoint = Endpoint::new(base_url).and_then(|endpoint| endpoint.with_header(name, value));
    let accepted = endpoint.is_ok();
    let endpoint = match endpoint {
        Ok(endpoint) => endpoint,
        Err(error) => {
            assert!(matches!(error.kind(), ErrorKind::InvalidRequest { field, .. } if !field.is_empty()));
            Endpoint::new("https://api.example/prefix").expect("a legal URL")
        }
    };
    check_completion(&endpoint, message);
    let Some(created) = create(&endpoint, message) else { return };
    check_uri(&created, &endpoint, "/v0/chat_sessions/chat_results");
    let sent: CreateInput = serde_json::from_slice(created.http().body()).expect("our own JSON");
    assert_eq!(sent, CreateInput::new("i", message));
    if accepted {
        assert_eq!(created.http().headers()[name].as_bytes(), value.as_bytes());
    }

    match Request::continue_session(&endpoint, id, &ContinueInput::new("i", message)) {
        Ok(continued) => {
            let path = continued.http().uri().path();
            let (start, segment) = path.trim_end_matches("/chat_results").rsplit_once('/').expect("a segment");
            assert!(start.ends_with("/v0/chat_sessions"), "{path}");
            let decoded = percent_encoding::percent_decode_str(segment).decode_utf8().expect("an id was UTF-8");
            assert_eq!(decoded, id);
            check_uri(&continued, &endpoint, &format!("/v0/chat_sessions/{segment}/chat_results"));
            let sent: ContinueInput = serde_json::from_slice(continued.http().body()).expect("our own JSON");
            assert_eq!(sent, ContinueInput::new("i", message));
        }
        Err(error) => {
            assert!(matches!(id, "" | "." | "..") || id.len() > 10_000, "refused {id:?}: {error}");
        }
    }

    let mut http = created.http().clone();
    assert!(!http.headers().contains_key("authorization"));
    if let Ok(api_key) = ApiKey::new(key) {
        api_key.authorize(&mut http);
        let authorization = &http.headers()["authorization"];
        assert!(authorization.is_sensitive());
        assert_eq!(authorization.as_bytes(), format!("Bearer {key}").as_bytes());
    }
}

/// Builds a request of v0. It is rejected only if the base URL is one of v1.
fn create(endpoint: &Endpoint, message: &str) -> Option<Request> {
    let base_url = endpoint.base_url();
    let uri: http::Uri = base_url.parse().expect("it was checked");
    let is_v1 = endpoint.query().is_some() || uri.path().ends_with("/v1") || uri.path().ends_with("/chat/completions");
    let created = Request::create(endpoint, &CreateInput::new("i", message));
    assert_eq!(created.is_err(), is_v1, "{base_url}");
    created.ok()
}

/// Builds a request of v1. It keeps the query.
fn check_completion(endpoint: &Endpoint, message: &str) {
    let completion = Request::complete(endpoint, &CompletionInput::new("m", [message])).expect("a valid request");
    let uri = completion.http().uri();
    assert!(uri.path().ends_with("/chat/completions"), "{uri}");
    assert_eq!(uri.query(), endpoint.query());
    let sent: serde_json::Value = serde_json::from_slice(completion.http().body()).expect("our own JSON");
    assert_eq!(sent["messages"][0]["content"], message);
}

fn check_uri(request: &Request, endpoint: &Endpoint, path: &str) {
    let uri = request.http().uri();
    assert_eq!(uri.query(), None);
    assert!(uri.path().ends_with(path), "{uri}");
    let expected = format!("{}{path}", endpoint.base_url());
    let same = uri.to_string().eq_ignore_ascii_case(&expected);
    assert!(same, "{uri} is not {expected}");
    assert!(!uri.authority().expect("an absolute URI").as_str().contains('@'));
}
