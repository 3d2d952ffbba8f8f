//! Attributes of an object: compact and dense storage.

use std::{borrow::Cow, cmp::Ordering};

use smallvec::SmallVec;

use super::{
    Store,
    btree::v2::BTreeV2,
    heap::fractal::FractalHeap,
    object::{Message, ObjectHeader},
};
use crate::{
    error::{Context, Error, Result},
    format::{
        btree_v2_record::AttributeName,
        checksum::lookup3,
        message::{
            MessageType,
            attribute::{AttributeMessage, Embedded},
            attribute_info::AttributeInfoMessage,
            dataspace::decode_dataspace,
            datatype::decode_datatype,
            shared::{SharedPointer, encode_shared},
        },
        object_header::SHARED,
        primitive::Structure,
    },
    model::{
        dataspace::Dataspace,
        datatype::{Charset, Datatype},
        link::Name,
    },
};

/// An attribute, decoded but for its data.
#[derive(Clone, Debug)]
pub(crate) struct AttributeData {
    pub(crate) name: Name,
    pub(crate) charset: Charset,
    pub(crate) datatype: Datatype,
    /// Object header of its type, if that is a committed one.
    pub(crate) committed: Option<u64>,
    pub(crate) dataspace: Dataspace,
    /// Exactly the elements.
    pub(crate) bytes: SmallVec<[u8; 24]>,
    pub(crate) creation_order: Option<u32>,
}

/// The body of an attribute message, and its creation order.
type Body<'b> = (Cow<'b, [u8]>, Option<u32>);

fn message_body<'a>(store: &'a Store, header: &'a ObjectHeader, message: &Message) -> Result<Body<'a>> {
    let body = header.body(&store.reader, message);
    let order = message.order.map(u32::from);
    if message.is_shared() {
        return Ok((store.shared_content(MessageType::Attribute, body, 0)?, order));
    }
    Ok((Cow::Borrowed(body), order))
}

/// Calls `f` with the message of every attribute. One that cannot be read is an error for itself only.
fn for_each_body(
    store: &Store,
    header: &ObjectHeader,
    f: &mut dyn FnMut(Result<Body<'_>>) -> Result<()>,
) -> Result<()> {
    for message in header.messages.iter().filter(|m| m.is(MessageType::Attribute)) {
        f(message_body(store, header, message).at(header.address))?;
    }
    let Some((heap, index)) = dense(store, header)? else { return Ok(()) };
    let heap = FractalHeap::open(store, heap)?;
    BTreeV2::open(&store.reader, index)?
        .for_each(&store.reader, &mut |record| f(dense_body(store, &heap, record)))
}

fn dense_body<'s>(store: &'s Store, heap: &FractalHeap, record: &[u8]) -> Result<Body<'s>> {
    let record = AttributeName::decode(record, store.reader.sizes)?;
    let body = if record.flags & SHARED != 0 {
        let table = store.shared_table()?;
        let heap = table.iter().find(|(types, _)| types & (1 << MessageType::Attribute as u16) != 0);
        let Some(&(_, Some(heap))) = heap else {
            return Err(Error::corrupt("no heap of shared attribute messages"));
        };
        FractalHeap::open(store, heap)?.object(store, &record.id)?
    } else {
        heap.object(store, &record.id)?
    };
    Ok((body, Some(record.order)))
}

/// Heap and name index of dense attributes.
fn dense(store: &Store, header: &ObjectHeader) -> Result<Option<(u64, u64)>> {
    let info = header.content(store, MessageType::AttributeInfo, |body| {
        AttributeInfoMessage::decode(body, store.reader.sizes)
    })?;
    Ok(info.and_then(|info| Some((info.heap?, info.name_index?))))
}

/// Attribute creation order: tracked, indexed.
pub(crate) fn creation_order(header: &ObjectHeader) -> (bool, bool) {
    use crate::format::object_header::{INDEXES_ORDER, TRACKS_ORDER};
    let has = |flag| header.prefix.version > 1 && header.prefix.flags & flag != 0;
    (has(TRACKS_ORDER), has(INDEXES_ORDER))
}

/// Calls `f` for every attribute in the order of storage.
pub(crate) fn for_each(
    store: &Store,
    header: &ObjectHeader,
    f: &mut dyn FnMut(Result<AttributeData>) -> Result<()>,
) -> Result<()> {
    for_each_body(store, header, &mut |body| f(body.and_then(|(body, order)| decode(store, &body, order))))
}

/// Calls `f` with the name of every attribute whose name can be read.
pub(crate) fn for_each_name(store: &Store, header: &ObjectHeader, f: &mut dyn FnMut(&[u8])) -> Result<()> {
    for_each_body(store, header, &mut |body| {
        if let Ok((body, _)) = body
            && let Ok(attribute) = AttributeMessage::decode(&body)
        {
            f(attribute.name);
        }
        Ok(())
    })
}

/// An attribute as the file has it.
pub(crate) struct StoredAttribute {
    pub(crate) name: Name,
    /// Of its message.
    pub(crate) flags: u8,
    pub(crate) order: u32,
    /// Its message; of one that is shared the pointer to it.
    pub(crate) body: Vec<u8>,
}

