//! An address that does not answer.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use socket2::{Domain, Socket, Type};

/// More connections than any system queues for a listener with the smallest backlog.
const FULL: usize = 100;

/// How long a connection attempt may take until the address counts as silent.
const SILENT: Duration = Duration::from_millis(500);

/// An address of this machine that never answers a connection attempt: the queue of its listener is full, so the kernel
/// drops what asks for a connection. Dropping it frees the address.
#[derive(Debug)]
pub struct Blackhole {
    addr: SocketAddr,
    _queue: Vec<Socket>,
}

impl Blackhole {
    /// Takes a free port of a loopback address. It blocks for half a second.
    ///
    /// # Errors
    ///
    /// The machine does not have this address, or its queues do not fill up.
    pub fn open(ip: impl Into<IpAddr>) -> io::Result<Self> {
        let addr = SocketAddr::new(ip.into(), 0);
        let listener = Socket::new(Domain::for_address(addr), Type::STREAM, None)?;
        listener.bind(&addr.into())?;
        listener.listen(0)?;
        let addr = listener.local_addr()?.as_socket().ok_or(io::ErrorKind::AddrNotAvailable)?;
        let mut queue = vec![listener];
        while queue.len() < FULL {
            let socket = Socket::new(Domain::for_address(addr), Type::STREAM, None)?;
            let connected = socket.connect_timeout(&addr.into(), SILENT);
            queue.push(socket);
            if connected.is_err() {
                return Ok(Self { addr, _queue: queue });
            }
        }
        Err(io::Error::other("the queue of a listener does not fill up"))
    }

    /// The address.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }
}
