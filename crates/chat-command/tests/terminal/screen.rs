//! The command on a terminal of its own: a pty, and an emulator that keeps the screen.

use std::io::{Read, Write};
use std::num::NonZero;
use std::path::Path;
use std::process::{Child, ExitStatus};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use pty_process::Size;
use pty_process::blocking::{Command, Pty};
use rustix::termios::LocalModes;

/// A screen that does not change as expected for so long is wrong, even on a slow machine.
const HUNG: Duration = Duration::from_secs(60);

/// A program on a terminal.
pub(crate) struct Screen {
    pty: Arc<Pty>,
    child: Child,
    shared: Arc<Mutex<Shared>>,
}

struct Shared {
    emulator: vt100::Parser,
    /// All that the program has written.
    bytes: Vec<u8>,
    ended: bool,
    /// Whether the terminal reads nothing.
    stopped: bool,
    /// How long it pauses after each read.
    pause: Duration,
}

impl Screen {
    /// Starts `chat ARGS` on a terminal of this size, with `home` as the user's folder and no settings.
    pub(crate) fn start(args: &[&str], home: &Path, size: (u16, u16)) -> Self {
        Self::start_with(args, home, size, &[])
    }

    /// The same, with these environment variables.
    pub(crate) fn start_with(args: &[&str], home: &Path, size: (u16, u16), variables: &[(&str, &str)]) -> Self {
        let (columns, rows) = size;
        let (pty, pts) = pty_process::blocking::open().expect("a terminal");
        pty.resize(Size::new(rows, columns)).expect("a size");
        let child = Command::new(env!("CARGO_BIN_EXE_chat"))
            .args(args)
            .env_clear()
            .env("HOME", home)
            .env("PATH", "/usr/bin:/bin")
            .env("TERM", "xterm-256color")
            .envs(variables.iter().copied())
            .spawn(pts)
            .expect("the command starts");
        let pty = Arc::new(pty);
        let emulator = vt100::Parser::new(count(rows), count(columns), 0);
        let shared = Arc::new(Mutex::new(Shared {
            emulator,
            bytes: Vec::new(),
            ended: false,
            stopped: false,
            pause: Duration::ZERO,
        }));
        thread::spawn({
            let (pty, shared) = (Arc::clone(&pty), Arc::clone(&shared));
            move || read(&pty, &shared)
        });
        Self { pty, child, shared }
    }

    /// Types these characters.
    pub(crate) fn keys(&self, keys: &str) {
        (&*self.pty).write_all(keys.as_bytes()).expect("the terminal takes keys");
    }

    /// Types a line and presses Enter.
    pub(crate) fn line(&self, line: &str) {
        self.keys(&format!("{line}\r"));
    }

    pub(crate) fn ctrl_c(&self) {
        self.keys("\x03");
    }

    pub(crate) fn resize(&self, columns: u16, rows: u16) {
        self.shared().emulator.screen_mut().set_size(count(rows), count(columns));
        self.pty.resize(Size::new(rows, columns)).expect("a size");
    }

    /// Whether the system echoes what is typed, as before the program.
    pub(crate) fn has_echo(&self) -> bool {
        let modes = rustix::termios::tcgetattr(&*self.pty).expect("a terminal").local_modes;
        modes.contains(LocalModes::ECHO) && modes.contains(LocalModes::ICANON)
    }

    /// Sends a signal, such as `TERM`.
    pub(crate) fn signal(&self, name: &str) {
        let sent =
            std::process::Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status();
        assert!(sent.expect("kill runs").success());
    }

    /// Reads slowly from now on.
    pub(crate) fn slow_down(&self) {
        self.shared().pause = Duration::from_millis(2);
    }

    /// Reads nothing that the program writes, until `resume`.
    pub(crate) fn stop(&self) {
        self.shared().stopped = true;
    }

    pub(crate) fn resume(&self) {
        self.shared().stopped = false;
    }

