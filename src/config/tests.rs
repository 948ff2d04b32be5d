//! Whole files: the defaults of the contract, every key, and what is read beside the file.

mod access;
mod clients;
mod faults;
mod triggers;

use std::net::IpAddr;

use super::*;
use crate::conn::deadline::Millis;
use crate::conn::{Conf, SlowPeer};

fn read(text: &str) -> Config {
    match parse(text, Path::new("f.toml")) {
        Ok(config) => config,
        Err(faults) => panic!("{text}\n{}", lines(&faults)),
    }
}

/// Reads a file that the system finds nothing wrong with.
fn load(path: &Path) -> Result<Config, Vec<Fault>> {
    let bytes = std::fs::read(path).expect("a file");
    read_with(&bytes, path, &open_file, |_, _, _| Findings::default())
}

fn lines(faults: &[Fault]) -> String {
    let lines: Vec<String> = faults.iter().map(|fault| format!("{fault}\n")).collect();
    lines.concat()
}

#[test]
fn every_default_of_a_server() {
    let config = read("[[server]]\nbind = [\"127.0.0.1:8080\"]\n");
    let [server] = config.servers.as_slice() else {
        panic!("one server");
    };
    assert_eq!(server.id.as_str(), "WS_SERVER_1");
    assert_eq!(server.name, "WS_SERVER_1");
    assert!(server.active);
    assert_eq!(server.messages, Messages::None);
    assert!(server.subprotocols.is_empty());
    assert_eq!(server.origins, Origins::Own);
    assert_eq!(server.http.serve, Serve::Empty);
    assert_eq!(server.http.cache_control, "no-cache");
    assert_eq!((&server.auth, &server.users), (&Auth::Anonymous, &None));
    let limits = &server.limits;
    assert_eq!(limits.max_connections, 1024);
    let connection = Conf {
        max_message: 1 << 20,
        max_backlog: 4 << 20,
        slow_peer: SlowPeer::Close,
        head_timeout: Millis::seconds(10),
        idle_timeout: Millis::seconds(60),
        ping_interval: Millis::seconds(30),
        pong_timeout: Millis::seconds(20),
        max_body: 1 << 20,
    };
    assert_eq!(limits.connection, connection);
    let exempt = |address: &str| {
        let address: IpAddr = address.parse().expect(address);
        limits
            .throttle_exempt
            .iter()
            .any(|network| network.contains(address))
    };
    assert!(exempt("127.1.2.3") && exempt("::1"));
    assert!(!exempt("10.0.0.1") && !exempt("::2"));
}

#[test]
fn every_default_of_the_daemon() {
    let Daemon {
        socket,
        user,
        group,
        log,
        max_connections,
        max_memory,
    } = read("").daemon;
    assert_eq!((socket, user, group), (None, None, None));
    assert_eq!(log, LogLevel::Info);
    assert_eq!(max_connections, 4096);
    assert_eq!(max_memory, 64 << 20);
}

