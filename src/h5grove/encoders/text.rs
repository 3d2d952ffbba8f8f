//! Numbers, strings and brackets of JSON.

/// Where brackets and commas go in the elements of an array, which come in C order.
pub(super) struct Nest {
    rank: usize,
    /// Elements of a row, of a plane ...: the last dimension first.
    sizes: Vec<u64>,
}

impl Nest {
    /// Of an array of this shape.
    pub(super) fn new(shape: &[u64]) -> Self {
        let mut size = 1u64;
        let sizes = shape.iter().rev().map(|&d| {
            size = size.saturating_mul(d);
            size
        });
        let sizes: Vec<u64> = sizes.collect();
        Nest { rank: shape.len(), sizes }
    }

    /// What stands before the element of this index.
    #[inline]
    pub(super) fn before(&self, index: u64, out: &mut Vec<u8>) {
        if index == 0 {
            out.resize(out.len() + self.rank, b'[');
            return;
        }
        let ends = self.sizes.iter().take_while(|&&size| index.is_multiple_of(size.max(1))).count();
        out.resize(out.len() + ends, b']');
        out.push(b',');
        out.resize(out.len() + ends, b'[');
    }

    /// What stands behind the last element.
    pub(super) fn end(&self, out: &mut Vec<u8>) {
        out.resize(out.len() + self.rank, b']');
    }
}

/// Numbers with all that stands before each. `format` writes one into such a buffer.
///
/// Several are formatted before they are copied: a processor waits when it reads what it has just written in other
/// pieces.
#[inline]
pub(super) fn numbers<const N: usize, B>(
    bytes: &[u8],
    start: u64,
    nest: &Nest,
    buffer: impl Fn() -> B,
    out: &mut Vec<u8>,
    format: impl for<'b> Fn([u8; N], &'b mut B) -> &'b str,
) {
    const BATCH: usize = 8;
    let row = nest.sizes.first().copied().unwrap_or(1).max(1);
    let mut index = start;
    let mut column = start % row;
    let mut buffers: [B; BATCH] = std::array::from_fn(|_| buffer());
    for batch in bytes.as_chunks::<N>().0.chunks(BATCH) {
        let mut texts = [""; BATCH];
        for ((text, buffer), element) in texts.iter_mut().zip(&mut buffers).zip(batch) {
            *text = format(*element, buffer);
        }
        for text in texts.iter().take(batch.len()) {
            if column == 0 {
                nest.before(index, out);
            } else {
                out.push(b',');
            }
            append(text.as_bytes(), out);
            index += 1;
            column += 1;
            if column == row {
                column = 0;
            }
        }
    }
}

/// The digits of a number, or null.
#[inline]
pub(super) fn finite<F: zmij::Float>(n: F, is_finite: bool, buffer: &mut zmij::Buffer) -> &str {
    if is_finite { buffer.format_finite(n) } else { "null" }
}

/// Appends a short text in copies of constant size, which are a few instructions where a call costs as much as the
/// digits of a number.
#[inline]
fn append(text: &[u8], out: &mut Vec<u8>) {
    fn both_ends<const N: usize>(text: &[u8], out: &mut Vec<u8>) -> bool {
        let (Some(first), Some(last)) = (text.first_chunk::<N>(), text.last_chunk::<N>()) else {
            return false;
        };
        let start = out.len();
        // Those beyond the text are cut off again.
        out.extend_from_slice(first);
        out.extend_from_slice(first);
        if let Some(slot) = out.get_mut(start + text.len() - N..start + text.len()) {
            slot.copy_from_slice(last);
        }
        out.truncate(start + text.len());
        true
    }
    let done = match text.len() {
        16..=32 => both_ends::<16>(text, out),
        8..16 => both_ends::<8>(text, out),
        4..8 => both_ends::<4>(text, out),
        _ => false,
    };
    if !done {
        out.extend_from_slice(text);
    }
}

/// An integer.
#[inline]
pub(super) fn decimal(n: impl itoa::Integer, out: &mut Vec<u8>) {
    append(itoa::Buffer::new().format(n).as_bytes(), out);
}

/// An integer, most of which fit 64 bits.
pub(super) fn integer(n: i128, out: &mut Vec<u8>) {
    match i64::try_from(n) {
        Ok(n) => decimal(n, out),
        Err(_) => decimal(n, out),
    }
}

/// A number, or null.
pub(super) fn double(n: f64, out: &mut Vec<u8>) {
    append(finite(n, n.is_finite(), &mut zmij::Buffer::new()).as_bytes(), out);
}

/// A number in the digits that tell one `f32` from the next, or null.
pub(super) fn single(n: f32, out: &mut Vec<u8>) {
    append(finite(n, n.is_finite(), &mut zmij::Buffer::new()).as_bytes(), out);
}

/// A string; what is not UTF-8 is replaced.
pub(super) fn string(bytes: &[u8], out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    out.push(b'"');
    for part in bytes.utf8_chunks() {
        for &b in part.valid().as_bytes() {
            match b {
                b'"' | b'\\' => out.extend_from_slice(&[b'\\', b]),
                8 => out.extend_from_slice(b"\\b"),
                9 => out.extend_from_slice(b"\\t"),
                10 => out.extend_from_slice(b"\\n"),
                12 => out.extend_from_slice(b"\\f"),
                13 => out.extend_from_slice(b"\\r"),
                0..32 => {
                    out.extend_from_slice(b"\\u00");
                    out.push(HEX[usize::from(b >> 4)]);
                    out.push(HEX[usize::from(b & 15)]);
                }
                _ => out.push(b),
            }
        }
        if !part.invalid().is_empty() {
            out.extend_from_slice("\u{fffd}".as_bytes());
        }
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_texts_are_appended_whole() {
        let text: Vec<u8> = (1..=40).collect();
        for len in 0..=text.len() {
            let mut out = b"before".to_vec();
            append(&text[..len], &mut out);
            assert_eq!(out, [b"before", &text[..len]].concat());
        }
    }
}
