//! The file of a recording while it is written.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use chat_client::driver::TransportError;
use chat_client::{Error, Timeouts};
use http::{HeaderMap, Response};

use super::escape::{escape, lines};
use super::recording::{End, FIRST_LINE, KeyOrigin, Outcome};
use super::secrets::Secrets;
use crate::interrupt;
use crate::print::note;

/// Writes a recording. Each record is one write, so that the file is complete if the process is killed.
///
/// An error of the file ends the recording, not the call.
#[derive(Debug)]
pub(crate) struct Log {
    secrets: Secrets,
    path: PathBuf,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// `None` after an error.
    file: Option<File>,
    /// The time of the first attempt, on the transport's clock and on the system's.
    start: Option<(Duration, Instant)>,
    /// The time of the last record.
    last: Duration,
    /// Whether the file did not exist before.
    is_new: bool,
}

/// The settings of a call that its replay needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Settings {
    pub(crate) key: KeyOrigin,
    pub(crate) max_retries: u32,
    pub(crate) timeouts: Timeouts,
}

impl Default for Settings {
    /// Those of a recording that names none: no key, no retries and no timeouts.
    fn default() -> Self {
        let timeouts =
            Timeouts::default().with_connect(None).with_head(None).with_idle(None).with_content(None).with_total(None);
        Self { key: KeyOrigin::None, max_retries: 0, timeouts }
    }
}

impl Log {
    /// Creates the file. Only its owner can read it. A file that exists is not replaced.
    pub(crate) fn create(path: &Path, secrets: Secrets, settings: &Settings, product: &str) -> Result<Self, Error> {
        let refuse = |error: io::Error| match error.kind() {
            io::ErrorKind::AlreadyExists => {
                let reason = format!("names a file that exists, {}; name another one, or delete it", path.display());
                Error::invalid_request("--record", reason)
            }
            _ => {
                let reason = format!("names a file that cannot be created: {}", path.display());
                Error::invalid_request("--record", reason).with_source(error)
            }
        };
        let (file, is_new) = open(path).map_err(refuse)?;
        let log = Self {
            secrets,
            path: path.to_owned(),
            state: Mutex::new(State { file: Some(file), start: None, last: Duration::ZERO, is_new }),
        };
        log.write(&format!("{FIRST_LINE}\n# chat {}, {product}\n{}", env!("CARGO_PKG_VERSION"), settings.to_text()));
        Ok(log)
    }

    pub(crate) fn secrets(&self) -> &Secrets {
        &self.secrets
    }

    /// The seed of the backoff's jitter.
    pub(crate) fn seed(&self, seed: u64) {
        self.write(&format!("seed: {seed}\n"));
    }

    /// The start of an attempt.
    pub(crate) fn request(&self, now: Duration, request: &http::Request<bytes::Bytes>) {
        self.state().start.get_or_insert_with(|| (now, Instant::now()));
        let url = escape(self.secrets.url(&request.uri().to_string()).as_bytes());
        let mut record = format!("\n{} request {} {url}\n", self.time(now), request.method());
        self.add_headers(&mut record, '>', request.headers());
        add_data(&mut record, &self.secrets.bytes(request.body()));
        self.write(&record);
    }

    /// The head of the response.
    pub(crate) fn response<B>(&self, now: Duration, response: &Response<B>) {
        let mut record =
            format!("{} response {:?} {}\n", self.time(now), response.version(), response.status().as_u16());
        self.add_headers(&mut record, '<', response.headers());
        self.write(&record);
    }

    /// A chunk of the body, without secrets.
    pub(crate) fn data(&self, now: Duration, chunk: &[u8]) {
        let mut record = format!("{} data\n", self.time(now));
        add_data(&mut record, chunk);
        self.write(&record);
    }

    /// The end of an attempt.
    pub(crate) fn end(&self, now: Duration, end: &End) {
        let record = match end {
            End::Complete => "end".to_owned(),
            End::Dropped => "dropped".to_owned(),
            End::Failed(class, error) => {
                format!("failed {} {}", class_name(*class), escape(self.secrets.text(error).as_bytes()))
            }
        };
        self.write(&format!("{} {record}\n", self.time(now)));
    }

    /// The end of the call, by the exit status of the command.
    pub(crate) fn outcome(&self, status: u8) {
        let Some((start, began)) = self.state().start else { return };
        let outcome = match status {
            0 => Outcome::Completed,
            interrupt::STATUS => Outcome::Cancelled,
            _ => Outcome::Error,
        };
        self.write(&format!("{} outcome {}\n", self.time(start + began.elapsed()), outcome.name()));
    }

    fn add_headers(&self, record: &mut String, mark: char, headers: &HeaderMap) {
        for (name, value) in headers {
            *record += &format!("{mark} {name}: {}\n", escape(&self.secrets.value(name, value)));
        }
    }

    /// The time since the call started, in milliseconds. It is never earlier than the one before.
    fn time(&self, now: Duration) -> String {
        let mut state = self.state();
        let since_start = state.start.map_or(Duration::ZERO, |(start, _)| now.saturating_sub(start));
        state.last = state.last.max(since_start);
        format!("{:.3}", state.last.as_secs_f64() * 1000.0)
    }

    fn write(&self, text: &str) {
        let mut state = self.state();
        let Some(file) = &mut state.file else { return };
        if let Err(error) = file.write_all(text.as_bytes()) {
            state.file = None;
            drop(state);
            note(&format!("The call goes on, but its recording ends here: {}: {error}", self.path.display()));
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Log {
    /// Removes the file if nothing was sent.
    fn drop(&mut self) {
        let state = self.state();
        if state.is_new && state.start.is_none() {
            // There is nothing in the file that would be lost.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Opens a new file, or something that exists and is not a file, such as a pipe. Returns whether it is new.
fn open(path: &Path) -> io::Result<(File, bool)> {
    let mut options = OpenOptions::new();
    options.write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.clone().create_new(true).open(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => match path.metadata() {
            Ok(metadata) if !metadata.is_file() && !metadata.is_dir() => Ok((options.open(path)?, false)),
            _ => Err(error),
        },
        opened => Ok((opened?, true)),
    }
}

fn add_data(record: &mut String, bytes: &[u8]) {
    lines(bytes).for_each(|line| *record += &format!("| {line}\n"));
}

/// The names of the classes, which the recording and its reader share.
pub(crate) const CLASSES: [(TransportError, &str); 7] = [
    (TransportError::Connect, "connect"),
    (TransportError::ConnectTimeout, "connect-timeout"),
    (TransportError::Permanent, "permanent"),
    (TransportError::Unsent, "unsent"),
    (TransportError::MaybeSent, "maybe-sent"),
    (TransportError::BadHead, "bad-head"),
    (TransportError::Body, "body"),
];

fn class_name(class: TransportError) -> &'static str {
    CLASSES.iter().find(|(other, _)| *other == class).map_or("maybe-sent", |(_, name)| name)
}
