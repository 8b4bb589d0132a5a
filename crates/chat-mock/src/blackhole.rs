//! An address that does not answer.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use socket2::{Domain, Socket, Type};

/// More connections than any system queues for a listener with the minimum backlog.
const MAX_QUEUE: usize = 100;

/// A connection attempt that takes longer shows that the queue is full.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(500);

/// An address of this machine that never answers a connection attempt. The queue of its listener is full, so the kernel
/// drops new attempts. Dropping the value frees the address.
#[derive(Debug)]
pub struct Blackhole {
    addr: SocketAddr,
    _queue: Vec<Socket>,
}

impl Blackhole {
    /// Opens a blackhole on a free port of a loopback address. Blocks for half a second.
    ///
    /// # Errors
    ///
    /// The machine does not have this address, or its queue never fills up.
    pub fn open(ip: impl Into<IpAddr>) -> io::Result<Self> {
        let addr = SocketAddr::new(ip.into(), 0);
        let listener = Socket::new(Domain::for_address(addr), Type::STREAM, None)?;
        listener.bind(&addr.into())?;
        listener.listen(0)?;
        let addr = listener.local_addr()?.as_socket().ok_or(io::ErrorKind::AddrNotAvailable)?;
        let mut queue = vec![listener];
        while queue.len() < MAX_QUEUE {
            let socket = Socket::new(Domain::for_address(addr), Type::STREAM, None)?;
            let connected = socket.connect_timeout(&addr.into(), CONNECT_TIMEOUT);
            queue.push(socket);
            if connected.is_err() {
                return Ok(Self { addr, _queue: queue });
            }
        }
        Err(io::Error::other("the queue of the listener did not fill up"))
    }

    /// Returns the address.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }
}
