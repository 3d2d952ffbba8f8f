//! Statistics of numbers, equal to those of numpy.

use std::ops::Add;

use half::f16;

use super::{
    Data,
    data::in_parallel,
    dtype::Kind,
    error::{Error, Result},
    memory::{complex, to_memory},
    pairwise::{Order, Sum},
};
use crate::DatatypeClass;

/// A number of the statistics: integers for integers, floats for floats.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub enum Number {
    /// Of integers and booleans; the mean and the deviation without their fraction.
    Integer(i128),
    /// Of floats.
    Float(f64),
}

impl Number {
    /// As a float.
    pub fn to_f64(self) -> f64 {
        match self {
            Number::Integer(n) => n as f64,
            Number::Float(n) => n,
        }
    }
}

/// Statistics of the finite numbers of an array; none where there is no such number.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub struct Stats {
    /// Least number above zero.
    pub strict_positive_min: Option<Number>,
    /// Least number that is not negative.
    pub positive_min: Option<Number>,
    /// Least number.
    pub min: Option<Number>,
    /// Greatest number.
    pub max: Option<Number>,
    /// Mean.
    pub mean: Option<Number>,
    /// Standard deviation of the population.
    pub std: Option<Number>,
}

/// Elements that one thread looks at.
const PIECE: usize = 1 << 15;
/// Arrays up to this are read once and kept; larger ones are read once for the mean and once for the deviation.
const KEPT: u64 = 16 << 20;
/// Accumulators side by side, so that the compiler can use wide registers.
const LANES: usize = 16;

/// Statistics of data. They are read in blocks: memory does not grow with them.
///
/// # Errors
/// `QueryArgumentError` unless the elements are numbers; those of reading.
pub fn stats(data: &Data) -> Result<Stats> {
    of(data)
}

pub(super) fn of(data: &Data) -> Result<Stats> {
    let dtype = data.element_dtype();
    if data.is_empty() && !data.is_null() {
        return Ok(Stats::default());
    }
    let reader = || Reader::new(data);
    if data.is_scalar() && is_empty_sequence(data)? {
        return Ok(Stats::default());
    }
    if data.is_null() {
        return Err(Error::query("statistics of an empty dataset"));
    }
    match (&dtype.kind, dtype.size, dtype.big) {
        (Kind::Bool, ..) => integers(&reader()?, |[b]: [u8; 1]| u8::from(b != 0)),
        (Kind::Int { signed: true }, 1, _) => integers(&reader()?, i8::from_le_bytes),
        (Kind::Int { signed: false }, 1, _) => integers(&reader()?, u8::from_le_bytes),
        (Kind::Int { signed: true }, 2, false) => integers(&reader()?, i16::from_le_bytes),
        (Kind::Int { signed: false }, 2, false) => integers(&reader()?, u16::from_le_bytes),
        (Kind::Int { signed: true }, 4, false) => integers(&reader()?, i32::from_le_bytes),
        (Kind::Int { signed: false }, 4, false) => integers(&reader()?, u32::from_le_bytes),
        (Kind::Int { signed: true }, 8, false) => integers(&reader()?, i64::from_le_bytes),
        (Kind::Int { signed: false }, 8, false) => integers(&reader()?, u64::from_le_bytes),
        (Kind::Int { signed: true }, 2, true) => integers(&reader()?, i16::from_be_bytes),
        (Kind::Int { signed: false }, 2, true) => integers(&reader()?, u16::from_be_bytes),
        (Kind::Int { signed: true }, 4, true) => integers(&reader()?, i32::from_be_bytes),
        (Kind::Int { signed: false }, 4, true) => integers(&reader()?, u32::from_be_bytes),
        (Kind::Int { signed: true }, 8, true) => integers(&reader()?, i64::from_be_bytes),
        (Kind::Int { signed: false }, 8, true) => integers(&reader()?, u64::from_be_bytes),
        (Kind::Float, 2, false) => halves(&reader()?, Order::Tree, |b| f16::from_le_bytes(b).to_f32()),
        (Kind::Float, 2, true) => halves(&reader()?, Order::Buffers, |b| f16::from_be_bytes(b).to_f32()),
        (Kind::Float, 4, false) => singles(&reader()?, Order::Tree, f32::from_le_bytes),
        (Kind::Float, 4, true) => singles(&reader()?, Order::Buffers, f32::from_be_bytes),
        (Kind::Float, 8, false) => doubles(&reader()?, Order::Tree, f64::from_le_bytes),
        (Kind::Float, 8, true) => doubles(&reader()?, Order::Buffers, f64::from_be_bytes),
        (Kind::Float, 16, _) => doubles(&reader()?, Order::Tree, long_double),
        (Kind::Complex, ..) => complex_numbers(data),
        _ => Err(Error::query(format!("statistics of elements of type {}", dtype.name()))),
    }
}

