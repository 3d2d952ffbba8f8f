//! What is at a path of a file.

use std::path::Path;

use super::{
    Attributes, Data, DtypeConversion, Stats,
    error::{Error, Result},
    metadata::{
        AttributeMetadata, DatasetMetadata, DatatypeMetadata, EntityMetadata, ExternalLinkMetadata,
        GroupMetadata, Kind, Metadata, SoftLinkMetadata, TypeMetadata,
    },
    stats,
};
use crate::{
    Attribute, Dataset, File, Group, Link, LinkTarget, Name, NamedDatatype, Object, ObjectKind, OpenOptions,
};

/// Which soft and external links become what they lead to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum LinkResolution {
    /// None: they are content of their own.
    None,
    /// Those that lead somewhere.
    #[default]
    OnlyValid,
    /// All: one that leads nowhere is a `LinkError`.
    All,
}

impl LinkResolution {
    /// From the parameter `resolve_links` of a query: `none` or `false`, `only_valid`, `all` or `true`.
    ///
    /// # Errors
    /// `QueryArgumentError` if it is none of these.
    pub fn parse(text: &str) -> Result<Self> {
        match text.to_lowercase().as_str() {
            "none" | "false" => Ok(LinkResolution::None),
            "only_valid" => Ok(LinkResolution::OnlyValid),
            "all" | "true" => Ok(LinkResolution::All),
            _ => Err(Error::query(format!(
                "{text} is not a valid value for link resolution. Accepted values are: all, none or only_valid"
            ))),
        }
    }
}

/// What is at a path.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Content {
    /// A group.
    Group(GroupContent),
    /// A dataset.
    Dataset(DatasetContent),
    /// A committed datatype.
    Datatype(DatatypeContent),
    /// A soft link that was not resolved.
    SoftLink(SoftLinkContent),
    /// An external link that was not resolved.
    ExternalLink(ExternalLinkContent),
    /// A link that cannot be resolved: a user-defined one, or one to an object that cannot be read.
    Other(OtherContent),
}

/// A group.
#[derive(Clone, Debug)]
pub struct GroupContent {
    path: String,
    group: Group,
}

/// A dataset.
#[derive(Clone, Debug)]
pub struct DatasetContent {
    path: String,
    dataset: Dataset,
}

/// A committed datatype.
#[derive(Clone, Debug)]
pub struct DatatypeContent {
    path: String,
    datatype: NamedDatatype,
}

/// A soft link that was not resolved.
#[derive(Clone, Debug)]
pub struct SoftLinkContent {
    path: String,
    target_path: String,
}

/// An external link that was not resolved.
#[derive(Clone, Debug)]
pub struct ExternalLinkContent {
    path: String,
    target_file: String,
    target_path: String,
}

/// A link that cannot be resolved.
#[derive(Clone, Debug)]
pub struct OtherContent {
    path: String,
}

/// The path of a member of a group.
///
/// ```
/// use h5::h5grove::hdf_path_join;
/// assert_eq!(hdf_path_join(None, "a"), "/a");
/// assert_eq!(hdf_path_join(Some("/"), "a"), "/a");
/// assert_eq!(hdf_path_join(Some("/a/"), "b"), "/a/b");
/// ```
pub fn hdf_path_join(prefix: Option<&str>, suffix: &str) -> String {
    match prefix {
        None | Some("/") => format!("/{suffix}"),
        Some(prefix) => format!("{}/{suffix}", prefix.trim_end_matches('/')),
    }
}

/// The content at a path; the root group, if none is given.
///
/// # Errors
/// `PathError` if there is nothing; `LinkError` if a link leads nowhere and all are to be resolved; `File` if the
/// object cannot be read.
pub fn create_content(file: &File, path: Option<&str>, resolve_links: LinkResolution) -> Result<Content> {
    let path = path.unwrap_or("/");
    if path == "/" {
        return Content::of_object(file.root()?.as_object().clone(), path.to_owned());
    }
    let missing = || {
        let name = Path::new(file.name()).file_name().unwrap_or_default().to_string_lossy();
        Error::PathError(format!("{path} is not a valid path in {name}"))
    };
    let trimmed = path.trim_end_matches('/');
    let (parent, name) = match trimmed.rsplit_once('/') {
        Some((parent, name)) => (if parent.is_empty() { "/" } else { parent }, name),
        None => ("/", trimmed),
    };
    if name.is_empty() || name == "." {
        return Err(missing());
    }
    let group = file.group(parent).map_err(|_| missing())?;
    let link = group.link(name)?.ok_or_else(missing)?;
    let resolved = Content::of_link(&group, &link, path.to_owned(), resolve_links);
    resolved.map_err(|e| match e {
        Error::LinkError(_) => {
            let name = Path::new(file.name()).file_name().unwrap_or_default().to_string_lossy();
            Error::LinkError(format!("Cannot resolve link at {path} of {name}"))
        }
        e => e,
    })
}

