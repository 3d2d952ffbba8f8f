//! Mappings of a virtual dataset: section VII.A of the specification ("Virtual Dataset Layout"). They are one object of
//! the global heap, to which the layout message points.
//!
//! ```text
//! | version | entries (L) | entry ... | checksum (4) |
//! entry of version 0: | file NUL | dataset NUL | source selection | target selection |
//! entry of version 1: | flags | file | dataset | source selection | target selection |
//! flags: bit 0 the file is the index (L) of an earlier entry that names it, bit 1 the dataset likewise,
//!        bit 2 the file is this file, and left out
//! ```

use std::collections::HashMap;

use crate::error::{Context, Error, Result};
use crate::format::checksum::lookup3;
use crate::format::message::{check_bits, unknown_version};
use crate::format::output::{put_length, put_name};
use crate::format::primitive::{Bytes, Sizes};
use crate::format::selection::{SelectionStyle, decode_selection, encode_selection};
use crate::model::layout::VirtualMapping;
use crate::model::link::Name;
use crate::model::selection::Selection;

const NAME: &str = "mappings of a virtual dataset";
const FILE_SHARED: u8 = 0x01;
const DATASET_SHARED: u8 = 0x02;
const SAME_FILE: u8 = 0x04;

/// Decodes the heap object of a virtual dataset.
///
/// # Errors
/// `Truncated`, `Corrupt` (checksum, references to later entries), `Unsupported` (version).
pub fn decode_virtual_mappings(object: &[u8], sizes: Sizes) -> Result<Vec<VirtualMapping>> {
    decode(object, sizes).in_structure(NAME)
}

fn decode(object: &[u8], sizes: Sizes) -> Result<Vec<VirtualMapping>> {
    let mut bytes = Bytes(object);
    let version = bytes.u8()?;
    if version > 1 {
        return Err(unknown_version(version));
    }
    let count = bytes.length(sizes)?;
    let mut mappings: Vec<VirtualMapping> = Vec::new();
    for _ in 0..count {
        let flags = if version == 0 { 0 } else { bytes.u8()? };
        check_bits(flags, FILE_SHARED | DATASET_SHARED | SAME_FILE)?;
        let file = match flags & (FILE_SHARED | SAME_FILE) {
            0 => Name::from(bytes.until_nul()?),
            FILE_SHARED => earlier(&mut bytes, &mappings, sizes)?.file.clone(),
            SAME_FILE => Name::from("."),
            _ => return Err(Error::corrupt(format!("contradictory flags {flags:#04x}"))),
        };
        let dataset = if flags & DATASET_SHARED == 0 {
            Name::from(bytes.until_nul()?)
        } else {
            earlier(&mut bytes, &mappings, sizes)?.dataset.clone()
        };
        let source = selection(&mut bytes)?;
        let target = selection(&mut bytes)?;
        mappings.push(VirtualMapping { file, dataset, source, target });
    }
    let used = object.len() - bytes.0.len();
    let stored = bytes.u32()?;
    let computed = lookup3(&object[..used]);
    if stored != computed {
        return Err(Error::corrupt(format!("checksum is {stored:#010x}, should be {computed:#010x}")));
    }
    Ok(mappings)
}

fn earlier<'m>(
    bytes: &mut Bytes<'_>,
    mappings: &'m [VirtualMapping],
    sizes: Sizes,
) -> Result<&'m VirtualMapping> {
    let index = bytes.length(sizes)?;
    usize::try_from(index)
        .ok()
        .and_then(|i| mappings.get(i))
        .ok_or_else(|| Error::corrupt(format!("mapping {} refers to mapping {index}", mappings.len())))
}

fn selection(bytes: &mut Bytes<'_>) -> Result<Selection> {
    let (selection, used) = decode_selection(bytes.0)?;
    bytes.take(used)?;
    Ok(selection)
}

/// Encodes the heap object of a virtual dataset in this version: 0, or 1 for HDF5 2.0 and later.
///
/// # Errors
/// `Usage` for names with a NUL or selections that are not valid.
pub fn encode_virtual_mappings(
    mappings: &[VirtualMapping],
    version: u8,
    style: SelectionStyle,
    sizes: Sizes,
) -> Result<Vec<u8>> {
    if version > 1 {
        return Err(unknown_version(version));
    }
    let mut out = vec![version];
    put_length(&mut out, mappings.len() as u64, sizes)?;
    let (mut files, mut datasets) = (HashMap::new(), HashMap::new());
    for (i, mapping) in mappings.iter().enumerate() {
        let (mut flags, mut file_of, mut dataset_of) = (0, None, None);
        if version == 1 {
            if mapping.file == "." {
                flags |= SAME_FILE;
            } else {
                file_of = first(&mut files, &mapping.file, i, sizes);
            }
            dataset_of = first(&mut datasets, &mapping.dataset, i, sizes);
            flags |= file_of.map_or(0, |_| FILE_SHARED) | dataset_of.map_or(0, |_| DATASET_SHARED);
            out.push(flags);
        }
        match file_of {
            Some(index) => put_length(&mut out, index as u64, sizes)?,
            None if flags & SAME_FILE != 0 => {}
            None => put_name(&mut out, mapping.file.as_bytes(), 1)?,
        }
        match dataset_of {
            Some(index) => put_length(&mut out, index as u64, sizes)?,
            None => put_name(&mut out, mapping.dataset.as_bytes(), 1)?,
        }
        out.extend(encode_selection(&mapping.source, style)?);
        out.extend(encode_selection(&mapping.target, style)?);
    }
    out.extend(lookup3(&out).to_le_bytes());
    Ok(out)
}

