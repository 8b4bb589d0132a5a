//! A transport on compio: io_uring, one runtime per thread, futures that are not `Send`.
//!
//! ```sh
//! INKEEP_API_KEY=… INKEEP_INTEGRATION_ID=… cargo run -p chat-http1 --example compio
//! ```

mod runtime;
mod socket;
mod transport;

use std::process::ExitCode;

use chat_client::{Client, Error};

use transport::CompioTransport;

fn main() -> ExitCode {
    let runtime = match compio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: compio can't start: {error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(run()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}\n{}", error.advice());
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Error> {
    let client = Client::<CompioTransport>::from_env()?;
    let answer = client.default_session()?.ask("What is a runtime per core?").finish().await?;
    println!("{}", answer.to_plain_text());
    Ok(())
}
