//! Columns of strings, in one piece of memory.

use crate::{
    dataset::Dataset,
    element::string::{self, StringPlan, text_bytes, text_of, trim, until_nul},
    error::{Error, Result},
    model::{datatype::Datatype, selection::IntoSelection},
    storage::{heap::global::HeapSession, raw_data::output::room},
};

/// Strings of a dataset as bytes and offsets, as columns of data frames and Arrow arrays have them: a fraction of what
/// as many [`String`]s cost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Texts {
    shape: Vec<u64>,
    offsets: Vec<u64>,
    bytes: Vec<u8>,
}

/// Texts of the global heap that are looked through at once.
const AT_A_TIME: usize = 256;

impl Texts {
    /// Extent of what was read.
    pub fn shape(&self) -> &[u64] {
        &self.shape
    }
    /// Number of strings.
    pub fn len(&self) -> usize {
        self.offsets.len() - 1
    }
    /// True if there are no strings.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// The bytes of all strings, one after the other in C order, without padding or NULs at their ends.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
    /// Where each string begins in [`bytes`](Self::bytes), and at last where the last one ends: one more than strings.
    pub fn offsets(&self) -> &[u64] {
        &self.offsets
    }
    /// The bytes of the string at this C-order index.
    pub fn get(&self, index: usize) -> Option<&[u8]> {
        let [start, end] = *self.offsets.get(index..)?.first_chunk()?;
        self.bytes.get(start as usize..end as usize)
    }
    /// The bytes of each string in C order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        (0..self.len()).map(|i| self.get(i).unwrap_or_default())
    }
    fn push(&mut self, text: &[u8]) -> Result<()> {
        if self.bytes.try_reserve(text.len()).is_err() {
            return Err(Error::limit("bytes of strings", text.len() as u64, isize::MAX as u64));
        }
        self.bytes.extend_from_slice(text);
        self.offsets.push(self.bytes.len() as u64);
        Ok(())
    }

    /// Appends the texts of stored elements.
    fn gather(&mut self, datatype: &Datatype, stored: &[u8], heap: &HeapSession<'_>) -> Result<()> {
        let size = datatype.size.max(1);
        match string::plan(datatype)? {
            StringPlan::Fixed(padding) => {
                stored.chunks_exact(size).try_for_each(|element| self.push(trim(element, padding)))
            }
            // Texts end at a NUL. Few have one, which is found out for many at a time.
            StringPlan::Variable => stored.chunks(size.saturating_mul(AT_A_TIME)).try_for_each(|elements| {
                let (first, start) = (self.len(), self.bytes.len());
                heap.for_each_object(elements, size, |pointer, object| self.push(text_of(pointer, object)?))?;
                if self.bytes[start..].contains(&0) {
                    self.cut_at_nuls(first);
                }
                Ok(())
            }),
        }
    }

    /// Takes from each text, beginning with the one at `first`, what is behind its first NUL.
    fn cut_at_nuls(&mut self, first: usize) {
        let mut start = self.offsets[first] as usize;
        let mut end = start;
        for offset in &mut self.offsets[first + 1..] {
            let text = start..*offset as usize;
            start = text.end;
            let len = until_nul(&self.bytes[text.clone()]).len();
            self.bytes.copy_within(text.start..text.start + len, end);
            end += len;
            *offset = end as u64;
        }
        self.bytes.truncate(end);
    }

    /// Offsets and bytes, without a copy.
    pub fn into_parts(self) -> (Vec<u64>, Vec<u8>) {
        (self.offsets, self.bytes)
    }
}

impl Dataset {
    /// The selected strings, of fixed or variable length, in one piece of memory. Whether they are UTF-8 is not looked at.
    ///
    /// ```
    /// # fn main() -> h5::Result<()> {
    /// # let path = std::env::temp_dir().join(format!("h5-doc-texts-{}.h5", std::process::id()));
    /// let file = h5::File::create(&path)?;
    /// let names = file.root()?.new_dataset::<String>().with_data(&["muon".to_owned(), "pion".to_owned()]).create("names")?;
    /// let texts = names.read_texts(..)?;
    /// assert_eq!(texts.bytes(), b"muonpion");
    /// assert_eq!(texts.offsets(), [0, 4, 8]);
    /// assert_eq!(texts.get(1), Some(&b"pion"[..]));
    /// # file.close()?;
    /// # std::fs::remove_file(path)?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// `Type` if the elements are no strings; as [`read_slice`](Self::read_slice).
    pub fn read_texts(&self, selection: impl IntoSelection) -> Result<Texts> {
        self.as_object().named(self.texts(selection))
    }

    fn texts(&self, selection: impl IntoSelection) -> Result<Texts> {
        let this = self.fresh()?;
        let (stored, shape) = this.stored_elements(selection)?;
        let store = self.store();
        let heap = store.global_heap.session(&store.reader);
        let datatype = this.datatype();
        let count = stored.len() / datatype.size.max(1);
        // Where no two elements share a text, the file has them all.
        let expected = text_bytes(datatype, &stored).min(store.reader.end());
        let mut texts = Texts {
            shape,
            offsets: room("offsets of strings", count + 1)?,
            bytes: room("bytes of strings", usize::try_from(expected).unwrap_or(usize::MAX))?,
        };
        texts.offsets.push(0);
        texts.gather(datatype, &stored, &heap)?;
        Ok(texts)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        ErrorKind, File, Limits, Object,
        model::link::Name,
        source::{ByteSource, ByteStore, MemoryStore},
    };

