//! `[[client]]`: defaults, every key, and what is refused.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use super::*;
use crate::proto::http::url::{Host, Url};

fn client(text: &str) -> Client {
    let mut config = read(&format!("[[client]]\n{text}"));
    assert_eq!(config.clients.len(), 1);
    assert_eq!(lines(&config.warnings), "");
    config.clients.remove(0)
}

fn assert_faults(text: &str, expected: &[&str]) {
    let faults = parse(&format!("[[client]]\n{text}"), Path::new("f.toml"));
    let faults = faults.map(|config| config.clients).expect_err(text);
    let told: Vec<String> = faults
        .iter()
        .map(|fault| {
            let place = fault.place.expect("a place");
            format!("{}:{}: {}", place.line, place.column, fault.what)
        })
        .collect();
    assert_eq!(told, expected, "{text}");
}

/// What is wrong, without what is allowed.
fn assert_refused(text: &str, expected: &str) {
    let faults = parse(&format!("[[client]]\n{text}"), Path::new("f.toml"));
    let faults = faults.map(|config| config.clients).expect_err(text);
    let [fault] = &faults[..] else {
        panic!("{text}\n{}", lines(&faults));
    };
    let (what, _) = fault
        .what
        .split_once("; allowed: ")
        .expect("what is allowed");
    assert_eq!(what, expected, "{text}");
}

#[test]
fn every_default() {
    let client = client("host = \"myhost.com\"\n");
    assert_eq!(
        (client.id.as_str(), client.name.as_str()),
        ("WS_CLIENT_1", "WS_CLIENT_1")
    );
    assert!(client.active && !client.tls);
    assert_eq!((client.port, client.parameters.as_str()), (80, "/"));
    assert_eq!((client.ping, client.reconnect), (None, None));
    assert!(client.basic.is_none());
    assert!(client.headers.is_empty() && client.subprotocols.is_empty());
    assert!(client.on_connect.is_empty());
    assert_eq!(
        (client.outbox, client.outbox_ttl),
        (0, Duration::from_secs(60))
    );
    assert!(client.trust.verify && client.trust.ca.is_none() && client.trust.identity.is_none());
}

#[test]
fn every_key_is_read() {
    let client = client(
        r#"
        id = "upstream"
        name = "Upstream"
        active = false
        host = "myhost.com"
        port = 12345
        tls = true
        parameters = "/report?info=common&date=20201201"
        basic = { username = "me", password = "a:b" }
        ping = "30s"
        reconnect = "10s"
        reconnect_max = "5min"
        headers = { "X-Site" = "attic", Authorized = "no" }
        subprotocols = ["chat.v1", "chat.v2"]
        on_connect = ["hello", ""]
        outbox = 100
        outbox_ttl = "2min"
        [client.trust]
        ca = "ca.pem"
        certificate = "me.pem"
        private_key = "me.key"
        verify = true
        "#,
    );
    assert_eq!(
        (client.id.as_str(), client.name.as_str()),
        ("upstream", "Upstream")
    );
    assert!(!client.active && client.tls);
    assert_eq!(client.host, Host::Name("myhost.com".to_owned()));
    assert_eq!(client.port, 12345);
    assert_eq!(client.parameters, "/report?info=common&date=20201201");
    let basic = client.basic.expect("credentials");
    assert_eq!(
        (basic.username.as_str(), basic.password.reveal()),
        ("me", "a:b")
    );
    assert_eq!(client.ping, Some(Duration::from_secs(30)));
    assert_eq!(
        client.reconnect,
        Some(Reconnect {
            every: Duration::from_secs(10),
            max: Some(Duration::from_secs(300)),
        })
    );
    let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(
        client.headers,
        [header("X-Site", "attic"), header("Authorized", "no")]
    );
    assert_eq!(client.subprotocols, ["chat.v1", "chat.v2"]);
    assert_eq!(client.on_connect, ["hello", ""]);
    assert_eq!(
        (client.outbox, client.outbox_ttl),
        (100, Duration::from_secs(120))
    );
    let identity = client.trust.identity.expect("an identity");
    assert_eq!(identity.certificate.value, Path::new("me.pem"));
    assert_eq!(identity.private_key.value, Path::new("me.key"));
    assert_eq!(client.trust.ca.expect("a file").value, Path::new("ca.pem"));
}

