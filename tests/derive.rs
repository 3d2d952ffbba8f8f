//! `#[derive(H5Type)]`: what it generates for structs and enums.
#![cfg(feature = "derive")]
#![deny(missing_docs)]
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // helpers of tests

use h5::model::datatype::{ByteOrder, Datatype, DatatypeClass, EnumMember, Member};
use h5::{Error, ErrorKind, H5Type, HeapRead, HeapWrite, Result};

/// A heap in memory.
#[derive(Default)]
struct Heap(Vec<Vec<u8>>);

impl HeapRead for Heap {
    fn offset_size(&self) -> u8 {
        8
    }
    fn with_object(&self, _: u64, index: u32, f: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
        f(&self.0[index as usize])
    }
}
impl HeapWrite for Heap {
    fn offset_size(&self) -> usize {
        8
    }
    fn store(&mut self, object: &[u8]) -> Result<(u64, u32)> {
        self.0.push(object.to_owned());
        Ok((0x100, self.0.len() as u32 - 1))
    }
}

fn round_trip<T: H5Type>(value: &T) -> T {
    let mut heap = Heap::default();
    let mut bytes = vec![0xEE; T::datatype().size];
    value.encode(&mut bytes, &mut heap).unwrap();
    T::decode(&T::plan(&T::datatype()).unwrap(), &bytes, &heap).unwrap()
}

fn compound(size: usize, members: Vec<(&str, usize, Datatype)>) -> Datatype {
    let members = members
        .into_iter()
        .map(|(name, offset, datatype)| Member { name: name.into(), offset, datatype })
        .collect();
    Datatype { size, class: DatatypeClass::Compound(members) }
}

fn type_error<T>(result: Result<T>) -> (String, String) {
    match result.err().as_ref().map(Error::kind) {
        Some(ErrorKind::Type { expected, found }) => (expected.clone(), found.clone()),
        other => panic!("a type error was expected, not {other:?}"),
    }
}

#[derive(H5Type, Clone, Debug, PartialEq)]
struct Row {
    id: u8,
    #[h5(rename = "time [s]")]
    time: f64,
    r#type: i16,
}

