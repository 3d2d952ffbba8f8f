//! The decoder of a block's symbols that checks each step: for the ends of input and output.

use super::huffman::{
    DISTANCE_BITS, END, Entry, INVALID, LITERAL_BITS, SUBTABLE, Tables, kind, literals, subtable_index, value,
};
use super::{Cursor, Damage};

/// Decodes the rest of a block.
pub fn run(input: &[u8], output: &mut [u8], cursor: &mut Cursor, tables: &Tables) -> Result<(), Damage> {
    loop {
        cursor.refill(input);
        let entry = look(&tables.literals, LITERAL_BITS, cursor)?;
        if literals(entry) > 0 {
            cursor.consume(entry & 63)?;
            let bytes = (entry >> 8).to_le_bytes();
            let bytes = &bytes[..literals(entry)];
            let room = output.get_mut(cursor.given..cursor.given + bytes.len()).ok_or(Damage::Room)?;
            room.copy_from_slice(bytes);
            cursor.given += bytes.len();
            continue;
        }
        if kind(entry) == END {
            return cursor.consume(entry & 63);
        }
        let length = value(entry, cursor.bits);
        cursor.consume(entry & 63)?;
        cursor.refill(input);
        let entry = look(&tables.distances, DISTANCE_BITS, cursor)?;
        let distance = value(entry, cursor.bits);
        cursor.consume(entry & 63)?;
        if distance > cursor.given {
            return Err(Damage::Distance);
        }
        if length > output.len() - cursor.given {
            return Err(Damage::Room);
        }
        for place in cursor.given..cursor.given + length {
            output[place] = output[place - distance];
        }
        cursor.given += length;
    }
}

/// The entry that the next bits mean; of a subtable if there is one.
fn look(table: &[Entry], index_bits: u32, cursor: &mut Cursor) -> Result<Entry, Damage> {
    let mut entry = table[cursor.bits as usize & ((1 << index_bits) - 1)];
    if literals(entry) == 0 && kind(entry) == SUBTABLE {
        cursor.consume(entry & 63)?;
        entry = table[subtable_index(entry, cursor.bits)];
    }
    if literals(entry) == 0 && kind(entry) == INVALID {
        return Err(if cursor.left < 15 { Damage::Truncated } else { Damage::Code });
    }
    Ok(entry)
}
