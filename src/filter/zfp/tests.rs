//! Chunks that hdf5plugin wrote (`testdata/filters/make_zfp.py`), and properties of each mode.

use proptest::prelude::*;

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

fn spec(mode: Mode, datatype: &Datatype, chunk: &[u64]) -> FilterSpec {
    let client_data = client_data(mode, datatype, chunk).unwrap();
    FilterSpec { id: 32013, optional: false, name: None, client_data }
}

fn encoded(spec: &FilterSpec, raw: &[u8]) -> Vec<u8> {
    let mut stored = Vec::new();
    Zfp.encode(spec, &CONTEXT, raw, &mut stored).unwrap();
    stored
}

fn round_trip(spec: &FilterSpec, raw: &[u8]) -> Vec<u8> {
    let stored = encoded(spec, raw);
    let mut back = vec![0xaa; raw.len()];
    assert_eq!(Zfp.decode(spec, &CONTEXT, &stored, &mut back).unwrap(), raw.len());
    // All of it is needed.
    assert!(Zfp.decode(spec, &CONTEXT, &stored[..stored.len() - 1], &mut back.clone()).is_err());
    back
}

const CONTEXT: ChunkContext = ChunkContext { chunk_bytes: 0, element_size: 1 };

/// Shapes of 2 to some 200 values.
fn shapes() -> impl Strategy<Value = Vec<u64>> {
    prop_oneof![
        proptest::collection::vec(2_u64..200, 1),
        proptest::collection::vec(2_u64..14, 2),
        proptest::collection::vec(2_u64..7, 3),
        proptest::collection::vec(2_u64..6, 4),
    ]
}

/// Bytes of values that have something in common with their neighbours, or nothing.
fn numbers(shape: &[u64], seed: u64, spread: u32) -> Vec<u64> {
    let mut noise = seed;
    (0..shape.iter().product())
        .map(|i: u64| {
            noise = noise.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (noise >> 3 >> spread).wrapping_add(i * 1000).wrapping_add(seed)
        })
        .collect()
}

proptest! {
    #[test]
    fn reversible_round_trips(shape in shapes(), seed: u64, spread in 0_u32..61, big: bool) {
        let order = if big { ByteOrder::Big } else { ByteOrder::Little };
        let numbers = numbers(&shape, seed, spread);
        let narrow: Vec<u8> = numbers.iter().flat_map(|&n| (n as u32).to_le_bytes()).collect();
        let wide: Vec<u8> = numbers.iter().flat_map(|n| n.to_le_bytes()).collect();
        for (datatype, raw) in [
            (Datatype::integer(4, true, order), &narrow),
            (Datatype::f32(order), &narrow),
            (Datatype::integer(8, true, order), &wide),
            (Datatype::f64(order), &wide),
        ] {
            prop_assert_eq!(&round_trip(&spec(Mode::Reversible, &datatype, &shape), raw), raw);
        }
    }

    #[test]
    fn errors_are_bounded(shape in shapes(), seed: u64, spread in 0_u32..61, exponent in -20_i32..20) {
        let error = 2_f64.powi(exponent) * 1.3;
        let values = numbers(&shape, seed, spread).into_iter().map(|n| (n as i64 as f64) / 2_f64.powi(40));
        let raw: Vec<u8> = values.clone().flat_map(f64::to_le_bytes).collect();
        let spec = spec(Mode::Accuracy(error), &Datatype::f64(ByteOrder::Little), &shape);
        let back = round_trip(&spec, &raw);
        for (back, value) in back.as_chunks().0.iter().zip(values) {
            prop_assert!((f64::from_le_bytes(*back) - value).abs() <= error);
        }
    }

    #[test]
    fn rates_are_exact(shape in shapes(), seed: u64, rate in 1.0..64.0_f64) {
        let raw: Vec<u8> = numbers(&shape, seed, 20).iter().flat_map(|n| n.to_le_bytes()).collect();
        let spec = spec(Mode::Rate(rate), &Datatype::integer(8, true, ByteOrder::Little), &shape);
        let blocks: u64 = shape.iter().map(|extent| extent.div_ceil(4)).product();
        let bits = (rate * f64::from(1 << (2 * shape.len())) + 0.5).floor() as u64;
        prop_assert_eq!(encoded(&spec, &raw).len() as u64, (blocks * bits).div_ceil(8));
        round_trip(&spec, &raw);
    }

    #[test]
    fn any_bytes_decode_or_fail(
        kind in 0_u64..4, shape in shapes(), mode in prop_oneof![0_u64..0xfff, Just(0xfff)], long: [u32; 2],
        data in proptest::collection::vec(any::<u8>(), 0..2000), zeros in 0_usize..2000,
    ) {
        let bits = 48 / shape.len();
        let mut meta = kind | (shape.len() as u64 - 1) << 2 | mode << 52;
        for (axis, extent) in shape.iter().enumerate() {
            meta |= (extent - 1) << (4 + bits * axis);
        }
        let client_data = vec![0x10105111, 0x570667a, meta as u32, (meta >> 32) as u32, long[0], long[1]];
        let spec = FilterSpec { id: 32013, optional: false, name: None, client_data };
        let mut output = vec![0; 8 * shape.iter().product::<u64>() as usize];
        let mut input = data;
        let _ = Zfp.decode(&spec, &CONTEXT, &input, &mut output);
        input.extend(vec![0; zeros]);
        if let Ok(len) = Zfp.decode(&spec, &CONTEXT, &input, &mut output) {
            let _ = Zfp.encode(&spec, &CONTEXT, &output[..len], &mut Vec::new());
        }
    }
}

#[test]
fn damaged_chunks_decode_or_fail() {
    let mut noise = 1_u64;
    for (case, _) in cases() {
        for _ in 0..10 {
            noise = noise.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            let mut stored = case.stored.clone();
            let at = (noise >> 40) as usize % stored.len();
            stored[at] ^= 1 << (noise >> 37 & 7);
            let _ = case.pipeline.decode_chunk(&case.context(), 0, &stored, &mut Scratch::default());
            let mut pipeline = case.pipeline.clone();
            let values = &mut pipeline.filters[0].client_data;
            let at = 2 + (noise >> 40) as usize % (values.len() - 2);
            values[at] ^= 1 << (noise >> 32 & 31);
            let _ = pipeline.decode_chunk(&case.context(), 0, &case.stored, &mut Scratch::default());
        }
    }
}

#[test]
fn sizes_that_are_not_the_chunk_s_are_refused() {
    let spec = spec(Mode::Reversible, &Datatype::f32(ByteOrder::Little), &[3, 5]);
    let raw = [7; 60];
    let stored = encoded(&spec, &raw);
    assert!(Zfp.encode(&spec, &CONTEXT, &raw[..59], &mut Vec::new()).is_err());
    assert!(Zfp.decode(&spec, &CONTEXT, &stored, &mut [0; 59]).is_err());
    assert_eq!(Zfp.decode(&spec, &CONTEXT, &stored, &mut [0; 61]).unwrap(), 60);
}
