//! The command-line arguments.

mod output;
#[cfg(feature = "store")]
mod stored;

use std::ffi::OsString;
#[cfg(feature = "terminal")]
use std::io::{self, IsTerminal};
use std::net::{SocketAddr, ToSocketAddrs};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use chat_client::proto::DEFAULT_BASE_URL;
use clap::builder::NonEmptyStringValueParser;
use clap::parser::ValueSource;
use clap::{ArgMatches, Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use http::HeaderValue;

#[cfg(feature = "terminal")]
pub(crate) use self::output::Color;
pub(crate) use self::output::Output;
#[cfg(feature = "store")]
pub(crate) use self::stored::{List, Place, Sessions, SessionsCommand, StoredArgs};
use crate::help;

/// An unofficial command-line client for the Inkeep chat API and for servers of chat completions, with a server for offline use.
#[derive(Debug, Parser)]
#[command(name = "chat", version, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

impl Cli {
    /// Parses the command line and the environment variables that it may leave out. Exits on a usage error.
    ///
    /// Without arguments, it is `chat repl` on a terminal.
    pub(crate) fn parse_with_env() -> Self {
        #[cfg(feature = "terminal")]
        if std::env::args_os().len() == 1 && io::stdin().is_terminal() && io::stdout().is_terminal() {
            return Self::parse_args(["chat", "repl"].map(OsString::from));
        }
        Self::parse_args(std::env::args_os())
    }

    fn parse_args(args: impl IntoIterator<Item = OsString>) -> Self {
        let matches = Self::command().get_matches_from(args);
        let mut cli = Self::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
        match (&mut cli.command, matches.subcommand()) {
            (Command::Ask(ask), Some((_, matches))) => ask.options.resolve_env(matches),
            (Command::Models(models), Some((_, matches))) => models.connection.resolve_env(matches),
            #[cfg(feature = "terminal")]
            (Command::Repl(options), Some((_, matches))) => options.resolve_env(matches),
            #[cfg(feature = "terminal")]
            (Command::Sessions(sessions), Some((_, matches))) => {
                if let (Some(SessionsCommand::Resume { options, .. }), Some((_, matches))) =
                    (&mut sessions.command, matches.subcommand())
                {
                    options.resolve_env(matches);
                }
            }
            (Command::Doctor(doctor), Some((_, matches))) => doctor.resolve_env(matches),
            _ => {}
        }
        cli
    }

    /// The options of `chat repl` with these arguments.
    #[cfg(feature = "terminal")]
    pub(crate) fn repl_options(args: &[&str]) -> Box<Options> {
        let args = ["chat", "repl"].iter().chain(args).map(OsString::from);
        match Self::parse_args(args).command {
            Command::Repl(options) => options,
            other => unreachable!("these are the arguments of repl, not of {other:?}"),
        }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start the bundled server and ask it two questions; needs no key and no network
    #[command(after_help = help::DEMO)]
    Demo {
        /// The first question
        #[arg(default_value = "What is a transport?")]
        question: String,
        /// Ask your own questions
        #[cfg(feature = "terminal")]
        #[arg(long, short, conflicts_with = "question")]
        interactive: bool,
    },
    /// Ask a question and stream the answer
    #[command(after_help = help::with_exit_status(help::ASK), override_usage = "chat ask [OPTIONS] <MESSAGE>")]
    Ask(Box<Ask>),
    /// Ask questions in a terminal
    #[cfg(feature = "terminal")]
    #[command(after_help = help::REPL)]
    Repl(Box<Options>),
    /// List, show and delete stored conversations
    #[cfg(feature = "store")]
    #[command(after_help = help::SESSIONS)]
    Sessions(Box<Sessions>),
    /// A command that this build does not have
    #[cfg(not(feature = "terminal"))]
    #[command(hide = true, disable_help_flag = true)]
    Repl(Rest),
    /// A command that this build does not have
    #[cfg(not(feature = "store"))]
    #[command(hide = true, disable_help_flag = true)]
    Sessions(Rest),
    /// List the models of a server of chat completions (v1)
    #[command(after_help = help::with_exit_status(help::MODELS))]
    Models(Box<Models>),
    /// Check key, URL, proxy, DNS, connection, TLS and first byte, one line each
    #[command(after_help = help::DOCTOR)]
    Doctor(Box<Doctor>),
    /// Run the bundled server
    #[command(after_help = help::SERVE)]
    Serve(Serve),
    /// Decode a recorded call again; prints what the call printed
    #[command(after_help = help::REPLAY)]
    Replay(Replay),
    /// Decode a stream of server-sent events; prints one JSON object per line
    #[command(after_help = help::SSE)]
    Sse {
        /// Feed the decoder N bytes at a time instead of whole reads
        #[arg(long, value_name = "N")]
        chunk: Option<NonZeroUsize>,
        /// The file with the stream; `-` reads standard input
        file: PathBuf,
    },
    /// Decode a saved answer; prints one JSON object per line
    #[command(after_help = help::with_exit_status(help::DECODE))]
    Decode(Decode),
    /// Print the script that completes the arguments of chat in a shell
    #[command(after_help = help::COMPLETIONS)]
    Completions {
        /// The shell
        shell: Shell,
    },
}

/// All arguments of a command that this build does not have.
#[cfg(not(feature = "terminal"))]
#[derive(Debug, Args)]
pub(crate) struct Rest {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    _rest: Vec<OsString>,
}

/// Which settings came from environment variables.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct FromEnv {
    pub(crate) server: bool,
    pub(crate) api_key: bool,
    pub(crate) integration: bool,
    pub(crate) model: bool,
}

/// Trims a value that came from an environment variable, and drops an empty one. Returns whether one remains.
fn resolve(matches: &ArgMatches, id: &str, value: &mut Option<String>) -> bool {
    let is_from_env = matches.value_source(id) == Some(ValueSource::EnvVariable);
    if is_from_env {
        *value = value.take().map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
    }
    is_from_env && value.is_some()
}

impl Connection {
    fn resolve_env(&mut self, matches: &ArgMatches) {
        self.from_env.server = resolve(matches, "server", &mut self.server);
        self.from_env.api_key = resolve(matches, "api_key", &mut self.api_key);
    }
}

impl Options {
    /// Whether they continue a conversation.
    pub(crate) fn continues(&self) -> bool {
        #[cfg(feature = "store")]
        if self.stored.last || self.stored.resume.is_some() {
            return true;
        }
        self.session.session.is_some()
    }

    fn resolve_env(&mut self, matches: &ArgMatches) {
        self.connection.resolve_env(matches);
        let from_env = &mut self.connection.from_env;
        from_env.integration = resolve(matches, "integration", &mut self.session.integration);
        from_env.model = resolve(matches, "model", &mut self.completion.model);
    }
}

#[derive(Debug, Args)]
pub(crate) struct Ask {
    /// The question; `-` reads standard input
    pub(crate) message: String,
    /// Save the bytes of the call with their timing to a new file, without the key
    #[arg(long, value_name = "FILE")]
    pub(crate) record: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) options: Options,
}

