//! Dates of numpy, which h5py stores as opaque elements.

/// The unit of a date: what it counts since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unit {
    big: bool,
    /// Nanoseconds of the unit; months count otherwise.
    step: Step,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Months(i128),
    Attoseconds(i128),
}

const SECOND: i128 = 1_000_000_000_000_000_000;

impl Unit {
    /// From a name such as `<M8[ns]`; `None` for durations, which have no text.
    pub(super) fn parse(name: &str) -> Option<Self> {
        let (order, rest) = name.split_at_checked(1)?;
        let unit = rest.strip_prefix("M8[")?.strip_suffix(']')?;
        let digits = unit.bytes().take_while(u8::is_ascii_digit).count();
        let (count, unit) = unit.split_at_checked(digits)?;
        let count: i128 = if count.is_empty() { 1 } else { count.parse::<u32>().ok()?.into() };
        let step = match unit {
            "Y" => Step::Months(12 * count),
            "M" => Step::Months(count),
            "W" => Step::Attoseconds(604_800 * SECOND * count),
            "D" => Step::Attoseconds(86_400 * SECOND * count),
            "h" => Step::Attoseconds(3600 * SECOND * count),
            "m" => Step::Attoseconds(60 * SECOND * count),
            "s" => Step::Attoseconds(SECOND * count),
            "ms" => Step::Attoseconds(SECOND / 1000 * count),
            "us" => Step::Attoseconds(SECOND / 1_000_000 * count),
            "ns" => Step::Attoseconds(SECOND / 1_000_000_000 * count),
            "ps" => Step::Attoseconds(1_000_000 * count),
            "fs" => Step::Attoseconds(1000 * count),
            "as" => Step::Attoseconds(count),
            _ => return None,
        };
        Some(Unit { big: order == ">", step })
    }

    /// The date in ISO 8601, to the microsecond; `None` for "not a time" and beyond the years 0 to 9999.
    pub(super) fn text(self, bytes: &[u8]) -> Option<String> {
        let bytes: [u8; 8] = bytes.try_into().ok()?;
        let value = if self.big { i64::from_be_bytes(bytes) } else { i64::from_le_bytes(bytes) };
        if value == i64::MIN {
            return None;
        }
        let (days, attoseconds) = match self.step {
            Step::Months(count) => {
                let months = i128::from(value).checked_mul(count)?;
                let year =
                    i64::try_from(1970 + months.div_euclid(12)).ok().filter(|y| (0..=9999).contains(y))?;
                (days_of(year, months.rem_euclid(12) as i64 + 1), 0)
            }
            Step::Attoseconds(count) => {
                let all = i128::from(value).checked_mul(count)?;
                (i64::try_from(all.div_euclid(86_400 * SECOND)).ok()?, all.rem_euclid(86_400 * SECOND))
            }
        };
        let (year, month, day) = civil(days).filter(|(y, ..)| (0..=9999).contains(y))?;
        let (seconds, micros) = (attoseconds / SECOND, attoseconds % SECOND / (SECOND / 1_000_000));
        let (h, m, s) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        let fraction = if micros == 0 { String::new() } else { format!(".{micros:06}") };
        Some(format!("{year:04}-{month:02}-{day:02}T{h:02}:{m:02}:{s:02}{fraction}"))
    }
}

/// Days from 1970 to the first of a month, in the Gregorian calendar.
fn days_of(year: i64, month: i64) -> i64 {
    // Years begin in March: the leap day is their last.
    let (y, m) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let era = y.div_euclid(400);
    let of_era = y.rem_euclid(400);
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + (153 * m + 2) / 5 - 719_468
}

/// Year, month and day.
fn civil(days: i64) -> Option<(i64, i64, i64)> {
    if days.abs() > 4_000_000 {
        return None;
    }
    let mut year = 1970 + days.div_euclid(366);
    while days_of(year + 1, 1) <= days {
        year += 1;
    }
    let month = (1..=12).rev().find(|&m| days_of(year, m) <= days)?;
    Some((year, month, days - days_of(year, month) + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(name: &str, value: i64) -> Option<String> {
        Unit::parse(name)?.text(&if name.starts_with('>') {
            value.to_be_bytes()
        } else {
            value.to_le_bytes()
        })
    }

    #[test]
    fn dates_are_those_of_numpy() {
        assert_eq!(text("<M8[s]", 1).as_deref(), Some("1970-01-01T00:00:01"));
        assert_eq!(text(">M8[s]", 951_782_400).as_deref(), Some("2000-02-29T00:00:00"));
        assert_eq!(text("<M8[ns]", 1_600_000_000_123_456_789).as_deref(), Some("2020-09-13T12:26:40.123456"));
        assert_eq!(text("<M8[ms]", -1).as_deref(), Some("1969-12-31T23:59:59.999000"));
        assert_eq!(text("<M8[M]", -1).as_deref(), Some("1969-12-01T00:00:00"));
        assert_eq!(text("<M8[Y]", 30).as_deref(), Some("2000-01-01T00:00:00"));
        assert_eq!(text("<M8[25s]", 2).as_deref(), Some("1970-01-01T00:00:50"));
        assert_eq!(text("<M8[s]", i64::MIN), None);
        assert_eq!(text("<M8[D]", i64::MAX), None);
        assert_eq!(text("<m8[s]", 1), None);
    }
}
