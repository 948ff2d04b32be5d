//! Triggers: the defaults of the contract, every key, and what makes no sense together.

use super::faults::assert_faults;
use super::read;
use crate::config::*;

const SERVER: &str = "[[server]]\nbind = [\"127.0.0.1:80\"]\n";

/// The one trigger of a file with one server.
#[track_caller]
fn trigger(keys: &str) -> Trigger {
    let config = read(&format!("{SERVER}[[trigger]]\n{keys}"));
    assert!(config.warnings.is_empty());
    let [trigger] = config.triggers.as_slice() else {
        panic!("one trigger");
    };
    trigger.clone()
}

/// The faults of one trigger, whose first key is in line 4.
#[track_caller]
fn assert_trigger_faults(keys: &str, expected: &[&str]) {
    assert_faults(&format!("{SERVER}[[trigger]]\n{keys}"), expected);
}

fn id(text: &str) -> Id {
    Id::new(text).expect("an id")
}

#[test]
fn every_default() {
    assert!(read(SERVER).triggers.is_empty());
    let expected = Trigger {
        name: "trigger 1".to_owned(),
        on: On::Message,
        from: Vec::new(),
        match_: Match {
            how: How::Any,
            string: String::new(),
            case_sensitive: true,
        },
        methods: Vec::new(),
        path: Paths::Any,
        continue_: false,
        action: Action::Run(Run {
            program: PathBuf::from("/bin/sh"),
            argv: vec!["/bin/sh".to_owned()],
            mode: Mode::Once,
            reply: Reply::None,
            timeout: std::time::Duration::from_secs(30),
            max_running: 8,
            max_queued: 100,
            send_file_root: None,
        }),
    };
    assert_eq!(trigger("on = \"message\"\nrun = [\"/bin/sh\"]\n"), expected);
}

#[test]
fn every_key_of_a_message() {
    let found = trigger(
        "name = \"reboot\"\non = \"message\"\nfrom = [\"ws_server_1\"]\nmatch = \"starts_with\"\nstring = \"run \"\n\
         case_sensitive = false\ncontinue = true\nrun = [\"sh\", \"-c\", \"exit\"]\nmode = \"once\"\nreply = \"whole\"\n\
         timeout = \"5s\"\nmax_running = 2\nmax_queued = 0\n",
    );
    assert_eq!(
        (found.name.as_str(), found.on, found.continue_),
        ("reboot", On::Message, true)
    );
    assert_eq!(found.from, [id("WS_SERVER_1")]);
    let match_ = Match {
        how: How::StartsWith,
        string: "run ".to_owned(),
        case_sensitive: false,
    };
    assert_eq!(found.match_, match_);
    let Action::Run(run) = found.action else {
        panic!("run");
    };
    assert!(run.program.is_absolute() && run.program.ends_with("sh"));
    assert_eq!(run.argv, ["sh", "-c", "exit"]);
    assert_eq!((run.mode, run.reply), (Mode::Once, Reply::Whole));
    assert_eq!(
        (run.timeout.as_secs(), run.max_running, run.max_queued),
        (5, 2, 0)
    );
}

#[test]
fn every_key_of_a_request() {
    let found = trigger(
        "on = \"http_request\"\nmethods = [\"GET\", \"PURGE\"]\npath = \"/api/*\"\nrun = [\"/bin/sh\"]\nsend_file_root = \"/\"\n",
    );
    assert_eq!(found.methods, ["GET", "PURGE"]);
    assert_eq!(found.path, Paths::Prefix("api/".to_owned()));
    let Action::Run(run) = found.action else {
        panic!("run");
    };
    assert_eq!(run.send_file_root.as_deref(), Some(Path::new("/")));
    let hold = trigger("on = \"http_request\"\nhold = true\ntimeout = \"1s\"\n");
    let timeout = std::time::Duration::from_secs(1);
    assert_eq!(hold.action, Action::Hold { timeout });
}

#[test]
fn the_other_actions_and_modes() {
    let forward = trigger("on = \"message\"\nforward = \"WS_Server_1\"\n");
    assert_eq!(forward.action, Action::Forward(id("WS_SERVER_1")));
    for on in ["message", "connect"] {
        let send = trigger(&format!("on = \"{on}\"\nsend = \"pong\"\n"));
        assert_eq!(send.action, Action::Send("pong".to_owned()));
        let run = trigger(&format!(
            "on = \"{on}\"\nrun = [\"sh\"]\nmode = \"connection\"\n"
        ));
        let Action::Run(run) = run.action else {
            panic!("run");
        };
        assert_eq!((run.mode, run.reply), (Mode::Connection, Reply::Lines));
    }
    for on in ["message", "http_request", "connect", "disconnect"] {
        let run = trigger(&format!(
            "on = \"{on}\"\nrun = [\"sh\"]\nmode = \"worker\"\n"
        ));
        let Action::Run(run) = run.action else {
            panic!("run");
        };
        assert_eq!((run.mode, run.reply), (Mode::Worker, Reply::None));
    }
}

