//! Calls of a transport that block.

use std::sync::Arc;
use std::time::Duration;

use chat_client::{Client, Error};

use super::fixture::Servers;
use super::harness::{Caller, Harness, Operation, Setup, TestCall};
use super::transcript::Transcript;

/// A [`Caller`] for a [`Harness`]. Each call is one future, run to completion.
pub(crate) struct Blocking<'a, H> {
    pub(crate) harness: &'a H,
    pub(crate) servers: Arc<Servers>,
}

impl<H: Harness> Caller for Blocking<'_, H> {
    type Client = Client<H::Transport>;

    fn client(&self, setup: &Setup) -> Result<Self::Client, Error> {
        // A transport may need the context of its executor.
        self.harness.block_on(async { setup.apply(Client::builder()).build_on(self.harness.transport(setup)?) })
    }

    fn call(&self, client: &Self::Client, call: &TestCall) -> Transcript {
        self.harness.block_on(async {
            let mut reply = match &call.operation {
                Operation::Create(input) => client.create(input),
                Operation::Continue(id, input) => client.continue_session(id, input),
                Operation::Complete(input) => client.complete(input),
            };
            let mut events = Vec::new();
            while let Some(Ok(event)) = reply.next().await {
                events.push(event);
                if call.is_enough(events.len()) {
                    return Transcript::dropped(&events);
                }
            }
            Transcript::new(&events, reply.finish().await)
        })
    }

    fn list_models(&self, client: &Self::Client) -> Result<Vec<String>, String> {
        let models = self.harness.block_on(client.list_models()).map_err(|error| format!("{error:#}"))?;
        Ok(models.into_iter().map(|model| model.id).collect())
    }

    fn pause(&self, time: Duration) {
        // The timer runs on the servers' runtime, so that it works on any executor.
        self.harness.block_on(self.servers.sleep(time));
    }
}
