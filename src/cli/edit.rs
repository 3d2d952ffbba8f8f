//! `h5 rm`, `h5 attr` and `h5 clear`: small changes of a file in its place.

use ndarray::ArrayD;
use serde_json::Value;

use super::{screen::Screen, target::usage};
use crate::{File, H5Type, Object, Result};

/// Which numbers an attribute has.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(super) enum Type {
    /// Signed integers of 8 bits, and so on
    I8,
    I16,
    I32,
    I64,
    U8,
    U16,
    U32,
    U64,
    F32,
    F64,
    /// Text, whatever it looks like
    Text,
}

/// Deletes a link.
///
/// # Errors
/// `NotFound`; `Unsupported`, `Locked`, `Io`: nothing has changed then.
pub(super) fn remove(file: &File, path: &[u8]) -> Result<()> {
    file.root()?.unlink(path)?;
    file.flush()
}

/// Sets an attribute.
///
/// # Errors
/// `Usage` for a value that is none; as [`remove`].
pub(super) fn set(file: &File, path: &[u8], name: &[u8], value: &str, of: Option<Type>) -> Result<()> {
    let object = file.object(path)?;
    let parsed = match of {
        Some(Type::Text) => Value::String(value.to_owned()),
        _ => serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_owned())),
    };
    let (shape, flat) = match parsed {
        Value::Array(items) => {
            let mut flat = Vec::new();
            (flatten(items, &mut flat)?, flat)
        }
        one => (Vec::new(), vec![one]),
    };
    put(&object, name, &shape, &flat, of)?;
    file.flush()
}

/// The shape of nested lists, and their items one after the other.
fn flatten(items: Vec<Value>, out: &mut Vec<Value>) -> Result<Vec<u64>> {
    let len = items.len() as u64;
    let mut below: Option<Vec<u64>> = None;
    for item in items {
        let shape = match item {
            Value::Array(items) => flatten(items, out)?,
            one => {
                out.push(one);
                Vec::new()
            }
        };
        if below.get_or_insert_with(|| shape.clone()) != &shape {
            return Err(usage("lists of different lengths"));
        }
    }
    Ok([vec![len], below.unwrap_or_default()].concat())
}

fn put(object: &Object, name: &[u8], shape: &[u64], flat: &[Value], of: Option<Type>) -> Result<()> {
    let all = |is: fn(&Value) -> bool| flat.iter().all(is);
    let of = match of {
        Some(of) => of,
        None if all(Value::is_i64) => Type::I64,
        None if all(Value::is_u64) => Type::U64,
        None if all(Value::is_number) => Type::F64,
        None if all(Value::is_boolean) => return write(object, name, shape, flat, |v| v.as_bool()),
        None if all(Value::is_string) => Type::Text,
        None => return Err(usage("a value must be numbers, booleans or texts of one kind")),
    };
    fn int<T: TryFrom<i128>>(v: &Value) -> Option<T> {
        let n = v.as_i64().map(i128::from).or_else(|| v.as_u64().map(i128::from))?;
        T::try_from(n).ok()
    }
    match of {
        Type::I8 => write(object, name, shape, flat, int::<i8>),
        Type::I16 => write(object, name, shape, flat, int::<i16>),
        Type::I32 => write(object, name, shape, flat, int::<i32>),
        Type::I64 => write(object, name, shape, flat, int::<i64>),
        Type::U8 => write(object, name, shape, flat, int::<u8>),
        Type::U16 => write(object, name, shape, flat, int::<u16>),
        Type::U32 => write(object, name, shape, flat, int::<u32>),
        Type::U64 => write(object, name, shape, flat, int::<u64>),
        Type::F32 => write(object, name, shape, flat, |v| v.as_f64().map(|x| x as f32)),
        Type::F64 => write(object, name, shape, flat, |v| v.as_f64()),
        Type::Text => write(object, name, shape, flat, |v| v.as_str().map(str::to_owned)),
    }
}

fn write<T: H5Type>(
    object: &Object,
    name: &[u8],
    shape: &[u64],
    flat: &[Value],
    convert: impl Fn(&Value) -> Option<T>,
) -> Result<()> {
    let convert = |v| convert(v).ok_or_else(|| usage(format!("{v} is no value of this type")));
    let values = flat.iter().map(convert).collect::<Result<Vec<T>>>()?;
    let shape: Vec<usize> = shape.iter().map(|&d| d as usize).collect();
    let array = ArrayD::from_shape_vec(shape, values).map_err(|e| usage(e.to_string()))?;
    object.set_attr(name, &array)
}

/// Deletes an attribute.
///
/// # Errors
/// As [`remove`].
pub(super) fn remove_attribute(file: &File, path: &[u8], name: &[u8]) -> Result<()> {
    file.object(path)?.delete_attr(name)?;
    file.flush()
}

/// Takes back what a writer that was killed has left in the superblock.
///
/// # Errors
/// `Io`, `NotHdf5`, `Corrupt`.
pub(super) fn clear(path: &std::path::Path, screen: &mut Screen<'_>) -> Result<()> {
    let done = match File::clear(path)? {
        true => "cleared",
        false => "nothing to clear",
    };
    Ok(writeln!(screen.out, "{}: {done}", super::screen::safe(&path.display().to_string()))?)
}