#[test]
fn triggers_are_counted_and_keep_their_order() {
    let one = "[[trigger]]\non = \"connect\"\nsend = \"a\"\n";
    let config = read(&format!("{one}{SERVER}{one}name = \"last\"\n{one}"));
    let names: Vec<&str> = config.triggers.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(names, ["trigger 1", "last", "trigger 3"]);
}

#[test]
fn a_program_is_found_beside_the_file() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().expect("a folder");
    let script = folder.path().join("task.sh");
    std::fs::write(&script, "#!/bin/sh\n").expect("a file");
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o700)).expect("a mode");
    let text = format!("{SERVER}[[trigger]]\non = \"connect\"\nrun = [\"./task.sh\"]\n");
    let config = parse(&text, &folder.path().join("f.toml")).expect("no faults");
    let Action::Run(run) = &config.triggers[0].action else {
        panic!("run");
    };
    assert_eq!(run.program, folder.path().join("./task.sh"));
    assert_eq!(run.argv, ["./task.sh"]);
}

#[test]
fn paths_are_compared_decoded() {
    let matches = |paths: &Paths, yes: &[&str], no: &[&str]| {
        for path in yes {
            assert!(paths.matches(path.as_bytes()), "{paths:?} {path}");
        }
        for path in no {
            assert!(!paths.matches(path.as_bytes()), "{paths:?} {path}");
        }
    };
    let path = |text: &str| {
        trigger(&format!(
            "on = \"http_request\"\nhold = true\npath = \"{text}\"\n"
        ))
        .path
    };
    matches(&Paths::Any, &["", "a"], &[]);
    matches(&path("/"), &[""], &["a"]);
    matches(&path("/*"), &["", "a", "a/b"], &[]);
    matches(&path("/a b/c"), &["a b/c"], &["a b/c/", "a b"]);
    matches(&path("/a/"), &["a/"], &["a", "a/b"]);
    matches(&path("/a*"), &["a", "ab", "a/b"], &["b", ""]);
    matches(&path("/a/.*"), &["a/.b"], &["a/b"]);
}

#[test]
fn what_must_be_there() {
    assert_trigger_faults(
        "",
        &[
            "3:1: on is missing in [[trigger]]; allowed: message, http_request, connect, disconnect",
            "3:1: run, forward, send and hold are missing in [[trigger]]; allowed: exactly one of them",
        ],
    );
    assert_trigger_faults(
        "on = \"massage\"\nrun = []\nname = \"\"\nstrin = 1\n",
        &[
            "4:6: on: \"massage\"; allowed: message, http_request, connect, disconnect",
            "5:7: run: an empty list; allowed: a program and its arguments",
            "6:8: name: \"\"; allowed: one line of text",
            "7:1: unknown key \"strin\" in [[trigger]], did you mean string? allowed: name, on, from, match, string, case_sensitive, methods, path, continue, timeout, run, mode, reply, max_running, max_queued, send_file_root, forward, send, hold",
        ],
    );
    assert_trigger_faults(
        "on = \"message\"\nsend = \"a\"\nrun = [\"sh\"]\nhold = true\n",
        &[
            "5:8: send: beside run; allowed: exactly one of run, forward, send and hold",
            "7:8: hold: beside run; allowed: exactly one of run, forward, send and hold",
        ],
    );
}

#[test]
fn ids_that_are_none() {
    assert_trigger_faults(
        "on = \"message\"\nfrom = [\"nobody\", \"ws_server_1\", \"WS_SERVER_1\", \"a b\"]\nforward = \"WS_SERVER_2\"\n",
        &[
            "5:9: from: invalid WS server ID \"nobody\"; allowed: WS_SERVER_1",
            "5:34: from: WS_SERVER_1 is there already; allowed: each once",
            "5:49: from: invalid WS server ID \"a b\"; allowed: WS_SERVER_1",
            "6:11: forward: invalid WS server ID \"WS_SERVER_2\"; allowed: WS_SERVER_1",
        ],
    );
    assert_faults(
        "[[trigger]]\non = \"connect\"\nfrom = []\nsend = \"a\"\n[[trigger]]\non = \"message\"\nforward = \"a\"\n",
        &[
            "3:8: from: an empty list; allowed: ids, or no from for all",
            "7:11: forward: invalid WS server ID \"a\"; allowed: the id of a server or client",
        ],
    );
}

