//! What the command line takes.

use std::net::{SocketAddr, ToSocketAddrs};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use chat_client::proto::DEFAULT_BASE_URL;
use clap::builder::NonEmptyStringValueParser;
use clap::parser::ValueSource;
use clap::{ArgMatches, Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};

const EXIT_STATUS: &str = "Exit status: 0 completed, 2 usage or a refused request, 3 an API or validation error, \
    4 connect, transport or timeout, 5 an answer that is unexpected, undecodable, broken off, too large or ended by an \
    error event, 130 on Ctrl-C.";

/// Asks the Inkeep chat API, offline too.
#[derive(Debug, Parser)]
#[command(name = "chat", version, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

impl Cli {
    /// The command line, and what it leaves to the environment.
    pub(crate) fn read() -> Self {
        let matches = Self::command().get_matches();
        let mut cli = Self::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
        if let (Command::Ask(ask), Some((_, matches))) = (&mut cli.command, matches.subcommand()) {
            ask.take_from_env(matches);
        }
        cli
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Ask a bundled server, started for this: no key, no network
    Demo {
        /// What to ask first
        #[arg(default_value = "What is a transport, and which ones are there?")]
        question: String,
    },
    /// Ask a question and stream the answer
    #[command(after_help = EXIT_STATUS, override_usage = "chat ask [OPTIONS] <MESSAGE>")]
    Ask(Box<Ask>),
    /// Run the bundled server
    Serve(Serve),
    /// Decode a stream of server-sent events, one JSON object a line
    Sse {
        /// Feed the decoder N bytes at a time; as they are read, by default
        #[arg(long, value_name = "N")]
        chunk: Option<NonZeroUsize>,
        /// The stream; `-` reads standard input
        file: PathBuf,
    },
    /// Decode a saved answer, one JSON object a line
    #[command(after_help = EXIT_STATUS)]
    Decode(Decode),
}

/// Which settings came from their variables.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct FromEnv {
    pub(crate) server: bool,
    pub(crate) api_key: bool,
    pub(crate) integration: bool,
}

impl Ask {
    /// Leaves out white space around what variables hold, and what is nothing then.
    fn take_from_env(&mut self, matches: &ArgMatches) {
        let take = |id: &str, value: &mut Option<String>| {
            let is_from_env = matches.value_source(id) == Some(ValueSource::EnvVariable);
            if is_from_env {
                *value = value.take().map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
            }
            is_from_env && value.is_some()
        };
        self.from_env = FromEnv {
            server: take("server", &mut self.server),
            api_key: take("api_key", &mut self.api_key),
            integration: take("integration", &mut self.integration),
        };
    }
}

