//! The handshake with a proxy, without I/O.

use std::net::IpAddr;
use std::{fmt, io, mem};

use chat_proto::BoxError;
use http::StatusCode;
use http::header::PROXY_AUTHENTICATE;
use httparse::Status;

use crate::limits::MAX_HEADERS;
use crate::origin::Origin;
use crate::proxy_error::ProxyError;
use crate::proxy_server::ProxyServer;

/// Maximum size of the head of an answer to `CONNECT`, including the interim responses before it.
const MAX_HEAD: usize = 64 << 10;

/// Asks a proxy for a tunnel to a server, by `CONNECT` (RFC 9110, section 9.3.6) or SOCKS 5 (RFC 1928 and 1929).
///
/// It does no I/O. Connect to the proxy, and then do what [`step`](Self::step) returns until the tunnel is open:
///
/// ```
/// # use std::io::{Read, Write};
/// use chat_net::{Handshake, Origin, ProxyError, ProxyServer, Step};
///
/// /// Returns the data that the server has already sent. There is none if the server speaks TLS.
/// fn open(io: &mut (impl Read + Write), proxy: &ProxyServer, server: &Origin) -> Result<Vec<u8>, ProxyError> {
///     let mut handshake = Handshake::new(proxy, server, None);
///     let mut buffer = [0; 1024];
///     loop {
///         match handshake.step()? {
///             Step::Write(bytes) => io.write_all(&bytes).map_err(|error| handshake.broken(error))?,
///             Step::Read => {
///                 let count = io.read(&mut buffer).map_err(|error| handshake.broken(error))?;
///                 handshake.handle_data(&buffer[..count]);
///             }
///             Step::Open(early) => return Ok(early),
///         }
///     }
/// }
/// # let proxy = chat_net::Proxy::url("proxy.example")?;
/// # let server = Origin::of(&"https://api.example".parse()?);
/// # let answer = b"HTTP/1.1 200 Connection established\r\n\r\n".to_vec();
/// # struct TestProxy(std::collections::VecDeque<u8>, Vec<u8>);
/// # impl Read for TestProxy { fn read(&mut self, b: &mut [u8]) -> std::io::Result<usize> { self.0.read(b) } }
/// # impl Write for TestProxy {
/// #     fn write(&mut self, b: &[u8]) -> std::io::Result<usize> { self.1.write(b) }
/// #     fn flush(&mut self) -> std::io::Result<()> { Ok(()) }
/// # }
/// # let mut peer = TestProxy(answer.into(), Vec::new());
/// # assert!(open(&mut peer, proxy.select(&server)?.unwrap(), &server)?.is_empty());
/// # assert_eq!(peer.1, b"CONNECT api.example:443 HTTP/1.1\r\nhost: api.example:443\r\n\r\n");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Handshake {
    proxy: ProxyServer,
    target: Origin,
    /// The target's address, for a SOCKS proxy.
    address: Option<IpAddr>,
    state: State,
    input: Vec<u8>,
    /// Number of bytes received.
    received: usize,
    at_end: bool,
}

/// The next step of a [`Handshake`].
#[derive(PartialEq, Eq)]
pub enum Step {
    /// Write all of these bytes, and flush.
    Write(Vec<u8>),
    /// Read, and pass the data to [`Handshake::handle_data`].
    Read,
    /// The tunnel is open: everything written from now on goes to the server. The server has already sent these bytes. There
    /// are none if it speaks TLS.
    Open(Vec<u8>),
}

/// Prints only the number of bytes, because they may contain a password.
impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Write(bytes) => write!(f, "Write({} bytes)", bytes.len()),
            Self::Read => f.write_str("Read"),
            Self::Open(early) => write!(f, "Open({} bytes)", early.len()),
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// HTTP: send the request, read the answer.
    Ask,
    Answer,
    /// SOCKS: offer login methods, read the choice, log in, read the answer to the request.
    Greet,
    Chosen,
    LoggedIn,
    Granted,
}

