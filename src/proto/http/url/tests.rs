use proptest::prelude::*;

use super::*;

fn url(text: &str) -> Url {
    match Url::parse(text) {
        Ok(url) => url,
        Err(fault) => panic!("{text}: {fault}"),
    }
}

#[test]
fn schemes_decide_on_tls_and_the_port() {
    for (text, tls, port) in [
        ("ws://h", false, 80),
        ("WS://h:", false, 80),
        ("http://h", false, 80),
        ("wss://h", true, 443),
        ("Https://h", true, 443),
        ("wss://h:80", true, 80),
        ("ws://h:00065535/", false, 65535),
    ] {
        let url = url(text);
        assert_eq!((url.tls, url.port_or_default()), (tls, port), "{text}");
    }
    assert_eq!(
        (url("ws://h").port, url("ws://h:80").port),
        (None, Some(80))
    );
}

#[test]
fn hosts_are_names_or_addresses() {
    for (text, host, shown) in [
        (
            "ws://myhost.com",
            Host::Name("myhost.com".into()),
            "myhost.com",
        ),
        ("ws://A-b_c.d.", Host::Name("A-b_c.d.".into()), "A-b_c.d."),
        (
            "ws://127.0.0.1:1",
            Host::Ip([127, 0, 0, 1].into()),
            "127.0.0.1",
        ),
        (
            "ws://[::1]:1",
            Host::Ip(Ipv6Addr::LOCALHOST.into()),
            "[::1]",
        ),
        (
            "ws://[0:0::1]",
            Host::Ip(Ipv6Addr::LOCALHOST.into()),
            "[::1]",
        ),
    ] {
        let url = url(text);
        assert_eq!((&url.host, url.host.to_string().as_str()), (&host, shown));
    }
    for text in ["::1", "[::1]"] {
        assert_eq!(Host::parse(text), Ok(Host::Ip(Ipv6Addr::LOCALHOST.into())));
    }
    assert_eq!(Host::parse("h"), Ok(Host::Name("h".to_owned())));
    assert_eq!(Host::parse("h:80"), Err(UrlFault::Host));
    assert_eq!(Host::parse(""), Err(UrlFault::HostMissing));
}

#[test]
fn path_and_query_stay_as_they_are() {
    for (text, parameters) in [
        ("ws://h", None),
        ("ws://h/", Some("/")),
        ("ws://h?a=b", Some("/?a=b")),
        (
            "ws://h/a//../%2e?x=1&y=%20|{}\"",
            Some("/a//../%2e?x=1&y=%20|{}\""),
        ),
        (
            "wss://myhost.com:12345/auth/user/psw",
            Some("/auth/user/psw"),
        ),
        ("ws://h/@:?@:", Some("/@:?@:")),
    ] {
        assert_eq!(url(text).parameters.as_deref(), parameters, "{text}");
    }
    assert_eq!(url("ws://h").parameters_or_default(), "/");
}

#[test]
fn userinfo_is_decoded() {
    for (text, user, password) in [
        ("ws://me@h", "me", ""),
        ("ws://me:@h", "me", ""),
        ("ws://me:a:b@h", "me", "a:b"),
        ("ws://:pw@h", "", "pw"),
        ("ws://m%C3%A9:%40%2f%3A%25@h/x", "mé", "@/:%"),
    ] {
        let expected = Userinfo {
            user: user.to_owned(),
            password: password.to_owned(),
        };
        assert!(url(text).userinfo == Some(expected), "{text}");
    }
    assert!(url("ws://h").userinfo.is_none() && url("ws://@h").userinfo.is_none());
}

