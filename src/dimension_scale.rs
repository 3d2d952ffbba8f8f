//! Dimension scales: datasets that say what the places along a dimension of other datasets mean. The HDF5 Dimension
//! Scale Specification keeps them in attributes, and netCDF-4 its dimensions in them:
//!
//! ```text
//! of a scale:    CLASS            fixed string of 16 bytes, "DIMENSION_SCALE"
//!                NAME             fixed string
//!                REFERENCE_LIST   [n] compound of 16 bytes: dataset (object reference), dimension (i32)
//! of a dataset:  DIMENSION_LIST   [rank] variable-length sequences of object references to scales
//!                DIMENSION_LABELS [rank] variable-length strings
//! ```

use crate::{
    dataset::Dataset,
    element::{H5Type, ObjectReference, Reference, Values},
    elements::ToElements,
    error::{Error, Result},
    model::{
        dataspace::Dataspace,
        datatype::{ByteOrder, Charset, Datatype, DatatypeClass, Member, StringPadding},
        link::Name,
    },
    object::Object,
};

const CLASS: &str = "CLASS";
const SCALE: &str = "DIMENSION_SCALE";
const NAME: &str = "NAME";
const DIMENSION_LIST: &str = "DIMENSION_LIST";
const REFERENCE_LIST: &str = "REFERENCE_LIST";
const DIMENSION_LABELS: &str = "DIMENSION_LABELS";

/// A use of a scale: the address of a dataset, and which of its dimensions.
type Use = (u64, i32);

/// A fixed string that ends with a NUL, as C writes it.
fn c_string(text: &str) -> Datatype {
    let charset = if text.is_ascii() { Charset::Ascii } else { Charset::Utf8 };
    let class = DatatypeClass::FixedString { padding: StringPadding::NullTerminated, charset };
    Datatype { size: text.len() + 1, class }
}

/// An element of `REFERENCE_LIST`: a C structure, with its padding. HDF5 2.x has unsigned dimensions there; every
/// version reads both.
fn use_type() -> Datatype {
    let member = |name: &str, offset, datatype| Member { name: Name::from(name), offset, datatype };
    let members = vec![
        member("dataset", 0, Datatype::object_reference()),
        member("dimension", 8, Datatype::integer(4, true, ByteOrder::Little)),
    ];
    Datatype { size: 16, class: DatatypeClass::Compound(members) }
}

fn set<T: H5Type>(object: &Object, name: &str, datatype: &Datatype, data: &[T]) -> Result<()> {
    let dataspace = Dataspace::simple(data.shape());
    object.put_attribute(name.as_bytes(), true, datatype, None, &dataspace, &data.elements())
}

fn set_text(object: &Object, name: &str, text: &str) -> Result<()> {
    let text = [text.to_owned()];
    object.put_attribute(
        name.as_bytes(),
        true,
        &c_string(&text[0]),
        None,
        &Dataspace::Scalar,
        &text[..].elements(),
    )
}

fn delete(object: &Object, name: &str) -> Result<()> {
    object.named(object.session().and_then(|s| s.delete_attribute(object.address(), name.as_bytes())))
}

impl Dataset {
    /// By which an object is known whether it is named by a handle or by a reference in the file. `None` if there is no
    /// such object.
    fn identity(&self, address: u64) -> Option<u64> {
        self.store().header(address).ok().map(|header| header.address)
    }

    fn is_at(&self, address: u64) -> bool {
        self.identity(address) == self.identity(self.address())
    }

    fn optional(&self, name: &str) -> Result<Option<crate::attribute::Attribute>> {
        match self.attribute(name) {
            Ok(attribute) => Ok(Some(attribute)),
            Err(e) if matches!(e.kind(), crate::ErrorKind::NotFound(_)) => Ok(None),
            Err(e) => Err(e),
        }
    }

    fn axes(&self, axis: usize) -> Result<usize> {
        let rank = self.shape().len();
        if axis >= rank {
            return self.named(Err(Error::shape(format!("dimension {axis} of a dataset of rank {rank}"))));
        }
        Ok(rank)
    }

    /// The scales of each dimension, as they are stored.
    fn scale_lists(&self) -> Result<Vec<Vec<ObjectReference>>> {
        let rank = self.shape().len();
        let Some(attribute) = self.optional(DIMENSION_LIST)? else { return Ok(vec![Vec::new(); rank]) };
        let lists = attribute.read_vec::<Vec<ObjectReference>>()?;
        if lists.len() != rank {
            let text = format!("{} lists of scales for a dataset of rank {rank}", lists.len());
            return self.named(Err(Error::corrupt(text).in_structure(DIMENSION_LIST)));
        }
        Ok(lists)
    }

