//! Datatype message (0x03): section IV.A.2.d of the specification.
//!
//! ```text
//! +-------------------------+------------------+----------+
//! | version << 4 | class    | class bits (3)   | size (4) | properties of the class ...
//! +-------------------------+------------------+----------+
//! ```
//!
//! Versions: 1; 2 adds arrays; 3 packs names and offsets, and adds the byte order of VAX; 4 adds the references of
//! HDF5 1.12; 5 adds complex numbers. Before version 3, arrays also hold a permutation of their dimensions, which is
//! written as the identity and ignored on reading. Types nest: each member and each base type is such a block again.

mod decode;
mod encode;
#[cfg(test)]
mod property;

pub use decode::decode_datatype;
pub use encode::{encode_datatype, put_datatype};

const NAME: &str = "datatype message";

/// Numbers of the classes.
mod class {
    pub const INTEGER: u8 = 0;
    pub const FLOAT: u8 = 1;
    pub const TIME: u8 = 2;
    pub const STRING: u8 = 3;
    pub const BITFIELD: u8 = 4;
    pub const OPAQUE: u8 = 5;
    pub const COMPOUND: u8 = 6;
    pub const REFERENCE: u8 = 7;
    pub const ENUM: u8 = 8;
    pub const VARLEN: u8 = 9;
    pub const ARRAY: u8 = 10;
    pub const COMPLEX: u8 = 11;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Limits;
    use crate::format::message::testing::*;
    use crate::format::primitive::Sizes;
    use crate::model::datatype::*;

    fn decode(text: &str) -> crate::Result<(Datatype, usize)> {
        decode_datatype(&hex(text), Sizes::EIGHT, &Limits::default())
    }

    fn same(text: &str, container: u8, value: &Datatype) {
        let bytes = hex(text);
        assert_eq!(decode(text).unwrap(), (value.clone(), bytes.len()));
        assert_eq!(encode_datatype(value, container).unwrap(), bytes);
        for n in 0..bytes.len() {
            let cut = decode_datatype(&bytes[..n], Sizes::EIGHT, &Limits::default());
            assert!(is_truncated(&cut.unwrap_err()), "{n} bytes");
        }
    }

    const I32: &str = "10080000 04000000 0000 2000";
    const F64: &str = "11203f00 08000000 0000 4000 34 0b 00 34 ff030000";

    fn i32le() -> Datatype {
        Datatype::integer(4, true, ByteOrder::Little)
    }
    fn of(size: usize, class: DatatypeClass) -> Datatype {
        Datatype { size, class }
    }
    fn member(name: &str, offset: usize, datatype: Datatype) -> Member {
        Member { name: name.into(), offset, datatype }
    }

    #[test]
    fn numbers() {
        same(I32, 3, &i32le());
        same(F64, 3, &Datatype::f64(ByteOrder::Little));
        same("11211f00 04000000 0000 2000 17 08 00 17 7f000000", 3, &Datatype::f32(ByteOrder::Big));
        let Some(mut vax) = FloatType::ieee(4, ByteOrder::Vax) else { panic!() };
        vax.exponent_bias = 129;
        same("31611f00 04000000 0000 2000 17 08 00 17 81000000", 3, &of(4, DatatypeClass::Float(vax)));
        same(
            "12010000 04000000 2000",
            3,
            &of(4, DatatypeClass::Time { order: ByteOrder::Big, precision: 32 }),
        );
        let bits = IntegerType {
            offset: 1,
            precision: 5,
            high_pad: true,
            ..IntegerType::full(1, false, ByteOrder::Little)
        };
        same("14040000 01000000 0100 0500", 3, &of(1, DatatypeClass::Bitfield(bits)));
        same(
            "5b010000 10000000 11203f00 08000000 0000 4000 34 0b 00 34 ff030000",
            3,
            &of(16, DatatypeClass::Complex(Box::new(Datatype::f64(ByteOrder::Little)))),
        );
    }

    #[test]
    fn strings_opaque_and_references() {
        same("13010000 05000000", 3, &Datatype::fixed_string(5, Charset::Ascii));
        let padding = StringPadding::SpacePadded;
        same("13120000 05000000", 3, &of(5, DatatypeClass::FixedString { padding, charset: Charset::Utf8 }));
        same("19010100 10000000 10000000 01000000 0000 0800", 3, &Datatype::var_string());
        same("15080000 04000000 6162630000000000", 3, &of(4, DatatypeClass::Opaque { tag: "abc".into() }));
        same("15000000 04000000", 3, &of(4, DatatypeClass::Opaque { tag: "".into() }));
        same("17000000 08000000", 3, &of(8, DatatypeClass::Reference(ReferenceType::Object)));
        same("17010000 0c000000", 3, &of(12, DatatypeClass::Reference(ReferenceType::Region)));
        same("47140000 12000000", 3, &of(18, DatatypeClass::Reference(ReferenceType::StdAttribute)));
    }

