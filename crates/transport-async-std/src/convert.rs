//! Requests and answers, from the `http` crate's types to those of http-types and back.
//!
//! http-types holds less: header values in ASCII, statuses and methods of its own list, URLs as browsers write them. What
//! it can't hold travels beside it, in the extensions, as long as whoever is in between keeps them. What is lost all the
//! same is counted.

use std::str::FromStr;
use std::{error, fmt};

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode, Uri, Version, response};
use http_types::{Body, Url, headers};

/// What a request has beyond what http-types can hold.
struct RequestBeside {
    uri: Uri,
    /// What `uri` became. Another one by now is a change that somebody in between made, and counts.
    url: Url,
    values: Vec<(HeaderName, HeaderValue)>,
}

/// What an answer has beyond what http-types can hold. An answer with it came from our own backend.
struct AnswerBeside {
    status: StatusCode,
    /// What `status` became.
    told: http_types::StatusCode,
    values: Vec<(HeaderName, HeaderValue)>,
    /// Whether the request came with all that went beside it.
    request_was_whole: bool,
}

/// A request that can't cross.
#[derive(Debug)]
pub(crate) enum Unheld {
    Url(http_types::url::ParseError),
    Uri(http::uri::InvalidUri),
    Method(String),
}

impl fmt::Display for Unheld {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url(_) | Self::Uri(_) => f.write_str("the URL can't be had by both http and http-types"),
            Self::Method(method) => write!(f, "http-types does not know the method {method}"),
        }
    }
}

impl error::Error for Unheld {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Url(error) => Some(error),
            Self::Uri(error) => Some(error),
            Self::Method(_) => None,
        }
    }
}

/// A request on its way out, and how many of its header values travel beside it.
pub(crate) fn request_into(request: http::Request<Bytes>) -> Result<(http_types::Request, usize), Unheld> {
    let (head, body) = request.into_parts();
    let method = http_types::Method::from_str(head.method.as_str());
    let method = method.map_err(|_| Unheld::Method(head.method.to_string()))?;
    let url = Url::parse(&head.uri.to_string()).map_err(Unheld::Url)?;
    let mut request = http_types::Request::new(method, url.clone());
    request.set_version(version_into(head.version));
    request.set_body(Body::from_bytes(body.into()));
    // The body's idea of its type, which is none of ours.
    request.remove_header(headers::CONTENT_TYPE);
    let values = headers_into(&head.headers, request.as_mut());
    let beside = values.len();
    request.ext_mut().insert(RequestBeside { uri: head.uri, url, values });
    Ok((request, beside))
}

/// A request that has come through surf, as our backend sends it, and whether what went beside it came along.
///
/// # Errors
///
/// Those of a body that somebody in between has put in.
pub(crate) async fn request_from(
    mut request: http_types::Request,
) -> Result<(http::Request<Bytes>, bool), http_types::Error> {
    let (mut head, ()) = http::Request::new(()).into_parts();
    head.method = Method::from_str(request.method().as_ref()).expect("a method of the standard's");
    head.version = version_from(request.version());
    // Names that are none, or values, were put in by somebody in between.
    headers_from(request.as_ref(), &mut head.headers);
    let beside = request.ext_mut().remove::<RequestBeside>();
    let is_whole = beside.is_some();
    head.uri = match &beside {
        Some(beside) if beside.url == *request.url() => beside.uri.clone(),
        _ => request.url().as_str().parse().map_err(Unheld::Uri)?,
    };
    head.headers.extend(beside.into_iter().flat_map(|beside| beside.values));
    let body = request.take_body().into_bytes().await?;
    Ok((http::Request::from_parts(head, body.into()), is_whole))
}

/// An answer of our backend, on its way to surf. `request_was_whole` is what [`request_from`] said.
pub(crate) fn answer_into(head: &response::Parts, body: Body, request_was_whole: bool) -> http_types::Response {
    let told = status_into(head.status);
    let mut answer = http_types::Response::new(told);
    answer.set_version(version_into(head.version));
    answer.set_body(body);
    answer.remove_header(headers::CONTENT_TYPE);
    let values = headers_into(&head.headers, answer.as_mut());
    answer.ext_mut().insert(AnswerBeside { status: head.status, told, values, request_was_whole });
    answer
}

/// What came back from surf.
pub(crate) struct Answer {
    pub(crate) head: response::Parts,
    pub(crate) body: Body,
    /// Whether it is our backend's, whose body ends without an error only where it is whole.
    pub(crate) is_ours: bool,
    /// Whether our backend got the request with all that went beside it.
    pub(crate) request_was_whole: bool,
    /// How many header values are lost.
    pub(crate) lost: usize,
}

