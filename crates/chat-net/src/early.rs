//! The write side of a connection whose server may answer before it has read the request.

use std::io;
use std::task::Poll;

/// What became of the writes on one connection.
///
/// A server may answer from the head of a request, and close the connection while the body is on its way. The answer is in
/// the socket's buffer then, and the next write fails. To let the layer above read the answer, pass the result of each
/// write, flush and read through this: a write error is remembered, further writes are dropped and count as written, and
/// the error comes out where reading ends.
///
/// It knows no runtime: any traits for reading and writing can be implemented with it.
#[derive(Debug, Default)]
pub struct SendSide {
    error: Option<io::Error>,
    has_failed: bool,
}

impl SendSide {
    /// Whether a write has failed. Such a connection must not serve another request.
    pub fn has_failed(&self) -> bool {
        self.has_failed
    }

    /// A write of `length` bytes.
    ///
    /// # Errors
    ///
    /// None: an error counts as a write of all bytes.
    pub fn write(&mut self, length: usize, write: impl FnOnce() -> Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if self.has_failed {
            return Poll::Ready(Ok(length));
        }
        match write() {
            Poll::Ready(Err(error)) => {
                self.fail(error);
                Poll::Ready(Ok(length))
            }
            written => written,
        }
    }

    /// A flush, of all that was written before it.
    ///
    /// # Errors
    ///
    /// None: an error counts as a flush.
    pub fn flush(&mut self, flush: impl FnOnce() -> Poll<io::Result<()>>) -> Poll<io::Result<()>> {
        if self.has_failed {
            return Poll::Ready(Ok(()));
        }
        match flush() {
            Poll::Ready(Err(error)) => {
                self.fail(error);
                Poll::Ready(Ok(()))
            }
            flushed => flushed,
        }
    }

    /// A read that gave so many bytes; none is the end.
    ///
    /// # Errors
    ///
    /// The error of the write, once, in place of the end: of a read of nothing, an unexpected end or a reset. Another error of
    /// the read, such as a TLS alert, says more and is kept.
    pub fn read(&mut self, read: io::Result<usize>) -> io::Result<usize> {
        let is_end = match &read {
            Ok(count) => *count == 0,
            Err(error) => matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset),
        };
        match self.error.take_if(|_| is_end) {
            Some(error) => Err(error),
            None => read,
        }
    }

    fn fail(&mut self, error: io::Error) {
        self.has_failed = true;
        self.error = Some(error);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broken<T>() -> Poll<io::Result<T>> {
        Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()))
    }

    #[test]
    fn a_write_error_comes_out_where_reading_ends() {
        for fails_in_flush in [false, true] {
            let mut side = SendSide::default();
            if fails_in_flush {
                assert!(matches!(side.flush(broken), Poll::Ready(Ok(()))));
            } else {
                assert!(matches!(side.write(9, broken), Poll::Ready(Ok(9))));
            }
            assert!(side.has_failed());
            // Nothing more is tried.
            assert!(matches!(side.write(7, || unreachable!()), Poll::Ready(Ok(7))));
            assert!(matches!(side.flush(|| unreachable!()), Poll::Ready(Ok(()))));
            assert_eq!(side.read(Ok(3)).unwrap(), 3);
            assert_eq!(side.read(Ok(0)).unwrap_err().kind(), io::ErrorKind::BrokenPipe);
            assert_eq!(side.read(Ok(0)).unwrap(), 0);
            // An alert of TLS says more than the write did.
            let mut side = SendSide::default();
            assert!(side.write(9, broken).is_ready());
            let alert = Err(io::Error::new(io::ErrorKind::InvalidData, "alert"));
            assert_eq!(side.read(alert).unwrap_err().to_string(), "alert");
            assert_eq!(
                side.read(Err(io::ErrorKind::ConnectionReset.into())).unwrap_err().kind(),
                io::ErrorKind::BrokenPipe
            );
        }
    }

    #[test]
    fn without_a_write_error_everything_passes() {
        let mut side = SendSide::default();
        assert!(side.write(9, || Poll::Pending).is_pending());
        assert!(matches!(side.write(9, || Poll::Ready(Ok(4))), Poll::Ready(Ok(4))));
        assert!(side.flush(|| Poll::Pending).is_pending());
        assert!(!side.has_failed());
        assert_eq!(side.read(Ok(0)).unwrap(), 0);
        assert_eq!(side.read(Err(io::ErrorKind::TimedOut.into())).unwrap_err().kind(), io::ErrorKind::TimedOut);
    }
}
