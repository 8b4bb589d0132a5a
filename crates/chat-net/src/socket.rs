//! Options of TCP connections.

use std::io;
#[cfg(unix)]
use std::os::fd::AsFd as AsSocket;
#[cfg(windows)]
use std::os::windows::io::AsSocket;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};

/// Idle time before the first TCP keep-alive probe. Routers drop connections that are silent for too long, often for a
/// minute or more.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Sets the options of a transport's connections: `TCP_NODELAY`, and TCP keep-alive after 15 s.
///
/// # Errors
///
/// The error of the system, if an option can't be set.
pub fn set_options(tcp: &impl AsSocket) -> io::Result<()> {
    let socket = SockRef::from(tcp);
    socket.set_tcp_nodelay(true)?;
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEP_ALIVE))
}
