//! Dates as HTTP writes them (RFC 9110 §5.6.7), and the Gregorian calendar, which other formats of a date share.
//!
//! Times are seconds since 1970-01-01T00:00:00Z. Nothing here reads a clock.

const DAY: i64 = 86_400;
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
/// The last second of the year 9999: later years do not fit into four digits.
const LATEST: u64 = 253_402_300_799;

/// A date and a time of day, in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DateTime {
    /// Year up to 9999, month from 1, day from 1.
    pub date: [u16; 3],
    /// Hour, minute and second. A leap second, 60, counts as the second after it.
    pub time: [u16; 3],
}

impl DateTime {
    /// The date of a time. Times after the year 9999 become its last second.
    pub fn from_unix(secs: u64) -> DateTime {
        let secs = secs.min(LATEST) as i64;
        let (days, time) = (secs / DAY, secs % DAY);
        // A guess that is never too late, and a few years early at most.
        let mut year = (1970 + days / 366) as u16;
        while days_before(year + 1) <= days {
            year += 1;
        }
        let (mut day, mut month) = (days - days_before(year), 1);
        while day >= days_in_month(year, month) {
            day -= days_in_month(year, month);
            month += 1;
        }
        DateTime {
            date: [year, month, day as u16 + 1],
            time: [time / 3600, time / 60 % 60, time % 60].map(|number| number as u16),
        }
    }

    /// The time of a date, negative before 1970; `None` when there is no such date.
    pub fn to_unix(self) -> Option<i64> {
        let ([year, month, day], [hour, minute, second]) = (self.date, self.time);
        let exists = (1..=12).contains(&month)
            && (1..=days_in_month(year, month)).contains(&day.into())
            && (hour < 24 && minute < 60 && second <= 60);
        let months = (1..month).map(|month| days_in_month(year, month));
        let days = days_before(year) + months.sum::<i64>() + i64::from(day) - 1;
        let [hour, minute, second] = self.time.map(i64::from);
        exists.then_some(days * DAY + hour * 3600 + minute * 60 + second)
    }
}

/// Days from 1970-01-01 to the beginning of a year of the Gregorian calendar.
fn days_before(year: u16) -> i64 {
    let past = i64::from(year) - 1;
    let leap_days = past.div_euclid(4) - past.div_euclid(100) + past.div_euclid(400);
    past * 365 + leap_days - 719_162
}

fn days_in_month(year: u16, month: u16) -> i64 {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// The IMF-fixdate of a time: `Sun, 06 Nov 1994 08:49:37 GMT`. Times after the year 9999 become its last second.
pub fn format(unix_secs: u64) -> [u8; 29] {
    let DateTime { date, time } = DateTime::from_unix(unix_secs);
    let [year, month, day] = date;
    let mut out = *b"Thu, 01 Jan 1970 00:00:00 GMT";
    // 1970-01-01 was a Thursday.
    let weekday = (unix_secs.min(LATEST) / DAY as u64 + 4) % 7;
    out[..3].copy_from_slice(WEEKDAYS[weekday as usize]);
    out[8..11].copy_from_slice(MONTHS[usize::from(month) - 1]);
    let [hour, minute, second] = time;
    let numbers = [day, year / 100, year % 100, hour, minute, second];
    for (at, number) in [5, 12, 14, 17, 20, 23].into_iter().zip(numbers) {
        out[at] = b'0' + (number / 10) as u8;
        out[at + 1] = b'0' + (number % 10) as u8;
    }
    out
}

/// The time that a date names, in any of the three forms that a recipient must understand. `None` when it is none of
/// them, or lies before 1970. The day of the week is not checked against the date. A two-digit year below 70 is of this
/// century, any other of the last.
pub fn parse(text: &[u8]) -> Option<u64> {
    let date = imf_fixdate(text)
        .or_else(|| rfc850_date(text))
        .or_else(|| asctime_date(text))?;
    u64::try_from(date.to_unix()?).ok()
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`
fn imf_fixdate(text: &[u8]) -> Option<DateTime> {
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
fn rfc850_date(text: &[u8]) -> Option<DateTime> {
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
fn asctime_date(text: &[u8]) -> Option<DateTime> {
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

    fn number(&mut self, digits: usize) -> Option<u16> {
        let (head, tail) = self.0.split_at_checked(digits)?;
        self.0 = tail;
        head.iter().try_fold(0, |sum, byte| {
            byte.is_ascii_digit()
                .then(|| sum * 10 + u16::from(byte - b'0'))
        })
    }

    fn one_of(&mut self, names: &[&[u8]]) -> Option<usize> {
        let found = names.iter().position(|name| self.0.starts_with(name))?;
        self.0 = &self.0[names[found].len()..];
        Some(found)
    }

    /// Hour, minute and second.
    fn time(&mut self) -> Option<[u16; 3]> {
        let hour = self.number(2)?;
        self.literal(b":")?;
        let minute = self.number(2)?;
        self.literal(b":")?;
        Some([hour, minute, self.number(2)?])
    }

    /// The date, if nothing follows it. `month` counts from 0.
    fn end(self, year: u16, month: usize, day: u16, time: [u16; 3]) -> Option<DateTime> {
        let date = [year, month as u16 + 1, day];
        self.0.is_empty().then_some(DateTime { date, time })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
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
