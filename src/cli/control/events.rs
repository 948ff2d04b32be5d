//! `bellwire events`: prints a line for each event, until its reader or the daemon goes away.

use std::io::{self, ErrorKind, Write, stdout};

use serde_json::Value;

use crate::process::exit::Exit;
use crate::process::printable::{escape, escape_json};
use crate::rpc::FromDaemon;

use super::client::Client;
use super::failure::Failure;

/// Prints events as they come.
pub(super) fn stream(client: &mut Client, json: bool) -> Result<Exit, Failure> {
    loop {
        let event = match client.read(None)? {
            Some(FromDaemon::Event(event)) => event,
            Some(FromDaemon::Answer { .. }) => continue,
            None => {
                let what = "the daemon has closed the connection; is it still running?".to_owned();
                return Err(Failure::Line(Exit::NotRunning, what));
            }
        };
        let line = if json {
            escape_json(event.get())
        } else {
            let event = serde_json::from_str(event.get());
            show(&event.map_err(|error| Failure::failed(error.to_string()))?)
        };
        match print(&line) {
            Ok(()) => {}
            // The reader of the pipe has ended, as `head` does: that is no failure.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(Exit::Done),
            Err(error) => return Err(Failure::failed(format!("stdout: {error}"))),
        }
    }
}

fn print(line: &str) -> io::Result<()> {
    let mut stdout = stdout().lock();
    writeln!(stdout, "{line}")?;
    stdout.flush()
}

/// One line for people: time, kind, source, peer, and last the content. Reads any event, also of a newer daemon.
fn show(event: &Value) -> String {
    let plain = |key: &str| match event.get(key)? {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    };
    let mut words: Vec<String> = [
        "time",
        "kind",
        "source",
        "connection",
        "request",
        "peer",
        "user",
        "method",
    ]
    .into_iter()
    .filter_map(plain)
    .collect();
    if let Some(path) = plain("path") {
        let query = plain("query")
            .map(|query| format!("?{query}"))
            .unwrap_or_default();
        words.push(format!("{path}{query}"));
    }
    words.extend(["code", "reason", "count"].into_iter().filter_map(plain));
    words.extend(["text", "body"].into_iter().filter_map(plain));
    let bytes = ["base64", "body_base64"].into_iter().filter_map(plain);
    words.extend(bytes.map(|base64| format!("base64:{base64}")));
    escape(&words.join(" "))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_event_is_a_line() {
        for (event, line) in [
            (
                json!({"seq": 1, "time": "T", "kind": "message", "source": "chat", "connection": "c1",
                    "peer": "[::1]:9", "user": "alice", "text": "a\nb \u{1b}[2J"}),
                "T message chat c1 [::1]:9 alice a\\nb \\u{1b}[2J",
            ),
            (
                json!({"time": "T", "kind": "message", "source": "chat", "base64": "AP8="}),
                "T message chat base64:AP8=",
            ),
            (
                json!({"time": "T", "kind": "http_request", "source": "s", "request": "r7", "method": "POST",
                    "path": "/a", "query": "b=c", "headers": [["a", "b"]], "body": "x"}),
                "T http_request s r7 POST /a?b=c x",
            ),
            (
                json!({"time": "T", "kind": "disconnect", "source": "s", "connection": "c1", "code": 1008, "reason": "bye"}),
                "T disconnect s c1 1008 bye",
            ),
            (json!({"time": "T", "kind": "lost", "count": 3}), "T lost 3"),
        ] {
            assert_eq!(show(&event), line);
        }
    }
}
