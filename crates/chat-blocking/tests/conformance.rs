//! The conformance suite, without the rows that need an executor.

use chat_blocking::{Client, Error, SmolTransport, tls};
use chat_conformance::{Caller, Operation, Setup, Suite, TestCall, Transcript, Wire};

struct Blocking;

impl Caller for Blocking {
    type Client = Client;

    fn client(&self, setup: &Setup) -> Result<Client, Error> {
        let settings = setup.apply(Client::builder()).settings()?;
        let transport =
            SmolTransport::with_tls(&setup.transport_settings(), setup.cached_tls(|ca| tls::config(ca, None))?)?;
        Ok(Client::new(settings, transport))
    }

    fn call(&self, client: &Client, call: &TestCall) -> Transcript {
        let mut reply = match &call.operation {
            Operation::Create(input) => client.create(input),
            Operation::Continue(id, input) => client.continue_session(id, input),
            Operation::Complete(input) => client.complete(input),
        };
        let mut events = Vec::new();
        for event in reply.by_ref().map_while(Result::ok) {
            events.push(event);
            if call.is_enough(events.len()) {
                return Transcript::dropped(&events);
            }
        }
        Transcript::new(&events, reply.finish())
    }

    fn list_models(&self, client: &Client) -> Result<Vec<String>, String> {
        let models = client.list_models().map_err(|error| format!("{error:#}"))?;
        Ok(models.into_iter().map(|model| model.id).collect())
    }
}

#[test]
fn http1() {
    Suite::new("chat-blocking", Wire::Http1).run_calls(&Blocking);
}

#[test]
fn http1_over_tls() {
    Suite::new("chat-blocking", Wire::Http1Tls).run_calls(&Blocking);
}
