//! Datatypes as numpy and h5py have them.

use crate::{
    ByteOrder, Datatype, DatatypeClass,
    model::datatype::{EnumMember, FloatType, Member, Normalization, ReferenceType},
};

/// What numpy calls an element of a datatype.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Dtype {
    pub(super) kind: Kind,
    /// Bytes of an element of an array of numpy.
    pub(super) size: usize,
    pub(super) big: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Bool,
    Int {
        signed: bool,
    },
    Float,
    Complex,
    /// Bytes that end with NULs.
    Bytes,
    Void,
    /// A date or duration, with its name.
    Time(String),
    /// A pointer.
    Object,
    Struct(Vec<Field>),
    Array {
        dims: Vec<u64>,
        base: Box<Dtype>,
    },
    /// Nothing that numpy has.
    Other,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Field {
    pub(super) name: String,
    pub(super) offset: usize,
    pub(super) dtype: Dtype,
}

/// The floats of numpy: bytes, bits of the mantissa, largest and smallest exponent.
const FLOATS: [(usize, u32, i64, i64); 4] =
    [(2, 10, 16, -14), (4, 23, 128, -126), (8, 52, 1024, -1022), (16, 64, 16384, -16382)];

impl Dtype {
    fn new(kind: Kind, size: usize, order: ByteOrder) -> Self {
        Dtype { kind, size, big: order == ByteOrder::Big && size > 1 }
    }

    /// What h5py makes of a datatype.
    pub(super) fn of(datatype: &Datatype) -> Self {
        let size = datatype.size;
        let plain = |kind, size| Dtype { kind, size, big: false };
        let integer = |signed, order| match size {
            1 | 2 | 4 | 8 => Dtype::new(Kind::Int { signed }, size, order),
            _ => plain(Kind::Other, size),
        };
        match &datatype.class {
            DatatypeClass::Integer(t) => integer(t.signed, t.order),
            DatatypeClass::Bitfield(t) => integer(false, t.order),
            DatatypeClass::Float(t) => match float_size(t, size) {
                Some(size) => Dtype::new(Kind::Float, size, t.order),
                None => plain(Kind::Other, size),
            },
            DatatypeClass::FixedString { .. } => plain(Kind::Bytes, size),
            DatatypeClass::Opaque { tag } => match tag.to_str().and_then(|tag| tag.strip_prefix("NUMPY:")) {
                Some(name) if is_time(name, size) => {
                    Dtype { big: name.starts_with('>'), ..plain(Kind::Time(name.to_owned()), size) }
                }
                Some(name) if name == format!("|S{size}") => plain(Kind::Bytes, size),
                _ => plain(Kind::Void, size),
            },
            DatatypeClass::Compound(members) => Dtype::of_compound(members, datatype),
            DatatypeClass::Enum { members, .. } if is_bool(datatype, members) => plain(Kind::Bool, 1),
            DatatypeClass::Enum { base, .. } => Dtype::of(base),
            DatatypeClass::VarString { .. } | DatatypeClass::VarLen(_) => plain(Kind::Object, 8),
            DatatypeClass::Reference(_) => plain(Kind::Object, 8),
            DatatypeClass::Array { dims, base } => {
                let base = Box::new(Dtype::of(base));
                let dims: Vec<u64> = dims.iter().map(|&d| d.into()).collect();
                let count = dims.iter().fold(1usize, |n, &d| n.saturating_mul(d as usize));
                let size = count.saturating_mul(base.size);
                plain(Kind::Array { dims, base }, size)
            }
            DatatypeClass::Complex(base) => match (size, Dtype::of(base)) {
                (8 | 16 | 32, part @ Dtype { kind: Kind::Float, .. }) if part.size * 2 == size => {
                    Dtype { kind: Kind::Complex, size, big: part.big }
                }
                _ => plain(Kind::Other, size),
            },
            _ => plain(Kind::Other, size),
        }
    }
}