#[test]
fn a_url_fills_the_other_keys() {
    let filled = client("url = \"wss://me:p%40ss@myhost.com:12345/auth/user/psw?a=b\"\n");
    let written = client(
        "host = \"myhost.com\"\nport = 12345\ntls = true\nparameters = \"/auth/user/psw?a=b\"\n\
         basic = { username = \"me\", password = \"p@ss\" }\n",
    );
    assert!(filled == written);
    let url = client("url = \"wss://h\"\n");
    assert!(url == Client::of_url(Url::parse("wss://h").expect("a URL")));
    assert_eq!(
        (url.port, url.parameters.as_str(), url.tls),
        (443, "/", true)
    );
    // What the URL leaves open, a key may say; and what it says, a key may repeat.
    let both = client(
        "url = \"ws://[::1]/x\"\nhost = \"::1\"\nport = 81\ntls = false\nparameters = \"/x\"\n",
    );
    assert_eq!((both.port, both.parameters.as_str()), (81, "/x"));
    let same = "url = \"ws://me:pw@h\"\nbasic = { username = \"me\", password = \"pw\" }\n";
    assert_eq!(
        client(same).basic.expect("credentials").password.reveal(),
        "pw"
    );
}

#[test]
fn a_key_that_contradicts_the_url_is_a_fault() {
    assert_faults(
        "url = \"ws://me:pw@h:80/x\"\nhost = \"g\"\nport = 81\ntls = true\nparameters = \"/y\"\n\
         basic = { username = \"me\", password = \"wp\" }\n",
        &[
            "3:8: host: the url says another; allowed: one of them, or both the same",
            "4:8: port: the url says another; allowed: one of them, or both the same",
            "5:7: tls: the url says another; allowed: one of them, or both the same",
            "6:14: parameters: the url says another; allowed: one of them, or both the same",
            "7:9: basic: the url says another; allowed: one of them, or both the same",
        ],
    );
}

#[test]
fn where_to_connect_is_asked_for() {
    assert_faults(
        "port = 0\nparameters = \"x\"\n",
        &[
            "1:1: url is missing in [[client]], or host; allowed: url, or host and perhaps port, tls and parameters",
            "2:8: port: 0 is out of range; allowed: a whole number from 1 to 65535",
            "3:14: parameters: path and query do not begin with a slash; allowed: path and query, percent-encoded, such as \"/report?info=common\"",
        ],
    );
    assert_refused(
        "url = \"ws://user:secret@ho st\"\n",
        "url: a space or a control character, which is percent-encoded in a URL",
    );
    assert_refused(
        "host = \"h:80\"\n",
        "host: \"h:80\": the host is neither a name in ASCII (an international one is written in its form xn--) nor an address",
    );
}

#[test]
fn credentials_are_checked() {
    for (basic, what) in [
        ("{ password = \"p\" }", "username is missing in basic"),
        ("{ username = \"u\" }", "password is missing in basic"),
        (
            "{ username = \"u\", password = \"p\", password_file = \"f\" }",
            "password_file: beside password",
        ),
        (
            "{ username = \"u:v\", password = \"p\" }",
            "username: \"u:v\"",
        ),
        (
            "{ username = \"u\", password = \"p\\u0000\" }",
            "password: a control character in it",
        ),
    ] {
        assert_refused(&format!("host = \"h\"\nbasic = {basic}\n"), what);
    }
}

