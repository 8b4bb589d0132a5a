//! Whatever a proxy answers to a request for a way to a server.

use std::error::Error;
use std::iter;

use chat_net::{Handshake, Origin, Proxy, ProxyError, Step};

/// The user and the password of a proxy. No error may show them.
const LOGIN: &str = "user:s3cret";

/// How an answer is cut, in bytes.
const CUTS: [usize; 5] = [usize::MAX, 1, 2, 3, 7];

/// What comes of an answer: what was written, and the server's first bytes or the error.
struct Outcome {
    written: Vec<u8>,
    result: Result<Vec<u8>, ProxyError>,
}

/// The bytes are the answer of an HTTP proxy to `CONNECT`, which closes the connection after it.
///
/// # Panics
///
/// If a tunnel is open without a success, if the cuts or the login change what comes of it, or if an error shows a
/// password or a control character.
pub fn check_proxy_connect(bytes: &[u8]) {
    for proxy in ["http://proxy.example".to_owned(), format!("http://{LOGIN}@proxy.example")] {
        let Outcome { written, result } = check_cuts(&proxy, bytes);
        let request = "CONNECT api.example:443 HTTP/1.1\r\nhost: api.example:443\r\n";
        assert!(written.starts_with(request.as_bytes()) && written.ends_with(b"\r\n\r\n"));
        let Ok(early) = result else { continue };
        // What is left belongs to the server, and begins behind the end of a head.
        let head = bytes.strip_suffix(&*early).expect("the server's bytes come last");
        assert!(head.ends_with(b"\n\n") || head.ends_with(b"\n\r\n"), "{}", head.escape_ascii());
        let mut lines = head.split(|&byte| byte == b'\n');
        let is_success = |line: &[u8]| line.starts_with(b"HTTP/1.") && line.get(8..10) == Some(b" 2");
        assert!(lines.any(is_success), "{}", head.escape_ascii());
    }
}

/// The bytes are what a SOCKS 5 proxy says, which closes the connection after it.
///
/// # Panics
///
/// If what comes of it differs from what a reading of RFC 1928 and 1929 without cuts says, or as for
/// [`check_proxy_connect`].
pub fn check_proxy_socks(bytes: &[u8]) {
    for (proxy, has_login) in
        [("socks5h://proxy.example".to_owned(), false), (format!("socks5h://{LOGIN}@proxy.example"), true)]
    {
        let Outcome { written, result } = check_cuts(&proxy, bytes);
        assert!(written.starts_with(if has_login { &[5, 2, 0, 2] } else { &[5, 1, 0] }));
        let is_connect = written.ends_with(b"\x05\x01\x00\x03\x0bapi.example\x01\xbb");
        assert!(is_connect || result.is_err(), "{written:?}");
        let seen = match &result {
            Ok(early) => Reading::Open(early),
            Err(ProxyError::Credentials { given, .. }) if *given == has_login => Reading::Login,
            Err(ProxyError::Socks { code, .. }) => Reading::Refused(*code),
            Err(ProxyError::Broken { .. }) => Reading::Broken,
            Err(error) => panic!("{error}"),
        };
        assert_eq!(seen, read_socks(bytes, has_login), "{}", bytes.escape_ascii());
    }
}

#[derive(Debug, PartialEq)]
enum Reading<'b> {
    Open(&'b [u8]),
    Login,
    Refused(u8),
    Broken,
}

/// What a whole conversation means.
fn read_socks(bytes: &[u8], has_login: bool) -> Reading<'_> {
    let rest = match bytes {
        [5, 0, rest @ ..] => rest,
        [5, 2, _, 0, rest @ ..] if has_login => rest,
        [5, 2, _, _, ..] if has_login => return Reading::Login,
        [5, 0xff, ..] if !has_login => return Reading::Login,
        _ => return Reading::Broken,
    };
    let address = match rest {
        [5, 0, _, 1, ..] => 4,
        [5, 0, _, 4, ..] => 16,
        [5, 0, _, 3, length, ..] => 1 + usize::from(*length),
        [5, 0, ..] => return Reading::Broken,
        [5, code, _, _, ..] => return Reading::Refused(*code),
        _ => return Reading::Broken,
    };
    rest.get(4 + address + 2..).map_or(Reading::Broken, Reading::Open)
}

/// What comes of an answer, which is the same however it is cut.
fn check_cuts(proxy: &str, bytes: &[u8]) -> Outcome {
    let whole = talk(proxy, bytes, CUTS[0]);
    let text = sentence(&whole.result);
    assert!(!text.contains("s3cret") && !text.contains(|c: char| c.is_control()), "{text:?}");
    for cut in &CUTS[1..] {
        let other = talk(proxy, bytes, *cut);
        assert_eq!(other.written, whole.written, "{cut}");
        assert_eq!(sentence(&other.result), text, "{cut}");
        assert_eq!(other.result.ok(), whole.result.as_ref().ok().cloned(), "{cut}");
    }
    whole
}

fn sentence(result: &Result<Vec<u8>, ProxyError>) -> String {
    let error = result.as_ref().err().map(|error| error as &(dyn Error + 'static));
    let causes = iter::successors(error, |&error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

fn talk(proxy: &str, says: &[u8], cut: usize) -> Outcome {
    let target = Origin::of(&"https://api.example".parse().expect("a URL"));
    let proxy = Proxy::url(proxy).expect("a proxy's URL");
    let server = proxy.select(&target).expect("it is valid").expect("it has no exceptions");
    let mut handshake = Handshake::new(server, &target, None);
    let (mut written, mut rest) = (Vec::new(), says);
    // It writes three times at most, and ends once the connection has.
    for _ in 0..says.len() + 5 {
        match handshake.step() {
            Ok(Step::Write(bytes)) => written.extend(bytes),
            Ok(Step::Read) => {
                let (piece, left) = rest.split_at(rest.len().min(cut));
                handshake.handle_data(piece);
                rest = left;
            }
            Ok(Step::Open(early)) => return Outcome { written, result: Ok([&early, rest].concat()) },
            Err(error) => return Outcome { written, result: Err(error) },
        }
    }
    panic!("it has no end");
}
