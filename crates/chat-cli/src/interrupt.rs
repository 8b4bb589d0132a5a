//! Ctrl-C: the first asks for an end in good order, the second has one at once.

use std::io;
use std::thread;
use std::time::Duration;

use tokio::sync::watch;

/// What a shell shows for a program that Ctrl-C ended.
pub(crate) const STATUS: u8 = 130;

/// Ctrl-C, listened to from the moment this is made.
#[derive(Clone)]
pub(crate) struct Interrupt(watch::Receiver<bool>);

impl Interrupt {
    /// Listens. An end in good order gets `grace`: standard output may be blocked, and nobody can be made to read it.
    pub(crate) fn listen(grace: Duration) -> io::Result<Self> {
        let (sender, receiver) = watch::channel(false);
        ctrlc::set_handler(move || {
            if sender.send_replace(true) {
                std::process::exit(STATUS.into());
            }
            thread::spawn(move || {
                thread::sleep(grace);
                std::process::exit(STATUS.into());
            });
        })
        .map_err(io::Error::other)?;
        Ok(Self(receiver))
    }

    /// Ready once Ctrl-C was pressed.
    pub(crate) async fn wait(&mut self) {
        // The handler, and the sender in it, stay to the end of the program.
        let _ = self.0.wait_for(|&pressed| pressed).await;
    }
}
