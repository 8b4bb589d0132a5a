//! Asks two questions with chat completions, and answers the model's tool calls.
//!
//! ```sh
//! INKEEP_API_KEY=… cargo run -p transport-hyper --example chat
//! ```
//!
//! For another server, also set `INKEEP_API_BASE_URL` and `INKEEP_MODEL`.

use std::env;
use std::process::ExitCode;

use serde_json::json;
use transport_hyper::completions::{CONTEXT_EXPERT, Tool, ToolChoice};
use transport_hyper::{Client, Error, ToolCall, ToolResult};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}\n{}", error.advice());
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Error> {
    let client = Client::from_env()?;
    let model = env::var("INKEEP_MODEL").unwrap_or_else(|_| CONTEXT_EXPERT.to_owned());
    let weather = Tool::function(
        "weather",
        "The weather in a city",
        json!({"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}),
    );
    // The first answer must call the tool. After that, the model decides.
    let mut chat = client
        .chat(model)
        .with_system("Answer briefly.")
        .with_tools([weather])
        .with_settings(|settings| settings.with_tool_choice(ToolChoice::Required));
    for question in ["What is the weather in Basel?", "Do I need an umbrella?"] {
        println!("> {question}");
        let mut answer = chat.ask(question).finish().await?;
        chat = chat.with_settings(|settings| settings.with_tool_choice(None));
        while !chat.open_calls().is_empty() {
            let results: Vec<ToolResult> = chat.open_calls().iter().map(call_tool).collect();
            answer = chat.answer_tools(results).finish().await?;
        }
        println!("{}\n", answer.text);
    }
    println!("The chat has {} turns.", chat.turns().len());
    Ok(())
}

fn call_tool(call: &ToolCall) -> ToolResult {
    println!("{}({})", call.name, call.arguments);
    ToolResult::new(call, "12 °C, rain")
}
