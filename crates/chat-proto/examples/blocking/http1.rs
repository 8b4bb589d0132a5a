//! Just enough HTTP/1.1 for one request a connection, without TLS.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use bytes::Bytes;
use chat_proto::TransportError;

/// One request and its answer.
pub(crate) struct Connection {
    stream: TcpStream,
    /// What came and was not taken yet.
    buffer: Vec<u8>,
    framing: Framing,
}

#[derive(Clone, Copy)]
enum Framing {
    Head,
    Length(usize),
    ChunkSize,
    Chunk(usize),
    UntilClose,
}

pub(crate) enum Part {
    /// What came is not enough for a part.
    Nothing,
    Head(http::response::Parts),
    Data(Bytes),
    End,
}

impl Connection {
    pub(crate) fn open(request: &http::Request<Bytes>) -> Result<Self, TransportError> {
        let uri = request.uri();
        if uri.scheme_str() != Some("http") {
            return Err(TransportError::Connect);
        }
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
        // The system's own time limit holds here; a real program keeps `Timeouts::connect`.
        let mut stream =
            TcpStream::connect((host, uri.port_u16().unwrap_or(80))).map_err(|_| TransportError::Connect)?;
        stream.write_all(&written(request)).map_err(|_| TransportError::MaybeSent)?;
        Ok(Self { stream, buffer: Vec::new(), framing: Framing::Head })
    }

    /// The next part, after one read at most, so that no deadline is missed.
    pub(crate) fn read(&mut self, timeout: Option<Duration>) -> io::Result<Part> {
        let part = self.take()?;
        if !matches!(part, Part::Nothing) {
            return Ok(part);
        }
        // A socket takes no timeout of zero.
        self.stream.set_read_timeout(timeout.map(|timeout| timeout.max(Duration::from_millis(1))))?;
        let mut chunk = [0; 8192];
        let read = self.stream.read(&mut chunk)?;
        self.buffer.extend_from_slice(&chunk[..read]);
        match (read, self.framing) {
            (0, Framing::UntilClose) => Ok(Part::End),
            (0, _) => Err(ErrorKind::UnexpectedEof.into()),
            _ => self.take(),
        }
    }

    /// Takes a part off the buffer, if there is one.
    fn take(&mut self) -> io::Result<Part> {
        match self.framing {
            Framing::Head => {
                let Some(text) = self.take_through("\r\n\r\n")? else { return Ok(Part::Nothing) };
                let head = parse_head(&text).ok_or(ErrorKind::InvalidData)?;
                let header = |name| head.headers.get(name).and_then(|value| value.to_str().ok());
                self.framing = match (header("transfer-encoding"), header("content-length")) {
                    (Some(_), _) => Framing::ChunkSize,
                    (None, Some(length)) => Framing::Length(length.parse().map_err(|_| ErrorKind::InvalidData)?),
                    (None, None) => Framing::UntilClose,
                };
                Ok(Part::Head(head))
            }
            Framing::ChunkSize | Framing::Chunk(0) => {
                let Some(line) = self.take_through("\r\n")? else { return Ok(Part::Nothing) };
                // An empty line closes the chunk before. Trailers are dropped with the connection.
                self.framing = match line.split(';').next().unwrap_or_default().trim() {
                    "" => Framing::ChunkSize,
                    size => match usize::from_str_radix(size, 16).map_err(|_| ErrorKind::InvalidData)? {
                        0 => return Ok(Part::End),
                        size => Framing::Chunk(size),
                    },
                };
                self.take()
            }
            Framing::Length(0) => Ok(Part::End),
            _ if self.buffer.is_empty() => Ok(Part::Nothing),
            Framing::UntilClose => Ok(self.take_data(usize::MAX)),
            Framing::Length(left) => {
                self.framing = Framing::Length(left.saturating_sub(self.buffer.len()));
                Ok(self.take_data(left))
            }
            Framing::Chunk(left) => {
                self.framing = Framing::Chunk(left.saturating_sub(self.buffer.len()));
                Ok(self.take_data(left))
            }
        }
    }

    fn take_data(&mut self, most: usize) -> Part {
        let size = self.buffer.len().min(most);
        Part::Data(self.buffer.drain(..size).collect())
    }

    fn take_through(&mut self, end: &str) -> io::Result<Option<String>> {
        match self.buffer.windows(end.len()).position(|bytes| bytes == end.as_bytes()) {
            Some(at) => {
                let taken: Vec<u8> = self.buffer.drain(..at + end.len()).collect();
                Ok(Some(String::from_utf8_lossy(&taken).into_owned()))
            }
            None if self.buffer.len() > 64 * 1024 => Err(ErrorKind::InvalidData.into()),
            None => Ok(None),
        }
    }
}

fn written(request: &http::Request<Bytes>) -> Vec<u8> {
    let (path, body) = (request.uri().path(), request.body());
    let host = request.uri().authority().map_or("", |authority| authority.as_str());
    let mut text = format!("POST {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n").into_bytes();
    for (name, value) in request.headers() {
        text.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
    }
    text.extend(format!("content-length: {}\r\n\r\n", body.len()).bytes());
    text.extend(body);
    text
}

fn parse_head(text: &str) -> Option<http::response::Parts> {
    let mut lines = text.lines().take_while(|line| !line.is_empty());
    let status: u16 = lines.next()?.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.parse().ok()?;
    let response = lines.try_fold(http::Response::builder().status(status), |response, line| {
        let (name, value) = line.split_once(':')?;
        Some(response.header(name, value.trim()))
    });
    Some(response?.body(()).ok()?.into_parts().0)
}
