//! Global heap: collections of objects that elements of datasets point to. A collection is parsed once.

use std::{
    cell::{Cell, RefCell},
    sync::{Arc, Mutex, PoisonError},
};

use rustc_hash::FxHashMap;

use crate::{
    element::{HeapPointer, HeapRead},
    error::{Context, Error, Result},
    format::global_heap::{GlobalHeapHeader, Objects, header_len},
    storage::reader::{Reader, Stored},
};

/// The objects of one collection.
#[derive(Debug)]
pub(crate) struct Collection {
    block: Stored,
    /// Start and length of the object with index i; length `u32::MAX` if there is none.
    objects: Vec<(u32, u32)>,
    /// Objects beyond 4 GiB, or after a gap in the indexes.
    sparse: FxHashMap<u32, (usize, usize)>,
    /// Why the objects behind the last one cannot be found.
    damage: Option<String>,
}

const NONE: (u32, u32) = (0, u32::MAX);

impl Collection {
    fn read(reader: &Reader, address: u64) -> Result<Self> {
        let header = reader.bytes(address, header_len(reader.sizes) as u64)?;
        let size = GlobalHeapHeader::decode(&header, reader.sizes).at(address)?.size;
        let bytes = reader.bytes(address, size).in_structure("global heap collection")?;
        // Header, data and index of a short text each; a larger collection holds larger objects, or grows this.
        let mut objects: Vec<(u32, u32)> = Vec::with_capacity((bytes.len() / 32).min(1 << 12));
        let mut sparse = FxHashMap::default();
        let mut damage = None;
        for object in Objects::new(&bytes, reader.sizes) {
            let object = match object {
                Ok(object) => object,
                // The objects before it are sound.
                Err(e) => {
                    damage = Some(e.to_string());
                    break;
                }
            };
            let index = usize::from(object.index);
            match (u32::try_from(object.start), u32::try_from(object.len)) {
                (Ok(start), Ok(len)) if len != u32::MAX && index < objects.len() + 64 => {
                    if index >= objects.len() {
                        objects.resize(index + 1, NONE);
                    }
                    objects[index] = (start, len);
                }
                _ => {
                    sparse.insert(index as u32, (object.start, object.len));
                }
            }
        }
        Ok(Collection { block: Stored::new(address, bytes), objects, sparse, damage })
    }

    /// The object with this index; `block` are the bytes of the collection.
    #[inline]
    fn object<'a>(&self, block: &'a [u8], address: u64, index: u32) -> Result<&'a [u8]> {
        let range = match self.objects.get(index as usize) {
            Some(&(start, len)) if len != u32::MAX => Some((start as usize, len as usize)),
            _ => self.sparse.get(&index).copied(),
        };
        range.and_then(|(start, len)| block.get(start..start.checked_add(len)?)).ok_or_else(|| {
            let why = self.damage.as_deref().unwrap_or("no such object");
            Error::corrupt(format!("object {index}: {why}"))
                .in_structure("global heap collection")
                .at(address)
        })
    }
}

/// Collections that were parsed, shared by all handles of a file.
#[derive(Debug, Default)]
pub(crate) struct GlobalHeap {
    collections: Mutex<FxHashMap<u64, Arc<Collection>>>,
}

/// More collections than this are not kept.
const KEPT: usize = 1 << 14;

impl GlobalHeap {
    fn collection(&self, reader: &Reader, address: u64) -> Result<Arc<Collection>> {
        let lock = || self.collections.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = lock().get(&address) {
            return Ok(found.clone());
        }
        let collection = Arc::new(Collection::read(reader, address)?);
        let mut kept = lock();
        if kept.len() >= KEPT {
            kept.clear();
        }
        kept.insert(address, collection.clone());
        Ok(collection)
    }

    /// Forgets a collection that has changed.
    pub(crate) fn forget(&self, address: u64) {
        self.collections.lock().unwrap_or_else(PoisonError::into_inner).remove(&address);
    }

    /// A view for one thread, which remembers the collection it used last.
    pub(crate) fn session<'a>(&'a self, reader: &'a Reader) -> HeapSession<'a> {
        HeapSession { heap: self, reader, last: RefCell::new(None), seen: Cell::new(0) }
    }
}

/// One thread's view of the global heap.
#[derive(Debug)]
pub(crate) struct HeapSession<'a> {
    heap: &'a GlobalHeap,
    reader: &'a Reader,
    last: RefCell<Option<(u64, Arc<Collection>)>>,
    /// Bytes of all objects so far. One may be pointed to many times: what a file makes of them is bounded.
    seen: Cell<u64>,
}

impl HeapSession<'_> {
    #[inline]
    fn counted<'o>(&self, object: &'o [u8]) -> Result<&'o [u8]> {
        self.seen.set(self.seen.get().saturating_add(object.len() as u64));
        match self.reader.limits.allocation {
            allowed if self.seen.get() > allowed => {
                Err(Error::limit("bytes of variable length", self.seen.get(), allowed))
            }
            _ => Ok(object),
        }
    }

    /// Calls `f` with each of these pointers, `size` bytes each, and its object. A null pointer has no elements.
    /// Pointers in turn into the same collection, which is how arrays are written, share the way there.
    pub(crate) fn for_each_object(
        &self,
        pointers: &[u8],
        size: usize,
        mut f: impl FnMut(HeapPointer, &[u8]) -> Result<()>,
    ) -> Result<()> {
        let mut elements = pointers.chunks_exact(size.max(1));
        let mut next = elements.next();
        while let Some(element) = next {
            let mut pointer = HeapPointer::decode(element)?;
            if pointer.is_null() {
                f(HeapPointer { len: 0, ..pointer }, &[])?;
                next = elements.next();
                continue;
            }
            let address = pointer.address;
            let collection = self.heap.collection(self.reader, address)?;
            let block = collection.block.bytes(self.reader);
            while pointer.address == address && !pointer.is_null() {
                f(pointer, self.counted(collection.object(block, address, pointer.index)?)?)?;
                next = elements.next();
                let Some(element) = next else { break };
                pointer = HeapPointer::decode(element)?;
            }
        }
        Ok(())
    }
}

impl HeapRead for HeapSession<'_> {
    fn offset_size(&self) -> u8 {
        self.reader.sizes.offset
    }
    #[inline]
    fn with_object(&self, address: u64, index: u32, f: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
        let mut object = |collection: &Collection| {
            let block = collection.block.bytes(self.reader);
            f(self.counted(collection.object(block, address, index)?)?)
        };
        if let Some((last, collection)) = &*self.last.borrow()
            && *last == address
        {
            return object(collection);
        }
        let collection = self.heap.collection(self.reader, address)?;
        // An element within an element is looked for while the outer one is in use.
        if let Ok(mut last) = self.last.try_borrow_mut() {
            *last = Some((address, collection.clone()));
        }
        object(&collection)
    }
}
