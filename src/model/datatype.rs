//! Datatypes: how the bytes of one element are to be understood.

use crate::model::link::Name;

/// The type of one element: its size in bytes and its class.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Datatype {
    /// Bytes of one element in the file.
    pub size: usize,
    /// Class and properties.
    pub class: DatatypeClass,
}

/// The classes of datatypes, with their properties.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DatatypeClass {
    /// Fixed-point number.
    Integer(IntegerType),
    /// Floating-point number of any layout.
    Float(FloatType),
    /// Time (deprecated in HDF5); `precision` bits.
    Time {
        /// Order of the bytes.
        order: ByteOrder,
        /// Significant bits.
        precision: u16,
    },
    /// String of a fixed number of bytes.
    FixedString {
        /// How a shorter text is filled up.
        padding: StringPadding,
        /// Character set.
        charset: Charset,
    },
    /// String of any length, stored in the global heap.
    VarString {
        /// How the string ends.
        padding: StringPadding,
        /// Character set.
        charset: Charset,
    },
    /// Bits without a numeric meaning; `signed` is false.
    Bitfield(IntegerType),
    /// Uninterpreted bytes.
    Opaque {
        /// Description of the content.
        tag: Name,
    },
    /// Members at offsets within the element.
    Compound(Vec<Member>),
    /// Reference to an object, a region of a dataset or an attribute.
    Reference(ReferenceType),
    /// Named values of an integer type.
    Enum {
        /// The type of the values.
        base: Box<Datatype>,
        /// Names and values, in stored order.
        members: Vec<EnumMember>,
    },
    /// Sequence of any length, stored in the global heap.
    VarLen(Box<Datatype>),
    /// Array of fixed shape.
    Array {
        /// Extent in each dimension.
        dims: Vec<u32>,
        /// Type of the array's elements.
        base: Box<Datatype>,
    },
    /// Complex number: real part, then imaginary part.
    Complex(Box<Datatype>),
}

/// Order of the bytes of a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ByteOrder {
    /// Least significant byte first.
    Little,
    /// Most significant byte first.
    Big,
    /// Little-endian 16-bit words, the most significant word first (floats only).
    Vax,
}

impl ByteOrder {
    /// The order of this machine.
    pub const NATIVE: ByteOrder =
        if cfg!(target_endian = "big") { ByteOrder::Big } else { ByteOrder::Little };
}

/// Layout of a fixed-point number or bit field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct IntegerType {
    /// Order of the bytes.
    pub order: ByteOrder,
    /// Two's complement.
    pub signed: bool,
    /// First significant bit.
    pub offset: u16,
    /// Number of significant bits.
    pub precision: u16,
    /// Value of the unused bits below.
    pub low_pad: bool,
    /// Value of the unused bits above.
    pub high_pad: bool,
}

/// How the leading bit of a mantissa is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Normalization {
    /// Not normalized.
    None,
    /// The leading bit is stored and always set.
    MsbSet,
    /// The leading bit is not stored, and 1 (IEEE 754).
    Implied,
}

/// Layout of a floating-point number; positions are bit numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FloatType {
    /// Order of the bytes.
    pub order: ByteOrder,
    /// First significant bit.
    pub offset: u16,
    /// Number of significant bits.
    pub precision: u16,
    /// Position of the sign.
    pub sign: u8,
    /// Position of the exponent.
    pub exponent_position: u8,
    /// Bits of the exponent.
    pub exponent_size: u8,
    /// Bias of the exponent.
    pub exponent_bias: u32,
    /// Position of the mantissa.
    pub mantissa_position: u8,
    /// Bits of the mantissa.
    pub mantissa_size: u8,
    /// The leading bit of the mantissa.
    pub normalization: Normalization,
    /// Value of the unused bits below.
    pub low_pad: bool,
    /// Value of the unused bits above.
    pub high_pad: bool,
    /// Value of the unused bits between.
    pub internal_pad: bool,
}

/// Character set of strings and names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Charset {
    /// US-ASCII (in practice any bytes).
    #[default]
    Ascii,
    /// UTF-8.
    Utf8,
}

/// How a string shorter than its type is filled up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StringPadding {
    /// Ends at the first NUL.
    NullTerminated,
    /// NULs up to the size.
    NullPadded,
    /// Blanks up to the size (as Fortran does).
    SpacePadded,
}

/// What a reference refers to, and how it is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReferenceType {
    /// `H5R_OBJECT`: address of an object header.
    Object,
    /// `H5R_DATASET_REGION`: global-heap object with address and selection.
    Region,
    /// `H5T_STD_REF` of HDF5 1.12, on disk as an object reference.
    StdObject,
    /// `H5T_STD_REF` of HDF5 1.12, on disk as a region reference.
    StdRegion,
    /// `H5T_STD_REF` of HDF5 1.12, on disk as an attribute reference.
    StdAttribute,
}

