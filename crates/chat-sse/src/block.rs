//! The fields of a block, and the memory that they use.

use alloc::vec::Vec;

use super::{Decoder, Exceeded, ID, NEXT_ID, RETAINED, RETRY, TYPE};

impl Decoder {
    /// Begins an `event` line. Its value replaces the type of the block.
    pub(super) fn open_type(&mut self) {
        const NAME: &[u8] = b"event: ";
        if self.seen & TYPE != 0 {
            self.size -= self.type_line.len() - self.type_start;
        }
        self.seen |= TYPE;
        self.type_line.clear();
        cap(&mut self.type_line);
        self.type_line.extend_from_slice(NAME);
        self.type_start = NAME.len();
    }

    pub(super) fn type_piece(&mut self, piece: &[u8]) -> Result<(), Exceeded> {
        self.grow(piece.len())?;
        append(&mut self.type_line, piece);
        Ok(())
    }

    /// Records an `id` line. Returns whether its value becomes `next_id`.
    pub(super) fn accepts_id(&mut self, value: &[u8]) -> bool {
        self.seen |= ID;
        if memchr::memchr(0, value).is_some() {
            return false;
        }
        if self.seen & NEXT_ID != 0 {
            self.size -= self.next_id.len();
        }
        self.seen |= NEXT_ID;
        self.size += value.len();
        true
    }

    pub(super) fn set_retry(&mut self, value: &[u8]) {
        self.seen |= RETRY;
        if !value.is_empty() && value.iter().all(u8::is_ascii_digit) {
            let digits = value.iter().map(|digit| u64::from(digit - b'0'));
            self.retry = Some(digits.fold(0, |ms: u64, digit| ms.saturating_mul(10).saturating_add(digit)));
        }
    }

    /// Adds `len` bytes to the block's size.
    #[inline]
    pub(super) fn grow(&mut self, len: usize) -> Result<(), Exceeded> {
        self.admit(len)?;
        self.size += len;
        Ok(())
    }

    /// Checks that the block's size plus `len` bytes is within the limit.
    #[inline]
    pub(super) fn admit(&self, len: usize) -> Result<(), Exceeded> {
        if len > self.limit - self.size { Err(Exceeded) } else { Ok(()) }
    }

    /// Copies the held value to `data`, because it can no longer be lent from the chunk.
    #[inline]
    pub(super) fn keep(&mut self, held: &mut Option<&[u8]>) {
        if let Some(value) = held.take() {
            self.data.clear();
            self.data.extend_from_slice(value);
        }
    }
}

/// Releases a buffer that is too large to keep.
#[inline]
pub(super) fn cap(scratch: &mut Vec<u8>) {
    if scratch.capacity() > RETAINED {
        *scratch = Vec::new();
    }
}

/// Appends a piece. Small pieces are often a single byte, which has a fast path.
#[inline]
pub(super) fn append(buffer: &mut Vec<u8>, piece: &[u8]) {
    match piece {
        [byte] => buffer.push(*byte),
        _ => buffer.extend_from_slice(piece),
    }
}
