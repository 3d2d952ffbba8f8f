//! `h5 digest`: the canonical JSON `h5canon-1`, a fingerprint of the content that does not depend on how it is stored.

use std::collections::{BTreeSet, HashMap, HashSet};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{
    canon::{Canon, memory_size},
    progress::Progress,
    screen::Screen,
};
use crate::{
    AllocationTime, Attribute, Dataset, DatatypeClass, Error, File, FillTime, FillValue, HyperslabDim,
    Layout, LinkTarget, Object, ObjectKind, Result, Selection, Values,
};

/// Datasets that are larger in memory are sampled at two corners.
const MAX_BYTES: u64 = 256 << 20;
/// Extent of a sampled corner.
const SAMPLE_EDGE: u64 = 4;
/// Bytes that are read at a time.
const BLOCK: u64 = 8 << 20;

/// Writes the canonical JSON of a file.
///
/// # Errors
/// If the file cannot be opened, or nothing can be written. What cannot be read within the file is an `error` or
/// `unsupported` entry in its place.
pub fn run(file: &File, screen: &mut Screen<'_>) -> Result<()> {
    let out = &mut *screen.out;
    let info = file.info();
    let head = json!({ "superblock": info.superblock_version, "base": info.base });
    let objects = find_objects(file)?;
    write!(out, "{{\"format\":\"h5canon-1\",\"file\":{head},\"objects\":[")?;
    let canon = Canon::new(file, &objects.paths, Progress::unknown_bytes(screen.is_terminal));
    let count = objects.list.len();
    for (i, (path, entry)) in objects.list.into_iter().enumerate() {
        canon.progress.borrow_mut().at(|| format!("object {} of {count},", i + 1));
        let value = match entry {
            Ok((object, links)) => describe(&path, object, links, &canon),
            Err(e) => json!({ "path": path, "kind": "unreadable", "error": e.to_string() }),
        };
        write!(out, "{}\n{value}", if i > 0 { "," } else { "" })?;
    }
    writeln!(out, "\n]}}")?;
    Ok(())
}

/// An object and its links as JSON.
type Entry = Result<(Object, Vec<Value>)>;

/// Every object once, depth first, by hard links in the order of their names.
struct Objects {
    list: Vec<(String, Entry)>,
    /// Path by address.
    paths: HashMap<u64, String>,
}

fn find_objects(file: &File) -> Result<Objects> {
    let mut found = Objects { list: Vec::new(), paths: HashMap::new() };
    let root = file.object("/")?;
    // Objects to visit, the next one last; the links of a group name their targets once these are known.
    let mut pending = vec![(String::from("/"), root.address())];
    found.paths.insert(root.address(), "/".to_owned());
    let mut groups: Vec<(usize, Vec<crate::Link>)> = Vec::new();
    let mut visited = HashSet::new();
    while let Some((path, address)) = pending.pop() {
        if !visited.insert(address) {
            continue;
        }
        found.paths.insert(address, path.clone());
        let index = found.list.len();
        let object = file.object_at(address);
        if let Ok(object) = &object
            && object.kind().is_ok_and(|k| k == ObjectKind::Group)
            && let Ok(links) = object.clone().into_group().and_then(|g| g.links())
        {
            let links: Vec<crate::Link> = links.into_iter().flatten().collect();
            for link in links.iter().rev() {
                if let LinkTarget::Hard(target) = link.target {
                    let child =
                        if path == "/" { format!("/{}", link.name) } else { format!("{path}/{}", link.name) };
                    pending.push((child, target));
                }
            }
            groups.push((index, links));
        }
        found.list.push((path, object.map(|o| (o, Vec::new()))));
    }
    for (index, links) in groups {
        if let Ok((_, out)) = &mut found.list[index].1 {
            *out = links.iter().map(|link| link_json(link, &found.paths)).collect();
        }
    }
    Ok(found)
}

fn link_json(link: &crate::Link, paths: &HashMap<u64, String>) -> Value {
    let name = link.name.to_string();
    match &link.target {
        LinkTarget::Hard(address) => {
            json!({ "name": name, "type": "hard", "target": paths.get(address) })
        }
        LinkTarget::Soft(path) => json!({ "name": name, "type": "soft", "target": path.to_string() }),
        LinkTarget::External { file, path } => {
            json!({ "name": name, "type": "external", "file": file.to_string(), "target": path.to_string() })
        }
        LinkTarget::User { class, .. } => json!({ "name": name, "type": format!("user{class}") }),
    }
}

