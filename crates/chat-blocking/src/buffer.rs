//! What came from a socket and was not taken yet.

use std::io;

use bytes::Bytes;

/// As much as one read brings: a TLS record.
const READ: usize = 16 << 10;

/// Bytes that come in at the back and are taken off the front. It grows only as far as its user lets it fill up.
#[derive(Debug, Default)]
pub(crate) struct Buffer {
    bytes: Vec<u8>,
    start: usize,
    end: usize,
}

impl Buffer {
    pub(crate) fn unread(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Drops this many bytes.
    pub(crate) fn consume(&mut self, count: usize) {
        self.start += count.min(self.end - self.start);
        if self.is_empty() {
            (self.start, self.end) = (0, 0);
        }
    }

    /// Takes bytes off, `most` at most.
    pub(crate) fn take(&mut self, most: u64) -> Bytes {
        let unread = self.unread();
        let count = usize::try_from(most).map_or(unread.len(), |most| most.min(unread.len()));
        let taken = Bytes::copy_from_slice(&unread[..count]);
        self.consume(count);
        taken
    }

    /// One read. Gives what it gives: how many bytes came, 0 at the end.
    pub(crate) fn fill(&mut self, read: impl FnOnce(&mut [u8]) -> io::Result<usize>) -> io::Result<usize> {
        if self.bytes.len() - self.end < READ {
            self.bytes.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
            self.bytes.resize(self.bytes.len().max(self.end + READ), 0);
        }
        let count = read(&mut self.bytes[self.end..])?;
        self.end += count;
        Ok(count)
    }
}
