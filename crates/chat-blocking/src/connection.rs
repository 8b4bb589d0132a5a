//! A connection with the answer on it.

use std::io::{self, Read as _, Result, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use chat_net::{ProxyError, ProxyServer};
use http::Request;
use rustls::{ClientConnection, StreamOwned};

use crate::buffer::Buffer;
use crate::http1::{self, Answer, Part};
use crate::socket::Socket;

/// A connection to an API's server, with or without TLS. Dropping it closes it.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: Stream,
    /// The proxy that forwards, if one does.
    forwarder: Option<ProxyServer>,
    input: Buffer,
    answer: Answer,
}

#[derive(Debug)]
enum Stream {
    Plain(Socket),
    Tls(Box<StreamOwned<ClientConnection, Socket>>),
}

impl Connection {
    /// Without TLS, to the server itself or to a proxy that forwards.
    pub(crate) fn plain(socket: Socket, forwarder: Option<ProxyServer>) -> Self {
        Self::over(Stream::Plain(socket), forwarder)
    }

    /// With TLS, once the two have shaken hands.
    pub(crate) fn tls(mut tls: ClientConnection, mut socket: Socket) -> Result<Self> {
        while tls.is_handshaking() {
            tls.complete_io(&mut socket)?;
        }
        Ok(Self::over(Stream::Tls(Box::new(StreamOwned::new(tls, socket))), None))
    }

    fn over(stream: Stream, forwarder: Option<ProxyServer>) -> Self {
        Self { stream, forwarder, input: Buffer::default(), answer: Answer::new() }
    }

    pub(crate) fn tcp(&self) -> &Arc<TcpStream> {
        match &self.stream {
            Stream::Plain(socket) => socket.tcp(),
            Stream::Tls(stream) => stream.sock.tcp(),
        }
    }

    /// Writes a request. Its answer is read from now on.
    pub(crate) fn send(&mut self, request: &Request<Bytes>, deadline: Option<Instant>) -> Result<()> {
        self.answer = Answer::new();
        let wire = http1::write(request, self.forwarder.as_ref());
        self.socket().set_deadline(deadline);
        match &mut self.stream {
            Stream::Plain(socket) => socket.write_all(&wire),
            Stream::Tls(stream) => stream.write_all(&wire).and_then(|()| stream.flush()),
        }
    }

    /// The next part of the answer, if it came already.
    pub(crate) fn ready(&mut self) -> Result<Option<Part>> {
        let part = self.answer.next(&mut self.input)?;
        if let (Some(Part::Head(head)), Some(via)) = (&part, &self.forwarder)
            && let Some(refusal) = ProxyError::refusal(via, head.status, &head.headers)
        {
            return Err(io::Error::other(refusal));
        }
        Ok(part)
    }

    /// The next part of the answer.
    pub(crate) fn read(&mut self, deadline: Option<Instant>) -> Result<Part> {
        self.socket().set_deadline(deadline);
        loop {
            if let Some(part) = self.ready()? {
                return Ok(part);
            }
            let stream = &mut self.stream;
            let count = self.input.fill(|buffer| match stream {
                Stream::Plain(socket) => socket.read(buffer),
                // An end without TLS's own is an error: anybody on the way can make one.
                Stream::Tls(stream) => stream.read(buffer),
            })?;
            if count == 0 {
                return self.answer.end();
            }
        }
    }

    /// Whether the answer is whole, and nothing stands against another request.
    pub(crate) fn may_be_kept(&self) -> bool {
        self.answer.keeps_alive() && self.input.is_empty()
    }

    /// Whether it is still as it was when it was put away. What came since was not asked for.
    pub(crate) fn is_unused(&mut self) -> bool {
        match &mut self.stream {
            Stream::Plain(socket) => socket.is_quiet(),
            Stream::Tls(stream) => {
                let undelivered = stream.conn.process_new_packets().map(|state| state.plaintext_bytes_to_read());
                undelivered.is_ok_and(|bytes| bytes == 0) && stream.sock.is_quiet()
            }
        }
    }

    fn socket(&mut self) -> &mut Socket {
        match &mut self.stream {
            Stream::Plain(socket) => socket,
            Stream::Tls(stream) => &mut stream.sock,
        }
    }
}
