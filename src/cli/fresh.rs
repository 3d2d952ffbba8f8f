//! Files that a command makes: beside their place, and put there when they are whole.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
};

use super::target::usage;
use crate::{File, Profile, Result};

/// Which libraries can open a file that is made.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(super) enum ProfileChoice {
    /// HDF5 1.8 and later
    Compatible,
    /// HDF5 1.10 and later
    Modern,
}

impl From<ProfileChoice> for Profile {
    fn from(choice: ProfileChoice) -> Self {
        match choice {
            ProfileChoice::Compatible => Profile::Compatible,
            ProfileChoice::Modern => Profile::Modern,
        }
    }
}

/// The profile that was asked for, or that of a file that is copied.
pub(super) fn profile(choice: Option<ProfileChoice>, like: &File) -> Profile {
    let own = if like.info().superblock_version >= 3 { Profile::Modern } else { Profile::Compatible };
    choice.map_or(own, Profile::from)
}

/// A new file that has not got its name yet. It is removed if it never gets it.
pub(super) struct Fresh {
    path: PathBuf,
    place: PathBuf,
    kept: bool,
}

impl Fresh {
    /// For this place, which must not be that of `source`.
    pub(super) fn new(place: &Path, source: &Path) -> Result<Self> {
        if let (Ok(a), Ok(b)) = (place.canonicalize(), source.canonicalize())
            && a == b
        {
            return Err(usage(format!("{} is the file that is read", place.display())));
        }
        let Some(name) = place.file_name() else {
            return Err(usage(format!("{} is no name of a file", place.display())));
        };
        let mut hidden = OsString::from(".");
        hidden.push(name);
        hidden.push(format!(".{}.tmp", std::process::id()));
        Ok(Fresh { path: place.with_file_name(hidden), place: place.to_owned(), kept: false })
    }

    /// Makes it.
    pub(super) fn create(&self, profile: Profile, user_block: u64) -> Result<File> {
        File::create_options().profile(profile).user_block(user_block).exclusive(true).create(&self.path)
    }

    /// The file on its way.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Puts it in its place.
    pub(super) fn keep(mut self) -> Result<()> {
        fs::rename(&self.path, &self.place)?;
        self.kept = true;
        Ok(())
    }
}

impl Drop for Fresh {
    fn drop(&mut self) {
        if !self.kept {
            // It may never have been made.
            let _ = fs::remove_file(&self.path);
        }
    }
}
