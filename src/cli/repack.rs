//! `h5 repack`: a file written anew, without gaps, and with other filters and layouts if they are asked for.

use std::{
    fs,
    io::{Read, Seek, Write},
    path::Path,
};

use super::{
    change,
    fresh::{self, Fresh, ProfileChoice},
};
use crate::{OpenOptions, Result};

/// What is asked for.
pub(super) struct Options {
    pub(super) filters: Vec<String>,
    pub(super) layouts: Vec<String>,
    pub(super) profile: Option<ProfileChoice>,
}

/// Writes `source` anew as `target`.
///
/// # Errors
/// As reading and writing go; then there is no new file, and an old one stays as it was.
pub(super) fn run(
    open: &OpenOptions,
    source: &Path,
    target: &Path,
    options: &Options,
    warn: impl Fn(&str) + Clone + Send + Sync + 'static,
) -> Result<()> {
    let from = open.open(source)?;
    let fresh = Fresh::new(target, source)?;
    let copy = change::options(&from, &options.filters, &options.layouts, warn)?;
    let user_block = from.info().base;
    let to = fresh.create(fresh::profile(options.profile, &from), user_block)?;
    to.root()?.copy_contents_from(&from.root()?, &copy)?;
    to.close()?;
    copy_user_block(source, fresh.path(), user_block)?;
    fresh.keep()
}

/// The bytes before the superblock.
fn copy_user_block(source: &Path, target: &Path, len: u64) -> Result<()> {
    if len == 0 {
        return Ok(());
    }
    let mut from = fs::File::open(source)?.take(len);
    let mut to = fs::File::options().write(true).open(target)?;
    to.rewind()?;
    std::io::copy(&mut from, &mut to)?;
    to.flush()?;
    Ok(to.sync_all()?)
}
