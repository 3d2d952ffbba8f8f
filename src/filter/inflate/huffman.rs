//! Decoding tables of Huffman codes (RFC 1951, section 3.2.2): one look-up gives up to three literals, or a length or
//! distance with its number of extra bits.

/// What a look-up gives.
///
/// | bits | of literals | of anything else |
/// |---|---|---|
/// | 0 to 5 | bits of the code words | bits of the code word and of the extra bits behind it |
/// | 6 and 7 | how many literals: 1 to 3 | 0 |
/// | 8 to 11 | the literals, first one lowest | bits of the code word alone; of a subtable: bits of its index |
/// | 12 and 13 | | [`VALUE`], [`SUBTABLE`], [`END`] or [`INVALID`] |
/// | 14 to 31 | | smallest length or distance; where the subtable begins |
pub type Entry = u32;

/// A length or distance.
pub const VALUE: Entry = 0;
/// The code word is longer than the index of the table; the rest of it is looked up in a subtable.
pub const SUBTABLE: Entry = 1 << 12;
/// End of the block.
pub const END: Entry = 2 << 12;
/// No symbol has this code word, or one that deflate does not use.
pub const INVALID: Entry = 3 << 12;

const ONE_LITERAL: Entry = 1 << 6;
const LITERALS: Entry = 3 << 6;

/// Bits of the index of the table of literals and lengths.
pub const LITERAL_BITS: u32 = 12;
/// Bits of the index of the table of distances.
pub const DISTANCE_BITS: u32 = 9;
/// Longest code word.
const MAX_BITS: usize = 15;
/// Most symbols of a code.
const MAX_SYMBOLS: usize = 288;

/// A subtable of k index bits holds a complete code with a word of k bits, hence at least k + 1 symbols. So 288 symbols
/// take at most 288 / 4 * 2^3 = 576 entries behind the first 2^12; 32 symbols less than 32 / 7 * 2^6 = 293 behind 2^9.
pub type LiteralTable = [Entry; 8192];
/// See [`LiteralTable`].
pub type DistanceTable = [Entry; 1024];

/// Tables of a block.
pub struct Tables {
    /// Of literals, lengths and the end of the block.
    pub literals: LiteralTable,
    /// Of distances.
    pub distances: DistanceTable,
    /// These are the tables of the fixed code.
    is_fixed: bool,
}

impl Tables {
    /// Tables of nothing.
    pub const fn new() -> Self {
        Self { literals: [INVALID; _], distances: [INVALID; _], is_fixed: false }
    }

    /// The code that needs no description (RFC 1951, section 3.2.6).
    pub fn build_fixed(&mut self) -> Result<(), BadCode> {
        if !self.is_fixed {
            let mut lengths = [8; MAX_SYMBOLS];
            lengths[144..256].fill(9);
            lengths[256..280].fill(7);
            self.build(&lengths, &[5; 32], false)?;
            self.is_fixed = true;
        }
        Ok(())
    }

    /// The code with these lengths of its words; `is_long` says that much will be decoded by it.
    pub fn build(&mut self, literals: &[u8], distances: &[u8], is_long: bool) -> Result<(), BadCode> {
        self.is_fixed = false;
        build(literals, &LITERAL_SYMBOLS, LITERAL_BITS, &mut self.literals, true)?;
        if is_long && pairs_pay(literals) {
            combine(&mut self.literals[..1 << LITERAL_BITS]);
        }
        build(distances, &DISTANCE_SYMBOLS, DISTANCE_BITS, &mut self.distances, true)
    }
}

/// Why code lengths are not a code.
#[derive(Debug, PartialEq, Eq)]
pub enum BadCode {
    /// More code words than fit.
    Oversubscribed,
    /// Bits that are no code word.
    Incomplete,
}

/// How many literals an entry gives; 0 if it gives something else.
#[inline(always)]
pub fn literals(entry: Entry) -> usize {
    (entry >> 6 & 3) as usize
}

/// [`VALUE`], [`SUBTABLE`], [`END`] or [`INVALID`]; of an entry without literals.
#[inline(always)]
pub fn kind(entry: Entry) -> Entry {
    entry & 3 << 12
}