// Bytes of SOCKS 5.
const VERSION: u8 = 5;
const NO_LOGIN: u8 = 0;
const LOGIN: u8 = 2;
const NO_METHOD: u8 = 0xff;
const LOGIN_VERSION: u8 = 1;
const CONNECT: u8 = 1;
const IPV4: u8 = 1;
const NAME: u8 = 3;
const IPV6: u8 = 4;

impl Handshake {
    /// Creates a handshake for a tunnel to a server. `address` is the server's address, if the proxy
    /// [needs it](ProxyServer::needs_address).
    pub fn new(proxy: &ProxyServer, target: &Origin, address: Option<IpAddr>) -> Self {
        let state = if proxy.is_socks() { State::Greet } else { State::Ask };
        let address = target.ip().or(address);
        Self {
            proxy: proxy.clone(),
            target: target.clone(),
            address,
            state,
            input: Vec::new(),
            received: 0,
            at_end: false,
        }
    }

    /// Takes data that was read. Empty data means that the proxy closed the connection.
    pub fn handle_data(&mut self, data: &[u8]) {
        self.at_end |= data.is_empty();
        self.received += data.len();
        self.input.extend_from_slice(data);
    }

    /// Converts an error of the connection.
    pub fn broken(&self, source: impl Into<BoxError>) -> ProxyError {
        ProxyError::broken(&self.proxy, source)
    }

    /// Returns what to do next.
    ///
    /// # Errors
    ///
    /// The proxy refused the connection or violated its protocol. The handshake has failed.
    pub fn step(&mut self) -> Result<Step, ProxyError> {
        match self.state {
            State::Ask => Ok(self.write(State::Answer, self.request())),
            State::Answer => self.answer(),
            State::Greet => {
                let methods = if self.proxy.login().is_some() {
                    &[VERSION, 2, NO_LOGIN, LOGIN][..]
                } else {
                    &[VERSION, 1, NO_LOGIN]
                };
                Ok(self.write(State::Chosen, methods.to_vec()))
            }
            State::Chosen => match (self.take()?, self.proxy.login()) {
                (None, _) => Ok(Step::Read),
                (Some([VERSION, NO_LOGIN]), _) => self.connect(),
                (Some([VERSION, LOGIN]), Some((user, password))) => {
                    let login = [&[LOGIN_VERSION][..], &self.counted(user)?, &self.counted(password)?].concat();
                    Ok(self.write(State::LoggedIn, login))
                }
                (Some([VERSION, NO_METHOD]), None) => Err(ProxyError::credentials(&self.proxy, [])),
                (Some([VERSION, NO_METHOD]), Some(_)) => {
                    Err(self.broken("it accepts no login method that the client supports"))
                }
                _ => Err(self.not_socks()),
            },
            State::LoggedIn => match self.take()? {
                None => Ok(Step::Read),
                Some([_, 0]) => self.connect(),
                Some([_, _]) => Err(ProxyError::credentials(&self.proxy, [])),
            },
            State::Granted => self.granted(),
        }
    }

    fn write(&mut self, next: State, bytes: Vec<u8>) -> Step {
        self.state = next;
        Step::Write(bytes)
    }

    fn request(&self) -> Vec<u8> {
        let target = &self.target;
        let mut head = format!("CONNECT {target} HTTP/1.1\r\nhost: {target}\r\n").into_bytes();
        if let Some(authorization) = self.proxy.authorization() {
            head.extend([b"proxy-authorization: ", authorization.as_bytes(), b"\r\n"].concat());
        }
        head.extend(b"\r\n");
        head
    }