/// Calls `f` with every attribute as the file has it. One that cannot be read is an error.
pub(crate) fn for_each_stored(
    store: &Store,
    header: &ObjectHeader,
    f: &mut dyn FnMut(StoredAttribute) -> Result<()>,
) -> Result<()> {
    for message in header.messages.iter().filter(|m| m.is(MessageType::Attribute)) {
        let (body, order) = message_body(store, header, message)?;
        let name = Name::from(AttributeMessage::decode(&body)?.name);
        let body = header.body(&store.reader, message).to_vec();
        f(StoredAttribute { name, flags: message.flags, order: order.unwrap_or(0), body })?;
    }
    let Some((heap, index)) = dense(store, header)? else { return Ok(()) };
    let heap = FractalHeap::open(store, heap)?;
    let sizes = store.reader.sizes;
    BTreeV2::open(&store.reader, index)?.for_each(&store.reader, &mut |record| {
        let (body, order) = dense_body(store, &heap, record)?;
        let record = AttributeName::decode(record, sizes)?;
        let name = Name::from(AttributeMessage::decode(&body)?.name);
        let body = match record.flags & SHARED {
            0 => body.to_vec(),
            _ => encode_shared(SharedPointer::Heap(record.id), 3, sizes)?,
        };
        f(StoredAttribute { name, flags: record.flags, order: order.unwrap_or(0), body })
    })
}

/// The creation order of the next attribute of an object.
pub(crate) fn next_order(store: &Store, header: &ObjectHeader) -> Result<u32> {
    let info = header.content(store, MessageType::AttributeInfo, |body| {
        AttributeInfoMessage::decode(body, store.reader.sizes)
    })?;
    Ok(info.and_then(|info| info.max_creation_index).unwrap_or(0).into())
}

/// An attribute from its message as the file has it.
pub(crate) fn from_stored(
    store: &Store,
    flags: u8,
    body: &[u8],
    order: Option<u32>,
) -> Result<AttributeData> {
    if flags & SHARED != 0 {
        return decode(store, &store.shared_content(MessageType::Attribute, body, 0)?, order);
    }
    decode(store, body, order)
}

/// Finds an attribute by its name, through the index if there is one.
pub(crate) fn find(store: &Store, header: &ObjectHeader, name: &[u8]) -> Result<Option<AttributeData>> {
    for message in header.messages.iter().filter(|m| m.is(MessageType::Attribute)) {
        // A damaged sibling does not hide the one that is looked for.
        let Ok((body, order)) = message_body(store, header, message) else { continue };
        if AttributeMessage::decode(&body).is_ok_and(|a| a.name == name) {
            return decode(store, &body, order).at(header.address).map(Some);
        }
    }
    let Some((heap, index)) = dense(store, header)? else { return Ok(None) };
    let heap = FractalHeap::open(store, heap)?;
    let hash = lookup3(name);
    let mut found = None;
    BTreeV2::open(&store.reader, index)?.find(&store.reader, &mut |record| {
        let stored = AttributeName::decode(record, store.reader.sizes)?.hash;
        if stored != hash {
            return Ok(stored.cmp(&hash));
        }
        let (body, order) = dense_body(store, &heap, record)?;
        let comparison = AttributeMessage::decode(&body)?.name.cmp(name);
        if comparison == Ordering::Equal {
            found = Some(decode(store, &body, order)?);
        }
        Ok(comparison)
    })?;
    Ok(found)
}

fn decode(store: &Store, body: &[u8], creation_order: Option<u32>) -> Result<AttributeData> {
    let attribute = AttributeMessage::decode(body)?;
    let reader = &store.reader;
    let name = || format!("attribute {}", Name::from(attribute.name));
    let decode = || {
        let (datatype, committed) = match attribute.datatype {
            Embedded::Inline(bytes) => (decode_datatype(bytes, reader.sizes, &reader.limits)?.0, None),
            Embedded::Shared(pointer) => {
                let bytes = store.shared_content(MessageType::Datatype, pointer, 0)?;
                let datatype = decode_datatype(&bytes, reader.sizes, &reader.limits)?.0;
                (datatype, store.committed(pointer)?)
            }
        };
        let dataspace = match attribute.dataspace {
            Embedded::Inline(bytes) => decode_dataspace(bytes, reader.sizes)?.0,
            Embedded::Shared(pointer) => {
                let bytes = store.shared_content(MessageType::Dataspace, pointer, 0)?;
                decode_dataspace(&bytes, reader.sizes)?.0
            }
        };
        let len = dataspace.len()?.checked_mul(datatype.size as u64);
        let bytes = len.and_then(|n| attribute.data.get(..usize::try_from(n).ok()?)).ok_or_else(|| {
            Error::corrupt(format!(
                "{} bytes for {:?} elements of {datatype}",
                attribute.data.len(),
                dataspace.dims()
            ))
        })?;
        Ok(AttributeData {
            name: Name::from(attribute.name),
            charset: attribute.charset,
            committed,
            dataspace,
            bytes: SmallVec::from_slice(bytes),
            datatype,
            creation_order,
        })
    };
    decode().map_err(|e: Error| e.of_object(&name()))
}
