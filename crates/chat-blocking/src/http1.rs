//! HTTP/1.1 on bytes: how a request is written, and where an answer's parts begin and end.

use std::io::{Error, ErrorKind, Result};

use bytes::Bytes;
use chat_net::ProxyServer;
use http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode, Version};
use httparse::Status;

use crate::buffer::Buffer;

/// As many header lines as hyper reads by itself.
const MAX_HEADERS: usize = 100;
/// The largest head, and the most that trailers may come to.
const MAX_HEAD: usize = 64 << 10;
/// The longest line of a chunk's size, extensions included.
const MAX_CHUNK_LINE: usize = 16 << 10;

/// A request as it goes over the wire, to its server or to a proxy that forwards it.
pub(crate) fn write(request: &Request<Bytes>, forwarder: Option<&ProxyServer>) -> Vec<u8> {
    let (method, uri, body) = (request.method(), request.uri(), request.body());
    let host = uri.authority().map_or("", |authority| authority.as_str());
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let before_path = if forwarder.is_some() { format!("http://{host}") } else { String::new() };
    let mut wire = Vec::with_capacity(1024 + body.len());
    wire.extend_from_slice(format!("{method} {before_path}{path} HTTP/1.1\r\nhost: {host}\r\n").as_bytes());
    let mut header = |name: &str, value: &[u8]| {
        for part in [name.as_bytes(), b": ", value, b"\r\n"] {
            wire.extend_from_slice(part);
        }
    };
    for (name, value) in request.headers().iter().filter(|(name, _)| *name != CONTENT_LENGTH) {
        header(name.as_str(), value.as_bytes());
    }
    if let Some(authorization) = forwarder.and_then(ProxyServer::authorization) {
        header("proxy-authorization", authorization.as_bytes());
    }
    header("content-length", body.len().to_string().as_bytes());
    wire.extend_from_slice(b"\r\n");
    wire.extend_from_slice(body);
    wire
}

/// A part of an answer.
#[derive(Debug)]
pub(crate) enum Part {
    Head(http::response::Parts),
    Data(Bytes),
    /// The answer is whole.
    End,
}

/// Cuts one answer into its parts (RFC 9112). Interim answers are left out, trailers too.
#[derive(Debug)]
pub(crate) struct Answer {
    state: State,
    keep_alive: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Head,
    Length(u64),
    UntilClose,
    ChunkSize,
    Chunk(u64),
    /// The line end behind a chunk.
    ChunkEnd,
    /// So many bytes of trailers came.
    Trailers(usize),
    End,
}

impl Answer {
    pub(crate) fn new() -> Self {
        Self { state: State::Head, keep_alive: false }
    }

    /// Whether the answer is whole and its connection may bear another one.
    pub(crate) fn keeps_alive(&self) -> bool {
        self.state == State::End && self.keep_alive
    }

    /// The next part that is there whole, or as far as it is.
    pub(crate) fn next(&mut self, input: &mut Buffer) -> Result<Option<Part>> {
        loop {
            let unread = input.unread();
            match self.state {
                State::Head => {
                    let Some(mut head) = take_head(input)? else { return Ok(None) };
                    match head.status {
                        StatusCode::SWITCHING_PROTOCOLS => {
                            return Err(malformed("the server switches to a protocol that nobody asked for"));
                        }
                        status if status.is_informational() => {}
                        _ => {
                            self.keep_alive = keeps_alive(&head);
                            self.state = framing(&mut head)?;
                            return Ok(Some(Part::Head(head)));
                        }
                    }
                }
                State::End | State::Length(0) => {
                    self.state = State::End;
                    return Ok(Some(Part::End));
                }
                _ if unread.is_empty() => return Ok(None),
                State::UntilClose => return Ok(Some(Part::Data(input.take(u64::MAX)))),
                State::Length(left) => {
                    let data = input.take(left);
                    self.state = State::Length(left - data.len() as u64);
                    return Ok(Some(Part::Data(data)));
                }
                State::ChunkSize => {
                    let Some((size, used)) = chunk_size(unread)? else {
                        return more_of(unread, MAX_CHUNK_LINE, "the size of a chunk does not end");
                    };
                    input.consume(used);
                    self.state = if size == 0 { State::Trailers(0) } else { State::Chunk(size) };
                }
                State::Chunk(left) => {
                    let data = input.take(left);
                    let left = left - data.len() as u64;
                    self.state = if left == 0 { State::ChunkEnd } else { State::Chunk(left) };
                    return Ok(Some(Part::Data(data)));
                }
                State::ChunkEnd => match unread {
                    [b'\r', b'\n', ..] => {
                        input.consume(2);
                        self.state = State::ChunkSize;
                    }
                    [b'\r'] => return Ok(None),
                    _ => return Err(malformed("a chunk is longer than its size")),
                },
                State::Trailers(so_far) => {
                    let Some(end) = memchr::memchr(b'\n', unread) else {
                        return more_of(unread, MAX_HEAD - so_far, "the trailers do not end");
                    };
                    let so_far = so_far + end + 1;
                    let is_last = matches!(unread[..end], [] | [b'\r']);
                    input.consume(end + 1);
                    self.state = match so_far {
                        _ if is_last => State::End,
                        ..MAX_HEAD => State::Trailers(so_far),
                        _ => return Err(malformed("the trailers do not end")),
                    };
                }
            }
        }
    }

