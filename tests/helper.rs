//! The helper as the daemon runs it: the built binary over a socket, with PAM and the user database of pam_wrapper and
//! nss_wrapper in place of the system's.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use bellwire::proto::helper::{Answer, Ask};
use libc::pid_t;
use zeroize::Zeroizing;

use rig::{Helper, auth, auth_at, auth_from, children, eventually, folder, granted, leave, lives};

#[path = "helper/rig.rs"]
mod rig;

/// Asks all at once; the answers in the order of the questions.
fn answers(helper: &mut Helper, asks: impl IntoIterator<Item = Ask>) -> Vec<Answer> {
    let ids: Vec<u32> = asks.into_iter().map(|ask| helper.ask(ask)).collect();
    let mut heard: BTreeMap<u32, Answer> = BTreeMap::new();
    while heard.len() < ids.len() {
        let (reply, _) = helper.hear().expect("the helper lives");
        heard.insert(reply.id, reply.answer);
    }
    ids.iter().map(|id| heard[id].clone()).collect()
}

#[test]
fn right_password_and_group_by_primary_and_by_supplementary_membership() {
    let Some(_leave) = leave() else { return };
    let mut helper = Helper::run(&[]);
    for (user, ask) in [
        ("alice", auth("alice", "secret of alice")),
        ("bob", auth("bob", "secret of bob")),
        ("carol", auth_at("third", "carol", "secret of carol")),
        ("alice", auth_at("several", "alice", "secret of alice")),
    ] {
        assert_eq!(helper.answer(ask).0, granted(user), "{}", helper.log());
        eventually("no child", || helper.children().is_empty());
    }
}

#[test]
fn all_other_logins_are_refused_alike_and_after_the_same_time() {
    let Some(_leave) = leave() else { return };
    let mut helper = Helper::run(&[]);
    let asks = [
        ("wrong password", auth("alice", "secret of bob")),
        ("empty password", auth("alice", "")),
        ("NUL in it", auth("alice", "secret of alice\0")),
        ("unknown user", auth("mallory", "secret of alice")),
        ("no name", auth("", "secret of alice")),
        ("NUL in the name", auth("alice\0", "secret of alice")),
        ("no account", auth("nobody-here", "secret")),
        ("wrong service", auth("elsewhere", "secret")),
        ("wrong group", auth("carol", "secret of carol")),
        (
            "no such group",
            auth_at("nowhere", "alice", "secret of alice"),
        ),
        ("expired", auth_at("expired", "alice", "secret of alice")),
        ("outdated", auth_at("outdated", "alice", "secret of alice")),
        (
            "echo-on prompt",
            auth_at("echo", "alice", "secret of alice"),
        ),
        (
            "broken service",
            auth_at("broken", "alice", "secret of alice"),
        ),
    ];
    // While one refusal waits for its time the next attempt is made.
    let mut asked = BTreeMap::new();
    for (what, ask) in asks {
        let now = Instant::now();
        asked.insert(helper.ask(ask), (what, now));
        eventually("the end of the attempt", || {
            helper.log().matches("PAM: 192.0.2.7: ").count() == asked.len()
                && helper.children().is_empty()
        });
    }
    while !asked.is_empty() {
        let (reply, _) = helper.hear().expect("the helper lives");
        let (what, since) = asked.remove(&reply.id).expect("one that was asked");
        assert_eq!(reply.answer, Answer::Refused, "{what}");
        let took = since.elapsed();
        let expected = Duration::from_secs(1)..Duration::from_millis(1900);
        assert!(expected.contains(&took), "{what} took {took:?}");
    }
    for password in ["secret of alice", "secret of bob", "secret of carol"] {
        assert!(!helper.log().contains(password), "{}", helper.log());
    }
}

#[test]
fn accounts_as_unix_has_them() {
    let Some(_leave) = leave() else { return };
    let mut helper = Helper::run(&[]);
    let by_unix = |user: &str, password: &str| auth_at("unix", user, password);
    let right = "secret of dora";
    let dora = helper.answer(by_unix("dora", right)).0;
    assert_eq!(dora, granted("dora"), "{}", helper.log());
    for (user, password) in [("dora", "wrong"), ("locked", right), ("mallory", right)] {
        let asked = Instant::now();
        let told = helper.answer(by_unix(user, password)).0;
        let took = asked.elapsed();
        assert_eq!(told, Answer::Refused, "{user}: {}", helper.log());
        // PAM would take another two seconds for some of them, were it let.
        let expected = Duration::from_secs(1)..Duration::from_millis(1900);
        assert!(expected.contains(&took), "{user} took {took:?}");
    }
    assert!(!helper.log().contains(right), "{}", helper.log());
}

