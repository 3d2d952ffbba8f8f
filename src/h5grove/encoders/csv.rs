//! Numbers as text, a row a line, as `numpy.savetxt` writes them.

use std::{fmt, io::Write};

use super::{Encoding, array, numbers_only};
use crate::h5grove::{
    Data,
    data::{Block, in_order},
    dtype::Kind,
    error::{Error, Result},
    memory::complex,
};

/// Elements that one thread formats at a time.
const PIECE: usize = 1 << 13;

pub(super) fn check(data: &Data) -> Result<()> {
    array(data, Encoding::Csv)?;
    numbers_only(data, Encoding::Csv)?;
    match data.shape().len() {
        1 | 2 => Ok(()),
        rank => Err(Error::query(format!("Expected 1D or 2D array for csv, got {rank}D array instead"))),
    }
}

/// Writes numbers as text, with `,` between those of a row.
///
/// # Errors
/// `QueryArgumentError` for other elements than numbers, and unless there are one or two dimensions; those of reading
/// and writing.
pub fn csv_encode(data: &Data, out: &mut dyn Write) -> Result<()> {
    check(data)?;
    if let [rows, 0] = *data.shape() {
        // Lines without anything.
        let line = [b'\n'; 1 << 12];
        let mut left = rows;
        while left > 0 {
            let now = left.min(line.len() as u64);
            out.write_all(&line[..now as usize])?;
            left -= now;
        }
        return Ok(());
    }
    let columns = data.shape().get(1).copied().unwrap_or(1).max(1);
    let is_complex = data.element_dtype().kind == Kind::Complex;
    data.for_each_block(0, &mut |block| {
        in_order(
            block.len().div_ceil(PIECE),
            |i| lines(&block, i * PIECE, ((i + 1) * PIECE).min(block.len()), columns, is_complex),
            |text| Ok(out.write_all(text.as_bytes())?),
        )
    })
}

fn lines(block: &Block<'_>, from: usize, to: usize, columns: u64, is_complex: bool) -> Result<String> {
    let mut out = String::with_capacity((to - from) * 26);
    for i in from..to {
        let Some(element) = block.element(i)? else { break };
        let column = block.start.saturating_add(i as u64) % columns;
        if is_complex {
            let [re, im] = complex(element)?;
            out.push_str(" (");
            number(re, &mut out);
            if im.is_sign_positive() || im.is_nan() {
                out.push('+');
            }
            number(im, &mut out);
            out.push_str("j)");
        } else {
            number(element.float().unwrap_or(f64::NAN), &mut out);
        }
        out.push(if column + 1 == columns { '\n' } else { ',' });
    }
    Ok(out)
}

/// As `%.18e` of C writes it.
fn number(value: f64, out: &mut String) {
    use fmt::Write;
    if value.is_nan() {
        return out.push_str("nan");
    }
    if value.is_infinite() {
        return out.push_str(if value > 0.0 { "inf" } else { "-inf" });
    }
    let start = out.len();
    let _ = write!(out, "{value:.18e}");
    // The exponent has a sign and two digits at least.
    if let Some(e) = out[start..].rfind('e') {
        let exponent = out.split_off(start + e + 1);
        let (sign, digits) = match exponent.strip_prefix('-') {
            Some(digits) => ('-', digits),
            None => ('+', &exponent[..]),
        };
        let _ = write!(out, "{sign}{digits:0>2}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_c() {
        for (value, text) in [
            (1.5, "1.500000000000000000e+00"),
            (0.1, "1.000000000000000056e-01"),
            (i64::MIN as f64, "-9.223372036854775808e+18"),
            (1e-300, "1.000000000000000025e-300"),
            (-0.0, "-0.000000000000000000e+00"),
            (f64::NAN, "nan"),
            (f64::NEG_INFINITY, "-inf"),
        ] {
            let mut out = String::new();
            number(value, &mut out);
            assert_eq!(out, text);
        }
    }
}