    /// What the end of the connection means here. Only a body without a length ends by it.
    pub(crate) fn end(&mut self) -> Result<Part> {
        match self.state {
            State::UntilClose | State::End => {
                (self.state, self.keep_alive) = (State::End, false);
                Ok(Part::End)
            }
            State::Head => {
                Err(Error::new(ErrorKind::UnexpectedEof, "the connection ended before the answer's head did"))
            }
            _ => Err(Error::new(ErrorKind::UnexpectedEof, "the connection ended before the answer's body did")),
        }
    }
}

/// More has to come, unless there is too much already.
fn more_of(unread: &[u8], most: usize, else_says: &'static str) -> Result<Option<Part>> {
    if unread.len() < most { Ok(None) } else { Err(malformed(else_says)) }
}

fn malformed(what: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::new(ErrorKind::InvalidData, what)
}

/// Takes a head, if it is there whole.
fn take_head(input: &mut Buffer) -> Result<Option<http::response::Parts>> {
    let mut lines = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut parsed = httparse::Response::new(&mut lines);
    let Status::Complete(length) = parsed.parse(input.unread()).map_err(malformed)? else {
        return if input.unread().len() < MAX_HEAD {
            Ok(None)
        } else {
            Err(malformed("the answer's head is too large"))
        };
    };
    let (mut head, ()) = http::Response::new(()).into_parts();
    head.version = if parsed.version == Some(0) { Version::HTTP_10 } else { Version::HTTP_11 };
    head.status = StatusCode::from_u16(parsed.code.unwrap_or_default()).map_err(malformed)?;
    head.headers.reserve(parsed.headers.len());
    for line in parsed.headers.iter() {
        let name = HeaderName::from_bytes(line.name.as_bytes()).map_err(malformed)?;
        head.headers.append(name, HeaderValue::from_bytes(line.value).map_err(malformed)?);
    }
    input.consume(length);
    Ok(Some(head))
}

/// How the body behind a head is delimited (RFC 9112, section 6.3).
fn framing(head: &mut http::response::Parts) -> Result<State> {
    if matches!(head.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
        return Ok(State::End);
    }
    if head.headers.contains_key(TRANSFER_ENCODING) {
        let codings: Vec<&[u8]> = tokens(&head.headers, &TRANSFER_ENCODING).collect();
        let is_chunked = matches!(codings[..], [coding] if coding.eq_ignore_ascii_case(b"chunked"));
        if head.version == Version::HTTP_10 || !is_chunked {
            return Err(malformed("the answer has a transfer coding that nobody asked for"));
        }
        // Beside the chunks it means nothing.
        head.headers.remove(CONTENT_LENGTH);
        return Ok(State::ChunkSize);
    }
    let lengths = tokens(&head.headers, &CONTENT_LENGTH).map(length).collect::<Result<Vec<u64>>>()?;
    match lengths[..] {
        [] if head.headers.contains_key(CONTENT_LENGTH) => Err(malformed("the content length is empty")),
        [] => Ok(State::UntilClose),
        [first, ref rest @ ..] if rest.iter().all(|&length| length == first) => Ok(State::Length(first)),
        _ => Err(malformed("the answer has several content lengths")),
    }
}

/// Digits only: `parse` would take a sign.
fn length(value: &[u8]) -> Result<u64> {
    let digits = std::str::from_utf8(value).ok().filter(|value| value.bytes().all(|byte| byte.is_ascii_digit()));
    digits.and_then(|digits| digits.parse().ok()).ok_or_else(|| malformed("the content length is no number"))
}

/// Whether the server lets the connection live (RFC 9112, section 9.3).
fn keeps_alive(head: &http::response::Parts) -> bool {
    let says = |what: &[u8]| tokens(&head.headers, &CONNECTION).any(|token| token.eq_ignore_ascii_case(what));
    !says(b"close") && (head.version == Version::HTTP_11 || says(b"keep-alive"))
}

/// The members of a list, over all lines of that name.
fn tokens<'h>(headers: &'h HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'h [u8]> {
    let lists = headers.get_all(name).into_iter();
    let members = lists.flat_map(|list| list.as_bytes().split(|&byte| byte == b','));
    members.map(<[u8]>::trim_ascii).filter(|member| !member.is_empty())
}