/// True for a scalar of variable length that holds nothing.
fn is_empty_sequence(data: &Data) -> Result<bool> {
    let DatatypeClass::VarLen(_) = data.datatype().class else { return Ok(false) };
    let mut empty = false;
    data.for_each_block(0, &mut |block| {
        if let Some(element) = block.element(0)? {
            empty = element.elements()?.is_some_and(|elements| elements.is_empty());
        }
        Ok(())
    })?;
    Ok(empty)
}

/// Reads the elements as often as they are needed.
struct Reader<'a> {
    data: &'a Data,
    kept: Option<Vec<u8>>,
}

impl<'a> Reader<'a> {
    fn new(data: &'a Data) -> Result<Self> {
        let mut kept = None;
        if data.nbytes() <= KEPT {
            let mut bytes = Vec::new();
            data.for_each_block(0, &mut |block| {
                bytes.extend_from_slice(&to_memory(&block, data.element_dtype())?);
                Ok(())
            })?;
            kept = Some(bytes);
        }
        Ok(Reader { data, kept })
    }

    fn len(&self) -> u64 {
        self.data.len()
    }

    fn each<const N: usize>(&self, f: &mut dyn FnMut(&[[u8; N]])) -> Result<()> {
        if let Some(bytes) = &self.kept {
            f(bytes.as_chunks::<N>().0);
            return Ok(());
        }
        self.data.for_each_block(0, &mut |block| {
            f(to_memory(&block, self.data.element_dtype())?.as_chunks::<N>().0);
            Ok(())
        })
    }
}

/// What is compared: an integer or a float.
trait Compared: Copy + PartialOrd + Send + Sync {
    const LOWEST: Self;
    const HIGHEST: Self;
    const ZERO: Self;
    fn is_finite(self) -> bool;
}

macro_rules! compared {
    ($($type:ty: $low:expr, $high:expr, $zero:expr, $finite:expr;)*) => {$(
        impl Compared for $type {
            const LOWEST: Self = $low;
            const HIGHEST: Self = $high;
            const ZERO: Self = $zero;
            #[inline(always)]
            fn is_finite(self) -> bool {
                #[allow(clippy::redundant_closure_call)]
                $finite(self)
            }
        }
    )*};
}
compared! {
    i8: i8::MIN, i8::MAX, 0, |_| true;
    u8: u8::MIN, u8::MAX, 0, |_| true;
    i16: i16::MIN, i16::MAX, 0, |_| true;
    u16: u16::MIN, u16::MAX, 0, |_| true;
    i32: i32::MIN, i32::MAX, 0, |_| true;
    u32: u32::MIN, u32::MAX, 0, |_| true;
    i64: i64::MIN, i64::MAX, 0, |_| true;
    u64: u64::MIN, u64::MAX, 0, |_| true;
    f32: f32::NEG_INFINITY, f32::INFINITY, 0.0, |x: f32| x.abs() < f32::INFINITY;
    f64: f64::NEG_INFINITY, f64::INFINITY, 0.0, |x: f64| x.abs() < f64::INFINITY;
}

/// Extremes of the finite numbers.
#[derive(Clone, Copy)]
struct Extremes<T> {
    finite: u64,
    min: T,
    max: T,
    positive: T,
    strict: T,
    has_positive: bool,
    has_strict: bool,
}

impl<T: Compared> Extremes<T> {
    fn none() -> Self {
        Extremes {
            finite: 0,
            min: T::HIGHEST,
            max: T::LOWEST,
            positive: T::HIGHEST,
            strict: T::HIGHEST,
            has_positive: false,
            has_strict: false,
        }
    }

    fn of<const N: usize>(elements: &[[u8; N]], get: impl Fn([u8; N]) -> T + Copy) -> Self {
        let lower = |a: T, b: T| if a < b { a } else { b };
        let upper = |a: T, b: T| if a > b { a } else { b };
        let mut finite = [0u32; LANES];
        let (mut min, mut max) = ([T::HIGHEST; LANES], [T::LOWEST; LANES]);
        let (mut positive, mut strict) = ([T::HIGHEST; LANES], [T::HIGHEST; LANES]);
        let (mut positives, mut stricts) = ([0u32; LANES], [0u32; LANES]);
        let mut step = |lane: usize, e: [u8; N]| {
            let x = get(e);
            let ok = x.is_finite();
            finite[lane] += u32::from(ok);
            min[lane] = lower(if ok { x } else { T::HIGHEST }, min[lane]);
            max[lane] = upper(if ok { x } else { T::LOWEST }, max[lane]);
            let (p, s) = (ok & (x >= T::ZERO), ok & (x > T::ZERO));
            positives[lane] |= u32::from(p);
            stricts[lane] |= u32::from(s);
            positive[lane] = lower(if p { x } else { T::HIGHEST }, positive[lane]);
            strict[lane] = lower(if s { x } else { T::HIGHEST }, strict[lane]);
        };
        let (wide, rest) = elements.as_chunks::<LANES>();
        for chunk in wide {
            for (lane, &e) in chunk.iter().enumerate() {
                step(lane, e);
            }
        }
        for (lane, &e) in rest.iter().enumerate() {
            step(lane, e);
        }
        let mut out = Extremes::none();
        for lane in 0..LANES {
            out.finite += u64::from(finite[lane]);
            out.min = lower(min[lane], out.min);
            out.max = upper(max[lane], out.max);
            out.positive = lower(positive[lane], out.positive);
            out.strict = lower(strict[lane], out.strict);
            out.has_positive |= positives[lane] != 0;
            out.has_strict |= stricts[lane] != 0;
        }
        out
    }

