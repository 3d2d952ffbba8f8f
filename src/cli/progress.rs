//! A progress bar on standard error for work of more than a second.

use std::{
    io::{self, IsTerminal},
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};

const PATIENCE: Duration = Duration::from_secs(1);

/// Progress of a piece of work. Shows nothing in the first second, and nothing at all unless a person watches.
pub(super) struct Progress {
    start: Instant,
    total: Option<u64>,
    done: u64,
    unit: &'static str,
    watched: bool,
    bar: Option<ProgressBar>,
}

impl Progress {
    /// Work of `total` bytes. `shared`: the terminal shows the output as well, so that a bar would disturb it.
    pub(super) fn bytes(total: u64, shared: bool) -> Self {
        Self::new(Some(total), "bytes", shared)
    }

    /// Work on a number of objects that is not known yet.
    pub(super) fn objects(shared: bool) -> Self {
        Self::new(None, "objects", shared)
    }

    fn new(total: Option<u64>, unit: &'static str, shared: bool) -> Self {
        let watched = !shared && io::stderr().is_terminal();
        Progress { start: Instant::now(), total, done: 0, unit, watched, bar: None }
    }

    /// So much more is done.
    pub(super) fn advance(&mut self, amount: u64) {
        self.done = self.done.saturating_add(amount);
        if !self.watched {
            return;
        }
        if self.bar.is_none() && self.start.elapsed() >= PATIENCE {
            self.bar = Some(self.make());
        }
        if let Some(bar) = &self.bar {
            bar.set_position(self.done);
        }
    }

    fn make(&self) -> ProgressBar {
        let (bar, template) = match (self.total, self.unit) {
            (Some(total), _) => (
                ProgressBar::new(total),
                "{bar:40} {binary_bytes}/{binary_total_bytes} {binary_bytes_per_sec} {eta}".to_owned(),
            ),
            (None, unit) => (ProgressBar::new_spinner(), format!("{{spinner}} {{pos}} {unit} {{per_sec}}")),
        };
        let style = ProgressStyle::with_template(&template);
        bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
            .with_elapsed(self.start.elapsed())
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
