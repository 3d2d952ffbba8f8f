//! Deleting and renaming.

use crate::{
    error::{Error, Result},
    group::Group,
    object::Object,
};

impl Group {
    /// Deletes a link. With its last hard link an object is deleted, and with a group what nothing else leads to.
    /// References to it lead nowhere then, as in other libraries.
    ///
    /// # Errors
    /// `NotFound`; `Usage` if the file is open for reading; `Corrupt` if the links of the group cannot be read.
    pub fn unlink(&self, path: impl AsRef<[u8]>) -> Result<()> {
        let object = self.as_object();
        object.named(object.session().and_then(|s| s.unlink(object.address(), path.as_ref())))
    }

    /// Gives a link another name, here or in another group of the same file; the object stays what and where it is.
    ///
    /// ```
    /// # fn main() -> h5::Result<()> {
    /// # let store = std::sync::Arc::new(h5::source::MemoryStore::new());
    /// # let file = h5::File::create_options().create_in(store)?;
    /// let root = file.root()?;
    /// let old = root.create_group("old")?;
    /// old.create_group("x")?;
    /// old.move_link("x", &root, "new/x")?;
    /// assert!(file.group("new/x").is_ok());
    /// assert!(file.group("old/x").is_err());
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// `NotFound`; `Usage` if there is a link of the new name, if a group would come to lie below itself, or if the
    /// groups are of two files.
    pub fn move_link(&self, path: impl AsRef<[u8]>, to: &Group, new_path: impl AsRef<[u8]>) -> Result<()> {
        let object = self.as_object();
        if !to.file().is_same(&self.file()) {
            return object.named(Err(Error::usage("a link cannot be moved to another file")));
        }
        object.named(object.session().and_then(|session| {
            session.move_link(object.address(), path.as_ref(), to.address(), new_path.as_ref())
        }))
    }

    /// Gives a link of this group another name.
    ///
    /// # Errors
    /// As [`move_link`](Self::move_link).
    pub fn rename(&self, path: impl AsRef<[u8]>, new_path: impl AsRef<[u8]>) -> Result<()> {
        self.move_link(path, self, new_path)
    }
}

impl Object {
    /// Deletes an attribute.
    ///
    /// # Errors
    /// `NotFound`; `Usage` if the file is open for reading; `Corrupt` if the attributes cannot be read.
    pub fn delete_attr(&self, name: impl AsRef<[u8]>) -> Result<()> {
        self.named(self.session().and_then(|s| s.delete_attribute(self.address(), name.as_ref())))
    }

    /// Gives an attribute another name.
    ///
    /// # Errors
    /// `NotFound`; `Usage` if there is one of the new name.
    pub fn rename_attr(&self, name: impl AsRef<[u8]>, new: impl AsRef<[u8]>) -> Result<()> {
        self.named(
            self.session().and_then(|s| s.rename_attribute(self.address(), name.as_ref(), new.as_ref())),
        )
    }
}
