//! Rescue: what a damaged file still holds, in a new one.

use std::{cell::RefCell, collections::HashMap, path::Path, rc::Rc, sync::Arc};

use crate::{
    copy::CopyOptions,
    copy_objects::{Copier, Inspector},
    create::CreateOptions,
    error::{Error, Result},
    file::{File, OpenOptions},
    limits::lasting,
    model::{
        datatype::Charset,
        link::{LinkTarget, Name},
    },
    object::{Object, ObjectKind},
    storage::{
        open::open_path,
        rescue::{Survey, survey},
        resolve::Location,
        write::{Order, Profile},
    },
};

/// How much of an object was rescued.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Condition {
    /// All of it: every chunk that is stored could be decoded, every attribute and link could be read.
    Intact,
    /// A part: elements that are lost hold the fill value.
    Partial,
    /// Nothing but its name.
    Lost,
}

/// An object of a damaged file.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RescuedObject {
    /// Its path in the new file; of a lost one, that in the damaged file.
    pub path: String,
    /// What it is, if that could be told.
    pub kind: Option<ObjectKind>,
    /// Address of its header in the damaged file, if it was found.
    pub address: Option<u64>,
    /// How much of it was rescued.
    pub condition: Condition,
    /// What is missing, and why; the first few reasons.
    pub problems: Vec<String>,
}

/// What a rescue has found.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct RescueReport {
    /// What is wrong with the file as a whole.
    pub notes: Vec<String>,
    /// Its objects, in the order in which they were found.
    pub objects: Vec<RescuedObject>,
}

impl RescueReport {
    /// Number of objects in this condition.
    pub fn count(&self, condition: Condition) -> usize {
        self.objects.iter().filter(|object| object.condition == condition).count()
    }
}

/// Reasons that are kept of one object.
const MAX_PROBLEMS: usize = 20;

/// Takes down what is wrong, and lets the copy go on.
#[derive(Default)]
struct Notes {
    report: RescueReport,
    by_path: HashMap<String, usize>,
}

impl Notes {
    fn entry(
        &mut self,
        path: &str,
        kind: Option<ObjectKind>,
        address: Option<u64>,
        condition: Condition,
    ) -> usize {
        let (objects, by_path) = (&mut self.report.objects, &mut self.by_path);
        *by_path.entry(path.to_owned()).or_insert_with(|| {
            objects.push(RescuedObject {
                path: path.to_owned(),
                kind,
                address,
                condition,
                problems: Vec::new(),
            });
            objects.len() - 1
        })
    }

    fn complain(&mut self, path: &str, error: &Error, otherwise: Condition) {
        let at = self.entry(path, None, None, otherwise);
        if let Some(object) = self.report.objects.get_mut(at) {
            if object.condition == Condition::Intact {
                object.condition = Condition::Partial;
            }
            if object.problems.len() < MAX_PROBLEMS {
                object.problems.push(error.to_string());
            }
        }
    }
}

#[derive(Clone, Default)]
struct Lenient(Rc<RefCell<Notes>>);

impl Inspector for Lenient {
    fn problem(&mut self, path: &str, error: Error) -> Result<()> {
        self.0.borrow_mut().complain(path, &error, Condition::Partial);
        Ok(())
    }
    fn lost(&mut self, path: &str, error: Error) -> Result<()> {
        self.0.borrow_mut().complain(path, &error, Condition::Lost);
        Ok(())
    }
    fn verifies(&self) -> bool {
        true
    }
    fn begins(&mut self, path: &str, kind: ObjectKind, address: u64) {
        self.0.borrow_mut().entry(path, Some(kind), Some(address), Condition::Intact);
    }
}

