//! Results for people. What is missing from one, of another version maybe, is shown as nothing.

use std::slice::from_ref;

use serde_json::Value;

use crate::rpc::{Call, Time};

use super::text::{Table, escape, show_seconds};

/// What is shown of the result of a call; nothing where it is enough that it was done.
pub(super) fn show(call: &Call, result: &Value, now: Time) -> String {
    match call {
        Call::Status => status(result, now),
        Call::Reload { dry_run } => reloaded(result, *dry_run),
        Call::ServerList(_) => servers(items(result)),
        Call::ServerStart(_) | Call::ServerStop(_) => servers(from_ref(result)),
        Call::ClientList(_) => clients(items(result), now),
        Call::ClientConnect(_) | Call::ClientDisconnect(_) => clients(from_ref(result), now),
        Call::Connections(_) => connections(items(result), now),
        Call::Send(_) => reached(number(result, "reached")),
        Call::Kick(_) | Call::Respond(_) | Call::Subscribe(_) => String::new(),
    }
}

fn status(status: &Value, now: Time) -> String {
    let version = escape(text(status, "version"));
    let uptime = show_seconds(number(status, "uptime"));
    let mut paragraphs = vec![format!("bellwire {version}, up {uptime}\n")];
    let (all_servers, all_clients) = (items(&status["servers"]), items(&status["clients"]));
    if !all_servers.is_empty() {
        paragraphs.push(servers(all_servers));
    }
    if !all_clients.is_empty() {
        paragraphs.push(clients(all_clients, now));
    }
    let counts: Vec<String> = status["counts"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, count)| format!("{} {}", escape(&name.replace('_', " ")), plain(count)))
        .collect();
    if !counts.is_empty() {
        paragraphs.push(format!("{}\n", counts.join(", ")));
    }
    paragraphs.join("\n")
}

fn reloaded(result: &Value, dry_run: bool) -> String {
    let mut lines = String::new();
    for (key, done, planned) in [
        ("started", "started", "would start"),
        ("stopped", "stopped", "would stop"),
        ("changed", "changed", "would change"),
    ] {
        let what = if dry_run { planned } else { done };
        for item in items(&result[key]) {
            lines.push_str(&format!("{what} {}\n", escape(&plain(item))));
        }
    }
    if lines.is_empty() {
        lines.push_str(if dry_run {
            "nothing would change\n"
        } else {
            "nothing changed\n"
        });
    }
    lines
}

fn servers(servers: &[Value]) -> String {
    let mut table = Table::new(&["SERVER", "NAME", "STATE", "CONNECTIONS", "BINDINGS"]);
    for server in servers {
        let bindings: Vec<String> = items(&server["bindings"]).iter().map(plain).collect();
        table.row(&[
            text(server, "id").to_owned(),
            text(server, "name").to_owned(),
            state(server),
            number(server, "connections").to_string(),
            bindings.join(", "),
        ]);
    }
    table.lines("no servers")
}

fn clients(clients: &[Value], now: Time) -> String {
    let mut table = Table::new(&["CLIENT", "NAME", "STATE", "SINCE", "ERROR"]);
    for client in clients {
        table.row(&[
            text(client, "id").to_owned(),
            text(client, "name").to_owned(),
            state(client),
            age(client, now),
            text(client, "error").to_owned(),
        ]);
    }
    table.lines("no clients")
}

fn connections(connections: &[Value], now: Time) -> String {
    let mut table = Table::new(&[
        "CONNECTION",
        "SOURCE",
        "PEER",
        "USER",
        "AGE",
        "MESSAGES IN",
        "OUT",
        "BYTES IN",
        "OUT",
    ]);
    for connection in connections {
        let count = |key| number(connection, key).to_string();
        table.row(&[
            text(connection, "connection").to_owned(),
            text(connection, "source").to_owned(),
            text(connection, "peer").to_owned(),
            text(connection, "user").to_owned(),
            age(connection, now),
            count("messages_in"),
            count("messages_out"),
            count("bytes_in"),
            count("bytes_out"),
        ]);
    }
    table.lines("no connections")
}

fn reached(count: u64) -> String {
    match count {
        1 => "reached 1 connection\n".to_owned(),
        count => format!("reached {count} connections\n"),
    }
}

fn state(of: &Value) -> String {
    let by_command = if of["differs"] == true {
        " (by a command)"
    } else {
        ""
    };
    format!("{}{by_command}", text(of, "state"))
}

/// How long ago something began.
fn age(of: &Value, now: Time) -> String {
    match Time::parse(text(of, "since")) {
        Some(since) => show_seconds(now.secs.saturating_sub(since.secs)),
        None => String::new(),
    }
}

fn items(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn number(value: &Value, key: &str) -> u64 {
    value.get(key).and_then(Value::as_u64).unwrap_or_default()
}

/// A string without its quotes, anything else as it is.
fn plain(value: &Value) -> String {
    match value.as_str() {
        Some(text) => text.to_owned(),
        None => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: Time = Time {
        secs: 784_111_777,
        millis: 0,
    };

    #[test]
    fn a_status_has_a_paragraph_for_each_part() {
        let server = json!({"id": "chat", "name": "Chat room", "state": "stopped", "differs": true,
            "bindings": ["127.0.0.1:80", "[::1]:80"], "connections": 12});
        let client = json!({"id": "up", "name": "up", "state": "waiting", "since": "1994-11-06T08:49:30Z",
            "error": "connection\nrefused", "differs": false});
        let result = json!({"version": "0.1.0", "uptime": 3600, "servers": [server], "clients": [client],
            "counts": {"messages_in": 3, "dropped": 0}});
        assert_eq!(
            show(&Call::Status, &result, NOW),
            "bellwire 0.1.0, up 1 h 0 min\n\
             \n\
             SERVER  NAME       STATE                   CONNECTIONS  BINDINGS\n\
             chat    Chat room  stopped (by a command)           12  127.0.0.1:80, [::1]:80\n\
             \n\
             CLIENT  NAME  STATE    SINCE  ERROR\n\
             up      up    waiting  7 s    connection\\nrefused\n\
             \n\
             dropped 0, messages in 3\n"
        );
    }

    #[test]
    fn a_reload_says_what_it_did_or_would_do() {
        let result = json!({"started": ["server b"], "stopped": [], "changed": ["client c"], "kept": ["server a"]});
        let shown = |dry_run| show(&Call::Reload { dry_run }, &result, NOW);
        assert_eq!(shown(false), "started server b\nchanged client c\n");
        assert_eq!(shown(true), "would start server b\nwould change client c\n");
        let nothing = json!({"started": [], "kept": ["server a"]});
        assert_eq!(
            show(&Call::Reload { dry_run: false }, &nothing, NOW),
            "nothing changed\n"
        );
    }

    #[test]
    fn what_is_missing_is_shown_as_nothing() {
        assert_eq!(show(&Call::Status, &json!(7), NOW), "bellwire , up 0 s\n");
        assert_eq!(
            show(&Call::Connections(None), &json!(null), NOW),
            "no connections\n"
        );
        assert_eq!(
            show(&Call::ServerStart("a".to_owned()), &json!({}), NOW),
            "SERVER  NAME  STATE  CONNECTIONS  BINDINGS\n                               0\n"
        );
    }
}
