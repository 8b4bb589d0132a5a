//! Ctrl-C: the first asks for an end in good order, the second has one at once.

use std::io;
use std::thread;
use std::time::Duration;

use tokio::sync::watch;

/// What a shell shows for a program that Ctrl-C ended.
pub(crate) const STATUS: u8 = 130;

/// What a shell shows for a program that SIGTERM ended.
#[cfg(unix)]
const TERMINATED: u8 = 143;

/// Ctrl-C, listened to from the moment this is made.
#[derive(Clone)]
pub(crate) struct Interrupt {
    pressed: watch::Sender<bool>,
    grace: Duration,
}

impl Interrupt {
    /// Listens. An end in good order gets `grace`: standard output may be blocked, and nobody can be made to read it.
    pub(crate) fn listen(grace: Duration) -> io::Result<Self> {
        let interrupt = Self { pressed: watch::Sender::new(false), grace };
        let pressing = interrupt.clone();
        ctrlc::set_handler(move || pressing.press(STATUS)).map_err(io::Error::other)?;
        Ok(interrupt)
    }

    /// Takes SIGTERM, by which services are stopped, as Ctrl-C. It is called in the runtime.
    #[cfg(unix)]
    pub(crate) fn listen_to_terminate(&self) -> io::Result<()> {
        use tokio::signal::unix::{SignalKind, signal};

        let mut signals = signal(SignalKind::terminate())?;
        let pressing = self.clone();
        tokio::spawn(async move {
            while signals.recv().await.is_some() {
                pressing.press(TERMINATED);
            }
        });
        Ok(())
    }

    /// The second time it ends the program, as does the first when its grace is over.
    fn press(&self, status: u8) {
        if self.pressed.send_replace(true) {
            std::process::exit(status.into());
        }
        let grace = self.grace;
        thread::spawn(move || {
            thread::sleep(grace);
            std::process::exit(status.into());
        });
    }

    /// Ready once Ctrl-C was pressed.
    pub(crate) async fn wait(&mut self) {
        // The sender is here.
        let _ = self.pressed.subscribe().wait_for(|&pressed| pressed).await;
    }
}