impl File {
    /// Makes a new file of what a damaged one still holds: one that was cut short, whose superblock is gone, or that a
    /// writer which was killed has left half written.
    ///
    /// What links lead to keeps its path; objects that are found otherwise are put into the group `lost+found`, under
    /// the addresses of their headers; some of these may have been deleted before. Chunks and other parts that cannot be
    /// read are left out, and reported. The new file must not exist.
    ///
    /// ```
    /// # fn main() -> h5::Result<()> {
    /// # let folder = std::env::temp_dir();
    /// # let (broken, out) = (folder.join(format!("h5-doc-broken-{}.h5", std::process::id())),
    /// #     folder.join(format!("h5-doc-rescued-{}.h5", std::process::id())));
    /// let mut bytes = std::fs::read("testdata/basic.h5")?;
    /// bytes[..48].fill(0); // no superblock
    /// std::fs::write(&broken, bytes)?;
    /// let report = h5::File::rescue(&broken, &out)?;
    /// assert!(report.count(h5::Condition::Intact) > 0);
    /// assert!(!h5::File::open(&out)?.root()?.names()?.is_empty());
    /// # std::fs::remove_file(broken)?;
    /// # std::fs::remove_file(out)?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// `Io`: the damaged file cannot be read, or the new one cannot be made.
    pub fn rescue(broken: impl AsRef<Path>, out: impl AsRef<Path>) -> Result<RescueReport> {
        OpenOptions::default().rescue(broken, out)
    }
}

impl OpenOptions {
    /// Makes a new file of what a damaged one still holds; see [`File::rescue`].
    ///
    /// # Errors
    /// As [`File::rescue`].
    pub fn rescue(&self, broken: impl AsRef<Path>, out: impl AsRef<Path>) -> Result<RescueReport> {
        let (path, name) = (broken.as_ref(), broken.as_ref().display().to_string());
        let (limits, settings) = self.parts();
        // What is being cut or overwritten must not be mapped, and nobody needs to be kept from it.
        let source = open_path(path, false, settings.locking).map_err(|e| e.in_file(&name))?;
        let survey = survey(source, name, lasting(path), Arc::new(limits.clone()), settings)?;
        let version = survey.store.superblock.version;
        let profile = if version >= 3 { Profile::Modern } else { Profile::Compatible };
        let file = CreateOptions::default().profile(profile).exclusive(true).create(out)?;
        let report = copy(&survey, &file)?;
        file.close()?;
        Ok(report)
    }
}

fn copy(survey: &Survey, file: &File) -> Result<RescueReport> {
    let root = file.root()?;
    let target = root.as_object();
    let notes = Lenient::default();
    notes.0.borrow_mut().report.notes.clone_from(&survey.notes);
    let options = CopyOptions::new();
    let mut copier = Copier::inspected(target.store(), &options, Box::new(notes.clone()))?;
    let object =
        |address: u64, path: String| Object::open(Location { store: survey.store.clone(), address }, path);
    if let Some(address) = survey.root {
        let added =
            object(address, "/".to_owned()).and_then(|object| copier.add_as(&object, target.address()));
        if let Err(error) = added {
            copier.lost("/", error)?;
        }
        copier.run_links()?;
    }
    let mut place: Option<(u64, String)> = None;
    for address in survey.orphans() {
        if copier.has(&survey.store, address) {
            continue;
        }
        let (folder, name) = match &place {
            Some((folder, name)) => (*folder, name.clone()),
            None => {
                let (folder, name) = lost_and_found(target)?;
                place = Some((folder, name.clone()));
                (folder, name)
            }
        };
        let own = format!("{address:#x}");
        let path = format!("/{name}/{own}");
        let added = object(address, path.clone()).and_then(|object| copier.add(&object));
        let linked = added.and_then(|key| {
            let link = LinkTarget::Hard(key);
            target.session()?.import_link(folder, &Name::from(own), Charset::Ascii, None, &link)
        });
        match linked {
            Ok(()) => copier.run_links()?,
            Err(error) => copier.lost(&path, error)?,
        }
    }
    copier.run_contents()?;
    drop(copier);
    let report = std::mem::take(&mut notes.0.borrow_mut().report);
    Ok(report)
}

/// A group for what has no path, under a name that is free; its key and its name.
fn lost_and_found(root: &Object) -> Result<(u64, String)> {
    let mut name = "lost+found".to_owned();
    while root.location().resolve(name.as_bytes()).is_ok() {
        name.push('_');
    }
    let order = Order::default();
    let key = root.session()?.new_group(root.address(), name.as_bytes(), order, order)?;
    Ok((key, name))
}
