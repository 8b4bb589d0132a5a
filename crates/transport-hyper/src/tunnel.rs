//! The way through a proxy.

use std::future::{Future, poll_fn};
use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::{error, fmt, io};

use bytes::Bytes;
use chat_client::Source;
use http::header::{HOST, PROXY_AUTHORIZATION};
use http::{Request, StatusCode, Uri};
use http_body_util::Empty;
use hyper::upgrade::{self, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use crate::connect::Tcp;
use crate::proxy::{Via, bare};
use crate::resolve::Resolver;

/// Why there is no way through a proxy. The request went nowhere.
///
/// It is among the sources of an [`Error`](chat_client::Error) whose kind is `Connect`. `proxy` is the proxy's URL
/// without its credentials, `target` the host and port behind it.
#[derive(Debug)]
#[non_exhaustive]
pub enum ProxyError {
    /// There is no connection to the proxy.
    Unreachable {
        /// The proxy.
        proxy: String,
        /// What failed: the name, the address, TLS.
        source: Source,
    },
    /// The proxy wants to know who asks: it answered 407, or what is the same in SOCKS.
    Credentials {
        /// The proxy.
        proxy: String,
        /// Whether the proxy was given any, and refused them.
        given: bool,
    },
    /// The proxy answered `CONNECT` with another status than a 2xx.
    Refused {
        /// The proxy.
        proxy: String,
        /// What it was asked for.
        target: String,
        /// Its answer.
        status: StatusCode,
    },
    /// A SOCKS proxy refused, or could not reach the target.
    Socks {
        /// The proxy.
        proxy: String,
        /// What it was asked for.
        target: String,
        /// Its answer, a code of RFC 1928, section 6.
        code: u8,
    },
    /// The connection to the proxy broke before it answered, or its answer is none of its protocol.
    Broken {
        /// The proxy.
        proxy: String,
        /// What failed.
        source: Source,
    },
    /// The target's name could not be looked up here, as `socks5://` asks for.
    Name {
        /// What was looked up.
        target: String,
        /// What failed.
        source: io::Error,
    },
}

impl fmt::Display for ProxyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable { proxy, .. } => write!(f, "the proxy {proxy} can't be reached"),
            Self::Credentials { proxy, given: false } => write!(f, "the proxy {proxy} asks for a user and a password"),
            Self::Credentials { proxy, given: true } => write!(f, "the proxy {proxy} refuses the user or the password"),
            Self::Refused { proxy, target, status } => {
                write!(f, "the proxy {proxy} refuses a connection to {target}: {status}")
            }
            Self::Socks { proxy, target, code } => {
                write!(f, "the proxy {proxy} refuses a connection to {target}: {}", socks_code(*code))
            }
            Self::Broken { proxy, .. } => write!(f, "talking to the proxy {proxy} failed"),
            Self::Name { target, .. } => write!(f, "the name of {target} can't be looked up"),
        }
    }
}

impl error::Error for ProxyError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Unreachable { source, .. } | Self::Broken { source, .. } => Some(source.as_ref()),
            Self::Name { source, .. } => Some(source),
            Self::Credentials { .. } | Self::Refused { .. } | Self::Socks { .. } => None,
        }
    }
}

impl ProxyError {
    pub(crate) fn credentials(via: &Via) -> Self {
        Self::Credentials { proxy: via.to_string(), given: via.has_credentials() }
    }
}

/// Host and port of a URL.
fn target(uri: &Uri) -> (&str, u16) {
    let default = if uri.scheme_str() == Some("https") { 443 } else { 80 };
    (uri.host().unwrap_or_default(), uri.port_u16().unwrap_or(default))
}

/// Asks an HTTP proxy for a tunnel. hyper does the talking, so that an answer's bytes behind its head, which are the
/// target's, are kept.
pub(crate) async fn connect(io: Tcp, via: &Via, uri: &Uri) -> Result<Upgraded, ProxyError> {
    let broken = |source: hyper::Error| ProxyError::Broken { proxy: via.to_string(), source: source.into() };
    let (host, port) = target(uri);
    let target = format!("{host}:{port}");
    let mut request = Request::connect(&target).header(HOST, &target);
    if let Some(authorization) = via.authorization() {
        request = request.header(PROXY_AUTHORIZATION, authorization);
    }
    let request = request.body(Empty::<Bytes>::new()).expect("a URL's host and port are an authority");

    let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.map_err(broken)?;
    let asked = async {
        let answer = sender.send_request(request).await.map_err(broken)?;
        match answer.status() {
            status if status.is_success() => upgrade::on(answer).await.map_err(broken),
            StatusCode::PROXY_AUTHENTICATION_REQUIRED => Err(ProxyError::credentials(via)),
            status => Err(ProxyError::Refused { proxy: via.to_string(), target, status }),
        }
    };
    drive(connection.with_upgrades(), asked).await
}

/// Polls a connection, which has no task of its own, while something is waited for that comes of it.
async fn drive<T>(connection: impl Future + Unpin, asked: impl Future<Output = T>) -> T {
    let mut connection = Some(connection);
    let mut asked = pin!(asked);
    poll_fn(|cx| {
        // What ends the connection is told to those who wait for its answer.
        if connection.as_mut().is_some_and(|connection| Pin::new(connection).poll(cx).is_ready()) {
            connection = None;
        }
        asked.as_mut().poll(cx)
    })
    .await
}