impl Dtype {
    fn of_compound(members: &[Member], datatype: &Datatype) -> Self {
        if let [first, second] = members
            && first.name == "r"
            && second.name == "i"
        {
            let (real, imaginary) = (Dtype::of(&first.datatype), Dtype::of(&second.datatype));
            if real == imaginary && real.kind == Kind::Float && matches!(real.size, 4 | 8 | 16) {
                return Dtype { kind: Kind::Complex, size: 2 * real.size, big: real.big };
            }
        }
        // In memory, members of variable length have another size than in the file.
        let mut grown = 0i64;
        let mut fields = Vec::with_capacity(members.len());
        for member in members {
            let offset = member.offset as i64 + grown;
            grown += memory_size(&member.datatype) as i64 - member.datatype.size as i64;
            fields.push(Field {
                name: member.name.to_string(),
                offset: usize::try_from(offset).unwrap_or_default(),
                dtype: Dtype::of(&member.datatype),
            });
        }
        let size = usize::try_from(memory_size(datatype)).unwrap_or(usize::MAX);
        Dtype { kind: Kind::Struct(fields), size, big: false }
    }

    /// The name of the type, such as `<f8`.
    pub(super) fn name(&self) -> String {
        let order = match (self.big, self.size) {
            (_, 1) => '|',
            (true, _) => '>',
            (false, _) => '<',
        };
        match &self.kind {
            Kind::Bool => "|b1".to_owned(),
            Kind::Int { signed } => format!("{order}{}{}", if *signed { 'i' } else { 'u' }, self.size),
            Kind::Float => format!("{order}f{}", self.size),
            Kind::Complex => format!("{order}c{}", self.size),
            Kind::Bytes => format!("|S{}", self.size),
            Kind::Time(name) => name.clone(),
            Kind::Object => "|O".to_owned(),
            Kind::Void | Kind::Struct(_) | Kind::Array { .. } | Kind::Other => format!("|V{}", self.size),
        }
    }

    /// The members of a compound.
    pub(super) fn fields(&self) -> Option<&[Field]> {
        match &self.kind {
            Kind::Struct(fields) => Some(fields),
            _ => None,
        }
    }

    /// True for booleans, integers, floats, complex numbers and, as numpy has it, durations.
    pub(super) fn is_numeric(&self) -> bool {
        matches!(self.kind, Kind::Bool | Kind::Int { .. } | Kind::Float | Kind::Complex) || self.is_duration()
    }

    /// True for the durations of numpy.
    pub(super) fn is_duration(&self) -> bool {
        matches!(&self.kind, Kind::Time(name) if name.get(1..3) == Some("m8"))
    }

    /// The type with the bytes of its numbers in little-endian order.
    pub(super) fn little(self) -> Self {
        let kind = match self.kind {
            Kind::Time(name) => Kind::Time(name.replace('>', "<")),
            kind => kind,
        };
        Dtype { kind, big: false, ..self }
    }

    /// The type with an equivalent among the typed arrays of JavaScript.
    pub(super) fn safe(&self) -> Self {
        let size = match (&self.kind, self.size) {
            (Kind::Float, 2) => 4,
            (Kind::Float, 16) => 8,
            (_, size) => size,
        };
        Dtype { size, ..self.clone() }.little()
    }

    /// True if an element lies in one piece in memory.
    pub(super) fn is_flat(&self) -> bool {
        match &self.kind {
            Kind::Object | Kind::Other => false,
            Kind::Struct(fields) => fields.iter().all(|f| f.dtype.is_flat()),
            Kind::Array { base, .. } => base.is_flat(),
            _ => true,
        }
    }
}

/// Bytes of the smallest float of numpy that holds all values of this one.
fn float_size(t: &FloatType, size: usize) -> Option<usize> {
    if t.order == ByteOrder::Vax || t.exponent_size > 30 {
        return None;
    }
    let (bias, largest) = (i64::from(t.exponent_bias), 1i64 << t.exponent_size);
    let fits = |&&(bytes, mantissa, max, min): &&(usize, u32, i64, i64)| {
        bytes >= size
            && u32::from(t.mantissa_size) <= mantissa
            && largest - bias - 1 <= max
            && 1 - bias >= min
    };
    FLOATS.iter().find(fits).map(|f| f.0)
}

/// True for the 80-bit floats of x87 in 16 bytes, little-endian.
pub(super) fn is_x87(t: &FloatType, size: usize) -> bool {
    size == 16
        && t.order == ByteOrder::Little
        && (t.offset, t.precision, t.sign) == (0, 80, 79)
        && (t.exponent_position, t.exponent_size, t.exponent_bias) == (64, 15, 16383)
        && (t.mantissa_position, t.mantissa_size) == (0, 64)
        && t.normalization == Normalization::None
}

