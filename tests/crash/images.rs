//! Images of what a crash may leave on the disk.

use crate::record::{Operation, Record, Step};

/// A small generator of pseudo-random numbers.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
    pub fn below(&mut self, n: u64) -> u64 {
        (self.next() >> 11) % n.max(1)
    }
}

/// A disk: the bytes of the file, and what ever stood where (pages of it may come back where the file grows).
#[derive(Clone, Default)]
struct Disk {
    bytes: Vec<u8>,
    ghost: Vec<u8>,
}

impl Disk {
    fn grow(&mut self, len: usize, stale: bool) {
        let before = self.bytes.len();
        self.bytes.resize(len, 0);
        let end = len.min(self.ghost.len());
        if stale && before < end {
            self.bytes[before..end].copy_from_slice(&self.ghost[before..end]);
        }
    }

    fn write(&mut self, at: u64, bytes: &[u8], stale: bool) {
        let (start, end) = (at as usize, at as usize + bytes.len());
        if end > self.bytes.len() {
            self.grow(end, stale);
        }
        self.bytes[start..end].copy_from_slice(bytes);
    }

    fn apply(&mut self, operation: &Operation, stale: bool) {
        match operation {
            Operation::Write(at, bytes) => self.write(*at, bytes, stale),
            Operation::SetLen(len) => self.grow(*len as usize, stale),
            Operation::Sync | Operation::Returned => {}
        }
    }

    /// Applies the units of a write for which `keep` says so.
    fn apply_part(&mut self, step: &Step, unit: u64, stale: bool, keep: &mut dyn FnMut(u64) -> bool) {
        let Operation::Write(at, bytes) = &step.operation else { return self.apply(&step.operation, stale) };
        if step.atomic {
            if keep(0) {
                self.write(*at, bytes, stale);
            }
            return;
        }
        let mut done = 0u64;
        while done < bytes.len() as u64 {
            let len = (unit - (at + done) % unit).min(bytes.len() as u64 - done);
            if keep(done) {
                self.write(at + done, &bytes[done as usize..(done + len) as usize], stale);
            }
            done += len;
        }
    }

    fn remember(&mut self) {
        if self.ghost.len() < self.bytes.len() {
            self.ghost.resize(self.bytes.len(), 0);
        }
        self.ghost[..self.bytes.len()].copy_from_slice(&self.bytes);
    }
}

/// Does an operation.
pub fn apply(image: &mut Vec<u8>, operation: &Operation) {
    let mut disk = Disk { bytes: std::mem::take(image), ghost: Vec::new() };
    disk.apply(operation, false);
    *image = disk.bytes;
}

/// Makes images, and gives each with the number of flushes that had returned. About `wanted` are made, of which each
/// stretch between two barriers gets its part; prefixes are made all.
pub fn images(record: &Record, steps: &[Step], wanted: usize, sink: &mut dyn FnMut(&[u8], usize)) {
    let mut disk = Disk { bytes: record.initial.clone(), ghost: record.initial.clone() };
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let epochs: Vec<&[Step]> = steps.split_inclusive(|s| s.operation == Operation::Sync).collect();
    // There is more to try where more is written.
    let weight = |epoch: &[Step]| epoch.iter().map(cost).sum::<usize>().min(200);
    let all: usize = epochs.iter().map(|e| weight(e)).sum::<usize>().max(1);
    let mut returned = 0;
    for epoch in epochs {
        let budget = (wanted * weight(epoch)).div_ceil(all);
        returned = stretch(&disk, epoch, returned, budget, &mut random, sink);
        for step in epoch {
            disk.apply(&step.operation, false);
            disk.remember();
        }
    }
}

fn cost(step: &Step) -> usize {
    match &step.operation {
        Operation::Write(..) if step.atomic => 1,
        Operation::Write(_, bytes) => 4 + bytes.len() / 64,
        Operation::SetLen(_) => 4,
        _ => 0,
    }
}