#[test]
fn a_service_without_a_file_never_falls_through_to_other() {
    let Some(_leave) = leave() else { return };
    let mut helper = Helper::run(&[]);
    // "other" would let everybody in.
    let by = |service: &str| auth_at(service, "alice", "whatever");
    let by_other = helper.answer(by("other")).0;
    assert_eq!(by_other, granted("alice"), "{}", helper.log());
    assert_eq!(helper.answer(by("missing")).0, Answer::Unavailable);
    assert!(helper.log().contains("there is no PAM service \"missing\""));
    // It is looked for at each attempt.
    fs::copy(
        helper.path("services/other"),
        helper.path("services/missing"),
    )
    .expect("a service");
    assert_eq!(helper.answer(by("missing")).0, granted("alice"));
}

#[test]
fn who_may_enter_is_what_the_configuration_says_and_not_what_the_daemon_asks() {
    let Some(_leave) = leave() else { return };
    let mut helper = Helper::run(&[]);
    // There is a service of this name, but no server.
    let services = helper.path("services");
    fs::copy(services.join("other"), services.join("unnamed")).expect("a service");
    let ask = auth_at("unnamed", "alice", "whatever");
    assert_eq!(helper.answer(ask).0, Answer::Unavailable);
    assert!(helper.log().contains("no server \"unnamed\""));
    // The daemon cannot name a group of its choice: carol is in none of those of this server, until a reload changes them.
    let carol = || auth("carol", "secret of carol");
    assert_eq!(helper.answer(carol()).0, Answer::Refused);
    let changed = rig::with_users_by("Bellwire", "bellwire", "\"third\"");
    fs::write(helper.path("bellwire.toml"), changed).expect("a configuration");
    assert_eq!(helper.answer(carol()).0, Answer::Refused);
    helper.answer(Ask::Reload);
    assert_eq!(
        helper.answer(carol()).0,
        granted("carol"),
        "{}",
        helper.log()
    );
    let alice = auth("alice", "secret of alice");
    assert_eq!(helper.answer(alice).0, Answer::Refused);
}

#[test]
fn guesses_are_few_whatever_addresses_the_daemon_tells() {
    let Some(_leave) = leave() else { return };
    let mut helper = Helper::run(&[]);
    let guess = |address: &str| auth_from(address, "bellwire", "alice", "wrong");
    let right = |address: &str| auth_from(address, "bellwire", "alice", "secret of alice");
    // From one address as the daemon counts them, too.
    let told = answers(&mut helper, (0..20).map(|_| guess("192.0.2.7")));
    let checked = |told: &[Answer]| told.iter().filter(|&it| *it == Answer::Refused).count();
    // Those that were under way when the tenth failed are checked as well.
    assert!((10..=13).contains(&checked(&told)), "{told:?}");
    assert_eq!(helper.answer(right("192.0.2.7")).0, Answer::Unavailable);
    assert_eq!(helper.answer(right("192.0.2.8")).0, granted("alice"));
    // From ever other addresses, also ones that are exempt.
    let mut all = checked(&told);
    for round in 0..4 {
        let from = (0..40).map(|at| format!("127.{round}.{at}.1"));
        let told = answers(&mut helper, from.map(|address| guess(&address)));
        all += checked(&told);
    }
    assert!((100..=103).contains(&all), "{all}");
    assert_eq!(helper.answer(right("127.0.0.1")).0, Answer::Unavailable);
    assert!(
        helper
            .log()
            .contains("too many failed logins as \"alice\" from everywhere")
    );
    let bob = auth_from("127.0.0.1", "bellwire", "bob", "secret of bob");
    assert_eq!(helper.answer(bob).0, granted("bob"));
}

#[test]
fn groups_and_users_are_looked_up_at_each_attempt() {
    let Some(_leave) = leave() else { return };
    let mut helper = Helper::run(&[]);
    let carol = || auth("carol", "secret of carol");
    assert_eq!(helper.answer(carol()).0, Answer::Refused);
    fs::write(helper.path("group"), "robots:x:20001:carol\n").expect("groups");
    let told = helper.answer(carol()).0;
    assert_eq!(told, granted("carol"), "{}", helper.log());
}

