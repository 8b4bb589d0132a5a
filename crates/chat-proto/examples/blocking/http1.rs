//! One HTTP/1.1 request over a `TcpStream`, with `ureq-proto` as the codec. Without TLS.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use bytes::Bytes;
use chat_proto::TransportError;
use ureq_proto::BodyMode;
use ureq_proto::client::state::{RecvBody, RecvResponse};
use ureq_proto::client::{Call, RecvResponseResult, SendRequestResult};

/// A connection with one request and its response.
pub(crate) struct Connection {
    stream: TcpStream,
    /// Bytes that were received and not decoded yet.
    buffer: Vec<u8>,
    response: Response,
}

enum Response {
    Head(Call<RecvResponse>),
    Body(Call<RecvBody>),
    Ended,
}

/// A part of the response.
pub(crate) enum Part {
    /// Not enough bytes for a part.
    Nothing,
    Head(http::response::Parts),
    Data(Bytes),
    End,
}

impl Connection {
    /// Connects and sends a request.
    pub(crate) fn open(request: http::Request<Bytes>, timeout: Option<Duration>) -> Result<Self, TransportError> {
        let mut stream = connect(request.uri(), timeout)?;
        // From here on, the server may have read a part of the request.
        let call = send(&mut stream, request).map_err(|_| TransportError::MaybeSent)?;
        Ok(Self { stream, buffer: Vec::new(), response: Response::Head(call) })
    }

    /// Returns the next part. Reads from the socket once at most, so that no deadline is missed.
    pub(crate) fn read(&mut self, timeout: Option<Duration>) -> io::Result<Part> {
        let part = self.decode()?;
        if !matches!(part, Part::Nothing) {
            return Ok(part);
        }
        // A socket does not accept a timeout of zero.
        self.stream.set_read_timeout(timeout.map(|timeout| timeout.max(Duration::from_millis(1))))?;
        let mut chunk = [0; 8192];
        let read = self.stream.read(&mut chunk)?;
        self.buffer.extend_from_slice(&chunk[..read]);
        match &self.response {
            Response::Body(call) if read == 0 && call.body_mode() == BodyMode::CloseDelimited => Ok(Part::End),
            _ if read == 0 => Err(ErrorKind::UnexpectedEof.into()),
            _ => self.decode(),
        }
    }

    /// Decodes the next part of the buffer. Interim (1xx) responses are skipped.
    fn decode(&mut self) -> io::Result<Part> {
        match &mut self.response {
            Response::Head(call) => loop {
                let (used, response) = call.try_response(&self.buffer, false).map_err(io::Error::other)?;
                self.buffer.drain(..used);
                let Some(response) = response else {
                    if used > 0 {
                        continue;
                    }
                    let is_too_large = self.buffer.len() > 64 * 1024;
                    return if is_too_large { Err(ErrorKind::InvalidData.into()) } else { Ok(Part::Nothing) };
                };
                let Response::Head(call) = std::mem::replace(&mut self.response, Response::Ended) else {
                    unreachable!()
                };
                if let Some(RecvResponseResult::RecvBody(call)) = call.proceed() {
                    self.response = Response::Body(call);
                }
                return Ok(Part::Head(response.into_parts().0));
            },
            Response::Body(call) => {
                let mut data = vec![0; self.buffer.len()];
                let (used, len) = call.read(&self.buffer, &mut data).map_err(io::Error::other)?;
                self.buffer.drain(..used);
                data.truncate(len);
                let has_ended = call.can_proceed() && call.body_mode() != BodyMode::CloseDelimited;
                Ok(match len {
                    0 if has_ended => Part::End,
                    0 => Part::Nothing,
                    _ => Part::Data(data.into()),
                })
            }
            Response::Ended => Ok(Part::End),
        }
    }
}

/// Tries the addresses of the host in turn.
fn connect(uri: &http::Uri, timeout: Option<Duration>) -> Result<TcpStream, TransportError> {
    if uri.scheme_str() != Some("http") {
        return Err(TransportError::Connect);
    }
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
    let addrs = (host, uri.port_u16().unwrap_or(80)).to_socket_addrs().map_err(|_| TransportError::Connect)?;
    let mut error = TransportError::Connect;
    for addr in addrs {
        let connected =
            timeout.map_or_else(|| TcpStream::connect(addr), |timeout| TcpStream::connect_timeout(&addr, timeout));
        match connected {
            Ok(stream) => return Ok(stream),
            Err(failed) if failed.kind() == ErrorKind::TimedOut => error = TransportError::ConnectTimeout,
            Err(_) => {}
        }
    }
    Err(error)
}

fn send(stream: &mut TcpStream, request: http::Request<Bytes>) -> io::Result<Call<RecvResponse>> {
    let (parts, body) = request.into_parts();
    let mut call = Call::new(http::Request::from_parts(parts, ())).map_err(io::Error::other)?;
    // The codec adds `Host`.
    call.header("content-length", body.len().to_string()).map_err(io::Error::other)?;

    let mut call = call.proceed();
    let mut head = vec![0; 64 * 1024];
    while !call.can_proceed() {
        let len = call.write(&mut head).map_err(io::Error::other)?;
        stream.write_all(&head[..len])?;
    }
    let Ok(Some(SendRequestResult::SendBody(mut call))) = call.proceed() else {
        unreachable!("the request is a POST with a body")
    };
    call.consume_direct_write(body.len()).map_err(io::Error::other)?;
    stream.write_all(&body)?;
    Ok(call.proceed().expect("the body was sent"))
}
