//! A progress bar on standard error for work of more than a second.

use std::{
    fmt,
    io::{self, IsTerminal},
    time::{Duration, Instant},
};

use indicatif::{BinaryBytes, HumanDuration, ProgressBar, ProgressState, ProgressStyle};

const PATIENCE: Duration = Duration::from_secs(1);

/// Progress of a piece of work. Shows nothing in the first second, and nothing at all unless a person watches.
pub(super) struct Progress {
    start: Instant,
    total: Option<u64>,
    done: u64,
    unit: &'static str,
    watched: bool,
    place: String,
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

    /// Work on bytes of a number that is not known, with a word on where it is.
    pub(super) fn unknown_bytes(shared: bool) -> Self {
        Self::new(None, "bytes", shared)
    }

    fn new(total: Option<u64>, unit: &'static str, shared: bool) -> Self {
        let watched = !shared && io::stderr().is_terminal();
        Progress { start: Instant::now(), total, done: 0, unit, watched, place: String::new(), bar: None }
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

    /// Where the work is.
    pub(super) fn at(&mut self, place: impl FnOnce() -> String) {
        if self.watched {
            self.place = place();
            if let Some(bar) = &self.bar {
                bar.set_message(self.place.clone());
            }
        }
    }

    fn make(&self) -> ProgressBar {
        let (bar, template) = match (self.total, self.unit) {
            (Some(total), _) => {
                (ProgressBar::new(total), "{bar:40} {binary_bytes}/{binary_total_bytes} {mean_bytes} {left}")
            }
            (None, "bytes") => (ProgressBar::new_spinner(), "{spinner} {msg} {binary_bytes} {mean_bytes}"),
            (None, _) => (ProgressBar::new_spinner(), "{spinner} {pos} objects {mean}"),
        };
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        // The bar comes late: its own estimates would count all that was done before as done in no time.
        let style = style
            .with_key("mean", |state: &ProgressState, w: &mut dyn fmt::Write| {
                _ = write!(w, "{:.0}/s", mean(state));
            })
            .with_key("mean_bytes", |state: &ProgressState, w: &mut dyn fmt::Write| {
                _ = write!(w, "{}/s", BinaryBytes(mean(state) as u64));
            })
            .with_key("left", |state: &ProgressState, w: &mut dyn fmt::Write| {
                let left = state.len().unwrap_or(0).saturating_sub(state.pos()) as f64 / mean(state);
                if let Ok(left) = Duration::try_from_secs_f64(left) {
                    _ = write!(w, "{} left", HumanDuration(left));
                }
            });
        bar.with_style(style)
            .with_elapsed(self.start.elapsed())
            .with_position(self.done)
            .with_message(self.place.clone())
    }
}

/// What is done in a second, in the mean since the start.
fn mean(state: &ProgressState) -> f64 {
    state.pos() as f64 / state.elapsed().as_secs_f64()
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