/// True for an enumeration of exactly {FALSE: 0, TRUE: 1}, of whatever integer.
fn is_bool(datatype: &Datatype, members: &[EnumMember]) -> bool {
    let [first, second] = members else { return false };
    let value = |m: &EnumMember| enum_value(datatype, m);
    let is = |m: &EnumMember, name: &str, wanted| m.name == name && value(m) == Some(wanted);
    is(first, "FALSE", 0) && is(second, "TRUE", 1) || is(first, "TRUE", 1) && is(second, "FALSE", 0)
}

/// The value of a member of an enumeration.
pub(super) fn enum_value(datatype: &Datatype, member: &EnumMember) -> Option<i128> {
    let DatatypeClass::Enum { base, .. } = &datatype.class else { return None };
    let values = crate::Values::new((**base).clone(), Vec::new(), member.value.clone()).ok()?;
    values.get(0)?.integer()
}

/// True for the types of numpy for dates and durations, such as `<M8[ns]`, which h5py stores as opaque elements.
fn is_time(name: &str, size: usize) -> bool {
    let is_time = matches!(name.get(..4), Some("<M8[" | ">M8[" | "<m8[" | ">m8["));
    let unit = name.get(4..).and_then(|rest| rest.strip_suffix(']'));
    is_time && size == 8 && unit.is_some_and(|unit| unit.bytes().all(|c| c.is_ascii_alphanumeric()))
}

/// Bytes of an element in memory, as HDF5 holds it.
pub(super) fn memory_size(datatype: &Datatype) -> u64 {
    let size = datatype.size as u64;
    match &datatype.class {
        DatatypeClass::VarString { .. } => 8,
        DatatypeClass::VarLen(_) => 16,
        DatatypeClass::Reference(ReferenceType::Object) => 8,
        DatatypeClass::Reference(ReferenceType::Region) => 12,
        DatatypeClass::Reference(_) => 64,
        DatatypeClass::Array { base, .. } if base.size > 0 => {
            (size / base.size as u64).saturating_mul(memory_size(base))
        }
        DatatypeClass::Compound(members) => members.iter().fold(size, |n, m| {
            n.saturating_add(memory_size(&m.datatype)).saturating_sub(m.datatype.size as u64)
        }),
        _ => size,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(datatype: &Datatype) -> String {
        Dtype::of(datatype).name()
    }

    fn compound(size: usize, members: &[(&str, usize, Datatype)]) -> Datatype {
        let members = members.iter().map(|(name, offset, datatype)| Member {
            name: (*name).into(),
            offset: *offset,
            datatype: datatype.clone(),
        });
        Datatype { size, class: DatatypeClass::Compound(members.collect()) }
    }

    #[test]
    fn names_are_those_of_numpy() {
        use ByteOrder::{Big, Little};
        assert_eq!(name(&Datatype::integer(4, true, Little)), "<i4");
        assert_eq!(name(&Datatype::integer(1, false, Big)), "|u1");
        assert_eq!(name(&Datatype::f64(Big)), ">f8");
        assert_eq!(name(&Datatype::f16(Little)), "<f2");
        assert_eq!(name(&Datatype::var_string()), "|O");
        assert_eq!(name(&Datatype::fixed_string(10, crate::Charset::Ascii)), "|S10");
        assert_eq!(name(&Datatype::integer(3, true, Little)), "|V3");
        let complex = compound(8, &[("r", 0, Datatype::f32(Big)), ("i", 4, Datatype::f32(Big))]);
        assert_eq!(name(&complex), ">c8");
        assert_eq!(Dtype::of(&complex).safe().name(), "<c8");
        let mixed = compound(8, &[("r", 0, Datatype::f32(Big)), ("i", 4, Datatype::f32(Little))]);
        let fields: Vec<_> = Dtype::of(&mixed).fields().unwrap().iter().map(|f| f.dtype.name()).collect();
        assert_eq!(fields, [">f4", "<f4"]);
    }

    #[test]
    fn other_floats_take_the_smallest_that_holds_them() {
        let DatatypeClass::Float(single) = Datatype::f32(ByteOrder::Little).class else { unreachable!() };
        let bfloat16 =
            FloatType { precision: 16, sign: 15, exponent_position: 7, mantissa_size: 7, ..single };
        assert_eq!(name(&Datatype { size: 2, class: DatatypeClass::Float(bfloat16) }), "<f4");
        let quad = Datatype::float(16, ByteOrder::Little).unwrap();
        assert_eq!(name(&quad), "|V16");
    }
}
