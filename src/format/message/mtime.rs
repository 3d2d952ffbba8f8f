//! Object modification time messages (0x0E, 0x12): sections IV.A.2.o and IV.A.2.s of the specification.
//!
//! ```text
//! old (0x0E): | year: 4 digits | month: 2 | day: 2 | hour: 2 | minute: 2 | second: 2 | reserved (2) |   UTC
//! new (0x12): | 1 | reserved (3) | seconds since 1970 (4) |
//! ```

use binrw::binrw;

use crate::error::{Context, Error, Result};
use crate::format::message::read_version;
use crate::format::primitive::{Bytes, Sizes, Structure};

const OLD_NAME: &str = "object modification time message (old)";

/// The new message.
#[binrw]
#[brw(import(_sizes: Sizes))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MtimeMessage {
    #[br(temp, parse_with = read_version, args(1))]
    #[bw(calc = 1)]
    _version: u8,
    #[br(temp)]
    #[bw(calc = [0; 3])]
    _reserved: [u8; 3],
    /// Seconds since 1970, UTC.
    pub seconds: u32,
}

impl Structure for MtimeMessage {
    const NAME: &'static str = "object modification time message";
}

/// Decodes the old message to seconds since 1970, UTC.
///
/// # Errors
/// `Truncated`; `Corrupt` if these are not the digits of a time.
pub fn decode_mtime_old(body: &[u8]) -> Result<i64> {
    let digits = Bytes(body).array::<14>().in_structure(OLD_NAME)?;
    let number = |range: std::ops::Range<usize>| {
        digits[range].iter().try_fold(0i64, |n, d| d.is_ascii_digit().then(|| n * 10 + i64::from(d - b'0')))
    };
    let parse = || {
        let (year, month, day) = (number(0..4)?, number(4..6)?, number(6..8)?);
        let (hour, minute, second) = (number(8..10)?, number(10..12)?, number(12..14)?);
        let valid = (1..=12).contains(&month)
            && (1..=days_of_month(year, month)).contains(&day)
            && hour < 24
            && minute < 60
            && second <= 60;
        valid.then(|| ((days_since_1970(year, month, day) * 24 + hour) * 60 + minute) * 60 + second)
    };
    parse().ok_or_else(|| Error::corrupt("these are not the digits of a time").in_structure(OLD_NAME))
}

/// The body of the old message.
///
/// # Errors
/// `Usage` for a year that has not four digits.
pub fn encode_mtime_old(seconds: i64) -> Result<Vec<u8>> {
    // Years 0 to 9999.
    if !(-62_167_219_200..253_402_300_800).contains(&seconds) {
        return Err(Error::usage(format!("{seconds} seconds since 1970 have no four-digit year")));
    }
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (mut year, mut month) = (1970 + days.div_euclid(366), 1);
    while days_since_1970(year + 1, 1, 1) <= days {
        year += 1;
    }
    while days_since_1970(year, 1, 1) > days {
        year -= 1;
    }
    while month < 12 && days_since_1970(year, month + 1, 1) <= days {
        month += 1;
    }
    let day = days - days_since_1970(year, month, 1) + 1;
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    let mut out = format!("{year:04}{month:02}{day:02}{hour:02}{minute:02}{second:02}").into_bytes();
    out.extend([0, 0]);
    Ok(out)
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_of_month(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days of the Gregorian calendar.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let leap_days = |y: i64| y.div_euclid(4) - y.div_euclid(100) + y.div_euclid(400);
    let years = (year - 1970) * 365 + leap_days(year - 1) - leap_days(1969);
    years + (1..month).map(|m| days_of_month(year, m)).sum::<i64>() + day - 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::message::testing::*;

    #[test]
    fn new_message() {
        round_trip("01 000000 00e1f505", Sizes::EIGHT, MtimeMessage { seconds: 100_000_000 });
        assert!(is_unsupported(MtimeMessage::decode(&hex("02 000000 00e1f505"), Sizes::EIGHT)));
    }

    #[test]
    fn old_message() {
        for (text, seconds) in [
            ("19700101000000", 0),
            ("19730303094640", 100_000_000),
            ("20000229235959", 951_868_799),
            ("20241231235959", 1_735_689_599),
            ("19691231235959", -1),
            ("00000101000000", -62_167_219_200),
            ("99991231235959", 253_402_300_799),
        ] {
            let bytes = [text.as_bytes(), &[0, 0]].concat();
            assert_eq!(decode_mtime_old(&bytes).unwrap(), seconds, "{text}");
            assert_eq!(encode_mtime_old(seconds).unwrap(), bytes, "{text}");
        }
        assert!(is_usage(encode_mtime_old(i64::MIN)));
        assert!(is_usage(encode_mtime_old(i64::MAX)));
    }

    #[test]
    fn hostile() {
        assert!(is_truncated(&decode_mtime_old(b"1970010100000").unwrap_err()));
        for text in ["19701301000000", "19700230000000", "1970010124000x", "19700101240000", "19700100000000"]
        {
            assert!(is_corrupt(decode_mtime_old(text.as_bytes())), "{text}");
        }
    }
}