pub(crate) fn answer_from(mut answer: http_types::Response) -> Answer {
    let (mut head, ()) = http::Response::new(()).into_parts();
    head.status = status_from(answer.status());
    head.version = version_from(answer.version());
    let lost = headers_from(answer.as_ref(), &mut head.headers);
    let beside = answer.ext_mut().remove::<AnswerBeside>();
    let is_ours = beside.is_some();
    let request_was_whole = beside.as_ref().is_some_and(|beside| beside.request_was_whole);
    if let Some(beside) = beside {
        if answer.status() == beside.told {
            head.status = beside.status;
        }
        head.headers.extend(beside.values);
    } else {
        drop_false_date(&mut head.headers);
    }
    Answer { head, body: answer.take_body(), is_ours, request_was_whole, lost }
}

/// A stock backend makes a date up where the answer has none, and not one that can be read.
fn drop_false_date(headers: &mut HeaderMap) {
    let is_date = |value: &HeaderValue| value.to_str().is_ok_and(|date| httpdate::parse_http_date(date).is_ok());
    if headers.get_all(header::DATE).iter().any(|value| !is_date(value)) {
        headers.remove(header::DATE);
    }
}

/// Writes the headers that http-types can hold, and gives the others.
fn headers_into(from: &HeaderMap, into: &mut headers::Headers) -> Vec<(HeaderName, HeaderValue)> {
    let mut beside = Vec::new();
    for (name, value) in from {
        match headers::HeaderValue::from_bytes(value.as_bytes().to_vec()) {
            Ok(held) => into.append(name.as_str(), held),
            Err(_) => beside.push((name.clone(), value.clone())),
        }
    }
    beside
}

/// Writes the headers that are legal, and counts the values that are not.
fn headers_from(from: &headers::Headers, into: &mut HeaderMap) -> usize {
    let mut lost = 0;
    for (name, values) in from {
        let name = HeaderName::from_str(name.as_str());
        for value in values {
            match (&name, HeaderValue::from_str(value.as_str())) {
                (Ok(name), Ok(value)) => _ = into.append(name, value),
                // A made-up date is no loss.
                (Ok(name), Err(_)) if name == header::DATE => {}
                _ => lost += 1,
            }
        }
    }
    lost
}