    #[test]
    fn compounds_of_every_version() {
        let plain = of(
            12,
            DatatypeClass::Compound(vec![
                member("a", 0, i32le()),
                member("b", 4, Datatype::f64(ByteOrder::Little)),
            ]),
        );
        same(&format!("36020000 0c000000 6100 00 {I32} 6200 04 {F64}"), 3, &plain);
        same(
            &format!("26020000 0c000000 6100000000000000 00000000 {I32} 6200000000000000 04000000 {F64}"),
            2,
            &plain,
        );
        let none = "00 000000 00000000 00000000 00000000 00000000 00000000 00000000";
        same(
            &format!(
                "16020000 0c000000 6100000000000000 00000000 {none} {I32} 6200000000000000 04000000 {none} {F64}"
            ),
            1,
            &plain,
        );
        let array = of(24, DatatypeClass::Array { dims: vec![2, 3], base: Box::new(i32le()) });
        let with_array = of(24, DatatypeClass::Compound(vec![member("grid", 0, array)]));
        same(
            &format!(
                "16010000 18000000 6772696400000000 00000000 02 000000 00010000 00000000 02000000 03000000 00000000 00000000 {I32}"
            ),
            1,
            &with_array,
        );
        same(
            &format!(
                "26010000 18000000 6772696400000000 00000000 2a000000 18000000 02 000000 02000000 03000000 00000000 01000000 {I32}"
            ),
            2,
            &with_array,
        );
        same(
            &format!("36010000 18000000 6772696400 00 3a000000 18000000 02 02000000 03000000 {I32}"),
            3,
            &with_array,
        );
    }

    #[test]
    fn enums_and_sequences() {
        let boolean = of(
            1,
            DatatypeClass::Enum {
                base: Box::new(Datatype::integer(1, true, ByteOrder::Little)),
                members: vec![
                    EnumMember { name: "FALSE".into(), value: vec![0] },
                    EnumMember { name: "TRUE".into(), value: vec![1] },
                ],
            },
        );
        same(
            "18020000 01000000 10080000 01000000 0000 0800 46414c5345000000 5452554500000000 00 01",
            1,
            &boolean,
        );
        same("38020000 01000000 10080000 01000000 0000 0800 46414c534500 5452554500 00 01", 3, &boolean);
        let sequence = of(16, DatatypeClass::VarLen(Box::new(i32le())));
        same(&format!("19000000 10000000 {I32}"), 3, &sequence);
        let nested = of(16, DatatypeClass::VarLen(Box::new(boolean)));
        same(
            "39000000 10000000 38020000 01000000 10080000 01000000 0000 0800 46414c534500 5452554500 00 01",
            3,
            &nested,
        );
    }

    #[test]
    fn hostile_numbers() {
        assert!(is_corrupt(decode("10080000 00000000 0000 2000")));
        assert!(is_corrupt(decode("10080000 04000000 0000 0000")));
        assert!(is_corrupt(decode("10080000 04000000 0100 2000")));
        assert!(is_unsupported(decode("00080000 04000000 0000 2000")));
        assert!(is_unsupported(decode("60080000 04000000 0000 2000")));
        assert!(is_unsupported(decode("1c080000 04000000 0000 2000")));
        assert!(is_corrupt(decode("11303f00 08000000 0000 4000 34 0b 00 34 ff030000")));
        assert!(is_corrupt(decode("31603f00 08000000 0000 4000 34 0b 00 34 ff030000")));
        assert!(is_corrupt(decode("11203f00 08000000 0000 4000 34 00 00 34 ff030000")));
        assert!(is_corrupt(decode("11203f00 08000000 0000 4000 34 0c 00 34 ff030000")));
        assert!(is_corrupt(decode("11203f00 08000000 0000 4000 33 0b 00 34 ff030000")));
        assert!(is_corrupt(decode(&format!("5b000000 10000000 {F64}"))));
        assert!(is_corrupt(decode(&format!("5b010000 18000000 {F64}"))));
    }

    #[test]
    fn hostile_compositions() {
        // No members; beyond the end; overlap; the same name twice.
        assert!(is_corrupt(decode("36000000 04000000")));
        assert!(is_corrupt(decode(&format!("36010000 04000000 6100 01 {I32}"))));
        assert!(is_corrupt(decode(&format!("36020000 08000000 6100 00 {I32} 6200 03 {I32}"))));
        assert!(is_corrupt(decode(&format!("36020000 08000000 6100 00 {I32} 6100 04 {I32}"))));
        // 65,535 members announced.
        let e = decode(&format!("36ffff00 04000000 6100 00 {I32}")).unwrap_err();
        assert!(is_truncated(&e));
        // An array whose product is not its size, exceeds 64 bits, or has rank 33.
        assert!(is_corrupt(decode(&format!("3a000000 10000000 01 03000000 {I32}"))));
        let huge = "ffffffff".repeat(4);
        assert!(is_corrupt(decode(&format!("3a000000 10000000 04 {huge} {I32}"))));
        assert!(is_corrupt(decode(&format!("3a000000 10000000 21 {huge} {I32}"))));
        // An enumeration of another size than its base, and of floats.
        assert!(is_corrupt(decode(&format!("38010000 02000000 {I32} 4100 00000000"))));
        assert!(is_corrupt(decode(&format!("38010000 08000000 {F64} 4100 0000000000000000"))));
        let deep = "19000000 10000000".repeat(1000);
        assert!(is_limit(decode(&format!("{deep}{I32}"))));
    }

    #[test]
    fn what_cannot_be_encoded() {
        let long = of(4, DatatypeClass::Opaque { tag: "x".repeat(256).into() });
        assert!(is_usage(encode_datatype(&long, 3)));
        assert!(is_usage(encode_datatype(&of(4, DatatypeClass::Compound(vec![])), 3)));
        let bad = of(4, DatatypeClass::Compound(vec![member("a\0b", 0, i32le())]));
        assert!(is_usage(encode_datatype(&bad, 3)));
    }
}
