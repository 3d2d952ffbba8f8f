//! `h5 cat`: the elements of a dataset or attribute.

mod csv;
mod nest;
pub(super) mod npy;
pub(super) mod render;
mod select;

use std::{io::Write, sync::Arc};

use clap::ValueEnum;

use self::{
    nest::Nest,
    render::{Renderer, Syntax},
    select::Slab,
};
use super::{
    progress::Progress,
    screen::Screen,
    target::{Found, find, unsupported, usage},
};
use crate::{Dataset, Dataspace, Datatype, File, Result, Values};

/// What `h5 cat --help` says after the options.
pub(super) const HELP: &str = "\
PATH is /group/dataset, or /object@attribute for an attribute.

--select takes one item a dimension, separated by commas, with the rules of numpy: an index `i`
(which drops the dimension), a range `start:end` or `start:end:step`, `:` for a whole dimension,
`...` for all the missing ones. Negative positions count from the end. Dimensions left out at the
end are whole.

Formats:
  text  Nested lists for people: every element. Floats have, in all formats, the fewest digits that
        give the same binary16, binary32 or binary64 back, those of other layouts the same binary64.
  json  Integers of any size are exact numbers; NaN and infinities are the strings \"NaN\",
        \"Infinity\" and \"-Infinity\"; a byte of a string that is not UTF-8 is the four characters
        \\xhh. Compounds are objects, complex numbers [re, im], enumerations names (booleans of h5py
        true and false), variable-length sequences arrays, references paths (or addresses of objects
        that have none), null references null, bit fields and opaque elements hexadecimal strings.
  csv   A scalar or 1-D array is one column, a 2-D array a line for each row. With more dimensions
        the first columns, dim0, dim1 ..., count all of them but the last, whose elements follow in
        the line. Compounds have a line for each element and a column for each member (a.b for
        members of members), after dim0, dim1 ... if there is more than one dimension. Both of these
        begin with a line of headings. A cell with parts holds JSON.
  npy   A file of numpy, in the byte order of the HDF5 file. Strings and sequences of variable
        length, references and floats that numpy does not know are refused.
  raw   The bytes of the elements as the file has them, filters undone.

Positions in CSV are those within what is selected. An array without elements is [] in text and
JSON; a null dataspace is null, in CSV nothing.";

/// How elements are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// Nested lists for people
    #[default]
    Text,
    /// JSON
    Json,
    /// Comma-separated values
    Csv,
    /// A file of numpy
    Npy,
    /// Bytes as stored, filters undone
    Raw,
}

/// Bytes of a block, as far as one element is not larger.
const BLOCK: u64 = 16 << 20;
/// Bytes of a block that is as large because it must hold whole chunks.
const LARGE_BLOCK: u64 = 64 << 20;
/// Elements of a block when they have parts of any size elsewhere.
const VARIABLE_BLOCK: u64 = 1 << 14;

/// What is to be written, and where its elements come from.
struct Source<'f> {
    file: &'f File,
    datatype: Datatype,
    /// Shape of what is selected.
    shape: Vec<u64>,
    is_null: bool,
    data: Data,
    /// The output goes to a terminal, where a progress bar would disturb it.
    on_terminal: bool,
}

enum Data {
    Dataset(Dataset, Slab),
    Attribute(Arc<Values>),
}

impl Source<'_> {
    /// Calls `f` with all elements in C order, a bounded number of them at a time.
    fn for_each_block(&self, f: &mut dyn FnMut(&Values) -> Result<()>) -> Result<()> {
        // Elements without bytes could be any number.
        if self.is_null || self.datatype.size == 0 {
            return Ok(());
        }
        match &self.data {
            Data::Attribute(values) => f(values),
            Data::Dataset(dataset, slab) => {
                let size = (self.datatype.size as u64).max(1);
                let elements = |bytes: u64| match self.datatype.is_fixed() {
                    true => (bytes / size).max(1),
                    false => VARIABLE_BLOCK,
                };
                let mut progress = Progress::bytes(slab.len()?.saturating_mul(size), self.on_terminal);
                for block in slab.blocks(dataset.chunk_shape(), elements(BLOCK), elements(LARGE_BLOCK)) {
                    let values = dataset.values(block)?;
                    f(&values)?;
                    progress.advance(values.bytes().len() as u64);
                }
                Ok(())
            }
        }
    }
}

/// Writes the elements of the dataset or attribute at `path`.
///
/// # Errors
/// `Io`; `NotFound`; `Usage`, of no object, for arguments that make no sense; `Shape` for a selection that does not
/// fit; those of the data.
pub(super) fn run(
    file: &File,
    path: &[u8],
    select: Option<&str>,
    format: Format,
    screen: &mut Screen<'_>,
) -> Result<()> {
    if matches!(format, Format::Npy | Format::Raw) && screen.is_terminal {
        return Err(usage("binary output is not for a terminal: redirect it to a file or a pipe"));
    }
    let source = source(file, path, select, screen.is_terminal)?;
    match format {
        Format::Text => lists(&source, Syntax::Text, screen.out),
        Format::Json => lists(&source, Syntax::Json, screen.out),
        Format::Csv => csv::write(&source, screen),
        Format::Npy => npy::write(&source, screen.out),
        Format::Raw => raw(&source, screen.out),
    }
}

fn source<'f>(file: &'f File, path: &[u8], select: Option<&str>, on_terminal: bool) -> Result<Source<'f>> {
    Ok(match find(file, path)? {
        Found::Object(object) => {
            let dataset = object.into_dataset()?;
            let is_null = dataset.dataspace().is_null();
            let slab = Slab::parse(select.unwrap_or_default(), dataset.shape())?;
            let (datatype, shape) = (dataset.datatype().clone(), slab.shape());
            Source { file, datatype, shape, is_null, data: Data::Dataset(dataset, slab), on_terminal }
        }
        Found::Attribute(attribute) => {
            if select.is_some() {
                return Err(usage("--select is for datasets, not for attributes"));
            }
            let (datatype, shape) = (attribute.datatype().clone(), attribute.shape().to_vec());
            let is_null = matches!(attribute.dataspace(), Dataspace::Null);
            let data = Data::Attribute(Arc::new(attribute.values()?));
            Source { file, datatype, shape, is_null, data, on_terminal }
        }
    })
}

fn lists(source: &Source<'_>, syntax: Syntax, out: &mut dyn Write) -> Result<()> {
    if source.is_null {
        return Ok(out.write_all(b"null\n")?);
    }
    let renderer = Renderer::new(source.file, syntax);
    let mut nest = Nest::new(out, &source.shape);
    let mut text = String::new();
    source.for_each_block(&mut |values| {
        for element in values.iter() {
            text.clear();
            renderer.element(element, &mut text)?;
            nest.push(&text)?;
        }
        Ok(())
    })?;
    nest.finish()
}

fn raw(source: &Source<'_>, out: &mut dyn Write) -> Result<()> {
    if !source.datatype.is_fixed() {
        let text = format!("raw: elements of {} are not in one place; use --format json", source.datatype);
        return Err(unsupported(text));
    }
    source.for_each_block(&mut |values| Ok(out.write_all(values.bytes())?))
}
