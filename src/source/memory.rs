//! Bytes in memory.

use std::{fmt, sync::Arc};

use super::{ByteSource, past_end};
use crate::error::Result;

/// A file that is in memory.
#[derive(Clone)]
pub struct MemorySource(Arc<dyn AsRef<[u8]> + Send + Sync>);

impl MemorySource {
    /// Takes anything that holds bytes: `Vec<u8>`, `Arc<[u8]>`, `&'static [u8]` ...
    pub fn new(bytes: impl AsRef<[u8]> + Send + Sync + 'static) -> Self {
        MemorySource(Arc::new(bytes))
    }
    fn bytes(&self) -> &[u8] {
        (*self.0).as_ref()
    }
}

impl fmt::Debug for MemorySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MemorySource({} bytes)", self.bytes().len())
    }
}

impl ByteSource for MemorySource {
    fn len(&self) -> u64 {
        self.bytes().len() as u64
    }
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<()> {
        let bytes = self.bytes();
        let part = usize::try_from(offset)
            .ok()
            .and_then(|start| bytes.get(start..start.checked_add(buffer.len())?))
            .ok_or_else(|| past_end(offset, buffer.len(), bytes.len() as u64))?;
        buffer.copy_from_slice(part);
        Ok(())
    }
    fn as_slice(&self) -> Option<&[u8]> {
        Some(self.bytes())
    }
}