    /// The visible screen, without white space at the ends of its lines.
    pub(crate) fn contents(&self) -> String {
        contents(&self.shared())
    }

    /// All that the program has written, with its escape sequences.
    pub(crate) fn raw(&self) -> String {
        String::from_utf8_lossy(&self.shared().bytes).into_owned()
    }

    /// Waits until the screen has this text.
    #[track_caller]
    pub(crate) fn wait_for(&self, text: &str) -> String {
        self.wait_until(text, |screen| screen.contains(text))
    }

    /// Waits for a prompt in the last line, with this text above it.
    #[track_caller]
    pub(crate) fn wait_for_prompt(&self, text: &str) -> String {
        let what = format!("{text}, and a prompt");
        self.wait_until(&what, |screen| screen.contains(text) && (screen.ends_with("\n>") || screen == ">"))
    }

    /// Waits until the screen is as wanted, and returns it.
    #[track_caller]
    pub(crate) fn wait_until(&self, what: &str, wanted: impl Fn(&str) -> bool) -> String {
        let start = Instant::now();
        loop {
            let (screen, ended) = {
                let shared = self.shared();
                (contents(&shared), shared.ended)
            };
            if wanted(&screen) {
                return screen;
            }
            assert!(!ended && start.elapsed() < HUNG, "{what:?} does not appear; ended: {ended}\n{screen}");
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits for the end of the program. Returns all that it has written.
    #[track_caller]
    pub(crate) fn raw_at_end(&self) -> String {
        self.wait_for_end();
        self.raw()
    }

    /// Waits for the end of the program. Returns its status and the last screen.
    #[track_caller]
    pub(crate) fn end(mut self) -> (ExitStatus, String) {
        let start = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("a child") {
                break status;
            }
            assert!(start.elapsed() < HUNG, "the program does not end\n{}", self.contents());
            thread::sleep(Duration::from_millis(5));
        };
        self.wait_for_end();
        (status, self.contents())
    }

    #[track_caller]
    pub(crate) fn wait_until_ended(&self) {
        self.wait_for_end();
    }

    /// Presses Ctrl-C until the program ends.
    #[track_caller]
    pub(crate) fn wait_until_ended_pressing_ctrl_c(&self) {
        let start = Instant::now();
        while !self.shared().ended {
            assert!(start.elapsed() < HUNG, "the program does not end\n{}", self.contents());
            let _ = (&*self.pty).write_all(b"\x03");
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Kills the program, as `kill -9` does.
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("the program runs");
        self.child.wait().expect("the program ends");
    }

    #[track_caller]
    fn wait_for_end(&self) {
        let start = Instant::now();
        while !self.shared().ended {
            assert!(start.elapsed() < HUNG, "the terminal is not closed");
            thread::sleep(Duration::from_millis(5));
        }
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        lock(&self.shared)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads what the program writes until its end.
fn read(pty: &Pty, mutex: &Mutex<Shared>) {
    let mut buffer = [0; 1024];
    let mut pty = pty;
    // At the end, a terminal reports an error.
    while let Ok(read @ 1..) = pty.read(&mut buffer) {
        let mut shared = lock(mutex);
        shared.bytes.extend_from_slice(&buffer[..read]);
        shared.emulator.process(&buffer[..read]);
        while shared.stopped {
            drop(shared);
            thread::sleep(Duration::from_millis(5));
            shared = lock(mutex);
        }
        let pause = shared.pause;
        drop(shared);
        thread::sleep(pause);
    }
    lock(mutex).ended = true;
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

fn contents(shared: &Shared) -> String {
    let screen = shared.emulator.screen();
    let columns = screen.size().1.get();
    let lines: Vec<String> = screen.rows(0, columns).map(|line| line.trim_end().to_owned()).collect();
    lines.join("\n").trim_end().to_owned()
}

fn count(of: u16) -> NonZero<u16> {
    NonZero::new(of).expect("a terminal has rows and columns")
}
