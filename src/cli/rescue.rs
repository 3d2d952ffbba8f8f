//! `h5 rescue`: what a damaged file still holds, in a new one.

use std::path::Path;

use super::screen::{Screen, safe};
use crate::{Condition, ObjectKind, OpenOptions, Result};

/// What the new file looks like.
pub(super) const HELP: &str = "\
For files that were cut short, whose superblock is gone, or that a killed writer has left. Objects keep their paths where \
links lead to them; others are put into the group lost+found, under the addresses of their headers.";

/// Writes what can be read of `source` into `target`, and a report.
///
/// # Errors
/// If the one cannot be read at all, or the other cannot be written.
pub(super) fn run(
    open: &OpenOptions,
    source: &Path,
    target: &Path,
    verbose: bool,
    screen: &mut Screen<'_>,
) -> Result<()> {
    let report = open.rescue(source, target)?;
    for note in &report.notes {
        writeln!(screen.out, "{}", safe(note))?;
    }
    for object in &report.objects {
        if object.condition == Condition::Intact && !verbose {
            continue;
        }
        let condition = match object.condition {
            Condition::Intact => "intact",
            Condition::Partial => "partly",
            _ => "lost",
        };
        let kind = match object.kind {
            Some(ObjectKind::Group) => "group ",
            Some(ObjectKind::Dataset) => "dataset ",
            Some(ObjectKind::Datatype) => "datatype ",
            _ => "",
        };
        writeln!(screen.out, "{condition:7} {kind}{}", safe(&object.path))?;
        for problem in &object.problems {
            writeln!(screen.out, "        {}", safe(problem))?;
        }
    }
    let count = |condition| report.count(condition);
    let (intact, partial, lost) =
        (count(Condition::Intact), count(Condition::Partial), count(Condition::Lost));
    Ok(writeln!(screen.out, "{intact} objects intact, {partial} partly, {lost} lost")?)
}