    /// Parses the answer to `CONNECT`. Interim responses are skipped.
    fn answer(&mut self) -> Result<Step, ProxyError> {
        loop {
            let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
            let mut head = httparse::Response::new(&mut headers);
            let parsed = head.parse(&self.input).map_err(|error| self.broken(error))?;
            let Status::Complete(length) = parsed else {
                return if self.received < MAX_HEAD {
                    self.more()
                } else {
                    Err(self.broken("the head of its answer is too long"))
                };
            };
            let status = StatusCode::from_u16(head.code.unwrap_or_default()).map_err(|error| self.broken(error))?;
            if status == StatusCode::PROXY_AUTHENTICATION_REQUIRED {
                let challenges = head.headers.iter().filter(|header| PROXY_AUTHENTICATE == header.name);
                return Err(ProxyError::credentials(&self.proxy, challenges.map(|header| header.value)));
            }
            self.input.drain(..length);
            match status {
                StatusCode::SWITCHING_PROTOCOLS => return Err(self.refused(status)),
                status if status.is_informational() => {}
                status if status.is_success() => return Ok(self.open()),
                status => return Err(self.refused(status)),
            }
        }
    }

    fn refused(&mut self, status: StatusCode) -> ProxyError {
        let body = mem::take(&mut self.input);
        ProxyError::Refused { proxy: self.proxy.to_string(), target: self.target.to_string(), status, body }
    }

    fn connect(&mut self) -> Result<Step, ProxyError> {
        let mut message = vec![VERSION, CONNECT, 0];
        match self.address {
            Some(IpAddr::V4(ip)) => message.extend([&[IPV4][..], &ip.octets()].concat()),
            Some(IpAddr::V6(ip)) => message.extend([&[IPV6][..], &ip.octets()].concat()),
            None => message.extend([&[NAME][..], &self.counted(self.target.host.as_bytes())?].concat()),
        }
        message.extend(self.target.port.to_be_bytes());
        Ok(self.write(State::Granted, message))
    }

    fn granted(&mut self) -> Result<Step, ProxyError> {
        let [version, code, _, kind, ..] = self.input[..] else { return self.more() };
        match (version, code) {
            (VERSION, 0) => {}
            (VERSION, code) => {
                let (proxy, target) = (self.proxy.to_string(), self.target.to_string());
                return Err(ProxyError::Socks { proxy, target, code });
            }
            _ => return Err(self.not_socks()),
        }
        // Skip the address that the proxy connects from.
        let length = match kind {
            IPV4 => 4,
            IPV6 => 16,
            NAME => match self.input.get(4) {
                Some(&length) => 1 + usize::from(length),
                None => return self.more(),
            },
            _ => return Err(self.not_socks()),
        };
        let length = 4 + length + 2;
        if self.input.len() < length {
            return self.more();
        }
        self.input.drain(..length);
        Ok(self.open())
    }

    fn open(&mut self) -> Step {
        Step::Open(mem::take(&mut self.input))
    }

    /// Takes two bytes, once they have arrived.
    fn take(&mut self) -> Result<Option<[u8; 2]>, ProxyError> {
        match self.input[..] {
            [first, second, ..] => {
                self.input.drain(..2);
                Ok(Some([first, second]))
            }
            _ => self.more().map(|_| None),
        }
    }

    fn more(&self) -> Result<Step, ProxyError> {
        if self.at_end {
            let end = io::Error::new(io::ErrorKind::UnexpectedEof, "the connection was closed before an answer");
            return Err(self.broken(end));
        }
        Ok(Step::Read)
    }

    fn not_socks(&self) -> ProxyError {
        self.broken(io::Error::new(io::ErrorKind::InvalidData, "the answer is not SOCKS 5"))
    }

