//! Columns of strings, in one piece of memory.

use crate::{
    dataset::Dataset,
    element::{for_each_text, text_bytes},
    error::{Error, Result},
    model::selection::IntoSelection,
    storage::raw_data::output::room,
};

/// Strings of a dataset as bytes and offsets, as columns of data frames and Arrow arrays have them: a fraction of what
/// as many [`String`]s cost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Texts {
    shape: Vec<u64>,
    offsets: Vec<u64>,
    bytes: Vec<u8>,
}

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
        let mut offsets = room("offsets of strings", count + 1)?;
        // Where no two elements share a text, the file has them all.
        let expected = text_bytes(datatype, &stored).min(store.reader.end());
        let mut bytes = room("bytes of strings", usize::try_from(expected).unwrap_or(usize::MAX))?;
        offsets.push(0);
        for_each_text(datatype, &stored, &heap, &mut |text| {
            if bytes.try_reserve(text.len()).is_err() {
                return Err(Error::limit("bytes of strings", text.len() as u64, isize::MAX as u64));
            }
            bytes.extend_from_slice(text);
            offsets.push(bytes.len() as u64);
            Ok(())
        })?;
        Ok(Texts { shape, offsets, bytes })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::{ErrorKind, File, Limits, Object, model::link::Name, source::MemoryStore};

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
