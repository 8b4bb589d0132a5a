//! Child processes, and measurements of the current process.

use std::io::{BufRead, BufReader, Read as _};
use std::process::{Child, Command, Stdio, exit};
use std::thread;
use std::time::Duration;

pub(crate) use system::{clock, cpu, raise_file_limit};

/// Maximum time of a client process.
const TIMEOUT: Duration = Duration::from_secs(60);

#[cfg(unix)]
mod system {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    use rustix::time::{ClockId, clock_gettime};

    /// Nanoseconds of the system's monotonic clock, which all processes share.
    pub(crate) fn clock() -> u64 {
        nanos(ClockId::Monotonic)
    }

    /// CPU seconds of all threads of this process.
    pub(crate) fn cpu() -> f64 {
        nanos(ClockId::ProcessCPUTime) as f64 / 1e9
    }

    fn nanos(clock: ClockId) -> u64 {
        let time = clock_gettime(clock);
        time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
    }

    /// Raises the limit of open files to its maximum.
    pub(crate) fn raise_file_limit() {
        let limit = getrlimit(Resource::Nofile);
        // If this fails, opening too many sockets fails later with a message.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
    }
}

/// Replacements, so that the bench runs on other systems. Their numbers mean nothing.
#[cfg(not(unix))]
mod system {
    use std::time::SystemTime;

    /// Nanoseconds of the system time.
    pub(crate) fn clock() -> u64 {
        SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |time| time.as_nanos() as u64)
    }

    /// Unknown, always 0.
    pub(crate) fn cpu() -> f64 {
        0.0
    }

    /// Does nothing.
    pub(crate) fn raise_file_limit() {}
}

/// Resident (`VmRSS`) or peak (`VmHWM`) memory of this process in KiB. 0 if there is no `/proc`.
pub(crate) fn memory(field: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    line.and_then(|value| value.trim().strip_suffix(" kB")?.parse().ok()).unwrap_or(0)
}

/// Raises the limit of open files. With `has_timeout`, ends the process if it takes too long.
pub(crate) fn prepare_child(has_timeout: bool) {
    raise_file_limit();
    if has_timeout {
        thread::spawn(|| {
            thread::sleep(TIMEOUT);
            eprintln!("timed out after {TIMEOUT:?}");
            exit(1);
        });
    }
}

/// Pins this thread and those that it starts to the first processor, or to all others. Errors are ignored.
#[cfg(target_os = "linux")]
pub(crate) fn pin_to_processors(first_only: bool) {
    use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

    let Ok(all) = sched_getaffinity(None) else { return };
    let mut some = CpuSet::new();
    let mut processors = (0..CpuSet::MAX_CPU).filter(|processor| all.is_set(*processor));
    let first = processors.next();
    if first_only {
        first.into_iter().for_each(|processor| some.set(processor));
    } else {
        processors.for_each(|processor| some.set(processor));
    }
    // This fails for an empty set, on a machine with one processor.
    let _ = sched_setaffinity(None, &some);
}

/// Does nothing: implemented only for Linux.
#[cfg(not(target_os = "linux"))]
pub(crate) fn pin_to_processors(_: bool) {}

fn command(program: &str, args: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(args).stdout(Stdio::piped()).env("RUST_BACKTRACE", "0");
    for name in ["http_proxy", "https_proxy", "all_proxy"] {
        command.env_remove(name).env_remove(name.to_uppercase());
    }
    command
}

/// Path of this program.
fn current_program() -> String {
    std::env::current_exe().expect("the path of this program").into_os_string().into_string().expect("a path in UTF-8")
}

/// A server process. It ends when this is dropped.
pub(crate) struct Server {
    process: Child,
    /// Its port.
    pub(crate) port: u16,
}

impl Server {
    /// Starts the server and waits until it listens.
    pub(crate) fn start(args: &[&str]) -> Self {
        let mut process = command(&current_program(), args).stdin(Stdio::piped()).spawn().expect("a process");
        let mut line = String::new();
        let stdout = process.stdout.take().expect("stdout is piped");
        BufReader::new(stdout).read_line(&mut line).expect("the server's port");
        Self { port: line.trim().parse().expect("the server's port"), process }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The server ends when its standard input is closed.
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}

/// Ends this process when its standard input is closed, so that a server ends with its parent.
pub(crate) fn end_with_stdin() {
    thread::spawn(|| {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        exit(0);
    });
}

/// Runs this program with other arguments and returns its output.
pub(crate) fn output_of_itself(args: &[&str]) -> String {
    output_of(&current_program(), args)
}

/// Runs a program and returns its output.
///
/// # Panics
///
/// Panics if the program fails.
pub(crate) fn output_of(program: &str, args: &[&str]) -> String {
    let output = command(program, args).output().expect("a process");
    assert!(output.status.success(), "{args:?}: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("output in UTF-8")
}
