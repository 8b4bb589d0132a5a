//! The ends of the help texts: examples, and the exit status.
//!
//! A test runs the examples in this order, in one folder, with the bundled server at the address in them.

const EXIT_STATUS: &str = "Exit status: 0 completed, 2 wrong usage or an invalid request, 3 an API or validation \
    error, 4 a connect, transport or timeout error, 5 an answer that is unexpected, malformed, truncated, too large or \
    ended by an error event, 6 a complete answer that could not be stored, 130 interrupted by Ctrl-C.";

/// Adds the exit status of a call to examples.
pub(crate) fn with_exit_status(examples: &str) -> String {
    format!("{examples}\n\n{EXIT_STATUS}")
}

/// The end of `chat demo --help`.
pub(crate) const DEMO: &str = r#"Examples:
  chat demo
  chat demo "When is a call retried?""#;

/// The end of `chat serve --help`.
pub(crate) const SERVE: &str = r#"Examples:
  chat serve
  chat serve --addr 127.0.0.1:8787 --delay 20ms

The examples of the other commands ask the server that the first one starts."#;

/// The end of `chat ask --help`.
pub(crate) const ASK: &str = r#"Examples:
  chat ask --server http://127.0.0.1:8787 --api-key any \
      --integration any "How do I start?"
  chat ask --server http://127.0.0.1:8787 --api-key any \
      --api completions --model any --links "How do I start?"
  echo "What is a chunk?" | chat ask --server http://127.0.0.1:8787 \
      --api-key any --integration any --json -
  chat ask --server http://127.0.0.1:8787 --api-key any \
      --integration any --record call.rec "How do I start?""#;

/// The end of `chat repl --help`. The question of `--last` is one of the examples of `chat ask`.
#[cfg(feature = "terminal")]
pub(crate) const REPL: &str = r#"Examples:
  chat demo --interactive
  chat repl --server http://127.0.0.1:8787 --api-key any --integration any
  chat repl --server http://127.0.0.1:8787 --api-key any \
      --api completions --model any --links
  chat repl --server http://127.0.0.1:8787 --api-key any --last

In the terminal, /help lists the commands and keys."#;

/// The end of `chat sessions --help`.
#[cfg(feature = "store")]
pub(crate) const SESSIONS: &str = r#"Examples:
  chat sessions
  chat sessions list --limit 5 --json
  chat ask --server http://127.0.0.1:8787 --api-key any --last "And then?"

An ID may be a part of an id: at least 8 characters that only one conversation has."#;

/// The end of `chat models --help`.
pub(crate) const MODELS: &str = r#"Examples:
  chat models --server http://127.0.0.1:8787 --api-key any
  chat models --server http://127.0.0.1:8787 --api-key any --json"#;

/// The end of `chat doctor --help`.
pub(crate) const DOCTOR: &str = r#"Examples:
  chat doctor --server http://127.0.0.1:8787 --api-key any
  chat doctor --server http://127.0.0.1:8787 --api-key any \
      --api completions --json

Exit status: 0 if no check fails, otherwise that of the first one that fails: 2 a setting, 3 the key is rejected, 4 the connection."#;

/// The end of `chat replay --help`. The recording is the one of the examples of `chat ask`.
pub(crate) const REPLAY: &str = r#"Examples:
  chat replay call.rec
  chat replay call.rec --fast --json
  chat serve --replay call.rec

The exit status is that of the recorded call, or 2 if the file is not a recording."#;

/// The end of `chat sse --help`.
pub(crate) const SSE: &str = r#"Examples:
  printf 'data: hello\n\n' | chat sse -
  printf 'event: ping\ndata: 1\n\n' | chat sse --chunk 1 -"#;

/// The end of `chat decode --help`.
pub(crate) const DECODE: &str = r#"Examples:
  printf 'event: message_chunk\ndata: {"content_chunk":"Yes."}\n\n' > saved.txt
  chat decode --status 200 --content-type text/event-stream saved.txt"#;

/// The end of `chat completions --help`.
pub(crate) const COMPLETIONS: &str = r#"Examples:
  chat completions bash > chat.bash
  chat completions fish > chat.fish

For bash, write the script to ~/.local/share/bash-completion/completions/chat. For zsh, write it to a file named _chat in a folder of $fpath. For fish, write it to ~/.config/fish/completions/chat.fish."#;
