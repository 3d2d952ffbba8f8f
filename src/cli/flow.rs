//! `h5 flow`: datasets of rows that refer to each other.

use std::path::Path;

use clap::ValueEnum;

use super::screen::{Screen, safe};
use crate::{
    Element, Error, ErrorKind, Result, Values,
    h5flow::{H5FlowDataManager, MaskedValues, Sel, print_attr, print_data, print_ref},
};

/// How rows are written.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub(super) enum Format {
    /// A line for each row that is referred to: the parent, which of its children, the row
    #[default]
    Csv,
    /// A list of lists
    Json,
    /// A padded array of numpy, without the mask
    Npy,
}

/// Lists datasets, references and attributes.
pub(super) fn list(path: &Path, screen: &mut Screen<'_>) -> Result<()> {
    let root = H5FlowDataManager::open(path, "r")?.fh()?.root()?;
    for (title, text) in [
        ("datasets", print_data(&root)?),
        ("references", print_ref(&root)?),
        ("attributes", print_attr(&root)?),
    ] {
        let count = text.lines().filter(|line| !line.starts_with('\t')).count();
        writeln!(screen.out, "{title}: {count}")?;
        for line in text.lines() {
            let (tab, rest) = line.strip_prefix('\t').map_or(("", line), |rest| ("    ", rest));
            writeln!(screen.out, "  {tab}{}", safe(rest))?;
        }
    }
    Ok(())
}

fn usage(text: String) -> Error {
    Error::new(ErrorKind::Usage(text))
}

/// `5`, `0:100`, `0:100:2` or `1,5,7`; parts of a slice may be left out.
fn selection(text: &str, len: u64) -> Result<Sel> {
    let number = |part: &str| part.trim().parse::<u64>().map_err(|_| usage(format!("{part:?} is no row")));
    if text.contains(':') {
        let parts: Vec<&str> = text.split(':').collect();
        let part = |i: usize, or: u64| match parts.get(i) {
            None | Some(&"") => Ok(or),
            Some(text) => number(text),
        };
        let step = part(2, 1)?;
        if parts.len() > 3 || step == 0 {
            return Err(usage(format!("{text:?} is no slice")));
        }
        return Ok(Sel::Slice { start: part(0, 0)?, stop: part(1, len)?.min(len), step });
    }
    if text.contains(',') {
        return Ok(Sel::List(text.split(',').map(number).collect::<Result<_>>()?));
    }
    Ok(Sel::Index(number(text)?))
}

/// Writes what rows of the first dataset refer to in the last.
pub(super) fn dereference(
    path: &Path,
    names: &[String],
    select: Option<&str>,
    format: Format,
    screen: &mut Screen<'_>,
) -> Result<()> {
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let (Some(first), 2..) = (names.first(), names.len()) else {
        return Err(usage("a parent and at least one child are wanted".to_owned()));
    };
    let dm = H5FlowDataManager::open(path, "r")?;
    let len = dm.get_dset(first)?.shape().first().copied().unwrap_or(0);
    let sel = selection(select.unwrap_or(":"), len)?;
    let rows = sel.rows()?;
    let found = dm.dereference(&names, sel)?;
    match format {
        Format::Csv => csv(&rows, &found, screen),
        Format::Json => json(&found, screen),
        Format::Npy => npy(&found, screen),
    }
}

/// For each selected parent the numbers of its elements in the padded array.
fn cells(found: &MaskedValues) -> impl Iterator<Item = Vec<usize>> {
    let width: usize = found.mask.shape().iter().skip(1).product();
    let mask: Vec<bool> = found.mask.iter().copied().collect();
    (0..found.len()).map(move |parent| {
        let start = parent * width;
        (start..start + width).filter(|&at| !mask.get(at).copied().unwrap_or(true)).collect()
    })
}

/// Elements of a row of the child: more than one if it is an array.
fn per_row(found: &MaskedValues) -> usize {
    found.data.len() / found.mask.len().max(1)
}

fn row(values: &Values, at: usize, per_row: usize) -> Vec<Element<'_>> {
    (at * per_row..(at + 1) * per_row).filter_map(|i| values.get(i)).collect()
}

/// The parts of an element, as text.
fn fields(element: &Element<'_>, out: &mut Vec<String>) -> Result<()> {
    if let Some(text) = element.text()? {
        out.push(String::from_utf8_lossy(text).into_owned());
    } else if let Some(number) = element.integer() {
        out.push(number.to_string());
    } else if let Some(number) = element.float() {
        out.push(number.to_string());
    } else if let Some(mut parts) = element.elements()? {
        parts.try_for_each(|part| fields(&part, out))?;
    } else {
        element.members().try_for_each(|(_, part)| fields(&part, out))?;
    }
    Ok(())
}

fn csv(rows: &[u64], found: &MaskedValues, screen: &mut Screen<'_>) -> Result<()> {
    let wrong = |e: csv::Error| Error::from(std::io::Error::other(e));
    let per_row = per_row(found);
    let mut out = csv::WriterBuilder::new().flexible(true).from_writer(&mut *screen.out);
    for (parent, cells) in rows.iter().zip(cells(found)) {
        for (i, cell) in cells.into_iter().enumerate() {
            let mut line = vec![parent.to_string(), i.to_string()];
            row(&found.data, cell, per_row).iter().try_for_each(|element| fields(element, &mut line))?;
            out.write_record(&line).map_err(wrong)?;
        }
    }
    Ok(out.flush()?)
}

fn value(element: &Element<'_>) -> Result<serde_json::Value> {
    use serde_json::Value;
    if let Some(text) = element.text()? {
        return Ok(Value::String(String::from_utf8_lossy(text).into_owned()));
    }
    if let Some(number) = element.integer() {
        let small =
            i64::try_from(number).map(Value::from).or_else(|_| u64::try_from(number).map(Value::from));
        return Ok(small.unwrap_or_else(|_| Value::String(number.to_string())));
    }
    if let Some(number) = element.float() {
        return Ok(Value::from(number));
    }
    if let Some(parts) = element.elements()? {
        return parts.map(|part| value(&part)).collect();
    }
    let members = element.members().map(|(name, part)| Ok((name.to_string(), value(&part)?)));
    Ok(Value::Object(members.collect::<Result<_>>()?))
}

fn json(found: &MaskedValues, screen: &mut Screen<'_>) -> Result<()> {
    let per_row = per_row(found);
    writeln!(screen.out, "[")?;
    for (parent, cells) in cells(found).enumerate() {
        let mut list = Vec::new();
        for cell in cells {
            let parts = row(&found.data, cell, per_row).iter().map(value).collect::<Result<Vec<_>>>()?;
            list.push(match <[_; 1]>::try_from(parts) {
                Ok([one]) => one,
                Err(parts) => serde_json::Value::Array(parts),
            });
        }
        let comma = if parent + 1 < found.len() { "," } else { "" };
        writeln!(screen.out, "{}{comma}", serde_json::Value::Array(list))?;
    }
    Ok(writeln!(screen.out, "]")?)
}

fn npy(found: &MaskedValues, screen: &mut Screen<'_>) -> Result<()> {
    let header =
        super::cat::npy::header(&super::cat::npy::descr(found.data.datatype())?, found.data.shape())?;
    screen.out.write_all(&header)?;
    Ok(screen.out.write_all(found.data.bytes())?)
}
