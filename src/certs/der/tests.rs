use rcgen::{CertificateParams, DnType, KeyPair, SanType, date_time_ymd};

use super::*;

fn certificate(change: impl FnOnce(&mut CertificateParams)) -> Vec<u8> {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    change(&mut params);
    let key = KeyPair::generate().unwrap();
    params.self_signed(&key).unwrap().der().to_vec()
}

#[test]
fn subject_names_and_times_are_read() {
    let der = certificate(|params| {
        let name = &mut params.distinguished_name;
        name.push(DnType::CommonName, "example.org");
        name.push(DnType::OrganizationName, "Beispiel \u{1b}[31m GmbH");
        params.subject_alt_names = vec![
            SanType::DnsName("example.org".try_into().unwrap()),
            SanType::DnsName("*.example.org".try_into().unwrap()),
            SanType::IpAddress("192.0.2.1".parse().unwrap()),
            SanType::IpAddress("2001:db8::1".parse().unwrap()),
        ];
        params.not_before = date_time_ymd(2024, 2, 29);
        params.not_after = date_time_ymd(2051, 1, 1);
    });
    let facts = CertificateFacts::read(&der).unwrap();
    assert_eq!(
        facts.to_string(),
        "CN=example.org, O=Beispiel \u{fffd}[31m GmbH (example.org, *.example.org, 192.0.2.1, 2001:db8::1)"
    );
    assert_eq!(facts.not_before, 1_709_164_800);
    assert_eq!(facts.not_after, 2_556_144_000);
}

#[test]
fn a_certificate_need_not_have_names() {
    let facts = CertificateFacts::read(&certificate(|_| {})).unwrap();
    assert_eq!(facts.to_string(), "without a name");
    assert!(facts.names.is_empty());
}

#[test]
fn a_certificate_that_is_cut_off_is_none() {
    let der = certificate(|params| params.distinguished_name.push(DnType::CommonName, "a"));
    for end in 0..der.len() {
        assert_eq!(CertificateFacts::read(&der[..end]), None, "{end}");
    }
    // Whatever a byte becomes, there is an answer.
    for at in 0..der.len() {
        for change in [0x01, 0x80, 0xff] {
            let mut changed = der.clone();
            changed[at] ^= change;
            let _ = CertificateFacts::read(&changed);
        }
    }
}

#[test]
fn times_are_of_the_gregorian_calendar() {
    let utc = |text: &[u8]| seconds((UTC_TIME, text));
    let general = |text: &[u8]| seconds((GENERALIZED_TIME, text));
    assert_eq!(utc(b"700101000000Z"), Some(0));
    assert_eq!(utc(b"000229123456Z"), Some(951_827_696));
    assert_eq!(utc(b"491231235959Z"), Some(2_524_607_999));
    assert_eq!(utc(b"500101000000Z"), Some(-631_152_000));
    assert_eq!(general(b"19700101000000Z"), Some(0));
    assert_eq!(general(b"21000301000000Z"), Some(4_107_542_400));
    for bad in [
        &b"700101000000"[..],
        b"7001010000Z",
        b"701301000000Z",
        b"700230000000Z",
        b"70010100000xZ",
        b"",
    ] {
        assert_eq!(utc(bad), None);
    }
}

#[test]
fn days_and_warnings() {
    let facts = CertificateFacts {
        issuer: String::new(),
        subject: "CN=a".to_owned(),
        names: Vec::new(),
        not_before: 10 * DAY,
        not_after: 20 * DAY - 1,
    };
    let warning = |now| facts.warning(now).unwrap_or_default();
    assert_eq!(facts.days_left(10 * DAY), 9);
    assert_eq!(facts.days_left(20 * DAY - 1), 0);
    assert_eq!(facts.days_left(20 * DAY), -1);
    assert_eq!(warning(10 * DAY), "");
    assert_eq!(warning(20 * DAY - 1), "");
    assert_eq!(warning(20 * DAY), "CN=a has expired less than a day ago");
    assert_eq!(warning(21 * DAY), "CN=a has expired 1 day ago");
    assert_eq!(warning(7 * DAY), "CN=a is not valid yet, but in 3 days");
}
