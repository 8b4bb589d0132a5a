//! The options of a TCP connection.

use std::io;
#[cfg(unix)]
use std::os::fd::AsFd as AsSocket;
#[cfg(windows)]
use std::os::windows::io::AsSocket;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};

/// How long a connection is silent before the kernel asks whether the peer is still there. Routers in between forget a
/// connection that is silent for longer than they like, often a minute or more.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Sets the options that every transport's connections have: no delay of small writes, and TCP keep-alive after 15 s.
///
/// # Errors
///
/// Those of the system.
pub fn set_options(tcp: &impl AsSocket) -> io::Result<()> {
    let socket = SockRef::from(tcp);
    socket.set_tcp_nodelay(true)?;
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEP_ALIVE))
}
