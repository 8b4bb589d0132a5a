//! Puts tool calls together from their pieces. (contract-v1.md, section 0, rule 15, and section 8, rows 24 to 33)

use std::collections::BTreeMap;

use super::Tool;
use super::chunk::{CallPiece, Function, arguments, given_text, id, number};
use crate::surrogates::Joiner;
use crate::{Event, ToolCallDelta};

/// The tool calls of an answer so far.
#[derive(Debug, Default)]
pub(super) struct Calls {
    /// In the order of their first pieces.
    calls: Vec<Call>,
    /// The newest call at each index.
    by_index: BTreeMap<i64, usize>,
    /// The newest call with each id.
    by_id: BTreeMap<(Option<i64>, String), usize>,
    /// The call that the last piece belongs to.
    last: usize,
    /// The deprecated `function_call`. It counts only if there are no tool calls.
    function_call: Option<Box<FunctionCall>>,
    /// Bytes of arguments that are held here.
    held: usize,
}

#[derive(Debug, Default)]
struct Call {
    index: Option<i64>,
    id: String,
    name: String,
    halves: Joiner,
    /// A copy of the arguments, while they may be those of `provideLinks`.
    links: Option<String>,
}

#[derive(Debug, Default)]
struct FunctionCall {
    name: String,
    arguments: String,
    halves: Joiner,
}

impl Calls {
    /// Number of calls.
    pub(super) fn len(&self) -> usize {
        self.calls.len()
    }

    /// Bytes that are held in addition to the answer.
    pub(super) fn held(&self) -> usize {
        self.held
    }

    /// Reads a piece of a call in a stream. Returns whether it adds something to the calls.
    pub(super) fn read_piece(&mut self, piece: &CallPiece<'_>) -> Result<(ToolCallDelta, bool), serde_json::Error> {
        let known = self.calls.len();
        let call = self.find(piece);
        let delta = self.add(call, piece)?;
        let adds =
            known < self.calls.len() || delta.id.is_some() || delta.name.is_some() || !delta.arguments.is_empty();
        Ok((delta, adds))
    }

    /// Reads a call of an answer in one object. It is always a call of its own.
    pub(super) fn read_whole(&mut self, piece: &CallPiece<'_>) -> Result<(ToolCallDelta, bool), serde_json::Error> {
        let call = self.start(number(piece.index));
        Ok((self.add(call, piece)?, true))
    }

    /// The call that a piece belongs to, which may be a new one.
    fn find(&mut self, piece: &CallPiece<'_>) -> usize {
        let (id, index) = (id(piece.id), number(piece.index));
        let found = match (index, &id) {
            (Some(index), id) => self.by_index.get(&index).copied().and_then(|newest| match id {
                Some(id) if !self.calls[newest].id.is_empty() && self.calls[newest].id != *id => {
                    self.by_id.get(&(Some(index), id.clone())).copied()
                }
                _ => Some(newest),
            }),
            (None, Some(id)) => self.by_id.get(&(None, id.clone())).copied(),
            (None, None) => {
                let name = piece.function().and_then(|(function, _)| given_text(function.name));
                let last = self.calls.get(self.last);
                let is_other = |call: &Call| name.is_some_and(|name| !call.name.is_empty() && call.name != name);
                last.filter(|call| !is_other(call)).map(|_| self.last)
            }
        };
        let call = found.unwrap_or_else(|| self.start(index));
        // A later piece with the index alone belongs to this call.
        if let Some(index) = index {
            self.by_index.insert(index, call);
        }
        call
    }

    fn start(&mut self, index: Option<i64>) -> usize {
        if let Some(replaced) = self.function_call.take() {
            self.held -= replaced.name.len() + replaced.arguments.len();
        }
        let number = self.calls.len();
        self.calls.push(Call { index, links: Some(String::new()), ..Call::default() });
        number
    }

    fn add(&mut self, number: usize, piece: &CallPiece<'_>) -> Result<ToolCallDelta, serde_json::Error> {
        self.last = number;
        let call = &mut self.calls[number];
        let mut delta = ToolCallDelta::new(number, "");
        delta.server_index = call.index;
        if call.id.is_empty()
            && let Some(id) = id(piece.id)
        {
            call.id.clone_from(&id);
            self.by_id.insert((call.index, id.clone()), number);
            self.by_id.insert((None, id.clone()), number);
            delta.id = Some(id);
        }
        if let Some((function, is_custom)) = piece.function() {
            delta.is_custom = is_custom;
            if call.name.is_empty()
                && let Some(name) = given_text(function.name)
            {
                if name != Tool::PROVIDE_LINKS {
                    self.held -= call.links.take().map_or(0, |links| links.len());
                }
                call.name.clone_from(&name);
                delta.name = Some(name);
            }
            if let Some(value) = function.arguments.or(function.input) {
                delta.arguments = call.halves.join(&arguments(value)?.0);
            }
            if let Some(links) = &mut call.links {
                links.push_str(&delta.arguments);
                self.held += delta.arguments.len();
            }
        }
        Ok(delta)
    }

    /// Reads a piece of the deprecated `function_call`.
    pub(super) fn read_function_call(&mut self, function: &Function<'_>) -> Result<(), serde_json::Error> {
        if !self.calls.is_empty() {
            return Ok(());
        }
        let call = self.function_call.get_or_insert_default();
        if call.name.is_empty() {
            call.name = given_text(function.name).unwrap_or_default();
            self.held += call.name.len();
        }
        if let Some(value) = function.arguments {
            let text = call.halves.join(&arguments(value)?.0);
            self.held += text.len();
            call.arguments += &text;
        }
        Ok(())
    }

    /// No more pieces follow. Adds what is held back.
    pub(super) fn flush(&mut self, out: &mut impl Extend<Event>) {
        if let Some(mut call) = self.function_call.take() {
            call.arguments.extend(call.halves.finish());
            let mut delta = ToolCallDelta::new(0, call.arguments);
            delta.name = Some(call.name).filter(|name| !name.is_empty());
            out.extend([Event::ToolCall(Box::new(delta))]);
        }
        for (number, call) in self.calls.iter_mut().enumerate() {
            if let Some(half) = call.halves.finish() {
                call.links.iter_mut().for_each(|links| links.push(half));
                let mut delta = ToolCallDelta::new(number, half);
                delta.server_index = call.index;
                out.extend([Event::ToolCall(Box::new(delta))]);
            }
        }
    }

    /// The arguments of the calls of `provideLinks`, in the order of the calls.
    pub(super) fn take_links(&mut self) -> Vec<String> {
        let mut calls: Vec<&mut Call> = self.calls.iter_mut().filter(|call| call.name == Tool::PROVIDE_LINKS).collect();
        calls.sort_by_key(|call| ToolCallDelta::order(call.index));
        calls.into_iter().filter_map(|call| call.links.take()).collect()
    }
}

impl<'a> CallPiece<'a> {
    /// The function or the custom tool, and whether it is the latter.
    fn function(&self) -> Option<(&Function<'a>, bool)> {
        let custom = self.custom.as_ref().map(|custom| (custom, true));
        self.function.as_ref().map(|function| (function, false)).or(custom)
    }
}
