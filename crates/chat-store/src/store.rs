//! The interface to a store.

use std::future::Future;
use std::sync::Arc;

use chat_client::{Client, Transport};

use crate::{
    AppendError, ConversationId, DEFAULT_LAST, Head, Loaded, Position, StoreError, StoredConversation, StoredTurn,
    Summary, Talk,
};

/// A place where conversations are kept.
///
/// Implement the first four methods to keep them in a place of your own: the source of [`Memory`](crate::Memory) is an example
/// to copy. No method needs a certain runtime, but an implementation may. A method can be called again after an
/// error, and after its future was dropped: it does no harm if the store has done the operation already.
///
/// A trait with `async` methods is not object safe. [`AnyStore`](crate::AnyStore) holds a store of any type, as
/// `Arc<dyn Store>` would.
///
/// # When a turn is appended
///
/// A turn is appended once, after its outcome: when the call is complete, was cancelled, or failed. A turn is never changed
/// afterwards. These turns are appended:
///
/// | outcome | chat (v1) | session (v0) |
/// | --- | --- | --- |
/// | complete | yes | yes |
/// | cancelled or failed after text | yes, marked as partial | yes, marked as partial |
/// | cancelled or failed before text | no | if the server had accepted the question: partial, without text |
///
/// Until then, the turn is in memory alone: a process that is killed while an answer streams loses this answer, and nothing
/// else.
///
/// # Conflicts
///
/// If two processes continue a conversation at the same time, one of them gets [`AppendError::Conflict`] with the turn of
/// the other. Its own turn is not stored. The application then does one of these:
///
/// - It loads the conversation again ([`StoredConversation::reload`]), shows both turns, and lets the user ask again. This is
///   right for most, because the answer was given without the other turn.
/// - It loads the conversation again and appends its turn after the other one, with the new length, if the two questions do
///   not depend on each other.
/// - It keeps both, with its own turns in a new conversation.
pub trait Store: Send + Sync {
    /// Appends a turn at the place `expected_len`, and stores the head. Place 0 creates the conversation.
    ///
    /// The turn is stored as a whole or not at all, and it stays stored after a crash. If a turn with the same id is at this
    /// place, nothing is changed, and the result is `Ok`: the acknowledgement of an earlier append was lost.
    ///
    /// # Errors
    ///
    /// [`AppendError::Conflict`] with the turn at this place if it has another id, and [`AppendError::Shorter`] if there is no
    /// turn before this place. Otherwise [`AppendError::Store`].
    fn append(
        &self,
        conversation: &Head,
        expected_len: u64,
        turn: &StoredTurn,
    ) -> impl Future<Output = Result<(), AppendError>> + Send;

    /// Loads a conversation with its last turns, at most `last`, oldest first. `None` if there is no such conversation.
    ///
    /// The time does not depend on the length of the conversation.
    ///
    /// # Errors
    ///
    /// The store failed, or its content can't be read.
    fn load(
        &self,
        conversation: ConversationId,
        last: usize,
    ) -> impl Future<Output = Result<Option<Loaded>, StoreError>> + Send;

    /// Lists at most `limit` conversations: those to which a turn was appended last come first, and those with greater ids if
    /// the times are equal.
    ///
    /// The list begins after the position `after`. Pass the [position](Summary::position) of the last entry to get the next
    /// page. A conversation that is continued meanwhile moves to the front, so a later page does not have it.
    ///
    /// # Errors
    ///
    /// The store failed, or its content can't be read.
    fn list(
        &self,
        after: Option<Position>,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<Summary>, StoreError>> + Send;

    /// Deletes a conversation with its turns. Returns whether there was one.
    ///
    /// # Errors
    ///
    /// The store failed.
    fn delete(&self, conversation: ConversationId) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Continues a stored conversation with its last [`DEFAULT_LAST`] turns. [`StoredConversation::resume`] loads more or
    /// fewer.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`] if there is no such conversation. Also the errors of [`load`](Self::load).
    fn conversation<T: Transport>(
        &self,
        client: &Client<T>,
        id: ConversationId,
    ) -> impl Future<Output = Result<StoredConversation<Self, T>, StoreError>>
    where
        Self: Clone,
    {
        StoredConversation::resume(self.clone(), client, id, DEFAULT_LAST)
    }

    /// Starts a conversation: a [`Chat`](chat_client::Chat) or a [`Session`](chat_client::Session). Nothing is stored until the
    /// outcome of its first question. Turns that it has already are stored then, too.
    fn start<T: Transport>(&self, talk: impl Into<Talk<T>>) -> StoredConversation<Self, T>
    where
        Self: Clone,
    {
        StoredConversation::new(self.clone(), talk)
    }
}

impl<S: Store> Store for Arc<S> {
    async fn append(&self, conversation: &Head, expected_len: u64, turn: &StoredTurn) -> Result<(), AppendError> {
        S::append(self, conversation, expected_len, turn).await
    }

    async fn load(&self, conversation: ConversationId, last: usize) -> Result<Option<Loaded>, StoreError> {
        S::load(self, conversation, last).await
    }

    async fn list(&self, after: Option<Position>, limit: usize) -> Result<Vec<Summary>, StoreError> {
        S::list(self, after, limit).await
    }

    async fn delete(&self, conversation: ConversationId) -> Result<bool, StoreError> {
        S::delete(self, conversation).await
    }
}
