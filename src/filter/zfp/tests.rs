//! Chunks that hdf5plugin wrote (`testdata/filters/make_zfp.py`), and properties of each mode.

use super::*;
use crate::filter::Scratch;
use crate::filter::libhdf5_tests::{Case, parse};
use crate::{ByteOrder, Datatype};

/// The cases of `zfp.bin`, and of the file that `H5_ZFP_CASES` names; with what they were encoded from.
fn cases() -> Vec<(Case, Vec<u8>)> {
    let mut cases = parse(include_bytes!("../../../testdata/filters/zfp.bin"));
    if let Some(path) = std::env::var_os("H5_ZFP_CASES") {
        cases.extend(parse(&std::fs::read(path).unwrap()));
    }
    let mut raw = Vec::new();
    let mut pairs = Vec::new();
    for case in cases {
        if case.pipeline.filters.is_empty() {
            raw = case.stored;
        } else {
            pairs.push((case, raw.clone()));
        }
    }
    pairs
}

fn report(wrong: &[String]) {
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong[..wrong.len().min(40)].join("\n"));
}

#[test]
fn chunks_of_the_plugin_decode() {
    let mut wrong = Vec::new();
    let mut scratch = Scratch::default();
    for (case, _) in cases() {
        match case.pipeline.decode_chunk(&case.context(), 0, &case.stored, &mut scratch) {
            Ok(decoded) if decoded == case.decoded => {}
            Ok(decoded) => {
                let at = decoded.iter().zip(&case.decoded).position(|(a, b)| a != b);
                wrong.push(format!("{}: differs from byte {at:?} on", case.name));
            }
            Err(error) => wrong.push(format!("{}: {error}", case.name)),
        }
    }
    report(&wrong);
}

/// With `H5_DUMP_FILTERS` set to a path, also writes what the encoder gives, for `make_zfp.py --verify`.
#[test]
fn chunks_are_encoded_as_the_plugin_does() {
    let mut scratch = Scratch::default();
    let (mut dump, mut wrong) = (b"H5FT".to_vec(), Vec::new());
    for (case, raw) in cases() {
        let raw = if case.name.contains("big-endian") { swapped(&case, raw) } else { raw };
        let (stored, _) = case.pipeline.encode_chunk(&case.context(), &raw, &mut scratch).unwrap();
        let stored = stored.to_vec();
        let decoded = case.pipeline.decode_chunk(&case.context(), 0, &stored, &mut scratch).unwrap();
        if stored != case.stored {
            wrong.push(format!("{} {} for {}", case.name, stored.len(), case.stored.len()));
        }
        case.write(&mut dump, 0, &stored, decoded);
    }
    if let Some(path) = std::env::var_os("H5_DUMP_FILTERS") {
        std::fs::write(path, dump).unwrap();
    }
    report(&wrong);
}

/// The bytes of each value the other way around.
fn swapped(case: &Case, mut raw: Vec<u8>) -> Vec<u8> {
    for value in raw.chunks_exact_mut(case.context().element_size) {
        value.reverse();
    }
    raw
}

#[test]
fn client_data_are_those_of_the_plugin() {
    for (case, _) in cases() {
        let spec = &case.pipeline.filters[0];
        let header = Header::decode(&spec.client_data).unwrap();
        let order = if header.big { ByteOrder::Big } else { ByteOrder::Little };
        let datatype = match header.kind {
            Kind::I32 => Datatype::integer(4, false, order),
            Kind::I64 => Datatype::integer(8, true, order),
            Kind::F32 => Datatype::f32(order),
            Kind::F64 => Datatype::f64(order),
        };
        let shape: Vec<u64> = header.extents.into_iter().rev().collect();
        let value = |key: &str| {
            let (_, rest) = case.name.split_once(key)?;
            rest.trim_start().split(',').next()?.parse::<f64>().ok()
        };
        let mode = if let Some(rate) = value("rate") {
            Mode::Rate(rate)
        } else if let Some(precision) = value("precision") {
            Mode::Precision(precision as u32)
        } else if let Some(error) = value("accuracy") {
            Mode::Accuracy(error)
        } else if case.name.contains("reversible") {
            Mode::Reversible
        } else {
            Mode::Expert {
                min_bits: value("minbits").map_or(1, |bits| bits as u32),
                max_bits: value("maxbits").map_or(16658, |bits| bits as u32),
                max_precision: value("maxprec").map_or(64, |bits| bits as u32),
                min_exponent: value("minexp").map_or(-1074, |exponent| exponent as i32),
            }
        };
        assert_eq!(client_data(mode, &datatype, &shape).unwrap(), spec.client_data, "{}", case.name);
    }
}
