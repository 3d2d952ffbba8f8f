//! Objects and links in a few words.

use std::fmt::Write as _;

use super::screen::{Ink, Palette, safe, safe_bytes, short};
use crate::{
    ChunkIndexType, Dataset, Dataspace, Datatype, Error, Group, Link, LinkTarget, Object, ObjectKind,
};

/// Longest text of a datatype in a line.
const TYPE_WIDTH: usize = 72;

/// Extent as `{4, 3}`; `{4/10, 3/Inf}` where it may grow; `{scalar}`, `{null}`.
pub(super) fn shape(dataspace: &Dataspace) -> String {
    match dataspace {
        Dataspace::Null => "{null}".to_owned(),
        Dataspace::Scalar => "{scalar}".to_owned(),
        Dataspace::Simple(extent) => {
            let parts = extent.dims().iter().zip(extent.max_dims()).map(|(&dim, max)| match max {
                Some(max) if max == dim => dim.to_string(),
                Some(max) => format!("{dim}/{max}"),
                None => format!("{dim}/Inf"),
            });
            format!("{{{}}}", parts.collect::<Vec<_>>().join(", "))
        }
    }
}

/// Extent of a chunk as `{4, 3}`.
pub(super) fn extent(dims: &[u64]) -> String {
    format!("{{{}}}", dims.iter().map(u64::to_string).collect::<Vec<_>>().join(", "))
}

/// The short text of a datatype.
pub(super) fn datatype(datatype: &Datatype) -> String {
    short(safe(&datatype.to_string()), TYPE_WIDTH)
}

/// The kind of an object and what matters most of it.
pub(super) fn object(object: &Object, ink: Palette) -> String {
    match object.kind() {
        Ok(ObjectKind::Group) => ink.paint(Ink::Group, "group").to_string(),
        Ok(ObjectKind::Dataset) => match object.clone().into_dataset() {
            Ok(dataset) => {
                let mut out = ink.paint(Ink::Dataset, "dataset").to_string();
                _ = write!(out, "  {}  {}", shape(dataset.dataspace()), datatype(dataset.datatype()));
                out
            }
            Err(error) => bad(ink, "dataset, unreadable", &error),
        },
        Ok(ObjectKind::Datatype) => match object.clone().into_datatype() {
            Ok(named) => {
                format!("{}  {}", ink.paint(Ink::Datatype, "datatype"), datatype(named.datatype()))
            }
            Err(error) => bad(ink, "datatype, unreadable", &error),
        },
        Err(error) => bad(ink, "unreadable", &error),
    }
}

/// The kind of a soft, external or user-defined link, its target, and what that is.
pub(super) fn link(group: &Group, link: &Link, ink: Palette) -> String {
    let text = match &link.target {
        LinkTarget::Hard(address) => format!("hard link -> {address:#x}"),
        LinkTarget::Soft(path) => format!("soft link -> {}", safe_bytes(path.as_bytes())),
        LinkTarget::External { file, path } => {
            format!("external link -> {}:{}", safe_bytes(file.as_bytes()), safe_bytes(path.as_bytes()))
        }
        LinkTarget::User { class, data } => {
            return ink
                .paint(Ink::Bad, format!("link of unknown class {class}, {} bytes", data.len()))
                .to_string();
        }
    };
    let text = ink.paint(Ink::Link, text);
    match group.follow(link) {
        Ok(target) => format!("{text}  {}", object(&target, ink)),
        Err(error) => format!("{text}  {}", bad(ink, "broken", &error)),
    }
}

/// What went wrong, without the file and the object, which the reader knows.
pub(super) fn reason(error: &Error) -> String {
    let mut out = String::new();
    if let Some(chunk) = error.chunk() {
        _ = write!(out, "chunk {chunk:?}: ");
    }
    if let Some((id, name)) = error.filter() {
        _ = write!(out, "filter {id} ({name}): ");
    }
    if let Some(structure) = error.structure() {
        out.push_str(structure);
        out.push_str(if error.address().is_some() { " " } else { ": " });
    }
    if let Some(address) = error.address() {
        _ = write!(out, "at {address:#x}: ");
    }
    _ = write!(out, "{}", error.kind());
    safe(&out)
}

/// A mark that something is wrong, and what.
pub(super) fn bad(ink: Palette, what: &str, error: &Error) -> String {
    ink.paint(Ink::Bad, format!("({what}: {})", reason(error))).to_string()
}

/// Bytes that the elements take when all are there.
pub(super) fn logical_bytes(dataset: &Dataset) -> u64 {
    dataset.len().unwrap_or(u64::MAX).saturating_mul(dataset.datatype().size as u64)
}

/// Bytes that the raw data take in the file.
pub(super) fn stored_bytes(dataset: &Dataset) -> crate::Result<u64> {
    // Chunks of an implicit index need no listing, which could go on for ever in a hostile file.
    if let (Some(ChunkIndexType::Implicit), Some(chunk)) = (dataset.chunk_index(), dataset.chunk_shape()) {
        let chunks = dataset.shape().iter().zip(chunk).map(|(dim, chunk)| dim.div_ceil(*chunk));
        let elements =
            chunks.zip(chunk).fold(1u64, |n, (count, c)| n.saturating_mul(count.saturating_mul(*c)));
        return Ok(elements.saturating_mul(dataset.datatype().size as u64));
    }
    dataset.stored_bytes()
}

/// A filter as `deflate(6)`, or with its identification if it has no name.
pub(super) fn filter(spec: &crate::FilterSpec) -> String {
    let name = match (crate::filter_name(spec.id), &spec.name) {
        (Some(name), _) => name.to_owned(),
        (None, Some(name)) => format!("{} [{}]", safe(name), spec.id),
        (None, None) => format!("filter {}", spec.id),
    };
    let parameters: Vec<String> = spec.client_data.iter().map(u32::to_string).collect();
    match (parameters.is_empty(), spec.optional) {
        (true, false) => name,
        (true, true) => format!("{name} optional"),
        (false, false) => format!("{name}({})", parameters.join(", ")),
        (false, true) => format!("{name}({}) optional", parameters.join(", ")),
    }
}

/// The name of the layout of a dataset.
pub(super) fn layout(dataset: &Dataset) -> &'static str {
    use crate::Layout;
    match dataset.layout() {
        Layout::Compact(_) => "compact",
        Layout::Contiguous { .. } if !dataset.external_files().is_empty() => "external",
        Layout::Contiguous { .. } => "contiguous",
        Layout::Chunked(_) => "chunked",
        Layout::Virtual { .. } => "virtual",
    }
}
