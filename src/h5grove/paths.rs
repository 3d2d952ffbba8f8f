//! All paths below a group.

use std::{collections::HashSet, path::Path};

use super::{
    Content, GroupContent, LinkResolution, create_content,
    error::{Error, Result},
    hdf_path_join,
};
use crate::{File, Group, Link, LinkTarget, OpenOptions};

/// The path of a group, and those of all links below it. Each group is listed once, whichever paths lead to it; soft
/// and external links are listed, not followed.
///
/// # Errors
/// `FileNotFound`, `PermissionDenied`; `QueryArgumentError` if the content is no group or `resolve_links` no
/// [`LinkResolution`]; `PathError`; `LinkError` if links are all to be resolved and one leads nowhere.
pub fn get_list_of_paths(
    filepath: impl AsRef<Path>,
    base_path: Option<&str>,
    resolve_links: Option<&str>,
    options: &OpenOptions,
) -> Result<Vec<String>> {
    let resolve_links = resolve_links.map(LinkResolution::parse).transpose()?.unwrap_or_default();
    let file = options.open(filepath).map_err(Error::of_opening)?;
    let mut paths = Vec::new();
    for_each_path(&file, base_path, resolve_links, &mut |path| {
        paths.push(path);
        Ok(())
    })?;
    Ok(paths)
}

/// Calls `f` with the paths of [`get_list_of_paths`], in order.
///
/// # Errors
/// As [`get_list_of_paths`]; those of `f`.
pub fn for_each_path(
    file: &File,
    base_path: Option<&str>,
    resolve_links: LinkResolution,
    f: &mut dyn FnMut(String) -> Result<()>,
) -> Result<()> {
    let content = create_content(file, base_path, resolve_links)?;
    let Content::Group(base) = content else {
        return Err(Error::query(format!("{} is not a group", content.path())));
    };
    f(base.path().to_owned())?;
    let base: &GroupContent = &base;
    let mut visited = HashSet::from([base.group().address()]);
    // A stack of its own: groups may be nested as deeply as the file likes.
    let mut stack = vec![(base.group().clone(), base.path().to_owned(), links(base.group())?.into_iter())];
    while let Some((group, prefix, rest)) = stack.last_mut() {
        let Some(link) = rest.next() else {
            stack.pop();
            continue;
        };
        let path = hdf_path_join(Some(prefix), &link.name.to_string());
        match &link.target {
            LinkTarget::Hard(_) => {
                let below = group.follow(&link).and_then(|object| object.into_group()).ok();
                f(path.clone())?;
                if let Some(below) = below.filter(|g| visited.insert(g.address())) {
                    let links = links(&below)?.into_iter();
                    stack.push((below, path, links));
                }
            }
            LinkTarget::Soft(_) | LinkTarget::External { .. } => {
                if resolve_links == LinkResolution::All && group.follow(&link).is_err() {
                    return Err(Error::LinkError(format!("Cannot resolve link at {path}")));
                }
                f(path)?;
            }
            _ => f(path)?,
        }
    }
    Ok(())
}

fn links(group: &Group) -> Result<Vec<Link>> {
    Ok(group.links()?.into_iter().collect::<crate::Result<_>>()?)
}