#[test]
fn a_client_sends_messages_and_no_requests() {
    let servers_and_clients = "[[server]]\nid = \"front\"\nbind = [\"[::1]:1\"]\n\
        [[client]]\nid = \"up\"\nhost = \"h\"\n[[trigger]]\n";
    let assert_faults = |rest: &str, expected: &[&str]| {
        assert_faults(&format!("{servers_and_clients}{rest}"), expected);
    };
    assert_faults(
        "on = \"message\"\nfrom = [\"UP\"]\nforward = \"front\"\n",
        &[],
    );
    assert_faults(
        "on = \"http_request\"\nfrom = [\"front\", \"UP\", \"x\"]\nhold = true\n",
        &[
            "9:18: from: up is a client, which gets no requests; allowed: servers",
            "9:24: from: invalid WS server ID \"x\"; allowed: front, up",
        ],
    );
}

#[test]
fn what_is_compared() {
    assert_trigger_faults(
        "on = \"message\"\nsend = \"a\"\nstring = \"run\"\n",
        &[
            "6:10: string: not compared, for match is \"any\"; allowed: beside match = \"starts_with\", \"contains\" or \"exact\"",
        ],
    );
    assert_trigger_faults(
        "on = \"message\"\nsend = \"a\"\nmatch = \"exact\"\n",
        &["6:9: string is missing; match needs string, what to compare with"],
    );
    assert_trigger_faults(
        "on = \"message\"\nsend = \"a\"\nmatch = \"exact\"\nstring = \"\"\n",
        &["7:10: string: \"\"; allowed: at least one character"],
    );
    assert_trigger_faults(
        "on = \"message\"\nsend = \"a\"\nmatch = \"begins\"\nstring = \"a\"\n",
        &["6:9: match: \"begins\"; allowed: any, starts_with, contains, exact"],
    );
    assert_trigger_faults(
        "on = \"connect\"\nsend = \"a\"\nmatch = \"exact\"\nstring = \"a\"\ncase_sensitive = true\n",
        &[
            "6:9: match: only a message is compared; allowed: on = \"message\"",
            "7:10: string: only a message is compared; allowed: on = \"message\"",
            "8:18: case_sensitive: only a message is compared; allowed: on = \"message\"",
        ],
    );
}

#[test]
fn what_only_a_request_has() {
    assert_trigger_faults(
        "on = \"message\"\nsend = \"a\"\nmethods = [\"GET\"]\npath = \"/\"\n",
        &[
            "6:11: methods: only a request has one; allowed: on = \"http_request\"",
            "7:8: path: only a request has one; allowed: on = \"http_request\"",
        ],
    );
    assert_trigger_faults(
        "on = \"http_request\"\nhold = true\nmethods = [\"get\", \"OPTIONS\", \"A B\"]\npath = \"api\"\ncontinue = true\n",
        &[
            "6:12: methods: \"get\"; allowed: methods in upper case, such as \"GET\"",
            "6:30: methods: \"A B\"; allowed: methods in upper case, such as \"GET\"",
            "7:8: path: \"api\"; allowed: a path that begins with \"/\"",
            "8:12: continue: true, but a request has one answer; allowed: false for on = \"http_request\"",
        ],
    );
    assert_trigger_faults(
        "on = \"http_request\"\nhold = true\nmethods = []\npath = \"/*/a*\"\n",
        &[
            "6:11: methods: an empty list; allowed: methods, or no methods for GET, HEAD and POST",
            "7:8: path: \"/*/a*\"; allowed: one \"*\", at the end",
        ],
    );
    for path in [
        "//", "/a//b", "/./a", "/a/..", "/../*", "/a?b", "/a#b", "/a\\\\b",
    ] {
        assert_trigger_faults(
            &format!("on = \"http_request\"\nhold = true\npath = \"{path}\"\n"),
            &[&format!(
                "6:8: path: \"{path}\" is no path that is ever compared; allowed: decoded paths, without \"//\", \".\", \"..\", \"\\\", \"?\" or \"#\""
            )],
        );
    }
}

