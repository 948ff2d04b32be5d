//! Lines to calls and back.

mod examples;

use serde_json::{Value, json};

use super::*;

fn one(line: &str) -> Request {
    match decode(line.as_bytes()) {
        Incoming::One(request) => request,
        other => panic!("{line}: {other:?}"),
    }
}

/// What a method with these params is decoded to.
fn call(method: &str, params: &Value) -> Result<Call, Error> {
    let line = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
    one(&line.to_string()).call
}

/// The code, field and message of a refused call.
fn refused(method: &str, params: &Value) -> (ErrorCode, String, String) {
    let error = call(method, params).expect_err("refused");
    let field = error.data.and_then(|data| data.field).expect("a field");
    (error.code, field, error.message)
}

fn invalid(method: &str, params: &Value) -> String {
    let (code, field, message) = refused(method, params);
    assert_eq!(code, ErrorCode::InvalidParams, "{message}");
    assert!(message.starts_with(&format!("{field}: ")), "{message}");
    assert!(message.contains("; allowed: "), "{message}");
    message
}

fn encoded(response: &Response) -> String {
    let mut out = Vec::new();
    response.encode(&mut out);
    String::from_utf8(out).expect("UTF-8")
}

#[test]
fn what_is_no_request_is_answered_with_null() {
    for (line, code) in [
        ("{", ErrorCode::Parse),
        ("{\"jsonrpc\":\"2.0\",}", ErrorCode::Parse),
        ("status", ErrorCode::Parse),
        ("1", ErrorCode::InvalidRequest),
        ("\"status\"", ErrorCode::InvalidRequest),
        ("[]", ErrorCode::InvalidRequest),
        ("{}", ErrorCode::InvalidRequest),
        ("{\"method\":\"status\"}", ErrorCode::InvalidRequest),
        (
            "{\"jsonrpc\":2.0,\"method\":\"status\"}",
            ErrorCode::InvalidRequest,
        ),
        (
            "{\"jsonrpc\":\"2.0\",\"method\":1}",
            ErrorCode::InvalidRequest,
        ),
    ] {
        let request = one(line);
        assert_eq!(request.id, Some(RequestId::null()), "{line}");
        assert_eq!(request.call.expect_err(line).code, code, "{line}");
    }
    assert!(matches!(
        decode(b"{\"jsonrpc\":\"\xff\"}"),
        Incoming::One(Request { call: Err(_), .. })
    ));
}

#[test]
fn blank_lines_are_nothing() {
    assert_eq!(decode(b""), Incoming::Nothing);
    assert_eq!(decode(b" \t\r\n"), Incoming::Nothing);
}

#[test]
fn ids_of_any_type_are_echoed_as_they_were_written() {
    for id in [
        "1",
        "-0.50",
        "123456789012345678901234567890",
        "\"a\\u0062\"",
        "null",
        "[1, 2]",
        "{\"a\":1}",
        "true",
    ] {
        let request = one(&format!(
            "{{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":\"status\"}}"
        ));
        assert_eq!(request.call, Ok(Call::Status));
        let response = Response {
            id: request.id.expect("an id"),
            outcome: Ok(CallResult::Done {}),
        };
        assert_eq!(
            encoded(&response),
            format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{{}}}}\n")
        );
    }
}

#[test]
fn a_notification_has_no_id() {
    let request = one("{\"jsonrpc\":\"2.0\",\"method\":\"status\"}");
    assert_eq!((request.id, request.call), (None, Ok(Call::Status)));
    let unknown = one("{\"jsonrpc\":\"2.0\",\"method\":\"walk\"}");
    assert_eq!(unknown.id, None);
    assert_eq!(
        unknown.call.expect_err("unknown").code,
        ErrorCode::MethodNotFound
    );
}

