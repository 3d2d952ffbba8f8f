//! How a manager is opened.

use std::{path::Path, sync::Arc};

use super::{
    communicator::{self, Communicator},
    files::{self, Mode, Turn},
    manager::H5FlowDataManager,
};
use crate::{Durability, Error, ErrorKind, FilterSpec, Result};

/// How new datasets are compressed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Compression {
    /// Not at all.
    #[default]
    None,
    /// Deflate of this level; the reference has 4.
    Gzip(u8),
    /// LZF.
    Lzf,
    /// Any filters, in this order.
    Filters(Vec<FilterSpec>),
}

/// Integers of new references.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum RefLayout {
    /// References of 32 bits and regions of 31, as the reference has them.
    #[default]
    Compatible,
    /// References of 64 bits and regions of 63. The reference reads them too.
    Wide,
}

/// How a manager is opened: see [`H5FlowDataManager::options`].
#[derive(Clone, Debug)]
pub struct ManagerOptions {
    pub(super) drop_list: Vec<String>,
    pub(super) compression: Compression,
    pub(super) layout: RefLayout,
    pub(super) shared: bool,
    pub(super) durability: Durability,
    pub(super) communicator: Arc<dyn Communicator>,
}

impl ManagerOptions {
    /// Objects that are deleted by [`finish`](H5FlowDataManager::finish); what is made at such a path is kept in a
    /// temporary file beside this one. An entry is a path, and means every path that has its components one after the
    /// other. The reference looks for the text anywhere in a path, so that `a/b` drops `data/b2` too.
    pub fn drop_list<S: Into<String>>(mut self, paths: impl IntoIterator<Item = S>) -> Self {
        self.drop_list = paths.into_iter().map(Into::into).collect();
        self
    }
    /// How new datasets are compressed.
    pub fn compression(mut self, compression: Compression) -> Self {
        self.compression = compression;
        self
    }
    /// Integers of new references.
    pub fn ref_layout(mut self, layout: RefLayout) -> Self {
        self.layout = layout;
        self
    }
    /// Several processes append to the file at once. Every call is a commit of its own, for which the file is opened
    /// while the lock of a file beside it is held; chunks are compressed before that.
    pub fn shared(mut self, shared: bool) -> Self {
        self.shared = shared;
        self
    }
    /// What a commit waits for.
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }
    /// The ranks that work on the file together; with more than one the file is [`shared`](Self::shared).
    pub fn communicator(mut self, communicator: Arc<dyn Communicator>) -> Self {
        self.shared |= communicator.size() > 1;
        self.communicator = communicator;
        self
    }
    /// Opens a file: mode `r`, `r+`, `a`, `w`, `w-` or `x`, as in Python.
    ///
    /// # Errors
    /// `Usage` for another mode; as [`File::open`](crate::File::open), [`File::open_rw`](crate::File::open_rw) and
    /// [`File::create`](crate::File::create).
    pub fn open(self, path: impl AsRef<Path>, mode: &str) -> Result<H5FlowDataManager> {
        let path = path.as_ref().to_owned();
        let mut mode = Mode::parse(mode)?;
        if self.shared && mode != Mode::Read {
            communicator::once(&*self.communicator, "open the file", || {
                let _turn = Turn::wait(&path)?;
                match mode {
                    Mode::Write => std::fs::remove_file(&path).or_else(|e| match e.kind() {
                        std::io::ErrorKind::NotFound => Ok(()),
                        _ => Err(e),
                    })?,
                    Mode::Exclusive if path.exists() => {
                        return Err(std::io::Error::from(std::io::ErrorKind::AlreadyExists).into());
                    }
                    _ => {}
                }
                match mode {
                    Mode::ReadWrite => Ok(()),
                    _ => files::create_in_turn(&path, self.durability),
                }
            })?;
            mode = Mode::ReadWrite;
        }
        let temp = match mode {
            Mode::Read => None,
            _ if self.drop_list.is_empty() => None,
            _ if self.shared => {
                let text = "a drop list of a file that processes share".to_owned();
                return Err(Error::new(ErrorKind::Unsupported(text)));
            }
            _ => Some(files::temporary(&path, "drop")),
        };
        H5FlowDataManager::with(path, temp, self, mode)
    }
}