fn describe(path: &str, object: Object, links: Vec<Value>, canon: &Canon<'_>) -> Value {
    let mut out = json!({ "path": path });
    match object.kind() {
        Ok(ObjectKind::Group) => {
            out["kind"] = "group".into();
            out["links"] = links.into();
            out["info"] = group_info(&object);
        }
        Ok(ObjectKind::Datatype) => {
            out["kind"] = "datatype".into();
            match object.clone().into_datatype() {
                Ok(t) => out["dtype"] = t.datatype().to_string().into(),
                Err(e) => out["error"] = e.to_string().into(),
            }
        }
        Ok(_) => {
            out["kind"] = "dataset".into();
            match object.clone().into_dataset() {
                Ok(dataset) => describe_dataset(&dataset, canon, &mut out),
                Err(e) => put_error(&mut out, &e),
            }
        }
        Err(e) => out["error"] = e.to_string().into(),
    }
    if let Ok(Some(comment)) = object.comment() {
        out["info"]["comment"] = comment.into();
    }
    match object.attributes() {
        Ok(attributes) => {
            let list = attributes.iter().flatten().map(|a| describe_attribute(a, canon));
            out["attrs"] = list.collect::<Vec<_>>().into();
        }
        Err(e) => out["attrs_error"] = e.to_string().into(),
    }
    out
}

/// Creation order as a number: 1 tracked, 2 indexed.
fn creation_order((tracked, indexed): (bool, bool)) -> u8 {
    u8::from(tracked) | u8::from(indexed) << 1
}

/// What the comparison leaves out, but may be asked for.
fn group_info(object: &Object) -> Value {
    let Ok(group) = object.clone().into_group() else { return json!({}) };
    let mut info = json!({ "storage": group.link_storage() });
    let orders =
        [("link_order", group.link_creation_order()), ("attr_order", group.attribute_creation_order())];
    for (key, order) in orders {
        if creation_order(order) > 0 {
            info[key] = creation_order(order).into();
        }
    }
    info
}

/// Digest of floats of an unusual layout as doubles.
fn as_f64(dataset: &Dataset) -> Option<String> {
    let datatype = dataset.datatype();
    let DatatypeClass::Float(layout) = &datatype.class else { return None };
    let usual = layout.is_ieee(datatype.size) && datatype.size <= 8;
    if usual || dataset.is_empty() || dataset.len().ok()?.saturating_mul(datatype.size as u64) > MAX_BYTES {
        return None;
    }
    let mut hash = Sha256::new();
    for values in blocks(dataset) {
        for element in values.ok()?.iter() {
            hash.update(element.float()?.to_le_bytes());
        }
    }
    Some(hex(hash))
}

fn hex(hash: Sha256) -> String {
    hash.finalize().iter().map(|b| format!("{b:02x}")).collect()
}

fn dataset_info(dataset: &Dataset) -> Value {
    let mut info = json!({
        "alloc_time": match dataset.fill().allocation {
            AllocationTime::Early => "early",
            AllocationTime::Late => "late",
            AllocationTime::Incremental => "incr",
        },
        "fill_time": match dataset.fill().time {
            FillTime::OnAllocation => "alloc",
            FillTime::Never => "never",
            FillTime::IfSet => "ifset",
        },
    });
    if let Some(index) = dataset.chunk_index() {
        info["chunk_index"] = index.name().into();
        if let Ok(chunks) = dataset.chunks() {
            let masks: BTreeSet<u32> = chunks.iter().take(500).map(|c| c.filter_mask).collect();
            info["num_chunks"] = chunks.len().into();
            info["filter_masks"] = masks.into_iter().collect::<Vec<_>>().into();
        }
    }
    if let Some(digest) = as_f64(dataset) {
        info["as_f64_sha256"] = digest.into();
    }
    info
}

fn put_error(out: &mut Value, error: &Error) {
    let key = match error.kind() {
        crate::ErrorKind::Unsupported(_) => "unsupported",
        _ => "error",
    };
    out[key] = error.to_string().into();
}

fn failed(error: &Error) -> Value {
    let mut out = json!({});
    put_error(&mut out, error);
    out
}

fn describe_attribute(attribute: &Attribute, canon: &Canon<'_>) -> Value {
    let mut out = json!({
        "name": attribute.name().to_string(),
        "dtype": attribute.datatype().to_string(),
    });
    if let Some(address) = attribute.named_datatype_address() {
        out["type_path"] = canon.path(address).into();
    }
    if attribute.dataspace().is_null() {
        out["shape"] = Value::Null;
        return out;
    }
    out["shape"] = attribute.shape().into();
    out["data"] = attribute.values().and_then(|v| digest_of([Ok(v)], canon)).unwrap_or_else(|e| failed(&e));
    out
}