/// The size of a chunk, and how long its line is; `None` if that is not there whole.
fn chunk_size(bytes: &[u8]) -> Result<Option<(u64, usize)>> {
    // The parser takes a line without a digit for a 0.
    if !bytes.first().is_some_and(u8::is_ascii_hexdigit) {
        return Err(malformed("a chunk has no size"));
    }
    match httparse::parse_chunk_size(bytes) {
        Ok(Status::Complete((used, size))) => Ok(Some((size, used))),
        Ok(Status::Partial) => Ok(None),
        Err(_) => Err(malformed("a chunk has no size")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What comes of an answer that arrives in pieces and then ends: its status, its body, and whether its connection lives.
    fn read<'w>(pieces: impl IntoIterator<Item = &'w [u8]>) -> Result<(u16, Vec<u8>, bool)> {
        let (mut answer, mut input, mut status, mut body) = (Answer::new(), Buffer::default(), 0, Vec::new());
        let mut pieces = pieces.into_iter();
        loop {
            let part = match answer.next(&mut input)? {
                Some(part) => part,
                None => match pieces.next() {
                    Some(piece) => {
                        let count = input.fill(|buffer| {
                            buffer[..piece.len()].copy_from_slice(piece);
                            Ok(piece.len())
                        })?;
                        assert_eq!(count, piece.len());
                        continue;
                    }
                    None => answer.end()?,
                },
            };
            match part {
                Part::Head(head) => status = head.status.as_u16(),
                Part::Data(data) => {
                    assert!(!data.is_empty());
                    body.extend_from_slice(&data);
                }
                Part::End => return Ok((status, body, answer.keeps_alive() && input.is_empty())),
            }
        }
    }

    const CHUNKED: &str = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n\
        HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\ncontent-length: 1\r\n\r\n\
        3\r\nabc\r\n00A;x=\"y\"\r\n0123456789\r\n0\r\nx-sum: 1\r\n\r\n";

    #[test]
    fn an_answer_is_the_same_however_it_is_cut() {
        let sized = "HTTP/1.1 404 Not Found\r\nContent-Length: 3, 3\r\ncontent-length: 003\r\n\r\nabc";
        let until_close = "HTTP/1.1 200\r\n\r\nabc";
        for (wire, status, body, keeps_alive) in
            [(CHUNKED, 200, "abc0123456789", true), (sized, 404, "abc", true), (until_close, 200, "abc", false)]
        {
            let expected = (status, body.as_bytes().to_vec(), keeps_alive);
            for size in 1..=wire.len() {
                assert_eq!(read(wire.as_bytes().chunks(size)).unwrap(), expected, "{wire:?} by {size}");
            }
        }
    }

    #[test]
    fn an_answer_that_is_cut_is_not_whole() {
        for end in 0..CHUNKED.len() {
            let error = read([&CHUNKED.as_bytes()[..end]]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::UnexpectedEof, "{end}: {error}");
        }
    }

    #[test]
    fn whether_a_connection_lives_is_what_the_head_says() {
        for (head, lives) in [
            ("HTTP/1.1 204 No Content\r\n\r\n", true),
            ("HTTP/1.1 304 Not Modified\r\ncontent-length: 9\r\n\r\n", true),
            ("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", true),
            ("HTTP/1.1 200 OK\r\nconnection: x, Close\r\ncontent-length: 0\r\n\r\n", false),
            ("HTTP/1.0 200 OK\r\ncontent-length: 0\r\n\r\n", false),
            ("HTTP/1.0 200 OK\r\nconnection: Keep-Alive\r\ncontent-length: 0\r\n\r\n", true),
            ("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\nunasked", false),
        ] {
            assert_eq!(read([head.as_bytes()]).unwrap().2, lives, "{head:?}");
        }
    }

    #[test]
    fn what_is_no_answer_is_refused() {
        let long = |what: &str| what.replace('~', &"x".repeat(MAX_HEAD));
        let endless = |line: &str| format!("0\r\n{}", line.repeat(MAX_HEAD / line.len() + 1));
        let chunks: Vec<String> = [
            "\r\n",
            "-1\r\n",
            "+1\r\n",
            " 1\r\n",
            "1 2\r\n",
            "g\r\n",
            "1\n",
            "fffffffffffffffff\r\n",
            "1\r\nabc",
            "1\r\na\n",
            "1;~",
            "0\r\n~",
        ]
        .into_iter()
        .map(long)
        .chain([endless("a: b\r\n")])
        .map(|body| format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{body}"))
        .collect();
        let heads: Vec<String> = [
            "SSH-2.0-OpenSSH\r\n",
            "HTTP/2.0 200 OK\r\n\r\n",
            "HTTP/1.1 099 No\r\n\r\n",
            "HTTP/1.1 101 Switching Protocols\r\n\r\n",
            "HTTP/1.1 200 OK\r\na b: c\r\n\r\n",
            "HTTP/1.1 200 OK\r\nx: ~",
            "HTTP/1.1 200 OK\r\ncontent-length: \r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: +1\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 1, 2\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 99999999999999999999\r\n\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\n",
            "HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
        ]
        .into_iter()
        .map(long)
        .collect();
        for wire in heads.iter().chain(&chunks) {
            let error = read(wire.as_bytes().chunks(1000)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidData, "{:?}: {error}", &wire[..wire.len().min(100)]);
        }
    }
}
