//! Object headers with their continuations.

use std::borrow::Cow;

use smallvec::SmallVec;

use super::{
    Store,
    reader::{Reader, Stored},
};
use crate::{
    error::{Context, Error, Result},
    format::{
        message::MessageType,
        object_header::{FAIL_ALWAYS, HeaderPrefix, Messages, SHARED, continuation},
        primitive::Bytes,
    },
    source::prefetch,
};

const NAME: &str = "object header";
/// Most headers are not longer.
const USUAL: u64 = 512;
/// Bytes of a header that are prefetched: those of most lie within.
const PREFETCHED: usize = 320;

/// An object header: its messages, found but not decoded.
#[derive(Clone, Debug)]
pub(crate) struct ObjectHeader {
    pub(crate) address: u64,
    pub(crate) prefix: HeaderPrefix,
    /// The first one, and what continues it.
    blocks: SmallVec<[Stored; 1]>,
    /// (address, bytes) of the continuation blocks.
    pub(crate) continuations: Vec<(u64, u64)>,
    /// Bit i: there is a message of type i.
    kinds: u32,
    pub(crate) messages: SmallVec<[Message; 8]>,
}

/// Where a message of an object header lies.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Message {
    pub(crate) id: u16,
    pub(crate) flags: u8,
    /// Creation order of an attribute.
    pub(crate) order: Option<u16>,
    block: u32,
    start: u32,
    len: u32,
}

impl Message {
    pub(crate) fn is(&self, kind: MessageType) -> bool {
        self.id == kind as u16
    }
    pub(crate) fn is_shared(&self) -> bool {
        self.flags & SHARED != 0
    }
}

/// What an object is, by the messages that it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ObjectKind {
    Group,
    Dataset,
    Datatype,
}

impl ObjectHeader {
    /// Reads the header and all its continuations. Checksums are verified.
    pub(crate) fn read(reader: &Reader, address: u64) -> Result<Self> {
        match Self::read_blocks(reader, address) {
            Ok(header) => Ok(header),
            Err(e) => Err(e.in_structure(NAME).at(address)),
        }
    }

    fn read_blocks(reader: &Reader, address: u64) -> Result<Self> {
        let mut first = reader.up_to(address, USUAL)?;
        if let Cow::Borrowed(bytes) = first {
            prefetch(&bytes[..bytes.len().min(PREFETCHED)]);
        }
        let prefix = HeaderPrefix::decode(&first)?;
        match usize::try_from(prefix.total_len()) {
            Ok(len) if len <= first.len() => match &mut first {
                Cow::Borrowed(bytes) => *bytes = &bytes[..len],
                Cow::Owned(bytes) => bytes.truncate(len),
            },
            _ => first = reader.bytes(address, prefix.total_len())?,
        }
        let range = prefix.chunk0(&first)?;
        let mut header = ObjectHeader {
            address,
            blocks: SmallVec::new(),
            continuations: Vec::new(),
            kinds: 0,
            messages: SmallVec::new(),
            prefix,
        };
        header.scan(reader, &first[range.clone()], range.start)?;
        header.blocks.push(Stored::new(address, first));
        let mut next = 0;
        while next < header.continuations.len() {
            let (at, len) = header.continuations[next];
            next += 1;
            let mut read = || {
                let block = reader.bytes(at, len)?;
                let range = continuation(header.prefix.version, &block).at(at)?;
                header.scan(reader, &block[range.clone()], range.start).at(at)?;
                header.blocks.push(Stored::new(at, block));
                Ok(())
            };
            reader.forgive(read())?;
        }
        Ok(header)
    }

    /// A header whose bytes are not in the file.
    pub(crate) fn from_bytes(address: u64, bytes: Vec<u8>, reader: &Reader) -> Result<Self> {
        let prefix = HeaderPrefix::decode(&bytes)?;
        let range = prefix.chunk0(&bytes)?;
        let (blocks, continuations, messages) = Default::default();
        let mut header = ObjectHeader { address, blocks, continuations, kinds: 0, messages, prefix };
        header.scan(reader, &bytes[range.clone()], range.start)?;
        header.blocks.push(Stored::Owned(bytes.into()));
        Ok(header)
    }