fn describe_dataset(dataset: &Dataset, canon: &Canon<'_>, out: &mut Value) {
    out["dtype"] = dataset.datatype().to_string().into();
    if let Some(address) = dataset.named_datatype_address() {
        out["type_path"] = canon.path(address).into();
    }
    out["info"] = dataset_info(dataset);
    let is_null = dataset.dataspace().is_null();
    out["shape"] = if is_null { Value::Null } else { dataset.shape().into() };
    out["maxshape"] = if is_null { Value::Null } else { dataset.max_shape().into() };
    out["layout"] = match dataset.layout() {
        Layout::Compact(_) => "compact",
        Layout::Contiguous { .. } => "contiguous",
        Layout::Chunked(_) => "chunked",
        Layout::Virtual { .. } => "virtual",
    }
    .into();
    out["chunks"] = dataset.chunk_shape().into();
    let filters = dataset.filters().iter();
    out["filters"] = filters
        .map(|f| json!({ "id": f.id, "flags": u8::from(f.optional), "cd": f.client_data }))
        .collect::<Vec<_>>()
        .into();
    out["fill"] = match &dataset.fill().value {
        FillValue::Undefined => json!({ "status": "undefined" }),
        FillValue::Default => json!({ "status": "default" }),
        FillValue::User(_) => match dataset.fill_values().map(|v| digest_of([Ok(v)], canon)) {
            Some(Ok(digest)) => json!({ "status": "user", "sha256": digest["sha256"] }),
            _ => json!({ "status": "user", "error": "fill value cannot be read" }),
        },
    };
    if !dataset.external_files().is_empty() {
        let files = dataset.external_files().iter();
        out["external"] = files
            .map(|f| json!({ "file": f.name.to_string(), "offset": f.offset, "size": f.size }))
            .collect::<Vec<_>>()
            .into();
    }
    if matches!(dataset.layout(), Layout::Virtual { .. }) {
        let mappings = dataset.virtual_mappings().iter();
        out["virtual"] = mappings
            .map(|m| json!({ "file": m.file.to_string(), "dataset": m.dataset.to_string() }))
            .collect::<Vec<_>>()
            .into();
    }
    if !is_null {
        out["data"] = describe_data(dataset, canon).unwrap_or_else(|e| failed(&e));
    }
}

fn describe_data(dataset: &Dataset, canon: &Canon<'_>) -> Result<Value> {
    let shape = dataset.shape();
    let bytes = dataset.len()?.saturating_mul(memory_size(dataset.datatype()));
    if bytes <= MAX_BYTES {
        return digest_of(blocks(dataset), canon);
    }
    let corner = |high: bool| {
        let dims = shape.iter().map(|&d| {
            let extent = d.min(SAMPLE_EDGE);
            HyperslabDim::range(if high { d - extent } else { 0 }, extent)
        });
        digest_of([dataset.values(Selection::Hyperslab(dims.collect()))], canon)
    };
    Ok(json!({ "sampled": true, "lo": corner(false)?, "hi": corner(true)? }))
}

/// The elements of a dataset in blocks of whole rows, aligned with the chunks.
fn blocks(dataset: &Dataset) -> impl Iterator<Item = Result<Values>> + '_ {
    let shape = dataset.shape();
    let rows = shape.first().copied().unwrap_or(1);
    let row_bytes =
        shape.iter().skip(1).product::<u64>().saturating_mul(dataset.datatype().size as u64).max(1);
    let align = dataset.chunk_shape().map_or(1, |c| c[0]).max(1);
    let step = (BLOCK / row_bytes).max(1).next_multiple_of(align);
    let mut start = 0;
    let empty = dataset.is_empty();
    std::iter::from_fn(move || {
        if start >= rows || empty {
            return None;
        }
        let count = step.min(rows - start);
        let selection = match shape {
            [] => Selection::All,
            [_, rest @ ..] => {
                let mut dims = vec![HyperslabDim::range(start, count)];
                dims.extend(rest.iter().map(|&d| HyperslabDim::range(0, d)));
                Selection::Hyperslab(dims)
            }
        };
        start += count;
        Some(dataset.values(selection))
    })
}

fn digest_of(blocks: impl IntoIterator<Item = Result<Values>>, canon: &Canon<'_>) -> Result<Value> {
    let mut hash = Sha256::new();
    let mut total = 0u64;
    for values in blocks {
        let values = values?;
        canon.encode(&values, &mut |bytes| {
            hash.update(bytes);
            total += bytes.len() as u64;
        })?;
        canon.progress.borrow_mut().advance(values.bytes().len() as u64);
    }
    Ok(json!({ "sha256": hex(hash), "nbytes": total }))
}
