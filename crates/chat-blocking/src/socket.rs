//! A TCP socket whose reads and writes end at a moment.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};
use std::{error, fmt};

/// A socket that gives up at its deadline, with [`Expired`].
#[derive(Debug)]
pub(crate) struct Socket {
    tcp: Arc<TcpStream>,
    deadline: Option<Instant>,
    /// What the system was told, so that it is told only of changes.
    read_timeout: Option<Duration>,
    write_timeout: Option<Duration>,
}

/// The deadline came first.
#[derive(Debug)]
pub(crate) struct Expired;

impl fmt::Display for Expired {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the time is up")
    }
}

impl error::Error for Expired {}

impl Expired {
    /// As the error of an I/O operation: the system has one of the same kind for a peer that is gone.
    pub(crate) fn error() -> io::Error {
        io::Error::new(ErrorKind::TimedOut, Self)
    }

    pub(crate) fn is(error: &io::Error) -> bool {
        error.get_ref().is_some_and(<dyn error::Error + Send + Sync>::is::<Self>)
    }
}

impl Socket {
    /// Takes a socket whose timeouts were not touched.
    pub(crate) fn new(tcp: TcpStream) -> Self {
        Self { tcp: Arc::new(tcp), deadline: None, read_timeout: None, write_timeout: None }
    }

    pub(crate) fn tcp(&self) -> &Arc<TcpStream> {
        &self.tcp
    }

    /// When the next operations give up; never, if there is no such time.
    pub(crate) fn set_deadline(&mut self, deadline: Option<Instant>) {
        self.deadline = deadline;
    }

    /// Whether the peer is still there and has sent nothing.
    pub(crate) fn is_quiet(&self) -> bool {
        let probe = || {
            self.tcp.set_nonblocking(true)?;
            let peeked = self.tcp.peek(&mut [0]);
            self.tcp.set_nonblocking(false)?;
            peeked
        };
        matches!(probe(), Err(error) if error.kind() == ErrorKind::WouldBlock)
    }

    /// Does one operation. Signals interrupt it, and the system's timer may be a tick early.
    fn until_done(&mut self, mut io: impl FnMut(&mut Self) -> io::Result<usize>) -> io::Result<usize> {
        loop {
            match io(self) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if timed_out(&error) => {
                    if self.deadline.is_none_or(|deadline| deadline <= Instant::now()) {
                        return Err(Expired::error());
                    }
                }
                result => return result,
            }
        }
    }
}

/// What is left until a deadline, for the system: whole milliseconds, so that deadlines which move with each read are mostly
/// the same to it, and never zero, which it does not take. What is ready is read even if the time is up.
pub(crate) fn left_until(deadline: Option<Instant>) -> Option<Duration> {
    let left = deadline?.saturating_duration_since(Instant::now());
    let millis = u64::try_from(left.as_micros().div_ceil(1000)).unwrap_or(u64::MAX);
    Some(Duration::from_millis(millis.max(1)))
}

/// Whether the socket's own timeout ended an operation. Windows names it as it does a peer that is gone; others don't.
fn timed_out(error: &io::Error) -> bool {
    error.kind() == ErrorKind::WouldBlock || cfg!(windows) && error.kind() == ErrorKind::TimedOut
}

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.until_done(|socket| {
            let left = left_until(socket.deadline);
            if socket.read_timeout != left {
                socket.tcp.set_read_timeout(left)?;
                socket.read_timeout = left;
            }
            (&*socket.tcp).read(buffer)
        })
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.until_done(|socket| {
            let left = left_until(socket.deadline);
            if socket.write_timeout != left {
                socket.tcp.set_write_timeout(left)?;
                socket.write_timeout = left;
            }
            (&*socket.tcp).write(bytes)
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