/// Length or distance of an entry of the kind [`VALUE`] for which `bits` were looked up.
#[inline(always)]
pub fn value(entry: Entry, bits: u64) -> usize {
    let extra = (bits & ((1 << (entry & 63)) - 1)) >> (entry >> 8 & 15);
    (entry >> 14) as usize + extra as usize
}

/// Where to look on in the table for an entry of the kind [`SUBTABLE`], whose own bits are consumed.
#[inline(always)]
pub fn subtable_index(entry: Entry, bits: u64) -> usize {
    (entry >> 14) as usize + (bits & ((1 << (entry >> 8 & 15)) - 1)) as usize
}

const fn extra(value: u32, bits: u32) -> Entry {
    value << 14 | VALUE | bits
}

/// RFC 1951, section 3.2.5.
const fn literal_symbols() -> [Entry; MAX_SYMBOLS] {
    let mut symbols = [INVALID; MAX_SYMBOLS];
    let mut symbol = 0;
    while symbol < 256 {
        symbols[symbol] = (symbol as u32) << 8 | ONE_LITERAL;
        symbol += 1;
    }
    symbols[256] = END;
    let (mut symbol, mut length) = (257, 3);
    while symbol < 285 {
        let bits = if symbol < 265 { 0 } else { (symbol as u32 - 261) / 4 };
        symbols[symbol] = extra(length, bits);
        length += 1 << bits;
        symbol += 1;
    }
    symbols[285] = extra(258, 0);
    symbols
}

const fn distance_symbols() -> [Entry; 32] {
    let mut symbols = [INVALID; 32];
    let (mut symbol, mut distance) = (0, 1);
    while symbol < 30 {
        let bits = if symbol < 4 { 0 } else { symbol as u32 / 2 - 1 };
        symbols[symbol] = extra(distance, bits);
        distance += 1 << bits;
        symbol += 1;
    }
    symbols
}

const fn plain_symbols() -> [Entry; 19] {
    let mut symbols = [0; 19];
    let mut symbol = 0;
    while symbol < 19 {
        symbols[symbol] = extra(symbol as u32, 0);
        symbol += 1;
    }
    symbols
}

static LITERAL_SYMBOLS: [Entry; MAX_SYMBOLS] = literal_symbols();
static DISTANCE_SYMBOLS: [Entry; 32] = distance_symbols();
static PLAIN_SYMBOLS: [Entry; 19] = plain_symbols();

/// The code of the code lengths (symbols 0 to 18), for look-ups of 7 bits.
pub fn build_lengths(lengths: &[u8], table: &mut [Entry; 128]) -> Result<(), BadCode> {
    if lengths.iter().all(|&length| length == 0) {
        return Err(BadCode::Incomplete);
    }
    build(lengths, &PLAIN_SYMBOLS, 7, table, false)
}

/// Fills a table of `1 << index_bits` entries, subtables behind it.
///
/// As zlib does it, `lone` admits a code of no word, and of one word of one bit.
fn build(
    lengths: &[u8],
    symbols: &[Entry],
    index_bits: u32,
    table: &mut [Entry],
    lone: bool,
) -> Result<(), BadCode> {
    let mut counts = [0_u16; MAX_BITS + 1];
    for &length in lengths {
        counts[usize::from(length & 15)] += 1;
    }
    counts[0] = 0;
    let mut space = 1_i32;
    for &count in &counts[1..] {
        space = 2 * space - i32::from(count);
        if space < 0 {
            return Err(BadCode::Oversubscribed);
        }
    }
    let longest = counts.iter().rposition(|&count| count > 0).unwrap_or(0);
    if space > 0 && !(lone && longest <= 1) {
        return Err(BadCode::Incomplete);
    }

    // Symbols in the order of their words.
    let mut sorted = [0_u16; MAX_SYMBOLS];
    let mut places = [0_u16; MAX_BITS + 2];
    for (length, count) in counts.iter().enumerate().skip(1) {
        places[length + 1] = places[length] + count;
    }
    for (symbol, &length) in lengths.iter().enumerate() {
        if length > 0 {
            let place = &mut places[usize::from(length & 15)];
            sorted[usize::from(*place)] = symbol as u16;
            *place += 1;
        }
    }

    // A table for words of up to n bits is one for n - 1 bits, twice, with the words of n bits over it.
    let index_bits = index_bits as usize;
    let mut word = 0;
    let mut remaining = sorted.iter();
    table[0] = INVALID | 1;
    for (length, &count) in counts.iter().enumerate().take(index_bits + 1).skip(1) {
        table.copy_within(..1 << (length - 1), 1 << (length - 1));
        for &symbol in remaining.by_ref().take(usize::from(count)) {
            table[word] = with_word(symbols[usize::from(symbol)], length);
            word = following(word, length);
        }
    }

    let mut end = 1 << index_bits;
    let (mut start, mut bits, mut prefix) = (0, 0, usize::MAX);
    for length in index_bits + 1..=longest {
        for nth in 0..counts[length] {
            let Some(&symbol) = remaining.next() else { break };
            if word & ((1 << index_bits) - 1) != prefix {
                prefix = word & ((1 << index_bits) - 1);
                bits = subtable_bits(&counts, length, counts[length] - nth, index_bits);
                start = end;
                end += 1 << bits;
                table[prefix] =
                    (start as Entry) << 14 | SUBTABLE | (bits as Entry) << 8 | index_bits as Entry;
            }
            let entry = with_word(symbols[usize::from(symbol)], length - index_bits);
            for index in (word >> index_bits..1 << bits).step_by(1 << (length - index_bits)) {
                table[start + index] = entry;
            }
            word = following(word, length);
        }
    }
    Ok(())
}

