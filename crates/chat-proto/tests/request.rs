//! Requests: their exact bytes, and input that is rejected.

use chat_proto::sessions::{ChatMode, ContinueInput, CreateInput, Message};
use chat_proto::{ApiKey, DEFAULT_BASE_URL, Endpoint, Error, ErrorKind, Request};
use http::{HeaderMap, Method};

fn endpoint() -> Endpoint {
    Endpoint::new("https://api.example").unwrap()
}

fn create(endpoint: &Endpoint) -> http::Request<bytes::Bytes> {
    Request::create(endpoint, &CreateInput::new("int", "Hi")).unwrap().http().clone()
}

fn continue_uri(base_url: &str, id: &str) -> String {
    let endpoint = Endpoint::new(base_url).unwrap();
    Request::continue_session(&endpoint, id, &ContinueInput::new("int", "Hi")).unwrap().http().uri().to_string()
}

/// Returns the values of a header, in order.
fn values<'a>(headers: &'a HeaderMap, name: &str) -> Vec<&'a str> {
    headers.get_all(name).iter().map(|value| value.to_str().unwrap()).collect()
}

/// Returns the field that an error names.
#[track_caller]
fn field<T: std::fmt::Debug>(result: Result<T, Error>) -> String {
    let error = result.expect_err("it is to be refused");
    assert_eq!((error.attempts(), error.partial(), error.head()), (0, None, None));
    match error.kind() {
        ErrorKind::InvalidRequest { field, reason } => {
            assert!(!reason.is_empty());
            field.to_string()
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_session_is_created_at_the_base_url_with_its_prefix() {
    for (base_url, uri) in [
        (DEFAULT_BASE_URL, "https://api.inkeep.com/v0/chat_sessions/chat_results"),
        ("https://api.example", "https://api.example/v0/chat_sessions/chat_results"),
        ("https://api.example/", "https://api.example/v0/chat_sessions/chat_results"),
        ("https://proxy.example/inkeep", "https://proxy.example/inkeep/v0/chat_sessions/chat_results"),
        ("https://proxy.example/inkeep/", "https://proxy.example/inkeep/v0/chat_sessions/chat_results"),
        ("https://proxy.example/a/b%20c/", "https://proxy.example/a/b%20c/v0/chat_sessions/chat_results"),
        ("https://proxy.example/a%2Fb/%2e%2ex", "https://proxy.example/a%2Fb/%2e%2ex/v0/chat_sessions/chat_results"),
        ("https://proxy.example/@me/a:b", "https://proxy.example/@me/a:b/v0/chat_sessions/chat_results"),
        ("http://127.0.0.1:8787", "http://127.0.0.1:8787/v0/chat_sessions/chat_results"),
        ("http://localhost:0/", "http://localhost:0/v0/chat_sessions/chat_results"),
        ("http://h:65535", "http://h:65535/v0/chat_sessions/chat_results"),
        ("http://[::1]", "http://[::1]/v0/chat_sessions/chat_results"),
        ("http://[::1]:8787/x/", "http://[::1]:8787/x/v0/chat_sessions/chat_results"),
        ("http://xn--bcher-kva.example", "http://xn--bcher-kva.example/v0/chat_sessions/chat_results"),
    ] {
        let request = create(&Endpoint::new(base_url).unwrap());
        assert_eq!(request.uri().to_string(), uri);
        assert_eq!(request.method(), Method::POST);
    }
    let upper = create(&Endpoint::new("HTTP://UP.example").unwrap());
    assert_eq!(upper.uri().scheme_str(), Some("http"));
    assert!(upper.uri().host().unwrap().eq_ignore_ascii_case("up.example"));
    assert_eq!(upper.uri().path(), "/v0/chat_sessions/chat_results");
}

#[test]
fn a_session_id_is_encoded_as_one_path_segment() {
    for (id, segment) in [
        ("s-1", "s-1"),
        ("AZaz09-._~", "AZaz09-._~"),
        ("a/b", "a%2Fb"),
        ("../x", "..%2Fx"),
        ("...", "..."),
        (".a", ".a"),
        ("%", "%25"),
        ("%2e%2e", "%252e%252e"),
        ("a b+c", "a%20b%2Bc"),
        ("?q#f", "%3Fq%23f"),
        ("a;b,c:d@e&f=g$h!i'j(k)l*m", "a%3Bb%2Cc%3Ad%40e%26f%3Dg%24h%21i%27j%28k%29l%2Am"),
        ("\\[]{}|^`\"<>", "%5C%5B%5D%7B%7D%7C%5E%60%22%3C%3E"),
        ("é\u{1F600}", "%C3%A9%F0%9F%98%80"),
        ("\n\0\u{7f}", "%0A%00%7F"),
        (" ", "%20"),
    ] {
        let path = format!("/v0/chat_sessions/{segment}/chat_results");
        assert_eq!(continue_uri("https://api.example", id), format!("https://api.example{path}"));
        assert_eq!(continue_uri("http://[::1]:1/p/", id), format!("http://[::1]:1/p{path}"));
    }
}

#[test]
fn an_id_that_is_not_a_valid_segment_is_rejected() {
    let input = ContinueInput::new("int", "Hi");
    for id in ["", ".", ".."] {
        assert_eq!(field(Request::continue_session(&endpoint(), id, &input)), "chat_session_id", "{id:?}");
    }
    // Longer than the maximum length of a URI.
    let long = "x".repeat(70_000);
    assert_eq!(field(Request::continue_session(&endpoint(), &long, &input)), "chat_session_id");
}

#[test]
fn a_base_url_that_is_too_long_for_the_path_is_rejected() {
    let base_url = format!("https://api.example/{}", "x".repeat(65_490));
    let refused =
        Endpoint::new(&base_url).and_then(|endpoint| Request::create(&endpoint, &CreateInput::new("int", "Hi")));
    assert_eq!(field(refused), "base_url");
}

#[test]
fn an_invalid_base_url_is_rejected() {
    for base_url in [
        "https://h/%2e%2E/x",
        "https://h/a/.%2e",
        "https://h/%2E",
        "https://h/a%zz",
        "https://h/a%2",
        "https://h/%",
        "https://h/%+1",
        "",
        " ",
        "/",
        "api.example",
        "//api.example",
        "https:",
        "https:/",
        "https://",
        "https:///",
        "https:///x",
        "http:/x",
        "http:x",
        "http:\\\\h",
        "ftp://h",
        "ws://h",
        "httpss://h",
        "file:///x",
        "mailto:a@h",
        "https://user@h",
        "https://user:secret@h",
        "https://@h",
        "https://:@h/x",
        "https://user%40x@h",
        "https://h\\@evil.example",
        "https://h#",
        "https://h/#f",
        "https://h/x?a#f",
        "#",
        "https://h/#@user",
        "https://:80",
        "https://[]",
        "https://[]:80",
        "https://[::1",
        "https://::1",
        "https://h:",
        "https://h:/x",
        "https://h:x",
        "https://h:-1",
        "https://h:+80",
        "https://h:65536",
        "https://h:80:80",
        "https://h:99999999999",
        "https://a b",
        "https://h/a b",
        " https://h",
        "https://h ",
        "https://h\n",
        "https://h/\t",
        "https://h/\0",
        "https://bücher.example",
    ] {
        assert_eq!(field(Endpoint::new(base_url)), "base_url", "{base_url:?}");
    }
}

#[test]
fn a_rejected_base_url_does_not_print_its_secret() {
    let error = Endpoint::new("https://user:s3cret@h").unwrap_err();
    assert!(!format!("{error} {error:?} {}", error.advice()).contains("s3cret"));
}

#[test]
fn bodies_are_exact() {
    let body = |request: Request| String::from_utf8(request.http().body().to_vec()).unwrap();
    let mut input = CreateInput::new("int", "Grüße \"\n\u{1F600}</script>");
    assert_eq!(
        body(Request::create(&endpoint(), &input).unwrap()),
        r#"{"integration_id":"int","chat_session":{"messages":[{"role":"user","content":"Grüße \"\n😀</script>"}]},"stream":false}"#
    );
    input.stream = true;
    input.chat_mode = Some(ChatMode::from("deep"));
    input.chat_session.messages = vec![Message::user("m")];
    input.chat_session.guidance = Some(String::new());
    input.chat_session.tags = Some(vec![]);
    assert_eq!(
        body(Request::create(&endpoint(), &input).unwrap()),
        r#"{"integration_id":"int","chat_session":{"messages":[{"role":"user","content":"m"}],"guidance":"","tags":[]},"chat_mode":"deep","stream":true}"#
    );
    let mut next = ContinueInput::new("int", "And?");
    next.stream = true;
    assert_eq!(
        body(Request::continue_session(&endpoint(), "s", &next).unwrap()),
        r#"{"integration_id":"int","message":{"role":"user","content":"And?"},"stream":true}"#
    );
}

#[test]
fn accept_prefers_one_format_and_allows_both() {
    for stream in [false, true] {
        let (mut first, mut next) = (CreateInput::new("int", "Hi"), ContinueInput::new("int", "Hi"));
        (first.stream, next.stream) = (stream, stream);
        for request in
            [Request::create(&endpoint(), &first).unwrap(), Request::continue_session(&endpoint(), "s", &next).unwrap()]
        {
            let headers = request.http().headers();
            let accept = values(headers, "accept");
            assert_eq!(accept.len(), 1);
            if stream {
                assert!(accept[0].starts_with("text/event-stream") && accept[0].contains("application/json"));
            } else {
                assert!(accept[0].starts_with("application/json"));
            }
            assert_eq!(values(headers, "content-type"), ["application/json"]);
            // There is no `accept-encoding`.
            assert_eq!(values(headers, "accept-encoding"), ["identity"]);
            // The key is not set yet.
            for none in ["authorization", "content-encoding"] {
                assert!(!headers.contains_key(none), "{none}");
            }
        }
    }
}

#[test]
fn the_user_agent_names_this_crate_and_the_products_around_it() {
    let own = concat!("chat-proto/", env!("CARGO_PKG_VERSION"));
    let agent = |endpoint: Endpoint| values(create(&endpoint).headers(), "user-agent").join("|");
    assert_eq!(agent(endpoint()), own);
    let products = endpoint().with_product("inner/1").unwrap().with_product("outer/2 (x)").unwrap();
    assert_eq!(agent(products.clone()), format!("outer/2 (x) inner/1 {own}"));
    let program = products.clone().with_user_agent_suffix("app/3").unwrap();
    assert_eq!(agent(program), format!("outer/2 (x) inner/1 {own} app/3"));
    assert_eq!(agent(products.with_header("USER-AGENT", "mine").unwrap()), "mine");
    for product in ["a\nb", "a\r\nx: y", "\0"] {
        assert_eq!(field(endpoint().with_product(product)), "user_agent", "{product:?}");
        assert_eq!(field(endpoint().with_user_agent_suffix(product)), "user_agent", "{product:?}");
    }
}

#[test]
fn the_callers_headers_are_in_each_request() {
    let endpoint = endpoint()
        .with_header("X-Tag", "1")
        .and_then(|endpoint| endpoint.with_header("x-tag", "2"))
        .and_then(|endpoint| endpoint.with_header("Accept", "text/event-stream"))
        .and_then(|endpoint| endpoint.with_header("accept", "application/json"))
        .and_then(|endpoint| endpoint.with_header("cookie", ""))
        .unwrap();
    let next = Request::continue_session(&endpoint, "s", &ContinueInput::new("int", "Hi")).unwrap();
    for request in [create(&endpoint), next.http().clone()] {
        assert_eq!(values(request.headers(), "x-tag"), ["1", "2"]);
        assert_eq!(values(request.headers(), "accept"), ["application/json"]);
        assert_eq!(values(request.headers(), "cookie"), [""]);
        assert_eq!(values(request.headers(), "content-type"), ["application/json"]);
    }
}

#[test]
fn an_endpoint_keeps_its_headers_with_another_base_url() {
    let moved = endpoint().with_header("x-team", "docs").unwrap().with_base_url("https://other.example/v2").unwrap();
    assert_eq!(moved.base_url(), "https://other.example/v2");
    let request = create(&moved);
    assert_eq!(request.uri().host(), Some("other.example"));
    assert_eq!(values(request.headers(), "x-team"), ["docs"]);
}

#[test]
fn invalid_and_reserved_headers_are_rejected_by_name() {
    for name in ["", " ", "a b", "a:", ":path", "é", "a\nb", "x\0"] {
        assert_eq!(field(endpoint().with_header(name, "v")), format!("header {name:?}"));
    }
    for value in ["a\nb", "a\r\nAuthorization: Bearer x", "\0", "\u{7f}"] {
        assert_eq!(field(endpoint().with_header("x-a", value)), r#"header "x-a""#, "{value:?}");
    }
    for name in [
        "Authorization",
        "authorization",
        "Content-Type",
        "Content-Length",
        "Content-Encoding",
        "Transfer-Encoding",
        "Accept-Encoding",
        "Connection",
        "Host",
        "Expect",
        "TE",
        "Trailer",
        "Upgrade",
        "Keep-Alive",
        "Proxy-Connection",
    ] {
        assert_eq!(field(endpoint().with_header(name, "v")), format!("header {name:?}"));
    }
}

#[test]
fn the_key_is_a_sensitive_header_and_replaces_the_previous_one() {
    let mut request = create(&endpoint());
    ApiKey::new("old").unwrap().authorize(&mut request);
    ApiKey::new("sk-!~").unwrap().authorize(&mut request);
    assert_eq!(values(request.headers(), "authorization"), ["Bearer sk-!~"]);
    assert!(request.headers()["authorization"].is_sensitive());
}

#[test]
fn invalid_keys_are_rejected_and_not_printed() {
    for key in
        ["", " ", "s3cret key", " s3cret", "s3cret\n", "s3cret\r\nx: y", "s3cret\0", "s3crét", "s3cret\u{7f}", "\t"]
    {
        let error = ApiKey::new(key).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("s3cr"), "{key:?}");
        assert_eq!(field(Err::<(), _>(error)), "api_key", "{key:?}");
    }
    assert_eq!(format!("{:?}", ApiKey::new("s3cret").unwrap()), "ApiKey(***)");
}

#[test]
fn a_request_without_message_or_integration_is_rejected() {
    for messages in [vec![], vec![Message::user("1"), Message::user("2")]] {
        let mut input = CreateInput::new("int", "");
        input.chat_session.messages = messages;
        assert_eq!(field(Request::create(&endpoint(), &input)), "chat_session.messages");
    }
    assert_eq!(field(Request::create(&endpoint(), &CreateInput::new("", "Hi"))), "integration_id");
    let next = ContinueInput::new("", "Hi");
    assert_eq!(field(Request::continue_session(&endpoint(), "s", &next)), "integration_id");
}
