//! Arithmetic of the blocks of a fractal heap: a table of rows in which blocks double in size.
//!
//! HDF5 File Format Specification, III.G, "Fractal Heap": the doubling table.
//!
//! ```text
//! row  block size   heap offset of the row
//!  0   start        0
//!  1   start        width * start
//!  2   2 * start    width * start * 2
//!  3   4 * start    width * start * 4     direct blocks up to the row of the largest direct block,
//!  .   ...          ...                   indirect blocks, tables of the same kind, from there on
//! ```

use crate::error::{Error, Result};

/// The shape of the table, checked: all arithmetic on it stays within 64 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DoublingTable {
    /// Blocks in a row.
    pub width: u16,
    /// Bits of a heap offset.
    pub heap_bits: u16,
    width_bits: u32,
    start_bits: u32,
    direct_bits: u32,
}

/// Where in the table a heap offset falls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Row.
    pub row: u16,
    /// Column.
    pub column: u16,
    /// Offset within the block of that row and column.
    pub offset: u64,
}

impl DoublingTable {
    /// A table of rows of `width` blocks.
    ///
    /// # Errors
    /// `Corrupt` for sizes that are no powers of two, or do not fit the bits of a heap offset.
    pub fn new(width: u16, start_size: u64, max_direct: u64, heap_bits: u16) -> Result<Self> {
        let power = |what: &str, value: u64| match value.is_power_of_two() {
            true => Ok(value.ilog2()),
            false => Err(Error::corrupt(format!("{what} is {value}, not a power of two"))),
        };
        let width_bits = power("table width", u64::from(width))?;
        let start_bits = power("starting block size", start_size)?;
        let direct_bits = power("largest direct block size", max_direct)?;
        if heap_bits > 64 || width_bits + start_bits > u32::from(heap_bits) {
            return Err(Error::corrupt(format!("heap offsets of {heap_bits} bits")));
        }
        if direct_bits < start_bits || direct_bits > u32::from(heap_bits) || direct_bits > 32 {
            return Err(Error::corrupt(format!("direct blocks of {start_size} to {max_direct} bytes")));
        }
        Ok(DoublingTable { width, heap_bits, width_bits, start_bits, direct_bits })
    }

    /// Most rows that a table can have.
    pub fn max_rows(&self) -> u16 {
        (u32::from(self.heap_bits) - self.start_bits - self.width_bits + 1) as u16
    }

    /// Rows, from the first on, whose blocks are direct.
    pub fn direct_rows(&self) -> u16 {
        (self.direct_bits - self.start_bits + 2) as u16
    }

    /// Bytes of a block in a row.
    pub fn row_block_size(&self, row: u16) -> Result<u64> {
        self.check(row)?;
        Ok(1 << (self.start_bits + u32::from(row.saturating_sub(1))))
    }

    /// Heap offset of a row, relative to the table's.
    pub fn row_offset(&self, row: u16) -> Result<u64> {
        self.check(row)?;
        match row {
            0 => Ok(0),
            _ => Ok(1 << (self.width_bits + self.start_bits + u32::from(row - 1))),
        }
    }

    /// Heap offset of a block, relative to the table's.
    pub fn block_offset(&self, row: u16, column: u16) -> Result<u64> {
        let within = u64::from(column).checked_mul(self.row_block_size(row)?);
        let offset =
            within.filter(|_| column < self.width).and_then(|n| n.checked_add(self.row_offset(row).ok()?));
        offset.ok_or_else(|| Error::corrupt(format!("column {column} of a row of {}", self.width)))
    }