#[test]
fn every_key_is_read() {
    let config = read(
        r#"
        [daemon]
        socket = "run/control.sock"
        user = "me"
        group = "us"
        log = "debug"
        max_connections = 10
        max_memory = "2MiB"

        [[server]]
        id = "front"
        name = "Front door"
        active = false
        bind = ["0.0.0.0:80", "[::1]:0", "unix:front.sock"]
        messages = "broadcast"
        subprotocols = ["chat.v1", "chat.v2"]
        origins = ["HTTPS://Example.org:443"]
        http = { serve = "empty", cache_control = "max-age=60", listing = false, dotfiles = false, default_document = "i.html" }
        auth = { anonymous = true, basic = false, url = false, realm = "bellwire" }

        [server.limits]
        max_connections = 5
        max_message = 1000
        max_backlog = "2kB"
        slow_peer = "drop"
        head_timeout = "500ms"
        idle_timeout = "1min"
        ping_interval = "0s"
        pong_timeout = "1h"
        max_body = 0
        compression = false
        throttle_exempt = []
        "#,
    );
    assert_eq!(
        config.daemon.socket.as_deref(),
        Some(Path::new("run/control.sock"))
    );
    assert_eq!(
        config.daemon.user.map(|user| user.value).as_deref(),
        Some("me")
    );
    assert_eq!(
        config.daemon.group.map(|group| group.value).as_deref(),
        Some("us")
    );
    assert_eq!(config.daemon.log, LogLevel::Debug);
    assert_eq!(config.daemon.max_connections, 10);
    assert_eq!(config.daemon.max_memory, 2 << 20);
    let server = &config.servers[0];
    assert_eq!(
        (server.id.as_str(), server.name.as_str()),
        ("front", "Front door")
    );
    assert!(!server.active);
    let bind: Vec<String> = server
        .bind
        .iter()
        .map(|bind| bind.address.to_string())
        .collect();
    assert_eq!(bind, ["0.0.0.0:80", "[::1]:0", "unix:front.sock"]);
    assert_eq!(
        server.bind[1].place,
        Some(Place {
            line: 14,
            column: 31
        })
    );
    assert_eq!(server.messages, Messages::Broadcast);
    assert_eq!(server.subprotocols, ["chat.v1", "chat.v2"]);
    assert_eq!(
        server.origins,
        Origins::Listed(vec!["https://example.org".to_owned()])
    );
    assert_eq!(server.http.cache_control, "max-age=60");
    let expected = Limits {
        max_connections: 5,
        connection: Conf {
            max_message: 1000,
            max_backlog: 2000,
            slow_peer: SlowPeer::Drop,
            head_timeout: Millis::new(500),
            idle_timeout: Millis::seconds(60),
            ping_interval: Millis::ZERO,
            pong_timeout: Millis::seconds(3600),
            max_body: 0,
        },
        throttle_exempt: Vec::new(),
    };
    assert_eq!(server.limits, expected);
}

#[test]
fn origins_may_be_all() {
    for origins in ["\"*\"", "[\"*\"]", "[\"https://a\", \"*\"]"] {
        let config = read(&format!(
            "[[server]]\nbind = [\"[::1]:80\"]\norigins = {origins}\n"
        ));
        assert_eq!(config.servers[0].origins, Origins::Any);
    }
    assert_eq!(
        read("[[server]]\nbind = [\"[::1]:80\"]\norigins = []\n").servers[0].origins,
        Origins::Own
    );
}

#[test]
fn a_page_is_read_beside_the_file() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("hello.html"), "<p>hello").expect("a page");
    let file = folder.path().join("bellwire.toml");
    let text =
        "[[server]]\nbind = [\"unix:s\"]\nhttp = { serve = \"page\", page = \"hello.html\" }\n";
    std::fs::write(&file, text).expect("a file");
    let config = load(&file).expect("no faults");
    let page = Page {
        content: b"<p>hello".as_slice().into(),
        content_type: "text/html; charset=utf-8".to_owned(),
    };
    assert_eq!(config.servers[0].http.serve, Serve::Page(page));
    assert_eq!(
        config.servers[0].bind[0].address,
        Address::Unix(folder.path().join("s"))
    );
}

#[test]
fn the_built_in_default_is_what_its_file_would_say() {
    let config = built_in();
    let mut same = read("[[server]]\nbind = [\"127.0.0.1:8080\"]\nmessages = \"echo\"\n");
    let server = &config.servers[0];
    same.servers[0].http.serve = server.http.serve.clone();
    assert_eq!(
        (&config.servers, &config.daemon),
        (&same.servers, &same.daemon)
    );
    let Serve::Page(page) = &server.http.serve else {
        panic!("a page");
    };
    assert_eq!(page.content_type, "text/html; charset=utf-8");
    assert!(String::from_utf8_lossy(&page.content).contains("WebSocket("));
}

#[test]
fn warnings_do_not_stop_anything() {
    let page = "[[server]]\nbind = [\"[::1]:1\"]\nhttp.page = \"no/such.html\"\n";
    assert_eq!(
        lines(&read(page).warnings),
        "f.toml:3:13: page: not served, for serve is \"empty\"\n"
    );
    assert_eq!(
        lines(&read("").warnings),
        "f.toml:1:1: there is no [[server]] and no [[client]], so the daemon would do nothing\n"
    );
}

#[test]
fn a_file_that_is_no_text() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("f.toml");
    let shown = |faults: Vec<Fault>| lines(&faults).replace(&file.display().to_string(), "f.toml");
    std::fs::write(&file, b"# \xc3\xa9\n# \xc3\xa9\xff\n").expect("a file");
    assert_eq!(
        shown(load(&file).expect_err("no text")),
        "f.toml:2:4: a byte that is not UTF-8; allowed: text in UTF-8\n"
    );
}
