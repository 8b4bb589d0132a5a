//! The state that the clones of a client share with its replies.

use std::sync::Arc;

use crate::settings::Settings;

/// A transport with the settings of its client.
pub(crate) struct Shared<T> {
    pub(crate) transport: Arc<T>,
    pub(crate) settings: Settings,
}
