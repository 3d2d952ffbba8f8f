//! Faults that a review of the write engine has found.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::{Arc, Mutex};

use h5::{
    AllocationTime, File, Profile, Result,
    model::layout::ChunkIndexType,
    source::{ByteSource, ByteStore, MemoryStore},
};
use ndarray::s;

fn store_of(bytes: &[u8]) -> Arc<MemoryStore> {
    let store = MemoryStore::new();
    store.write_at(0, bytes).unwrap();
    Arc::new(store)
}

/// A file with one dataset, and what somebody has left behind its end.
fn with_tail() -> (Vec<u8>, usize) {
    let store = Arc::new(MemoryStore::new());
    let file = File::create_options().create_in(store.clone()).unwrap();
    file.root().unwrap().new_dataset::<i32>().with_data(&[1, 2, 3][..]).create("old").unwrap();
    file.close().unwrap();
    let mut bytes = store.to_vec();
    let end = bytes.len();
    bytes.resize(end + 1_000_000, 0xaa);
    (bytes, end)
}

#[test]
fn what_lies_behind_the_end_is_no_fill_value() {
    let store = store_of(&with_tail().0);
    let file = File::options().open_rw_in(store.clone()).unwrap();
    let new = file.root().unwrap().new_dataset::<i32>().shape((100_000,)).create("new").unwrap();
    new.write_slice(&[7][..], s![5..6]).unwrap();
    let mut expected = vec![0; 100_000];
    expected[5] = 7;
    assert_eq!(new.read_vec::<i32>().unwrap(), expected);
    file.close().unwrap();
    let file = File::from_bytes(store.to_vec()).unwrap();
    assert_eq!(file.dataset("new").unwrap().read_vec::<i32>().unwrap(), expected);
    assert_eq!(file.dataset("old").unwrap().read_vec::<i32>().unwrap(), [1, 2, 3]);
}

#[derive(Debug, PartialEq)]
enum Op {
    Write(u64),
    SetLen(u64),
    Sync,
}

#[derive(Debug)]
struct Recorder(MemoryStore, Mutex<Vec<Op>>);

impl Recorder {
    fn note(&self, op: Op) {
        self.1.lock().unwrap().push(op);
    }
}

impl ByteSource for Recorder {
    fn len(&self) -> u64 {
        self.0.len()
    }
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<()> {
        self.0.read_at(offset, buffer)
    }
}

impl ByteStore for Recorder {
    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        self.note(Op::Write(offset));
        self.0.write_at(offset, bytes)
    }
    fn set_len(&self, len: u64) -> Result<()> {
        self.note(Op::SetLen(len));
        self.0.set_len(len)
    }
    fn sync(&self) -> Result<()> {
        self.note(Op::Sync);
        self.0.sync()
    }
}

/// The journal of a writer that was killed when it had taken back the flag, but before the barrier after that: on disk
/// the superblock may still lead to the journal.
#[test]
fn a_journal_is_overwritten_behind_a_barrier_only() {
    let (bytes, end) = with_tail();
    let memory = MemoryStore::new();
    memory.write_at(0, &bytes).unwrap();
    let store = Arc::new(Recorder(memory, Mutex::default()));
    let file = File::options().open_rw_in(store.clone()).unwrap();
    assert!(store.1.lock().unwrap().is_empty(), "nothing is written to a file that is not changed");
    file.root().unwrap().new_dataset::<u8>().with_data(&vec![1; 200_000]).create("new").unwrap();
    file.close().unwrap();
    let ops = store.1.lock().unwrap();
    assert_eq!(ops[..3], [Op::Sync, Op::SetLen(end as u64), Op::Write(end as u64)]);
}

#[test]
fn space_is_found_among_many_crumbs() {
    let store = Arc::new(MemoryStore::new());
    File::create_options().create_in(store.clone()).unwrap().close().unwrap();
    let file = File::options().open_rw_in(store.clone()).unwrap();
    let root = file.root().unwrap();
    for i in 0..1500 {
        root.new_dataset::<u8>().with_data(&[1; 300][..]).create(format!("dataset {i}")).unwrap();
        file.flush().unwrap();
    }
    file.close().unwrap();
    let len = store.len();
    assert!(len < 4_000_000, "{len} bytes");
}

#[test]
fn a_text_in_every_flush_does_not_blow_up_a_file() {
    let store = Arc::new(MemoryStore::new());
    File::create_options().create_in(store.clone()).unwrap().close().unwrap();
    let file = File::options().open_rw_in(store.clone()).unwrap();
    for i in 0..100 {
        file.root().unwrap().as_object().set_attr("state", format!("round {i}")).unwrap();
        file.flush().unwrap();
    }
    file.close().unwrap();
    let len = store.len();
    assert!(len < 1_000_000, "{len} bytes");
}