/// Opens a file and finds the content at a path of it.
///
/// # Errors
/// `FileNotFound`, `PermissionDenied`; `QueryArgumentError` if `resolve_links` is no [`LinkResolution`]; those of
/// [`create_content`].
pub fn get_content_from_file(
    filepath: impl AsRef<Path>,
    path: Option<&str>,
    resolve_links: Option<&str>,
    options: &OpenOptions,
) -> Result<Content> {
    let resolve_links = resolve_links.map(LinkResolution::parse).transpose()?.unwrap_or_default();
    let file = options.open(filepath).map_err(Error::of_opening)?;
    create_content(&file, path, resolve_links)
}

impl Content {
    fn of_object(object: Object, path: String) -> Result<Self> {
        Ok(match object.kind()? {
            ObjectKind::Group => Content::Group(GroupContent { path, group: object.into_group()? }),
            ObjectKind::Dataset => Content::Dataset(DatasetContent { path, dataset: object.into_dataset()? }),
            ObjectKind::Datatype => {
                Content::Datatype(DatatypeContent { path, datatype: object.into_datatype()? })
            }
        })
    }

    fn of_link(group: &Group, link: &Link, path: String, resolve_links: LinkResolution) -> Result<Self> {
        let unresolved = |path: String| match &link.target {
            LinkTarget::Soft(target) => {
                Content::SoftLink(SoftLinkContent { path, target_path: target.to_string() })
            }
            LinkTarget::External { file, path: target } => Content::ExternalLink(ExternalLinkContent {
                path,
                target_file: file.to_string(),
                target_path: target.to_string(),
            }),
            _ => Content::Other(OtherContent { path }),
        };
        match &link.target {
            LinkTarget::Hard(_) => Content::of_object(group.follow(link)?, path),
            LinkTarget::Soft(_) | LinkTarget::External { .. } if resolve_links == LinkResolution::None => {
                Ok(unresolved(path))
            }
            LinkTarget::Soft(_) | LinkTarget::External { .. } => {
                match group
                    .follow(link)
                    .map_err(Error::from)
                    .and_then(|o| Content::of_object(o, path.clone()))
                {
                    Ok(content) => Ok(content),
                    Err(_) if resolve_links == LinkResolution::OnlyValid => Ok(unresolved(path)),
                    Err(e) => Err(Error::LinkError(e.to_string())),
                }
            }
            _ => Ok(unresolved(path)),
        }
    }

    /// Last part of the path.
    pub fn name(&self) -> &str {
        self.path().rsplit('/').next().unwrap_or_default()
    }

    /// The path by which it was asked for.
    pub fn path(&self) -> &str {
        match self {
            Content::Group(c) => &c.path,
            Content::Dataset(c) => &c.path,
            Content::Datatype(c) => &c.path,
            Content::SoftLink(c) => &c.path,
            Content::ExternalLink(c) => &c.path,
            Content::Other(c) => &c.path,
        }
    }

    /// What it is.
    pub fn kind(&self) -> Kind {
        match self {
            Content::Group(_) => Kind::Group,
            Content::Dataset(_) => Kind::Dataset,
            Content::Datatype(_) => Kind::Datatype,
            Content::SoftLink(_) => Kind::SoftLink,
            Content::ExternalLink(_) => Kind::ExternalLink,
            Content::Other(_) => Kind::Other,
        }
    }

    /// The object, unless it is a link.
    pub fn object(&self) -> Option<&Object> {
        match self {
            Content::Group(c) => Some(c.group.as_object()),
            Content::Dataset(c) => Some(c.dataset.as_object()),
            Content::Datatype(c) => Some(&c.datatype),
            _ => None,
        }
    }

    /// Metadata; those of the members of a group, and of their members, down to this depth (h5grove's is 1).
    ///
    /// # Errors
    /// `File` if the object cannot be read. A member that cannot be read is of kind `other`.
    pub fn metadata(&self, depth: u32) -> Result<Metadata> {
        let name = self.name().to_owned();
        Ok(match self {
            Content::Group(c) => {
                let children = if depth == 0 { None } else { Some(c.children(depth - 1)?) };
                let attributes = attributes_of(&c.group)?;
                Metadata::Group(GroupMetadata { attributes, children, kind: Kind::Group, name })
            }
            Content::Dataset(c) => {
                Metadata::Dataset(DatasetMetadata::of(&c.dataset, name, attributes_of(&c.dataset)?))
            }
            Content::Datatype(c) => Metadata::Datatype(DatatypeMetadata {
                attributes: attributes_of(&c.datatype)?,
                kind: Kind::Datatype,
                name,
                datatype: TypeMetadata::of(c.datatype.datatype()),
            }),
            Content::SoftLink(c) => Metadata::SoftLink(SoftLinkMetadata {
                kind: Kind::SoftLink,
                name,
                target_path: c.target_path.clone(),
            }),
            Content::ExternalLink(c) => Metadata::ExternalLink(ExternalLinkMetadata {
                kind: Kind::ExternalLink,
                name,
                target_file: c.target_file.clone(),
                target_path: c.target_path.clone(),
            }),
            Content::Other(_) => Metadata::Other(EntityMetadata { kind: Kind::Other, name }),
        })
    }

