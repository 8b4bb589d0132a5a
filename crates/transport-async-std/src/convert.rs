//! Converts requests and answers between the types of `http` and http-types.
//!
//! http-types supports only ASCII header values, known statuses and methods, and normalized URLs. Extensions carry the rest,
//! if middleware keeps them. Lost header values are counted.

use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::{error, fmt};

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode, Uri, Version, response};
use http_types::{Body, Url, headers};

/// The parts of a request that http-types can't represent.
struct RequestExtras {
    uri: Uri,
    /// `uri` after conversion. If the request has another URL, middleware has changed it, and that URL is used.
    url: Url,
    values: Vec<(HeaderName, HeaderValue)>,
}

/// The parts of an answer that http-types can't represent. Only answers of our own backend have this extension.
struct AnswerExtras {
    status: StatusCode,
    /// `status` after conversion.
    converted: http_types::StatusCode,
    values: Vec<(HeaderName, HeaderValue)>,
    /// Whether the request arrived with its extras.
    request_was_complete: bool,
    drains: Drains,
}

/// Set when the rest of our backend's body is not needed. Then dropping the body drains it. surf hides the type of the body, so
/// this is shared with it.
pub(crate) type Drains = Arc<AtomicBool>;

/// A request that can't be converted.
#[derive(Debug)]
pub(crate) enum ConvertError {
    Url(http_types::url::ParseError),
    Uri(http::uri::InvalidUri),
    Method(String),
}

impl fmt::Display for ConvertError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url(_) | Self::Uri(_) => f.write_str("the URL is not valid for both http and http-types"),
            Self::Method(method) => write!(f, "http-types does not support the method {method}"),
        }
    }
}

impl error::Error for ConvertError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Url(error) => Some(error),
            Self::Uri(error) => Some(error),
            Self::Method(_) => None,
        }
    }
}

/// Converts a request for surf. Also returns how many header values its extensions carry.
pub(crate) fn request_into(request: http::Request<Bytes>) -> Result<(http_types::Request, usize), ConvertError> {
    let (head, body) = request.into_parts();
    let method = http_types::Method::from_str(head.method.as_str());
    let method = method.map_err(|_| ConvertError::Method(head.method.to_string()))?;
    let url = Url::parse(&head.uri.to_string()).map_err(ConvertError::Url)?;
    let mut request = http_types::Request::new(method, url.clone());
    request.set_version(version_into(head.version));
    request.set_body(Body::from_bytes(body.into()));
    // `set_body` adds a content type.
    request.remove_header(headers::CONTENT_TYPE);
    let values = headers_into(&head.headers, request.as_mut());
    let carried = values.len();
    request.ext_mut().insert(RequestExtras { uri: head.uri, url, values });
    Ok((request, carried))
}

/// Converts a request from surf for our backend. Also returns whether its extras arrived.
///
/// # Errors
///
/// The errors of a body that middleware has set.
pub(crate) async fn request_from(
    mut request: http_types::Request,
) -> Result<(http::Request<Bytes>, bool), http_types::Error> {
    let (mut head, ()) = http::Request::new(()).into_parts();
    head.method = Method::from_str(request.method().as_ref()).expect("http-types has only valid methods");
    head.version = version_from(request.version());
    // Invalid names and values come from middleware.
    headers_from(request.as_ref(), &mut head.headers);
    let extras = request.ext_mut().remove::<RequestExtras>();
    let is_complete = extras.is_some();
    head.uri = match &extras {
        Some(extras) if extras.url == *request.url() => extras.uri.clone(),
        _ => request.url().as_str().parse().map_err(ConvertError::Uri)?,
    };
    head.headers.extend(extras.into_iter().flat_map(|extras| extras.values));
    let body = request.take_body().into_bytes().await?;
    Ok((http::Request::from_parts(head, body.into()), is_complete))
}

/// Converts an answer of our backend for surf. `request_was_complete` comes from [`request_from`].
pub(crate) fn answer_into(
    head: &response::Parts,
    body: Body,
    request_was_complete: bool,
    drains: Drains,
) -> http_types::Response {
    let converted = status_into(head.status);
    let mut answer = http_types::Response::new(converted);
    answer.set_version(version_into(head.version));
    answer.set_body(body);
    answer.remove_header(headers::CONTENT_TYPE);
    let values = headers_into(&head.headers, answer.as_mut());
    answer.ext_mut().insert(AnswerExtras { status: head.status, converted, values, request_was_complete, drains });
    answer
}