#[derive(Debug, Args)]
pub(crate) struct Ask {
    #[arg(skip)]
    pub(crate) from_env: FromEnv,
    /// The question; `-` reads standard input
    pub(crate) message: String,
    // The help is written out for its address, which in a doc comment would have to be a link.
    #[arg(long, value_name = "URL", env = "INKEEP_API_BASE_URL", hide_env_values = true, help = format!("Base URL of the API; {DEFAULT_BASE_URL}, by default"))]
    pub(crate) server: Option<String>,
    /// API key
    #[arg(long, value_name = "KEY", env = "INKEEP_API_KEY", hide_env_values = true)]
    pub(crate) api_key: Option<String>,
    /// The integration that answers
    #[arg(long, value_name = "ID", env = "INKEEP_INTEGRATION_ID")]
    pub(crate) integration: Option<String>,
    /// Continue this session
    #[arg(long, value_name = "ID")]
    pub(crate) session: Option<String>,
    /// Have the answer as one JSON object from the server
    #[arg(long)]
    pub(crate) no_stream: bool,
    /// How much effort to put into the answer: `turbo`, `auto`, or what else the server knows
    #[arg(long, value_name = "MODE", conflicts_with = "session")]
    pub(crate) chat_mode: Option<String>,
    /// Instructions beside the question
    #[arg(long, value_name = "TEXT", conflicts_with = "session")]
    pub(crate) guidance: Option<String>,
    /// What the user is looking at or has told already
    #[arg(long, value_name = "TEXT", conflicts_with = "session")]
    pub(crate) context: Option<String>,
    /// A label for the session; may be given more than once
    #[arg(long = "tag", value_name = "TAG", conflicts_with = "session")]
    pub(crate) tags: Vec<String>,
    /// Print one JSON object a line: each event, then the outcome
    #[arg(long)]
    pub(crate) json: bool,
    /// Tell on standard error how the call goes: attempts, heads, waits, times
    #[arg(long, short)]
    pub(crate) verbose: bool,
    /// What carries the request
    #[arg(long, value_enum, default_value_t)]
    pub(crate) transport: Transport,
    /// Trust the CAs in this PEM file too, beside the default ones
    #[arg(long, value_name = "FILE")]
    pub(crate) ca_cert: Option<PathBuf>,
    /// Longest wait for a connection, like `500ms` or `5s`; `off` for no limit, here and below
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = parse_time)]
    pub(crate) connect_timeout: Time,
    /// Longest wait for the head of the answer, connecting included
    #[arg(long, value_name = "TIME", default_value = "120s", value_parser = parse_time)]
    pub(crate) head_timeout: Time,
    /// Longest silence between two reads
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = parse_time)]
    pub(crate) idle_timeout: Time,
    /// Longest time between two events of a stream that say something
    #[arg(long, value_name = "TIME", default_value = "180s", value_parser = parse_time)]
    pub(crate) content_timeout: Time,
    /// Longest time for the whole call, retries included
    #[arg(long, value_name = "TIME", default_value = "off", value_parser = parse_time)]
    pub(crate) timeout: Time,
    /// How many attempts may follow the first
    #[arg(long, value_name = "N", default_value_t = 2)]
    pub(crate) max_retries: u32,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub(crate) enum Transport {
    /// tokio and hyper
    #[default]
    Hyper,
    /// async-std and surf
    #[cfg(feature = "async-std")]
    AsyncStd,
    /// async-io and hyper
    #[cfg(feature = "smol")]
    Smol,
    /// No executor: sockets that block
    #[cfg(feature = "blocking")]
    Blocking,
}

#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// Where to listen; port 0 takes a free one
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:8787", value_parser = parse_addr)]
    pub(crate) addr: SocketAddr,
    /// Answer from the Markdown files in this folder; this project's own docs, by default
    #[arg(long, value_name = "DIR")]
    pub(crate) docs: Option<PathBuf>,
    /// The key to ask for; any that is not empty will do, by default
    #[arg(long, value_name = "KEY", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) api_key: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Decode {
    /// Status of the answer
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(100..=999))]
    pub(crate) status: u16,
    /// Its Content-Type
    #[arg(long, value_name = "TYPE")]
    pub(crate) content_type: Option<String>,
    /// Another header of it; may be given more than once
    #[arg(long = "header", value_name = "NAME: VALUE", value_parser = parse_header)]
    pub(crate) headers: Vec<(String, String)>,
    /// Feed the receiver N bytes at a time; as they are read, by default
    #[arg(long, value_name = "N")]
    pub(crate) chunk: Option<NonZeroUsize>,
    /// The body; `-` reads standard input
    pub(crate) file: PathBuf,
}

/// A time that may be off. clap takes an `Option` for an argument that may be missing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Time(pub(crate) Option<Duration>);

fn parse_time(text: &str) -> Result<Time, String> {
    if text == "off" {
        return Ok(Time(None));
    }
    match humantime::parse_duration(text) {
        Ok(Duration::ZERO) => Err("would be over at once; `off` sets no limit".to_owned()),
        Ok(time) => Ok(Time(Some(time))),
        Err(error) => Err(format!("{error}; write it like `500ms`, `5s` or `off`")),
    }
}

/// An address, or the name of a host that has one: `localhost` is 127.0.0.1 where it is `::1` too.
fn parse_addr(text: &str) -> Result<SocketAddr, String> {
    let addrs = text.to_socket_addrs().map_err(|error| format!("{error}; write it like `127.0.0.1:8787`"))?;
    let addrs: Vec<SocketAddr> = addrs.collect();
    addrs.iter().find(|addr| addr.is_ipv4()).or(addrs.first()).copied().ok_or_else(|| "has no address".to_owned())
}

fn parse_header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once(':').ok_or("has no colon; write it like `Name: value`")?;
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
    fn times_are_as_people_write_them() {
        assert_eq!(parse_time("500ms").unwrap().0, Some(Duration::from_millis(500)));
        assert_eq!(parse_time("off").unwrap().0, None);
        assert!(parse_time("0s").is_err());
        assert!(parse_time("soon").is_err());
    }
}
