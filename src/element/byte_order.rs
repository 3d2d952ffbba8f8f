//! Which bytes of an element must change places to be in native order.

use crate::model::datatype::{ByteOrder, Datatype, DatatypeClass};

/// The numbers of an element that are stored in the other byte order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SwapPlan {
    /// None.
    Nothing,
    /// The element is a sequence of numbers of this width, all to be swapped.
    All(usize),
    /// Numbers at (offset, width) of elements of `size` bytes.
    Fields { size: usize, fields: Vec<(usize, usize)> },
}

/// Widest element that is listed field by field.
const MAX_FIELDS: usize = 4096;

impl SwapPlan {
    /// How elements of `file` become the layout of `memory`; `None` if byte swapping is not enough.
    pub(crate) fn between(memory: &Datatype, file: &Datatype) -> Option<SwapPlan> {
        let mut fields = Vec::new();
        collect(memory, file, 0, &mut fields)?;
        if fields.is_empty() {
            return Some(SwapPlan::Nothing);
        }
        let width = fields[0].1;
        let uniform = fields.len() * width == file.size
            && fields.iter().enumerate().all(|(i, &field)| field == (i * width, width));
        Some(if uniform { SwapPlan::All(width) } else { SwapPlan::Fields { size: file.size, fields } })
    }

    /// Swaps a whole number of elements.
    pub(crate) fn apply(&self, bytes: &mut [u8]) {
        match self {
            SwapPlan::Nothing => {}
            SwapPlan::All(2) => swap_all::<2>(bytes),
            SwapPlan::All(4) => swap_all::<4>(bytes),
            SwapPlan::All(8) => swap_all::<8>(bytes),
            SwapPlan::All(16) => swap_all::<16>(bytes),
            SwapPlan::All(width) => bytes.chunks_exact_mut((*width).max(1)).for_each(<[u8]>::reverse),
            SwapPlan::Fields { size, fields } => {
                for element in bytes.chunks_exact_mut((*size).max(1)) {
                    for &(offset, width) in fields {
                        element[offset..offset + width].reverse();
                    }
                }
            }
        }
    }
}

fn swap_all<const N: usize>(bytes: &mut [u8]) {
    for number in bytes.as_chunks_mut::<N>().0 {
        number.reverse();
    }
}

fn collect(memory: &Datatype, file: &Datatype, at: usize, fields: &mut Vec<(usize, usize)>) -> Option<()> {
    use DatatypeClass as C;
    if memory.size != file.size {
        return None;
    }
    let mut number = |a: ByteOrder, b: ByteOrder| {
        if a != b && file.size > 1 {
            if fields.len() >= MAX_FIELDS || a == ByteOrder::Vax || b == ByteOrder::Vax {
                return None;
            }
            fields.push((at, file.size));
        }
        Some(())
    };
    match (&memory.class, &file.class) {
        (C::Integer(m), C::Integer(f)) => {
            (m.signed == f.signed && m.is_full(memory.size) && f.is_full(file.size)).then_some(())?;
            number(m.order, f.order)
        }
        (C::Integer(m), C::Enum { base, .. }) => match &base.class {
            C::Integer(f) if m.signed == f.signed && f.is_full(base.size) => number(m.order, f.order),
            _ => None,
        },
        (C::Integer(m), C::Bitfield(f)) => {
            (!m.signed && m.is_full(memory.size) && f.is_full(file.size)).then_some(())?;
            number(m.order, f.order)
        }
        (C::Float(m), C::Float(f)) => {
            (m.is_ieee(memory.size) && f.is_ieee(file.size)).then_some(())?;
            number(m.order, f.order)
        }
        (C::Compound(m), C::Compound(f)) => m.iter().try_for_each(|member| {
            let other = f.iter().find(|o| o.name == member.name)?;
            (other.offset == member.offset).then_some(())?;
            collect(&member.datatype, &other.datatype, at + member.offset, fields)
        }),
        (C::Array { .. }, C::Array { .. }) => {
            let ((m, a), (f, b)) = (flat(memory)?, flat(file)?);
            (m == f).then_some(())?;
            repeat(a, b, m, at, fields)
        }
        (C::Complex(a), C::Complex(b)) => repeat(a, b, 2, at, fields),
        _ => None,
    }
}

/// Elements of an array of arrays, and their type.
fn flat(datatype: &Datatype) -> Option<(usize, &Datatype)> {
    match &datatype.class {
        DatatypeClass::Array { dims, base } => {
            let (inner, base) = flat(base)?;
            let count = dims.iter().try_fold(inner, |n, &d| n.checked_mul(d as usize))?;
            Some((count, base))
        }
        _ => Some((1, datatype)),
    }
}

fn repeat(
    memory: &Datatype,
    file: &Datatype,
    count: usize,
    at: usize,
    fields: &mut Vec<(usize, usize)>,
) -> Option<()> {
    let before = fields.len();
    collect(memory, file, at, fields)?;
    let first = fields[before..].to_vec();
    if first.is_empty() {
        return Some(());
    }
    for i in 1..count {
        if fields.len() + first.len() > MAX_FIELDS {
            return None;
        }
        fields.extend(first.iter().map(|&(offset, width)| (offset + i * file.size, width)));
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::datatype::Member;

    fn compound(size: usize, members: &[(&str, usize, Datatype)]) -> Datatype {
        let members = members
            .iter()
            .map(|(name, offset, datatype)| Member {
                name: (*name).into(),
                offset: *offset,
                datatype: datatype.clone(),
            })
            .collect();
        Datatype { size, class: DatatypeClass::Compound(members) }
    }

    #[test]
    fn numbers_and_rows() {
        let le = Datatype::f64(ByteOrder::Little);
        let be = Datatype::f64(ByteOrder::Big);
        assert_eq!(SwapPlan::between(&le, &le), Some(SwapPlan::Nothing));
        assert_eq!(SwapPlan::between(&le, &be), Some(SwapPlan::All(8)));
        assert_eq!(SwapPlan::between(&le, &Datatype::f32(ByteOrder::Big)), None);
        let short = |order| Datatype::integer(2, true, order);
        let row = |order| compound(12, &[("a", 0, short(order)), ("b", 4, Datatype::f64(ByteOrder::Little))]);
        let plan = SwapPlan::between(&row(ByteOrder::Little), &row(ByteOrder::Big)).unwrap();
        assert_eq!(plan, SwapPlan::Fields { size: 12, fields: vec![(0, 2)] });
        let mut bytes: Vec<u8> = (0..24).collect();
        plan.apply(&mut bytes);
        assert_eq!(bytes[..3], [1, 0, 2]);
        assert_eq!(bytes[12..15], [13, 12, 14]);
    }

    #[test]
    fn arrays_are_uniform() {
        let array = |order| Datatype {
            size: 12,
            class: DatatypeClass::Array { dims: vec![3], base: Box::new(Datatype::integer(4, false, order)) },
        };
        assert_eq!(
            SwapPlan::between(&array(ByteOrder::Little), &array(ByteOrder::Big)),
            Some(SwapPlan::All(4))
        );
    }
}
