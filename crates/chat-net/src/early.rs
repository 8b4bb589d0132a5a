//! Write errors on connections whose server may answer before it has read the request.

use std::io;
use std::task::Poll;

/// Keeps the write error of a connection until reading ends, so that an early answer can be read.
///
/// A server may answer after the head of a request and close the connection while the body is being sent. The answer is then
/// in the socket's buffer, and the next write fails. To let the layer above read the answer, pass each write, flush and
/// read through this type. It remembers a write error, drops further writes as if they had succeeded, and returns the error
/// when reading ends.
///
/// It works with any runtime's I/O traits.
#[derive(Debug, Default)]
pub struct SendSide {
    error: Option<io::Error>,
    has_failed: bool,
}

impl SendSide {
    /// Whether a write has failed. If so, do not use the connection for another request.
    pub fn has_failed(&self) -> bool {
        self.has_failed
    }

    /// Performs a write of `length` bytes. It never fails: after an error, all bytes count as written.
    ///
    /// # Errors
    ///
    /// This function returns no errors.
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

    /// Performs a flush. It never fails: an error counts as a flush.
    ///
    /// # Errors
    ///
    /// This function returns no errors.
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

    /// Passes on the result of a read: the number of bytes, where 0 is the end.
    ///
    /// # Errors
    ///
    /// The write error, once, if the read returned 0, `UnexpectedEof` or `ConnectionReset`. Any other read error, such as a
    /// TLS alert, says more than the write error and is returned as it is.
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
    fn a_write_error_is_returned_when_reading_ends() {
        for fails_in_flush in [false, true] {
            let mut side = SendSide::default();
            if fails_in_flush {
                assert!(matches!(side.flush(broken), Poll::Ready(Ok(()))));
            } else {
                assert!(matches!(side.write(9, broken), Poll::Ready(Ok(9))));
            }
            assert!(side.has_failed());
            // Further writes do nothing.
            assert!(matches!(side.write(7, || unreachable!()), Poll::Ready(Ok(7))));
            assert!(matches!(side.flush(|| unreachable!()), Poll::Ready(Ok(()))));
            assert_eq!(side.read(Ok(3)).unwrap(), 3);
            assert_eq!(side.read(Ok(0)).unwrap_err().kind(), io::ErrorKind::BrokenPipe);
            assert_eq!(side.read(Ok(0)).unwrap(), 0);
            // A TLS alert says more than the write error.
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
    fn without_a_write_error_results_are_unchanged() {
        let mut side = SendSide::default();
        assert!(side.write(9, || Poll::Pending).is_pending());
        assert!(matches!(side.write(9, || Poll::Ready(Ok(4))), Poll::Ready(Ok(4))));
        assert!(side.flush(|| Poll::Pending).is_pending());
        assert!(!side.has_failed());
        assert_eq!(side.read(Ok(0)).unwrap(), 0);
        assert_eq!(side.read(Err(io::ErrorKind::TimedOut.into())).unwrap_err().kind(), io::ErrorKind::TimedOut);
    }
}