    fn join(&mut self, other: Self) {
        let lower = |a: T, b: T| if a < b { a } else { b };
        self.finite += other.finite;
        self.min = lower(other.min, self.min);
        self.max = if other.max > self.max { other.max } else { self.max };
        self.positive = lower(other.positive, self.positive);
        self.strict = lower(other.strict, self.strict);
        self.has_positive |= other.has_positive;
        self.has_strict |= other.has_strict;
    }

    fn stats(&self, number: impl Fn(T) -> Number, mean: Number, std: Number) -> Stats {
        Stats {
            strict_positive_min: self.has_strict.then(|| number(self.strict)),
            positive_min: self.has_positive.then(|| number(self.positive)),
            min: Some(number(self.min)),
            max: Some(number(self.max)),
            mean: Some(mean),
            std: Some(std),
        }
    }
}

/// Extremes and the sum of all numbers, as if all were finite.
fn first_pass<const N: usize, T: Compared, A>(
    reader: &Reader<'_>,
    get: impl Fn([u8; N]) -> T + Copy + Send + Sync,
    mut sum: Sum<N, A, impl Fn([u8; N]) -> A + Copy + Send + Sync>,
) -> Result<(Extremes<T>, A)>
where
    A: Copy + Default + Add<Output = A> + Send,
{
    let mut extremes = Extremes::none();
    reader.each(&mut |elements| {
        let pieces = elements.len().div_ceil(PIECE);
        let parts = in_parallel(pieces, |i| {
            let from = i * PIECE;
            Extremes::of(&elements[from..(from + PIECE).min(elements.len())], get)
        });
        parts.into_iter().for_each(|part| extremes.join(part));
        sum.add(elements);
    })?;
    Ok((extremes, sum.total()))
}

/// Adds up the finite numbers.
fn sum_finite<const N: usize, T: Compared, A>(
    reader: &Reader<'_>,
    all_finite: bool,
    get: impl Fn([u8; N]) -> T + Copy + Send + Sync,
    mut sum: Sum<N, A, impl Fn([u8; N]) -> A + Copy + Send + Sync>,
) -> Result<A>
where
    A: Copy + Default + Add<Output = A> + Send,
{
    reader.each(&mut |elements| match all_finite {
        true => sum.add(elements),
        false => {
            let finite: Vec<[u8; N]> = elements.iter().copied().filter(|&e| get(e).is_finite()).collect();
            sum.add(&finite);
        }
    })?;
    Ok(sum.total())
}

fn integers<const N: usize, T: Compared + Into<i128>>(
    reader: &Reader<'_>,
    get: impl Fn([u8; N]) -> T + Copy + Send + Sync,
) -> Result<Stats> {
    let float = move |e: [u8; N]| -> f64 {
        let wide: i128 = get(e).into();
        match i64::try_from(wide) {
            Ok(n) => n as f64,
            Err(_) => wide as u64 as f64,
        }
    };
    let n = reader.len();
    let (extremes, sum) = first_pass(reader, get, Sum::new(Order::Buffers, n, float, |x| x))?;
    let mean = sum / n as f64;
    let square = move |e: [u8; N]| {
        let x = float(e) - mean;
        x * x
    };
    let squares = sum_finite(reader, true, get, Sum::new(Order::Tree, n, square, |x| x))?;
    let std = (squares / n as f64).sqrt();
    let whole = |x: f64| Number::Integer(x as i128);
    Ok(extremes.stats(|x| Number::Integer(x.into()), whole(mean), whole(std)))
}

