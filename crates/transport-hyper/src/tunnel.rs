//! The way through a proxy.

use std::io;
use std::net::IpAddr;

use bytes::Bytes;
use chat_net::{Handshake, Origin, ProxyError, Step, Via};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::connect::Tcp;
use crate::resolve::Resolver;

/// Asks a proxy for a way to a server. What the server has said already comes beside.
pub(crate) async fn open(io: Tcp, via: &Via, target: &Origin, resolver: &Resolver) -> Result<(Tcp, Bytes), ProxyError> {
    let address = if via.wants_address(target) { Some(look_up(target, resolver).await?) } else { None };
    let mut handshake = Handshake::new(via, target, address);
    let mut io = TokioIo::new(io);
    let mut buffer = [0; 1024];
    loop {
        match handshake.step()? {
            Step::Write(bytes) => {
                io.write_all(&bytes).await.map_err(|error| handshake.broken(error))?;
                io.flush().await.map_err(|error| handshake.broken(error))?;
            }
            Step::Read => {
                let count = io.read(&mut buffer).await.map_err(|error| handshake.broken(error))?;
                handshake.handle_data(&buffer[..count]);
            }
            Step::Open(early) => return Ok((io.into_inner(), early.into())),
        }
    }
}

async fn look_up(target: &Origin, resolver: &Resolver) -> Result<IpAddr, ProxyError> {
    let found = resolver.resolve(&target.host).await.and_then(|found| found.into_iter().next().ok_or_else(no_address));
    found.map(|address| address.ip()).map_err(|source| ProxyError::name(target, source))
}

fn no_address() -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, "the name has no address")
}