/// The options of a conversation: those of `chat ask` and `chat repl`.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// API of the server: `sessions` (v0, the server keeps the history) or `completions` (v1, chat completions)
    #[arg(long, value_name = "API", env = "INKEEP_API", default_value = "sessions", value_parser = parse_api)]
    pub(crate) api: Api,
    #[command(flatten)]
    pub(crate) connection: Connection,
    /// Request the answer as one JSON object instead of a stream
    #[arg(long)]
    pub(crate) no_stream: bool,
    #[command(flatten)]
    pub(crate) output: Output,
    #[cfg(feature = "store")]
    #[command(flatten)]
    pub(crate) stored: StoredArgs,
    #[command(flatten)]
    pub(crate) session: SessionArgs,
    #[command(flatten)]
    pub(crate) completion: CompletionArgs,
}

impl Ask {
    /// The arguments of a recorded call, as far as they change what is printed.
    pub(crate) fn as_recorded(api: Api, continues_session: bool, json: bool) -> Self {
        let api = if api == Api::Completions { "completions" } else { "sessions" };
        let mut args = vec!["chat", "ask", "--api", api, "--no-api-key", "any"];
        args.extend(continues_session.then_some("--session=any"));
        args.extend(json.then_some("--json"));
        match Cli::parse_from(args).command {
            Command::Ask(ask) => *ask,
            _ => unreachable!("these are arguments of `ask`"),
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct Replay {
    /// The file that `chat ask --record` wrote
    pub(crate) file: PathBuf,
    /// Do not wait between the chunks
    #[arg(long)]
    pub(crate) fast: bool,
    /// Print one JSON object per line: each event and then the outcome
    #[arg(long)]
    pub(crate) json: bool,
}

/// The options of `--api sessions`.
#[derive(Debug, Args)]
#[command(next_help_heading = "Options of sessions (v0)")]
pub(crate) struct SessionArgs {
    /// Id of the integration to ask; required for sessions
    #[arg(long, value_name = "ID", env = "INKEEP_INTEGRATION_ID")]
    pub(crate) integration: Option<String>,
    /// Continue the session with this id
    #[arg(long, value_name = "ID")]
    pub(crate) session: Option<String>,
    /// Chat mode of a new session: `turbo`, `auto`, or another mode that the server knows
    #[arg(long, value_name = "MODE", conflicts_with = "session")]
    pub(crate) chat_mode: Option<String>,
    /// Instructions for the answers in a new session
    #[arg(long, value_name = "TEXT", conflicts_with = "session")]
    pub(crate) guidance: Option<String>,
    /// Context for a new session, such as the page that the user is looking at
    #[arg(long, value_name = "TEXT", conflicts_with = "session")]
    pub(crate) context: Option<String>,
    /// Label for a new session; can be repeated
    #[arg(long = "tag", value_name = "TAG", conflicts_with = "session")]
    pub(crate) tags: Vec<String>,
}

/// The options of `--api completions`.
#[derive(Debug, Args)]
#[command(next_help_heading = "Options of chat completions (v1)")]
pub(crate) struct CompletionArgs {
    /// Model to ask; required for chat completions
    #[arg(long, value_name = "NAME", env = "INKEEP_MODEL")]
    pub(crate) model: Option<String>,
    /// Instructions for the answer
    #[arg(long, value_name = "TEXT")]
    pub(crate) system: Option<String>,
    /// Ask the service for the sources of the answer
    #[arg(long)]
    pub(crate) links: bool,
    /// JSON file with a tool, or a list of tools, that the model may call; can be repeated. `--json` prints the calls
    #[arg(long = "tool", value_name = "FILE")]
    pub(crate) tools: Vec<PathBuf>,
    /// JSON file with the format of the answer, or with a JSON schema
    #[arg(long, value_name = "FILE")]
    pub(crate) response_format: Option<PathBuf>,
    /// Further fields of the request, as the text of a JSON object; they replace fields of the same name
    #[arg(long, value_name = "JSON")]
    pub(crate) extra: Option<String>,
    /// Sampling temperature
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    pub(crate) temperature: Option<f64>,
    /// Maximum number of tokens of the answer
    #[arg(long, value_name = "N")]
    pub(crate) max_tokens: Option<u64>,
}

#[derive(Debug, Args)]
pub(crate) struct Models {
    #[command(flatten)]
    pub(crate) connection: Connection,
}

#[derive(Debug, Args)]
pub(crate) struct Doctor {
    /// API to check: `sessions` (v0) or `completions` (v1)
    #[arg(long, value_name = "API", env = "INKEEP_API", default_value = "sessions", value_parser = parse_api)]
    pub(crate) api: Api,
    #[command(flatten)]
    pub(crate) connection: Connection,
    /// Id of the integration; only a question can check it
    #[arg(long, value_name = "ID", env = "INKEEP_INTEGRATION_ID")]
    pub(crate) integration: Option<String>,
    /// Model to look for in the server's list
    #[arg(long, value_name = "NAME", env = "INKEEP_MODEL")]
    pub(crate) model: Option<String>,
}

impl Doctor {
    fn resolve_env(&mut self, matches: &ArgMatches) {
        self.connection.resolve_env(matches);
        self.connection.from_env.integration = resolve(matches, "integration", &mut self.integration);
        self.connection.from_env.model = resolve(matches, "model", &mut self.model);
    }
}

/// The options that every call has.
#[derive(Debug, Args)]
pub(crate) struct Connection {
    #[arg(skip)]
    pub(crate) from_env: FromEnv,
    // Not a doc comment: rustdoc would want the address to be a link.
    #[arg(long, value_name = "URL", env = "INKEEP_API_BASE_URL", hide_env_values = true, help = format!("Base URL of the API [default: {DEFAULT_BASE_URL}]"))]
    pub(crate) server: Option<String>,
    /// API key
    #[arg(long, value_name = "KEY", env = "INKEEP_API_KEY", hide_env_values = true)]
    pub(crate) api_key: Option<String>,
    /// Header for the API key, such as `api-key`, instead of `Authorization: Bearer`
    #[arg(long, value_name = "NAME")]
    pub(crate) api_key_header: Option<String>,
    /// Send no API key
    #[arg(long, conflicts_with = "api_key_header")]
    pub(crate) no_api_key: bool,
    /// Print one JSON object per line: each event and then the outcome, or each model
    #[arg(long)]
    pub(crate) json: bool,
    /// Log the attempts, response heads, waits and times of the call to standard error
    #[arg(long, short)]
    pub(crate) verbose: bool,
    /// The HTTP client that sends the request
    #[arg(long, value_enum, default_value_t)]
    pub(crate) transport: Transport,
    /// PEM file with CA certificates to trust in addition to the default ones
    #[arg(long, value_name = "FILE")]
    pub(crate) ca_cert: Option<PathBuf>,
    /// Time limit for connecting, such as `500ms` or `5s`; every time limit can be `off`
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = parse_time_limit)]
    pub(crate) connect_timeout: TimeLimit,
    /// Time limit for the response head, including the time to connect
    #[arg(long, value_name = "TIME", default_value = "120s", value_parser = parse_time_limit)]
    pub(crate) head_timeout: TimeLimit,
    /// Time limit between two reads that return bytes
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = parse_time_limit)]
    pub(crate) idle_timeout: TimeLimit,
    /// Time limit between two events with content; keep-alives do not count
    #[arg(long, value_name = "TIME", default_value = "180s", value_parser = parse_time_limit)]
    pub(crate) content_timeout: TimeLimit,
    /// Time limit for the whole call, including retries
    #[arg(long, value_name = "TIME", default_value = "off", value_parser = parse_time_limit)]
    pub(crate) timeout: TimeLimit,
    /// Maximum number of retries after the first attempt
    #[arg(long, value_name = "N", default_value_t = 2)]
    pub(crate) max_retries: u32,
}