#[test]
fn a_struct_of_plain_fields_has_its_layout_in_memory() {
    const { assert!(Row::POD) };
    let datatype = Row::datatype();
    assert_eq!(datatype.size, size_of::<Row>());
    let offset = |name: &str| datatype.member(name).unwrap().offset;
    assert_eq!(offset("id"), std::mem::offset_of!(Row, id));
    assert_eq!(offset("time [s]"), std::mem::offset_of!(Row, time));
    assert_eq!(offset("type"), std::mem::offset_of!(Row, r#type));
    let row = Row { id: 7, time: 0.5, r#type: -3 };
    assert_eq!(round_trip(&row), row);
}

#[test]
fn members_are_matched_by_name_and_others_passed_over() {
    let file = compound(
        20,
        vec![
            ("type", 1, Datatype::integer(2, true, ByteOrder::Big)),
            ("other", 3, Datatype::integer(8, false, ByteOrder::Little)),
            ("time [s]", 11, Datatype::f64(ByteOrder::Little)),
            ("id", 19, Datatype::integer(1, false, ByteOrder::Little)),
        ],
    );
    let mut bytes = [0xEE; 20];
    bytes[1..3].copy_from_slice(&(-2i16).to_be_bytes());
    bytes[11..19].copy_from_slice(&1.25f64.to_le_bytes());
    bytes[19] = 9;
    let plan = Row::plan(&file).unwrap();
    let row = Row::decode(&plan, &bytes, &Heap::default()).unwrap();
    assert_eq!(row, Row { id: 9, time: 1.25, r#type: -2 });
    // A member beyond the element that is given is no panic.
    let error = Row::decode(&plan, &bytes[..19], &Heap::default()).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Corrupt(_)), "{error}");
}

#[test]
fn a_member_that_is_missing_or_of_another_type_is_named() {
    let (expected, found) = type_error(Row::plan(&compound(
        9,
        vec![
            ("id", 0, Datatype::integer(1, false, ByteOrder::Little)),
            ("t", 1, Datatype::f64(ByteOrder::Little)),
        ],
    )));
    assert_eq!(expected, "compound with member \"time [s]\"");
    assert!(found.contains("\"id\"") && found.contains("\"t\""), "{found}");

    let (expected, _) =
        type_error(Row::plan(&compound(4, vec![("id", 0, Datatype::f32(ByteOrder::Little))])));
    assert!(expected.starts_with("member \"id\": "), "{expected}");

    let integer = Datatype::integer(4, true, ByteOrder::Little);
    assert_eq!(type_error(Row::plan(&integer)).1, integer.to_string());
}

#[derive(H5Type, Clone, Debug, PartialEq)]
struct Event {
    name: String,
    row: Row,
    colour: Colour,
    unit: String,
}

#[derive(H5Type, Clone, Copy, Debug, PartialEq)]
#[repr(i16)]
enum Colour {
    Red = -1,
    Green,
    #[h5(rename = "deep blue")]
    Blue = 300,
}

#[test]
fn members_follow_each_other_when_a_field_is_not_plain() {
    const { assert!(!Event::POD) };
    let datatype = Event::datatype();
    let sizes = [16, size_of::<Row>(), 2, 16];
    assert_eq!(datatype.size, sizes.iter().sum::<usize>());
    let mut end = 0;
    for (name, size) in ["name", "row", "colour", "unit"].into_iter().zip(sizes) {
        assert_eq!(datatype.member(name).unwrap().offset, end, "{name}");
        end += size;
    }
    let event = Event {
        name: "start".into(),
        row: Row { id: 1, time: 2.0, r#type: 3 },
        colour: Colour::Blue,
        unit: "K".into(),
    };
    assert_eq!(round_trip(&event), event);
}

#[derive(H5Type, Clone, Copy, Debug, PartialEq)]
#[repr(C, packed)]
struct Packed {
    flag: u8,
    value: f64,
}

#[test]
fn a_packed_struct_has_no_gaps() {
    assert_eq!(Packed::datatype().size, 9);
    assert_eq!(Packed::datatype().member("value").unwrap().offset, 1);
    let packed = Packed { flag: 1, value: -1.0 };
    assert_eq!(round_trip(&packed), packed);
}

/// More fields than tuples have traits for.
#[derive(H5Type, Clone, Debug, PartialEq)]
pub struct Wide {
    a: u8,
    b: u8,
    c: u8,
    d: u8,
    e: u8,
    f: u8,
    g: u8,
    h: u8,
    i: u8,
    j: u8,
    k: u8,
    l: u8,
    m: u8,
    n: f32,
}

#[test]
fn any_number_of_fields() {
    let bytes: Vec<u8> = (0..20).collect();
    let wide = Wide::decode(&Wide::plan(&Wide::datatype()).unwrap(), &bytes, &Heap::default()).unwrap();
    assert_eq!(round_trip(&wide), wide);
}

#[test]
fn an_enum_is_an_enumeration_over_its_repr() {
    let DatatypeClass::Enum { base, members } = Colour::datatype().class else {
        panic!("not an enumeration");
    };
    assert_eq!(*base, i16::datatype());
    let expected = [("Red", -1i16), ("Green", 0), ("deep blue", 300)];
    for (member, (name, value)) in members.iter().zip(expected) {
        assert_eq!((member.name.to_str(), &member.value[..]), (Some(name), &value.to_ne_bytes()[..]));
    }
    for colour in [Colour::Red, Colour::Green, Colour::Blue] {
        assert_eq!(round_trip(&colour), colour);
    }
}

fn file_enumeration(order: ByteOrder, members: &[(&str, &[u8])]) -> Datatype {
    let base = Box::new(Datatype::integer(members[0].1.len(), true, order));
    let members = members
        .iter()
        .map(|(name, value)| EnumMember { name: (*name).into(), value: value.to_vec() })
        .collect();
    Datatype { size: base.size, class: DatatypeClass::Enum { base, members } }
}

#[test]
fn variants_are_matched_by_name_whatever_their_value_in_the_file() {
    let file =
        file_enumeration(ByteOrder::Big, &[("deep blue", &[0, 5]), ("Violet", &[0, 6]), ("Red", &[0x80, 0])]);
    let plan = Colour::plan(&file).unwrap();
    let heap = Heap::default();
    assert_eq!(Colour::decode(&plan, &[0, 5], &heap).unwrap(), Colour::Blue);
    assert_eq!(Colour::decode(&plan, &[0x80, 0], &heap).unwrap(), Colour::Red);

    let (expected, found) = type_error(Colour::decode(&plan, &[0, 6], &heap));
    assert_eq!((&*expected, &*found), ("a variant of Colour", "Violet = 6"));
    let error = Colour::decode(&plan, &[0xFF, 0xFE], &heap).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Corrupt(_)) && error.to_string().contains("-2"), "{error}");
}

#[test]
fn an_enumeration_without_a_common_name_does_not_fit() {
    let file = file_enumeration(ByteOrder::Little, &[("Cyan", &[1])]);
    let (expected, found) = type_error(Colour::plan(&file));
    assert_eq!(expected, "enumeration Colour of \"Red\", \"Green\", \"deep blue\"");
    assert_eq!(found, file.to_string());
    type_error(Colour::plan(&i16::datatype()));
}

/// h5py's booleans are the enumeration {FALSE, TRUE}.
#[derive(H5Type, Clone, Copy, Debug, PartialEq)]
#[repr(u8)]
enum Flag {
    #[h5(rename = "FALSE")]
    Off,
    #[h5(rename = "TRUE")]
    On,
}

#[test]
fn booleans_are_an_enumeration_too() {
    let file = file_enumeration(ByteOrder::Little, &[("FALSE", &[0]), ("TRUE", &[1])]);
    assert!(file.is_bool());
    let plan = Flag::plan(&file).unwrap();
    assert_eq!(Flag::decode(&plan, &[1], &Heap::default()).unwrap(), Flag::On);
    assert_eq!(Flag::decode(&plan, &[0], &Heap::default()).unwrap(), Flag::Off);
    assert!(Flag::datatype().is_bool());
}

mod elsewhere {
    pub use h5 as engine;

    #[derive(engine::H5Type)]
    #[h5(crate = engine)]
    pub struct Point {
        pub x: f32,
        pub y: f32,
    }
}

#[test]
fn the_crate_may_have_another_name() {
    use elsewhere::Point;
    let Point { x, y } = round_trip(&Point { x: 1.0, y: 2.0 });
    assert_eq!((x, y), (1.0, 2.0));
}