impl ReferenceType {
    /// True for the references of HDF5 1.12 and later.
    pub fn is_std(self) -> bool {
        !matches!(self, ReferenceType::Object | ReferenceType::Region)
    }
}

/// Member of a compound type.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Member {
    /// Name.
    pub name: Name,
    /// Offset of its first byte within the element.
    pub offset: usize,
    /// Type.
    pub datatype: Datatype,
}

/// Name and value of an enumeration.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EnumMember {
    /// Name.
    pub name: Name,
    /// Value, as stored: bytes of the base type.
    pub value: Vec<u8>,
}

impl Datatype {
    /// Integer of full precision.
    pub fn integer(size: usize, signed: bool, order: ByteOrder) -> Self {
        Datatype { size, class: DatatypeClass::Integer(IntegerType::full(size, signed, order)) }
    }

    /// IEEE 754 binary16, binary32, binary64 or binary128; `None` unless `size` is 2, 4, 8 or 16.
    pub fn float(size: usize, order: ByteOrder) -> Option<Self> {
        FloatType::ieee(size, order).map(|f| Datatype { size, class: DatatypeClass::Float(f) })
    }

    /// IEEE 754 binary16.
    pub fn f16(order: ByteOrder) -> Self {
        Datatype { size: 2, class: DatatypeClass::Float(FloatType::binary(16, 5, order)) }
    }

    /// IEEE 754 binary32.
    pub fn f32(order: ByteOrder) -> Self {
        Datatype { size: 4, class: DatatypeClass::Float(FloatType::binary(32, 8, order)) }
    }

    /// IEEE 754 binary64.
    pub fn f64(order: ByteOrder) -> Self {
        Datatype { size: 8, class: DatatypeClass::Float(FloatType::binary(64, 11, order)) }
    }

    /// Variable-length string in UTF-8, NUL-terminated, as h5py writes it.
    pub fn var_string() -> Self {
        Datatype {
            size: 16,
            class: DatatypeClass::VarString {
                padding: StringPadding::NullTerminated,
                charset: Charset::Utf8,
            },
        }
    }

    /// Fixed string of `size` bytes, NUL-padded.
    pub fn fixed_string(size: usize, charset: Charset) -> Self {
        Datatype { size, class: DatatypeClass::FixedString { padding: StringPadding::NullPadded, charset } }
    }

    /// Reference to an object, in a file with addresses of 8 bytes.
    pub fn object_reference() -> Self {
        Datatype { size: 8, class: DatatypeClass::Reference(ReferenceType::Object) }
    }

    /// Reference to elements of a dataset, in a file with addresses of 8 bytes.
    pub fn region_reference() -> Self {
        Datatype { size: 12, class: DatatypeClass::Reference(ReferenceType::Region) }
    }

    /// Reference of HDF5 1.12 and later to an object, elements of a dataset or an attribute, in a file with addresses of
    /// 8 bytes.
    pub fn std_reference() -> Self {
        Datatype { size: 18, class: DatatypeClass::Reference(ReferenceType::StdObject) }
    }

    /// The same for files with addresses of `width` bytes, which elements that point elsewhere hold. Parts of compounds
    /// and of sequences stay as they are.
    pub(crate) fn with_addresses(&self, width: u8) -> Datatype {
        let mut out = self.clone();
        out.size = match &mut out.class {
            DatatypeClass::VarString { .. } => 8 + usize::from(width),
            DatatypeClass::VarLen(base) if base.is_fixed() => 8 + usize::from(width),
            DatatypeClass::Reference(ReferenceType::Object) => width.into(),
            DatatypeClass::Array { base, .. } => {
                let count = out.size / base.size.max(1);
                **base = base.with_addresses(width);
                count.saturating_mul(base.size)
            }
            _ => out.size,
        };
        out
    }

    /// Whether all that points elsewhere has addresses of `width` bytes.
    pub(crate) fn has_addresses(&self, width: u8) -> bool {
        match &self.class {
            DatatypeClass::VarString { .. } => self.size == 8 + usize::from(width),
            DatatypeClass::VarLen(base) => self.size == 8 + usize::from(width) && base.has_addresses(width),
            DatatypeClass::Reference(ReferenceType::Object) => self.size == usize::from(width),
            DatatypeClass::Array { base, .. } => base.has_addresses(width),
            DatatypeClass::Compound(members) => members.iter().all(|m| m.datatype.has_addresses(width)),
            _ => true,
        }
    }