macro_rules! floats {
    ($name:ident, $type:ty) => {
        fn $name<const N: usize>(
            reader: &Reader<'_>,
            order: Order,
            get: impl Fn([u8; N]) -> $type + Copy + Send + Sync,
        ) -> Result<Stats> {
            let len = reader.len();
            let (extremes, mut sum) = first_pass(reader, get, Sum::new(order, len, get, |x| x))?;
            let n = extremes.finite;
            if n == 0 {
                return Ok(Stats::default());
            }
            if n < len {
                sum = sum_finite(reader, false, get, Sum::new(order, n, get, |x| x))?;
            }
            let mean = (f64::from(sum) / n as f64) as $type;
            let square = move |e: [u8; N]| {
                let x = get(e) - mean;
                x * x
            };
            let squares = sum_finite(reader, n == len, get, Sum::new(Order::Tree, n, square, |x| x))?;
            let std = ((f64::from(squares) / n as f64) as $type).sqrt();
            let number = |x: $type| Number::Float(x.into());
            Ok(extremes.stats(number, number(mean), number(std)))
        }
    };
}
floats!(singles, f32);
floats!(doubles, f64);

/// numpy takes the mean of halves from a sum of `f32`, their deviation from sums that it rounds to halves.
fn halves(
    reader: &Reader<'_>,
    order: Order,
    get: impl Fn([u8; 2]) -> f32 + Copy + Send + Sync,
) -> Result<Stats> {
    let round = |x: f32| f16::from_f32(x).to_f32();
    let len = reader.len();
    let (extremes, mut sum) = first_pass(reader, get, Sum::new(Order::Buffers, len, get, |x| x))?;
    let n = extremes.finite;
    if n == 0 {
        return Ok(Stats::default());
    }
    let all = n == len;
    if !all {
        sum = sum_finite(reader, false, get, Sum::new(Order::Buffers, n, get, |x| x))?;
    }
    let divided = |x: f32| f16::from_f64(f64::from(x) / n as f64).to_f32();
    let rough = divided(sum_finite(reader, all, get, Sum::new(order, n, get, round))?);
    let square = move |e: [u8; 2]| {
        let x = round(get(e) - rough);
        round(x * x)
    };
    let squares = sum_finite(reader, all, get, Sum::new(Order::Tree, n, square, round))?;
    let number = |x: f32| Number::Float(x.into());
    Ok(extremes.stats(number, number(divided(sum)), number(round(divided(squares).sqrt()))))
}

/// As numpy orders complex numbers: by their real parts, then by the imaginary ones. Python makes integers of the real
/// parts of the results.
fn complex_numbers(data: &Data) -> Result<Stats> {
    let n = data.len() as f64;
    let each = |f: &mut dyn FnMut([f64; 2])| {
        data.for_each_block(0, &mut |block| {
            for i in 0..block.len() {
                if let Some(element) = block.element(i)? {
                    f(complex(element)?);
                }
            }
            Ok(())
        })
    };
    let (mut min, mut max, mut positive, mut strict) = (None, None, None, None);
    let (mut re, mut im) = (0.0, 0.0);
    each(&mut |x| {
        let lower = |best: &mut Option<[f64; 2]>| {
            if best.is_none_or(|b| x < b) {
                *best = Some(x);
            }
        };
        lower(&mut min);
        if x >= [0.0, 0.0] {
            lower(&mut positive);
        }
        if x > [0.0, 0.0] {
            lower(&mut strict);
        }
        if max.is_none_or(|m| x > m) {
            max = Some(x);
        }
        re += x[0];
        im += x[1];
    })?;
    let (re, im) = (re / n, im / n);
    let mut squares = 0.0;
    each(&mut |x| squares += (x[0] - re).powi(2) + (x[1] - im).powi(2))?;
    let whole = |x: f64| x.is_finite().then_some(Number::Integer(x as i128));
    let real = |x: Option<[f64; 2]>| x.and_then(|x| whole(x[0]));
    Ok(Stats {
        strict_positive_min: real(strict),
        positive_min: real(positive),
        min: real(min),
        max: real(max),
        mean: whole(re),
        std: whole((squares / n).sqrt()),
    })
}

/// An 80-bit float, rounded to 64 bits.
fn long_double(bytes: [u8; 16]) -> f64 {
    let [a, b, c, d, e, f, g, h, low, high, ..] = bytes;
    let mantissa = u64::from_le_bytes([a, b, c, d, e, f, g, h]);
    let exponent = i32::from(u16::from_le_bytes([low, high & 0x7f]));
    let sign = if high >> 7 == 1 { -1.0 } else { 1.0 };
    if exponent == 0x7fff {
        return if mantissa << 1 == 0 { sign * f64::INFINITY } else { f64::NAN };
    }
    let scale = exponent - 16383 - 63;
    // In two steps: a power of two may be too small for one.
    sign * (mantissa as f64)
        * 2f64.powi(scale.clamp(-2000, 2000) / 2)
        * 2f64.powi(scale.clamp(-2000, 2000) - scale.clamp(-2000, 2000) / 2)
}
