//! `h5 stat`: what a file consists of, in numbers.

use std::{collections::BTreeMap, io::Write};

use super::{
    describe,
    progress::Progress,
    screen::{Ink, Palette, Screen, human, ratio, safe_bytes},
    walk::{Found, Step, Walk},
};
use crate::{Dataset, File, LinkTarget, MetadataTally, Object, ObjectKind, Result};

/// How many of the largest datasets are named.
const LARGEST: usize = 5;
/// How many of the problems are named.
const PROBLEMS: usize = 10;
/// How many kinds of parameters of a filter are told apart.
const PARAMETERS: usize = 4;
/// How many parameters of a filter are shown.
const SHOWN: usize = 8;

#[derive(Default)]
struct Totals {
    kinds: BTreeMap<&'static str, u64>,
    group_storage: BTreeMap<&'static str, u64>,
    links: BTreeMap<&'static str, u64>,
    attributes: u64,
    layouts: BTreeMap<&'static str, u64>,
    chunk_indexes: BTreeMap<&'static str, u64>,
    filters: BTreeMap<u16, FilterUse>,
    metadata: MetadataTally,
    /// Raw data in blocks of their own, in this file.
    stored: u64,
    /// Raw data in object headers.
    compact: u64,
    logical: u64,
    largest: Vec<(u64, u64, Vec<u8>)>,
    problems: u64,
    named_problems: Vec<String>,
}

/// The datasets that have a filter.
#[derive(Default)]
struct FilterUse {
    name: String,
    datasets: u64,
    /// Datasets by parameters, as far as there are not too many kinds.
    parameters: BTreeMap<Vec<u32>, u64>,
    /// Datasets with other parameters.
    others: u64,
}

impl FilterUse {
    fn add(&mut self, parameters: &[u32]) {
        self.datasets += 1;
        if let Some(count) = self.parameters.get_mut(parameters) {
            *count += 1;
        } else if self.parameters.len() < PARAMETERS {
            self.parameters.insert(parameters.to_vec(), 1);
        } else {
            self.others += 1;
        }
    }

    /// The kinds of parameters: `6`; `4 in 2, 6 in 1`.
    fn parameters(&self) -> String {
        let text = |parameters: &[u32]| {
            let shown = parameters.iter().take(SHOWN).map(u32::to_string);
            let more = (parameters.len() > SHOWN).then(|| "...".to_owned());
            let text = shown.chain(more).collect::<Vec<_>>().join(" ");
            if text.is_empty() { "none".to_owned() } else { text }
        };
        if let (1, Some((only, _))) = (self.parameters.len(), self.parameters.first_key_value())
            && self.others == 0
        {
            return text(only);
        }
        let kinds = self.parameters.iter().map(|(kind, count)| format!("{} in {count}", text(kind)));
        let others = (self.others > 0).then(|| format!("others in {}", self.others));
        kinds.chain(others).collect::<Vec<_>>().join(", ")
    }
}

/// Counts everything in a file.
///
/// # Errors
/// `Io`; those of the root group. What is wrong below it is counted.
pub(super) fn run(file: &File, screen: &mut Screen<'_>) -> Result<()> {
    let root = file.object("/")?;
    let mut totals = Totals::default();
    let mut progress = Progress::objects(false);
    Walk::default().run(&root, b"/", &mut |step| {
        progress.advance(1);
        totals.add(&step);
        Ok(())
    })?;
    drop(progress);
    let ink = screen.ink;
    totals.print(file, ink, screen.out)
}

impl Totals {
    fn add(&mut self, step: &Step<'_>) {
        match &step.found {
            Found::Object(object) => {
                if !step.more.is_empty() {
                    *self.links.entry("hard").or_default() += 1;
                }
                if let Err(error) = self.add_object(object, step.path) {
                    self.problem(step.path, &error);
                }
            }
            Found::Again(_) => *self.links.entry("hard").or_default() += 1,
            Found::Link(_, link) => {
                let kind = match link.target {
                    LinkTarget::Hard(_) => "hard",
                    LinkTarget::Soft(_) => "soft",
                    LinkTarget::External { .. } => "external",
                    LinkTarget::User { .. } => "user-defined",
                };
                *self.links.entry(kind).or_default() += 1;
            }
            Found::Unreadable(error) => {
                *self.links.entry("hard").or_default() += 1;
                self.problem(step.path, error);
            }
            Found::LinkUnreadable(error) | Found::LinksUnreadable(error) => self.problem(step.path, error),
        }
    }

    fn problem(&mut self, path: &[u8], error: &crate::Error) {
        self.problems += 1;
        if self.named_problems.len() < PROBLEMS {
            self.named_problems.push(format!("{}: {}", safe_bytes(path), describe::reason(error)));
        }
    }

    fn add_object(&mut self, object: &Object, path: &[u8]) -> Result<()> {
        // What cannot be read of it stays unaccounted.
        let counted = self.metadata.add(object);
        match object.kind()? {
            ObjectKind::Group => {
                *self.kinds.entry("groups").or_default() += 1;
                let storage = object.clone().into_group()?.link_storage();
                *self.group_storage.entry(storage).or_default() += 1;
            }
            ObjectKind::Dataset => {
                *self.kinds.entry("datasets").or_default() += 1;
                self.add_dataset(&object.clone().into_dataset()?, path)?;
            }
            ObjectKind::Datatype => *self.kinds.entry("committed datatypes").or_default() += 1,
        }
        self.attributes += object.attribute_names()?.len() as u64;
        counted
    }