    /// True when an element is the same `size` bytes in the file and in memory: no variable-length part anywhere.
    pub fn is_fixed(&self) -> bool {
        match &self.class {
            DatatypeClass::VarString { .. } | DatatypeClass::VarLen(_) => false,
            DatatypeClass::Compound(members) => members.iter().all(|m| m.datatype.is_fixed()),
            DatatypeClass::Array { base, .. } => base.is_fixed(),
            _ => true,
        }
    }

    /// True when every byte of an element is one of a number or another leaf: no padding between members.
    pub(crate) fn has_no_padding(&self) -> bool {
        match &self.class {
            DatatypeClass::Compound(members) => {
                let mut spans: Vec<_> = members.iter().map(|m| (m.offset, m.datatype.size)).collect();
                spans.sort_unstable();
                let end = spans.iter().try_fold(0usize, |end, &(offset, size)| {
                    (offset == end).then(|| end.saturating_add(size))
                });
                end == Some(self.size) && members.iter().all(|m| m.datatype.has_no_padding())
            }
            DatatypeClass::Array { base, .. } | DatatypeClass::Complex(base) => base.has_no_padding(),
            _ => true,
        }
    }

    /// The member of that name of a compound type.
    pub fn member(&self, name: impl AsRef<[u8]>) -> Option<&Member> {
        match &self.class {
            DatatypeClass::Compound(members) => members.iter().find(|m| m.name.as_bytes() == name.as_ref()),
            _ => None,
        }
    }

    /// True for the enumeration {FALSE = 0, TRUE = 1} that h5py writes for booleans.
    pub fn is_bool(&self) -> bool {
        match &self.class {
            DatatypeClass::Enum { base, members } => {
                base.size == 1
                    && members.len() == 2
                    && members.iter().any(|m| m.name == "FALSE" && m.value == [0])
                    && members.iter().any(|m| m.name == "TRUE" && m.value == [1])
            }
            _ => false,
        }
    }
}

impl IntegerType {
    /// All bits of `size` bytes.
    pub fn full(size: usize, signed: bool, order: ByteOrder) -> Self {
        IntegerType {
            order,
            signed,
            offset: 0,
            precision: (size * 8) as u16,
            low_pad: false,
            high_pad: false,
        }
    }

    /// True if every bit of an element of `size` bytes counts.
    pub fn is_full(&self, size: usize) -> bool {
        self.offset == 0 && usize::from(self.precision) == size * 8
    }
}

impl FloatType {
    /// IEEE 754 binary interchange format of 2, 4, 8 or 16 bytes.
    pub fn ieee(size: usize, order: ByteOrder) -> Option<Self> {
        Some(match size {
            2 => Self::binary(16, 5, order),
            4 => Self::binary(32, 8, order),
            8 => Self::binary(64, 11, order),
            16 => Self::binary(128, 15, order),
            _ => return None,
        })
    }

    /// IEEE 754 binary interchange format of so many bits.
    fn binary(bits: u8, exponent_size: u8, order: ByteOrder) -> Self {
        let mantissa_size = bits - 1 - exponent_size;
        FloatType {
            order,
            offset: 0,
            precision: u16::from(bits),
            sign: bits - 1,
            exponent_position: mantissa_size,
            exponent_size,
            exponent_bias: (1 << (exponent_size - 1)) - 1,
            mantissa_position: 0,
            mantissa_size,
            normalization: Normalization::Implied,
            low_pad: false,
            high_pad: false,
            internal_pad: false,
        }
    }

    /// True if this is the IEEE 754 binary format of `size` bytes, in whatever byte order; padding bits are ignored.
    pub fn is_ieee(&self, size: usize) -> bool {
        Self::ieee(size, self.order).is_some_and(|ieee| {
            ieee == FloatType { low_pad: false, high_pad: false, internal_pad: false, ..*self }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_is_found_at_any_depth() {
        let compound = |size, members: &[(usize, Datatype)]| Datatype {
            size,
            class: DatatypeClass::Compound(
                members
                    .iter()
                    .map(|(offset, datatype)| Member {
                        name: "m".into(),
                        offset: *offset,
                        datatype: datatype.clone(),
                    })
                    .collect(),
            ),
        };
        let (byte, double) = (Datatype::integer(1, false, ByteOrder::Little), Datatype::f64(ByteOrder::Big));
        let packed = compound(9, &[(8, byte.clone()), (0, double.clone())]);
        let padded = compound(16, &[(0, byte.clone()), (8, double.clone())]);
        let trailing = compound(16, &[(0, double), (8, byte)]);
        assert!(packed.has_no_padding());
        assert!(!padded.has_no_padding() && !trailing.has_no_padding());
        assert!(!compound(25, &[(0, packed.clone()), (9, padded)]).has_no_padding());
        assert!(compound(18, &[(0, packed.clone()), (9, packed)]).has_no_padding());
    }
}
