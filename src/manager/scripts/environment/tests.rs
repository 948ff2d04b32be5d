use std::collections::HashSet;

use proptest::prelude::*;

use std::ffi::OsStr;

use super::*;

fn base() -> Base {
    Base {
        path: "/bin".into(),
        home: "/home/me".into(),
        lang: "C.UTF-8".into(),
        ..Base::default()
    }
}

const FACTS: Facts<'_> = Facts {
    trigger: "reboot",
    source: "WS_SERVER_1",
    connection: "c42",
    peer: None,
    user: None,
    server: None,
    https: false,
};

const REQUEST: Request<'_> = Request {
    method: "GET",
    protocol: "HTTP/1.1",
    path: b"",
    query: "",
    parameters: &[],
    fields: &[],
    length: None,
    form: &[],
};

/// The variables as lines, sorted, without those of [`base`] and [`FACTS`].
fn shown(facts: &Facts<'_>, happening: &Happening<'_>) -> Vec<String> {
    let mut lines: Vec<String> = build(&base(), facts, happening)
        .unwrap()
        .iter()
        .map(|(name, value)| format!("{}={}", name.display(), value.display()))
        .collect();
    for line in [
        "PATH=/bin",
        "HOME=/home/me",
        "LANG=C.UTF-8",
        "BELLWIRE_TRIGGER=reboot",
        "BELLWIRE_SOURCE=WS_SERVER_1",
        "BELLWIRE_CONNECTION=c42",
    ] {
        let at = lines.iter().position(|known| known == line).expect(line);
        lines.remove(at);
    }
    lines.sort_unstable();
    lines
}

fn request(request: Request<'_>) -> Vec<String> {
    let mut lines = shown(&FACTS, &Happening::Request(request));
    let same = shown(&FACTS, &Happening::Request(REQUEST));
    lines.retain(|line| !same.contains(line));
    lines
}

fn form(pairs: &[(&str, &str)]) -> Vec<Parameter> {
    let owned = |&(name, value): &(&str, &str)| (name.to_owned(), value.to_owned());
    pairs.iter().map(owned).collect()
}

#[test]
fn events_of_connections() {
    assert_eq!(
        shown(&FACTS, &Happening::Connect),
        ["BELLWIRE_EVENT=connect"]
    );
    assert_eq!(
        shown(&FACTS, &Happening::Message { text: true }),
        ["BELLWIRE_EVENT=message", "BELLWIRE_TYPE=text"]
    );
    assert_eq!(
        shown(&FACTS, &Happening::Message { text: false }),
        ["BELLWIRE_EVENT=message", "BELLWIRE_TYPE=binary"]
    );
    let gone = Happening::Disconnect {
        code: 1001,
        reason: "a\0b",
    };
    assert_eq!(
        shown(&FACTS, &gone),
        [
            "BELLWIRE_CODE=1001",
            "BELLWIRE_EVENT=disconnect",
            "BELLWIRE_REASON=a\u{fffd}b"
        ]
    );
}

#[test]
fn the_control_socket_is_named_where_there_is_one() {
    let base = Base {
        socket: Some("/run/b.sock".into()),
        ..base()
    };
    let environment = build(&base, &FACTS, &Happening::Connect).unwrap();
    let socket = get(&environment, "BELLWIRE_SOCKET");
    assert_eq!(socket, Some(OsStr::new("/run/b.sock")));
    let worker = base.worker_environment("reboot");
    assert_eq!(get(&worker, "BELLWIRE_SOCKET"), socket);
    assert_eq!(get(&worker, "BELLWIRE_TRIGGER"), Some(OsStr::new("reboot")));
}

#[test]
fn all_that_is_known_of_a_connection() {
    let facts = Facts {
        peer: Some("[::ffff:10.0.0.1]:5000".parse().unwrap()),
        user: Some(("alice", Some("Basic"))),
        server: Some(("example.org", 443)),
        https: true,
        ..FACTS
    };
    assert_eq!(
        shown(&facts, &Happening::Connect),
        [
            "AUTH_TYPE=Basic",
            "BELLWIRE_EVENT=connect",
            "HTTPS=on",
            "REMOTE_ADDR=10.0.0.1",
            "REMOTE_PORT=5000",
            "REMOTE_USER=alice",
            "SERVER_NAME=example.org",
            "SERVER_PORT=443",
        ]
    );
}

#[test]
fn the_least_request() {
    assert_eq!(
        shown(&FACTS, &Happening::Request(REQUEST)),
        [
            "BELLWIRE_EVENT=http_request",
            "BELLWIRE_FILENAME=",
            "GATEWAY_INTERFACE=CGI/1.1",
            "PATH_INFO=/",
            "QUERY_STRING=",
            "REQUEST_METHOD=GET",
            "SCRIPT_NAME=",
            "SERVER_PROTOCOL=HTTP/1.1",
            "SERVER_SOFTWARE=bellwire",
        ]
    );
}