#[test]
fn modules_learn_the_peer_and_find_nothing_of_the_helper() {
    let Some(_leave) = leave() else { return };
    let mut helper = Helper::run(&[]);
    let ask = auth_at("seen", "bob", "");
    assert_eq!(helper.answer(ask).0, granted("bob"), "{}", helper.log());
    let seen = |name: &str| fs::read_to_string(helper.path(name)).expect("what was seen");
    assert_eq!(seen("seen"), "bob 192.0.2.7 seen\n");
    // The standard ones, and the one that ls reads the folder by.
    assert_eq!(seen("seen.fds"), "0\n1\n2\n3\n");
}

#[test]
fn messages_of_modules_do_no_harm() {
    let Some(_leave) = leave() else { return };
    let mut helper = Helper::run(&[]);
    let ask = auth_at("chatty", "alice", "x");
    assert_eq!(helper.answer(ask).0, granted("alice"), "{}", helper.log());
}

fn hung() -> Ask {
    auth_at("hung", "alice", "secret of alice")
}

/// Waits for a hanging attempt other than the known ones; gives its process, and the one that it waits for.
fn wait_for_sleep(helper: &Helper, known: &[(pid_t, pid_t)]) -> (pid_t, pid_t) {
    let mut found = None;
    eventually("an attempt that hangs", || {
        let attempts = helper.children().into_iter();
        let mut others = attempts.filter(|pid| known.iter().all(|(attempt, _)| attempt != pid));
        found = others.find_map(|attempt| Some((attempt, *children(attempt).first()?)));
        found.is_some()
    });
    found.expect("an attempt")
}

#[test]
fn a_hung_module_is_ended_and_does_not_block_others() {
    let Some(_leave) = leave() else { return };
    let mut helper = Helper::run(&["--attempt-limit-ms", "1500"]);
    let asked = Instant::now();
    let hung = helper.ask(hung());
    let (attempt, sleep) = wait_for_sleep(&helper, &[]);
    let alice = helper.ask(auth("alice", "secret of alice"));
    let (first, _) = helper.hear().expect("the helper lives");
    assert_eq!((first.id, first.answer), (alice, granted("alice")));
    let (second, _) = helper.hear().expect("the helper lives");
    assert_eq!((second.id, second.answer), (hung, Answer::Unavailable));
    assert!(asked.elapsed() >= Duration::from_millis(1500));
    eventually("the end of the attempt and what it started", || {
        !lives(attempt) && !lives(sleep)
    });
}

#[test]
fn a_crashed_attempt_is_unavailable_and_the_next_one_works() {
    let Some(_leave) = leave() else { return };
    let mut helper = Helper::run(&[]);
    let crash = auth_at("crash", "alice", "secret of alice");
    assert_eq!(helper.answer(crash).0, Answer::Unavailable);
    let alice = auth("alice", "secret of alice");
    assert_eq!(helper.answer(alice).0, granted("alice"));
    eventually("no child", || helper.children().is_empty());
}

#[test]
fn of_a_hundred_attempts_four_run_and_sixty_four_wait() {
    let Some(_leave) = leave() else { return };
    let mut helper = Helper::run(&[]);
    let mut running = Vec::new();
    for _ in 0..4 {
        helper.ask(hung());
        running.push(wait_for_sleep(&helper, &running));
    }
    let ids: Vec<u32> = (4..100).map(|_| helper.ask(hung())).collect();
    // The last ones, for which there is no room, are refused at once.
    for id in &ids[64..] {
        let (reply, _) = helper.hear().expect("the helper lives");
        assert_eq!((reply.id, reply.answer), (*id, Answer::Unavailable));
    }
    assert_eq!(helper.children().len(), 4);
    // The daemon ends, and with it the helper, its children and their children.
    helper.close();
    assert_eq!(helper.wait().code(), Some(0), "{}", helper.log());
    eventually("the end of all children", || {
        !running
            .iter()
            .any(|&(attempt, sleep)| lives(attempt) || lives(sleep))
    });
}

