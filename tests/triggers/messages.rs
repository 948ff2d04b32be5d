//! Triggers on messages, connections and their end.

use tungstenite::Message;

use crate::daemon::eventually;
use crate::rig::{connect, hear, hear_close, hear_text, lives, run, run_with, say};

/// What happens between a daemon and one peer, step by step.
enum Step {
    Say(&'static str),
    SayBinary(&'static [u8]),
    Hear(&'static str),
    HearBinary(&'static [u8]),
    /// A text that begins like this.
    HearStart(&'static str),
    /// A line of the daemon's log has this in it.
    Log(&'static str),
}

use Step::{Hear, HearBinary, HearStart, Log, Say, SayBinary};

/// A name, the configuration of a server and its triggers, and the steps.
type Conversation = (&'static str, &'static str, &'static [Step]);

const CONVERSATIONS: &[Conversation] = &[
    (
        "the first trigger that matches acts, instead of the server's own behaviour; binary that is UTF-8 is compared, too",
        r#"
messages = "echo"
[[trigger]]
on = "message"
match = "starts_with"
string = "ÄRGER "
case_sensitive = false
send = "first"
[[trigger]]
on = "message"
match = "contains"
string = "both"
continue = true
send = "second"
[[trigger]]
on = "connect"
send = "welcome"
"#,
        &[
            Hear("welcome"),
            Say("ärger both"),
            Hear("first"),
            Say("for both"),
            Hear("second"),
            Hear("for both"),
            SayBinary(b"both"),
            Hear("second"),
            HearBinary(b"both"),
            SayBinary(b"both\xff"),
            HearBinary(b"both\xff"),
        ],
    ),
    (
        "reply = \"whole\": all output is one message, and none without output",
        r#"
[[trigger]]
name = "the whole"
on = "message"
run = ["sh", "-c", "printf 'got %s of %s:' $BELLWIRE_TYPE \"$BELLWIRE_TRIGGER\"; cat; pwd; printf %s:%s $REMOTE_ADDR $BELLWIRE_CONNECTION"]
reply = "whole"
match = "starts_with"
string = "say "
[[trigger]]
on = "message"
run = ["cat"]
reply = "whole"
"#,
        &[
            Say("say 1\n2\n"),
            HearStart("got text of the whole:say 1\n2\n/\n127.0.0.1:c"),
            SayBinary(&[0xff, 0]),
            HearBinary(&[0xff, 0]),
            Say(""),
            Say("then"),
            Hear("then"),
        ],
    ),
    (
        "reply = \"lines\": each line is a message as soon as it is written",
        r#"
[[trigger]]
on = "message"
run = ["sh", "-c", "read line; echo first $line; read other; printf 'last'"]
reply = "lines"
"#,
        &[Say("a\n"), Hear("first a"), Hear("last")],
    ),
    (
        "what a script leaves running does not count against its timeout",
        r#"
[[trigger]]
name = "leaves"
on = "message"
run = ["sh", "-c", "sleep 100 & echo done"]
reply = "whole"
timeout = "1s"
"#,
        &[Say("go"), Hear("done\n")],
    ),
    (
        "a failure and its stderr are logged",
        r#"
[[trigger]]
name = "broken"
on = "message"
run = ["sh", "-c", "echo what is wrong >&2; exit 3"]
"#,
        &[
            Say("x"),
            Log("trigger broken: what is wrong"),
            Log("trigger broken: it failed with status 3"),
        ],
    ),
    (
        "a script whose output is too long for a message is killed",
        r#"
limits = { max_message = "1KiB" }
[[trigger]]
name = "loud"
on = "message"
run = ["sh", "-c", "exec yes"]
reply = "whole"
match = "exact"
string = "loud"
[[trigger]]
on = "message"
send = "alive"
"#,
        &[
            Say("loud"),
            Log("trigger loud: killed, for its output is longer"),
            Log("trigger loud: ended by signal 9"),
            Say("x"),
            Hear("alive"),
        ],
    ),
    (
        "a worker that ends is started again, and messages wait for it",
        r#"
[[trigger]]
name = "mortal"
on = "message"
mode = "worker"
run = ["sh", "-c", "echo lives >&2; read -r line; echo got $line >&2"]
"#,
        &[
            Log("trigger mortal: lives"),
            Say("one"),
            Log("\"text\":\"one\""),
            Log("its worker has ended, and is started again"),
            Say("two"),
            Log("trigger mortal: lives"),
            Log("\"text\":\"two\""),
        ],
    ),
];

#[test]
fn conversations() {
    for (name, config, steps) in CONVERSATIONS {
        println!("{name}");
        let mut daemon = run(config);
        let mut peer = connect(&daemon);
        for step in *steps {
            match *step {
                Say(text) => say(&mut peer, text),
                SayBinary(bytes) => peer.send(Message::binary(bytes)).expect("sent"),
                Hear(text) => assert_eq!(hear(&mut peer), Message::text(text), "{name}"),
                HearBinary(bytes) => assert_eq!(hear(&mut peer), Message::binary(bytes), "{name}"),
                HearStart(start) => {
                    let heard = hear_text(&mut peer);
                    assert!(heard.starts_with(start), "{name}: {heard}");
                }
                Log(text) => drop(daemon.wait_for_log(text)),
            }
        }
    }
}

#[test]
fn a_timeout_ends_the_whole_group() {
    let mut daemon = run(r#"
[[trigger]]
name = "slow"
on = "message"
run = ["sh", "-c", "trap '' TERM; sh -c 'trap \"\" TERM; echo child $$; exec sleep 100' & echo leader $$; wait; wait"]
reply = "lines"
timeout = "200ms"
"#);
    let mut peer = connect(&daemon);
    say(&mut peer, "go");
    let mut pids = [hear_text(&mut peer), hear_text(&mut peer)];
    pids.sort();
    let pid = |line: &str| line.split(' ').nth(1).map(str::to_owned).unwrap();
    let (child, leader) = (pid(&pids[0]), pid(&pids[1]));
    assert!(lives(&child) && lives(&leader));
    daemon.wait_for_log("trigger slow: timeout");
    daemon.wait_for_log("trigger slow: it has ended");
    assert!(!lives(&leader), "it was reaped");
    // A grandchild was killed at the same time, may take longer to end, and is reaped by the process that adopts it.
    eventually("the grandchild ends", || {
        let state = std::fs::read_to_string(format!("/proc/{child}/stat"));
        !state.is_ok_and(|state| !state.contains(") Z "))
    });
}

#[test]
fn events_beyond_the_queue_are_dropped_and_counted() {
    let mut daemon = run(r#"
[[trigger]]
name = "narrow"
on = "message"
run = ["sh", "-c", "read line; echo $line; exec sleep 100"]
reply = "lines"
max_running = 1
max_queued = 1
"#);
    let mut peer = connect(&daemon);
    for text in ["1", "2", "3", "4"] {
        say(&mut peer, &format!("{text}\n"));
    }
    assert_eq!(hear_text(&mut peer), "1");
    // One runs, one waits, and two are dropped; they may be logged one by one.
    let mut dropped = 0;
    while dropped < 2 {
        let line = daemon.wait_for_log(" events dropped");
        let count = line
            .split("trigger narrow: ")
            .nth(1)
            .and_then(|it| it.split(' ').next());
        dropped += count.and_then(|it| it.parse().ok()).unwrap_or(0);
    }
    assert_eq!(dropped, 2);
}

#[test]
fn messages_are_forwarded_to_every_connection_of_a_server() {
    let daemon = crate::daemon::Daemon::run(
        r#"
[[server]]
id = "sensors"
bind = ["127.0.0.1:0"]
[[server]]
id = "browsers"
bind = ["127.0.0.1:0"]
[[trigger]]
on = "message"
from = ["sensors"]
forward = "browsers"
"#,
        2,
    );
    let to = |at: usize| {
        let stream = daemon.connect_to(daemon.addresses[at]);
        let url = format!("ws://{}/", daemon.addresses[at]);
        tungstenite::client(url, stream).unwrap().0
    };
    let (mut sensor, mut a, mut b) = (to(0), to(1), to(1));
    say(&mut sensor, "21.5");
    sensor.send(Message::binary(vec![1, 2])).unwrap();
    for browser in [&mut a, &mut b] {
        assert_eq!(hear_text(browser), "21.5");
        assert_eq!(hear(browser), Message::binary(vec![1, 2]));
    }
}

#[test]
fn a_process_follows_a_connection() {
    let daemon = run(r#"
[[trigger]]
on = "message"
mode = "connection"
run = ["sh", "-c", "while read -r line; do case $line in end) exit 0;; fail) exit 4;; *) n=$((n + 1)); echo $n $line;; esac; done; exit 9"]
"#);
    let mut peer = connect(&daemon);
    let mut other = connect(&daemon);
    say(&mut peer, "a");
    assert_eq!(hear_text(&mut peer), "1 a");
    say(&mut other, "x");
    assert_eq!(hear_text(&mut other), "1 x");
    say(&mut peer, "b\nc");
    assert_eq!(hear_text(&mut peer), "2 b");
    assert_eq!(hear_text(&mut peer), "3 c");
    peer.send(Message::binary(vec![0xff; 3])).unwrap();
    assert_eq!(hear_text(&mut peer), "4 ////");
    say(&mut peer, "end");
    assert_eq!(hear_close(&mut peer), 1000);
    say(&mut other, "fail");
    assert_eq!(hear_close(&mut other), 1011);
}

#[test]
fn the_end_of_a_connection_ends_its_process() {
    let mut daemon = run(r#"
[[trigger]]
name = "follower"
on = "connect"
mode = "connection"
run = ["sh", "-c", "echo $$; while read -r line; do :; done; echo stdin has ended >&2"]
[[trigger]]
name = "farewell"
on = "disconnect"
run = ["sh", "-c", "echo $BELLWIRE_EVENT $BELLWIRE_CODE $BELLWIRE_REASON >&2"]
"#);
    let mut peer = connect(&daemon);
    let pid = hear_text(&mut peer);
    assert!(lives(&pid));
    peer.close(Some(tungstenite::protocol::CloseFrame {
        code: 4001.into(),
        reason: "enough".into(),
    }))
    .unwrap();
    daemon.wait_for_log("trigger follower: stdin has ended");
    let farewell = daemon
        .log
        .iter()
        .any(|line| line.contains("disconnect 4001 enough"));
    if !farewell {
        daemon.wait_for_log("disconnect 4001 enough");
    }
}

#[test]
fn a_peer_that_does_not_read_makes_its_process_wait() {
    let daemon = run_with(
        &[(
            "flood.py",
            "#!/usr/bin/env python3\nimport sys\nfor n in range(40000): print(f'{n:0100}')\n",
        )],
        r#"
limits = { max_backlog = "1MiB" }
[[trigger]]
on = "message"
mode = "connection"
run = ["./flood.py"]
"#,
    );
    let mut peer = connect(&daemon);
    say(&mut peer, "go");
    for n in 0..40000 {
        assert_eq!(hear_text(&mut peer), format!("{n:0100}"));
    }
    assert_eq!(hear_close(&mut peer), 1000);
}

#[test]
fn no_process_is_left_after_a_stop() {
    let mut daemon = run(r#"
[[trigger]]
on = "message"
run = ["sh", "-c", "trap 'exit 0' TERM; echo $$; sleep 100 & wait"]
reply = "lines"
[[trigger]]
name = "deaf"
on = "connect"
mode = "connection"
run = ["sh", "-c", "trap '' TERM; echo $$; exec sleep 100"]
"#);
    let mut peer = connect(&daemon);
    let deaf = hear_text(&mut peer);
    assert!(lives(&deaf));
    daemon.signal(libc::SIGTERM);
    assert_eq!(hear_close(&mut peer), 1001);
    drop(peer);
    assert!(daemon.wait().success());
    assert!(!lives(&deaf));
}

#[test]
fn queued_events_count_against_the_memory_limit() {
    let mut daemon = run(r#"
[[trigger]]
name = "slow"
on = "message"
run = ["sleep", "100"]
max_running = 1
max_queued = 100000
[daemon]
max_memory = "1MiB"
"#);
    let mut peer = connect(&daemon);
    let text = "x".repeat(50_000);
    for _ in 0..20 {
        say(&mut peer, &text);
    }
    daemon.wait_for_log("events dropped");
    let mut other = connect(&daemon);
    other.send(Message::Ping(vec![1].into())).unwrap();
    assert!(other.read().unwrap().is_pong());
}

#[test]
fn processes_get_no_secrets_and_the_original_limits() {
    let daemon = crate::daemon::Daemon::run_by(
        "[[server]]\nbind = [\"127.0.0.1:0\"]\n[[trigger]]\non = \"message\"\nrun = [\"sh\", \"-c\", \"cat; echo $TOKEN $HOME; ulimit -n\"]\nreply = \"whole\"\n",
        1,
        |binary, file| {
            let mut command = std::process::Command::new("sh");
            let script = "ulimit -S -n 77; exec \"$0\" run -v -c \"$1\"";
            command.args(["-c", script, binary]).arg(file);
            command.env("TOKEN", "secret").env("HOME", "/elsewhere");
            command
        },
    );
    let mut peer = connect(&daemon);
    say(&mut peer, "");
    let reply = hear_text(&mut peer);
    assert!(reply.ends_with("\n77\n"), "{reply}");
    assert!(
        !reply.contains("secret") && !reply.contains("/elsewhere"),
        "{reply}"
    );
}
