//! A store in memory, and the example for a store of your own: put a database in place of the map.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use crate::{AppendError, ConversationId, Head, Loaded, Position, Store, StoreError, StoredTurn, Summary};

/// A store in memory, for tests and for programs that keep nothing. Clones share the conversations, which are lost with the
/// last clone.
///
/// ```
/// use chat_store::{AnyStore, Memory, Store};
///
/// # async_io::block_on(async {
/// let store = AnyStore::new(Memory::default()); // or `AnyStore::open("memory:")`
/// assert!(store.list(None, 10).await?.is_empty());
/// # Ok::<(), chat_store::StoreError>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Default)]
pub struct Memory {
    conversations: Arc<Mutex<Conversations>>,
}

/// The turns of each conversation, with its entry in the list.
type Conversations = HashMap<ConversationId, (Summary, Vec<StoredTurn>)>;

impl Memory {
    fn lock(&self) -> MutexGuard<'_, Conversations> {
        self.conversations.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for Memory {
    // All of it is one transaction. A database stores `Head::id`, `About::to_json`, `StoredTurn::id` and
    // `StoredTurn::to_json`, and makes the pair of conversation and place unique.
    async fn append(&self, conversation: &Head, expected_len: u64, turn: &StoredTurn) -> Result<(), AppendError> {
        let mut conversations = self.lock();
        let turns = conversations.get(&conversation.id).map_or(&[][..], |(_, turns)| turns);
        let len = turns.len() as u64;
        match turns.get(usize::try_from(expected_len).unwrap_or(usize::MAX)) {
            Some(there) if there.id == turn.id => return Ok(()), // Its acknowledgement was lost.
            Some(there) => return Err(AppendError::Conflict(there.clone())),
            None if expected_len > len => return Err(AppendError::Shorter(len)),
            None => {}
        }
        let new = Summary::new(conversation.id, conversation.about.clone(), len + 1, SystemTime::now());
        let (summary, turns) = conversations.entry(conversation.id).or_insert_with(|| (new.clone(), Vec::new()));
        *summary = new;
        turns.push(turn.clone());
        Ok(())
    }

    async fn load(&self, conversation: ConversationId, last: usize) -> Result<Option<Loaded>, StoreError> {
        let conversations = self.lock();
        let Some((summary, turns)) = conversations.get(&conversation) else { return Ok(None) };
        let last = turns[turns.len().saturating_sub(last)..].to_vec();
        Ok(Some(Loaded::new(summary.about.clone(), summary.len, last)))
    }

    async fn list(&self, after: Option<Position>, limit: usize) -> Result<Vec<Summary>, StoreError> {
        let conversations = self.lock();
        let follows =
            |summary: &&Summary| after.is_none_or(|after| (summary.updated, summary.id) < (after.updated, after.id));
        let mut list: Vec<&Summary> = conversations.values().map(|(summary, _)| summary).filter(follows).collect();
        list.sort_by_key(|summary| Reverse((summary.updated, summary.id)));
        Ok(list.into_iter().take(limit).cloned().collect())
    }

    async fn delete(&self, conversation: ConversationId) -> Result<bool, StoreError> {
        Ok(self.lock().remove(&conversation).is_some())
    }
}

/// `Debug` output contains no text of the conversations.
impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory").finish_non_exhaustive()
    }
}