    /// The place of a heap offset relative to the table's.
    pub fn locate(&self, offset: u64) -> Result<Place> {
        let first_row = self.width_bits + self.start_bits;
        if u32::from(self.heap_bits) < 64 && offset >> self.heap_bits != 0 {
            return Err(Error::corrupt(format!("heap offset {offset} of more than {} bits", self.heap_bits)));
        }
        let row = match offset.checked_ilog2() {
            Some(high) if high >= first_row => (high - first_row + 1) as u16,
            _ => 0,
        };
        let (size, start) = (self.row_block_size(row)?, self.row_offset(row)?);
        Ok(Place { row, column: ((offset - start) / size) as u16, offset: (offset - start) % size })
    }

    /// Rows of the table that is the indirect block in a row.
    ///
    /// # Errors
    /// `Corrupt` if blocks in this row are direct, or too small for a table.
    pub fn rows_below(&self, row: u16) -> Result<u16> {
        let size = self.row_block_size(row)?;
        let rows = size.ilog2().checked_sub(self.width_bits + self.start_bits).map(|n| n as u16 + 1);
        rows.filter(|_| row >= self.direct_rows())
            .ok_or_else(|| Error::corrupt(format!("an indirect block of {size} bytes in row {row}")))
    }

    fn check(&self, row: u16) -> Result<()> {
        if row < self.max_rows() {
            return Ok(());
        }
        Err(Error::corrupt(format!("row {row} of a table of {}", self.max_rows())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn links() -> DoublingTable {
        DoublingTable::new(4, 512, 65536, 32).unwrap()
    }

    #[test]
    fn table_of_links() {
        let t = links();
        assert_eq!((t.max_rows(), t.direct_rows()), (22, 9));
        let sizes: Vec<_> = (0..10).map(|row| t.row_block_size(row).unwrap()).collect();
        assert_eq!(sizes, [512, 512, 1024, 2048, 4096, 8192, 16384, 32768, 65536, 131072]);
        assert_eq!(t.row_offset(3).unwrap(), 2048 * 4);
        assert_eq!(t.locate(0).unwrap(), Place { row: 0, column: 0, offset: 0 });
        assert_eq!(t.locate(2047).unwrap(), Place { row: 0, column: 3, offset: 511 });
        assert_eq!(t.locate(2048).unwrap(), Place { row: 1, column: 0, offset: 0 });
        assert_eq!(t.locate(8191).unwrap(), Place { row: 2, column: 3, offset: 1023 });
        assert_eq!(t.locate(0xffff_ffff).unwrap().row, 21);
        // The first indirect block covers 128 KiB: rows of 4 x 512, 4 x 512, 4 x 1024 ... 4 x 16384.
        assert_eq!(t.rows_below(9).unwrap(), 7);
        assert!(t.rows_below(8).is_err());
    }

    #[test]
    fn every_block_starts_where_the_one_before_ends() {
        for t in [
            links(),
            DoublingTable::new(1, 1, 1, 64).unwrap(),
            DoublingTable::new(4, 1024, 65536, 40).unwrap(),
        ] {
            let mut end = Some(0);
            for row in 0..t.max_rows() {
                for column in 0..t.width {
                    let offset = t.block_offset(row, column).unwrap();
                    assert_eq!(Some(offset), end);
                    assert_eq!(t.locate(offset).unwrap(), Place { row, column, offset: 0 });
                    end = offset.checked_add(t.row_block_size(row).unwrap());
                }
            }
            assert!(t.row_offset(t.max_rows()).is_err());
        }
    }

    #[test]
    fn impossible_tables() {
        for (width, start, direct, bits) in [
            (0, 512, 65536, 32),
            (3, 512, 65536, 32),
            (4, 0, 65536, 32),
            (4, 512, 0, 32),
            (4, 512, 256, 32),
            (4, 512, 1 << 40, 64),
            (4, 512, 65536, 65),
            (4, 512, 65536, 10),
            (32768, 1 << 63, 1 << 63, 64),
        ] {
            assert!(DoublingTable::new(width, start, direct, bits).is_err());
        }
        assert!(links().locate(1 << 32).is_err());
        assert!(links().block_offset(0, 4).is_err());
    }
}