    /// Prefixes bytes with their length.
    fn counted(&self, bytes: &[u8]) -> Result<Vec<u8>, ProxyError> {
        let length = u8::try_from(bytes.len());
        let length = length.map_err(|_| {
            self.broken(io::Error::new(
                io::ErrorKind::InvalidInput,
                "SOCKS allows at most 255 bytes for a host, user name or password",
            ))
        })?;
        Ok([&[length], bytes].concat())
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::*;
    use crate::proxy::Proxy;

    /// Runs a handshake with a proxy that sends these bytes in pieces and then closes. Returns what was written to it, and
    /// the result.
    fn talk(proxy: &str, url: &str, says: &[u8], piece: usize) -> (Vec<u8>, Result<Vec<u8>, ProxyError>) {
        let target = Origin::of(&url.parse().unwrap());
        let mut handshake = Handshake::new(Proxy::url(proxy).unwrap().select(&target).unwrap().unwrap(), &target, None);
        let (mut written, mut pieces) = (Vec::new(), says.chunks(piece));
        loop {
            match handshake.step() {
                Ok(Step::Write(bytes)) => written.extend(bytes),
                Ok(Step::Read) => handshake.handle_data(pieces.next().unwrap_or_default()),
                Ok(Step::Open(early)) => return (written, Ok([early, pieces.flatten().copied().collect()].concat())),
                Err(error) => return (written, Err(error)),
            }
        }
    }

    /// Checks that the result is the same for all sizes of pieces.
    fn check_in_pieces(proxy: &str, url: &str, says: &[u8], wrote: &[u8], then: &[u8]) {
        for piece in 1..=says.len() {
            let (written, early) = talk(proxy, url, says, piece);
            assert_eq!(written, wrote, "{}", String::from_utf8_lossy(&written));
            assert_eq!(early.unwrap(), then, "{piece}");
        }
    }

    #[test]
    fn bytes_after_the_head_belong_to_the_server() {
        let says = b"HTTP/1.1 103 Early\r\nlink: x\r\n\r\nHTTP/1.0 200 Fine\r\ncontent-length: 9\r\n\r\nPRI";
        let wrote = "CONNECT api.example:80 HTTP/1.1\r\nhost: api.example:80\r\n\
                     proxy-authorization: Basic dTpw\r\n\r\n";
        check_in_pieces("u:p@proxy", "http://api.example/v0", says, wrote.as_bytes(), b"PRI");
        let wrote = b"CONNECT [2001:db8::1]:8443 HTTP/1.1\r\nhost: [2001:db8::1]:8443\r\n\r\n";
        check_in_pieces("proxy", "https://[2001:db8::1]:8443", b"HTTP/1.1 204 No\r\n\r\n", wrote, b"");
    }

    #[test]
    fn socks_takes_names_and_addresses_with_and_without_a_login() {
        let name = b"\x05\x02\x00\x02\x05\x01\x00\x03\x01a\x01\xbb";
        check_in_pieces("socks5h://u:p@proxy", "https://a", b"\x05\x00\x05\0\0\x01\x7f\0\0\x01\x04\x38", name, b"");
        let login = b"\x05\x02\x00\x02\x01\x01u\x02pw\x05\x01\x00\x01\x0a\x01\x02\x03\x00\x50";
        let says = b"\x05\x02\x01\x00\x05\0\0\x03\x02hi\x04\x38early";
        check_in_pieces("socks5://u:pw@proxy", "http://10.1.2.3", says, login, b"early");
        let v6 = [&b"\x05\x01\x00\x05\x01\x00\x04\xfd"[..], &[0; 14], b"\x08\x00\x51"].concat();
        let says = [&b"\x05\x00\x05\0\0\x04"[..], &[0; 18]].concat();
        check_in_pieces("socks5h://proxy", "http://[fd00::8]:81", &says, &v6, b"");
        // A resolved name.
        let target = Origin::of(&"http://a".parse().unwrap());
        let proxy = Proxy::url("socks5://p").unwrap();
        let server = proxy.select(&target).unwrap().unwrap();
        assert!(server.needs_address(&target));
        let mut handshake = Handshake::new(server, &target, Some([10, 1, 2, 3].into()));
        let greeting = handshake.step().unwrap();
        assert_eq!((&greeting, format!("{greeting:?}").as_str()), (&Step::Write(vec![5, 1, 0]), "Write(3 bytes)"));
        handshake.handle_data(&[5, 0]);
        assert_eq!(handshake.step().unwrap(), Step::Write(vec![5, 1, 0, 1, 10, 1, 2, 3, 0, 80]));
    }

    #[test]
    fn each_refusal_has_its_text() {
        let refused = "the proxy http://p:80 refused a connection to a:443: ";
        let failed = "communication with the proxy http://p:80 failed: ";
        let endless = format!("HTTP/1.1 200 OK\r\nx: {}", "x".repeat(MAX_HEAD));
        let interim = "HTTP/1.1 103 Early\r\n\r\n".repeat(MAX_HEAD / 20);
        let rows: &[(&str, &str, String)] = &[
            ("p", "HTTP/1.1 407 Who\r\n\r\n", "the proxy http://p:80 requires a user name and a password".into()),
            (
                "p",
                "HTTP/1.1 407 Who\r\nProxy-Authenticate: Negotiate\r\nproxy-authenticate: NTLM, Basic realm=x\r\n\r\n",
                "the proxy http://p:80 requires a user name and a password (it offers Negotiate, NTLM, Basic)".into(),
            ),
            (
                "u:s3cret@p",
                "HTTP/1.1 407 Who\r\n\r\n",
                "the proxy http://p:80 rejected the user name or the password".into(),
            ),
            ("p", "HTTP/1.0 403 No\r\n\r\n", format!("{refused}403 Forbidden")),
            ("p", "HTTP/1.1 302 No\r\nlocation: http://login.example/\r\n\r\n", format!("{refused}302 Found")),
            ("p", "HTTP/1.1 101 No\r\n\r\n", format!("{refused}101 Switching Protocols")),
            ("p", "SSH-2.0-OpenSSH_9.9\r\n", format!("{failed}invalid HTTP version")),
            ("p", "HTTP/1.1 20", format!("{failed}the connection was closed")),
            ("p", "", format!("{failed}the connection was closed")),
            ("p", &endless, format!("{failed}the head of its answer is too long")),
            ("p", &interim, format!("{failed}the head of its answer is too long")),
        ];
        for (proxy, says, text) in rows {
            let error = talk(proxy, "https://a", says.as_bytes(), 1000).1.unwrap_err();
            let said = error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {source}"));
            assert!(said.starts_with(text), "{said}");
            assert!(!format!("{error:?}").contains("s3cret"), "{error:?}");
        }
        let says = b"HTTP/1.1 503 No\r\ncontent-length: 9\r\n\r\nNot";
        let error = talk("p", "https://a", says, says.len()).1.unwrap_err();
        assert!(matches!(&error, ProxyError::Refused { body, .. } if body == b"Not"), "{error:?}");
    }

    #[test]
    fn each_refusal_of_socks_has_its_text() {
        let long = format!("socks5h://{}:p@p", "x".repeat(256));
        let rows: &[(&str, &[u8], &str)] = &[
            ("socks5h://p", b"\x05\xff", "requires a user name and a password"),
            ("socks5h://u:p@p", b"\x05\x02\x01\x01", "rejected the user name or the password"),
            ("socks5h://u:p@p", b"\x05\xff", "failed: it accepts no login method that the client supports"),
            ("socks5h://p", b"\x05\x00\x05\x02\x00\x01", "refused a connection to a:443: not allowed by its rules"),
            ("socks5h://p", b"\x05\x00\x05\x63\x00\x01", "refused a connection to a:443: unknown reason"),
            ("socks5h://p", b"\x05\x02", "failed: the answer is not SOCKS 5"),
            ("socks5h://p", b"\x05\x00\x04\x00\x00\x01", "failed: the answer is not SOCKS 5"),
            ("socks5h://p", b"\x05\x00\x05\x00\x00\x02", "failed: the answer is not SOCKS 5"),
            ("socks5h://p", b"HTTP/1.1 400 Bad Request\r\n\r\n", "failed: the answer is not SOCKS 5"),
            ("socks5h://p", b"\x05", "failed: the connection was closed"),
            ("socks5h://p", b"\x05\x00\x05\x00\x00\x03", "failed: the connection was closed"),
            (&long, b"\x05\x02", "failed: SOCKS allows at most 255 bytes for a host, user name or password"),
        ];
        for (proxy, says, text) in rows {
            let error = talk(proxy, "https://a", says, 1).1.unwrap_err();
            let said = error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {source}"));
            let text = if text.starts_with("failed") {
                text.to_string()
            } else {
                format!("the proxy socks5h://p:1080 {text}")
            };
            assert!(said.contains(&text), "{said}");
        }
    }
}
