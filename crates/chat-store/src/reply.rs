//! The reply to a question of a stored conversation.

use std::ops::{Deref, DerefMut};

use chat_client::{Answer, Error, Reply, Transport};

use crate::error::{AskError, NotSaved};
use crate::{Store, StoredConversation};

/// The reply to a question, whose turn is appended at the end. It dereferences to the [`Reply`], which streams the answer:
/// `next`, `next_text` and `try_next` work as there.
///
/// [`finish`](Self::finish) or [`cancel`](Self::cancel) it, also after its last event. If it is dropped instead, the call is
/// cancelled, and the turn is appended later: see [`StoredConversation`].
#[must_use = "nothing is sent until a reply is polled"]
pub struct StoredReply<'c, S, T: Transport> {
    reply: Reply<T>,
    conversation: &'c mut StoredConversation<S, T>,
}

impl<'c, S: Store, T: Transport> StoredReply<'c, S, T> {
    pub(crate) fn new(reply: Reply<T>, conversation: &'c mut StoredConversation<S, T>) -> Self {
        Self { reply, conversation }
    }

    /// Waits for the end of the reply, appends the turn, and returns the complete answer.
    ///
    /// # Errors
    ///
    /// [`AskError::Call`] if the call failed, and [`AskError::NotSaved`] with the answer if the turn was not appended.
    pub async fn finish(self) -> Result<Answer, AskError> {
        let outcome = self.reply.finish().await;
        save(self.conversation, outcome).await
    }

    /// Cancels the call, closes its connection, appends what has arrived, and returns the outcome. See [`Reply::cancel`].
    ///
    /// # Errors
    ///
    /// Those of [`finish`](Self::finish).
    pub async fn cancel(self) -> Result<Answer, AskError> {
        let outcome = self.reply.cancel();
        save(self.conversation, outcome).await
    }
}

async fn save<S: Store, T: Transport>(
    conversation: &mut StoredConversation<S, T>,
    outcome: Result<Answer, Error>,
) -> Result<Answer, AskError> {
    match conversation.save().await {
        Ok(()) => outcome.map_err(AskError::Call),
        Err(error) => Err(AskError::NotSaved(Box::new(NotSaved { outcome, error }))),
    }
}

impl<S, T: Transport> Deref for StoredReply<'_, S, T> {
    type Target = Reply<T>;

    fn deref(&self) -> &Reply<T> {
        &self.reply
    }
}

impl<S, T: Transport> DerefMut for StoredReply<'_, S, T> {
    fn deref_mut(&mut self) -> &mut Reply<T> {
        &mut self.reply
    }
}