#[test]
fn a_hundred_right_logins_succeed_as_far_as_there_is_room() {
    let Some(_leave) = leave() else { return };
    let mut helper = Helper::run(&[]);
    let asks = (0..100).map(|_| auth("alice", "secret of alice"));
    let told = answers(&mut helper, asks);
    let let_in = told.iter().filter(|&one| *one == granted("alice")).count();
    let turned_away = told.iter().filter(|&one| *one == Answer::Unavailable);
    assert_eq!(let_in + turned_away.count(), 100);
    // Four and sixty-four, less those that pam_wrapper cannot start at the same time as others.
    assert!(let_in >= 34, "{let_in} in {}", helper.log());
}

#[test]
fn a_helper_that_is_killed_takes_its_children_along() {
    let Some(_leave) = leave() else { return };
    let mut helper = Helper::run(&[]);
    helper.ask(hung());
    let mut attempts = Vec::new();
    eventually("an attempt", || {
        attempts = helper.children();
        !attempts.is_empty()
    });
    // SAFETY: kill takes no pointers, and the helper was not waited for.
    assert_eq!(unsafe { libc::kill(helper.pid(), libc::SIGKILL) }, 0);
    assert!(helper.hear().is_none());
    eventually("the end of its children", || {
        !attempts.iter().any(|&pid| lives(pid))
    });
}

#[test]
fn signals_to_the_foreground_leave_it_alone() {
    let Some(_leave) = leave() else { return };
    let mut helper = Helper::run(&[]);
    // Once it has answered, it has begun.
    let begun = helper.answer(Ask::Reload).0;
    assert_eq!(begun, Answer::Reloaded { accepted: true });
    for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP] {
        // SAFETY: kill takes no pointers, and the helper was not waited for.
        assert_eq!(unsafe { libc::kill(helper.pid(), signal) }, 0);
    }
    let alice = auth("alice", "secret of alice");
    assert_eq!(helper.answer(alice).0, granted("alice"));
    helper.close();
    assert_eq!(helper.wait().code(), Some(0));
}

#[test]
fn a_malformed_request_ends_the_helper() {
    let Some(_leave) = leave() else { return };
    let mut helper = Helper::run(&[]);
    helper.send(b"nonsense");
    assert!(helper.hear().is_none());
    assert_eq!(helper.wait().code(), Some(1));
    assert!(helper.log().contains("unknown tag 110"), "{}", helper.log());
}

#[test]
fn the_helper_cannot_be_started_by_hand() {
    let ran = Command::new(env!("CARGO_BIN_EXE_bellwire"))
        .arg("helper")
        .stdin(Stdio::null())
        .output()
        .expect("the binary runs");
    assert_eq!(ran.status.code(), Some(2));
    let told = String::from_utf8_lossy(&ran.stderr);
    assert!(told.contains("run by the daemon and not by hand"), "{told}");
}

#[test]
fn hashes_are_checked_in_a_child() {
    let Some(_leave) = leave() else { return };
    let mut helper = Helper::run(&[]);
    let ask = |secret: &str, password: &str| Ask::Hash {
        secret: Zeroizing::new(secret.as_bytes().to_vec()),
        password: Zeroizing::new(password.as_bytes().to_vec()),
    };
    let hash = argon2id();
    let right = helper.answer(ask(&hash, "secret of dora")).0;
    assert_eq!(right, Answer::Hash(true), "{}", helper.log());
    let wrong = helper.answer(ask(&hash, "secret of bob")).0;
    assert_eq!(wrong, Answer::Hash(false));
    let no_hash = helper.answer(ask("$no$such$hash", "secret")).0;
    assert_eq!(no_hash, Answer::Unavailable);
}

/// A hash as the command prints it.
fn argon2id() -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bellwire"))
        .arg("hash-password")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    let mut stdin = command.stdin.take().expect("its input");
    stdin.write_all(b"secret of dora\n").expect("it reads");
    drop(stdin);
    let ran = command.wait_with_output().expect("its output");
    let hash = String::from_utf8(ran.stdout).expect("text");
    hash.trim().to_owned()
}

fn text(descriptor: Option<OwnedFd>) -> String {
    let mut text = String::new();
    let mut file = File::from(descriptor.expect("a descriptor"));
    file.read_to_string(&mut text).expect("text");
    text
}

fn failure(answer: (Answer, Option<OwnedFd>)) -> String {
    match answer {
        (Answer::Failed(why), None) => why,
        other => panic!("{other:?}"),
    }
}

/// A free address; another process may take it before it is used, which is unlikely.
fn free_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("its address").to_string()
}

