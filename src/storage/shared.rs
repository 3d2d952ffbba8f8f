//! Shared messages: content that stands in another object header or in the heap of shared messages.

use std::borrow::Cow;

use super::{Store, heap::fractal::FractalHeap};
use crate::{
    error::{Context, Error, Result},
    format::message::{
        MessageType,
        shared::{SharedPointer, decode_shared},
    },
};

/// Pointers followed until the content is found.
const MAX_HOPS: u32 = 4;

impl Store {
    /// The content that a shared-message pointer leads to.
    pub(crate) fn shared_content(
        &self,
        kind: MessageType,
        pointer: &[u8],
        hops: u32,
    ) -> Result<Cow<'_, [u8]>> {
        if hops >= MAX_HOPS {
            return Err(Error::corrupt("a shared message leads to another and another"));
        }
        match decode_shared(pointer, self.reader.sizes)?.0 {
            SharedPointer::Committed(address) => {
                let header = self.header(address)?;
                let message = header.find(kind).ok_or_else(|| {
                    Error::corrupt(format!("no {} message", kind.name()))
                        .in_structure("shared message")
                        .at(address)
                })?;
                let body = header.body(&self.reader, message);
                if message.is_shared() {
                    return Ok(Cow::Owned(self.shared_content(kind, body, hops + 1)?.into_owned()));
                }
                Ok(Cow::Owned(body.to_vec()))
            }
            SharedPointer::Heap(id) => {
                let table = self.shared_table()?;
                let heap = table.iter().find(|(types, _)| types & (1 << kind as u16) != 0);
                let Some(&(_, Some(heap))) = heap else {
                    return Err(Error::corrupt(format!("no heap of shared {} messages", kind.name())));
                };
                FractalHeap::open(self, heap)?.object(self, &id).in_structure("shared message")
            }
            SharedPointer::Here => Err(Error::corrupt("a shared message that points to itself")),
        }
    }

    /// The address of the committed datatype that a shared datatype message refers to, if it is one.
    pub(crate) fn committed(&self, pointer: &[u8]) -> Result<Option<u64>> {
        match decode_shared(pointer, self.reader.sizes)?.0 {
            SharedPointer::Committed(address) => Ok(Some(address)),
            _ => Ok(None),
        }
    }
}