#[test]
fn batches_are_answered_by_one_array() {
    let line = "[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"status\"}, 7, {\"jsonrpc\":\"2.0\",\"method\":\"status\"}]";
    let Incoming::Batch(requests) = decode(line.as_bytes()) else {
        panic!("no batch")
    };
    let responses: Vec<Response> = requests
        .into_iter()
        .filter_map(|request| {
            let outcome = request.call.map(|_| CallResult::Done {});
            request.id.map(|id| Response { id, outcome })
        })
        .collect();
    let mut out = Vec::new();
    encode_batch(&responses, &mut out);
    let answer: Value = serde_json::from_slice(&out).expect("JSON");
    assert_eq!(out.iter().filter(|byte| **byte == b'\n').count(), 1);
    assert_eq!(answer[0], json!({"jsonrpc": "2.0", "id": 1, "result": {}}));
    assert_eq!(
        (&answer[1]["id"], &answer[1]["error"]["code"]),
        (&Value::Null, &json!(-32600))
    );
    assert_eq!(answer.as_array().map(Vec::len), Some(2));
    out.clear();
    encode_batch(&[], &mut out);
    assert_eq!(out, b"");
}

#[test]
fn a_batch_is_bounded() {
    let line = |count| format!("[{}]", vec!["1"; count].join(","));
    assert!(matches!(
        decode(line(MAX_BATCH).as_bytes()),
        Incoming::Batch(_)
    ));
    let error = one(&line(MAX_BATCH + 1)).call.expect_err("too many");
    assert_eq!(
        error.message,
        "request: a batch of 1001 requests; allowed: 1 to 1000"
    );
}

#[test]
fn unknown_methods_and_params_are_named() {
    let (code, field, message) = refused("walk", &json!({}));
    assert_eq!(
        (code, field.as_str()),
        (ErrorCode::MethodNotFound, "method")
    );
    assert!(message.starts_with("method: \"walk\"; allowed: status, reload, "));
    assert_eq!(
        invalid("kick", &json!({"connection": "c1", "cod": 1})),
        "cod: an unknown param; allowed: connection, code, reason"
    );
    assert_eq!(
        invalid("status", &json!({"x": null})),
        "x: an unknown param; allowed: no params"
    );
    assert_eq!(
        invalid("status", &json!([1])),
        "params: an array; allowed: an object, params by name"
    );
    assert_eq!(call("status", &json!([])), Ok(Call::Status));
    assert_eq!(call("status", &json!(null)), Ok(Call::Status));
}

#[test]
fn params_have_their_types() {
    for (method, params, begins) in [
        (
            "reload",
            json!({"dry_run": "yes"}),
            "dry_run: \"yes\"; allowed: true or false",
        ),
        (
            "server.start",
            json!({}),
            "id: missing; allowed: the id of a server",
        ),
        (
            "client.connect",
            json!({"id": 1}),
            "id: 1; allowed: a string",
        ),
        (
            "send",
            json!({"id": "a"}),
            "text: missing; allowed: one of text, base64",
        ),
        (
            "send",
            json!({"id": "a", "text": "b", "base64": ""}),
            "base64: beside text",
        ),
        (
            "send",
            json!({"id": "a", "base64": "AP8"}),
            "base64: no base64; allowed: RFC 4648",
        ),
        (
            "send",
            json!({"id": "a", "text": "b", "to": "42"}),
            "to: \"42\"; allowed: a connection, such as c42",
        ),
        (
            "send",
            json!({"id": "a", "text": "b", "to": "c1", "user": "u"}),
            "user: beside to",
        ),
        (
            "send",
            json!({"id": "a", "text": "b", "to": "c1", "except": "c2"}),
            "except: beside another",
        ),
        (
            "send",
            json!({"id": "a", "text": "b", "user": "u", "except": "c2"}),
            "except: beside another",
        ),
        ("kick", json!({}), "connection: missing"),
        (
            "kick",
            json!({"connection": "c1", "code": 1005}),
            "code: 1005; allowed: 1000 to 1003",
        ),
        (
            "kick",
            json!({"connection": "c1", "code": 70000}),
            "code: 70000; allowed: 1000",
        ),
        (
            "kick",
            json!({"connection": "c1", "code": 1000.5}),
            "code: 1000.5; allowed: 1000",
        ),
        (
            "kick",
            json!({"connection": "c1", "reason": "x".repeat(124)}),
            "reason: 124 bytes; allowed: at most 123",
        ),
        (
            "respond",
            json!({"request": "c7"}),
            "request: \"c7\"; allowed: a request, such as r7",
        ),
        (
            "respond",
            json!({"request": "r7", "text": "", "redirect": "/"}),
            "redirect: beside a body",
        ),
        (
            "respond",
            json!({"request": "r7", "headers": [["a"]]}),
            "headers: an array; allowed: an array of pairs",
        ),
        (
            "respond",
            json!({"request": "r7", "headers": [["a", "b\r\nc: d"]]}),
            "headers: a: \"b\\r\\nc: d\"",
        ),
        (
            "respond",
            json!({"request": "r7", "cookies": "a=b"}),
            "cookies: \"a=b\"; allowed: an array",
        ),
        (
            "events.subscribe",
            json!({"kinds": ["mesage"]}),
            "kinds: \"mesage\"; allowed: server_started, ",
        ),
        (
            "events.subscribe",
            json!({"ids": [1]}),
            "ids: 1; allowed: an array of strings",
        ),
    ] {
        let message = invalid(method, &params);
        assert!(message.starts_with(begins), "{message}");
    }
}

