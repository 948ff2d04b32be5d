//! Workers, and requests that are held.

use crate::rig::{connect, get, hear_text, lives, run, run_with, say};

const COUNTER: &str = r#"#!/usr/bin/env python3
import json, sys
seen = []
for line in sys.stdin:
    event = json.loads(line)["params"]
    assert event["kind"] == "message" and event["source"] == "WS_SERVER_1", line
    seen.append((event["seq"], event["text"]))
    if event["text"] == "how many":
        numbers = [int(text) for _, text in seen[:-1]]
        assert [seq for seq, _ in seen] == list(range(1, len(seen) + 1)), "a gap"
        assert numbers == list(range(len(numbers))), "another order"
        print("seen", len(numbers), file=sys.stderr, flush=True)
"#;

#[test]
fn a_thousand_messages_reach_a_worker_in_their_order() {
    let mut daemon = run_with(
        &[("counter.py", COUNTER)],
        r#"
messages = "echo"
[[trigger]]
name = "counter"
on = "message"
mode = "worker"
run = ["./counter.py"]
continue = true
"#,
    );
    let mut peer = connect(&daemon);
    for n in 0..1000 {
        say(&mut peer, &n.to_string());
    }
    say(&mut peer, "how many");
    for n in 0..1000 {
        assert_eq!(hear_text(&mut peer), n.to_string());
    }
    daemon.wait_for_log("trigger counter: seen 1000");
}

#[test]
fn a_worker_ends_with_the_daemon() {
    let mut daemon = run(r#"
[[trigger]]
name = "deaf"
on = "message"
mode = "worker"
run = ["sh", "-c", "trap '' TERM; echo pid $$ >&2; exec sleep 100"]
"#);
    let line = daemon.wait_for_log("trigger deaf: pid ");
    let pid = line.rsplit(' ').next().unwrap().to_owned();
    assert!(lives(&pid));
    daemon.signal(libc::SIGTERM);
    assert!(daemon.wait().success());
    assert!(!lives(&pid));
}

#[test]
fn a_held_request_that_nobody_answers_times_out() {
    let daemon = run(
        "[[trigger]]\non = \"http_request\"\npath = \"/ask\"\nhold = true\ntimeout = \"100ms\"\n",
    );
    let (head, _) = get(&daemon, "/ask");
    assert!(head.starts_with("HTTP/1.1 504 "), "{head}");
    let (head, _) = get(&daemon, "/other");
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
}
