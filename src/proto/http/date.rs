//! Dates as HTTP writes them (RFC 9110 §5.6.7), to and from seconds since 1970-01-01T00:00:00Z.
//!
//! Nothing here knows what time it is.

use crate::proto::calendar::DateTime;

const WEEKDAYS: [&[u8]; 7] = [b"Sun", b"Mon", b"Tue", b"Wed", b"Thu", b"Fri", b"Sat"];
const LONG_WEEKDAYS: [&[u8]; 7] = [
    b"Sunday",
    b"Monday",
    b"Tuesday",
    b"Wednesday",
    b"Thursday",
    b"Friday",
    b"Saturday",
];
const MONTHS: [&[u8]; 12] = [
    b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec",
];

/// The IMF-fixdate of a moment: `Sun, 06 Nov 1994 08:49:37 GMT`. Moments after the year 9999 become
/// its last second.
pub fn format(unix_secs: u64) -> [u8; 29] {
    let at = DateTime::from_unix(unix_secs);
    let mut out = *b"Thu, 01 Jan 1970 00:00:00 GMT";
    out[..3].copy_from_slice(WEEKDAYS[at.weekday()]);
    out[8..11].copy_from_slice(MONTHS[at.month as usize - 1]);
    two_digits(&mut out[5..7], at.day);
    two_digits(&mut out[12..14], at.year / 100);
    two_digits(&mut out[14..16], at.year % 100);
    two_digits(&mut out[17..19], at.hour);
    two_digits(&mut out[20..22], at.minute);
    two_digits(&mut out[23..25], at.second);
    out
}