    fn add_dataset(&mut self, dataset: &Dataset, path: &[u8]) -> Result<()> {
        let layout = describe::layout(dataset);
        *self.layouts.entry(layout).or_default() += 1;
        if let Some(index) = dataset.chunk_index() {
            *self.chunk_indexes.entry(index.name()).or_default() += 1;
        }
        for spec in dataset.filters() {
            let name = || {
                let stored = spec.name.as_deref().map(super::screen::safe);
                crate::filter_name(spec.id).map(str::to_owned).or(stored).unwrap_or_default()
            };
            let known = self.filters.entry(spec.id);
            known
                .or_insert_with(|| FilterUse { name: name(), ..FilterUse::default() })
                .add(&spec.client_data);
        }
        let logical = describe::logical_bytes(dataset);
        self.logical = self.logical.saturating_add(logical);
        let stored = describe::stored_bytes(dataset)?;
        match layout {
            "compact" => self.compact = self.compact.saturating_add(stored),
            "external" => {}
            _ => self.stored = self.stored.saturating_add(stored),
        }
        let at = self.largest.partition_point(|known| known.0 >= stored);
        if at < LARGEST {
            self.largest.insert(at, (stored, logical, path.to_vec()));
            self.largest.truncate(LARGEST);
        }
        Ok(())
    }

    fn print(&self, file: &File, ink: Palette, out: &mut dyn Write) -> Result<()> {
        let info = file.info();
        let title = |text: &'static str| ink.paint(Ink::Group, text).to_string();
        writeln!(out, "{}", title("File"))?;
        entry(out, "size", info.file_size)?;
        entry(out, "user block", info.base)?;
        writeln!(
            out,
            "  superblock version {}, addresses of {} and lengths of {} bytes, end at {:#x}",
            info.superblock_version, info.offset_size, info.length_size, info.end
        )?;
        let keeps = if info.space_persists { ", free space kept" } else { "" };
        writeln!(out, "  space strategy {}{keeps}", info.space_strategy)?;
        if info.shared_message_indexes > 0 {
            entry(out, "indexes of shared messages", u64::from(info.shared_message_indexes))?;
        }
        writeln!(out, "{}", title("Objects"))?;
        for (kind, count) in &self.kinds {
            entry(out, kind, *count)?;
        }
        entry(out, "attributes", self.attributes)?;
        section(out, &title("Links"), "", &self.links)?;
        section(out, &title("Groups"), "links stored as ", &self.group_storage)?;
        section(out, &title("Datasets"), "", &self.layouts)?;
        for (index, count) in &self.chunk_indexes {
            entry(out, &format!("chunk index {index}"), *count)?;
        }
        if !self.filters.is_empty() {
            writeln!(out, "{}", title("Filters"))?;
            for (id, filter) in &self.filters {
                let FilterUse { name, datasets, .. } = filter;
                let label = if name.is_empty() { format!("{id}") } else { format!("{name} ({id})") };
                writeln!(out, "  {label:<36} {datasets:>14}  (parameters: {})", filter.parameters())?;
            }
        }
        writeln!(out, "{}", title("Bytes"))?;
        let raw = self.stored.saturating_add(self.compact);
        bytes(out, "raw data, logical", self.logical)?;
        bytes(out, "raw data, stored", raw)?;
        writeln!(out, "  {:<36} {:>14}", "ratio", ratio(self.logical, raw))?;
        let (metadata, space) = (self.metadata.bytes(), file.space());
        let parts = [
            ("user block", info.base),
            ("superblock and extension", space.superblock),
            ("object headers", metadata.header.saturating_sub(self.compact)),
            ("links of groups", metadata.links),
            ("dense attributes", metadata.attributes),
            ("chunk indexes", metadata.chunk_index),
            ("shared messages", space.shared_messages),
            ("free-space managers", space.managers),
            ("free, tracked", space.free),
        ];
        for (what, size) in parts {
            bytes(out, what, size)?;
        }
        // Blocks that two objects claim, or that lie outside the file, can make the sum larger than the file.
        let known = parts.iter().fold(raw, |sum, part| sum.saturating_add(part.1));
        let rest = info.file_size.saturating_sub(known);
        bytes(out, "global heaps and unaccounted", rest)?;
        bytes(out, "recoverable by h5 repack, at most", space.free.saturating_add(rest))?;
        if !self.largest.is_empty() {
            writeln!(out, "{}", title("Largest datasets"))?;
            for (stored, logical, path) in &self.largest {
                let (ratio, path) = (ratio(*logical, *stored), safe_bytes(path));
                writeln!(out, "  {:>12}  {ratio:>10}  {path}", human(*stored))?;
            }
        }
        if self.problems > 0 {
            writeln!(out, "{}", ink.paint(Ink::Bad, format!("Unreadable: {}", self.problems)))?;
            for problem in &self.named_problems {
                writeln!(out, "  {problem}")?;
            }
        }
        Ok(())
    }
}

fn entry(out: &mut dyn Write, what: &str, count: u64) -> Result<()> {
    Ok(writeln!(out, "  {what:<36} {count:>14}")?)
}

fn bytes(out: &mut dyn Write, what: &str, bytes: u64) -> Result<()> {
    Ok(writeln!(out, "  {what:<36} {bytes:>14}  ({})", human(bytes))?)
}

fn section(
    out: &mut dyn Write,
    title: &str,
    prefix: &str,
    counts: &BTreeMap<&'static str, u64>,
) -> Result<()> {
    if counts.is_empty() {
        return Ok(());
    }
    writeln!(out, "{title}")?;
    for (what, count) in counts {
        entry(out, &format!("{prefix}{what}"), *count)?;
    }
    Ok(())
}
