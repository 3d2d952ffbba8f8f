//! Every object of a file, each once, without recursion.

use std::{collections::HashMap, vec};

use crate::{Error, File, Group, Link, LinkTarget, Name, Object, ObjectKind, Result};

/// What the walk meets.
pub(super) enum Found<'a> {
    /// An object, met for the first time.
    Object(&'a Object),
    /// An object that has this path already.
    Again(Vec<u8>),
    /// A soft, external or user-defined link of this group; not followed.
    Link(&'a Group, &'a Link),
    /// A hard link to something that cannot be read.
    Unreadable(Error),
    /// A link that cannot be read.
    LinkUnreadable(Error),
    /// The links of the group met last cannot be listed.
    LinksUnreadable(Error),
}

/// Where the walk is.
pub(super) struct Step<'a> {
    /// Path of the link.
    pub(super) path: &'a [u8],
    /// Its last component.
    pub(super) name: &'a [u8],
    /// Characters of the longest name of its group.
    pub(super) width: usize,
    /// For each group above and for this link: more links follow in the group.
    pub(super) more: &'a [bool],
    pub(super) found: Found<'a>,
}

struct Frame {
    group: Group,
    links: vec::IntoIter<Result<Link>>,
    width: usize,
    path_len: usize,
    node: usize,
}

struct Node {
    parent: usize,
    name: Name,
}

/// Walks over hard links in the order of names, parents first, and remembers by which path each object was met.
///
/// A deep chain of groups costs a frame a level: paths are put together only when they are asked for.
#[derive(Default)]
pub(super) struct Walk {
    nodes: Vec<Node>,
    visited: HashMap<u64, usize>,
}

impl Walk {
    /// The path by which the object at this address was met.
    pub(super) fn path(&self, address: u64) -> Option<Vec<u8>> {
        let mut node = *self.visited.get(&address)?;
        let mut names = Vec::new();
        while let Some(Node { parent, name }) = self.nodes.get(node) {
            names.push(name.as_bytes());
            if *parent == node {
                break;
            }
            node = *parent;
        }
        // The first name is the path of the start.
        let mut path = Vec::new();
        for name in names.into_iter().rev() {
            join(&mut path, name);
        }
        Some(path)
    }

    /// Visits `start`, which has this path, and everything below it.
    ///
    /// # Errors
    /// Those of `visit`.
    pub(super) fn run(
        &mut self,
        start: &Object,
        path: &[u8],
        visit: &mut dyn FnMut(Step<'_>) -> Result<()>,
    ) -> Result<()> {
        let file = start.file();
        let mut path = path.to_vec();
        let mut frames = Vec::new();
        let mut more = Vec::new();
        self.nodes.push(Node { parent: self.nodes.len(), name: Name::from(&path[..]) });
        let node = self.nodes.len() - 1;
        self.visited.insert(start.address(), node);
        let step = Step { path: &path, name: &path, width: 0, more: &more, found: Found::Object(start) };
        visit(step)?;
        enter(start, &path, node, &more, &mut frames, visit)?;
        while let Some(frame) = frames.last_mut() {
            path.truncate(frame.path_len);
            let Some(link) = frame.links.next() else {
                frames.pop();
                more.pop();
                continue;
            };
            more.truncate(frames.len() - 1);
            let Some(frame) = frames.last_mut() else { break };
            more.push(!frame.links.as_slice().is_empty());
            let width = frame.width;
            let link = match link {
                Ok(link) => link,
                Err(error) => {
                    let found = Found::LinkUnreadable(error);
                    visit(Step { path: &path, name: b"?", width, more: &more, found })?;
                    continue;
                }
            };
            join(&mut path, link.name.as_bytes());
            let step = |found| Step { path: &path, name: link.name.as_bytes(), width, more: &more, found };
            let LinkTarget::Hard(address) = link.target else {
                visit(step(Found::Link(&frame.group, &link)))?;
                continue;
            };
            if let Some(path) = self.path(address) {
                visit(step(Found::Again(path)))?;
                continue;
            }
            let parent = frame.node;
            match object(&file, address) {
                Ok(object) => {
                    self.nodes.push(Node { parent, name: link.name.clone() });
                    let node = self.nodes.len() - 1;
                    self.visited.insert(address, node);
                    visit(step(Found::Object(&object)))?;
                    enter(&object, &path, node, &more, &mut frames, visit)?;
                }
                Err(error) => visit(step(Found::Unreadable(error)))?,
            }
        }
        Ok(())
    }
}

/// An object whose kind is known to be readable.
fn object(file: &File, address: u64) -> Result<Object> {
    let object = file.object_at(address)?;
    object.kind()?;
    Ok(object)
}

/// Appends a component to a path.
fn join(path: &mut Vec<u8>, name: &[u8]) {
    if !path.is_empty() && !path.ends_with(b"/") {
        path.push(b'/');
    }
    path.extend_from_slice(name);
}

fn enter(
    object: &Object,
    path: &[u8],
    node: usize,
    more: &[bool],
    frames: &mut Vec<Frame>,
    visit: &mut dyn FnMut(Step<'_>) -> Result<()>,
) -> Result<()> {
    if !matches!(object.kind(), Ok(ObjectKind::Group)) {
        return Ok(());
    }
    let listed = object.clone().into_group().and_then(|group| Ok((group.links()?, group)));
    match listed {
        Ok((links, group)) => {
            let width = width(&links);
            frames.push(Frame { group, links: links.into_iter(), width, path_len: path.len(), node });
            Ok(())
        }
        Err(error) => {
            let mut more = more.to_vec();
            more.push(false);
            let found = Found::LinksUnreadable(error);
            visit(Step { path, name: b"", width: 0, more: &more, found })
        }
    }
}

/// Characters of the longest name.
pub(super) fn width(links: &[Result<Link>]) -> usize {
    let names = links.iter().flatten().map(|link| super::screen::safe_bytes(link.name.as_bytes()));
    names.map(|name| name.chars().count()).max().unwrap_or(0)
}