/// The moment that a date names, in any of the three forms that a recipient must know. `None` when
/// it is none of them, or lies before 1970. A two-digit year is of this century below 70, else of
/// the last.
pub fn parse(text: &[u8]) -> Option<u64> {
    imf_fixdate(text)
        .or_else(|| rfc850_date(text))
        .or_else(|| asctime_date(text))
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`
fn imf_fixdate(text: &[u8]) -> Option<u64> {
    let mut rest = Rest(text);
    rest.one_of(&WEEKDAYS)?;
    rest.literal(b", ")?;
    let day = rest.number(2)?;
    rest.literal(b" ")?;
    let month = rest.one_of(&MONTHS)?;
    rest.literal(b" ")?;
    let year = rest.number(4)?;
    rest.literal(b" ")?;
    let time = rest.time()?;
    rest.literal(b" GMT")?;
    rest.end(year, month, day, time)
}

/// `Sunday, 06-Nov-94 08:49:37 GMT`
fn rfc850_date(text: &[u8]) -> Option<u64> {
    let mut rest = Rest(text);
    rest.one_of(&LONG_WEEKDAYS)?;
    rest.literal(b", ")?;
    let day = rest.number(2)?;
    rest.literal(b"-")?;
    let month = rest.one_of(&MONTHS)?;
    rest.literal(b"-")?;
    let year = match rest.number(2)? {
        year @ 0..70 => 2000 + year,
        year => 1900 + year,
    };
    rest.literal(b" ")?;
    let time = rest.time()?;
    rest.literal(b" GMT")?;
    rest.end(year, month, day, time)
}

/// `Sun Nov  6 08:49:37 1994`
fn asctime_date(text: &[u8]) -> Option<u64> {
    let mut rest = Rest(text);
    rest.one_of(&WEEKDAYS)?;
    rest.literal(b" ")?;
    let month = rest.one_of(&MONTHS)?;
    rest.literal(b" ")?;
    let day = match rest.literal(b" ") {
        Some(()) => rest.number(1)?,
        None => rest.number(2)?,
    };
    rest.literal(b" ")?;
    let time = rest.time()?;
    rest.literal(b" ")?;
    let year = rest.number(4)?;
    rest.end(year, month, day, time)
}

/// What is left of a date that is being read.
struct Rest<'a>(&'a [u8]);

impl Rest<'_> {
    fn literal(&mut self, text: &[u8]) -> Option<()> {
        self.0 = self.0.strip_prefix(text)?;
        Some(())
    }

    fn number(&mut self, digits: usize) -> Option<u64> {
        let (head, tail) = self.0.split_at_checked(digits)?;
        self.0 = tail;
        head.iter().try_fold(0, |sum, byte| {
            byte.is_ascii_digit()
                .then(|| sum * 10 + u64::from(byte - b'0'))
        })
    }

    fn one_of(&mut self, names: &[&[u8]]) -> Option<usize> {
        let found = names.iter().position(|name| self.0.starts_with(name))?;
        self.0 = &self.0[names[found].len()..];
        Some(found)
    }

    /// Hour, minute and second.
    fn time(&mut self) -> Option<[u64; 3]> {
        let hour = self.number(2)?;
        self.literal(b":")?;
        let minute = self.number(2)?;
        self.literal(b":")?;
        Some([hour, minute, self.number(2)?])
    }

    /// `month` is from 0.
    fn end(self, year: u64, month: usize, day: u64, time: [u64; 3]) -> Option<u64> {
        let [hour, minute, second] = time;
        let date = DateTime {
            year,
            month: month as u64 + 1,
            day,
            hour,
            minute,
            second,
        };
        self.0.is_empty().then(|| date.to_unix()).flatten()
    }
}

fn two_digits(out: &mut [u8], number: u64) {
    out[0] = b'0' + (number / 10) as u8;
    out[1] = b'0' + (number % 10) as u8;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::calendar::LATEST;
    use proptest::prelude::*;

    /// Dates that `date -u -d @N` wrote.
    const KNOWN: [(u64, &[u8; 29]); 9] = [
        (0, b"Thu, 01 Jan 1970 00:00:00 GMT"),
        (784_111_777, b"Sun, 06 Nov 1994 08:49:37 GMT"),
        (951_782_400, b"Tue, 29 Feb 2000 00:00:00 GMT"),
        (951_868_799, b"Tue, 29 Feb 2000 23:59:59 GMT"),
        (951_868_800, b"Wed, 01 Mar 2000 00:00:00 GMT"),
        (1_735_689_599, b"Tue, 31 Dec 2024 23:59:59 GMT"),
        (1_735_689_600, b"Wed, 01 Jan 2025 00:00:00 GMT"),
        (4_107_542_400, b"Mon, 01 Mar 2100 00:00:00 GMT"),
        (LATEST, b"Fri, 31 Dec 9999 23:59:59 GMT"),
    ];

    #[test]
    fn known_dates() {
        for (secs, text) in KNOWN {
            assert_eq!(format(secs), *text);
            assert_eq!(parse(text), Some(secs));
        }
        assert_eq!(format(u64::MAX), format(LATEST));
    }

    #[test]
    fn all_three_forms() {
        for text in [
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
        ] {
            assert_eq!(parse(text.as_bytes()), Some(784_111_777), "{text}");
        }
        assert_eq!(parse(b"Sun Nov 16 08:49:37 1994"), Some(784_975_777));
        assert_eq!(
            parse(b"Thursday, 01-Jan-70 00:00:00 GMT"),
            Some(0),
            "1970, not 2070"
        );
        assert_eq!(
            parse(b"Tuesday, 31-Dec-69 23:59:59 GMT"),
            parse(b"Tue, 31 Dec 2069 23:59:59 GMT")
        );
    }

    #[test]
    fn anything_else_is_no_date() {
        for text in [
            "",
            "Sun",
            "Sun, 06 Nov 1994 08:49:37",
            "Sun, 06 Nov 1994 08:49:37 GMT ",
            "Sun, 06 Nov 1994 08:49:37 UTC",
            "sun, 06 Nov 1994 08:49:37 GMT",
            "Sun, 6 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 24:00:00 GMT",
            "Sun, 06 Nov 1994 08:60:37 GMT",
            "Sun, 06 Nov 1994 08:49:61 GMT",
            "Sun, 00 Nov 1994 08:49:37 GMT",
            "Sun, 31 Nov 1994 08:49:37 GMT",
            "Sun, 29 Feb 1900 08:49:37 GMT",
            "Mon, 29 Feb 2100 08:49:37 GMT",
            "Wed, 31 Dec 1969 23:59:59 GMT",
            "Sun, +6 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-1994 08:49:37 GMT",
            "Sun Nov 6 08:49:37 1994",
            "784111777",
        ] {
            assert_eq!(parse(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn a_leap_second_is_the_second_after() {
        assert_eq!(
            parse(b"Sat, 31 Dec 2016 23:59:60 GMT"),
            parse(b"Sun, 01 Jan 2017 00:00:00 GMT")
        );
    }

    proptest! {
        #[test]
        fn round_trip(secs in 0..=LATEST) {
            prop_assert_eq!(parse(&format(secs)), Some(secs));
        }

        #[test]
        fn any_bytes_are_survived(bytes: Vec<u8>) {
            let _ = parse(&bytes);
        }
    }
}
