//! Bodies of fuzz tests: what decodes must encode, and decode again to the same value.
//!
//! Each gives `Ok(None)` for bytes that do not decode, otherwise the bytes that the value encodes to, and `Err` if the
//! value does not survive.

use std::fmt::Debug;

use crate::error::Result;
use crate::format::message::MessageType;
use crate::format::message::attribute::AttributeMessage;
use crate::format::message::attribute_info::AttributeInfoMessage;
use crate::format::message::btree_k::BTreeKMessage;
use crate::format::message::cache_image::CacheImageMessage;
use crate::format::message::comment::{decode_comment, encode_comment};
use crate::format::message::continuation::ContinuationMessage;
use crate::format::message::dataspace::{decode_dataspace, encode_dataspace};
use crate::format::message::datatype::{decode_datatype, encode_datatype};
use crate::format::message::driver_info::DriverInfoMessage;
use crate::format::message::external_files::ExternalFilesMessage;
use crate::format::message::file_space_info::FileSpaceInfoMessage;
use crate::format::message::fill::FillMessage;
use crate::format::message::group_info::GroupInfoMessage;
use crate::format::message::layout::LayoutMessage;
use crate::format::message::link::{decode_link, encode_link};
use crate::format::message::link_info::LinkInfoMessage;
use crate::format::message::mtime::{MtimeMessage, decode_mtime_old, encode_mtime_old};
use crate::format::message::pipeline::PipelineMessage;
use crate::format::message::reference_count::ReferenceCountMessage;
use crate::format::message::shared::{decode_shared, encode_shared};
use crate::format::message::shared_table::SharedTableMessage;
use crate::format::message::symbol_table_message::SymbolTableMessage;
use crate::format::primitive::{Sizes, Structure};
use crate::format::reference::{
    StdKind, decode_reference, decode_region, decode_std, encode_reference, encode_region, encode_std,
};
use crate::format::selection::{SelectionStyle, decode_selection, encode_selection};
use crate::format::virtual_mapping::{decode_virtual_mappings, encode_virtual_mappings};
use crate::limits::Limits;
use crate::model::datatype::ReferenceType;

/// What became of the bytes.
pub type Outcome = std::result::Result<Option<Vec<u8>>, String>;

fn survives<T: PartialEq + Debug>(
    bytes: &[u8],
    decode: impl Fn(&[u8]) -> Result<T>,
    encode: impl Fn(&T) -> Result<Vec<u8>>,
) -> Outcome {
    let Ok(value) = decode(bytes) else { return Ok(None) };
    let encoded = encode(&value).map_err(|e| format!("{value:?} does not encode: {e}"))?;
    let again = decode(&encoded).map_err(|e| format!("{value:?} does not decode again: {e}"))?;
    if again == value { Ok(Some(encoded)) } else { Err(format!("{value:?} became {again:?}")) }
}

fn structure<T: Structure + PartialEq + Debug>(bytes: &[u8], sizes: Sizes) -> Outcome {
    survives(bytes, |b| T::decode(b, sizes), |v| v.encode(sizes))
}

/// The body of a header message of this type, in a file of these widths (2, 4 or 8).
pub fn message(id: u16, shared: bool, offset_size: u8, length_size: u8, body: &[u8]) -> Outcome {
    let sizes = Sizes { offset: offset_size, length: length_size };
    let version = body.first().copied().unwrap_or(0);
    if shared {
        return survives(
            body,
            |b| Ok(decode_shared(b, sizes)?.0),
            |v| encode_shared(*v, version.clamp(1, 3), sizes),
        );
    }
    match MessageType::from_id(id) {
        None | Some(MessageType::Nil | MessageType::Bogus) => Ok(None),
        Some(MessageType::Dataspace) => {
            survives(body, |b| Ok(decode_dataspace(b, sizes)?.0), |v| encode_dataspace(v, version, sizes))
        }
        Some(MessageType::Datatype) => datatype(body),
        Some(MessageType::FillOld) => survives(body, FillMessage::decode_old, FillMessage::encode),
        Some(MessageType::Fill) => survives(body, FillMessage::decode, FillMessage::encode),
        Some(MessageType::Link) => survives(body, |b| decode_link(b, sizes), |v| encode_link(v, sizes)),
        Some(MessageType::ExternalFiles) => {
            survives(body, |b| ExternalFilesMessage::decode(b, sizes), |v| v.encode(sizes))
        }
        Some(MessageType::Layout) => survives(body, |b| LayoutMessage::decode(b, sizes), |v| v.encode(sizes)),
        Some(MessageType::Pipeline) => survives(body, PipelineMessage::decode, PipelineMessage::encode),
        Some(MessageType::Attribute) => attribute(body),
        Some(MessageType::Comment) => survives(body, decode_comment, encode_comment),
        Some(MessageType::MtimeOld) => survives(body, decode_mtime_old, |&v| encode_mtime_old(v)),
        Some(MessageType::DriverInfo) => survives(body, DriverInfoMessage::decode, DriverInfoMessage::encode),
        Some(MessageType::FileSpaceInfo) => {
            survives(body, |b| FileSpaceInfoMessage::decode(b, sizes), |v| v.encode(sizes))
        }
        Some(MessageType::LinkInfo) => structure::<LinkInfoMessage>(body, sizes),
        Some(MessageType::GroupInfo) => structure::<GroupInfoMessage>(body, sizes),
        Some(MessageType::SharedTable) => structure::<SharedTableMessage>(body, sizes),
        Some(MessageType::Continuation) => structure::<ContinuationMessage>(body, sizes),
        Some(MessageType::SymbolTable) => structure::<SymbolTableMessage>(body, sizes),
        Some(MessageType::Mtime) => structure::<MtimeMessage>(body, sizes),
        Some(MessageType::BTreeK) => structure::<BTreeKMessage>(body, sizes),
        Some(MessageType::AttributeInfo) => structure::<AttributeInfoMessage>(body, sizes),
        Some(MessageType::ReferenceCount) => structure::<ReferenceCountMessage>(body, sizes),
        Some(MessageType::CacheImage) => structure::<CacheImageMessage>(body, sizes),
    }
}

