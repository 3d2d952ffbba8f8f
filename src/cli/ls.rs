//! `h5 ls`: a line for each link of a group.

use super::{
    cat::render::{Renderer, Syntax},
    describe,
    progress::Progress,
    screen::{Ink, Screen, human, ratio, safe, safe_bytes, short},
    target,
    walk::{self, Found, Walk},
};
use crate::{
    AllocationTime, Attribute, ChunkIndexType, Dataset, Datatype, File, FillTime, FillValue, Link,
    LinkTarget, Object, ObjectKind, Result,
};

/// Names are padded to this many characters at least, and at most.
const WIDTH: std::ops::RangeInclusive<usize> = 16..=48;
/// Characters of the value of an attribute.
const VALUE_WIDTH: usize = 60;
/// Elements of an attribute that are looked at for its short value.
const VALUE_ELEMENTS: usize = 16;

/// What is listed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Options {
    pub(super) recursive: bool,
    pub(super) verbose: bool,
}

/// Lists the group at `path`, or shows the object there if it is no group.
///
/// # Errors
/// `Io`; those of the object itself. What is wrong below it is shown in its place.
pub(super) fn run(file: &File, path: &[u8], options: Options, screen: &mut Screen<'_>) -> Result<()> {
    let object = match target::find(file, path)? {
        target::Found::Object(object) => object,
        target::Found::Attribute(attribute) => return show_attribute(file, path, &attribute, screen),
    };
    let is_group = object.kind()? == ObjectKind::Group;
    let renderer = Renderer::new(file, Syntax::Text);
    if options.recursive && is_group {
        return recursive(&renderer, &object, path, options, screen);
    }
    if !is_group {
        line(screen, path, 0, &describe::object(&object, screen.ink))?;
        return if options.verbose { details(&renderer, &object, screen) } else { Ok(()) };
    }
    let group = object.into_group()?;
    let links = group.links()?;
    let width = walk::width(&links);
    for link in &links {
        let link = match link {
            Ok(link) => link,
            Err(error) => {
                line(screen, b"?", width, &describe::bad(screen.ink, "unreadable link", error))?;
                continue;
            }
        };
        let object = match &link.target {
            LinkTarget::Hard(_) => group.follow(link),
            _ => {
                line(screen, link.name.as_bytes(), width, &describe::link(&group, link, screen.ink))?;
                if options.verbose {
                    link_details(link, screen)?;
                }
                continue;
            }
        };
        match object {
            Ok(object) => {
                line(screen, link.name.as_bytes(), width, &describe::object(&object, screen.ink))?;
                if options.verbose {
                    details(&renderer, &object, screen)?;
                }
            }
            Err(error) => {
                let text = describe::bad(screen.ink, "unreadable", &error);
                line(screen, link.name.as_bytes(), width, &text)?;
            }
        }
    }
    Ok(())
}

fn recursive(
    renderer: &Renderer<'_>,
    start: &Object,
    path: &[u8],
    options: Options,
    screen: &mut Screen<'_>,
) -> Result<()> {
    let mut progress = Progress::objects(screen.is_terminal);
    Walk::default().run(start, path, &mut |step| {
        progress.advance(1);
        let ink = screen.ink;
        let text = match &step.found {
            Found::Object(object) => describe::object(object, ink),
            Found::Again(first) => {
                ink.paint(Ink::Faint, format!("already visited as {}", safe_bytes(first))).to_string()
            }
            Found::Link(group, link) => describe::link(group, link, ink),
            Found::Unreadable(error) => describe::bad(ink, "unreadable", error),
            Found::LinkUnreadable(error) => describe::bad(ink, "unreadable link", error),
            Found::LinksUnreadable(error) => describe::bad(ink, "links cannot be listed", error),
        };
        let parent = step.path.len().saturating_sub(step.name.len());
        line(screen, step.path, step.width.saturating_add(parent), &text)?;
        match step.found {
            Found::Object(object) if options.verbose => details(renderer, object, screen),
            Found::Link(_, link) if options.verbose => link_details(link, screen),
            _ => Ok(()),
        }
    })
}