    /// Notes the messages of the block that will be pushed next.
    fn scan(&mut self, reader: &Reader, messages: &[u8], offset: usize) -> Result<()> {
        let block = self.blocks.len() as u32;
        let limits = &reader.limits;
        for message in Messages::new(self.prefix.version, self.prefix.tracks_order(), messages) {
            let m = message?;
            match MessageType::from_id(m.id) {
                Some(MessageType::Nil) => continue,
                Some(MessageType::Continuation) => {
                    let mut b = Bytes(&messages[m.range()]);
                    let at =
                        b.address(reader.sizes)?.ok_or_else(|| Error::corrupt("undefined continuation"))?;
                    let len = b.length(reader.sizes)?;
                    if at == self.address || self.continuations.iter().any(|&(a, _)| a == at) {
                        return Err(Error::corrupt(format!("continuation {at:#x} is reached twice")));
                    }
                    if self.continuations.len() as u64 >= u64::from(limits.header_blocks) {
                        let wanted = self.continuations.len() as u64 + 1;
                        return Err(Error::limit(
                            "continuations of an object header",
                            wanted,
                            limits.header_blocks.into(),
                        ));
                    }
                    self.continuations.push((at, len));
                    continue;
                }
                None if m.flags & FAIL_ALWAYS != 0 => {
                    return Err(Error::unsupported(format!(
                        "message {:#06x}, which must be understood",
                        m.id
                    )));
                }
                _ => {}
            }
            if self.messages.len() as u64 >= u64::from(limits.header_messages) {
                let wanted = self.messages.len() as u64 + 1;
                return Err(Error::limit(
                    "messages of an object header",
                    wanted,
                    limits.header_messages.into(),
                ));
            }
            self.kinds |= 1u32.checked_shl(m.id.into()).unwrap_or(0);
            self.messages.push(Message {
                id: m.id,
                flags: m.flags,
                order: m.order,
                block,
                start: (offset + m.start) as u32,
                len: m.len as u32,
            });
        }
        Ok(())
    }

    /// The stored bytes of a message: its content, or the pointer to where that is shared.
    pub(crate) fn body<'a>(&'a self, reader: &'a Reader, message: &Message) -> &'a [u8] {
        let block = self.blocks.get(message.block as usize).map_or(&[][..], |b| b.bytes(reader));
        block.get(message.start as usize..(message.start + message.len) as usize).unwrap_or_default()
    }

    pub(crate) fn find(&self, kind: MessageType) -> Option<&Message> {
        match self.kinds & 1 << kind as u16 {
            0 => None,
            _ => self.messages.iter().find(|m| m.is(kind)),
        }
    }

    /// The content of the first message of a kind, shared or not.
    pub(crate) fn content<R>(
        &self,
        store: &Store,
        kind: MessageType,
        f: impl FnOnce(&[u8]) -> Result<R>,
    ) -> Result<Option<R>> {
        let Some(message) = self.find(kind) else { return Ok(None) };
        let body = self.body(&store.reader, message);
        if message.is_shared() {
            let body = store.shared_content(kind, body, 0)?;
            return f(&body).in_structure(kind.name()).at(self.address).map(Some);
        }
        f(body).in_structure(kind.name()).at(self.address).map(Some)
    }

    pub(crate) fn kind(&self) -> Result<ObjectKind> {
        let has = |kind| self.find(kind).is_some();
        if has(MessageType::SymbolTable) || has(MessageType::LinkInfo) {
            Ok(ObjectKind::Group)
        } else if has(MessageType::Datatype) && has(MessageType::Dataspace) {
            Ok(ObjectKind::Dataset)
        } else if has(MessageType::Datatype) {
            Ok(ObjectKind::Datatype)
        } else {
            Err(Error::corrupt("neither group nor dataset nor datatype").in_structure(NAME).at(self.address))
        }
    }

    /// Number of hard links to the object.
    pub(crate) fn reference_count(&self, reader: &Reader) -> Result<u32> {
        if self.prefix.version == 1 {
            return Ok(self.prefix.reference_count);
        }
        match self.find(MessageType::ReferenceCount) {
            Some(m) => {
                let mut b = Bytes(self.body(reader, m));
                b.u8().and_then(|_| b.u32()).in_structure("reference count message").at(self.address)
            }
            None => Ok(1),
        }
    }
}
