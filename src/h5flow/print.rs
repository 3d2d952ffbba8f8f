//! What is in a file, as text.

use std::fmt::Write;

use crate::{DatatypeClass, Element, ErrorKind, Group, Object, ObjectKind, Result, Values};

/// Objects that are visited at most.
const MANY: usize = 1 << 20;

/// Calls `f` for every object below a group, each once: by name, groups before what is in them.
pub(super) fn visit(group: &Group, f: &mut dyn FnMut(&str, Object) -> Result<()>) -> Result<()> {
    let mut seen = rustc_hash::FxHashSet::default();
    seen.insert(group.address());
    let mut stack: Vec<(String, Object)> = Vec::new();
    push(group, "", &mut stack)?;
    while let Some((path, object)) = stack.pop() {
        if !seen.insert(object.address()) {
            continue;
        }
        if seen.len() > MANY {
            let (what, wanted, allowed) = ("objects of a file", seen.len() as u64, MANY as u64);
            return Err(ErrorKind::Limit { what, wanted, allowed }.into());
        }
        f(&path, object.clone())?;
        if object.kind()? == ObjectKind::Group {
            push(&object.into_group()?, &path, &mut stack)?;
        }
    }
    Ok(())
}

/// Puts the members of a group on a stack, the first by name on top. Soft and external links are not followed.
fn push(group: &Group, path: &str, stack: &mut Vec<(String, Object)>) -> Result<()> {
    for link in group.links()?.into_iter().rev() {
        let link = link?;
        if matches!(link.target, crate::LinkTarget::Hard(_)) {
            let name = link.name.to_string();
            let path = if path.is_empty() { name } else { format!("{path}/{name}") };
            stack.push((path, group.follow(&link)?));
        }
    }
    Ok(())
}

/// All references below a group, a line each, as the reference prints them.
///
/// # Errors
/// `Corrupt` if the group cannot be read.
pub fn print_ref(group: &Group) -> Result<String> {
    datasets(group, "/ref")
}

/// All datasets of rows below a group, a line each, as the reference prints them.
///
/// # Errors
/// `Corrupt` if the group cannot be read.
pub fn print_data(group: &Group) -> Result<String> {
    datasets(group, "/data")
}

fn datasets(group: &Group, ending: &str) -> Result<String> {
    let mut found = Vec::new();
    visit(group, &mut |path, object| {
        if path.ends_with(ending) && object.kind()? == ObjectKind::Dataset {
            let dataset = object.into_dataset()?;
            let name = path.rsplit('/').next().unwrap_or(path).to_owned();
            let shape: Vec<String> = dataset.shape().iter().map(u64::to_string).collect();
            let comma = if shape.len() == 1 { "," } else { "" };
            let shape = format!("({}{comma})", shape.join(", "));
            let text = format!(
                "<HDF5 dataset \"{name}\": shape {shape}, type \"{}\">",
                type_name(dataset.datatype())
            );
            found.push((path.to_owned(), text));
        }
        Ok(())
    })?;
    let width = found.iter().map(|(path, _)| path.chars().count()).max().unwrap_or(0);
    Ok(found.iter().fold(String::new(), |mut out, (path, text)| {
        let _ = writeln!(out, "{path:width$} {text}");
        out
    }))
}

/// The name that numpy has for a type.
fn type_name(datatype: &crate::Datatype) -> String {
    let order = |order| match (datatype.size, order) {
        (1, _) => '|',
        (_, crate::ByteOrder::Big) => '>',
        _ => '<',
    };
    match &datatype.class {
        _ if datatype.is_bool() => "|b1".to_owned(),
        DatatypeClass::Integer(i) => {
            format!("{}{}{}", order(i.order), if i.signed { 'i' } else { 'u' }, datatype.size)
        }
        DatatypeClass::Float(f) => format!("{}f{}", order(f.order), datatype.size),
        DatatypeClass::FixedString { .. } => format!("|S{}", datatype.size),
        DatatypeClass::VarString { .. } | DatatypeClass::VarLen(_) | DatatypeClass::Reference(_) => {
            "|O".to_owned()
        }
        DatatypeClass::Enum { base, .. } => type_name(base),
        DatatypeClass::Complex(base) => {
            type_name(base).replace('f', "c").replace(&base.size.to_string(), &datatype.size.to_string())
        }
        _ => format!("|V{}", datatype.size),
    }
}

/// All attributes below a group, but for those of references and regions, as the reference prints them.
///
/// # Errors
/// `Corrupt` if the group or an attribute cannot be read.
pub fn print_attr(group: &Group) -> Result<String> {
    let mut found = Vec::new();
    visit(group, &mut |path, object| {
        let names = object.attribute_names()?;
        if !names.is_empty() && !path.ends_with("/ref") && !path.ends_with("/ref_region") {
            let attrs = names.into_iter().map(|name| {
                let values = object.attribute(&name)?.values()?;
                Ok((name.to_string(), show(&values)?))
            });
            found.push((path.to_owned(), attrs.collect::<Result<Vec<_>>>()?));
        }
        Ok(())
    })?;
    let keys = found.iter().flat_map(|(_, attrs)| attrs).map(|(key, _)| key.chars().count());
    let width = keys.max().unwrap_or(0);
    let mut out = String::new();
    for (path, attrs) in &found {
        let _ = writeln!(out, "{path}");
        for (key, value) in attrs {
            let _ = writeln!(out, "\t{key}:{:pad$} {value}", "", pad = width - key.chars().count());
        }
    }
    Ok(out)
}

/// Values as numpy prints short ones.
fn show(values: &Values) -> Result<String> {
    fn nested(values: &Values, dims: &[u64], at: &mut usize, out: &mut String) -> Result<()> {
        let Some((&len, rest)) = dims.split_first() else {
            if let Some(element) = values.get(*at) {
                out.push_str(&one(&element, !values.shape().is_empty())?);
            }
            *at += 1;
            return Ok(());
        };
        out.push('[');
        for i in 0..len {
            if i > 0 {
                out.push(' ');
            }
            nested(values, rest, at, out)?;
        }
        out.push(']');
        Ok(())
    }
    let mut out = String::new();
    nested(values, values.shape(), &mut 0, &mut out)?;
    Ok(out)
}

fn one(element: &Element<'_>, quoted: bool) -> Result<String> {
    if let Some(text) = element.text()? {
        let text = String::from_utf8_lossy(text).into_owned();
        return Ok(if quoted { format!("'{text}'") } else { text });
    }
    if element.datatype().is_bool() {
        return Ok(if element.integer() == Some(0) { "False" } else { "True" }.to_owned());
    }
    if let Some(n) = element.integer() {
        return Ok(n.to_string());
    }
    if let Some(x) = element.float() {
        let text = if element.datatype().size == 4 { format!("{:?}", x as f32) } else { format!("{x:?}") };
        return Ok(text.replace("NaN", "nan"));
    }
    let parts: Vec<String> = match element.elements()? {
        Some(parts) => parts.map(|e| one(&e, true)).collect::<Result<_>>()?,
        None => element.members().map(|(_, e)| one(&e, true)).collect::<Result<_>>()?,
    };
    Ok(format!("({})", parts.join(", ")))
}
