//! Lines that span chunks.

use super::block::{append, cap};
use super::event::{Kind, Token};
use super::scan::strip_space;
use super::{BOM, DATA, Decoder, Exceeded, Field, LARGE, RETAINED, RETAINED_IN_USE, ROOMY, State, Step, UNKNOWN};

impl Decoder {
    /// Continues the value of a `data` line. Returns whether that consumed the whole chunk. [`step`](Self::step) handles an
    /// exceeded limit.
    #[inline]
    pub(super) fn data_piece(&mut self, input: &mut &[u8]) -> bool {
        let end = self.find_line_end(input);
        let (piece, rest) = input.split_at(end.unwrap_or(input.len()));
        if self.grow(piece.len()).is_err() {
            return false;
        }
        self.data.extend_from_slice(piece);
        *input = rest;
        if end.is_some() {
            self.state = State::Line;
            self.take_line_end(input);
        }
        end.is_none()
    }

    /// Continues where the previous chunk ended, up to the start of the next line or the end of the input.
    #[inline]
    pub(super) fn resume<'i>(&mut self, input: &mut &'i [u8]) -> Step<'i> {
        match self.state {
            State::Line => return Ok(None),
            State::Pause => {
                self.end_pause(input);
                return Ok(None);
            }
            State::Bom(matched) => {
                self.skip_bom(matched, input);
                if matches!(self.state, State::Line) || input.is_empty() {
                    return Ok(None);
                }
            }
            State::Failed if input.is_empty() => return Ok(None),
            State::Failed => return Err(Exceeded),
            State::SameType(len) => {
                if self.more_of_same_type(input, len) {
                    return Ok(None);
                }
            }
            State::Name | State::Colon(_) | State::Value(_) => {}
        }
        let end = self.find_line_end(input);
        let (piece, rest) = input.split_at(end.unwrap_or(input.len()));
        *input = rest;
        match self.state {
            State::Value(field) => self.value_piece(field, piece)?,
            State::Colon(field) => self.after_colon(field, piece)?,
            _ => self.name_piece(piece)?,
        }
        if end.is_none() {
            return Ok(None);
        }
        let token = self.close_line();
        self.take_line_end(input);
        token
    }

    /// Does the work that is due before the next line.
    fn end_pause(&mut self, input: &mut &[u8]) {
        if core::mem::take(&mut self.has_large_buffers) {
            if self.data.len() < LARGE || self.data.capacity() > RETAINED_IN_USE {
                cap(&mut self.data);
            }
            self.seen = if self.data.capacity() > RETAINED { ROOMY } else { 0 };
            cap(&mut self.type_line);
        }
        cap(&mut self.value);
        if self.after_cr && input.is_empty() {
            return;
        }
        if core::mem::take(&mut self.after_cr) {
            *input = input.strip_prefix(b"\n").unwrap_or(input);
        }
        self.state = State::Line;
    }

    fn skip_bom(&mut self, matched: usize, input: &mut &[u8]) {
        let wanted = &BOM[matched..];
        let same = wanted.iter().zip(*input).take_while(|(wanted, byte)| wanted == byte).count();
        if same == wanted.len() {
            *input = &input[same..];
            self.state = State::Line;
        } else if same == input.len() {
            *input = &[];
            self.state = State::Bom(matched + same);
        } else if matched == 0 {
            self.state = State::Line;
        } else {
            // The bytes were not a byte order mark but the start of a name.
            self.state = State::Name;
            self.name[..matched].copy_from_slice(&BOM[..matched]);
            self.name_len = matched as u8;
        }
    }

    pub(super) fn name_piece(&mut self, piece: &[u8]) -> Result<(), Exceeded> {
        for (n, &byte) in piece.iter().enumerate() {
            let len = usize::from(self.name_len);
            if byte == b':' {
                let field = Field::of(&self.name[..len]);
                self.open_value(field, len + 1)?;
                return self.after_colon(field, &piece[n + 1..]);
            }
            let Some(place) = self.name.get_mut(len) else {
                self.open_value(Field::Unknown, len)?;
                return self.value_piece(Field::Unknown, &piece[n..]);
            };
            *place = byte;
            self.name_len += 1;
        }
        Ok(())
    }

    #[inline]
    pub(super) fn after_colon(&mut self, field: Field, piece: &[u8]) -> Result<(), Exceeded> {
        if piece.is_empty() {
            self.state = State::Colon(field);
            return Ok(());
        }
        self.state = State::Value(field);
        match field {
            Field::Comment | Field::Unknown => self.value_piece(field, piece),
            _ => self.value_piece(field, strip_space(piece)),
        }
    }

    /// Begins the value of a line that spans chunks. `before` is the length of the line before its value.
    pub(super) fn open_value(&mut self, field: Field, before: usize) -> Result<(), Exceeded> {
        self.state = State::Value(field);
        self.data_lines = self.data_lines.saturating_add(u32::from(field == Field::Data));
        match field {
            Field::Data if self.seen & DATA != 0 => {
                self.grow(1)?;
                self.data.push(b'\n');
            }
            Field::Data => {
                self.seen |= DATA;
                self.data.clear();
            }
            Field::Event => self.open_type(),
            Field::Id | Field::Retry => self.value.clear(),
            Field::Comment | Field::Unknown => {
                self.value.clear();
                self.skipped = before;
                self.admit(self.skipped)?;
            }
        }
        Ok(())
    }

    #[inline]
    fn value_piece(&mut self, field: Field, piece: &[u8]) -> Result<(), Exceeded> {
        match field {
            Field::Data => {
                self.grow(piece.len())?;
                append(&mut self.data, piece);
            }
            Field::Event => self.type_piece(piece)?,
            Field::Id | Field::Retry => {
                self.admit(self.value.len() + piece.len())?;
                self.value.extend_from_slice(piece);
            }
            Field::Comment | Field::Unknown => {
                self.skipped += piece.len();
                self.admit(self.skipped)?;
                if field == Field::Comment && self.report.comments {
                    self.value.extend_from_slice(piece);
                }
            }
        }
        Ok(())
    }

    /// Ends a line that spans chunks.
    fn close_line<'i>(&mut self) -> Step<'i> {
        let field = match self.state {
            State::Colon(field) | State::Value(field) => field,
            _ => {
                let field = Field::of(&self.name[..usize::from(self.name_len)]);
                self.open_value(field, self.name_len.into())?;
                field
            }
        };
        self.state = State::Line;
        match field {
            Field::Data | Field::Event => {}
            Field::Unknown => self.lines |= UNKNOWN,
            Field::Id => {
                let value = core::mem::take(&mut self.value);
                let accepted = self.accepts_id(&value);
                self.value = value;
                if accepted {
                    core::mem::swap(&mut self.value, &mut self.next_id);
                }
                cap(&mut self.value);
            }
            Field::Retry => {
                let value = core::mem::take(&mut self.value);
                self.set_retry(&value);
                self.value = value;
                cap(&mut self.value);
            }
            Field::Comment if self.report.comments => {
                // The comment is lent from `value`, which may need to be released afterwards.
                self.state = State::Pause;
                return Ok(Some(Token { kind: Kind::Comment, has_type: false, bytes: None }));
            }
            Field::Comment => {}
        }
        Ok(None)
    }
}