    fn set_scale_lists(&self, lists: &[Vec<ObjectReference>]) -> Result<()> {
        if lists.iter().all(Vec::is_empty) {
            return delete(self, DIMENSION_LIST);
        }
        set(self, DIMENSION_LIST, &Vec::<ObjectReference>::datatype(), lists)
    }

    /// Where this scale is used.
    fn uses(&self) -> Result<Vec<Use>> {
        let Some(attribute) = self.optional(REFERENCE_LIST)? else { return Ok(Vec::new()) };
        let values = attribute.values()?;
        let mut uses = Vec::with_capacity(values.len());
        for element in values.iter() {
            let (mut address, mut axis) = (None, None);
            for (name, member) in element.members() {
                if *name == "dataset" {
                    address = match self.named(member.reference())? {
                        Some(Reference::Object { address }) => Some(address),
                        _ => None,
                    };
                } else if *name == "dimension" {
                    axis = member.integer().and_then(|n| i32::try_from(n).ok());
                }
            }
            // Null references are left behind by other libraries.
            uses.extend(address.zip(axis));
        }
        Ok(uses)
    }

    fn set_uses(&self, uses: &[Use]) -> Result<()> {
        if uses.is_empty() {
            return delete(self, REFERENCE_LIST);
        }
        let mut bytes = Vec::with_capacity(16 * uses.len());
        for (address, axis) in uses {
            bytes.extend(address.to_le_bytes());
            bytes.extend(axis.to_le_bytes());
            bytes.extend([0; 4]);
        }
        let values = self.named(Values::new(use_type(), vec![uses.len() as u64], bytes))?;
        self.set_attr(REFERENCE_LIST, &values)
    }

    /// True if it is a dimension scale.
    ///
    /// # Errors
    /// `Corrupt` if its attributes cannot be read.
    pub fn is_scale(&self) -> Result<bool> {
        match self.optional(CLASS)? {
            Some(class) if matches!(class.datatype().class, DatatypeClass::FixedString { .. }) => {
                Ok(class.read_vec::<Name>()?.first().is_some_and(|class| *class == SCALE))
            }
            _ => Ok(false),
        }
    }

    /// Its name as a dimension scale.
    ///
    /// # Errors
    /// `Corrupt` if its attributes cannot be read.
    pub fn scale_name(&self) -> Result<Option<String>> {
        match self.optional(NAME)? {
            Some(name) if self.is_scale()? => Ok(Some(name.read_scalar::<Name>()?.to_string())),
            _ => Ok(None),
        }
    }

    fn make_unnamed_scale(&self) -> Result<()> {
        if self.optional(DIMENSION_LIST)?.is_some() {
            return self.named(Err(Error::usage("a dataset that has dimension scales cannot be one")));
        }
        set_text(self, CLASS, SCALE)
    }

    /// Makes it a dimension scale, to be [attached](Self::attach_scale) to dimensions of other datasets.
    ///
    /// ```
    /// # fn main() -> h5::Result<()> {
    /// # let store = std::sync::Arc::new(h5::source::MemoryStore::new());
    /// # let file = h5::File::create_options().create_in(store)?;
    /// let root = file.root()?;
    /// let time = root.new_dataset::<f64>().with_data(&[0.0, 0.5]).create("time")?;
    /// let image = root.new_dataset::<u16>().shape((2, 64)).create("image")?;
    /// time.make_scale("time [s]")?;
    /// image.attach_scale(0, &time)?;
    /// image.set_dimension_label(1, "pixel")?;
    /// assert_eq!(image.dimension_scales(0)?[0].read_vec::<f64>()?, [0.0, 0.5]);
    /// assert_eq!(image.dimension_label(1)?.as_deref(), Some("pixel"));
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// `Usage` if scales are attached to it, or the name has a NUL; as [`set_attr`](Object::set_attr).
    pub fn make_scale(&self, name: &str) -> Result<()> {
        if name.contains('\0') {
            return self.named(Err(Error::usage(format!("a name with a NUL: {name:?}"))));
        }
        self.make_unnamed_scale()?;
        set_text(self, NAME, name)
    }

