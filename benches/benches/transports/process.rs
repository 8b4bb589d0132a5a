//! Processes: the children, and what one knows of itself.

use std::io::{BufRead, BufReader, Read as _};
use std::process::{Child, Command, Stdio, exit};
use std::thread;
use std::time::Duration;

pub(crate) use system::{clock, cpu};

/// No child has that much to do.
const TOO_LONG: Duration = Duration::from_secs(60);

#[cfg(unix)]
mod system {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    use rustix::time::{ClockId, clock_gettime};

    /// Nanoseconds of a clock that all processes of the machine share.
    pub(crate) fn clock() -> u64 {
        nanos(ClockId::Monotonic)
    }

    /// Seconds that all threads of this process have spent on a processor.
    pub(crate) fn cpu() -> f64 {
        nanos(ClockId::ProcessCPUTime) as f64 / 1e9
    }

    fn nanos(clock: ClockId) -> u64 {
        let time = clock_gettime(clock);
        time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
    }

    /// Allows as many sockets as the system does.
    pub(super) fn allow_sockets() {
        let limit = getrlimit(Resource::Nofile);
        // Where it is refused, whoever needs more sockets will say so.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
    }
}

/// Enough for the rows to run and to agree.
#[cfg(not(unix))]
mod system {
    use std::time::SystemTime;

    /// Nanoseconds of the clock on the wall.
    pub(crate) fn clock() -> u64 {
        SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |time| time.as_nanos() as u64)
    }

    /// 0: it is not known.
    pub(crate) fn cpu() -> f64 {
        0.0
    }

    /// Nothing: there is no such limit.
    pub(super) fn allow_sockets() {}
}

/// KiB of memory that this process has (`VmRSS`) or had at most (`VmHWM`); 0 where there is no `/proc`.
pub(crate) fn memory(field: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    line.and_then(|value| value.trim().strip_suffix(" kB")?.parse().ok()).unwrap_or(0)
}

/// Allows as many sockets as the system does, and ends a process that hangs.
pub(crate) fn prepare_child(ends: bool) {
    system::allow_sockets();
    if ends {
        thread::spawn(|| {
            thread::sleep(TOO_LONG);
            eprintln!("not done after {TOO_LONG:?}");
            exit(1);
        });
    }
}

/// Keeps this thread, and those that it will start, to the first processor or to all others. Where it can't be done, it
/// is not done.
#[cfg(target_os = "linux")]
pub(crate) fn stay(on_first: bool) {
    use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

    let Ok(all) = sched_getaffinity(None) else { return };
    let mut some = CpuSet::new();
    let mut processors = (0..CpuSet::MAX_CPU).filter(|processor| all.is_set(*processor));
    let first = processors.next();
    if on_first {
        first.into_iter().for_each(|processor| some.set(processor));
    } else {
        processors.for_each(|processor| some.set(processor));
    }
    // An empty set, on a machine with one processor, is refused.
    let _ = sched_setaffinity(None, &some);
}

/// Nothing: only Linux is asked.
#[cfg(not(target_os = "linux"))]
pub(crate) fn stay(_: bool) {}

fn command(program: &str, args: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(args).stdout(Stdio::piped()).env("RUST_BACKTRACE", "0");
    for name in ["http_proxy", "https_proxy", "all_proxy"] {
        command.env_remove(name).env_remove(name.to_uppercase());
    }
    command
}

/// This program again, with other arguments.
fn itself() -> String {
    std::env::current_exe().expect("a program has a path").into_os_string().into_string().expect("a path in UTF-8")
}

/// A server in a process of its own, which ends with this.
pub(crate) struct Server {
    process: Child,
    /// Where it listens.
    pub(crate) port: u16,
}

impl Server {
    /// Starts it, and waits until it listens.
    pub(crate) fn start(args: &[&str]) -> Self {
        let mut process = command(&itself(), args).stdin(Stdio::piped()).spawn().expect("a process");
        let mut line = String::new();
        let stdout = process.stdout.take().expect("it is piped");
        BufReader::new(stdout).read_line(&mut line).expect("the server's port");
        Self { port: line.trim().parse().expect("the server's port"), process }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It ends with its standard input.
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}

/// Ends this process when its standard input ends: no server outlives who has started it.
pub(crate) fn end_with_stdin() {
    thread::spawn(|| {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        exit(0);
    });
}

/// What this program prints with other arguments.
pub(crate) fn output_of_itself(args: &[&str]) -> String {
    output_of(&itself(), args)
}

/// What a program prints.
///
/// # Panics
///
/// If it fails.
pub(crate) fn output_of(program: &str, args: &[&str]) -> String {
    let output = command(program, args).output().expect("a process");
    assert!(output.status.success(), "{args:?}: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("our own output")
}
