//! What a file holds, as plain maps.

use std::{
    collections::{BTreeMap, HashMap},
    fmt::{self, Write},
};

use h5::{Dataset, File, LinkTarget, Object, ObjectKind, Values};

pub type Id = u32;
pub const ROOT: Id = 0;

/// A value of an attribute.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Int(i32),
    Ints(Vec<i32>),
    Text(String),
    /// What the scripts do not write.
    Other(String),
}

/// The elements of a dataset.
#[derive(Clone, Debug, PartialEq)]
pub enum Data {
    Ints { shape: Vec<u64>, values: Vec<i32>, resizable: bool, fill: i32 },
    Texts(Vec<String>),
    Other(String),
}

#[derive(Clone, Debug, PartialEq)]
pub enum Target {
    Hard(Id),
    Soft(String),
    Other(String),
}

/// An object: a group if it has links, a dataset if it has data, a datatype otherwise.
#[derive(Clone, Debug, Default)]
pub struct Item {
    pub attributes: BTreeMap<String, Value>,
    pub links: Option<BTreeMap<String, Target>>,
    pub data: Option<Data>,
    /// Hard links to it; of a committed datatype also the objects that are of it.
    pub count: u32,
    /// The committed datatype of a dataset.
    pub datatype: Option<Id>,
}

#[derive(Clone, Debug)]
pub struct Model {
    pub items: BTreeMap<Id, Item>,
    next: Id,
}

impl Default for Model {
    fn default() -> Self {
        let root = Item { links: Some(BTreeMap::new()), count: 1, ..Item::default() };
        Model { items: BTreeMap::from([(ROOT, root)]), next: 1 }
    }
}

impl Data {
    /// Gives elements another extent; new ones hold the fill value.
    pub fn resize(&mut self, new: Vec<u64>) {
        let Data::Ints { shape, values, fill, .. } = self else { return };
        let (old_width, width) = (shape.get(1).map_or(1, |&w| w), new.get(1).map_or(1, |&w| w));
        let mut out = Vec::new();
        for row in 0..new[0] {
            for column in 0..width {
                let there = row < shape[0] && column < old_width;
                out.push(if there { values[(row * old_width + column) as usize] } else { *fill });
            }
        }
        (*shape, *values) = (new, out);
    }
}

impl Model {
    /// What a file holds.
    pub fn of(file: &File) -> h5::Result<Model> {
        let mut model = Model { items: BTreeMap::new(), next: 0 };
        let (mut known, mut typed) = (HashMap::new(), Vec::new());
        model.read(file.object("/")?, &mut known, &mut typed)?;
        for (id, address) in typed {
            model.item(id).datatype = known.get(&address).copied();
        }
        Ok(model)
    }

    fn read(
        &mut self,
        object: Object,
        known: &mut HashMap<u64, Id>,
        typed: &mut Vec<(Id, u64)>,
    ) -> h5::Result<Id> {
        if let Some(&id) = known.get(&object.address()) {
            return Ok(id);
        }
        let id = self.next;
        self.next += 1;
        known.insert(object.address(), id);
        let mut item = Item { count: object.link_count()?, ..Item::default() };
        for attribute in object.attributes()? {
            let attribute = attribute?;
            item.attributes.insert(attribute.name().to_string(), value(&attribute.values()?));
        }
        match object.kind()? {
            ObjectKind::Group => {
                let group = object.into_group()?;
                let mut links = BTreeMap::new();
                for link in group.links()? {
                    let link = link?;
                    let target = match &link.target {
                        LinkTarget::Hard(_) => Target::Hard(self.read(group.follow(&link)?, known, typed)?),
                        LinkTarget::Soft(path) => Target::Soft(path.to_string()),
                        other => Target::Other(format!("{other:?}")),
                    };
                    links.insert(link.name.to_string(), target);
                }
                item.links = Some(links);
            }
            ObjectKind::Dataset => {
                let dataset = object.into_dataset()?;
                typed.extend(dataset.named_datatype_address().map(|address| (id, address)));
                item.data = Some(data(&dataset)?);
            }
            _ => {}
        }
        self.items.insert(id, item);
        Ok(id)
    }