/// An answer from surf.
pub(crate) struct Answer {
    pub(crate) head: response::Parts,
    pub(crate) body: Body,
    /// `Some` if it is from our backend, whose body ends without an error only if it is complete.
    pub(crate) drains: Option<Drains>,
    /// Whether our backend got the request with its extras.
    pub(crate) request_was_complete: bool,
    /// Number of lost header values.
    pub(crate) lost: usize,
}

pub(crate) fn answer_from(mut answer: http_types::Response) -> Answer {
    let (mut head, ()) = http::Response::new(()).into_parts();
    head.status = status_from(answer.status());
    head.version = version_from(answer.version());
    let lost = headers_from(answer.as_ref(), &mut head.headers);
    let extras = answer.ext_mut().remove::<AnswerExtras>();
    let request_was_complete = extras.as_ref().is_some_and(|extras| extras.request_was_complete);
    let drains = extras.as_ref().map(|extras| Arc::clone(&extras.drains));
    if let Some(extras) = extras {
        if answer.status() == extras.converted {
            head.status = extras.status;
        }
        head.headers.extend(extras.values);
    } else {
        remove_invalid_date(&mut head.headers);
    }
    Answer { head, body: answer.take_body(), drains, request_was_complete, lost }
}

/// Removes an invalid date. Stock backends add one if the answer has none.
fn remove_invalid_date(headers: &mut HeaderMap) {
    let is_date = |value: &HeaderValue| value.to_str().is_ok_and(|date| httpdate::parse_http_date(date).is_ok());
    if headers.get_all(header::DATE).iter().any(|value| !is_date(value)) {
        headers.remove(header::DATE);
    }
}

/// Converts the headers that http-types supports, and returns the others.
fn headers_into(from: &HeaderMap, into: &mut headers::Headers) -> Vec<(HeaderName, HeaderValue)> {
    let mut unsupported = Vec::new();
    for (name, value) in from {
        match headers::HeaderValue::from_bytes(value.as_bytes().to_vec()) {
            Ok(held) => into.append(name.as_str(), held),
            Err(_) => unsupported.push((name.clone(), value.clone())),
        }
    }
    unsupported
}

/// Converts the valid headers, and returns the number of invalid values.
fn headers_from(from: &headers::Headers, into: &mut HeaderMap) -> usize {
    let mut lost = 0;
    for (name, values) in from {
        let name = HeaderName::from_str(name.as_str());
        for value in values {
            match (&name, HeaderValue::from_str(value.as_str())) {
                (Ok(name), Ok(value)) => _ = into.append(name, value),
                // An invalid date comes from the backend and is not a loss.
                (Ok(name), Err(_)) if name == header::DATE => {}
                _ => lost += 1,
            }
        }
    }
    lost
}

/// Converts a status. An unknown status becomes the first one of its class (RFC 9110, section 15), or 500 if it has no class.
fn status_into(status: StatusCode) -> http_types::StatusCode {
    http_types::StatusCode::try_from(status.as_u16()).unwrap_or(match status.as_u16() {
        100..200 => http_types::StatusCode::Continue,
        200..300 => http_types::StatusCode::Ok,
        300..400 => http_types::StatusCode::MultipleChoice,
        400..500 => http_types::StatusCode::BadRequest,
        _ => http_types::StatusCode::InternalServerError,
    })
}

fn status_from(status: http_types::StatusCode) -> StatusCode {
    StatusCode::from_u16(status.into()).expect("http-types has only statuses of three digits")
}

fn version_into(version: Version) -> Option<http_types::Version> {
    match version {
        Version::HTTP_09 => Some(http_types::Version::Http0_9),
        Version::HTTP_10 => Some(http_types::Version::Http1_0),
        Version::HTTP_11 => Some(http_types::Version::Http1_1),
        Version::HTTP_2 => Some(http_types::Version::Http2_0),
        Version::HTTP_3 => Some(http_types::Version::Http3_0),
        _ => None,
    }
}

fn version_from(version: Option<http_types::Version>) -> Version {
    match version {
        Some(http_types::Version::Http0_9) => Version::HTTP_09,
        Some(http_types::Version::Http1_0) => Version::HTTP_10,
        Some(http_types::Version::Http2_0) => Version::HTTP_2,
        Some(http_types::Version::Http3_0) => Version::HTTP_3,
        _ => Version::HTTP_11,
    }
}