#[test]
fn paths_and_queries() {
    let lines = request(Request {
        method: "POST",
        path: b"a/b c.txt",
        query: "x=%41&x=2&y-z=3&y.z=4&=5&X=6",
        parameters: &form(&[
            ("x", "A"),
            ("x", "2"),
            ("y-z", "3"),
            ("y.z", "4"),
            ("", "5"),
            ("X", "6"),
        ]),
        length: Some(3),
        form: &form(&[("é", "1"), ("p_1", "a\nb")]),
        ..REQUEST
    });
    assert_eq!(
        lines,
        [
            "BELLWIRE_FILENAME=b c.txt",
            "BELLWIRE_POST___=1",
            "BELLWIRE_POST_p_1=a\nb",
            "BELLWIRE_QUERY_X=6",
            "BELLWIRE_QUERY_x=A",
            "BELLWIRE_QUERY_y_z=3",
            "CONTENT_LENGTH=3",
            "PATH_INFO=/a/b c.txt",
            "QUERY_STRING=x=%41&x=2&y-z=3&y.z=4&=5&X=6",
            "REQUEST_METHOD=POST",
        ]
    );
    let folder = request(Request {
        path: b"a/b/",
        ..REQUEST
    });
    assert_eq!(folder, ["PATH_INFO=/a/b/"]);
    let bytes = Happening::Request(Request {
        path: b"\xff",
        ..REQUEST
    });
    let env = build(&base(), &FACTS, &bytes).unwrap();
    assert_eq!(
        get(&env, "PATH_INFO").map(OsStr::as_bytes),
        Some(b"/\xff".as_slice())
    );
    assert_eq!(get(&env, "NONE"), None);
}

#[test]
fn fields() {
    let fields: [(&str, &[u8]); 16] = [
        ("Host", b"example.org"),
        ("accept", b"a"),
        ("Cookie", b"a=b"),
        ("ACCEPT", b"b"),
        ("cookie", b"c=d"),
        ("X-Real-IP", b"10.0.0.1"),
        ("X_Real_IP", b"6.6.6.6"),
        ("X.Real", b"x"),
        ("Proxy", b"http://evil"),
        ("PROXY", b"http://evil"),
        ("Authorization", b"Basic c2VjcmV0"),
        ("Proxy-Authorization", b"Basic c2VjcmV0"),
        ("Content-Type", b"text/plain"),
        ("Content-Length", b"3"),
        ("Referer", b"/"),
        ("referer", b"http://h/auth/alice/secret/page"),
    ];
    assert_eq!(
        request(Request {
            fields: &fields,
            ..REQUEST
        }),
        [
            "CONTENT_TYPE=text/plain",
            "HTTP_ACCEPT=a, b",
            "HTTP_COOKIE=a=b; c=d",
            "HTTP_HOST=example.org",
            "HTTP_REFERER=/, http://h/auth/alice/***/page",
            "HTTP_X_REAL_IP=10.0.0.1",
        ]
    );
}

#[test]
fn what_no_environment_can_hold() {
    let error = |it: Request<'_>| build(&base(), &FACTS, &Happening::Request(it)).unwrap_err();
    let long = "x".repeat(MAX_ENVIRONMENT);
    assert_eq!(
        error(Request {
            query: &long,
            ..REQUEST
        }),
        Error::TooLong
    );
    assert_eq!(
        error(Request {
            path: b"a\0",
            ..REQUEST
        }),
        Error::Nul
    );
    assert_eq!(
        error(Request {
            parameters: &form(&[("a\0", "b")]),
            ..REQUEST
        }),
        Error::Nul
    );
    let both = form(&[("a", &long), ("b", "\0"), ("a", "\0")]);
    assert_eq!(
        error(Request {
            form: &both,
            ..REQUEST
        }),
        Error::Nul
    );
    assert_eq!((Error::Nul.status(), Error::TooLong.status()), (400, 431));
}

#[test]
fn an_environment_may_be_as_long_as_is_said() {
    let size = |env: &Environment| {
        env.iter()
            .map(|(n, v)| n.len() + v.len() + 2)
            .sum::<usize>()
    };
    let env = |query: &str| {
        build(
            &base(),
            &FACTS,
            &Happening::Request(Request { query, ..REQUEST }),
        )
    };
    let room = MAX_ENVIRONMENT - size(&env("").unwrap());
    assert_eq!(size(&env(&"x".repeat(room)).unwrap()), MAX_ENVIRONMENT);
    assert_eq!(env(&"x".repeat(room + 1)), Err(Error::TooLong));
}

proptest! {
    #[test]
    fn every_variable_is_one_that_a_shell_can_name(
        names in proptest::collection::vec("\\PC{0,6}", 0..20),
        fields in proptest::collection::vec("[a-zA-Z_.-]{1,4}", 0..20),
    ) {
        let parameters: Vec<Parameter> = names.iter().map(|name| (name.clone(), String::new())).collect();
        let fields: Vec<(&str, &[u8])> = fields.iter().map(|name| (name.as_str(), b"v".as_slice())).collect();
        let request = Request { parameters: &parameters, form: &parameters, fields: &fields, ..REQUEST };
        let env = build(&base(), &FACTS, &Happening::Request(request)).unwrap();
        let mut seen = HashSet::new();
        for (name, value) in &env {
            let name = name.to_str().unwrap();
            let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
            prop_assert!(name.bytes().all(fits) && !value.as_bytes().contains(&0));
            prop_assert!(seen.insert(name.to_owned()), "{} is there twice", name);
        }
    }
}

/// The value of a variable.
fn get<'e>(environment: &'e Environment, name: &str) -> Option<&'e OsStr> {
    environment
        .iter()
        .find(|(known, _)| known == name)
        .map(|(_, value)| value.as_os_str())
}