    pub fn item(&mut self, id: Id) -> &mut Item {
        self.items.get_mut(&id).expect("an object of the model")
    }

    fn links(&mut self, id: Id) -> &mut BTreeMap<String, Target> {
        self.item(id).links.as_mut().expect("a group")
    }

    /// The objects that links lead to from the root, with a path to each.
    fn paths(&self) -> BTreeMap<Id, String> {
        let mut paths = BTreeMap::from([(ROOT, String::from("/"))]);
        let mut queue = vec![ROOT];
        while let Some(id) = queue.pop() {
            let path = paths[&id].trim_end_matches('/').to_owned();
            for (name, target) in self.items[&id].links.iter().flatten() {
                if let Target::Hard(child) = target
                    && !paths.contains_key(child)
                {
                    paths.insert(*child, format!("{path}/{name}"));
                    queue.push(*child);
                }
            }
        }
        paths
    }

    pub fn path(&self, id: Id) -> String {
        self.paths().remove(&id).expect("an object that links lead to")
    }

    pub fn reachable(&self, wanted: impl Fn(&Item) -> bool) -> Vec<Id> {
        self.paths().into_keys().filter(|id| wanted(&self.items[id])).collect()
    }

    pub fn add(&mut self, group: Id, name: &str, item: Item) {
        let id = self.next;
        self.next += 1;
        self.items.insert(id, Item { count: 0, ..item });
        self.link(group, name, Target::Hard(id));
    }

    pub fn link(&mut self, group: Id, name: &str, target: Target) {
        if let Target::Hard(id) = target {
            self.item(id).count += 1;
        }
        self.links(group).insert(name.to_owned(), target);
    }

    pub fn unlink(&mut self, group: Id, name: &str) {
        let mut gone: Vec<Target> = self.links(group).remove(name).into_iter().collect();
        while let Some(target) = gone.pop() {
            let Target::Hard(id) = target else { continue };
            let item = self.item(id);
            item.count -= 1;
            if item.count == 0
                && id != ROOT
                && let Some(item) = self.items.remove(&id)
            {
                gone.extend(item.links.unwrap_or_default().into_values());
                gone.extend(item.datatype.map(Target::Hard));
            }
        }
    }

    pub fn move_link(&mut self, group: Id, name: &str, to: Id, new: &str) {
        if let Some(target) = self.links(group).remove(name) {
            self.links(to).insert(new.to_owned(), target);
        }
    }

    /// Whether a group is what a link leads to, or lies below it.
    pub fn is_below(&self, group: Id, name: &str, below: Id) -> bool {
        let links = self.items[&group].links.as_ref();
        let Some(Target::Hard(above)) = links.and_then(|l| l.get(name)) else { return false };
        let (mut seen, mut queue) = (vec![*above], vec![*above]);
        while let Some(id) = queue.pop() {
            for target in self.items[&id].links.iter().flat_map(|l| l.values()) {
                if let Target::Hard(child) = target
                    && !seen.contains(child)
                {
                    seen.push(*child);
                    queue.push(*child);
                }
            }
        }
        seen.contains(&below)
    }

    /// Numbers that depend on the names only.
    fn numbers(&self) -> BTreeMap<Id, usize> {
        let mut numbers = BTreeMap::new();
        self.number(ROOT, &mut numbers);
        numbers
    }

    fn number(&self, id: Id, numbers: &mut BTreeMap<Id, usize>) {
        if numbers.contains_key(&id) {
            return;
        }
        numbers.insert(id, numbers.len());
        for target in self.items[&id].links.iter().flat_map(|l| l.values()) {
            if let Target::Hard(child) = target {
                self.number(*child, numbers);
            }
        }
    }