#[test]
fn strided_elements_are_few_patches() {
    let store = Arc::new(MemoryStore::new());
    let file = File::create_options().create_in(store.clone()).unwrap();
    let mut expected: Vec<u8> = (0..1_000_003u32).map(|i| i as u8).collect();
    file.root().unwrap().new_dataset::<u8>().with_data(&expected).create("d").unwrap();
    file.close().unwrap();
    let before = store.len();
    let recorder = Arc::new(Recorder(MemoryStore::new(), Mutex::default()));
    recorder.0.write_at(0, &store.to_vec()).unwrap();
    let file = File::options().open_rw_in(recorder.clone()).unwrap();
    let d = file.dataset("d").unwrap();
    for (first, step) in [(1, 4), (0, 7), (2, 300), (900_000, 3)] {
        let count = (expected.len() - first).div_ceil(step);
        let new: Vec<u8> = (0..count).map(|i| (i * 31 + step) as u8).collect();
        expected[first..].iter_mut().step_by(step).zip(&new).for_each(|(e, n)| *e = *n);
        d.write_slice(&new, s![first..;step]).unwrap();
        assert!(d.read_vec::<u8>().unwrap() == expected, "{first} {step}");
    }
    file.close().unwrap();
    let writes = recorder.1.lock().unwrap().iter().filter(|op| matches!(op, Op::Write(_))).count();
    assert!(writes < 100, "{writes} writes");
    assert_eq!(recorder.len(), before);
    let file = File::from_bytes(recorder.0.to_vec()).unwrap();
    assert!(file.dataset("d").unwrap().read_vec::<u8>().unwrap() == expected);
}

/// In a file of libhdf5 whose addresses have two bytes: the end does not fit any more, all addresses do.
#[test]
fn a_commit_that_failed_is_not_tried_again_in_place() {
    let bytes = std::fs::read("tests/edit_review/two_bytes.h5").unwrap();
    let store = store_of(&bytes);
    let file = File::options().open_rw_in(store.clone()).unwrap();
    let d = file.dataset("d").unwrap();
    d.write(&vec![1u8; 30_000]).unwrap();
    file.flush().unwrap();
    d.write(&vec![2u8; 30_000]).unwrap();
    let last = store.to_vec();
    assert!(file.flush().is_err());
    assert!(file.flush().is_err());
    assert!(d.set_attr("late", 1).is_err());
    drop((d, file));
    let now = store.to_vec();
    assert!(now[..31_000] == last[..31_000], "what the last flush reaches has changed");
    let file = File::from_bytes(now).unwrap();
    assert!(file.dataset("d").unwrap().read_vec::<u8>().unwrap() == vec![1; 30_000]);
}

#[test]
fn a_chunk_of_an_implicit_index_that_is_written_often_takes_its_place_once() {
    let store = Arc::new(MemoryStore::new());
    let file = File::create_options().profile(Profile::Modern).create_in(store.clone()).unwrap();
    let (len, half) = (4 << 18, 1 << 17);
    let root = file.root().unwrap();
    let dataset = root.new_dataset::<i32>().shape([len]).chunk([2 * half]);
    dataset.allocation_time(AllocationTime::Early).create("d").unwrap();
    file.close().unwrap();
    let file = File::options().open_rw_in(store.clone()).unwrap();
    let dataset = file.dataset("d").unwrap();
    for i in 0..40 {
        let from = (i % 2) * half;
        dataset.write_slice(&vec![i as i32; half][..], s![from..from + half]).unwrap();
    }
    file.close().unwrap();
    assert!(store.len() < 2 * 4 * len as u64, "{} bytes", store.len());
    let values = File::options().from_source(store).unwrap().dataset("d").unwrap().read_vec::<i32>().unwrap();
    let expected = |i: usize| [38, 39, 0, 0, 0, 0, 0, 0][i / half];
    assert!(values.iter().enumerate().all(|(i, &value)| value == expected(i)));
}

#[test]
fn an_implicit_index_of_an_empty_extent_grows() {
    for (closed_between, rows) in [(false, 0), (true, 0), (false, 3), (true, 3)] {
        let store = Arc::new(MemoryStore::new());
        let mut file = File::create_options().profile(Profile::Modern).create_in(store.clone()).unwrap();
        let root = file.root().unwrap();
        let dataset =
            root.new_dataset::<i32>().shape([rows, 2]).chunk([2usize, 2]).max_shape([Some(8), Some(2)]);
        dataset.allocation_time(AllocationTime::Early).create("d").unwrap();
        if closed_between {
            file.close().unwrap();
            file = File::options().open_rw_in(store.clone()).unwrap();
        }
        let mut dataset = file.dataset("d").unwrap();
        assert_eq!(dataset.chunk_index(), Some(ChunkIndexType::Implicit));
        dataset.append(&ndarray::Array2::from_elem((3, 2), 6)).unwrap();
        let expected = [vec![0; 2 * rows], vec![6; 6]].concat();
        assert_eq!(dataset.read_vec::<i32>().unwrap(), expected);
        file.close().unwrap();
        let file = File::options().from_source(store).unwrap();
        assert_eq!(file.dataset("d").unwrap().read_vec::<i32>().unwrap(), expected);
    }
}

#[test]
fn a_dataset_that_has_shrunk_grows_again_to_what_it_was() {
    let store = Arc::new(MemoryStore::new());
    let file = File::create_options().create_in(store.clone()).unwrap();
    let root = file.root().unwrap();
    let mut dataset = root.new_dataset::<i32>().with_data(&[1, 2, 3, 4]).chunk([2usize]).create("d").unwrap();
    dataset.resize([2]).unwrap();
    assert_eq!(dataset.max_shape(), [Some(4)]);
    file.close().unwrap();
    let file = File::options().open_rw_in(store).unwrap();
    let mut dataset = file.dataset("d").unwrap();
    assert_eq!((dataset.shape(), dataset.max_shape()), (&[2][..], vec![Some(4)]));
    dataset.resize([4]).unwrap();
    assert_eq!(dataset.read_vec::<i32>().unwrap(), [1, 2, 0, 0]);
    assert!(dataset.resize([5]).is_err());
}