#[test]
fn faults_say_what_is_wrong() {
    for (text, fault) in [
        ("", UrlFault::Scheme),
        ("h", UrlFault::Scheme),
        ("h:80/x", UrlFault::Scheme),
        ("ws:h", UrlFault::Scheme),
        ("ftp://h", UrlFault::Scheme),
        ("://h", UrlFault::Scheme),
        (" ws://h", UrlFault::Space),
        ("ws://h/a b", UrlFault::Space),
        ("ws://h/\u{a0}", UrlFault::Space),
        ("ws://h/\0", UrlFault::Space),
        ("ws://h\n", UrlFault::Space),
        ("ws://h/#", UrlFault::Fragment),
        ("ws://h#x", UrlFault::Fragment),
        ("ws://h/ü", UrlFault::Character),
        ("ws://", UrlFault::HostMissing),
        ("ws:///x", UrlFault::HostMissing),
        ("ws://:80", UrlFault::HostMissing),
        ("ws://user@", UrlFault::HostMissing),
        ("ws://h:0", UrlFault::Port),
        ("ws://h:65536", UrlFault::Port),
        ("ws://h:+1", UrlFault::Port),
        ("ws://h:80:80", UrlFault::Port),
        ("ws://::1", UrlFault::Brackets),
        ("ws://[::1", UrlFault::Host),
        ("ws://[::1]x", UrlFault::Host),
        ("ws://[fe80::1%25eth0]", UrlFault::Zone),
        ("ws://ü.example", UrlFault::Host),
        ("ws://a..b", UrlFault::Host),
        ("ws://-a", UrlFault::Host),
        ("ws://a%2e", UrlFault::Host),
        ("ws://a\\b", UrlFault::Host),
        ("ws://256.1.1.1", UrlFault::Host),
        ("ws://1.2.3", UrlFault::Host),
        ("ws://u%zz@h", UrlFault::Userinfo),
        ("ws://u%f@h", UrlFault::Userinfo),
        ("ws://u:%ff@h", UrlFault::Userinfo),
        ("ws://u:%0a@h", UrlFault::Userinfo),
        ("ws://u%3a:p@h", UrlFault::UserColon),
        ("ws://u:p@p@h", UrlFault::At),
    ] {
        assert!(Url::parse(text) == Err(fault), "{text}: {fault}");
    }
    let long = |count| format!("ws://h/{}", "a".repeat(count));
    assert!(Url::parse(&long(MAX_PARAMETERS - 1)).is_ok());
    assert!(Url::parse(&long(MAX_PARAMETERS)) == Err(UrlFault::TooLong));
    let label = |count| format!("ws://{}", "a".repeat(count));
    assert!(Url::parse(&label(63)).is_ok() && Url::parse(&label(64)).is_err());
    assert_eq!(check_parameters("x"), Err(UrlFault::Slash));
}

#[test]
fn nothing_secret_is_shown() {
    let url = url("wss://alice:secret@h:1/auth/alice/secret?key=secret");
    for shown in [
        format!("{url}"),
        format!("{url:?}"),
        format!("{:?}", url.userinfo),
    ] {
        assert!(
            !shown.contains("secret") && !shown.contains("alice"),
            "{shown}"
        );
    }
    assert_eq!(url.to_string(), "wss://h:1");
}

#[test]
fn the_host_field_has_the_port_when_it_is_another() {
    let host = Host::parse("::1").unwrap();
    assert_eq!(host_field(&host, 443, true), "[::1]");
    assert_eq!(host_field(&host, 80, true), "[::1]:80");
    assert_eq!(host_field(&host, 80, false), "[::1]");
}

proptest! {
    #[test]
    fn what_is_read_can_be_sent(text in "(ws|wss)://[a-z%@:0-9.\\[\\]]{0,12}[/?]?[ -~]{0,12}") {
        if let Ok(url) = Url::parse(&text) {
            prop_assert!(check_parameters(url.parameters_or_default()).is_ok());
            prop_assert!(url.port_or_default() != 0);
            let again = format!("{url}{}", url.parameters_or_default());
            let again = Url::parse(&again).unwrap();
            prop_assert_eq!(&again.host, &url.host);
            prop_assert_eq!(again.port_or_default(), url.port_or_default());
            prop_assert_eq!(again.parameters_or_default(), url.parameters_or_default());
        }
    }
}