#[test]
fn actions_that_do_not_go_with_their_event() {
    for (on, action, what) in [
        (
            "http_request",
            "send = \"a\"",
            "send: a message, and not the answer to a request; allowed: run or hold",
        ),
        (
            "disconnect",
            "send = \"a\"",
            "send: nobody is left to send to; allowed: run",
        ),
        (
            "connect",
            "forward = \"WS_SERVER_1\"",
            "forward: only a message can be forwarded; allowed: on = \"message\"",
        ),
        (
            "http_request",
            "forward = \"WS_SERVER_1\"",
            "forward: only a message can be forwarded; allowed: on = \"message\"",
        ),
        (
            "message",
            "hold = true",
            "hold: only a request is held; allowed: on = \"http_request\"",
        ),
        (
            "http_request",
            "hold = false",
            "hold: false; allowed: true, or another action",
        ),
    ] {
        let column = action.find('=').map_or(0, |at| at + 3);
        assert_trigger_faults(
            &format!("on = \"{on}\"\n{action}\n"),
            &[&format!("5:{column}: {what}")],
        );
    }
}

#[test]
fn keys_that_do_not_go_with_their_action() {
    assert_trigger_faults(
        "on = \"message\"\nsend = \"a\"\nmode = \"once\"\nreply = \"none\"\nmax_running = 1\nmax_queued = 1\nsend_file_root = \"/\"\ntimeout = \"1s\"\n",
        &[
            "6:8: mode: of no use with send; allowed: beside run",
            "7:9: reply: of no use with send; allowed: beside run",
            "8:15: max_running: of no use with send; allowed: beside run",
            "9:14: max_queued: of no use with send; allowed: beside run",
            "10:18: send_file_root: of no use with send; allowed: beside run",
            "11:11: timeout: of no use with send; allowed: beside run or hold",
        ],
    );
}

#[test]
fn modes_and_replies_that_do_not_go_together() {
    let faults = |on: &str, keys: &str, expected: &[&str]| {
        assert_trigger_faults(
            &format!("on = \"{on}\"\nrun = [\"sh\"]\n{keys}\n"),
            expected,
        );
    };
    faults(
        "http_request",
        "mode = \"connection\"",
        &["6:8: mode: a request is of no WebSocket connection; allowed: once, worker"],
    );
    faults(
        "disconnect",
        "mode = \"connection\"",
        &["6:8: mode: the connection is over; allowed: once, worker"],
    );
    faults(
        "message",
        "mode = \"worker\"\nreply = \"lines\"",
        &["7:9: reply: a worker replies by sending; allowed: none"],
    );
    faults(
        "message",
        "mode = \"connection\"\nreply = \"whole\"",
        &["7:9: reply: each line goes to the peer; allowed: lines"],
    );
    faults(
        "message",
        "mode = \"connection\"\nreply = \"none\"",
        &["7:9: reply: each line goes to the peer; allowed: lines"],
    );
    faults(
        "http_request",
        "reply = \"whole\"",
        &["6:9: reply: stdout is the answer to the request; allowed: none"],
    );
    faults(
        "disconnect",
        "reply = \"lines\"",
        &["6:9: reply: nobody is left to reply to; allowed: none"],
    );
    faults(
        "message",
        "mode = \"worker\"\nmax_running = 2",
        &["7:15: max_running: a worker is one process; allowed: beside another mode"],
    );
    faults(
        "message",
        "timeout = \"0s\"\nmax_running = 0\nmax_queued = -1",
        &[
            "6:11: timeout: \"0s\" is out of range; allowed: \"1ms\" to \"24h\" (units ms, s, min, h)",
            "7:15: max_running: 0 is out of range; allowed: a whole number from 1 to 1000",
            "8:14: max_queued: -1 is out of range; allowed: a whole number from 0 to 100000",
        ],
    );
    faults(
        "http_request",
        "send_file_root = \"/no/such\"",
        &[
            "6:18: send_file_root: /no/such: No such file or directory (os error 2); allowed: a readable folder",
        ],
    );
}

#[test]
fn programs_that_are_none() {
    assert_trigger_faults(
        "on = \"message\"\nrun = [\"/no/such\", \"a\\u0000\"]\n",
        &[
            "5:8: run: \"/no/such\": No such file or directory (os error 2); allowed: a program on PATH, or the path of an executable file",
            "5:20: run: \"a\\0\"; allowed: text without NUL",
        ],
    );
    assert_trigger_faults(
        "on = \"http_request\"\nhold = true\ntimeout = \"soon\"\n",
        &[
            "6:11: timeout: \"soon\" is not a duration; allowed: \"1ms\" to \"24h\" (units ms, s, min, h)",
        ],
    );
    assert_trigger_faults(
        "on = \"message\"\nrun = \"echo hello\"\n",
        &[
            "5:7: run: a string; allowed: a list of strings, such as [\"/usr/local/bin/task\", \"--fast\"]",
        ],
    );
}
