//! Elements as nested lists, in rows that fit a screen.

use std::io::Write;

use crate::Result;

const WIDTH: usize = 100;

/// Writes elements in C order with the brackets that their shape asks for. An array without elements is `[]`.
pub(super) struct Nest<'a> {
    out: &'a mut dyn Write,
    shape: Vec<u64>,
    at: Vec<u64>,
    column: usize,
    started: bool,
}

impl<'a> Nest<'a> {
    pub(super) fn new(out: &'a mut dyn Write, shape: &[u64]) -> Self {
        Nest { out, shape: shape.to_vec(), at: vec![0; shape.len()], column: 0, started: false }
    }

    /// Writes the next element.
    pub(super) fn push(&mut self, text: &str) -> Result<()> {
        let rank = self.shape.len();
        let opens = self.at.iter().rev().take_while(|&&i| i == 0).count();
        let width = text.chars().count();
        if !self.started {
            self.started = true;
        } else if opens > 0 {
            self.out.write_all(b",")?;
            for _ in 0..opens {
                self.out.write_all(b"\n")?;
            }
            self.indent(rank - opens)?;
        } else if self.column.saturating_add(width) > WIDTH {
            self.out.write_all(b",\n")?;
            self.indent(rank)?;
        } else {
            self.out.write_all(b", ")?;
            self.column += 2;
        }
        for _ in 0..opens {
            self.out.write_all(b"[")?;
        }
        self.out.write_all(text.as_bytes())?;
        self.column = self.column.saturating_add(opens).saturating_add(width);
        for (i, &extent) in self.at.iter_mut().zip(&self.shape).rev() {
            *i += 1;
            if *i < extent {
                break;
            }
            *i = 0;
            self.out.write_all(b"]")?;
        }
        Ok(())
    }

    fn indent(&mut self, columns: usize) -> Result<()> {
        for _ in 0..columns {
            self.out.write_all(b" ")?;
        }
        self.column = columns;
        Ok(())
    }

    /// Ends the output.
    pub(super) fn finish(self) -> Result<()> {
        if !self.started {
            self.out.write_all(b"[]")?;
        }
        Ok(self.out.write_all(b"\n")?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nested(shape: &[u64], count: usize) -> String {
        let mut out = Vec::new();
        let mut nest = Nest::new(&mut out, shape);
        for i in 0..count {
            nest.push(&i.to_string()).unwrap();
        }
        nest.finish().unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn brackets_follow_the_shape() {
        assert_eq!(nested(&[], 1), "0\n");
        assert_eq!(nested(&[3], 3), "[0, 1, 2]\n");
        assert_eq!(nested(&[2, 2], 4), "[[0, 1],\n [2, 3]]\n");
        assert_eq!(nested(&[2, 1, 2], 4), "[[[0, 1]],\n\n [[2, 3]]]\n");
        assert_eq!(nested(&[0, 3], 0), "[]\n");
    }

    #[test]
    fn long_rows_are_broken() {
        let text = nested(&[100], 100);
        assert!(text.lines().count() > 1 && text.lines().all(|l| l.len() <= WIDTH + 2));
    }
}
