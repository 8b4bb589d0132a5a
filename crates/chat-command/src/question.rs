//! The request of `chat ask` without a store.

use chat_client::Error;
use chat_client::completions::CompletionInput;
use chat_client::sessions::{ChatMode, ContinueInput, CreateInput};

use crate::args::{Api, Ask, Options};
use crate::request::{complete, integration, model, read_message, refuse_other_api};

/// A request of any of the operations.
pub(crate) enum Question {
    Create(CreateInput),
    Continue(String, ContinueInput),
    Complete(Box<CompletionInput>),
}

impl Question {
    pub(crate) async fn read(ask: &Ask) -> Result<Self, Error> {
        let args = &ask.options;
        refuse_other_api(args, args.api)?;
        match args.api {
            Api::Sessions => {
                let integration = integration(args)?;
                let message = read_message(&ask.message).await?;
                Ok(match &args.session.session {
                    Some(id) => {
                        let mut input = ContinueInput::new(integration, message);
                        input.stream = !args.no_stream;
                        Self::Continue(id.clone(), input)
                    }
                    None => Self::Create(create(args, integration, message)),
                })
            }
            Api::Completions => {
                let model = model(args)?;
                // Before the question is read, so that a wrong file is reported before the user types it.
                let input = complete(args, model)?;
                let message = read_message(&ask.message).await?;
                Ok(Self::Complete(Box::new(with_message(input, message))))
            }
        }
    }
}

fn create(args: &Options, integration: &str, message: String) -> CreateInput {
    let mut input = CreateInput::new(integration, message);
    input.chat_session.guidance.clone_from(&args.session.guidance);
    input.chat_session.context.clone_from(&args.session.context);
    input.chat_session.tags = Some(args.session.tags.clone()).filter(|tags| !tags.is_empty());
    input.chat_mode = args.session.chat_mode.as_deref().map(ChatMode::from);
    input.stream = !args.no_stream;
    input
}

fn with_message(mut input: CompletionInput, message: String) -> CompletionInput {
    input.messages.push(message.into());
    input
}