#[test]
fn a_password_may_have_a_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("f.toml");
    let path = folder.path().join("psw");
    let text = "[[client]]\nhost = \"h\"\nbasic = { username = \"u\", password_file = \"psw\" }\n";
    let password = |content: &str, mode| {
        std::fs::write(&path, content).expect("a file");
        std::fs::set_permissions(&path, Permissions::from_mode(mode)).expect("its rights");
        parse(text, &file).map(|config| {
            let basic = config.clients[0].basic.clone().expect("credentials");
            (basic.password.reveal().to_owned(), lines(&config.warnings))
        })
    };
    for content in ["geheim", "geheim\n", "geheim\r\n"] {
        assert_eq!(
            password(content, 0o600),
            Ok(("geheim".to_owned(), String::new()))
        );
    }
    let (_, warnings) = password("geheim", 0o644).expect("a password");
    assert!(warnings.contains(":3:43: password_file: "), "{warnings}");
    assert!(warnings.contains("others can read") && !warnings.contains("geheim"));
    for content in ["", "\n", "a\nb\n", "a\tb", &"x".repeat(5000)] {
        let faults = password(content, 0o600).expect_err(content);
        assert!(lines(&faults).contains("; allowed: a readable file of one line"));
        assert!(!lines(&faults).contains("xxx"));
    }
}

#[test]
fn intervals_are_bounded_and_go_together() {
    assert_refused(
        "host = \"h\"\nping = \"0s\"\n",
        "ping: \"0s\" is out of range",
    );
    assert_refused(
        "host = \"h\"\nreconnect = \"10ms\"\n",
        "reconnect: \"10ms\" is out of range",
    );
    assert_refused(
        "host = \"h\"\nreconnect_max = \"5min\"\n",
        "reconnect_max: without reconnect, which it bounds",
    );
    assert_faults(
        "host = \"h\"\nreconnect = \"1min\"\nreconnect_max = \"30s\"\n",
        &["4:17: reconnect_max: 30s is less than reconnect; allowed: 1min or more"],
    );
    let equal = client("host = \"h\"\nreconnect = \"1s\"\nreconnect_max = \"1s\"\n");
    assert_eq!(
        equal.reconnect.expect("it").max,
        Some(Duration::from_secs(1))
    );
}

#[test]
fn fields_of_the_handshake_are_refused() {
    for name in [
        "Host",
        "connection",
        "UPGRADE",
        "Content-Length",
        "Transfer-Encoding",
        "sec-websocket-key",
        "Sec-WebSocket-Extensions",
    ] {
        assert_refused(
            &format!("host = \"h\"\nheaders = {{ {name} = \"x\" }}\n"),
            &format!("headers: {name:?} belongs to the handshake"),
        );
    }
    for (headers, what) in [
        (
            "\"Sec-WebSocket-Protocol\" = \"x\"",
            "headers: \"Sec-WebSocket-Protocol\" belongs to the handshake; subprotocols says what it holds",
        ),
        ("\"a b\" = \"x\"", "headers: \"a b\" is no name of a field"),
        (
            "a = \"secret\\r\\nb: c\"",
            "headers: \"a\" has a value that cannot be sent",
        ),
        ("a = \"1\", A = \"2\"", "headers: \"A\" is there already"),
        ("a = 1", "headers: a whole number in the table"),
    ] {
        let text = format!("host = \"h\"\nheaders = {{ {headers} }}\n");
        let faults = parse(&format!("[[client]]\n{text}"), Path::new("f")).expect_err(&text);
        assert!(
            faults.len() == 1 && faults[0].what.starts_with(what),
            "{}",
            lines(&faults)
        );
        assert!(!faults[0].what.contains("secret"));
    }
    assert_refused("host = \"h\"\nheaders = \"x\"\n", "headers: a string");
    assert_refused(
        "url = \"ws://u:p@h\"\nheaders = { authorization = \"Bearer x\" }\n",
        "headers: \"authorization\" is what basic sends",
    );
    let token = client("host = \"h\"\nheaders = { Authorization = \"Bearer x\" }\n");
    assert_eq!(token.headers.len(), 1);
}