fn line(screen: &mut Screen<'_>, name: &[u8], width: usize, text: &str) -> Result<()> {
    let name = safe_bytes(name);
    let width = width.clamp(*WIDTH.start(), *WIDTH.end());
    Ok(writeln!(screen.out, "{name:width$}  {text}")?)
}

fn detail(screen: &mut Screen<'_>, what: &str, text: &str) -> Result<()> {
    let what = screen.ink.paint(Ink::Faint, format!("{what:10}")).to_string();
    Ok(writeln!(screen.out, "    {what}  {text}")?)
}

fn link_details(link: &Link, screen: &mut Screen<'_>) -> Result<()> {
    match link.creation_order {
        Some(order) => detail(screen, "created", &format!("as number {order} of the group")),
        None => Ok(()),
    }
}

/// Everything else that is known of an object.
fn details(renderer: &Renderer<'_>, object: &Object, screen: &mut Screen<'_>) -> Result<()> {
    let links = match object.link_count() {
        Ok(1) => "1 hard link".to_owned(),
        Ok(n) => format!("{n} hard links"),
        Err(error) => describe::bad(screen.ink, "link count unreadable", &error),
    };
    let header = object.header_bytes();
    detail(screen, "object", &format!("at {:#x}, {links}, header of {header} bytes", object.address()))?;
    match object.comment() {
        Ok(Some(comment)) => detail(screen, "comment", &safe(&comment))?,
        Ok(None) => {}
        Err(error) => detail(screen, "comment", &describe::bad(screen.ink, "unreadable", &error))?,
    }
    match object.kind() {
        Ok(ObjectKind::Group) => {
            if let Ok(group) = object.clone().into_group() {
                let order = match group.link_creation_order() {
                    (false, _) => "",
                    (true, false) => ", order of creation tracked",
                    (true, true) => ", order of creation tracked and indexed",
                };
                detail(screen, "links", &format!("{}{order}", group.link_storage()))?;
            }
        }
        Ok(ObjectKind::Dataset) => {
            if let Ok(dataset) = object.clone().into_dataset() {
                dataset_details(renderer, &dataset, screen)?;
            }
        }
        Ok(ObjectKind::Datatype) => {
            if let Ok(named) = object.clone().into_datatype() {
                type_details(named.datatype(), screen)?;
            }
        }
        Err(_) => {}
    }
    match object.attributes() {
        Ok(attributes) => {
            for attribute in &attributes {
                let text = match attribute {
                    Ok(attribute) => attribute_text(renderer, attribute),
                    Err(error) => describe::bad(screen.ink, "unreadable", error),
                };
                detail(screen, "attribute", &text)?;
            }
            Ok(())
        }
        Err(error) => {
            let text = describe::bad(screen.ink, "cannot be listed", &error);
            detail(screen, "attributes", &text)
        }
    }
}