#[test]
fn only_files_and_addresses_of_the_configuration_are_granted() {
    let Some(_leave) = leave() else { return };
    let folder = folder();
    let (one, two) = (free_address(), free_address());
    let config = |address: &str, key: &str| {
        format!(
            "[[server]]\nbind = [\"{address}\", \"unix:front.sock\"]\n\
             [server.tls]\ncertificate = \"chain.pem\"\nprivate_key = \"{key}\"\n"
        )
    };
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).expect(name);
    write("bellwire.toml", &config(&one, "key.pem"));
    write("key.pem", "first key");
    write("new.pem", "second key");
    let mut helper = Helper::run_in(folder, &[]);
    let open = |helper: &mut Helper, name: &str| {
        let path = helper.path(name);
        helper.answer(Ask::Open { path })
    };
    let bind = |helper: &mut Helper, address: &str| {
        let address = address.to_owned();
        helper.answer(Ask::Bind { address })
    };

    assert_eq!(text(open(&mut helper, "key.pem").1), "first key");
    assert!(failure(open(&mut helper, "new.pem")).contains("does not name it"));
    assert!(failure(open(&mut helper, "chain.pem")).contains("No such file"));
    assert!(failure(bind(&mut helper, &two)).contains("does not name it"));
    let (answer, listener) = bind(&mut helper, &one);
    assert_eq!(answer, Answer::Descriptor);
    let listener = TcpListener::from(listener.expect("a listener"));
    assert_eq!(listener.local_addr().expect("an address").to_string(), one);
    assert!(failure(bind(&mut helper, &one)).contains("in use"));
    let path = helper.path("front.sock");
    let (answer, _listener) = bind(&mut helper, &format!("unix:{}", path.display()));
    assert_eq!(answer, Answer::Descriptor);
    assert!(std::os::unix::net::UnixStream::connect(&path).is_ok());

    // A faulty file is handed over, so that its faults can be reported, and changes nothing.
    fs::write(helper.path("bellwire.toml"), "[[server]]\n").expect("a file");
    let (answer, descriptor) = helper.answer(Ask::Reload);
    assert_eq!(answer, Answer::Reloaded { accepted: false });
    assert_eq!(text(descriptor), "[[server]]\n");
    assert_eq!(text(open(&mut helper, "key.pem").1), "first key");

    let changed = config(&two, "new.pem");
    fs::write(helper.path("bellwire.toml"), &changed).expect("a file");
    let (answer, descriptor) = helper.answer(Ask::Reload);
    assert_eq!(answer, Answer::Reloaded { accepted: true });
    assert_eq!(text(descriptor), changed);
    assert_eq!(text(open(&mut helper, "new.pem").1), "second key");
    // The daemon may not have taken the new one on.
    assert_eq!(text(open(&mut helper, "key.pem").1), "first key");
    assert_eq!(bind(&mut helper, &two).0, Answer::Descriptor);

    fs::remove_file(helper.path("bellwire.toml")).expect("no file");
    assert!(failure(helper.answer(Ask::Reload)).contains("No such file"));
    assert_eq!(text(open(&mut helper, "new.pem").1), "second key");
}

fn is_root() -> bool {
    // SAFETY: geteuid takes nothing and cannot fail.
    unsafe { libc::geteuid() == 0 }
}

#[test]
fn a_unix_socket_of_root_belongs_to_the_user_of_the_daemon() {
    let Some(_leave) = leave() else { return };
    if !is_root() {
        println!("skipped: only root can give something away");
        return;
    }
    let folder = folder();
    let config = "[daemon]\nuser = \"alice\"\ngroup = \"others\"\n[[server]]\nbind = [\"unix:front.sock\"]\n";
    fs::write(folder.path().join("bellwire.toml"), config).expect("a file");
    let mut helper = Helper::run_in(folder, &[]);
    let path = helper.path("front.sock");
    let address = format!("unix:{}", path.display());
    let (answer, _listener) = helper.answer(Ask::Bind { address });
    assert_eq!(answer, Answer::Descriptor);
    let owner = fs::symlink_metadata(&path).expect("the socket");
    assert_eq!((owner.uid(), owner.gid()), (10001, 20002));
}