    /// Attaches a scale to a dimension, behind those that it has; makes the other dataset a scale if it is none. Does
    /// nothing if it is attached already.
    ///
    /// # Errors
    /// `Shape` if there is no such dimension; `Usage` if this is a scale itself, or the other one has scales or is of
    /// another file; as [`set_attr`](Object::set_attr).
    pub fn attach_scale(&self, axis: usize, scale: &Dataset) -> Result<()> {
        self.axes(axis)?;
        self.has_no_part_in(scale)?;
        let mut lists = self.scale_lists()?;
        if lists[axis].iter().any(|r| r.0.is_some_and(|address| scale.is_at(address))) {
            return Ok(());
        }
        if !scale.is_scale()? {
            scale.make_unnamed_scale()?;
        }
        let mut uses = scale.uses()?;
        uses.push((self.address(), axis as i32));
        lists[axis].push(scale.reference());
        self.set_scale_lists(&lists)?;
        scale.set_uses(&uses)
    }

    /// Refuses scales of scales, and scales of other files.
    fn has_no_part_in(&self, scale: &Dataset) -> Result<()> {
        let why = if !scale.file().is_same(&self.file()) {
            "a dimension scale of another file"
        } else if self.is_at(scale.address()) {
            "a dataset as its own dimension scale"
        } else if self.is_scale()? {
            "a dimension scale has no scales itself"
        } else if scale.optional(DIMENSION_LIST)?.is_some() {
            "a dataset that has dimension scales cannot be one"
        } else {
            return Ok(());
        };
        self.named(Err(Error::usage(why)))
    }

    /// Takes a scale from a dimension.
    ///
    /// # Errors
    /// `Shape` if there is no such dimension; `NotFound` if the scale is not attached to it; as
    /// [`set_attr`](Object::set_attr).
    pub fn detach_scale(&self, axis: usize, scale: &Dataset) -> Result<()> {
        self.axes(axis)?;
        let mut lists = self.scale_lists()?;
        let before = lists[axis].len();
        lists[axis].retain(|r| !r.0.is_some_and(|address| scale.is_at(address)));
        if lists[axis].len() == before {
            return self.named(Err(Error::not_found(format!("scale {} of dimension {axis}", scale.path()))));
        }
        let mut uses = scale.uses()?;
        let count = uses.len();
        uses.retain(|(address, of)| *of != axis as i32 || !self.is_at(*address));
        self.set_scale_lists(&lists)?;
        if uses.len() == count { Ok(()) } else { scale.set_uses(&uses) }
    }

    /// The scales of a dimension, in the order in which they were attached.
    ///
    /// # Errors
    /// `Shape` if there is no such dimension; `Corrupt` if they cannot be found.
    pub fn dimension_scales(&self, axis: usize) -> Result<Vec<Dataset>> {
        self.axes(axis)?;
        let list = std::mem::take(&mut self.scale_lists()?[axis]);
        let file = self.file();
        list.into_iter().filter_map(|r| r.0).map(|address| file.object_at(address)?.into_dataset()).collect()
    }

    fn labels(&self) -> Result<Option<Vec<Name>>> {
        let Some(attribute) = self.optional(DIMENSION_LABELS)? else { return Ok(None) };
        attribute.read_vec::<Name>().map(Some)
    }

    /// Names a dimension; an empty label is none.
    ///
    /// # Errors
    /// `Shape` if there is no such dimension; `Usage` if the label has a NUL; as [`set_attr`](Object::set_attr).
    pub fn set_dimension_label(&self, axis: usize, label: &str) -> Result<()> {
        let rank = self.axes(axis)?;
        if label.contains('\0') {
            return self.named(Err(Error::usage(format!("a label with a NUL: {label:?}"))));
        }
        let mut labels = self.labels()?.unwrap_or_default();
        labels.resize(rank, Name::default());
        labels[axis] = Name::from(label);
        let ascii = labels.iter().all(|label| label.as_bytes().is_ascii());
        let charset = if ascii { Charset::Ascii } else { Charset::Utf8 };
        let class = DatatypeClass::VarString { padding: StringPadding::NullTerminated, charset };
        set(self, DIMENSION_LABELS, &Datatype { size: 16, class }, &labels)
    }

    /// The label of a dimension.
    ///
    /// # Errors
    /// `Shape` if there is no such dimension; `Corrupt` if it cannot be read.
    pub fn dimension_label(&self, axis: usize) -> Result<Option<String>> {
        self.axes(axis)?;
        let label = self.labels()?.and_then(|labels| labels.into_iter().nth(axis));
        Ok(label.filter(|label| !label.as_bytes().is_empty()).map(|label| label.to_string()))
    }
}
