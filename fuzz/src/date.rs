//! Any date: what is read is written as an IMF-fixdate that reads the same; and any time: its date agrees with a second
//! calendar, and comes back as the time.

use bellwire::proto::http::date::{DateTime, format, parse};

/// The last second of the year 9999.
const LATEST: u64 = 253_402_300_799;

/// `data` is a date; its first eight bytes are also a time in seconds since 1970.
pub fn check(data: &[u8]) {
    if let Some(secs) = parse(data) {
        // A leap second at the end of the year 9999 is one more.
        let secs = secs.min(LATEST);
        assert_eq!(parse(&format(secs)), Some(secs));
    }
    if let Some(secs) = data.first_chunk() {
        let secs = u64::from_be_bytes(*secs);
        check_time(secs);
        check_time(secs % (LATEST + 1));
    }
}

fn check_time(secs: u64) {
    let expected = secs.min(LATEST);
    let date = DateTime::from_unix(secs);
    assert_eq!(date.to_unix(), Some(expected as i64));
    assert_eq!(parse(&format(secs)), Some(expected));
    let [year, month, day] = date.date.map(u64::from);
    let [hour, minute, second] = date.time.map(u64::from);
    let seconds = hour * 3600 + minute * 60 + second;
    let days = days(year, month, day);
    assert_eq!(days * 86_400 + seconds, expected);
}

/// Days from 1970-01-01 to a date. Counted in years that begin in March, so that a leap day is the last of its year.
fn days(year: u64, month: u64, day: u64) -> u64 {
    let year = if month < 3 { year - 1 } else { year };
    let of_year = ((month + 9) % 12 * 153 + 2) / 5 + day - 1;
    year * 365 + year / 4 - year / 100 + year / 400 + of_year - 719_468
}
