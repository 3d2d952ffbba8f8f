//! Making attributes.

use std::{borrow::Cow, marker::PhantomData};

use ndarray::{ArrayBase, Data, Dimension, RawData};
use num_complex::Complex;

use crate::{
    attribute::Attribute,
    element::{H5Type, ObjectReference, Values},
    elements::{Gathered, ToElements, encode},
    error::{Error, Result},
    model::{
        dataspace::{Dataspace, element_count},
        datatype::Datatype,
    },
    object::{NamedDatatype, Object, committed_key},
    storage::write::NewAttribute,
};

impl Object {
    /// Sets an attribute: makes it, or replaces the one of that name. Numbers, booleans and text become one element,
    /// arrays an array; text is stored as strings of variable length in UTF-8, as h5py does it.
    ///
    /// ```
    /// # fn main() -> h5::Result<()> {
    /// # let store = std::sync::Arc::new(h5::source::MemoryStore::new());
    /// let file = h5::File::create_options().create_in(store)?;
    /// let root = file.root()?;
    /// root.set_attr("title", "a file")?;
    /// root.set_attr("version", 3)?;
    /// root.set_attr("limits", [0.5, 1.5])?;
    /// assert_eq!(root.attribute("limits")?.read_vec::<f64>()?, [0.5, 1.5]);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// `Usage` if the file is open for reading, or for an impossible name; `Unsupported` for what the
    /// header of an existing object has no room for.
    pub fn set_attr(&self, name: impl AsRef<[u8]>, value: impl AttributeValue) -> Result<()> {
        value.set(self, name.as_ref())
    }

    /// An attribute of elements of type `T` that is to be made.
    pub fn new_attr<T: H5Type>(&self) -> AttributeBuilder<'_, T> {
        let (datatype, elements) = (T::datatype(), PhantomData);
        AttributeBuilder {
            object: self.clone(),
            datatype,
            committed: None,
            dataspace: Dataspace::Scalar,
            data: None,
            elements,
        }
    }

    pub(crate) fn put_attribute<T: H5Type>(
        &self,
        name: &[u8],
        replace: bool,
        datatype: &Datatype,
        committed: Option<u64>,
        dataspace: &Dataspace,
        elements: &Gathered<'_, T>,
    ) -> Result<()> {
        let width = self.store().reader.sizes.offset;
        let datatype = match datatype.has_addresses(width) {
            true => Cow::Borrowed(datatype),
            false => Cow::Owned(datatype.with_addresses(width)),
        };
        let datatype = &*datatype;
        let put = || {
            self.session()?.set_attribute(self.address(), name, replace, &mut |heap| {
                let bytes = encode(elements, datatype, heap)?;
                Ok(NewAttribute { datatype, committed, dataspace, bytes })
            })
        };
        self.named(put())
    }
}

/// An attribute that is to be made; see [`Object::new_attr`].
#[derive(Debug)]
pub struct AttributeBuilder<'d, T> {
    object: Object,
    datatype: Datatype,
    committed: Option<Object>,
    dataspace: Dataspace,
    data: Option<Gathered<'d, T>>,
    elements: PhantomData<fn() -> T>,
}

