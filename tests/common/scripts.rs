//! Scripts of edits, read from any bytes, that are run on a file and on a simple model of it: after each flush the file
//! must hold what the model holds. For `tests/edit_scripts.rs` and the fuzz target of that name.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use h5::{
    ErrorKind, File, Group, Object, Profile,
    source::{ByteStore, MemoryStore},
};

use super::model::{Data, Id, Item, Model, ROOT, Target, Value};

/// Bytes that decide what is done.
struct Choices<'a>(&'a [u8]);

impl Choices<'_> {
    fn byte(&mut self) -> u8 {
        let Some((&first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        first
    }
    fn below(&mut self, n: usize) -> usize {
        usize::from(self.byte()) % n.max(1)
    }
    fn ints(&mut self, n: usize) -> Vec<i32> {
        let first = i32::from(self.byte()) - 100;
        (0..n as i32).map(|i| first.wrapping_add(i * 7)).collect()
    }
    fn text(&mut self) -> String {
        let (letter, mut len) = (b'a' + self.byte() % 26, self.below(40));
        if len == 39 {
            len = 3000;
        }
        char::from(letter).to_string().repeat(len)
    }
    fn value(&mut self) -> Value {
        match self.below(5) {
            0 => Value::Text(self.text()),
            1 => Value::Int(self.ints(1)[0]),
            n => {
                let mut len = self.below(30);
                if len == 29 {
                    len = if n == 4 { 17_000 } else { 400 };
                }
                Value::Ints(self.ints(len))
            }
        }
    }
}

/// A script that runs.
pub struct Run<'a> {
    choices: Choices<'a>,
    store: Arc<MemoryStore>,
    file: File,
    pub model: Model,
    /// Handles that were opened before.
    handles: HashMap<Id, Object>,
    /// What was done, for the message of a failure.
    log: Vec<String>,
}

/// Runs a script on a file that is made (`fixture` is `None`) or was there before; the file it leaves, and the model.
pub fn run(fixture: Option<&[u8]>, script: &[u8]) -> (Vec<u8>, Model) {
    let mut choices = Choices(script);
    let store = Arc::new(MemoryStore::new());
    let (file, model) = match fixture {
        None => {
            let how = choices.byte();
            let options = File::create_options()
                .profile(if how & 1 == 0 { Profile::Compatible } else { Profile::Modern })
                .track_creation_order(how & 2 != 0)
                .user_block(if how & 4 != 0 { 512 } else { 0 })
                .chunk_buffer_bytes(if how & 8 != 0 { 100 } else { 1 << 20 })
                .threads(1);
            (options.create_in(store.clone()).expect("a new file"), Model::default())
        }
        Some(bytes) => {
            store.write_at(0, bytes).expect("memory");
            let file = File::options().threads(1).open_rw_in(store.clone()).expect("a fixture");
            let model = Model::of(&file).expect("a model of a fixture");
            (file, model)
        }
    };
    let mut run = Run { choices, store, file, model, handles: HashMap::new(), log: Vec::new() };
    while !run.choices.0.is_empty() {
        run.step();
    }
    run.close();
    (run.store.to_vec(), run.model)
}