#[test]
fn a_certificate_and_its_key_go_together() {
    for (key, other) in [
        ("certificate", "private_key"),
        ("private_key", "certificate"),
    ] {
        assert_refused(
            &format!("url = \"wss://h\"\n[client.trust]\n{key} = \"f\"\n"),
            &format!("{other} is missing in [client.trust]"),
        );
    }
    assert_refused("url = \"wss://h\"\ntrust = { ca = \"\" }\n", "ca: \"\"");
    assert_refused(
        "url = \"wss://h\"\ntrust = { verify = 1 }\n",
        "verify: a whole number",
    );
}

#[test]
fn what_is_of_no_use_is_warned_of() {
    let warnings = |text: &str| lines(&read(&format!("[[client]]\n{text}")).warnings);
    assert_eq!(
        warnings("host = \"h\"\ntrust = { verify = false }\noutbox_ttl = \"1s\"\n"),
        "f.toml:3:9: [client.trust] is of no use without TLS; tls = true or a wss:// URL turns that on\n\
         f.toml:4:14: outbox_ttl: of no use, for outbox is 0\n"
    );
    assert_eq!(
        warnings("url = \"wss://h\"\ntrust = { ca = \"f\", verify = false }\n"),
        "f.toml:3:16: ca: of no use, for verify is false\n"
    );
}

#[test]
fn secrets_in_an_open_file_are_warned_of() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("f.toml");
    let text = "[[client]]\nurl = \"ws://u:geheim@h\"\n[[client]]\nhost = \"h\"\n\
                basic = { username = \"u\", password = \"geheim\" }\nheaders = { Cookie = \"geheim\" }\n\
                [[client]]\nurl = \"ws://u@h/x\"\n";
    std::fs::write(&path, text).expect("a file");
    std::fs::set_permissions(&path, Permissions::from_mode(0o644)).expect("its rights");
    let config = load(&path).expect("no faults");
    let told = lines(&config.warnings);
    let places: Vec<u32> = config
        .warnings
        .iter()
        .map(|fault| fault.place.expect("a place").line)
        .collect();
    assert_eq!(places, [2, 5, 6], "{told}");
    assert!(!told.contains("geheim") && !format!("{config:?}").contains("geheim"));
    std::fs::set_permissions(&path, Permissions::from_mode(0o640)).expect("its rights");
    assert_eq!(lines(&load(&path).expect("no faults").warnings), "");
}

#[test]
fn ids_are_unique_over_both_kinds() {
    let config = read("[[client]]\nhost = \"h\"\n[[client]]\nid = \"b\"\nhost = \"h\"\n");
    let ids: Vec<&str> = config
        .clients
        .iter()
        .map(|client| client.id.as_str())
        .collect();
    assert_eq!(ids, ["WS_CLIENT_1", "b"]);
    assert_faults(
        "id = \"front\"\nhost = \"h\"\n[[client]]\nid = \"1st\"\nhost = \"h\"\n\
         [[client]]\nid = \"ws_client_1\"\nhost = \"h\"\n[[client]]\nid = \"WS_CLIENT_1\"\nhost = \"h\"\n\
         [[server]]\nid = \"FRONT\"\nbind = [\"unix:s\"]\n",
        &[
            "2:6: id: front is the server of line 14 already; allowed: ids that differ in more than case",
            "5:6: invalid WS client ID \"1st\"; allowed: letters, digits and underscores, beginning with a letter or an underscore",
            "11:6: id: WS_CLIENT_1 is the client of line 8 already; allowed: ids that differ in more than case",
        ],
    );
}

#[test]
fn unknown_keys_are_refused() {
    let faults = parse(
        "[[client]]\nhost = \"h\"\nreconect = \"1s\"\n",
        Path::new("f.toml"),
    );
    let faults = faults.map(|config| config.clients).expect_err("a fault");
    assert!(
        lines(&faults).starts_with("f.toml:3:1: unknown key \"reconect\" in [[client]], did you mean reconnect? allowed: id, name,"),
        "{}",
        lines(&faults)
    );
}