/// A status that http-types does not know becomes the first of its class, which stands for it (RFC 9110, section 15); one
/// beyond the classes becomes a server error.
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
    StatusCode::from_u16(status.into()).expect("http-types has statuses of three digits only")
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

    /// Out and back, by someone who keeps everything or, as clones do, the extensions not.
    fn crossed(request: Request<Bytes>, keeps: bool) -> (Request<Bytes>, usize) {
        let (mut out, beside) = request_into(request).unwrap();
        if !keeps {
            out.ext_mut().clear();
        }
        let (request, is_whole) = block_on(request_from(out)).unwrap();
        assert_eq!(is_whole, keeps);
        (request, beside)
    }

    fn answered(head: http::response::Builder, keeps: bool) -> Answer {
        let (head, ()) = head.body(()).unwrap().into_parts();
        let mut out = answer_into(&head, Body::from("b"), true);
        if !keeps {
            out.ext_mut().clear();
        }
        answer_from(out)
    }

    fn values<'h>(headers: &'h HeaderMap, name: &str) -> Vec<&'h [u8]> {
        headers.get_all(name).iter().map(HeaderValue::as_bytes).collect()
    }

    #[test]
    fn paths_are_kept_as_they_are_encoded() {
        for path in ["/", "/v0/a%2Fb/c", "/a%20b", "/%C3%BC%2e%2E%25", "/a+b;c=d:e@f/~", "/a//b/", "/p?q=%2F&r='"] {
            for keeps in [true, false] {
                let (request, _) = crossed(post(&format!("http://h.example:8080{path}")), keeps);
                let kept = request.uri().path_and_query().unwrap().as_str();
                // What is not encoded in a query may be encoded.
                assert!(kept == path || !keeps && kept == path.replace('\'', "%27"), "{kept}");
                assert_eq!(request.uri().authority().unwrap(), "h.example:8080");
            }
        }
    }

    #[test]
    fn what_browsers_would_write_otherwise_is_kept_beside() {
        let url = "http://H.example:80/a|{b}/\"";
        assert_eq!(crossed(post(url), true).0.uri(), url);
        assert_eq!(crossed(post(url), false).0.uri(), "http://h.example/a|%7Bb%7D/%22");
    }

    #[test]
    fn a_url_that_was_changed_on_the_way_counts() {
        let (mut out, _) = request_into(post("http://a.example/x")).unwrap();
        out.url_mut().set_path("/y");
        assert_eq!(block_on(request_from(out)).unwrap().0.uri(), "http://a.example/y");
    }

    #[test]
    fn a_request_is_the_same_after_it() {
        let mut request = post("https://h.example/p");
        *request.version_mut() = Version::HTTP_2;
        for value in ["b", "a", "b"] {
            request.headers_mut().append("x-many", value.parse().unwrap());
        }
        request.headers_mut().append("x-empty", HeaderValue::from_static(""));
        request.headers_mut().append("x-tab", HeaderValue::from_static("a\tb"));
        for keeps in [true, false] {
            let (same, beside) = crossed(request.clone(), keeps);
            assert_eq!((same.method(), same.version(), beside), (&Method::POST, Version::HTTP_2, 0));
            assert_eq!(same.body(), request.body());
            // No type, length or encoding that nobody set.
            assert_eq!(same.headers().len(), 5);
            assert_eq!(values(same.headers(), "x-many"), [b"b", b"a", b"b"]);
            assert_eq!(same.headers()["x-empty"], "");
            assert_eq!(same.headers()["x-tab"], "a\tb");
        }
    }

    #[test]
    fn values_beyond_ascii_go_beside_a_request() {
        let mut request = post("http://h/");
        for value in [&b"J\xfcrgen"[..], b"plain", b"J\xc3\xbcrgen"] {
            request.headers_mut().append("x-name", HeaderValue::from_bytes(value).unwrap());
        }
        let (kept, beside) = crossed(request.clone(), true);
        assert_eq!(beside, 2);
        assert_eq!(values(kept.headers(), "x-name"), [&b"plain"[..], b"J\xfcrgen", b"J\xc3\xbcrgen"]);
        let (lost, beside) = crossed(request, false);
        assert_eq!(beside, 2);
        assert_eq!(values(lost.headers(), "x-name"), [b"plain"]);
    }

    #[test]
    fn methods_of_the_standard_cross_and_others_do_not() {
        for method in [Method::POST, Method::GET, Method::DELETE] {
            let mut request = post("http://h/");
            request.method_mut().clone_from(&method);
            assert_eq!(crossed(request, false).0.method(), method);
        }
        let mut request = post("http://h/");
        *request.method_mut() = Method::from_bytes(b"ASK").unwrap();
        assert!(matches!(request_into(request), Err(Unheld::Method(method)) if method == "ASK"));
    }

    #[test]
    fn every_status_is_kept_beside_or_told_by_its_class() {
        for code in 100..1000 {
            let kept = answered(http::Response::builder().status(code), true);
            assert_eq!(kept.head.status, code);
            let told = answered(http::Response::builder().status(code), false).head.status.as_u16();
            assert!(told == code || told == (code / 100).min(5) * 100, "{code} became {told}");
        }
        for code in [599, 299, 199] {
            assert_eq!(answered(http::Response::builder().status(code), false).head.status, code / 100 * 100);
        }
    }

    #[test]
    fn a_status_that_was_changed_on_the_way_counts() {
        let (head, ()) = http::Response::builder().status(299).body(()).unwrap().into_parts();
        let mut out = answer_into(&head, Body::empty(), true);
        out.set_status(http_types::StatusCode::NotFound);
        assert_eq!(answer_from(out).head.status, StatusCode::NOT_FOUND);
    }

    #[test]
    fn versions_are_kept() {
        for version in [Version::HTTP_09, Version::HTTP_10, Version::HTTP_11, Version::HTTP_2, Version::HTTP_3] {
            assert_eq!(answered(http::Response::builder().version(version), false).head.version, version);
        }
        let unknown = http_types::Response::new(200);
        assert_eq!(answer_from(unknown).head.version, Version::HTTP_11);
    }

    #[test]
    fn an_answer_is_the_same_after_it() {
        let answer = || http::Response::builder().header("set-cookie", "b").header("set-cookie", "a").header("x", "\t");
        for keeps in [true, false] {
            let answer = answered(answer(), keeps);
            assert_eq!((answer.is_ours, answer.request_was_whole, answer.lost), (keeps, keeps, 0));
            // No type that it did not have.
            assert_eq!(answer.head.headers.len(), 3);
            assert_eq!(values(&answer.head.headers, "set-cookie"), [b"b", b"a"]);
            assert_eq!(block_on(answer.body.into_bytes()).unwrap(), b"b");
        }
    }

    #[test]
    fn values_beyond_ascii_go_beside_an_answer() {
        let answer = || http::Response::builder().header("x-name", &b"J\xfcrgen"[..]).header("x-name", "plain");
        let kept = answered(answer(), true);
        assert_eq!(values(&kept.head.headers, "x-name"), [&b"plain"[..], b"J\xfcrgen"]);
        assert_eq!(kept.lost, 0);
        assert_eq!(values(&answered(answer(), false).head.headers, "x-name"), [b"plain"]);
    }

    #[test]
    fn what_is_no_header_is_lost_and_counted() {
        let mut answer = http_types::Response::new(200);
        answer.insert_header("x-injected", "a\r\nb: c");
        answer.insert_header("no name", "a");
        answer.append_header("no name", "b");
        answer.insert_header("x-good", "a");
        let answer = answer_from(answer);
        assert_eq!((answer.lost, answer.head.headers.len()), (3, 1));
    }

    #[test]
    fn a_date_that_is_none_is_dropped() {
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
        // Our own backend makes none up: what it has is the server's.
        assert_eq!(
            answered(http::Response::builder().header("date", "yesterday"), true).head.headers["date"],
            "yesterday"
        );
    }
}