    fn file(texts: &[&str]) -> Arc<MemoryStore> {
        let store = Arc::new(MemoryStore::new());
        let file = File::create_options().create_in(store.clone()).unwrap();
        let texts: Vec<String> = texts.iter().map(|&t| t.to_owned()).collect();
        file.root().unwrap().new_dataset::<String>().with_data(&texts).create("x").unwrap();
        file.close().unwrap();
        store
    }

    #[test]
    fn they_are_the_strings_that_read_gives() {
        let file = File::options().from_source(file(&["", "a", "two words", "", "é"])).unwrap();
        let dataset = file.dataset("x").unwrap();
        let texts = dataset.read_texts(..).unwrap();
        assert_eq!((texts.shape(), texts.len()), (&[5][..], 5));
        let strings = dataset.read::<String>().unwrap();
        assert!(texts.iter().eq(strings.iter().map(String::as_bytes)));
        assert_eq!(dataset.read_texts(2..4).unwrap().into_parts(), (vec![0, 9, 9], b"two words".to_vec()));
        assert_eq!(texts.get(5), None);
        assert!(dataset.read_texts(5..5).unwrap().is_empty());
    }

    #[test]
    fn texts_end_at_a_nul() {
        // More than are looked through at once, NULs in some of the parts only; in runs of several collections.
        let texts: Vec<String> = (0..1000)
            .map(|i| match i % 7 {
                _ if (300..700).contains(&i) => format!("plain {i}"),
                0 => format!("before {i}\0behind it"),
                1 => "\0".to_owned(),
                2 => String::new(),
                _ => format!("{i}"),
            })
            .collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let file = File::options().from_source(file(&texts)).unwrap();
        let found = file.dataset("x").unwrap().read_texts(..).unwrap();
        assert_eq!(found.len(), texts.len());
        for (found, text) in found.iter().zip(&texts) {
            assert_eq!(found, text.split('\0').next().unwrap().as_bytes());
        }
        assert_eq!(found.offsets().last(), Some(&(found.bytes().len() as u64)));
    }

    #[test]
    fn a_null_pointer_is_an_empty_text_whatever_its_length() {
        let store = file(&["first", "second", "third"]);
        let mut bytes = vec![0; store.len() as usize];
        store.read_at(0, &mut bytes).unwrap();
        // Length, address and index of the second one.
        let is_second = |p: &[u8]| p[..4] == [6, 0, 0, 0] && p[12..] == [2, 0, 0, 0];
        let at = bytes.windows(16).position(is_second).unwrap();
        store.write_at(at as u64 + 4, &[0; 8]).unwrap();
        let file = File::options().from_source(store).unwrap();
        let texts = file.dataset("x").unwrap().read_texts(..).unwrap();
        assert_eq!(texts.into_parts(), (vec![0, 5, 5, 10], b"firstthird".to_vec()));
    }

    #[test]
    fn a_type_of_any_size_may_have_no_elements() {
        let file = File::options().from_source(file(&[])).unwrap();
        let store = file.root().unwrap().store().clone();
        let heap = store.global_heap.session(&store.reader);
        let huge = Datatype { size: usize::MAX / 3, ..Datatype::var_string() };
        let mut texts = Texts { shape: vec![0], offsets: vec![0], bytes: Vec::new() };
        texts.gather(&huge, &[], &heap).unwrap();
        assert!(texts.is_empty());
    }

    #[test]
    fn every_kind_of_string_and_nothing_else() {
        let file = File::open("testdata/basic.h5").unwrap();
        let mut found = 0;
        for (_, member) in file.group("types").unwrap().members().unwrap() {
            let Ok(dataset) = member.and_then(Object::into_dataset) else { continue };
            let (names, texts) = (dataset.read::<Name>(), dataset.read_texts(..));
            assert_eq!(names.is_ok(), texts.is_ok(), "{}", dataset.path());
            if let (Ok(names), Ok(texts)) = (names, texts) {
                assert!(texts.iter().eq(names.iter().map(Name::as_bytes)), "{}", dataset.path());
                found += 1;
            }
        }
        assert!(found > 1);
    }

    #[test]
    fn what_a_file_makes_of_its_heap_is_bounded() {
        let store = file(&[&"a".repeat(100_000), &"b".repeat(100_000)]);
        for (allocation, fits) in [(250_000, true), (150_000, false)] {
            let limits = Limits { allocation, ..Limits::default() };
            let dataset =
                File::options().limits(limits).from_source(store.clone()).unwrap().dataset("x").unwrap();
            // Each of them fits, both together do not.
            let slices = dataset.read_slices::<String>([0..1, 1..2]);
            assert_eq!(slices.is_ok(), fits, "{allocation}");
            let results = [
                dataset.read_texts(..).map(drop),
                dataset.read::<String>().map(drop),
                dataset.values(..).map(drop),
            ];
            for result in results {
                let limited = result.is_err_and(|e| matches!(e.kind(), ErrorKind::Limit { .. }));
                assert_eq!(limited, !fits, "{allocation}");
            }
        }
    }
}