/// The earlier entry that holds this name; `None` for the first, or if the name is not longer than an index.
fn first<'m>(seen: &mut HashMap<&'m Name, usize>, name: &'m Name, i: usize, sizes: Sizes) -> Option<usize> {
    let index = *seen.entry(name).or_insert(i);
    (index < i && name.as_bytes().len() >= usize::from(sizes.length)).then_some(index)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::message::testing::*;

    const FOUR: Sizes = Sizes { offset: 4, length: 4 };
    const ALL: &str = "03000000 01000000 00000000 00000000";

    fn with_checksum(text: &str) -> Vec<u8> {
        let mut bytes = hex(text);
        bytes.extend(lookup3(&bytes).to_le_bytes());
        bytes
    }

    fn mapping(file: &str, dataset: &str) -> VirtualMapping {
        let (source, target) = (Selection::All, Selection::All);
        VirtualMapping { file: file.into(), dataset: dataset.into(), source, target }
    }

    fn same(text: &str, mappings: &[VirtualMapping]) {
        let bytes = with_checksum(text);
        assert_eq!(decode_virtual_mappings(&bytes, FOUR).unwrap(), mappings);
        assert_eq!(encode_virtual_mappings(mappings, bytes[0], SelectionStyle::V110, FOUR).unwrap(), bytes);
        for n in 0..bytes.len() {
            assert!(is_truncated(&decode_virtual_mappings(&bytes[..n], FOUR).unwrap_err()));
        }
    }

    #[test]
    fn both_versions() {
        same(
            &format!("00 02000000 6600 6400 {ALL} {ALL} 2e00 6400 {ALL} {ALL}"),
            &[mapping("f", "d"), mapping(".", "d")],
        );
        same(
            &format!(
                "01 04000000 00 6600 6461746100 {ALL} {ALL} 06 00000000 {ALL} {ALL}
                 00 6600 6500 {ALL} {ALL} 02 66696c6500 00000000 {ALL} {ALL}"
            ),
            &[mapping("f", "data"), mapping(".", "data"), mapping("f", "e"), mapping("file", "data")],
        );
        same(
            &format!("01 02000000 00 66696c6500 6400 {ALL} {ALL} 01 00000000 6500 {ALL} {ALL}"),
            &[mapping("file", "d"), mapping("file", "e")],
        );
        same("00 00000000", &[]);
    }

    /// Written by HDF5 2.0, with its checksum.
    #[test]
    fn as_libhdf5_writes_them() {
        let all = "0300000001000000 0000000000000000";
        let bytes = hex(&format!(
            "01 0600000000000000
             00 615f6c6f6e675f66696c655f6e616d652e683500 7800 {all} 0200000003000000 01020200000000000100010
             00a0000000100010014000100000000000000007800 {all} 0200000003000000 01020200 00000a00010001000a00
             00000100010014000100000000000000 00615f6c6f6e675f646174617365745f6e616d6500 {all}
             0200000003000000 01020200 00001400010001000a0000000100010014000602000000000000000300000001000000
             0000000000000000 0200000003000000 0102020000001e00010001000a000000010001001400 00622e6835007100
             {all} 0200000003000000 01020200000028000100 01000a000000010001001400 02622e683500 0200000000000000
             {all} 0200000003000000 0102020000003200010001000a000000010001001400 ce864909"
        ));
        let mappings = decode_virtual_mappings(&bytes, Sizes::EIGHT).unwrap();
        let names: Vec<_> = mappings.iter().map(|m| format!("{} {}", m.file, m.dataset)).collect();
        let long = "a_long_dataset_name";
        assert_eq!(
            names,
            [
                "a_long_file_name.h5 x".to_owned(),
                "a_long_file_name.h5 x".into(),
                format!("a_long_file_name.h5 {long}"),
                format!(". {long}"),
                "b.h5 q".into(),
                format!("b.h5 {long}"),
            ]
        );
        assert_eq!(encode_virtual_mappings(&mappings, 1, SelectionStyle::V112, Sizes::EIGHT).unwrap(), bytes);
    }

    #[test]
    fn hostile() {
        let decode = |text: &str| decode_virtual_mappings(&with_checksum(text), FOUR);
        assert!(is_unsupported(decode("02 00000000")));
        assert!(is_truncated(&decode("00 ffffffff").unwrap_err()));
        assert!(is_corrupt(decode(&format!("01 01000000 01 00000000 6400 {ALL} {ALL}"))));
        assert!(is_corrupt(decode(&format!("01 01000000 05 00000000 6400 {ALL} {ALL}"))));
        assert!(is_corrupt(decode(&format!("01 01000000 08 6600 6400 {ALL} {ALL}"))));
        let mut bytes = with_checksum("00 00000000");
        bytes[5] ^= 1;
        assert!(is_corrupt(decode_virtual_mappings(&bytes, FOUR)));
    }
}
