//! Moments as events have them: RFC 3339, in UTC, to the millisecond. The calendar is that of HTTP dates.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::proto::http::date;

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// A moment since 1970-01-01T00:00:00Z. Shown, and written into events, as `1994-11-06T08:49:37.250Z`; what lies after
/// the year 9999 is shown as its last second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time {
    /// Whole seconds.
    pub secs: u64,
    /// Milliseconds beside them, below 1000.
    pub millis: u16,
}

impl Time {
    /// The moment that `time` is; the epoch for what lies before it.
    pub fn of(time: SystemTime) -> Time {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        Time {
            secs: since.as_secs(),
            millis: since.subsec_millis() as u16,
        }
    }

    /// Reads what [`Time`] is shown as, with or without a fraction of a second.
    pub fn parse(text: &str) -> Option<Time> {
        let (date, clock) = text.strip_suffix('Z')?.split_once('T')?;
        let mut date = date.splitn(3, '-');
        let (year, month, day) = (date.next()?, date.next()?, date.next()?);
        let month = MONTHS.get(month.parse::<usize>().ok()?.checked_sub(1)?)?;
        let (clock, millis) = match clock.split_once('.') {
            Some((clock, fraction)) => (clock, parse_millis(fraction)?),
            None => (clock, 0),
        };
        // The day of the week is not looked at.
        let secs = date::parse(format!("Thu, {day} {month} {year} {clock} GMT").as_bytes())?;
        Some(Time { secs, millis })
    }
}

/// `.25` is 250; what is finer than a millisecond is cut off.
fn parse_millis(fraction: &str) -> Option<u16> {
    if fraction.is_empty() || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let digits = fraction.bytes().chain([b'0'; 3]).take(3);
    Some(digits.fold(0, |sum, digit| sum * 10 + u16::from(digit - b'0')))
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // `Sun, 06 Nov 1994 08:49:37 GMT`, all of it ASCII.
        let imf = date::format(self.secs);
        let part = |range: std::ops::Range<usize>| {
            str::from_utf8(imf.get(range).unwrap_or_default()).unwrap_or_default()
        };
        let name = part(8..11);
        let month = 1 + MONTHS.iter().position(|month| *month == name).unwrap_or(0);
        let (year, day, clock) = (part(12..16), part(5..7), part(17..25));
        write!(
            f,
            "{year}-{month:02}-{day}T{clock}.{:03}Z",
            self.millis.min(999)
        )
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn moments_are_shown_as_rfc_3339() {
        for (secs, millis, text) in [
            (0, 0, "1970-01-01T00:00:00.000Z"),
            (784_111_777, 250, "1994-11-06T08:49:37.250Z"),
            (951_868_799, 7, "2000-02-29T23:59:59.007Z"),
            (u64::MAX, 999, "9999-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(Time { secs, millis }.to_string(), text);
        }
    }

    #[test]
    fn fractions_may_be_left_out_or_finer() {
        let at = |text| Time::parse(text).map(|time| (time.secs, time.millis));
        assert_eq!(at("1970-01-01T00:00:10Z"), Some((10, 0)));
        assert_eq!(at("1970-01-01T00:00:10.2Z"), Some((10, 200)));
        assert_eq!(at("1970-01-01T00:00:10.123456Z"), Some((10, 123)));
    }

    #[test]
    fn what_is_no_moment() {
        for text in [
            "",
            "1970-01-01",
            "1970-01-01T00:00:00",
            "1970-13-01T00:00:00Z",
            "1970-00-01T00:00:00Z",
            "1970-02-30T00:00:00Z",
            "1970-01-01T24:00:00Z",
            "1970-01-01T00:00:00.Z",
            "1970-01-01T00:00:00.x1Z",
            "70-01-01T00:00:00Z",
        ] {
            assert_eq!(Time::parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_reads_back(secs in 0u64..253_402_300_800, millis in 0u16..1000) {
            let time = Time { secs, millis };
            prop_assert_eq!(Time::parse(&time.to_string()), Some(time));
        }
    }
}
