//! Any certificate: no more of the input counts than its length says, what is shown has no control characters, and what
//! was read comes back from a certificate that says the same.

use bellwire::certs::CertificateFacts;
use bellwire::proto::http::date::DateTime;

/// The last second of the year 9999.
const LATEST: i64 = 253_402_300_799;

/// `data` is the certificate in DER.
pub fn check(data: &[u8]) {
    let Some(facts) = CertificateFacts::read(data) else {
        return;
    };
    let followed = [data, b"\0"].concat();
    assert_eq!(CertificateFacts::read(&followed).as_ref(), Some(&facts));
    assert!(!facts.to_string().chars().any(char::is_control));
    let times = 0..=LATEST;
    if times.contains(&facts.not_before) && times.contains(&facts.not_after) {
        assert_eq!(CertificateFacts::read(&write(&facts)), Some(facts));
    }
}

/// A certificate with these facts and nothing else in it.
fn write(facts: &CertificateFacts) -> Vec<u8> {
    let names: Vec<Vec<u8>> = facts
        .names
        .iter()
        .map(|name| value(0x82, name.as_bytes()))
        .collect();
    let extension = [
        value(0x06, &[0x55, 0x1d, 0x11]),
        value(0x04, &value(0x30, &names.concat())),
    ];
    let extensions = value(0x30, &value(0x30, &extension.concat()));
    let fields = [
        value(0x02, &[1]),
        value(0x30, &[]),
        distinguished_name(&facts.issuer),
        value(
            0x30,
            &[time(facts.not_before), time(facts.not_after)].concat(),
        ),
        distinguished_name(&facts.subject),
        value(0xa3, &extensions),
    ];
    value(0x30, &value(0x30, &fields.concat()))
}

/// The name as one attribute: the value of the first takes in all others.
fn distinguished_name(name: &str) -> Vec<u8> {
    let Some((attribute, text)) = name.split_once('=') else {
        return value(0x30, &[]);
    };
    let number = match attribute {
        "CN" => 3,
        "C" => 6,
        "L" => 7,
        "ST" => 8,
        "O" => 10,
        "OU" => 11,
        other => panic!("{other} is no attribute that is shown"),
    };
    let attribute = [
        value(0x06, &[0x55, 0x04, number]),
        value(0x0c, text.as_bytes()),
    ];
    value(0x30, &value(0x31, &value(0x30, &attribute.concat())))
}

/// GeneralizedTime.
fn time(secs: i64) -> Vec<u8> {
    let DateTime { date, time } = DateTime::from_unix(secs.unsigned_abs());
    let [month, day, hour, minute, second] = [date[1], date[2], time[0], time[1], time[2]];
    let text = format!(
        "{:04}{month:02}{day:02}{hour:02}{minute:02}{second:02}Z",
        date[0]
    );
    value(0x18, text.as_bytes())
}

/// A tag, a length of four bytes, and the content.
fn value(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len()).expect("a short input");
    [&[tag, 0x84][..], &length.to_be_bytes(), content].concat()
}