/// Asks a SOCKS 5 proxy for a connection, and reads nothing beyond its answer.
///
/// hyper-util has that too, but not which of its errors says what.
pub(crate) async fn socks(io: Tcp, via: &Via, uri: &Uri, resolver: &Resolver) -> Result<Tcp, ProxyError> {
    let (host, port) = target(uri);
    let target = format!("{host}:{port}");
    let address = match bare(host).parse::<IpAddr>() {
        Ok(ip) => Address::Ip(ip),
        Err(_) if via.resolves() => Address::Name(host),
        Err(_) => {
            let found = resolver.resolve(host).await.and_then(|found| found.into_iter().next().ok_or_else(no_address));
            Address::Ip(found.map_err(|source| ProxyError::Name { target: target.clone(), source })?.ip())
        }
    };
    let mut io = TokioIo::new(io);
    let broken = |source: io::Error| ProxyError::Broken { proxy: via.to_string(), source: source.into() };
    match shake_hands(&mut io, via.login(), &address, port).await.map_err(broken)? {
        Reply::Granted => Ok(io.into_inner()),
        Reply::WhoAreYou => Err(ProxyError::credentials(via)),
        Reply::Refused(code) => Err(ProxyError::Socks { proxy: via.to_string(), target, code }),
    }
}

fn no_address() -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, "the name has no address")
}

enum Address<'a> {
    Ip(IpAddr),
    Name(&'a str),
}

enum Reply {
    Granted,
    WhoAreYou,
    Refused(u8),
}

/// RFC 1928, and RFC 1929 for user and password.
async fn shake_hands(
    io: &mut (impl AsyncRead + AsyncWrite + Unpin),
    login: Option<(&str, &str)>,
    address: &Address<'_>,
    port: u16,
) -> io::Result<Reply> {
    const VERSION: u8 = 5;
    const NO_LOGIN: u8 = 0;
    const LOGIN: u8 = 2;
    const NONE_OF_THESE: u8 = 0xff;
    const LOGIN_VERSION: u8 = 1;
    const CONNECT: u8 = 1;
    const IPV4: u8 = 1;
    const NAME: u8 = 3;
    const IPV6: u8 = 4;
    let no_socks = || io::Error::new(io::ErrorKind::InvalidData, "the answer is not one of SOCKS 5");

    io.write_all(if login.is_some() { &[VERSION, 2, NO_LOGIN, LOGIN] } else { &[VERSION, 1, NO_LOGIN] }).await?;
    let mut chosen = [0; 2];
    io.read_exact(&mut chosen).await?;
    match (chosen, login) {
        ([VERSION, NO_LOGIN], _) => {}
        ([VERSION, LOGIN], Some((user, password))) => {
            let message = [&[LOGIN_VERSION][..], &counted(user)?, &counted(password)?].concat();
            io.write_all(&message).await?;
            let mut answer = [0; 2];
            io.read_exact(&mut answer).await?;
            if answer[1] != 0 {
                return Ok(Reply::WhoAreYou);
            }
        }
        ([VERSION, NONE_OF_THESE], _) => return Ok(Reply::WhoAreYou),
        _ => return Err(no_socks()),
    }

    let mut message = vec![VERSION, CONNECT, 0];
    match address {
        Address::Ip(IpAddr::V4(ip)) => message.extend([&[IPV4][..], &ip.octets()].concat()),
        Address::Ip(IpAddr::V6(ip)) => message.extend([&[IPV6][..], &ip.octets()].concat()),
        Address::Name(name) => message.extend([&[NAME][..], &counted(name)?].concat()),
    }
    message.extend(port.to_be_bytes());
    io.write_all(&message).await?;
    let mut answer = [0; 4];
    io.read_exact(&mut answer).await?;
    let [VERSION, code, _, kind] = answer else { return Err(no_socks()) };
    if code != 0 {
        return Ok(Reply::Refused(code));
    }
    // The address that the proxy connects from is of no use, but it is there.
    let length = match kind {
        IPV4 => 4,
        IPV6 => 16,
        NAME => io.read_u8().await?.into(),
        _ => return Err(no_socks()),
    };
    io.read_exact(&mut vec![0; length + 2]).await?;
    Ok(Reply::Granted)
}

/// A text behind a byte that counts it.
fn counted(text: &str) -> io::Result<Vec<u8>> {
    let length = u8::try_from(text.len());
    let length =
        length.map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "SOCKS has no room for over 255 bytes"))?;
    Ok([&[length], text.as_bytes()].concat())
}

/// What RFC 1928, section 6, calls it.
fn socks_code(code: u8) -> &'static str {
    match code {
        1 => "general failure",
        2 => "not allowed by its rules",
        3 => "network unreachable",
        4 => "host unreachable",
        5 => "connection refused",
        6 => "time to live expired",
        7 => "command not supported",
        8 => "address type not supported",
        _ => "unknown reason",
    }
}
