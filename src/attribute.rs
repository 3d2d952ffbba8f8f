//! Attributes: small named arrays on an object.

use std::sync::Arc;

use ndarray::{Array1, ArrayD};

use crate::{
    element::{H5Type, HeapArena, Values, gather},
    error::{Error, Result},
    model::{
        dataspace::Dataspace,
        datatype::{Charset, Datatype},
        link::Name,
    },
    object::{NamedDatatype, Object, committed},
    read::array,
    storage::attributes::AttributeData,
};

/// An attribute of an object, read from the file.
#[derive(Clone, Debug)]
pub struct Attribute {
    object: Object,
    data: AttributeData,
}

impl Attribute {
    pub(crate) fn new(object: Object, data: AttributeData) -> Self {
        Attribute { object, data }
    }

    fn named<T>(&self, result: Result<T>) -> Result<T> {
        result.map_err(|e| {
            e.of_object(&format!("{}@{}", self.object.path(), self.data.name))
                .in_file(&self.object.store().name)
        })
    }

    /// Its name.
    pub fn name(&self) -> &Name {
        &self.data.name
    }
    /// Character set of the name.
    pub fn charset(&self) -> Charset {
        self.data.charset
    }
    /// Type of the elements.
    pub fn datatype(&self) -> &Datatype {
        &self.data.datatype
    }
    /// The committed datatype that is its type, if it is one.
    ///
    /// # Errors
    /// `Corrupt` if that cannot be read.
    pub fn named_datatype(&self) -> Result<Option<NamedDatatype>> {
        committed(&self.object, self.data.committed)?.map(Object::into_datatype).transpose()
    }
    /// Address of the committed datatype that is its type, if it is one.
    pub fn named_datatype_address(&self) -> Option<u64> {
        self.data.committed
    }
    /// Extent.
    pub fn dataspace(&self) -> &Dataspace {
        &self.data.dataspace
    }
    /// Extent in each dimension; empty for a scalar and for null.
    pub fn shape(&self) -> &[u64] {
        self.data.dataspace.dims()
    }
    /// Position in the order of creation, if the object tracks it.
    pub fn creation_order(&self) -> Option<u32> {
        self.data.creation_order
    }

    /// All elements in C order.
    ///
    /// # Errors
    /// `Type` if the datatype is another; `Corrupt`.
    pub fn read_vec<T: H5Type>(&self) -> Result<Vec<T>> {
        let read = || {
            let plan = T::plan(&self.data.datatype)?;
            let heap = self.object.store().global_heap.session(&self.object.store().reader);
            let size = self.data.datatype.size.max(1);
            let mut values = Vec::with_capacity(self.data.bytes.len() / size);
            for element in self.data.bytes.chunks_exact(size) {
                values.push(T::decode(&plan, element, &heap)?);
            }
            Ok(values)
        };
        self.named(read())
    }

    /// All elements, in the shape of the attribute.
    ///
    /// # Errors
    /// `Type` if the datatype is another; `Corrupt`.
    pub fn read<T: H5Type>(&self) -> Result<ArrayD<T>> {
        self.named(array(self.read_vec()?, self.shape()))
    }

    /// All elements of an attribute of rank 1.
    ///
    /// # Errors
    /// As [`read`](Self::read); `Shape` for another rank.
    pub fn read_1d<T: H5Type>(&self) -> Result<Array1<T>> {
        if self.shape().len() != 1 {
            return self.named(Err(Error::shape(format!("rank 1 wanted, the shape is {:?}", self.shape()))));
        }
        Ok(Array1::from_vec(self.read_vec()?))
    }

    /// The only element.
    ///
    /// # Errors
    /// `Shape` if there are none or several; `Type`; `Corrupt`.
    pub fn read_scalar<T: H5Type>(&self) -> Result<T> {
        if self.data.dataspace.len()? != 1 {
            let text = match self.data.dataspace.is_null() {
                true => "one element wanted, the dataspace is null".to_owned(),
                false => format!("one element wanted, the shape is {:?}", self.shape()),
            };
            return self.named(Err(Error::shape(text)));
        }
        let read = || {
            let heap = self.object.store().global_heap.session(&self.object.store().reader);
            T::decode(&T::plan(&self.data.datatype)?, &self.data.bytes, &heap)
        };
        self.named(read())
    }

    /// All elements, whatever their type is.
    ///
    /// # Errors
    /// `Corrupt`.
    pub fn values(&self) -> Result<Values> {
        let store = self.object.store();
        let heap = store.global_heap.session(&store.reader);
        let mut arena = HeapArena::new(store.reader.sizes.offset);
        self.named(gather(&self.data.datatype, &self.data.bytes, &heap, &mut arena))?;
        let datatype = Arc::new(self.data.datatype.clone());
        Ok(Values::from_parts(datatype, self.shape().to_vec(), self.data.bytes.to_vec(), arena))
    }
}