#[cfg(test)]
mod tests {
    use async_std::task::block_on;
    use http::Request;

    use super::*;

    fn post(url: &str) -> Request<Bytes> {
        Request::post(url).body(Bytes::from_static(b"{\"a\":\"\xc3\xbc\"}")).unwrap()
    }

    /// Converts a request and back, with or without the extensions. Clones lose them.
    fn convert(request: Request<Bytes>, keeps: bool) -> (Request<Bytes>, usize) {
        let (mut out, carried) = request_into(request).unwrap();
        if !keeps {
            out.ext_mut().clear();
        }
        let (request, is_complete) = block_on(request_from(out)).unwrap();
        assert_eq!(is_complete, keeps);
        (request, carried)
    }

    fn convert_answer(head: http::response::Builder, keeps: bool) -> Answer {
        let (head, ()) = head.body(()).unwrap().into_parts();
        let mut out = answer_into(&head, Body::from("b"), true, Drains::default());
        if !keeps {
            out.ext_mut().clear();
        }
        answer_from(out)
    }

    fn values<'h>(headers: &'h HeaderMap, name: &str) -> Vec<&'h [u8]> {
        headers.get_all(name).iter().map(HeaderValue::as_bytes).collect()
    }

    #[test]
    fn paths_keep_their_encoding() {
        for path in ["/", "/v0/a%2Fb/c", "/a%20b", "/%C3%BC%2e%2E%25", "/a+b;c=d:e@f/~", "/a//b/", "/p?q=%2F&r='"] {
            for keeps in [true, false] {
                let (request, _) = convert(post(&format!("http://h.example:8080{path}")), keeps);
                let kept = request.uri().path_and_query().unwrap().as_str();
                // Without the extensions, a query may be encoded further.
                assert!(kept == path || !keeps && kept == path.replace('\'', "%27"), "{kept}");
                assert_eq!(request.uri().authority().unwrap(), "h.example:8080");
            }
        }
    }

    #[test]
    fn extras_keep_the_url_unnormalized() {
        let url = "http://H.example:80/a|{b}/\"";
        assert_eq!(convert(post(url), true).0.uri(), url);
        assert_eq!(convert(post(url), false).0.uri(), "http://h.example/a|%7Bb%7D/%22");
    }

    #[test]
    fn a_url_changed_by_middleware_is_used() {
        let (mut out, _) = request_into(post("http://a.example/x")).unwrap();
        out.url_mut().set_path("/y");
        assert_eq!(block_on(request_from(out)).unwrap().0.uri(), "http://a.example/y");
    }

    #[test]
    fn a_request_is_the_same_after_conversion() {
        let mut request = post("https://h.example/p");
        *request.version_mut() = Version::HTTP_2;
        for value in ["b", "a", "b"] {
            request.headers_mut().append("x-many", value.parse().unwrap());
        }
        request.headers_mut().append("x-empty", HeaderValue::from_static(""));
        request.headers_mut().append("x-tab", HeaderValue::from_static("a\tb"));
        for keeps in [true, false] {
            let (same, carried) = convert(request.clone(), keeps);
            assert_eq!((same.method(), same.version(), carried), (&Method::POST, Version::HTTP_2, 0));
            assert_eq!(same.body(), request.body());
            // No type, length or encoding was added.
            assert_eq!(same.headers().len(), 5);
            assert_eq!(values(same.headers(), "x-many"), [b"b", b"a", b"b"]);
            assert_eq!(same.headers()["x-empty"], "");
            assert_eq!(same.headers()["x-tab"], "a\tb");
        }
    }

    #[test]
    fn extras_carry_request_values_beyond_ascii() {
        let mut request = post("http://h/");
        for value in [&b"J\xfcrgen"[..], b"plain", b"J\xc3\xbcrgen"] {
            request.headers_mut().append("x-name", HeaderValue::from_bytes(value).unwrap());
        }
        let (kept, carried) = convert(request.clone(), true);
        assert_eq!(carried, 2);
        assert_eq!(values(kept.headers(), "x-name"), [&b"plain"[..], b"J\xfcrgen", b"J\xc3\xbcrgen"]);
        let (lost, carried) = convert(request, false);
        assert_eq!(carried, 2);
        assert_eq!(values(lost.headers(), "x-name"), [b"plain"]);
    }

    #[test]
    fn only_standard_methods_can_be_converted() {
        for method in [Method::POST, Method::GET, Method::DELETE] {
            let mut request = post("http://h/");
            request.method_mut().clone_from(&method);
            assert_eq!(convert(request, false).0.method(), method);
        }
        let mut request = post("http://h/");
        *request.method_mut() = Method::from_bytes(b"ASK").unwrap();
        assert!(matches!(request_into(request), Err(ConvertError::Method(method)) if method == "ASK"));
    }

    #[test]
    fn every_status_is_kept_or_becomes_the_first_of_its_class() {
        for code in 100..1000 {
            let kept = convert_answer(http::Response::builder().status(code), true);
            assert_eq!(kept.head.status, code);
            let converted = convert_answer(http::Response::builder().status(code), false).head.status.as_u16();
            assert!(converted == code || converted == (code / 100).min(5) * 100, "{code} became {converted}");
        }
        for code in [599, 299, 199] {
            assert_eq!(convert_answer(http::Response::builder().status(code), false).head.status, code / 100 * 100);
        }
    }

    #[test]
    fn a_status_changed_by_middleware_is_used() {
        let (head, ()) = http::Response::builder().status(299).body(()).unwrap().into_parts();
        let mut out = answer_into(&head, Body::empty(), true, Drains::default());
        out.set_status(http_types::StatusCode::NotFound);
        assert_eq!(answer_from(out).head.status, StatusCode::NOT_FOUND);
    }

    #[test]
    fn versions_are_kept() {
        for version in [Version::HTTP_09, Version::HTTP_10, Version::HTTP_11, Version::HTTP_2, Version::HTTP_3] {
            assert_eq!(convert_answer(http::Response::builder().version(version), false).head.version, version);
        }
        let unknown = http_types::Response::new(200);
        assert_eq!(answer_from(unknown).head.version, Version::HTTP_11);
    }

    #[test]
    fn an_answer_is_the_same_after_conversion() {
        let answer = || http::Response::builder().header("set-cookie", "b").header("set-cookie", "a").header("x", "\t");
        for keeps in [true, false] {
            let answer = convert_answer(answer(), keeps);
            assert_eq!((answer.drains.is_some(), answer.request_was_complete, answer.lost), (keeps, keeps, 0));
            // No content type was added.
            assert_eq!(answer.head.headers.len(), 3);
            assert_eq!(values(&answer.head.headers, "set-cookie"), [b"b", b"a"]);
            assert_eq!(block_on(answer.body.into_bytes()).unwrap(), b"b");
        }
    }

    #[test]
    fn extras_carry_answer_values_beyond_ascii() {
        let answer = || http::Response::builder().header("x-name", &b"J\xfcrgen"[..]).header("x-name", "plain");
        let kept = convert_answer(answer(), true);
        assert_eq!(values(&kept.head.headers, "x-name"), [&b"plain"[..], b"J\xfcrgen"]);
        assert_eq!(kept.lost, 0);
        assert_eq!(values(&convert_answer(answer(), false).head.headers, "x-name"), [b"plain"]);
    }

    #[test]
    fn invalid_headers_are_lost_and_counted() {
        let mut answer = http_types::Response::new(200);
        answer.insert_header("x-injected", "a\r\nb: c");
        answer.insert_header("no name", "a");
        answer.append_header("no name", "b");
        answer.insert_header("x-good", "a");
        let answer = answer_from(answer);
        assert_eq!((answer.lost, answer.head.headers.len()), (3, 1));
    }

    #[test]
    fn an_invalid_date_is_removed() {
        let from = |date: &str| {
            let mut answer = http_types::Response::new(200);
            answer.insert_header("date", date);
            answer_from(answer)
        };
        let good = "Sun, 06 Nov 1994 08:49:37 GMT";
        assert_eq!(from(good).head.headers["date"], good);
        for date in ["yesterday", "", "date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"] {
            let answer = from(date);
            assert_eq!((answer.head.headers.len(), answer.lost), (0, 0), "{date:?}");
        }
        // Our own backend adds no date. An invalid one is the server's.
        assert_eq!(
            convert_answer(http::Response::builder().header("date", "yesterday"), true).head.headers["date"],
            "yesterday"
        );
    }
}
