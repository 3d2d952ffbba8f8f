//! Any datatype -> bytes -> the same datatype.

use proptest::prelude::*;

use super::{decode_datatype, encode_datatype};
use crate::Limits;
use crate::format::primitive::Sizes;
use crate::model::datatype::*;
use crate::model::link::Name;

fn name() -> impl Strategy<Value = Name> {
    prop_oneof!["[a-z]{0,9}", "[\u{1}-\u{ffff}]{1,4}"].prop_map(Name::from)
}

fn order() -> impl Strategy<Value = ByteOrder> {
    prop::sample::select(vec![ByteOrder::Little, ByteOrder::Big])
}

fn padding() -> impl Strategy<Value = StringPadding> {
    use StringPadding::*;
    prop::sample::select(vec![NullTerminated, NullPadded, SpacePadded])
}

fn charset() -> impl Strategy<Value = Charset> {
    prop::sample::select(vec![Charset::Ascii, Charset::Utf8])
}

fn integer() -> impl Strategy<Value = (usize, IntegerType)> {
    (1usize..17, order(), any::<(bool, bool, bool)>(), any::<(u16, u16)>()).prop_map(
        |(size, order, (signed, low_pad, high_pad), (a, b))| {
            let bits = 8 * size as u16;
            let offset = a % bits;
            let precision = b % (bits - offset) + 1;
            (size, IntegerType { order, signed, offset, precision, low_pad, high_pad })
        },
    )
}

fn float() -> impl Strategy<Value = Datatype> {
    let order = prop::sample::select(vec![ByteOrder::Little, ByteOrder::Big, ByteOrder::Vax]);
    let normalization =
        prop::sample::select(vec![Normalization::None, Normalization::MsbSet, Normalization::Implied]);
    let size = prop::sample::select(vec![2usize, 4, 8, 16]);
    (size, order, normalization, any::<(bool, bool, bool, u32)>()).prop_map(
        |(size, order, normalization, (low_pad, high_pad, internal_pad, exponent_bias))| {
            let ieee = FloatType::ieee(size, order).unwrap();
            let class = DatatypeClass::Float(FloatType {
                normalization,
                low_pad,
                high_pad,
                internal_pad,
                exponent_bias,
                ..ieee
            });
            Datatype { size, class }
        },
    )
}

fn atom() -> impl Strategy<Value = Datatype> {
    let reference = {
        use ReferenceType::*;
        prop::sample::select(vec![Object, Region, StdObject, StdRegion, StdAttribute])
    };
    let size = 1usize..300;
    let of = |size, class| Datatype { size, class };
    prop_oneof![
        integer().prop_map(move |(size, i)| of(size, DatatypeClass::Integer(i))),
        integer().prop_map(move |(size, i)| {
            of(size, DatatypeClass::Bitfield(IntegerType { signed: false, ..i }))
        }),
        float(),
        float().prop_map(move |f| of(2 * f.size, DatatypeClass::Complex(Box::new(f)))),
        (size.clone(), order(), any::<u16>())
            .prop_map(move |(size, order, precision)| of(size, DatatypeClass::Time { order, precision })),
        (size.clone(), padding(), charset()).prop_map(move |(size, padding, charset)| of(
            size,
            DatatypeClass::FixedString { padding, charset }
        )),
        (padding(), charset())
            .prop_map(move |(padding, charset)| of(16, DatatypeClass::VarString { padding, charset })),
        (size.clone(), "[a-z]{0,20}")
            .prop_map(move |(size, tag)| of(size, DatatypeClass::Opaque { tag: tag.into() })),
        (size, reference).prop_map(move |(size, r)| of(size, DatatypeClass::Reference(r))),
        (integer(), prop::collection::vec((name(), any::<[u8; 16]>()), 0..5)).prop_map(
            move |((size, i), members)| {
                let base = Box::new(of(size, DatatypeClass::Integer(i)));
                let members = members
                    .into_iter()
                    .map(|(name, value)| EnumMember { name, value: value[..size].to_vec() })
                    .collect();
                of(size, DatatypeClass::Enum { base, members })
            }
        ),
    ]
}

fn compound(parts: Vec<(Name, usize, Datatype)>, tail: usize) -> Datatype {
    let mut members: Vec<Member> = Vec::new();
    let mut end = 0;
    for (name, gap, datatype) in parts {
        if members.iter().any(|m| m.name == name) {
            continue;
        }
        let offset = end + gap;
        end = offset + datatype.size;
        members.push(Member { name, offset, datatype });
    }
    members.reverse();
    Datatype { size: end + tail, class: DatatypeClass::Compound(members) }
}

fn datatype() -> impl Strategy<Value = Datatype> {
    atom().prop_recursive(5, 40, 5, |inner| {
        let member = (name(), prop_oneof![4 => 0usize..3, 1 => 200usize..70_000], inner.clone());
        prop_oneof![
            inner
                .clone()
                .prop_map(|base| Datatype { size: 16, class: DatatypeClass::VarLen(Box::new(base)) }),
            (prop::collection::vec(1u32..4, 0..6), inner).prop_map(|(dims, base)| {
                let size = base.size * dims.iter().product::<u32>() as usize;
                Datatype { size, class: DatatypeClass::Array { dims, base: Box::new(base) } }
            }),
            (prop::collection::vec(member, 1..5), 0usize..5).prop_map(|(parts, tail)| compound(parts, tail)),
        ]
    })
}

proptest! {
    #[test]
    fn survives(datatype in datatype(), container in 1u8..6, cut in any::<prop::sample::Index>()) {
        let bytes = encode_datatype(&datatype, container).unwrap();
        let (again, used) = decode_datatype(&bytes, Sizes::EIGHT, &Limits::default()).unwrap();
        prop_assert_eq!(again, datatype);
        prop_assert_eq!(used, bytes.len());
        prop_assert!(decode_datatype(&bytes[..cut.index(bytes.len())], Sizes::EIGHT, &Limits::default()).is_err());
    }

    #[test]
    fn one_changed_byte_never_panics(
        datatype in datatype(),
        container in 1u8..6,
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let mut bytes = encode_datatype(&datatype, container).unwrap();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        crate::format::round_trip::datatype(&bytes).unwrap();
    }
}