    /// Attributes with their values: all of them, or those of these names, in that order.
    ///
    /// # Errors
    /// `AttributeError` if there is none of a name; `QueryArgumentError` for a link; `File` if one cannot be read.
    pub fn attributes(&self, keys: Option<&[&str]>) -> Result<Attributes> {
        let Some(object) = self.object() else {
            return Err(Error::query(format!("{} is not a resolved entity", self.path())));
        };
        let mut found = Vec::new();
        match keys {
            None => {
                found = match object.attribute_creation_order().0 {
                    true => object.attributes_by_creation()?,
                    false => object.attributes()?.into_iter().collect::<crate::Result<_>>()?,
                };
            }
            Some(keys) => {
                for key in keys {
                    if found.iter().any(|a: &Attribute| a.name() == *key) {
                        continue;
                    }
                    found.push(object.attribute(key).map_err(|e| match e.kind() {
                        crate::ErrorKind::NotFound(_) => {
                            Error::AttributeError(format!("{key} is not an attribute of {}", self.path()))
                        }
                        _ => e.into(),
                    })?);
                }
            }
        }
        let value = |attribute: Attribute| -> Result<(String, Data)> {
            let data = match attribute.dataspace().is_null() {
                true => Data::null(attribute.datatype()),
                false => Data::of_values(attribute.values()?),
            };
            Ok((attribute.name().to_string(), data))
        };
        Ok(Attributes(found.into_iter().map(value).collect::<Result<_>>()?))
    }

    /// The data of a dataset, or the part that `selection` selects (as numpy's indices do: `0:10, 3`). They are read
    /// when they are encoded.
    ///
    /// # Errors
    /// `QueryArgumentError` for other content, for a selection that is none or does not fit, and for a conversion of
    /// what is no number.
    pub fn data(&self, selection: Option<&str>, flatten: bool, dtype: DtypeConversion) -> Result<Data> {
        match self {
            Content::Dataset(c) => c.data(selection, flatten, dtype),
            _ => Err(Error::query(format!("{} is not a dataset", self.path()))),
        }
    }

    /// Statistics of the finite numbers of a dataset, or of a part of it.
    ///
    /// # Errors
    /// `QueryArgumentError` as [`data`](Self::data), and for elements other than real numbers; those of reading.
    pub fn data_stats(&self, selection: Option<&str>) -> Result<Stats> {
        match self {
            Content::Dataset(c) => c.data_stats(selection),
            _ => Err(Error::query(format!("{} is not a dataset", self.path()))),
        }
    }

    /// The path that a link leads to, if this is one.
    pub fn target_path(&self) -> Option<&str> {
        match self {
            Content::SoftLink(c) => Some(&c.target_path),
            Content::ExternalLink(c) => Some(&c.target_path),
            _ => None,
        }
    }

    /// The file that an external link leads to, if this is one.
    pub fn target_file(&self) -> Option<&str> {
        match self {
            Content::ExternalLink(c) => Some(&c.target_file),
            _ => None,
        }
    }
}

impl GroupContent {
    /// The group.
    pub fn group(&self) -> &Group {
        &self.group
    }

    pub(super) fn path(&self) -> &str {
        &self.path
    }

    fn children(&self, depth: u32) -> Result<Vec<Metadata>> {
        let links: Vec<Link> = match self.group.link_creation_order().0 {
            true => self.group.links_by_creation()?,
            false => self.group.links()?.into_iter().collect::<crate::Result<_>>()?,
        };
        let child = |link: &Link| {
            let path = hdf_path_join(Some(&self.path), &link.name.to_string());
            let content = Content::of_link(&self.group, link, path, LinkResolution::OnlyValid);
            content.and_then(|c| c.metadata(depth)).unwrap_or_else(|_| {
                Metadata::Other(EntityMetadata { kind: Kind::Other, name: last_part(&link.name) })
            })
        };
        Ok(links.iter().map(child).collect())
    }
}

fn last_part(name: &Name) -> String {
    name.to_string().rsplit('/').next().unwrap_or_default().to_owned()
}

impl DatasetContent {
    /// The dataset.
    pub fn dataset(&self) -> &Dataset {
        &self.dataset
    }

    /// As [`Content::data`].
    ///
    /// # Errors
    /// As [`Content::data`].
    pub fn data(&self, selection: Option<&str>, flatten: bool, dtype: DtypeConversion) -> Result<Data> {
        let data = Data::of_dataset(&self.dataset, selection)?.converted(dtype)?;
        Ok(if flatten { data.flattened() } else { data })
    }

    /// As [`Content::data_stats`].
    ///
    /// # Errors
    /// As [`Content::data_stats`].
    pub fn data_stats(&self, selection: Option<&str>) -> Result<Stats> {
        stats::of(&Data::of_dataset(&self.dataset, selection)?)
    }
}

impl DatatypeContent {
    /// The datatype.
    pub fn datatype(&self) -> &NamedDatatype {
        &self.datatype
    }
}

fn attributes_of(object: &Object) -> Result<Vec<AttributeMetadata>> {
    Ok(object.attributes()?.iter().flatten().map(AttributeMetadata::of).collect())
}
