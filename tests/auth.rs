//! Logins of servers: Basic and URL, against a list and against system accounts, which are made up for the
//! test by pam_wrapper and nss_wrapper.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use daemon::Daemon;

mod daemon;

/// "secret of hash" by argon2id, with little memory, for a test.
fn argon(password: &str) -> String {
    let mut child = Command::new(env!("CARGO_BIN_EXE_bellwire"))
        .arg("hash-password")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(password.as_bytes()).unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn base64(text: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(text)
}

/// The status, the head and the body of the answer to a GET.
fn get(daemon: &Daemon, path: &str, login: Option<&str>) -> (u16, String, String) {
    get_at(daemon.address(), path, login)
}

fn get_at(address: SocketAddr, path: &str, login: Option<&str>) -> (u16, String, String) {
    let field = login.map_or(String::new(), |login| {
        format!("Authorization: Basic {}\r\n", base64(login))
    });
    let mut peer = TcpStream::connect(address).expect("a connection");
    peer.set_read_timeout(Some(daemon::PATIENCE)).unwrap();
    peer.write_all(
        format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{field}\r\n")
            .as_bytes(),
    )
    .unwrap();
    let mut answer = String::new();
    peer.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    let status = head.split(' ').nth(1).and_then(|it| it.parse().ok());
    (status.expect("a status"), head.to_owned(), body.to_owned())
}

fn status(daemon: &Daemon, path: &str, login: Option<&str>) -> u16 {
    get(daemon, path, login).0
}

fn field<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    head.lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

/// Whether an upgrade succeeds; the WebSocket then echoes.
fn upgrades(daemon: &Daemon, path: &str, login: Option<&str>) -> bool {
    use tungstenite::client::IntoClientRequest;
    let mut request = format!("ws://{}{path}", daemon.address())
        .into_client_request()
        .unwrap();
    if let Some(login) = login {
        let value = format!("Basic {}", base64(login));
        request
            .headers_mut()
            .insert("Authorization", value.parse().unwrap());
    }
    match tungstenite::client(request, daemon.connect()) {
        Ok((mut socket, _)) => {
            socket.send("hello".into()).unwrap();
            assert_eq!(socket.read().unwrap().into_text().unwrap(), "hello");
            true
        }
        Err(_) => false,
    }
}

const FOLDER: &str = "[[server]]\nbind = [\"127.0.0.1:0\"]\nmessages = \"echo\"\nhttp = { serve = \"folder\", folder = \".\" }\n";

fn listed(auth: &str, users: &str, more: &str) -> Daemon {
    let config = format!("{FOLDER}[server.auth]\n{auth}\n[server.users]\nlist = [{users}]\n{more}");
    let daemon = Daemon::run(&config, 1);
    fs::create_dir(daemon.folder.path().join("sub")).unwrap();
    fs::write(daemon.folder.path().join("sub/index.html"), "the page").unwrap();
    daemon
}

#[test]
fn basic_against_a_plain_list() {
    let daemon = listed(
        "basic = true\nrealm = \"the \\\"attic\\\"\"",
        "\"alice=se=cret\"",
        "",
    );
    let (code, head, _) = get(&daemon, "/sub/", None);
    assert_eq!(code, 401);
    assert_eq!(
        field(&head, "WWW-Authenticate"),
        Some("Basic realm=\"the \\\"attic\\\"\", charset=\"UTF-8\"")
    );
    for wrong in [
        "alice:secret",
        "alice:",
        "bob:se=cret",
        ":",
        "Alice:se=cret",
    ] {
        assert_eq!(status(&daemon, "/sub/", Some(wrong)), 401, "{wrong}");
    }
    let (code, _, body) = get(&daemon, "/sub/", Some("alice:se=cret"));
    assert_eq!((code, body.as_str()), (200, "the page"));
    assert!(upgrades(&daemon, "/any", Some("alice:se=cret")));
    assert!(!upgrades(&daemon, "/any", Some("alice:wrong")));
    assert!(!upgrades(&daemon, "/any", None));
    // A URL is no way in where it is not on.
    assert_eq!(status(&daemon, "/auth/alice/se=cret/sub/", None), 401);
    let broken = daemon
        .ask(b"GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Basic ???\r\nConnection: close\r\n\r\n");
    assert!(broken.starts_with("HTTP/1.1 400 "), "{broken}");
}

#[test]
fn passwords_in_urls_are_not_passed_on() {
    let daemon = listed("url = true", "\"alice=a/b ü\", \"empty=\"", "");
    assert_eq!(status(&daemon, "/sub/", None), 403);
    assert_eq!(status(&daemon, "/auth/alice/wrong/sub/", None), 403);
    let way = "/auth/alice/a%2Fb%20%C3%BC";
    let (code, head, body) = get(&daemon, &format!("{way}/sub/"), None);
    assert_eq!((code, body.as_str()), (200, "the page"));
    assert_eq!(field(&head, "Referrer-Policy"), Some("no-referrer"));
    assert_eq!(field(&head, "Cache-Control"), Some("no-store"));
    let (code, head, _) = get(&daemon, &format!("{way}/sub?q=1"), None);
    assert_eq!(code, 301);
    assert_eq!(
        field(&head, "Location"),
        Some(format!("{way}/sub/?q=1").as_str())
    );
    let (code, head, _) = get(&daemon, &format!("{way}/none"), None);
    assert_eq!(
        (code, field(&head, "Cache-Control")),
        (404, Some("no-store"))
    );
    assert_eq!(status(&daemon, "/auth/empty//sub/", None), 200);
    assert_eq!(status(&daemon, "/auth/alice/%zz/sub/", None), 400);
    assert!(upgrades(&daemon, &format!("{way}/chat"), None));
    assert!(!upgrades(&daemon, "/auth/alice/b/chat", None));
}

#[test]
fn both_ways_at_once_and_a_file_of_users() {
    let daemon = Daemon::run_by(
        &format!(
            "{FOLDER}[server.auth]\nbasic = true\nurl = true\n[server.users]\nfile = \"users.txt\"\n"
        ),
        1,
        |binary, file| {
            let users = file.with_file_name("users.txt");
            fs::write(users, "# who may enter\n\nalice=one\nbob=two\n").unwrap();
            let mut command = Command::new(binary);
            command.args(["run", "-v", "-c"]).arg(file);
            command
        },
    );
    fs::write(daemon.folder.path().join("x.txt"), "x").unwrap();
    assert_eq!(status(&daemon, "/x.txt", Some("bob:two")), 200);
    assert_eq!(status(&daemon, "/auth/alice/one/x.txt", None), 200);
    assert_eq!(status(&daemon, "/auth/alice/two/x.txt", None), 401);
    assert_eq!(status(&daemon, "/x.txt", None), 401);
}

#[test]
fn hashed_passwords_do_not_block_the_loop() {
    let hash = argon("secret of hash");
    let daemon = listed(
        "basic = true",
        &format!("\"alice={hash}\", \"bob=plain\""),
        "",
    );
    assert_eq!(status(&daemon, "/sub/", Some("alice:secret of hash")), 200);
    // Again, now remembered; a wrong password is still wrong.
    assert_eq!(status(&daemon, "/sub/", Some("alice:secret of hash")), 200);
    assert_eq!(status(&daemon, "/sub/", Some("alice:secret of hasH")), 401);
    assert_eq!(status(&daemon, "/sub/", Some("bob:plain")), 200);
    assert_eq!(status(&daemon, "/sub/", Some("nobody:plain")), 401);
    assert!(upgrades(&daemon, "/", Some("alice:secret of hash")));
    // A body that came with the request is taken when the answer is there.
    let answer = daemon.ask(
        format!(
            "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 5\r\nAuthorization: Basic {}\r\n\r\nhello",
            base64("bob:plain")
        )
        .as_bytes(),
    );
    assert!(answer.starts_with("HTTP/1.1 405 "), "{answer}");
}

#[test]
fn ten_failures_are_the_limit_but_not_for_a_recent_login() {
    let mut daemon = listed(
        "basic = true",
        "\"alice=right\", \"bob=other\"",
        "[server.limits]\nthrottle_exempt = []\n",
    );
    assert_eq!(status(&daemon, "/sub/", Some("bob:other")), 200);
    for _ in 0..10 {
        assert_eq!(status(&daemon, "/sub/", Some("alice:wrong")), 401);
        assert_eq!(status(&daemon, "/sub/", Some("bob:wrong")), 401);
    }
    for login in ["alice:wrong", "alice:right", "bob:wrong"] {
        let (code, head, _) = get(&daemon, "/sub/", Some(login));
        assert_eq!(code, 429, "{login}");
        let wait: u32 = field(&head, "Retry-After").unwrap().parse().unwrap();
        assert!((1..=60).contains(&wait));
    }
    assert_eq!(status(&daemon, "/sub/", Some("bob:other")), 200);
    daemon.wait_for_log("too many failed logins");
    daemon.signal(libc::SIGTERM);
    daemon.wait();
    let lines = daemon.log.iter();
    let told = lines.filter(|line| line.contains("too many failed logins"));
    assert_eq!(told.count(), 2, "once for each of them: {:#?}", daemon.log);
}

/// Sends all of these at once, while the daemon sleeps, so that it sees them in one turn; their statuses.
fn statuses_of_a_burst(daemon: &Daemon, logins: &[String]) -> Vec<u16> {
    let mut peers: Vec<_> = logins.iter().map(|_| daemon.connect()).collect();
    daemon.signal(libc::SIGSTOP);
    for (peer, login) in peers.iter_mut().zip(logins) {
        let login = base64(login);
        let request = format!(
            "GET /sub/ HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic {login}\r\n\r\n"
        );
        peer.write_all(request.as_bytes()).unwrap();
    }
    daemon.signal(libc::SIGCONT);
    let status = |peer: &mut TcpStream| {
        let mut line = [0; 12];
        peer.read_exact(&mut line).unwrap();
        str::from_utf8(&line[9..]).unwrap().parse().unwrap()
    };
    peers.iter_mut().map(status).collect()
}

#[test]
fn simultaneous_attempts_count_against_the_limit() {
    let hash = argon("secret of hash");
    let daemon = listed(
        "basic = true",
        &format!("\"alice={hash}\""),
        "[server.limits]\nthrottle_exempt = []\n",
    );
    let count = |statuses: &[u16], status| statuses.iter().filter(|it| **it == status).count();
    let wrong = vec!["alice:wrong".to_owned(); 40];
    let statuses = statuses_of_a_burst(&daemon, &wrong);
    assert_eq!(
        (count(&statuses, 401), count(&statuses, 429)),
        (10, 30),
        "{statuses:?}"
    );
    let others: Vec<String> = (0..60).map(|at| format!("u{at}:wrong")).collect();
    let statuses = statuses_of_a_burst(&daemon, &others);
    assert_eq!(
        (count(&statuses, 401), count(&statuses, 429)),
        (32, 28),
        "{statuses:?}"
    );
}

#[test]
fn a_remembered_login_does_not_wait_for_others() {
    let hash = argon("secret of hash");
    let daemon = listed(
        "basic = true",
        &format!("\"alice={hash}\""),
        "[server.limits]\nthrottle_exempt = []\n",
    );
    let alice = "alice:secret of hash";
    assert_eq!(status(&daemon, "/sub/", Some(alice)), 200);
    let mut all: Vec<String> = (0..40).map(|at| format!("u{at}:wrong")).collect();
    all.push(alice.to_owned());
    let statuses = statuses_of_a_burst(&daemon, &all);
    assert_eq!(statuses.last(), Some(&200), "{statuses:?}");
    assert!(statuses.contains(&429), "{statuses:?}");
}

#[test]
fn a_login_is_good_at_its_own_server_only() {
    let server = |id: &str, user: &str, password: &str| {
        format!(
            "[[server]]\nid = \"{id}\"\nbind = [\"127.0.0.1:0\"]\n[server.auth]\nbasic = true\n\
             [server.users]\nlist = [\"{user}={}\"]\n",
            argon(password)
        )
    };
    let (a, b) = (server("a", "alice", "one"), server("b", "bob", "two"));
    let daemon = Daemon::run(&[a.clone(), b.clone()].concat(), 2);
    let address = |id: &str| -> SocketAddr {
        let listed = daemon.command(&["server", "list", "--json"]);
        let servers: serde_json::Value = serde_json::from_str(listed.done()).expect("JSON");
        let servers = servers.as_array().expect("a list");
        let found = servers.iter().find(|server| server["id"] == id);
        let binding = found.and_then(|server| server["bindings"][0].as_str());
        binding.expect("a binding").parse().expect("an address")
    };
    let code = |id: &str, login: &str| get_at(address(id), "/", Some(login)).0;
    let run = |action: &str, id: &str| {
        daemon.command(&["server", action, id]).done();
    };
    // Each login is remembered now, for hashes are slow.
    assert_eq!(code("a", "alice:one"), 200);
    assert_eq!(code("b", "bob:two"), 200);
    for order in [["a", "b"], ["b", "a"]] {
        order.iter().for_each(|id| run("stop", id));
        for (other, login) in [("b", "alice:one"), ("a", "bob:two")] {
            run("start", other);
            assert_eq!(code(other, login), 401, "{login} at {other}");
            run("stop", other);
        }
        order.iter().for_each(|id| run("start", id));
        assert_eq!(code("a", "alice:one"), 200);
        assert_eq!(code("b", "bob:two"), 200);
    }
    // The same users under other ids, and the same ids with other users.
    let renamed = [server("b", "alice", "one"), server("c", "bob", "two")].concat();
    daemon.configure(&renamed);
    daemon.command(&["reload"]).done();
    assert_eq!(code("b", "bob:two"), 401);
    assert_eq!(code("c", "alice:one"), 401);
    assert_eq!(code("b", "alice:one"), 200);
}

#[test]
fn no_output_holds_a_password() {
    let hash = argon("Hashed-Secret");
    let config = format!(
        "[daemon]\nlog = \"trace\"\n{FOLDER}[server.auth]\nbasic = true\nurl = true\n[server.users]\nlist = [\"alice=Plain-Secret\", \"bob={hash}\"]\n"
    );
    let mut daemon = Daemon::run_by(&config, 1, |binary, file| {
        let mut command = Command::new(binary);
        command.args(["run", "-v", "-v", "-c"]).arg(file);
        command
    });
    status(&daemon, "/", Some("alice:Plain-Secret"));
    status(&daemon, "/", Some("alice:Wrong-Secret"));
    status(&daemon, "/", Some("bob:Hashed-Secret"));
    status(&daemon, "/auth/alice/Plain-Secret/x", None);
    status(&daemon, "/auth/alice/Wrong-Secret/x", None);
    status(&daemon, "/auth/alice/%ff-Secret/x", None);
    upgrades(&daemon, "/auth/alice/Plain-Secret/x", None);
    daemon.ask(b"GET /auth/alice/Odd-Secret/\x01 HTTP/1.1\r\n\r\n");
    daemon.signal(libc::SIGTERM);
    daemon.wait();
    assert!(
        daemon
            .log
            .iter()
            .any(|line| line.contains("/auth/alice/***/x 404")),
        "{:#?}",
        daemon.log
    );
    for line in &daemon.log {
        assert!(
            !line.contains("Secret") && !line.contains("argon2id"),
            "{line}"
        );
    }
    let pid = daemon.pid();
    assert!(!Path::new(&format!("/proc/{pid}/cmdline")).exists());
}

// Accounts of the system.

const WRAPPERS: [&str; 2] = ["libnss_wrapper.so", "libpam_wrapper.so"];

fn modules() -> Option<PathBuf> {
    let folders = [
        "/usr/lib/x86_64-linux-gnu",
        "/usr/lib/aarch64-linux-gnu",
        "/usr/lib64",
    ];
    folders.iter().map(Path::new).find_map(|folder| {
        let there = WRAPPERS.iter().all(|it| folder.join(it).exists());
        let modules = folder.join("pam_wrapper");
        (there && modules.join("pam_matrix.so").exists()).then_some(modules)
    })
}

/// A daemon with made-up system accounts; none, and the reason is printed, where these cannot be made.
fn system(more: &str) -> Option<Daemon> {
    let Some(modules) = modules() else {
        println!("skipped: pam_wrapper and nss_wrapper are not installed");
        return None;
    };
    let config = format!(
        "{FOLDER}[server.auth]\nbasic = true\n[server.users]\nsource = \"system\"\ngroups = [\"robots\"]\n{more}"
    );
    let daemon = Daemon::run_by(&config, 1, |binary, file| {
        let folder = file.parent().unwrap();
        let at = |name: &str| folder.join(name);
        let matrix = modules.join("pam_matrix.so");
        fs::create_dir(at("services")).unwrap();
        let service = format!(
            "auth required {0} passdb={1}\naccount required {0} passdb={1}\n",
            matrix.display(),
            at("passwords").display()
        );
        fs::write(at("services/bellwire"), service).unwrap();
        fs::write(
            at("passwords"),
            "alice:secret of alice:bellwire\nbob:secret of bob:bellwire\ncarol:secret of carol:bellwire\n",
        )
        .unwrap();
        fs::write(
            at("passwd"),
            "root:x:0:0::/:/bin/false\nalice:x:10001:20001::/:/bin/false\nbob:x:10002:20002::/:/bin/false\ncarol:x:10003:20002::/:/bin/false\n",
        )
        .unwrap();
        fs::write(
            at("group"),
            "root:x:0:\nrobots:x:20001:bob\nothers:x:20002:\n",
        )
        .unwrap();
        let mut command = Command::new(binary);
        command
            .args(["run", "-v", "-c"])
            .arg(file)
            .env("LD_PRELOAD", WRAPPERS.join(" "))
            .env("PAM_WRAPPER", "1")
            .env("PAM_WRAPPER_SERVICE_DIR", at("services"))
            .env("NSS_WRAPPER_PASSWD", at("passwd"))
            .env("NSS_WRAPPER_GROUP", at("group"));
        command
    });
    fs::write(daemon.folder.path().join("x.txt"), "x").unwrap();
    Some(daemon)
}

#[test]
fn system_accounts_need_a_password_and_a_group() {
    let Some(daemon) = system("") else { return };
    for (login, expected) in [
        ("alice:secret of alice", 200),
        ("bob:secret of bob", 200),
        ("carol:secret of carol", 401),
        ("alice:wrong", 401),
        ("dave:secret of alice", 401),
    ] {
        assert_eq!(status(&daemon, "/x.txt", Some(login)), expected, "{login}");
    }
    assert!(upgrades(&daemon, "/", Some("bob:secret of bob")));
    assert!(!upgrades(&daemon, "/", Some("carol:secret of carol")));
}

/// The status of the answer to a request on a connection that stays open.
fn status_on(peer: &mut TcpStream, login: &str) -> u16 {
    let login = base64(login);
    let request =
        format!("HEAD /x.txt HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic {login}\r\n\r\n");
    peer.write_all(request.as_bytes()).unwrap();
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        peer.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap();
    head.split(' ').nth(1).unwrap().parse().unwrap()
}

#[test]
fn a_changed_password_or_group_of_the_system_holds_for_every_new_connection() {
    let Some(daemon) = system("") else { return };
    let (alice, bob) = ("alice:secret of alice", "bob:secret of bob");
    let mut open = [alice, bob].map(|login| (daemon.connect(), login));
    for (peer, login) in &mut open {
        assert_eq!(status_on(peer, login), 200);
    }
    let folder = daemon.folder.path();
    fs::write(
        folder.join("passwords"),
        "alice:other:bellwire\nbob:secret of bob:bellwire\n",
    )
    .unwrap();
    fs::write(folder.join("group"), "root:x:0:\nrobots:x:20001:\n").unwrap();
    for login in [alice, bob] {
        assert_eq!(status(&daemon, "/x.txt", Some(login)), 401, "{login}");
    }
    assert_eq!(status(&daemon, "/x.txt", Some("alice:other")), 200);
    // Those that were open go on for a while, without asking PAM for each of their requests.
    for (peer, login) in &mut open {
        assert_eq!(status_on(peer, login), 200);
    }
}

/// A WebSocket of a user.
fn open(daemon: &Daemon, login: &str) -> tungstenite::WebSocket<TcpStream> {
    let value = format!("Basic {}", base64(login));
    let opened = daemon.open_with(&[("Authorization", &value)]);
    opened.expect("an open WebSocket")
}

/// Whether the next message of a WebSocket is the echo of what it sends; else it is the Close frame with 1008.
fn is_kept(socket: &mut tungstenite::WebSocket<TcpStream>) -> bool {
    // It may be closed already.
    let _ = socket.send(tungstenite::Message::text("still here"));
    match socket.read().expect("a message") {
        tungstenite::Message::Text(_) => true,
        tungstenite::Message::Close(frame) => {
            assert_eq!(u16::from(frame.expect("a code").code), 1008);
            false
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_reload_closes_connections_of_users_whose_password_changed_or_who_are_gone() {
    let users = "\"alice=one\", \"bob=two\", \"carol=three\"";
    let daemon = listed("basic = true", users, "");
    let logins = ["alice:one", "bob:two", "carol:three"];
    let mut sockets = logins.map(|login| open(&daemon, login));
    let file = daemon.folder.path().join("bellwire.toml");
    let config = fs::read_to_string(&file).unwrap();
    let config = config.replace(users, "\"alice=other\", \"bob=two\"");
    fs::write(&file, config).unwrap();
    daemon.command(&["reload"]).done();
    assert_eq!(
        sockets.each_mut().map(is_kept),
        [false, true, false],
        "the password of alice changed, and carol is gone"
    );
}

#[test]
fn a_reload_closes_connections_of_system_users_who_are_in_none_of_the_groups() {
    let Some(daemon) = system("") else { return };
    let logins = ["alice:secret of alice", "bob:secret of bob"];
    let mut sockets = logins.map(|login| open(&daemon, login));
    let file = daemon.folder.path().join("bellwire.toml");
    let config = fs::read_to_string(&file).unwrap();
    fs::write(&file, config.replace("[\"robots\"]", "[\"others\"]")).unwrap();
    daemon.command(&["reload"]).done();
    assert_eq!(
        sockets.each_mut().map(is_kept),
        [false, true],
        "bob is in the other group, too"
    );
}

#[test]
fn a_hundred_attempts_do_not_delay_an_echo() {
    let Some(mut daemon) = system("") else { return };
    // A second, anonymous server would need another port; a connection that is already open serves as well.
    let mut echo = {
        use tungstenite::client::IntoClientRequest;
        let mut request = format!("ws://{}/", daemon.address())
            .into_client_request()
            .unwrap();
        let value = format!("Basic {}", base64("alice:secret of alice"));
        request
            .headers_mut()
            .insert("Authorization", value.parse().unwrap());
        tungstenite::client(request, daemon.connect()).unwrap().0
    };
    let done = AtomicBool::new(false);
    let address = daemon.address();
    let (echoes, statuses) = std::thread::scope(|scope| {
        let echoes = scope.spawn(|| {
            let mut count = 0_u32;
            while !done.load(Ordering::SeqCst) {
                echo.send("x".into()).unwrap();
                echo.read().unwrap();
                count += 1;
            }
            count
        });
        let attempts: Vec<_> = (0..100)
            .map(|_| scope.spawn(move || get_at(address, "/x.txt", Some("alice:wrong")).0))
            .collect();
        let statuses: Vec<u16> = attempts.into_iter().map(|it| it.join().unwrap()).collect();
        done.store(true, Ordering::SeqCst);
        (echoes.join().unwrap(), statuses)
    });
    assert!(
        statuses.iter().all(|it| matches!(it, 401 | 503)),
        "{statuses:?}"
    );
    assert!(statuses.contains(&401));
    // Refusing one attempt takes a second; an echo that waited for each would have had few turns.
    assert!(echoes > 500, "{echoes} echoes");
    daemon.signal(libc::SIGTERM);
    daemon.wait();
}

#[test]
fn without_its_helper_every_login_is_refused_at_once() {
    let Some(mut daemon) = system("") else { return };
    let mut open = daemon.connect();
    assert_eq!(status_on(&mut open, "alice:secret of alice"), 200);
    let pid = daemon.pid();
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
    let helper: i32 = children.split_whitespace().next().unwrap().parse().unwrap();
    // SAFETY: the helper is a child of the daemon, which has not waited for it.
    assert_eq!(unsafe { libc::kill(helper, libc::SIGKILL) }, 0);
    daemon.wait_for_log("the helper has ended");
    let (code, head, _) = get(&daemon, "/x.txt", Some("bob:secret of bob"));
    assert_eq!(code, 503);
    assert_eq!(field(&head, "Retry-After"), Some("10"));
    // Who was let in a moment ago is remembered on that connection.
    assert_eq!(status_on(&mut open, "alice:secret of alice"), 200);
    let mut peer = daemon.connect();
    peer.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    peer.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
}
