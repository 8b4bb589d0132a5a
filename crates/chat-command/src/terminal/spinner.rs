//! What shows that an answer is awaited.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// The time between two pictures.
const TICK: Duration = Duration::from_millis(100);

/// A spinner with the elapsed time, on standard error. It is erased when it is dropped.
pub(super) struct Spinner(ProgressBar);

impl Spinner {
    pub(super) fn start() -> Self {
        let style = ProgressStyle::with_template("{spinner} {msg} {elapsed}").expect("the template is valid");
        let bar = ProgressBar::new_spinner().with_style(style).with_message("waiting");
        bar.enable_steady_tick(TICK);
        Self(bar)
    }

    pub(super) fn say(&self, message: &'static str) {
        self.0.set_message(message);
    }
}

impl Drop for Spinner {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
