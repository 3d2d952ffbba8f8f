//! Elements as CSV.

use std::io::Write;

use csv::{ErrorKind as CsvErrorKind, Writer, WriterBuilder};

use super::{
    Source,
    render::{Renderer, Syntax, is_simple},
};
use crate::{
    Datatype, DatatypeClass, Element, Error, Result,
    cli::screen::{Screen, safe},
};

/// Writes what is selected: see the help of `h5 cat`.
pub(super) fn write(source: &Source<'_>, screen: &mut Screen<'_>) -> Result<()> {
    let mut rows = Rows {
        writer: WriterBuilder::new().flexible(true).from_writer(&mut *screen.out),
        escape: screen.is_terminal,
        cell: String::new(),
    };
    let renderer = Renderer::new(source.file, Syntax::Csv);
    let shape = &source.shape;
    let columns = (!is_simple(&source.datatype)).then(|| columns(&source.datatype));
    // Dimensions that have a column of indexes.
    let indexes = match (&columns, shape.len()) {
        (Some(_), 0 | 1) | (None, 0..=2) => 0,
        (Some(_), rank) => rank,
        (None, rank) => rank - 1,
    };
    if columns.is_some() || indexes > 0 {
        for i in 0..indexes {
            rows.field(&format!("dim{i}"))?;
        }
        match &columns {
            Some(columns) => columns.iter().try_for_each(|column| rows.field(&column.name))?,
            None => (0..shape.last().copied().unwrap_or(0)).try_for_each(|i| rows.field(&i.to_string()))?,
        }
        rows.end()?;
    }
    let mut at = vec![0u64; shape.len()];
    // Elements of a row.
    let row = match (&columns, shape.len()) {
        (None, 2..) => shape.last().copied().unwrap_or(1),
        _ => 1,
    };
    source.for_each_block(&mut |values| {
        for element in values.iter() {
            let column = if row == 1 { 0 } else { at.last().copied().unwrap_or(0) };
            if column == 0 {
                at.iter().take(indexes).try_for_each(|i| rows.field(&i.to_string()))?;
            }
            match &columns {
                Some(columns) => {
                    columns.iter().try_for_each(|c| rows.element(&renderer, c.of(element)))?;
                }
                None => rows.element(&renderer, Some(element))?,
            }
            if column + 1 == row {
                rows.end()?;
            }
            for (i, &extent) in at.iter_mut().zip(shape).rev() {
                *i += 1;
                if *i < extent {
                    break;
                }
                *i = 0;
            }
        }
        Ok(())
    })?;
    Ok(rows.writer.flush()?)
}

struct Rows<W: Write> {
    writer: Writer<W>,
    /// The output is a terminal, which control characters must not reach.
    escape: bool,
    cell: String,
}

impl<W: Write> Rows<W> {
    fn field(&mut self, text: &str) -> Result<()> {
        let done = match self.escape {
            true => self.writer.write_field(safe(text)),
            false => self.writer.write_field(text),
        };
        done.map_err(io_error)
    }

    fn element(&mut self, renderer: &Renderer<'_>, element: Option<Element<'_>>) -> Result<()> {
        let mut cell = std::mem::take(&mut self.cell);
        cell.clear();
        if let Some(element) = element {
            renderer.element(element, &mut cell)?;
        }
        self.field(&cell)?;
        self.cell = cell;
        Ok(())
    }

    fn end(&mut self) -> Result<()> {
        self.writer.write_record(None::<&[u8]>).map_err(io_error)
    }
}

fn io_error(error: csv::Error) -> Error {
    match error.into_kind() {
        CsvErrorKind::Io(error) => error.into(),
        other => std::io::Error::other(format!("{other:?}")).into(),
    }
}

/// A member of a compound, or of a compound in it.
struct Column {
    name: String,
    /// Numbers of the members that lead to it.
    members: Vec<usize>,
}

impl Column {
    fn of<'a>(&self, element: Element<'a>) -> Option<Element<'a>> {
        self.members.iter().try_fold(element, |element, &i| Some(element.members().nth(i)?.1))
    }
}

/// The columns of a compound: one a member; those of a compound in it are named `a.b`.
fn columns(datatype: &Datatype) -> Vec<Column> {
    fn add(datatype: &Datatype, prefix: &str, path: &mut Vec<usize>, out: &mut Vec<Column>) {
        let DatatypeClass::Compound(members) = &datatype.class else { return };
        for (i, member) in members.iter().enumerate() {
            let name = format!("{prefix}{}", member.name);
            path.push(i);
            if is_simple(&member.datatype) {
                out.push(Column { name, members: path.clone() });
            } else {
                add(&member.datatype, &format!("{name}."), path, out);
            }
            path.pop();
        }
    }
    let mut out = Vec::new();
    add(datatype, "", &mut Vec::new(), &mut out);
    out
}