impl Run<'_> {
    fn fail(&self, what: &str) -> ! {
        panic!("{what}\nafter\n{}", self.log.join("\n"));
    }

    /// Whether an edit was done. It may be one that is not supported.
    fn done<T>(&self, result: h5::Result<T>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(e) if matches!(e.kind(), ErrorKind::Unsupported(_)) => None,
            Err(e) => self.fail(&format!("{e:?}")),
        }
    }

    fn check(&self, found: h5::Result<Model>, what: &str) {
        match found {
            Ok(found) => {
                let (found, expected) = (found.to_string(), self.model.to_string());
                if found != expected {
                    let differ = found.lines().zip(expected.lines()).find(|(a, b)| a != b);
                    self.fail(&format!("{what}: {differ:.300?} (found, expected)"));
                }
            }
            Err(e) => self.fail(&format!("{what}: {e:?}")),
        }
    }

    fn check_store(&self, what: &str) {
        let file = File::options().threads(1).from_bytes(self.store.to_vec());
        self.check(file.and_then(|file| Model::of(&file)), what);
    }

    fn close(&mut self) {
        self.log.push("close".into());
        self.handles.clear();
        if let Err(e) = self.file.clone().close() {
            self.fail(&format!("close: {e:?}"));
        }
        self.check_store("closed");
    }

    /// An object of the model, as the file has it: by a path, or by a handle that was kept.
    fn open(&mut self, id: Id) -> Object {
        if self.choices.below(3) > 0
            && let Some(object) = self.handles.get(&id)
        {
            return object.clone();
        }
        let path = self.model.path(id);
        match self.file.object(&path) {
            Ok(object) => {
                self.handles.insert(id, object.clone());
                object
            }
            Err(e) => self.fail(&format!("{path}: {e:?}")),
        }
    }

    fn group(&mut self, id: Id) -> Group {
        match self.open(id).into_group() {
            Ok(group) => group,
            Err(e) => self.fail(&format!("{}: {e:?}", self.model.path(id))),
        }
    }

    fn pick(&mut self, wanted: impl Fn(&Item) -> bool) -> Option<Id> {
        let ids = self.model.reachable(wanted);
        let n = self.choices.below(ids.len());
        ids.get(n).copied()
    }

    fn pick_link(&mut self) -> Option<(Id, String)> {
        let group = self.pick(|item| item.links.as_ref().is_some_and(|l| !l.is_empty()))?;
        let links = self.model.items[&group].links.as_ref()?;
        let name = links.keys().nth(self.choices.below(links.len()))?.clone();
        Some((group, name))
    }

    /// A group, and a name that it does not have.
    fn place(&mut self) -> (Id, String) {
        let group = self.pick(|item| item.links.is_some()).unwrap_or(ROOT);
        let links = self.model.items[&group].links.as_ref().expect("a group");
        let mut name = format!("n{}", self.choices.below(40));
        while links.contains_key(&name) {
            name.push('x');
        }
        (group, name)
    }

    fn step(&mut self) {
        let what = self.choices.below(24);
        match what {
            0 | 1 => self.new_group(),
            2..=4 => self.new_dataset(),
            5..=7 => self.set_attr(),
            8 => self.delete_attr(),
            9 => self.rename_attr(),
            10 | 11 => self.unlink(),
            12 => self.move_link(),
            13 => self.link(),
            14..=16 => self.write(),
            17 | 18 => self.append(),
            19 => self.resize(),
            20 => self.check(Model::of(&self.file), "before the flush"),
            21 | 22 => {
                self.log.push("flush".into());
                if let Err(e) = self.file.flush() {
                    self.fail(&format!("flush: {e:?}"));
                }
                self.check_store("flushed");
            }
            _ => {
                self.close();
                match File::options().threads(1).open_rw_in(self.store.clone()) {
                    Ok(file) => self.file = file,
                    Err(e) => self.fail(&format!("open: {e:?}")),
                }
            }
        }
    }

    fn new_group(&mut self) {
        let (group, name) = self.place();
        let many = if self.choices.below(8) == 0 { 12 } else { 1 };
        for i in 0..many {
            let name = if i == 0 { name.clone() } else { format!("{name} {i} of many") };
            if self.model.items[&group].links.as_ref().is_some_and(|l| l.contains_key(&name)) {
                continue;
            }
            self.log.push(format!("group {name} in {}", self.model.path(group)));
            let order = self.choices.below(3) == 0;
            let made = self
                .group(group)
                .new_group()
                .track_creation_order(order)
                .track_attribute_order(order)
                .create(&name);
            if self.done(made).is_some() {
                self.model.add(group, &name, Item { links: Some(BTreeMap::new()), ..Item::default() });
            }
        }
    }

    fn new_dataset(&mut self) {
        let (place, name) = self.place();
        let (n, m) = (self.choices.below(40), 1 + self.choices.below(9));
        let kind = self.choices.below(9);
        self.log.push(format!("dataset {name} of kind {kind}, {n} {m}, in {}", self.model.path(place)));
        let group = self.group(place);
        let ints = |shape: Vec<usize>, values: Vec<i32>, resizable| {
            let shape: Vec<u64> = shape.iter().map(|&n| n as u64).collect();
            Data::Ints { shape, values, resizable, fill: 0 }
        };
        let values = self.choices.ints(n);
        let grid = self.choices.ints(n * m);
        let array = ndarray::Array2::from_shape_vec((n, m), grid.clone()).expect("a grid");
        let (made, data) = match kind {
            0 => (group.new_dataset::<i32>().with_data(&values).create(&name), ints(vec![n], values, false)),
            1 => {
                let made = group.new_dataset::<i32>().compact().with_data(&values).create(&name);
                (made, ints(vec![n], values, false))
            }
            2 => {
                let made = group.new_dataset::<i32>().chunk(m).with_data(&values);
                // A chunk may not be larger than the dataset.
                (made.resizable().create(&name), ints(vec![n], values, true))
            }
            3 => {
                let made = group.new_dataset::<i32>().chunk(m).shuffle().deflate(1).with_data(&values);
                (made.resizable().create(&name), ints(vec![n], values, true))
            }
            4 => {
                let made = group.new_dataset::<i32>().chunk((3, 2)).with_data(&array).resizable();
                (made.create(&name), ints(vec![n, m], grid, true))
            }
            5 => {
                let made = group.new_dataset::<i32>().chunk((1 + n / 5, m)).fletcher32().with_data(&array);
                let max = vec![None, Some(m as u64)];
                (made.max_shape(max).create(&name), ints(vec![n, m], grid, false))
            }
            6 => {
                let texts: Vec<String> = (0..m).map(|_| self.choices.text()).collect();
                (group.new_dataset::<String>().with_data(&texts).create(&name), Data::Texts(texts))
            }
            7 => {
                let made = group.new_dataset::<i32>().shape(n).fill_value(5).create(&name);
                (made, Data::Ints { shape: vec![n as u64], values: vec![5; n], resizable: false, fill: 5 })
            }
            _ => {
                let made = group.new_dataset::<i32>().shape((n, m)).chunk((2, 4)).resizable().fill_value(-3);
                let (shape, values) = (vec![n as u64, m as u64], vec![-3; n * m]);
                (made.lzf().create(&name), Data::Ints { shape, values, resizable: true, fill: -3 })
            }
        };
        if self.done(made).is_some() {
            self.model.add(place, &name, Item { data: Some(data), ..Item::default() });
        }
    }

    fn set_attr(&mut self) {
        let Some(id) = self.pick(|_| true) else { return };
        let many = if self.choices.below(10) == 0 { 11 } else { 1 };
        for _ in 0..many {
            let (name, value) = (format!("a{}", self.choices.below(30)), self.choices.value());
            self.log.push(format!("attribute {name} of {}: {value:.20?}", self.model.path(id)));
            let object = self.open(id);
            let set = match &value {
                Value::Int(n) => object.set_attr(&name, *n),
                Value::Ints(list) => object.set_attr(&name, list.as_slice()),
                Value::Text(text) => object.set_attr(&name, text.as_str()),
                Value::Other(_) => continue,
            };
            if self.done(set).is_some() {
                self.model.item(id).attributes.insert(name, value);
            }
        }
    }

    fn pick_attr(&mut self) -> Option<(Id, String)> {
        let id = self.pick(|item| !item.attributes.is_empty())?;
        let attributes = &self.model.items[&id].attributes;
        let name = attributes.keys().nth(self.choices.below(attributes.len()))?.clone();
        Some((id, name))
    }

    fn delete_attr(&mut self) {
        let Some((id, name)) = self.pick_attr() else { return };
        self.log.push(format!("delete attribute {name} of {}", self.model.path(id)));
        let deleted = self.open(id).delete_attr(&name);
        if self.done(deleted).is_some() {
            self.model.item(id).attributes.remove(&name);
        }
    }

    fn rename_attr(&mut self) {
        let Some((id, name)) = self.pick_attr() else { return };
        let new = format!("a{}", self.choices.below(30));
        if self.model.items[&id].attributes.contains_key(&new) {
            return;
        }
        self.log.push(format!("rename attribute {name} of {} to {new}", self.model.path(id)));
        let renamed = self.open(id).rename_attr(&name, &new);
        if self.done(renamed).is_some() {
            let attributes = &mut self.model.item(id).attributes;
            if let Some(value) = attributes.remove(&name) {
                attributes.insert(new, value);
            }
        }
    }

    fn unlink(&mut self) {
        let Some((group, name)) = self.pick_link() else { return };
        self.log.push(format!("unlink {name} of {}", self.model.path(group)));
        let unlinked = self.group(group).unlink(&name);
        if self.done(unlinked).is_some() {
            self.model.unlink(group, &name);
        }
    }

    fn move_link(&mut self) {
        let Some((group, name)) = self.pick_link() else { return };
        let (to, new) = self.place();
        self.log.push(format!("move {name} of {} to {} {new}", self.model.path(group), self.model.path(to)));
        let from = self.group(group);
        let moved = from.move_link(&name, &self.group(to), &new);
        if self.model.is_below(group, &name, to) {
            if moved.is_ok() {
                self.fail("a group was moved below itself");
            }
        } else if self.done(moved).is_some() {
            self.model.move_link(group, &name, to, &new);
        }
    }

    fn link(&mut self) {
        let (group, name) = self.place();
        let path = self.model.path(group);
        if self.choices.below(3) == 0 {
            let target = self.choices.text() + "x";
            self.log.push(format!("soft link {name} in {path}"));
            let made = self.group(group).link_soft(&name, &target);
            if self.done(made).is_some() {
                self.model.link(group, &name, Target::Soft(target));
            }
            return;
        }
        let Some(id) = self.pick(|_| true) else { return };
        self.log.push(format!("hard link {name} in {path} to {}", self.model.path(id)));
        let object = self.open(id);
        let made = self.group(group).link_hard(&name, &object);
        if self.done(made).is_some() {
            self.model.link(group, &name, Target::Hard(id));
        }
    }

    fn write(&mut self) {
        let wanted = |item: &Item| match &item.data {
            Some(Data::Ints { values, .. }) => !values.is_empty(),
            Some(Data::Texts(_)) => true,
            _ => false,
        };
        let Some(id) = self.pick(wanted) else { return };
        let path = self.model.path(id);
        let dataset = match self.open(id).into_dataset() {
            Ok(dataset) => dataset,
            Err(e) => self.fail(&format!("{path}: {e:?}")),
        };
        let Some(mut data) = self.model.items[&id].data.clone() else { return };
        let written = match &mut data {
            Data::Texts(texts) => {
                let at = self.choices.below(texts.len());
                texts[at] = self.choices.text();
                self.log.push(format!("write text {at} of {path}"));
                dataset.write_slice(&[texts[at].clone()], at as u64..at as u64 + 1)
            }
            Data::Ints { shape, values, .. } => {
                let start: Vec<usize> = shape.iter().map(|&d| self.choices.below(d as usize)).collect();
                let count: Vec<usize> =
                    shape.iter().zip(&start).map(|(&d, s)| 1 + self.choices.below(d as usize - s)).collect();
                self.log.push(format!("write {start:?} {count:?} of {path}"));
                let new = self.choices.ints(count.iter().product());
                let width = shape.get(1).map_or(1, |&w| w as usize);
                let inner = (start.get(1).map_or(0, |&s| s), count.get(1).map_or(1, |&c| c));
                for (i, &value) in new.iter().enumerate() {
                    let (row, column) = (start[0] + i / inner.1, inner.0 + i % inner.1);
                    values[row * width + column] = value;
                }
                let slab: Vec<h5::HyperslabDim> = start
                    .iter()
                    .zip(&count)
                    .map(|(&s, &c)| h5::HyperslabDim::range(s as u64, c as u64))
                    .collect();
                let array = ndarray::ArrayD::from_shape_vec(count, new).expect("a part");
                dataset.write_slice(&array, h5::Selection::Hyperslab(slab))
            }
            Data::Other(_) => return,
        };
        if self.done(written).is_some() {
            self.model.item(id).data = Some(data);
        }
    }

    fn pick_resizable(&mut self) -> Option<(Id, h5::Dataset)> {
        let id = self.pick(|item| matches!(item.data, Some(Data::Ints { resizable: true, .. })))?;
        match self.open(id).into_dataset() {
            Ok(dataset) => Some((id, dataset)),
            Err(e) => self.fail(&format!("{}: {e:?}", self.model.path(id))),
        }
    }

    fn append(&mut self) {
        let Some((id, mut dataset)) = self.pick_resizable() else { return };
        let mut rows = 1 + self.choices.below(12);
        if rows == 12 {
            rows = 150;
        }
        self.log.push(format!("append {rows} to {}", self.model.path(id)));
        let Some(Data::Ints { shape, .. }) = self.model.items[&id].data.clone() else { return };
        let mut part: Vec<usize> = shape.iter().map(|&d| d as usize).collect();
        part[0] = rows;
        let new = self.choices.ints(part.iter().product());
        let array = ndarray::ArrayD::from_shape_vec(part, new.clone()).expect("rows");
        let appended = dataset.append(&array);
        if self.done(appended).is_some()
            && let Some(Data::Ints { shape, values, .. }) = &mut self.model.item(id).data
        {
            shape[0] += rows as u64;
            values.extend(new);
        }
    }

    fn resize(&mut self) {
        let Some((id, mut dataset)) = self.pick_resizable() else { return };
        let rank = dataset.shape().len();
        let new: Vec<u64> = (0..rank).map(|_| self.choices.below(45) as u64).collect();
        self.log.push(format!("resize {} to {new:?}", self.model.path(id)));
        let resized = dataset.resize(new.clone());
        if self.done(resized).is_some()
            && let Some(data) = &mut self.model.item(id).data
        {
            data.resize(new);
        }
    }
}
