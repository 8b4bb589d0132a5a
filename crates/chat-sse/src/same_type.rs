//! Fast path for the `event` line at the start of a block, if it spans chunks and is the same as last time.
//!
//! The line is compared with `type_line` where it arrives. This skips the search for its end, the reading of its name byte by
//! byte, and the copy of its value. In chunks of 16 bytes, a small event needs a quarter fewer instructions. Once a byte
//! differs, the slow path continues. The test `another_type_line_is_told_from_the_last_one` compares the two.

use super::scan::after_line_end;
use super::{Decoder, Field, State, TYPE};

impl Decoder {
    /// Begins the line at the start of a block, if the chunk ends inside it. Returns whether it does.
    ///
    /// The limit needs no check: the block is empty, and the type was within the limit last time.
    #[inline]
    pub(super) fn begin_same_type(&mut self, input: &mut &[u8]) -> bool {
        let begins = !input.is_empty() && self.type_line.starts_with(input);
        if begins {
            self.state = State::SameType(input.len());
            *input = &[];
        }
        begins
    }

    /// Continues the line after `len` bytes. Returns whether it is still the same. If not, the state is that of the slow path.
    #[inline]
    pub(super) fn more_of_same_type(&mut self, input: &mut &[u8], len: usize) -> bool {
        let missing = &self.type_line[len..];
        if missing.starts_with(input) {
            self.state = State::SameType(len + input.len());
            *input = &[];
            return true;
        }
        if let Some(line_end) = input.strip_prefix(missing)
            && let Some(rest) = after_line_end(line_end)
        {
            *input = rest;
            self.state = State::Line;
            self.seen |= TYPE;
            self.size += self.type_line.len() - self.type_start;
            return true;
        }
        self.leave_same_type(len);
        false
    }

    /// Changes the state to that of the slow path after the first `len` bytes of `type_line`.
    #[cold]
    fn leave_same_type(&mut self, len: usize) {
        const NAME: &[u8] = b"event";
        if len <= NAME.len() {
            self.state = State::Name;
            self.name[..len].copy_from_slice(&NAME[..len]);
            self.name_len = len as u8;
            return;
        }
        self.seen |= TYPE;
        self.type_line.truncate(len);
        if len < self.type_start {
            self.type_line.push(b' ');
            self.state = State::Colon(Field::Event);
        } else {
            self.size += len - self.type_start;
            self.state = State::Value(Field::Event);
        }
    }
}