/// The values of `--transport`. The feature that adds one to the command has the same name.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub(crate) enum Transport {
    /// tokio and hyper
    #[default]
    Hyper,
    /// async-std and surf; needs the feature `async-std` at build time
    AsyncStd,
    /// async-io and hyper; needs the feature `smol` at build time
    Smol,
    /// the blocking client; needs the feature `blocking` at build time
    Blocking,
}

/// The values of `--api`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Api {
    /// v0: the server keeps the history
    #[default]
    Sessions,
    /// v1, chat completions: many servers speak it
    Completions,
}

#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// Address to listen on; port 0 selects a free port
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:8787", value_parser = parse_addr)]
    pub(crate) addr: SocketAddr,
    /// Answer each question with a recorded call
    #[arg(long, value_name = "FILE", conflicts_with_all = ["docs", "api_key", "web", "allow_origin", "delay"])]
    pub(crate) replay: Option<PathBuf>,
    /// Answer from the Markdown files in this folder instead of this project's docs
    #[arg(long, value_name = "DIR")]
    pub(crate) docs: Option<PathBuf>,
    /// The only API key to accept; without it, any key is accepted
    #[arg(long, value_name = "KEY", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) api_key: Option<String>,
    /// Serve the files of this folder too, with `index.html` at `/`; its pages may ask the server
    #[arg(long, value_name = "DIR")]
    pub(crate) web: Option<PathBuf>,
    /// Let web pages of this origin ask the server, such as `https://example.com`; `*` allows all, which then can read
    /// the documents
    #[arg(long, value_name = "ORIGIN", value_parser = HeaderValue::from_str)]
    pub(crate) allow_origin: Option<HeaderValue>,
    /// Pause between two events of a stream, such as `50ms`
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    pub(crate) delay: Option<Duration>,
}

