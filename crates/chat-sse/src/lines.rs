//! Lines that lie inside one chunk.

use super::block::cap;
use super::event::{Kind, Token};
use super::scan::{after_line_end, find_colon, find_line_end, strip_space};
use super::{DATA, Decoder, Exceeded, Field, ID, KNOWN, NEXT_ID, RETAINED, ROOMY, State, Step, TYPE, UNKNOWN};

/// The part of a block that [`Decoder::whole_event`] has already searched: the start of its `data` line, which follows the
/// `event` line if it `has_type`.
#[derive(Clone, Copy)]
pub(super) struct Start<'i> {
    has_type: bool,
    after_colon: &'i [u8],
    /// Where the line ends, if it ends in this chunk.
    end: Option<usize>,
}

impl Decoder {
    /// Fast path at the start of a block: an event with no `event` line or the same one as last time, one `data` line and a
    /// blank line. It changes nothing in the decoder, hence its speed. For any other block it returns what it has searched.
    #[inline]
    pub(super) fn whole_event<'i>(&mut self, input: &mut &'i [u8]) -> Result<Token<'i>, Option<Start<'i>>> {
        // Two calls instead of one with a flag: the processor continues before the comparison is done.
        match self.after_same_type(input) {
            Some(rest) => self.whole_data(input, rest, true),
            None => self.whole_data(input, input, false),
        }
    }

    /// The rest of `whole_event`, after the `event` line.
    #[inline(always)]
    fn whole_data<'i>(
        &mut self,
        input: &mut &'i [u8],
        rest: &'i [u8],
        has_type: bool,
    ) -> Result<Token<'i>, Option<Start<'i>>> {
        let after_colon = rest.strip_prefix(b"data:").ok_or(None)?;
        let end = self.find_line_end(after_colon);
        if let Some(len) = end
            && let Some(rest) = after_line_end(&after_colon[len..])
            && let Some(rest) = after_line_end(rest)
        {
            let value = strip_space(&after_colon[..len]);
            let type_len = if has_type { self.type_line.len() - self.type_start } else { 0 };
            if type_len + value.len() <= self.limit {
                *input = rest;
                return Ok(Token { kind: Kind::Event, has_type, bytes: Some(value) });
            }
        }
        Err(Some(Start { has_type, after_colon, end }))
    }

    /// Reads lines until an item is complete or the input is empty.
    #[inline]
    pub(super) fn lines<'i>(&mut self, input: &mut &'i [u8], start: Option<Start<'i>>) -> Step<'i> {
        // The value of the block's first `data` line, while it can be lent from the chunk.
        let mut held = None;
        if let Some(Start { has_type, after_colon, end }) = start {
            if has_type {
                self.same_type()?;
            }
            self.take_data(input, &mut held, after_colon, end)?;
        }
        while let Some(&first) = input.first() {
            if matches!(first, b'\n' | b'\r') {
                self.take_line_end(input);
                let token = self.end_block(held.take());
                if token.is_some() {
                    return Ok(token);
                }
            } else if let Some(after_colon) = input.strip_prefix(b"data:") {
                let end = self.find_line_end(after_colon);
                self.take_data(input, &mut held, after_colon, end)?;
            } else if let Some(rest) = self.after_same_type(input) {
                *input = rest;
                self.same_type()?;
            } else if let Some(len) = self.find_line_end(input) {
                let (line, rest) = input.split_at(len);
                *input = rest;
                self.take_line_end(input);
                let token = self.whole_line(&mut held, line)?;
                if token.is_some() {
                    self.keep(&mut held);
                    return Ok(token);
                }
            } else {
                self.keep(&mut held);
                let piece = core::mem::take(input);
                if let Some(colon) = find_colon(piece) {
                    let field = Field::of(&piece[..colon]);
                    self.open_value(field, colon + 1)?;
                    self.after_colon(field, &piece[colon + 1..])?;
                } else {
                    self.state = State::Name;
                    self.name_len = 0;
                    self.name_piece(piece)?;
                }
            }
        }
        self.keep(&mut held);
        Ok(None)
    }

    #[inline]
    pub(super) fn find_line_end(&mut self, bytes: &[u8]) -> Option<usize> {
        let found = find_line_end(bytes);
        #[cfg(test)]
        {
            self.scanned += found.unwrap_or(bytes.len()) as u64;
        }
        found
    }

    /// Removes the line end at the start of the input.
    #[inline]
    pub(super) fn take_line_end(&mut self, input: &mut &[u8]) {
        *input = after_line_end(input).unwrap_or_else(|| {
            self.after_cr = true;
            self.state = State::Pause;
            &[]
        });
    }

    /// Reads a `data` line. `end` is the distance from its colon to its end, if that is in this chunk.
    #[inline(always)]
    fn take_data<'i>(
        &mut self,
        input: &mut &'i [u8],
        held: &mut Option<&'i [u8]>,
        after_colon: &'i [u8],
        end: Option<usize>,
    ) -> Result<(), Exceeded> {
        match end {
            Some(len) => {
                let (value, rest) = after_colon.split_at(len);
                *input = rest;
                self.take_line_end(input);
                self.data_line(held, strip_space(value))
            }
            None => {
                *input = &[];
                self.keep(held);
                self.open_value(Field::Data, b"data:".len())?;
                self.after_colon(Field::Data, after_colon)
            }
        }
    }

    /// Adds the value of a complete `data` line. The first one of a block is held for lending. A second one moves both to
    /// `data`.
    #[inline(always)]
    fn data_line<'i>(&mut self, held: &mut Option<&'i [u8]>, value: &'i [u8]) -> Result<(), Exceeded> {
        self.data_lines = self.data_lines.saturating_add(1);
        if self.seen & DATA == 0 {
            self.seen |= DATA;
            *held = Some(value);
            self.grow(value.len())
        } else {
            self.keep(held);
            self.grow(1 + value.len())?;
            self.data.push(b'\n');
            self.data.extend_from_slice(value);
            Ok(())
        }
    }

    fn whole_line<'i>(&mut self, held: &mut Option<&'i [u8]>, line: &'i [u8]) -> Step<'i> {
        let (name, value) = match find_colon(line) {
            Some(colon) => (&line[..colon], &line[colon + 1..]),
            None => (line, &[][..]),
        };
        let field = Field::of(name);
        match field {
            Field::Data => self.data_line(held, strip_space(value))?,
            Field::Event => {
                self.open_type();
                self.type_piece(strip_space(value))?;
            }
            Field::Id | Field::Retry => {
                let value = strip_space(value);
                self.admit(value.len())?;
                if field == Field::Retry {
                    self.set_retry(value);
                } else if self.accepts_id(value) {
                    self.next_id.clear();
                    self.next_id.extend_from_slice(value);
                }
            }
            Field::Comment | Field::Unknown => {
                self.admit(line.len())?;
                if field == Field::Unknown {
                    self.lines |= UNKNOWN;
                }
                if field == Field::Comment && self.report.comments {
                    return Ok(Some(Token { kind: Kind::Comment, has_type: false, bytes: Some(value) }));
                }
            }
        }
        Ok(None)
    }

    /// The input after its `event` line, if that is the same as last time and its line end is complete.
    #[inline]
    fn after_same_type<'i>(&self, input: &'i [u8]) -> Option<&'i [u8]> {
        let (line, rest) = input.split_at_checked(self.type_line.len())?;
        if line.is_empty() || line != self.type_line {
            return None;
        }
        after_line_end(rest)
    }

    /// Adds the `event` line that is already in `type_line`.
    #[inline]
    fn same_type(&mut self) -> Result<(), Exceeded> {
        if self.seen & TYPE == 0 {
            self.seen |= TYPE;
            self.grow(self.type_line.len() - self.type_start)?;
        }
        Ok(())
    }

    /// Handles a blank line: commits the id, and dispatches an event if the block has data.
    #[inline]
    fn end_block<'i>(&mut self, held: Option<&'i [u8]>) -> Option<Token<'i>> {
        let seen = self.seen;
        self.seen &= ROOMY;
        let size = core::mem::take(&mut self.size);
        self.data_lines = 0;
        if seen & NEXT_ID != 0 {
            core::mem::swap(&mut self.last_id, &mut self.next_id);
            cap(&mut self.next_id);
            if self.last_id.capacity() > RETAINED {
                self.last_id.shrink_to_fit();
            }
        }
        if seen & DATA != 0 {
            if size > RETAINED || self.data.capacity() > RETAINED {
                if held.is_some() {
                    self.data.clear();
                }
                self.has_large_buffers = true;
                self.state = State::Pause;
            }
            return Some(Token { kind: Kind::Event, has_type: seen & TYPE != 0, bytes: held });
        }
        cap(&mut self.type_line);
        if seen & (TYPE | ID) != 0 {
            self.lines |= KNOWN;
        }
        let reported = self.report.blocks && seen & !ROOMY != 0;
        reported.then_some(Token { kind: Kind::Block, has_type: false, bytes: None })
    }
}