/// Index bits of a subtable whose first word has `length` bits, of which `count` words are not placed yet.
fn subtable_bits(counts: &[u16; MAX_BITS + 1], length: usize, count: u16, index_bits: usize) -> usize {
    let mut length = length;
    let mut space = (1 << (length - index_bits)) - i32::from(count);
    while space > 0 && length < MAX_BITS {
        length += 1;
        space = 2 * space - i32::from(counts[length]);
    }
    length - index_bits
}

/// The entry of a symbol whose code word has `length` bits.
fn with_word(symbol: Entry, length: usize) -> Entry {
    let length = length as Entry;
    if literals(symbol) > 0 { symbol + length } else { symbol + length + (length << 8) }
}

/// The next code word of the same length. Words are kept with their first bit lowest, as the stream has them.
fn following(word: usize, length: usize) -> usize {
    let zeros = !word & ((1 << length) - 1);
    match zeros.checked_ilog2() {
        Some(bit) => word & ((1 << bit) - 1) | 1 << bit,
        None => 0,
    }
}

/// Whether look-ups would often give more than one literal, so that it pays to prepare such entries.
fn pairs_pay(lengths: &[u8]) -> bool {
    const INDEX_BITS: usize = LITERAL_BITS as usize;
    let mut counts = [0_u64; MAX_BITS + 1];
    for &length in lengths.iter().take(256) {
        counts[usize::from(length & 15)] += 1;
    }
    // If words are as frequent as their lengths say: of 2^(2 INDEX_BITS) pairs, how many are two literals in one look-up.
    let share = |length: usize| counts[length] << (INDEX_BITS - length);
    let pairs = |first: usize| share(first) * (1..=INDEX_BITS - first).map(share).sum::<u64>();
    (1..INDEX_BITS).map(pairs).sum::<u64>() > 1 << (2 * INDEX_BITS - 2)
}

/// Makes entries with two and three literals, where their words fit the index.
fn combine(table: &mut [Entry]) {
    // The entries that follow are looked up at smaller indices, which still hold one literal.
    for index in (1..table.len()).rev() {
        let mut entry = table[index];
        if entry & LITERALS != ONE_LITERAL {
            continue;
        }
        let mut rest = index >> (entry & 63);
        for _ in 0..2 {
            let next = table[rest];
            let bits = (entry & 63) + (next & 63);
            if next & LITERALS != ONE_LITERAL || bits > LITERAL_BITS {
                break;
            }
            let shift = 8 * literals(entry);
            entry = (entry & !63) + ONE_LITERAL + ((next & 0xff00) << shift) + bits;
            rest >>= next & 63;
        }
        table[index] = entry;
    }
    let first = table[0];
    if first & LITERALS == ONE_LITERAL {
        let (word, literal) = (first & 63, first >> 8);
        let count = (LITERAL_BITS / word).min(3);
        let all = (0..count).fold(0, |all, _| all << 8 | literal);
        table[0] = all << 8 | count << 6 | (word * count);
    }
}
