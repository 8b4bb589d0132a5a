//! Ctrl-C and SIGTERM. The first signal asks the program to finish, the second one ends it at once.
//!
//! In `chat repl`, the first signal stops the answer, and the program goes on.

use std::io;
#[cfg(feature = "terminal")]
use std::sync::Arc;
#[cfg(feature = "terminal")]
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use tokio::sync::watch;

/// Exit status of a program that Ctrl-C ended, as shells report it.
pub(crate) const STATUS: u8 = 130;

/// Exit status of a program that SIGTERM ended, as shells report it.
#[cfg(unix)]
const TERMINATED: u8 = 143;

/// Exit status of a program whose terminal was closed, as shells report it.
#[cfg(all(unix, feature = "terminal"))]
const HUNG_UP: u8 = 129;

/// Listens for signals from the moment it is made.
#[derive(Clone)]
pub(crate) struct Interrupt {
    signalled: watch::Sender<bool>,
    grace: Option<Duration>,
    /// Whether the program has to end.
    #[cfg(feature = "terminal")]
    is_terminated: Arc<AtomicBool>,
    /// Whether the program waits at its prompt.
    #[cfg(feature = "terminal")]
    is_idle: Arc<AtomicBool>,
}

impl Interrupt {
    /// Listens for Ctrl-C. After the first one, the program exits when `grace` is over: it may be blocked on an output
    /// that is not read. If it is `None`, only a second signal ends the program.
    pub(crate) fn listen(grace: Option<Duration>) -> io::Result<Self> {
        let interrupt = Self {
            signalled: watch::Sender::new(false),
            grace,
            #[cfg(feature = "terminal")]
            is_terminated: Arc::default(),
            #[cfg(feature = "terminal")]
            is_idle: Arc::default(),
        };
        let handler = interrupt.clone();
        ctrlc::set_handler(move || handler.on_signal(STATUS)).map_err(io::Error::other)?;
        Ok(interrupt)
    }

    /// Treats SIGTERM like Ctrl-C, because service managers stop services with it. Must be called within the runtime.
    #[cfg(unix)]
    pub(crate) fn listen_to_terminate(&self) -> io::Result<()> {
        use tokio::signal::unix::{SignalKind, signal};

        let mut signals = signal(SignalKind::terminate())?;
        let handler = self.clone();
        tokio::spawn(async move {
            while signals.recv().await.is_some() {
                handler.on_signal(TERMINATED);
            }
        });
        Ok(())
    }

    /// The first call starts the grace period, the second one exits.
    fn on_signal(&self, status: u8) {
        if self.signalled.send_replace(true) {
            exit(status);
        }
        if let Some(grace) = self.grace {
            exit_after(grace, status);
        }
    }

    /// Forgets the signal. The next one is a first one again.
    #[cfg(feature = "terminal")]
    pub(crate) fn reset(&self) {
        self.signalled.send_replace(false);
    }

    /// Ends the terminal on SIGTERM and SIGHUP: at once at the prompt, otherwise after the answer was stopped and stored.
    /// Must be called within the runtime.
    #[cfg(all(unix, feature = "terminal"))]
    pub(crate) fn stop_on_terminate(&self, grace: Duration) -> io::Result<()> {
        use tokio::signal::unix::{SignalKind, signal};

        for (kind, status) in [(SignalKind::terminate(), TERMINATED), (SignalKind::hangup(), HUNG_UP)] {
            let mut signals = signal(kind)?;
            let interrupt = self.clone();
            tokio::spawn(async move {
                while signals.recv().await.is_some() {
                    interrupt.is_terminated.store(true, Ordering::SeqCst);
                    if interrupt.is_idle.load(Ordering::SeqCst) {
                        exit(status);
                    }
                    interrupt.signalled.send_replace(true);
                    exit_after(grace, status);
                }
            });
        }
        Ok(())
    }

    /// Whether the program has to end.
    #[cfg(feature = "terminal")]
    pub(crate) fn is_terminated(&self) -> bool {
        self.is_terminated.load(Ordering::SeqCst)
    }

    /// Says whether the program waits at its prompt.
    #[cfg(feature = "terminal")]
    pub(crate) fn set_idle(&self, is_idle: bool) {
        self.is_idle.store(is_idle, Ordering::SeqCst);
    }

    /// Does what a signal does, without the grace period.
    pub(crate) fn trigger(&self) {
        self.signalled.send_replace(true);
    }

    /// Completes when a signal has arrived.
    pub(crate) async fn wait(&mut self) {
        // This never fails, because `self` holds the sender.
        let _ = self.signalled.subscribe().wait_for(|&signalled| signalled).await;
    }
}

fn exit_after(grace: Duration, status: u8) {
    thread::spawn(move || {
        thread::sleep(grace);
        exit(status);
    });
}

fn exit(status: u8) -> ! {
    #[cfg(feature = "terminal")]
    crate::terminal::echo::restore();
    std::process::exit(status.into());
}