/// The images of one stretch between two barriers; how many flushes had returned at its end.
fn stretch(
    before: &Disk,
    epoch: &[Step],
    mut returned: usize,
    budget: usize,
    random: &mut Random,
    sink: &mut dyn FnMut(&[u8], usize),
) -> usize {
    let mut disk = before.clone();
    sink(&disk.bytes, returned);
    for step in epoch {
        disk.apply(&step.operation, false);
        returned += usize::from(step.operation == Operation::Returned);
        sink(&disk.bytes, returned);
    }
    let steps: Vec<&Step> =
        epoch.iter().filter(|s| matches!(s.operation, Operation::Write(..) | Operation::SetLen(_))).collect();
    let n = steps.len();
    if n == 0 {
        return returned;
    }
    let mut left = budget;
    let mut subset = |order: &[usize], stale: bool, keep: &dyn Fn(usize) -> bool| {
        let mut disk = before.clone();
        order.iter().filter(|&&i| keep(i)).for_each(|&i| disk.apply(&steps[i].operation, stale));
        sink(&disk.bytes, returned);
    };
    let forward: Vec<usize> = (0..n).collect();
    let backward: Vec<usize> = (0..n).rev().collect();
    let mut by_address = forward.clone();
    by_address.sort_by_key(|&i| match steps[i].operation {
        Operation::Write(at, _) => at,
        _ => u64::MAX,
    });
    let orders = [&forward, &backward, &by_address];
    if n <= 8 && 1 << n <= budget.max(16) {
        for mask in 0..1usize << n {
            for (i, order) in orders.iter().enumerate() {
                subset(order, (mask + i) % 2 == 1, &|i| mask & (1 << i) != 0);
            }
        }
        left = left.saturating_sub(1 << n);
    } else {
        for one in 0..n {
            subset(orders[one % 3], false, &|i| i != one);
            subset(&forward, one % 2 == 1, &|i| i == one);
        }
        left = left.saturating_sub(2 * n);
        let subsets = left / 3;
        left -= subsets;
        for round in 0..subsets {
            let kept: Vec<bool> = (0..n).map(|_| random.below(4) > 0).collect();
            subset(orders[round % 3], round % 2 == 1, &|i| kept[i]);
        }
    }
    // Every write cut in two, with all others done or none.
    let cuts: Vec<(usize, u64, u64)> =
        (0..n).flat_map(|i| cuts(steps[i]).map(move |(u, c)| (i, u, c))).collect();
    let picked = cuts.len().min(left / 2);
    for round in 0..picked {
        let (which, unit, cut) =
            cuts[if picked == cuts.len() { round } else { random.below(cuts.len() as u64) as usize }];
        let (others, head) = (random.below(2) == 0, random.below(2) == 0);
        let mut disk = before.clone();
        for (i, step) in steps.iter().enumerate() {
            if i == which {
                disk.apply_part(step, unit, false, &mut |at| (at < cut) == head);
            } else if others {
                disk.apply(&step.operation, false);
            }
        }
        sink(&disk.bytes, returned);
    }
    // All torn at once.
    for round in 0..left - picked {
        let unit = [512, 8][round % 2];
        let stale = random.below(2) == 0;
        let density = 1 + random.below(9);
        let mut disk = before.clone();
        for &i in orders[round % 3] {
            disk.apply_part(steps[i], unit, stale, &mut |_| random.below(10) < density);
        }
        sink(&disk.bytes, returned);
    }
    returned
}

/// Where a write can be cut: unit, and bytes before the cut.
fn cuts(step: &Step) -> impl Iterator<Item = (u64, u64)> {
    let (at, len) = match &step.operation {
        Operation::Write(at, bytes) if !step.atomic => (*at, bytes.len() as u64),
        _ => (0, 0),
    };
    [512, 8].into_iter().flat_map(move |unit| {
        let first = unit - at % unit;
        (0..).map(move |i| first + i * unit).take_while(move |&cut| cut < len).map(move |cut| (unit, cut))
    })
}
