use std::path::Path;

use super::*;
use crate::engine::Account;

fn conf(text: &str) -> config::Client {
    let config = config::parse(&format!("[[client]]\n{text}"), Path::new("f.toml"));
    config.expect("no faults").clients.remove(0)
}

fn end(reason: &str, lasted: Option<u64>) -> End<'_> {
    End {
        lasted: lasted.map(Duration::from_secs),
        code: 1006,
        reason,
    }
}

/// When the next attempt is due, in milliseconds from `now`.
fn waits(client: &Client, now: Tick) -> u32 {
    match client.phase() {
        Phase::Waiting(due) => due.since(now),
        other => panic!("{other:?}"),
    }
}

fn context() -> Context {
    Context::new(&Account::root(1 << 20))
}

#[test]
fn the_interval_holds_whatever_the_failure_was_and_begins_again_after_a_stable_minute() {
    let conf = conf("url = \"ws://h\"\nreconnect = \"1s\"\nreconnect_max = \"8s\"");
    let mut client = Client::new(conf, None, OwnerId::NONE, Tick(0));
    let mut context = context();
    let mut seen = Vec::new();
    for (reason, lasted) in [
        ("401", None),
        ("401", None),
        ("lost", Some(1)),
        ("lost", Some(60)),
    ] {
        client.over(&mut context, Tick(7), &end(reason, lasted));
        assert_eq!(client.status().error.as_deref(), Some(reason));
        let wait = f64::from(waits(&client, Tick(7))) / 1000.0;
        seen.push(wait.round() as u32);
    }
    // A tenth less for each, as no jitter was drawn.
    assert_eq!(seen, [1, 2, 4, 1]);
}

#[test]
fn the_same_failure_is_a_warning_once_a_minute() {
    let conf = conf("url = \"ws://h\"\nreconnect = \"1s\"");
    let mut client = Client::new(conf, None, OwnerId::NONE, Tick(0));
    let start = Instant::now();
    let mut is_news = |reason: &str, seconds| {
        let now = start + Duration::from_secs(seconds);
        client.is_news(&end(reason, None), now)
    };
    assert!(is_news("401", 0));
    assert!(!is_news("401", 1));
    assert!(!is_news("401", 59));
    assert!(is_news("401", 60));
    assert!(is_news("refused", 61));
    assert!(is_news("401", 62), "another failure was between");
    // It was asked for by command: whatever comes is worth a warning.
    client.want(true);
    assert!(client.is_news(&end("401", None), start + Duration::from_secs(63)));
}

#[test]
fn what_was_to_be_secret_is_not_sent_in_the_clear() {
    let conf = conf("url = \"wss://h\"");
    let mut client = Client::new(conf, None, OwnerId::NONE, Tick(0));
    assert!(client.handshake([0; 16]).is_err());
}