#[test]
fn a_hash_is_checked_without_rights_files_or_much_time() {
    let Some(_leave) = leave() else { return };
    let mut helper = Helper::run(&["--attempt-limit-ms", "9000"]);
    // The costliest that a list may have: there is time to look.
    let secret = format!(
        "$argon2id$v=19$m=262144,t=16,p=1$c29tZXNhbHRzYWx0${}",
        "A".repeat(43)
    );
    helper.ask(Ask::Hash {
        secret: Zeroizing::new(secret.into_bytes()),
        password: Zeroizing::new(b"x".to_vec()),
    });
    let limits = |pid: pid_t| fs::read_to_string(format!("/proc/{pid}/limits")).unwrap_or_default();
    let limit = |pid: pid_t, what: &str| {
        let limits = limits(pid);
        let line = limits.lines().find_map(|line| line.strip_prefix(what));
        let mut words = line.unwrap_or_default().split_whitespace();
        words.next().map(ToOwned::to_owned).unwrap_or_default()
    };
    let mut child = 0;
    eventually("a child that is confined", || {
        child = helper.children().first().copied().unwrap_or_default();
        limit(child, "Max open files") == "0"
    });
    assert_eq!(limit(child, "Max cpu time"), "10");
    assert_eq!(limit(child, "Max address space"), (1 << 30).to_string());
    for none in ["Max core file size", "Max file size", "Max processes"] {
        assert_eq!(limit(child, none), "0", "{none}");
    }
    if is_root() {
        let status = fs::read_to_string(format!("/proc/{child}/status")).expect("its status");
        let value = |name: &str| {
            let mut lines = status.lines();
            let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            value
                .expect("a line")
                .split_whitespace()
                .collect::<Vec<_>>()
        };
        assert_eq!(value("Uid"), ["65532"; 4]);
        assert_eq!(value("Gid"), ["65532"; 4]);
        assert_eq!(value("Groups"), [""; 0]);
        assert_eq!(
            (value("CapEff"), value("CapPrm")),
            (vec!["0000000000000000"], vec!["0000000000000000"])
        );
        assert_eq!(value("NoNewPrivs"), ["1"]);
        let root = fs::read_link(format!("/proc/{child}/root")).expect("its root");
        let root = root.display().to_string();
        assert!(
            root.contains("bellwire-empty.") && root.ends_with(" (deleted)"),
            "{root}"
        );
    }
}

#[test]
fn the_helper_keeps_no_descriptor_and_cannot_be_traced() {
    let Some(_leave) = leave() else { return };
    let mut helper = Helper::run(&[]);
    let begun = helper.answer(Ask::Reload).0;
    assert_eq!(begun, Answer::Reloaded { accepted: true });
    let path = format!("/proc/{}", helper.pid());
    if fs::read_dir(format!("{path}/fd")).is_ok() {
        // Its log and what nss_wrapper keeps are in the folder; left are input, output and the socket, once the text of
        // the configuration is closed.
        let own = || {
            let descriptors = fs::read_dir(format!("{path}/fd")).into_iter().flatten();
            let links = descriptors.flatten().map(|one| fs::read_link(one.path()));
            let links = links.flatten();
            links
                .filter(|link| !link.starts_with(helper.path("")))
                .count()
        };
        eventually("three descriptors alone", || own() == 3);
    }
    // Not dumpable: the files of the process in /proc belong to root, whichever user runs it.
    let environment = fs::metadata(format!("{path}/environ")).expect("its environment");
    assert_eq!(environment.uid(), 0);
    let name = fs::read_to_string(format!("{path}/comm")).expect("its name");
    assert_eq!(name, "bellwire-helper\n");
    // It has only the capabilities that it needs: bits of capabilities(7).
    let status = fs::read_to_string(format!("{path}/status")).expect("its status");
    let rights = |which: &str| {
        let mut lines = status.lines();
        let found = lines.find_map(|line| line.strip_prefix(which)?.strip_prefix(':'));
        u64::from_str_radix(found.expect("a line").trim(), 16).expect("a mask")
    };
    let has = |which: &str, bit: u32| rights(which) & 1 << bit != 0;
    let [setpcap, net_raw, sys_ptrace, sys_admin] = [8, 13, 19, 21];
    for gone in [setpcap, net_raw, sys_ptrace, sys_admin] {
        assert!(!has("CapEff", gone) && !has("CapPrm", gone), "{gone}");
        // Who is not root has no way to lower its bounds.
        assert!(!is_root() || !has("CapBnd", gone), "{gone}");
    }
    let [setuid, net_bind_service] = [7, 10];
    for kept in [setuid, net_bind_service] {
        assert!(!is_root() || has("CapEff", kept), "{kept}");
    }
}
