//! The examples that the documentation shows are what is read and written.

use serde_json::Value;

use super::{encoded, one};
use crate::config::{Fault, Place};
use crate::rpc::*;

/// The examples of the documentation that begin with `arrow`.
fn examples(arrow: &str) -> Vec<&'static str> {
    include_str!("../methods.md")
        .lines()
        .filter_map(|line| line.strip_prefix(arrow))
        .collect()
}

#[test]
fn every_example_request_decodes_to_its_method_and_encodes_anew() {
    let mut methods = Vec::new();
    for line in examples("--> ") {
        let request = one(line);
        let call = request.call.expect(line);
        let mut again = Vec::new();
        encode(request.id.as_ref(), &call, &mut again);
        let value: Value = serde_json::from_str(line).expect("JSON");
        let mut encoded: Value = serde_json::from_slice(&again).expect("JSON");
        if value.get("params").is_none() {
            encoded.as_object_mut().expect("an object").remove("params");
        }
        assert_eq!(encoded, value);
        methods.push(call.method());
    }
    for (method, _) in Call::METHODS {
        assert!(methods.contains(&method), "no example of {method}");
    }
}

#[test]
fn every_param_is_documented() {
    let text = include_str!("../methods.md");
    for (method, params) in Call::METHODS {
        let (_, section) = text.split_once(&format!("`{method}`")).expect(method);
        for param in params {
            assert!(section.contains(&format!("`{param}`")), "{method}: {param}");
        }
    }
    for code in ErrorCode::ALL {
        assert!(text.contains(&format!("| {} |", code.number())), "{code:?}");
    }
}

#[test]
fn every_example_answer_is_what_is_encoded() {
    let mut written = answers();
    written.push(example_event());
    for line in examples("<-- ") {
        assert!(FromDaemon::decode(line.as_bytes()).is_ok(), "{line}");
        assert!(
            written.contains(&format!("{line}\n")),
            "not what is encoded: {line}"
        );
    }
    assert_eq!(examples("<-- ").len(), written.len());
}

fn example_event() -> String {
    let event = Event {
        source: Some("chat"),
        connection: Some(ConnectionName(42)),
        peer: Some("127.0.0.1:50000"),
        message: Some(Payload::Text("hello")),
        ..Event::new(17, at(250), EventKind::Message)
    };
    let mut out = Vec::new();
    event.encode(&mut out);
    String::from_utf8(out).expect("UTF-8")
}

fn at(millis: u16) -> Time {
    let secs = 1_795_516_675;
    Time { secs, millis }
}

fn server(state: ServerState, connections: u64) -> ServerStatus {
    ServerStatus {
        id: "chat".to_owned(),
        name: "Chat room".to_owned(),
        state,
        bindings: vec!["127.0.0.1:8080".to_owned()],
        connections,
        differs: state == ServerState::Stopped,
    }
}

fn client(state: ClientState, error: Option<&str>) -> ClientStatus {
    ClientStatus {
        id: "up".to_owned(),
        name: "Upstream".to_owned(),
        state,
        since: Some(at(0)),
        error: error.map(str::to_owned),
        differs: state == ClientState::Disconnected,
    }
}

fn answers() -> Vec<String> {
    let status = Status {
        version: "0.1.0".to_owned(),
        uptime: 3600,
        servers: vec![server(ServerState::Started, 2)],
        clients: vec![client(ClientState::Waiting, Some("connection refused"))],
        counts: [("events".to_owned(), 17)].into(),
    };
    let reloaded = Reloaded {
        started: vec!["server new".to_owned()],
        stopped: Vec::new(),
        changed: vec!["server chat".to_owned()],
        kept: vec!["client up".to_owned()],
    };
    let fault = Fault {
        file: "bellwire.toml".into(),
        place: Some(Place { line: 3, column: 1 }),
        what: "unknown key".to_owned(),
    };
    let connection = ConnectionStatus {
        connection: ConnectionName(42),
        source: "chat".to_owned(),
        peer: "127.0.0.1:50000".to_owned(),
        user: None,
        since: at(0),
        messages_in: 1,
        messages_out: 2,
        bytes_in: 30,
        bytes_out: 40,
    };
    let outcomes = [
        (1, Ok(CallResult::Status(status))),
        (2, Ok(CallResult::Reloaded(reloaded))),
        (2, Err(Error::configuration(vec![fault]))),
        (
            3,
            Ok(CallResult::Servers(vec![server(ServerState::Started, 2)])),
        ),
        (5, Ok(CallResult::Server(server(ServerState::Stopped, 0)))),
        (5, Err(Error::no_such_server("chta"))),
        (
            6,
            Ok(CallResult::Clients(vec![client(
                ClientState::Connected,
                None,
            )])),
        ),
        (
            8,
            Ok(CallResult::Client(client(ClientState::Disconnected, None))),
        ),
        (9, Ok(CallResult::Connections(vec![connection]))),
        (10, Ok(CallResult::Reached(Reached { reached: 2 }))),
        (12, Err(Error::not_connected("up"))),
        (13, Ok(CallResult::Done {})),
        (13, Err(Error::no_such_connection(ConnectionName(42)))),
        (14, Ok(CallResult::Done {})),
        (15, Err(Error::no_such_request(RequestName(8)))),
        (16, Ok(CallResult::Subscribed(Subscribed { seq: 16 }))),
    ];
    let response = |(id, outcome)| Response {
        id: RequestId::number(id),
        outcome,
    };
    outcomes
        .into_iter()
        .map(response)
        .map(|it| encoded(&it))
        .collect()
}