#[test]
fn defaults_are_filled_in() {
    assert_eq!(
        call("reload", &json!({})),
        Ok(Call::Reload { dry_run: false })
    );
    let Ok(Call::Kick(kick)) = call("kick", &json!({"connection": "c1", "code": null})) else {
        panic!("a kick")
    };
    assert_eq!((kick.code.get(), kick.reason.as_str()), (1008, ""));
    assert_eq!(
        call("events.subscribe", &json!({})),
        Ok(Call::Subscribe(Subscribe::default()))
    );
}

#[test]
fn what_cannot_be_held_is_a_parse_error_under_its_id() {
    let deep = "[".repeat(200) + &"]".repeat(200);
    for value in [deep.as_str(), "\"\\ud800\"", "1e999"] {
        let line = format!(
            "{{\"jsonrpc\":\"2.0\",\"id\":5,\"method\":\"send\",\"params\":{{\"id\":{value}}}}}"
        );
        let request = one(&line);
        assert_eq!(request.id, Some(RequestId::number(5)), "{value}");
        assert_eq!(
            request.call.expect_err(value).code,
            ErrorCode::Parse,
            "{value}"
        );
    }
}

#[test]
fn answers_are_read_by_commands() {
    let read = |line: &str| FromDaemon::decode(line.as_bytes());
    assert!(matches!(
        read("{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"b\":1,\"a\":2}}"),
        Ok(FromDaemon::Answer { id, result: Ok(result) }) if id == RequestId::number(1) && result.get() == "{\"b\":1,\"a\":2}"
    ));
    assert!(matches!(
        read("{\"jsonrpc\":\"2.0\",\"method\":\"event\",\"params\":{\"seq\":1}}"),
        Ok(FromDaemon::Event(params)) if params.get() == "{\"seq\":1}"
    ));
    for line in [
        "",
        "{}",
        "[]",
        "{\"id\":1}",
        "{\"id\":1,\"result\":1,\"error\":{}}",
        "{\"method\":\"event\"}",
    ] {
        assert!(read(line).is_err(), "{line}");
    }
}

#[test]
fn a_line_has_room_for_base64() {
    let message = vec![0xff; 1 << 20];
    let send = Call::Send(Send {
        id: "x".repeat(100),
        data: Data::Binary(message),
        receivers: Receivers::Except(ConnectionName(u64::MAX)),
    });
    let mut out = Vec::new();
    encode(Some(&RequestId::number(1)), &send, &mut out);
    assert!(out.len() <= max_line(1 << 20), "{}", out.len());
    assert_eq!(one(str::from_utf8(&out).expect("UTF-8")).call, Ok(send));
}
