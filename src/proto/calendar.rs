//! The Gregorian calendar in UTC: seconds since 1970-01-01T00:00:00Z to a date and a time of day, and back.

const DAY: u64 = 86_400;
/// The last second that four digits of year can express.
pub(super) const LATEST: u64 = 253_402_300_799;

/// A date and a time of day, to the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DateTime {
    /// The year, of four digits.
    pub year: u64,
    /// The month, from 1.
    pub month: u64,
    /// The day of the month, from 1.
    pub day: u64,
    /// The hour, from 0 to 23.
    pub hour: u64,
    /// The minute, from 0 to 59.
    pub minute: u64,
    /// The second, from 0 to 59; 60 is a leap second.
    pub second: u64,
}

impl DateTime {
    /// The date and time of a moment. Moments after the year 9999 become its last second.
    pub fn from_unix(unix_secs: u64) -> DateTime {
        let secs = unix_secs.min(LATEST);
        let (days, time) = (secs / DAY, secs % DAY);
        // A guess that is never too late, and a few years early at most.
        let mut year = 1970 + days / 366;
        while days_before(year + 1) <= days {
            year += 1;
        }
        let mut day = days - days_before(year);
        let mut month = 1;
        while day >= days_in_month(year, month) {
            day -= days_in_month(year, month);
            month += 1;
        }
        DateTime {
            year,
            month,
            day: day + 1,
            hour: time / 3600,
            minute: time / 60 % 60,
            second: time % 60,
        }
    }

    /// Seconds since 1970-01-01T00:00:00Z; a leap second counts as the second after it. `None` when there is no such
    /// date or time, or it lies before 1970.
    pub fn to_unix(self) -> Option<u64> {
        let DateTime {
            year,
            month,
            day,
            hour,
            minute,
            second,
        } = self;
        let is_date = (1970..=9999).contains(&year)
            && (1..=12).contains(&month)
            && (1..=days_in_month(year, month)).contains(&day);
        if !is_date || hour > 23 || minute > 59 || second > 60 {
            return None;
        }
        let before: u64 = (1..month).map(|month| days_in_month(year, month)).sum();
        let days = days_before(year) + before + day - 1;
        Some(days * DAY + hour * 3600 + minute * 60 + second)
    }

    /// The day of the week; 0 is Sunday.
    pub fn weekday(self) -> usize {
        let days = self.to_unix().unwrap_or_default() / DAY;
        // 1970-01-01 was a Thursday.
        ((days + 4) % 7) as usize
    }
}

/// Days from 1970-01-01 to the beginning of `year`.
fn days_before(year: u64) -> u64 {
    let since_year_1 = |year: u64| {
        let past = year - 1;
        past * 365 + past / 4 - past / 100 + past / 400
    };
    since_year_1(year) - since_year_1(1970)
}

fn days_in_month(year: u64, month: u64) -> u64 {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}