    /// For `tests/python/check_scripts.py`.
    pub fn to_json(&self) -> String {
        let mut out = String::from("{");
        for (i, (id, path)) in self.paths().iter().enumerate() {
            let item = &self.items[id];
            let _ = write!(out, "{}{}:{{", if i > 0 { ",\n" } else { "" }, json(path));
            let entry = |name: &str, value: &Value| {
                let value = match value {
                    Value::Int(n) => n.to_string(),
                    Value::Ints(list) => format!("{list:?}"),
                    Value::Text(text) => json(text),
                    Value::Other(_) => "null".to_owned(),
                };
                format!("{}:{value}", json(name))
            };
            let attributes: Vec<String> = item.attributes.iter().map(|(n, v)| entry(n, v)).collect();
            let _ = write!(out, "\"attributes\":{{{}}}", attributes.join(","));
            if let Some(links) = &item.links {
                let names: Vec<String> = links.keys().map(|n| json(n)).collect();
                let _ = write!(out, ",\"links\":[{}]", names.join(","));
            }
            let _ = match &item.data {
                Some(Data::Ints { shape, values, .. }) => {
                    write!(out, ",\"shape\":{shape:?},\"ints\":{values:?}")
                }
                Some(Data::Texts(texts)) => {
                    let texts: Vec<String> = texts.iter().map(|t| json(t)).collect();
                    write!(out, ",\"texts\":[{}]", texts.join(","))
                }
                _ => Ok(()),
            };
            out.push('}');
        }
        out + "}"
    }
}

fn json(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        let _ = match c {
            '"' | '\\' => write!(out, "\\{c}"),
            ' '..='~' => write!(out, "{c}"),
            c => c.encode_utf16(&mut [0; 2]).iter().try_for_each(|unit| write!(out, "\\u{unit:04x}")),
        };
    }
    out + "\""
}

impl fmt::Display for Model {
    /// The same text for the same content, whatever the objects are called in the model.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let numbers = self.numbers();
        let mut ids: Vec<(usize, Id)> = numbers.iter().map(|(&id, &n)| (n, id)).collect();
        ids.sort_unstable();
        for (number, id) in ids {
            let item = &self.items[&id];
            writeln!(f, "#{number}, {} links", item.count)?;
            for (name, value) in &item.attributes {
                writeln!(f, "  @{name} {value:?}")?;
            }
            for (name, target) in item.links.iter().flatten() {
                match target {
                    Target::Hard(id) => writeln!(f, "  {name} -> #{}", numbers[id])?,
                    other => writeln!(f, "  {name} -> {other:?}")?,
                }
            }
            match &item.data {
                Some(Data::Ints { shape, values, .. }) => writeln!(f, "  {shape:?} {values:?}")?,
                Some(other) => writeln!(f, "  {other:?}")?,
                None => {}
            }
        }
        Ok(())
    }
}

fn value(values: &Values) -> Value {
    let ints = || values.to_vec::<i32>().ok();
    match values.shape().len() {
        0 => {
            let text = || Some(Value::Text(values.to_vec::<String>().ok()?.pop()?));
            ints().and_then(|v| v.first().copied()).map(Value::Int).or_else(text)
        }
        1 => ints().map(Value::Ints),
        _ => None,
    }
    .unwrap_or_else(|| other(values))
}

/// Two bytes of a pointer into the heap are not content, and are left out with all bytes of such values.
fn bytes(values: &Values) -> String {
    if values.datatype().is_fixed() { format!("{:?}", values.bytes()) } else { String::new() }
}

fn other(values: &Values) -> Value {
    let texts = values.to_vec::<String>().ok();
    Value::Other(format!("{} {:?} {texts:?} {}", values.datatype(), values.shape(), bytes(values)))
}

fn data(dataset: &Dataset) -> h5::Result<Data> {
    let values = dataset.values(..)?;
    let shape = values.shape().to_vec();
    Ok(match (values.to_vec::<i32>(), values.to_vec::<String>()) {
        (Ok(values), _) if (1..=2).contains(&shape.len()) => Data::Ints {
            resizable: dataset.max_shape().iter().all(|m| m.is_none()),
            fill: dataset.fill_values().and_then(|f| f.to_vec::<i32>().ok()?.first().copied()).unwrap_or(0),
            shape,
            values,
        },
        (_, Ok(texts)) if shape.len() == 1 => Data::Texts(texts),
        _ => Data::Other(format!("{} {shape:?} {}", values.datatype(), bytes(&values))),
    })
}