#[derive(Debug, Args)]
pub(crate) struct Decode {
    /// API of the answer: `sessions` (v0) or `completions` (v1)
    #[arg(long, value_name = "API", env = "INKEEP_API", default_value = "sessions", value_parser = parse_api)]
    pub(crate) api: Api,
    /// HTTP status of the answer
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(100..=999))]
    pub(crate) status: u16,
    /// Content-Type of the answer
    #[arg(long, value_name = "TYPE")]
    pub(crate) content_type: Option<String>,
    /// Another header of the answer; can be repeated
    #[arg(long = "header", value_name = "NAME: VALUE", value_parser = parse_header)]
    pub(crate) headers: Vec<(String, String)>,
    /// Feed the receiver N bytes at a time instead of whole reads
    #[arg(long, value_name = "N")]
    pub(crate) chunk: Option<NonZeroUsize>,
    /// The file with the body; `-` reads standard input
    pub(crate) file: PathBuf,
}

/// A time limit, or `None` for `off`. A type of its own, because clap reads a plain `Option` as an optional argument.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TimeLimit(pub(crate) Option<Duration>);

fn parse_time_limit(text: &str) -> Result<TimeLimit, String> {
    if text == "off" {
        return Ok(TimeLimit(None));
    }
    match humantime::parse_duration(text) {
        Ok(Duration::ZERO) => Err("the time limit must be longer than zero; use `off` for no limit".to_owned()),
        Ok(time) => Ok(TimeLimit(Some(time))),
        Err(error) => Err(format!("{error}; write a time limit like `500ms`, `5s` or `off`")),
    }
}

