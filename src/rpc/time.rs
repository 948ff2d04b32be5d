//! Moments as they are sent: RFC 3339, in UTC, to the millisecond.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use super::text::serde_as_text;
use crate::proto::http::date::DateTime;

/// A moment since 1970-01-01T00:00:00Z. Shown, and sent, as `1994-11-06T08:49:37.250Z`; a moment after the year 9999 is
/// shown as the last second of that year.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time {
    /// Whole seconds.
    pub secs: u64,
    /// Further milliseconds, below 1000.
    pub millis: u16,
}

serde_as_text!(Time);

impl Time {
    /// The moment that `time` is; moments before 1970 become its beginning.
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
        let (clock, millis) = match clock.split_once('.') {
            Some((clock, fraction)) => (clock, parse_millis(fraction)?),
            None => (clock, 0),
        };
        if (date.len(), clock.len()) != (10, 8) {
            return None;
        }
        let mut numbers = date.split('-').chain(clock.split(':'));
        let mut number = |digits: usize| {
            let text = numbers.next().filter(|text| text.len() == digits)?;
            let plain = text.bytes().all(|byte| byte.is_ascii_digit());
            plain.then(|| text.parse::<u16>().ok())?
        };
        let date = DateTime {
            date: [number(4)?, number(2)?, number(2)?],
            time: [number(2)?, number(2)?, number(2)?],
        };
        let secs = u64::try_from(date.to_unix()?).ok()?;
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
        let DateTime { date, time } = DateTime::from_unix(self.secs);
        let ([year, month, day], [hour, minute, second]) = (date, time);
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z",
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
            "1970-01-01-00T00:00Z",
            "1970-01-01T+0:00:00Z",
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