fn dataset_details(renderer: &Renderer<'_>, dataset: &Dataset, screen: &mut Screen<'_>) -> Result<()> {
    let mut layout = describe::layout(dataset).to_owned();
    if let (Some(chunk), Some(index)) = (dataset.chunk_shape(), dataset.chunk_index()) {
        layout = format!("{layout} {}, index {}", describe::extent(chunk), index_text(index));
    }
    if !dataset.virtual_mappings().is_empty() {
        layout = format!("{layout}, {} mappings", dataset.virtual_mappings().len());
    }
    detail(screen, "layout", &layout)?;
    for file in dataset.external_files() {
        let size = file.size.map_or("no limit".to_owned(), |n| format!("{n} bytes"));
        let text = format!("{} from {}, {size}", safe_bytes(file.name.as_bytes()), file.offset);
        detail(screen, "raw file", &text)?;
    }
    for mapping in dataset.virtual_mappings() {
        let (file, path) = (safe_bytes(mapping.file.as_bytes()), safe_bytes(mapping.dataset.as_bytes()));
        detail(screen, "source", &format!("{file}:{path}"))?;
    }
    let filters: Vec<String> = dataset.filters().iter().map(describe::filter).collect();
    if !filters.is_empty() {
        detail(screen, "filters", &filters.join(", "))?;
    }
    let logical = describe::logical_bytes(dataset);
    let storage = match describe::stored_bytes(dataset) {
        Ok(stored) => {
            format!("{} stored for {} ({})", human(stored), human(logical), ratio(logical, stored))
        }
        Err(error) => describe::bad(screen.ink, "unreadable", &error),
    };
    detail(screen, "storage", &storage)?;
    let fill = dataset.fill();
    let value = match &fill.value {
        FillValue::Undefined => "undefined".to_owned(),
        FillValue::Default => "default".to_owned(),
        FillValue::User(_) => match dataset.fill_values().as_ref().and_then(|v| v.get(0)) {
            Some(element) => {
                let mut text = String::new();
                match renderer.element(element, &mut text) {
                    Ok(()) => short(text, VALUE_WIDTH),
                    Err(error) => describe::bad(screen.ink, "unreadable", &error),
                }
            }
            None => "set".to_owned(),
        },
    };
    let allocation = match fill.allocation {
        AllocationTime::Early => "early",
        AllocationTime::Late => "late",
        AllocationTime::Incremental => "incremental",
    };
    let time = match fill.time {
        FillTime::OnAllocation => "on allocation",
        FillTime::Never => "never",
        FillTime::IfSet => "if set",
    };
    detail(screen, "fill", &format!("{value}, written {time}, allocation {allocation}"))?;
    type_details(dataset.datatype(), screen)
}

/// The type in full, if the line of the object has it shortened.
fn type_details(datatype: &Datatype, screen: &mut Screen<'_>) -> Result<()> {
    let full = safe(&datatype.to_string());
    if full == describe::datatype(datatype) { Ok(()) } else { detail(screen, "type", &full) }
}

fn index_text(index: ChunkIndexType) -> String {
    match index {
        ChunkIndexType::FixedArray { page_bits } => format!("{} (pages of 2^{page_bits})", index.name()),
        ChunkIndexType::BTreeV2 { node_size, .. } => format!("{} (nodes of {node_size} bytes)", index.name()),
        ChunkIndexType::Single { filtered: Some((bytes, mask)) } => {
            format!("{} ({bytes} bytes, filter mask {mask:#x})", index.name())
        }
        _ => index.name().to_owned(),
    }
}

fn attribute_text(renderer: &Renderer<'_>, attribute: &Attribute) -> String {
    let name = safe_bytes(attribute.name().as_bytes());
    let shape = describe::shape(attribute.dataspace());
    let datatype = describe::datatype(attribute.datatype());
    format!("{name}  {shape}  {datatype}  {}", short_value(renderer, attribute))
}

/// The first elements of an attribute.
fn short_value(renderer: &Renderer<'_>, attribute: &Attribute) -> String {
    if attribute.dataspace().is_empty() {
        return String::new();
    }
    let read = || {
        let values = attribute.values()?;
        let mut text = String::new();
        for (i, element) in values.iter().take(VALUE_ELEMENTS).enumerate() {
            text.push_str(if i > 0 { ", " } else { "" });
            renderer.element(element, &mut text)?;
            if text.len() > 8 * VALUE_WIDTH {
                break;
            }
        }
        if values.len() > VALUE_ELEMENTS {
            text.push_str(", ...");
        }
        Ok(short(text, VALUE_WIDTH))
    };
    read().unwrap_or_else(|error| format!("(unreadable: {})", describe::reason(&error)))
}

fn show_attribute(file: &File, path: &[u8], attribute: &Attribute, screen: &mut Screen<'_>) -> Result<()> {
    let renderer = Renderer::new(file, Syntax::Text);
    let shape = describe::shape(attribute.dataspace());
    let datatype = describe::datatype(attribute.datatype());
    let value = short_value(&renderer, attribute);
    line(screen, path, 0, &format!("attribute  {shape}  {datatype}  {value}"))
}