impl<'d, T: H5Type> AttributeBuilder<'d, T> {
    /// Type of the elements in the file, if not that of `T`: another byte order, or a string of fixed size.
    pub fn datatype(mut self, datatype: Datatype) -> Self {
        (self.datatype, self.committed) = (datatype, None);
        self
    }
    /// The type of the elements is this committed datatype, which the attribute names instead of holding a copy.
    pub fn committed(mut self, datatype: &NamedDatatype) -> Self {
        (self.datatype, self.committed) = (datatype.datatype().clone(), Some((**datatype).clone()));
        self
    }
    /// Extent of an attribute whose elements are all zero; that of the data if there are any.
    pub fn shape(mut self, shape: impl crate::dataset_builder::IntoShape) -> Self {
        self.dataspace = Dataspace::simple(shape.into_shape());
        self
    }
    /// No elements: a null dataspace.
    pub fn null(mut self) -> Self {
        self.dataspace = Dataspace::Null;
        self
    }
    /// The elements, and the shape that they have.
    pub fn with_data(mut self, data: &'d (impl ToElements<T> + ?Sized)) -> Self {
        self.dataspace = Dataspace::simple(data.shape());
        self.data = Some(data.elements());
        self
    }
    /// The only element.
    pub fn with_scalar(mut self, value: &'d T) -> Self {
        self.dataspace = Dataspace::Scalar;
        self.data = Some(Gathered::Slice(std::slice::from_ref(value)));
        self
    }
    /// Makes it.
    ///
    /// # Errors
    /// `Usage` if there is one of that name; as [`Object::set_attr`].
    pub fn create(&self, name: impl AsRef<[u8]>) -> Result<Attribute> {
        let name = name.as_ref();
        let committed = self.object.named(committed_key(&self.object, self.committed.as_ref()))?;
        match &self.data {
            Some(data) => {
                self.object.put_attribute(name, false, &self.datatype, committed, &self.dataspace, data)?
            }
            None => {
                let count = self.dataspace.len()?.checked_mul(self.datatype.size as u64);
                let bytes = count.filter(|&n| n <= 1 << 32).and_then(|n| usize::try_from(n).ok());
                let bytes = bytes.ok_or_else(|| Error::limit("bytes of an attribute", u64::MAX, 1 << 32))?;
                let (datatype, dataspace) = (&self.datatype, &self.dataspace);
                let new = NewAttribute { datatype, committed, dataspace, bytes: vec![0; bytes].into() };
                let address = self.object.address();
                let session = self.object.session();
                let made =
                    session.and_then(|s| s.set_attribute(address, name, false, &mut |_| Ok(new.clone())));
                self.object.named(made)?;
            }
        }
        self.object.attribute(name)
    }
}

/// What [`Object::set_attr`] takes.
pub trait AttributeValue {
    /// Makes or replaces the attribute.
    ///
    /// # Errors
    /// As [`Object::set_attr`].
    fn set(&self, object: &Object, name: &[u8]) -> Result<()>;
}

fn one<T: H5Type>(object: &Object, name: &[u8], value: &T) -> Result<()> {
    let slice = std::slice::from_ref(value);
    object.put_attribute(name, true, &T::datatype(), None, &Dataspace::Scalar, &Gathered::Slice(slice))
}

fn many<T: H5Type>(object: &Object, name: &[u8], data: &(impl ToElements<T> + ?Sized)) -> Result<()> {
    let dataspace = Dataspace::simple(data.shape());
    object.put_attribute(name, true, &T::datatype(), None, &dataspace, &data.elements())
}

macro_rules! scalars {
    ($($t:ty),*) => {$(
        impl AttributeValue for $t {
            fn set(&self, object: &Object, name: &[u8]) -> Result<()> {
                one(object, name, self)
            }
        }
    )*};
}
scalars!(
    i8,
    u8,
    i16,
    u16,
    i32,
    u32,
    i64,
    u64,
    f32,
    f64,
    bool,
    Complex<f32>,
    Complex<f64>,
    String,
    ObjectReference
);

impl AttributeValue for &str {
    fn set(&self, object: &Object, name: &[u8]) -> Result<()> {
        one(object, name, &(*self).to_owned())
    }
}

impl<T: H5Type> AttributeValue for &[T] {
    fn set(&self, object: &Object, name: &[u8]) -> Result<()> {
        many(object, name, *self)
    }
}

impl<T: H5Type> AttributeValue for Vec<T> {
    fn set(&self, object: &Object, name: &[u8]) -> Result<()> {
        many(object, name, self)
    }
}

impl<T: H5Type, const N: usize> AttributeValue for [T; N] {
    fn set(&self, object: &Object, name: &[u8]) -> Result<()> {
        many(object, name, self)
    }
}

impl<T: H5Type, S: Data + RawData<Elem = T>, D: Dimension> AttributeValue for &ArrayBase<S, D> {
    fn set(&self, object: &Object, name: &[u8]) -> Result<()> {
        many(object, name, *self)
    }
}

impl AttributeValue for &Values {
    fn set(&self, object: &Object, name: &[u8]) -> Result<()> {
        let put = || {
            element_count(self.shape())?;
            let (datatype, dataspace) = (self.datatype(), &Dataspace::simple(self.shape()));
            object.session()?.set_attribute(object.address(), name, true, &mut |heap| {
                let bytes = self.encode(heap)?;
                Ok(NewAttribute { datatype, committed: None, dataspace, bytes })
            })
        };
        object.named(put())
    }
}
