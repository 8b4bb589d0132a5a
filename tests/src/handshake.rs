//! Checks of the handshake with a proxy, with any answer of the proxy.

use std::error::Error;
use std::iter;

use chat_net::{Handshake, Origin, Proxy, ProxyError, Step};

/// User and password of the proxy. No error may contain them.
const LOGIN: &str = "user:s3cret";

/// Chunk sizes in which an answer is received.
const CHUNK_SIZES: [usize; 5] = [usize::MAX, 1, 2, 3, 7];

/// Result of a handshake: the bytes that were written, and the first bytes of the server or the error.
struct Outcome {
    written: Vec<u8>,
    result: Result<Vec<u8>, ProxyError>,
}

/// Uses the bytes as the answer of an HTTP proxy to `CONNECT`. The proxy then closes the connection.
///
/// # Panics
///
/// If a tunnel opens without a success, if the chunk size or the login changes the result, or if an error contains a
/// password or a control character.
pub fn check_proxy_connect(bytes: &[u8]) {
    for proxy in ["http://proxy.example".to_owned(), format!("http://{LOGIN}@proxy.example")] {
        let Outcome { written, result } = check_chunk_sizes(&proxy, bytes);
        let request = "CONNECT api.example:443 HTTP/1.1\r\nhost: api.example:443\r\n";
        assert!(written.starts_with(request.as_bytes()) && written.ends_with(b"\r\n\r\n"));
        let Ok(early) = result else { continue };
        // The rest belongs to the server and begins after the end of a head.
        let head = bytes.strip_suffix(&*early).expect("the server's bytes come last");
        assert!(head.ends_with(b"\n\n") || head.ends_with(b"\n\r\n"), "{}", head.escape_ascii());
        let mut lines = head.split(|&byte| byte == b'\n');
        let is_success = |line: &[u8]| line.starts_with(b"HTTP/1.") && line.get(8..10) == Some(b" 2");
        assert!(lines.any(is_success), "{}", head.escape_ascii());
    }
}

/// Uses the bytes as the answers of a SOCKS 5 proxy. The proxy then closes the connection.
///
/// # Panics
///
/// If the result differs from that of a simple parser of RFC 1928 and 1929, or as in [`check_proxy_connect`].
pub fn check_proxy_socks(bytes: &[u8]) {
    for (proxy, has_login) in
        [("socks5h://proxy.example".to_owned(), false), (format!("socks5h://{LOGIN}@proxy.example"), true)]
    {
        let Outcome { written, result } = check_chunk_sizes(&proxy, bytes);
        assert!(written.starts_with(if has_login { &[5, 2, 0, 2] } else { &[5, 1, 0] }));
        let is_connect = written.ends_with(b"\x05\x01\x00\x03\x0bapi.example\x01\xbb");
        assert!(is_connect || result.is_err(), "{written:?}");
        let result = match &result {
            Ok(early) => SocksResult::Open(early),
            Err(ProxyError::Credentials { given, .. }) if *given == has_login => SocksResult::Login,
            Err(ProxyError::Socks { code, .. }) => SocksResult::Refused(*code),
            Err(ProxyError::Broken { .. }) => SocksResult::Broken,
            Err(error) => panic!("{error}"),
        };
        assert_eq!(result, read_socks(bytes, has_login), "{}", bytes.escape_ascii());
    }
}

#[derive(Debug, PartialEq)]
enum SocksResult<'b> {
    Open(&'b [u8]),
    Login,
    Refused(u8),
    Broken,
}

/// Parses the complete answers of a SOCKS 5 proxy.
fn read_socks(bytes: &[u8], has_login: bool) -> SocksResult<'_> {
    let rest = match bytes {
        [5, 0, rest @ ..] => rest,
        [5, 2, _, 0, rest @ ..] if has_login => rest,
        [5, 2, _, _, ..] if has_login => return SocksResult::Login,
        [5, 0xff, ..] if !has_login => return SocksResult::Login,
        _ => return SocksResult::Broken,
    };
    let address = match rest {
        [5, 0, _, 1, ..] => 4,
        [5, 0, _, 4, ..] => 16,
        [5, 0, _, 3, length, ..] => 1 + usize::from(*length),
        [5, 0, ..] => return SocksResult::Broken,
        [5, code, _, _, ..] => return SocksResult::Refused(*code),
        _ => return SocksResult::Broken,
    };
    rest.get(4 + address + 2..).map_or(SocksResult::Broken, SocksResult::Open)
}

/// Runs the handshake with each chunk size and checks that the results are equal.
fn check_chunk_sizes(proxy: &str, bytes: &[u8]) -> Outcome {
    let whole = run_handshake(proxy, bytes, CHUNK_SIZES[0]);
    let text = error_text(&whole.result);
    assert!(!text.contains("s3cret") && !text.contains(|c: char| c.is_control()), "{text:?}");
    for size in &CHUNK_SIZES[1..] {
        let other = run_handshake(proxy, bytes, *size);
        assert_eq!(other.written, whole.written, "{size}");
        assert_eq!(error_text(&other.result), text, "{size}");
        assert_eq!(other.result.ok(), whole.result.as_ref().ok().cloned(), "{size}");
    }
    whole
}

fn error_text(result: &Result<Vec<u8>, ProxyError>) -> String {
    let error = result.as_ref().err().map(|error| error as &(dyn Error + 'static));
    let causes = iter::successors(error, |&error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

fn run_handshake(proxy: &str, answer: &[u8], size: usize) -> Outcome {
    let target = Origin::of(&"https://api.example".parse().expect("a URL"));
    let proxy = Proxy::url(proxy).expect("a proxy's URL");
    let server = proxy.select(&target).expect("it is valid").expect("it has no exceptions");
    let mut handshake = Handshake::new(server, &target, None);
    let (mut written, mut rest) = (Vec::new(), answer);
    // The handshake writes at most three times, and ends with the connection.
    for _ in 0..answer.len() + 5 {
        match handshake.step() {
            Ok(Step::Write(bytes)) => written.extend(bytes),
            Ok(Step::Read) => {
                let (piece, left) = rest.split_at(rest.len().min(size));
                handshake.handle_data(piece);
                rest = left;
            }
            Ok(Step::Open(early)) => return Outcome { written, result: Ok([&early, rest].concat()) },
            Err(error) => return Outcome { written, result: Err(error) },
        }
    }
    panic!("the handshake does not end");
}
