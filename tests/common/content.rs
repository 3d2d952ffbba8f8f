//! All that a file holds, as text in which no address appears: two files with the same content give the same text,
//! wherever it lies in them.

use std::{collections::HashMap, fmt::Write};

use h5::{Element, File, Group, LinkTarget, Object, ObjectKind, Reference, Values};

/// Reads everything: objects, links, attributes, values. An error is one of the file.
pub fn content(bytes: Vec<u8>) -> h5::Result<String> {
    content_of(&File::options().threads(1).from_bytes(bytes)?)
}

/// The same of a file that is open.
pub fn content_of(file: &File) -> h5::Result<String> {
    let mut walk = Walk::default();
    walk.number(file.object("/")?)?;
    let objects = std::mem::take(&mut walk.objects);
    for (i, object) in objects.iter().enumerate() {
        walk.object(i, object)?;
    }
    Ok(walk.out)
}

#[derive(Default)]
struct Walk {
    out: String,
    numbers: HashMap<u64, usize>,
    objects: Vec<Object>,
}

impl Walk {
    /// Finds all objects; their numbers follow from the names that lead to them.
    fn number(&mut self, object: Object) -> h5::Result<()> {
        if self.numbers.contains_key(&object.address()) {
            return Ok(());
        }
        self.numbers.insert(object.address(), self.objects.len());
        self.objects.push(object.clone());
        if object.kind()? != ObjectKind::Group {
            return Ok(());
        }
        let group = object.into_group()?;
        for link in group.links()? {
            let link = link?;
            if matches!(link.target, LinkTarget::Hard(_)) {
                self.number(group.follow(&link)?)?;
            }
        }
        Ok(())
    }

    fn object(&mut self, number: usize, object: &Object) -> h5::Result<()> {
        let kind = object.kind()?;
        let _ = writeln!(self.out, "#{number} {kind:?}, links {}", object.link_count()?);
        for attribute in object.attributes()? {
            let attribute = attribute?;
            let order = attribute.creation_order();
            let _ = write!(self.out, " @{} {order:?} ", attribute.name());
            self.values(&attribute.values()?)?;
        }
        match kind {
            ObjectKind::Group => self.links(&object.clone().into_group()?),
            ObjectKind::Dataset => {
                let dataset = object.clone().into_dataset()?;
                let (fill, filters) = (dataset.fill(), dataset.filters());
                let _ = write!(self.out, " {:?} {fill:?} {filters:?} ", dataset.max_shape());
                self.values(&dataset.values(..)?)
            }
            _ => {
                let datatype = object.clone().into_datatype()?;
                let _ = writeln!(self.out, " {:?}", datatype.datatype());
                Ok(())
            }
        }
    }

    fn links(&mut self, group: &Group) -> h5::Result<()> {
        let _ = writeln!(self.out, " order {:?}", group.link_creation_order());
        for link in group.links()? {
            let link = link?;
            let _ = write!(self.out, " {} {:?} {:?} -> ", link.name, link.charset, link.creation_order);
            let _ = match &link.target {
                LinkTarget::Hard(address) => writeln!(self.out, "#{:?}", self.numbers.get(address)),
                other => writeln!(self.out, "{other:?}"),
            };
        }
        Ok(())
    }

    fn values(&mut self, values: &Values) -> h5::Result<()> {
        let _ = write!(self.out, "{} {:?}:", values.datatype(), values.shape());
        for element in &mut values.iter() {
            self.element(&element)?;
        }
        self.out.push('\n');
        Ok(())
    }

    fn element(&mut self, element: &Element<'_>) -> h5::Result<()> {
        self.out.push(' ');
        if let Some(text) = element.text()? {
            let _ = write!(self.out, "{:?}", String::from_utf8_lossy(text));
        } else if let Some(reference) = element.reference()? {
            let _ = match reference {
                Reference::Object { address } => write!(self.out, "#{:?}", self.numbers.get(&address)),
                Reference::Null => write!(self.out, "null"),
                other => write!(self.out, "{other:?}"),
            };
        } else if let Some(elements) = element.elements()? {
            self.out.push('[');
            for element in &mut elements.clone() {
                self.element(&element)?;
            }
            self.out.push(']');
        } else {
            for byte in element.bytes() {
                let _ = write!(self.out, "{byte:02x}");
            }
        }
        Ok(())
    }
}