/// An environment variable may be empty.
fn parse_api(text: &str) -> Result<Api, String> {
    match text.trim() {
        "sessions" | "v0" | "" => Ok(Api::Sessions),
        "completions" | "v1" => Ok(Api::Completions),
        _ => Err("the API is `sessions` (v0) or `completions` (v1)".to_owned()),
    }
}

/// Parses an address or resolves a host name. IPv4 is preferred, so `localhost` is 127.0.0.1.
fn parse_addr(text: &str) -> Result<SocketAddr, String> {
    let addrs = text.to_socket_addrs().map_err(|error| format!("{error}; write an address like `127.0.0.1:8787`"))?;
    let addrs: Vec<SocketAddr> = addrs.collect();
    addrs
        .iter()
        .find(|addr| addr.is_ipv4())
        .or(addrs.first())
        .copied()
        .ok_or_else(|| "the host has no address".to_owned())
}

fn parse_header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once(':').ok_or("the header has no colon; write a header like `Name: value`")?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn time_limits_have_units_or_are_off() {
        assert_eq!(parse_time_limit("500ms").unwrap().0, Some(Duration::from_millis(500)));
        assert_eq!(parse_time_limit("off").unwrap().0, None);
        assert!(parse_time_limit("0s").is_err());
        assert!(parse_time_limit("soon").is_err());
    }
}
