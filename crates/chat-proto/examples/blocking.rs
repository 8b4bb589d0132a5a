//! A driver by hand: asks a question over a `TcpStream`, without async code. `ureq-proto` is the HTTP/1.1 codec.
//!
//! ```text
//! cargo run -p chat-proto --example blocking -- http://127.0.0.1:8787 "What is a chunk?"
//! ```
//!
//! Without arguments it starts a scripted server. That server first sends a 503, then a 103 before the answer.

#[path = "blocking/http1.rs"]
mod http1;

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpListener;
use std::process::ExitCode;
use std::time::Instant;
use std::{env, thread};

use chat_proto::sessions::CreateInput;
use chat_proto::{
    Answer, ApiKey, Attempt, Config, Elapsed, Endpoint, Error, Exchange, Output, Request, TransportError,
};
use http1::{Connection, Part};

fn main() -> ExitCode {
    match ask() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn ask() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = env::args().skip(1);
    let base_url = arguments.next().map_or_else(scripted_server, Ok)?;
    let question = arguments.next().unwrap_or_else(|| "What is a chunk?".into());
    let setting = |name| env::var(name).unwrap_or_else(|_| "demo".into());

    let key = ApiKey::new(setting("INKEEP_API_KEY"))?;
    let mut input = CreateInput::new(setting("INKEEP_INTEGRATION_ID"), question);
    input.stream = true;
    let request = Request::create(&Endpoint::new(&base_url)?, &input)?;

    let answer = drive(request, &key).map_err(|error| format!("{error}. {}", error.advice()))?;
    print!("\n{}", answer.footnotes());
    Ok(())
}

/// Drives the exchange until it is done.
fn drive(request: Request, key: &ApiKey) -> Result<Answer, Error> {
    let config = Config::default();
    // The seed should differ between clients. A real program uses a random number.
    let mut exchange = Exchange::new(request, &config, u64::from(std::process::id()));
    let start = Instant::now();
    let now = || Elapsed::from_start(start.elapsed());
    let mut connection = None;
    let mut attempt = Attempt::new(0);
    loop {
        match exchange.poll_output(now()) {
            Output::Send(number, mut request) => {
                attempt = number;
                key.authorize(&mut request);
                match Connection::open(*request, config.timeouts.connect) {
                    Ok(open) => connection = Some(open),
                    Err(error) => exchange.handle_error(attempt, error, now()),
                }
            }
            Output::Read => {
                let Some(connection) = &mut connection else { unreachable!("it was opened to send") };
                let left = exchange.poll_timeout().map(|deadline| deadline.saturating_since(now()));
                match connection.read(left) {
                    Ok(Part::Nothing) => {}
                    Ok(Part::Head(head)) => exchange.handle_head(attempt, head, now()),
                    Ok(Part::Data(data)) => exchange.handle_data(attempt, data, now()),
                    Ok(Part::End) => exchange.handle_eof(attempt, now()),
                    // The kind depends on the system.
                    Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                        exchange.handle_timeout(now());
                    }
                    Err(_) => exchange.handle_error(attempt, TransportError::MaybeSent, now()),
                }
            }
            Output::Event(event) => {
                print!("{}", event.text().unwrap_or_default());
                let _ = io::stdout().flush();
            }
            Output::Wait => {
                connection = None;
                let due = exchange.poll_timeout().expect("a wait has a deadline");
                eprintln!("(attempt {} failed, waiting)", exchange.attempts());
                thread::sleep(due.saturating_since(now()));
                exchange.handle_timeout(now());
            }
            Output::Done => return exchange.into_outcome().expect("it is done"),
        }
    }
}

/// A server that is busy for the first request and answers the second one.
fn scripted_server() -> io::Result<String> {
    const ANSWERS: [&str; 2] = [
        "HTTP/1.1 503 Service Unavailable\r\nretry-after: 0\r\ncontent-length: 4\r\n\r\nbusy",
        concat!(
            "HTTP/1.1 103 Early Hints\r\nlink: </style.css>\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n",
            "event: message_chunk\ndata: {\"content_chunk\":\"A piece of \",\"chat_session_id\":\"s-1\"}\n\n",
            "event: records_cited\ndata: {\"citations\":[{\"number\":1,\"record\":{\"title\":\"Docs\"}}]}\n\n",
            "event: message_chunk\ndata: {\"content_chunk\":\"the answer [1].\",\"finish_reason\":\"stop\"}\n\n",
        ),
    ];
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let base_url = format!("http://{}", listener.local_addr()?);
    thread::spawn(move || -> io::Result<()> {
        for answer in ANSWERS {
            let (mut stream, _) = listener.accept()?;
            let (mut request, mut chunk) = (Vec::new(), [0; 8192]);
            // The body is a JSON object, and no header ends with a brace.
            while !request.ends_with(b"}") {
                let read = stream.read(&mut chunk)?;
                if read == 0 {
                    return Ok(());
                }
                request.extend_from_slice(&chunk[..read]);
            }
            stream.write_all(answer.as_bytes())?;
        }
        Ok(())
    });
    Ok(base_url)
}