/// A datatype; it is encoded with containers of the version that it has.
pub fn datatype(bytes: &[u8]) -> Outcome {
    let limits = Limits::default();
    let version = bytes.first().map_or(1, |b| b >> 4);
    survives(bytes, |b| Ok(decode_datatype(b, Sizes::EIGHT, &limits)?.0), |v| encode_datatype(v, version))
}

fn attribute(body: &[u8]) -> Outcome {
    let Ok(value) = AttributeMessage::decode(body) else { return Ok(None) };
    // A body that the format's 16-bit message size cannot hold.
    let Ok(encoded) = value.encode() else { return Ok(None) };
    match AttributeMessage::decode(&encoded) {
        Ok(again) if again == value => Ok(Some(encoded)),
        other => Err(format!("{value:?} became {other:?}")),
    }
}

/// A serialized selection.
pub fn selection(bytes: &[u8]) -> Outcome {
    survives(bytes, |b| Ok(decode_selection(b)?.0), |v| encode_selection(v, SelectionStyle::V112))
}

/// The heap object of a virtual dataset.
pub fn virtual_mappings(bytes: &[u8], offset_size: u8, length_size: u8) -> Outcome {
    let sizes = Sizes { offset: offset_size, length: length_size };
    let version = bytes.first().copied().unwrap_or(0);
    survives(
        bytes,
        |b| decode_virtual_mappings(b, sizes),
        |v| encode_virtual_mappings(v, version, SelectionStyle::V112, sizes),
    )
}

/// An element of a reference type (`kind` 0 to 2), or a heap object of one (3 to 6).
pub fn reference(kind: u8, bytes: &[u8], offset_size: u8) -> Outcome {
    let sizes = Sizes { offset: offset_size, length: 8 };
    let element = |kind| {
        let size = bytes.len().max(18);
        survives(bytes, |b| decode_reference(b, kind, sizes), |v| encode_reference(v, kind, size, sizes))
    };
    let object = |kind, external| {
        let wide = Sizes::EIGHT;
        survives(bytes, |b| decode_std(b, kind, external), |v| encode_std(v, SelectionStyle::V112, wide))
    };
    match kind {
        0 => element(ReferenceType::Object),
        1 => element(ReferenceType::Region),
        2 => element(ReferenceType::StdObject),
        3 => object(StdKind::Object, true),
        4 => object(StdKind::Region, false),
        5 => object(StdKind::Attribute, false),
        _ => survives(
            bytes,
            |b| decode_region(b, sizes),
            |(address, selection)| encode_region(*address, selection, SelectionStyle::V112, sizes),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn random_bytes(
            id in 0u16..0x1a,
            shared in any::<bool>(),
            width in prop::sample::select(vec![2u8, 4, 8]),
            kind in 0u8..8,
            first in 0u8..6,
            mut bytes in prop::collection::vec(prop_oneof![0u8..4, any::<u8>()], 0..200),
        ) {
            message(id, shared, width, width, &bytes).unwrap();
            reference(kind, &bytes, width).unwrap();
            if let Some(byte) = bytes.first_mut() {
                *byte = first;
            }
            message(id, false, width, width, &bytes).unwrap();
            virtual_mappings(&bytes, width, width).unwrap();
            let typed = [&[first << 4 | kind], &bytes[..]].concat();
            datatype(&typed).unwrap();
            let selected = [&[kind % 4, 0, 0, 0, first % 4, 0, 0, 0], &bytes[..]].concat();
            selection(&selected).unwrap();
        }
    }
}
