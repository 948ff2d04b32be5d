//! Results for people.

use std::slice::from_ref;

use crate::proto::counted::counted;
use crate::rpc::{
    Call, CallResult, ClientStatus, ConnectionStatus, Reloaded, ServerStatus, Status, Time,
};

use super::text::{Table, show_seconds};
use crate::process::printable::escape;

/// The result of a call as text; empty where it is enough that the call succeeded.
pub(super) fn show(call: &Call, result: &CallResult, now: Time) -> String {
    match result {
        CallResult::Status(of) => status(of, now),
        CallResult::Reloaded(of) => reloaded(of, matches!(call, Call::Reload { dry_run: true })),
        CallResult::Server(one) => servers(from_ref(one)),
        CallResult::Servers(all) => servers(all),
        CallResult::Client(one) => clients(from_ref(one), now),
        CallResult::Clients(all) => clients(all, now),
        CallResult::Connections(all) => connections(all, now),
        CallResult::Reached(of) => format!("reached {}\n", counted(of.reached, "connection")),
        CallResult::Done {} | CallResult::Subscribed(_) => String::new(),
    }
}

fn status(status: &Status, now: Time) -> String {
    let version = escape(&status.version);
    let uptime = show_seconds(status.uptime);
    let mut paragraphs = vec![format!("bellwire {version}, up {uptime}\n")];
    if !status.servers.is_empty() {
        paragraphs.push(servers(&status.servers));
    }
    if !status.clients.is_empty() {
        paragraphs.push(clients(&status.clients, now));
    }
    let counts = status.counts.iter();
    let counts: Vec<String> = counts
        .map(|(name, count)| format!("{} {count}", escape(&name.replace('_', " "))))
        .collect();
    if !counts.is_empty() {
        paragraphs.push(format!("{}\n", counts.join(", ")));
    }
    paragraphs.join("\n")
}

fn reloaded(reloaded: &Reloaded, dry_run: bool) -> String {
    let mut lines = String::new();
    for (items, done, planned) in [
        (&reloaded.started, "started", "would start"),
        (&reloaded.stopped, "stopped", "would stop"),
        (&reloaded.changed, "changed", "would change"),
    ] {
        let what = if dry_run { planned } else { done };
        for item in items {
            lines.push_str(&format!("{what} {}\n", escape(item)));
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

fn servers(servers: &[ServerStatus]) -> String {
    let mut table = Table::new(&["SERVER", "NAME", "STATE", "CONNECTIONS", "BINDINGS"]);
    for server in servers {
        table.row(&[
            server.id.clone(),
            server.name.clone(),
            format!("{}{}", server.state, by_command(server.differs)),
            server.connections.to_string(),
            server.bindings.join(", "),
        ]);
    }
    table.lines("no servers")
}

fn clients(clients: &[ClientStatus], now: Time) -> String {
    let mut table = Table::new(&["CLIENT", "NAME", "STATE", "SINCE", "ERROR"]);
    for client in clients {
        table.row(&[
            client.id.clone(),
            client.name.clone(),
            format!("{}{}", client.state, by_command(client.differs)),
            client
                .since
                .map(|since| age(since, now))
                .unwrap_or_default(),
            client.error.clone().unwrap_or_default(),
        ]);
    }
    table.lines("no clients")
}

fn connections(connections: &[ConnectionStatus], now: Time) -> String {
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
        table.row(&[
            connection.connection.to_string(),
            connection.source.clone(),
            connection.peer.clone(),
            connection.user.clone().unwrap_or_default(),
            age(connection.since, now),
            connection.messages_in.to_string(),
            connection.messages_out.to_string(),
            connection.bytes_in.to_string(),
            connection.bytes_out.to_string(),
        ]);
    }
    table.lines("no connections")
}

fn by_command(differs: bool) -> &'static str {
    if differs { " (by a command)" } else { "" }
}

/// How long ago something began.
fn age(since: Time, now: Time) -> String {
    show_seconds(now.secs.saturating_sub(since.secs))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const NOW: Time = Time {
        secs: 784_111_777,
        millis: 0,
    };

    fn shown(call: &Call, result: &Value) -> String {
        let result = CallResult::decode(call, &result.to_string()).expect("a result");
        show(call, &result, NOW)
    }

    #[test]
    fn a_status_has_a_paragraph_for_each_part() {
        let server = json!({"id": "chat", "name": "Chat room", "state": "stopped", "differs": true,
            "bindings": ["127.0.0.1:80", "[::1]:80"], "connections": 12});
        let client = json!({"id": "up", "name": "up", "state": "waiting", "since": "1994-11-06T08:49:30Z",
            "error": "connection\nrefused", "differs": false});
        let result = json!({"version": "0.1.0", "uptime": 3600, "servers": [server], "clients": [client],
            "counts": {"messages_in": 3, "dropped": 0}});
        assert_eq!(
            shown(&Call::Status, &result),
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
        let reload = |dry_run| shown(&Call::Reload { dry_run }, &result);
        assert_eq!(reload(false), "started server b\nchanged client c\n");
        assert_eq!(
            reload(true),
            "would start server b\nwould change client c\n"
        );
        let nothing = json!({"started": [], "stopped": [], "changed": [], "kept": ["server a"]});
        assert_eq!(
            shown(&Call::Reload { dry_run: false }, &nothing),
            "nothing changed\n"
        );
    }

    #[test]
    fn what_is_no_result_is_refused() {
        let reason = |call, text| CallResult::decode(&call, text).expect_err(text).to_string();
        assert!(reason(Call::Status, "7").starts_with("invalid type: integer"));
        let start = Call::ServerStart("a".to_owned());
        assert!(reason(start, "{}").starts_with("id: invalid type: null"));
        assert_eq!(
            shown(&Call::Connections(None), &json!([])),
            "no connections\n"
        );
    }
}
