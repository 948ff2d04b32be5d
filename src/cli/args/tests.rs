//! Lines to commands, and what is said to those that are none.

use std::path::PathBuf;
use std::time::Duration;

use super::calls::TIMEOUT;
use super::*;
use crate::config::{Id, LogLevel};
use crate::rpc::Call;

fn parsed(line: &str) -> Result<Command, String> {
    parse(line.split_whitespace().map(OsString::from))
}

fn parsed_words(words: &[&str]) -> Result<Command, String> {
    parse(words.iter().map(OsString::from))
}

fn printed(text: &str) -> Command {
    Command::Print(text.to_owned())
}

/// The help page of the verb of these words, or of the first that begins so.
fn page(words: &str) -> String {
    let verb = VERBS
        .iter()
        .find(|verb| verb.words.join(" ").starts_with(words));
    verb.expect(words).page.text()
}

fn options(config: Option<&str>, verbosity: Verbosity) -> CommonOptions {
    CommonOptions {
        config: config.map(PathBuf::from),
        verbosity,
        json: false,
    }
}

fn controlled(words: &[&str]) -> DaemonCall {
    match parsed_words(words) {
        Ok(Command::Control(control)) => control,
        other => panic!("{words:?}: {other:?}"),
    }
}

/// The request that a line makes, as it goes to the daemon.
fn request(words: &[&str]) -> String {
    let mut out = Vec::new();
    crate::rpc::encode(None, &controlled(words).call, &mut out);
    let line = String::from_utf8(out).expect("UTF-8");
    let begins = "{\"jsonrpc\":\"2.0\",\"method\":";
    let sent = line
        .strip_prefix(begins)
        .and_then(|line| line.strip_suffix("\n"));
    sent.expect("a request").to_owned()
}

#[test]
fn verbs_and_options() {
    for (line, command) in [
        ("", Command::Run(options(None, Verbosity::AsConfigured))),
        ("run", Command::Run(options(None, Verbosity::AsConfigured))),
        (
            "-c a.toml",
            Command::Run(options(Some("a.toml"), Verbosity::AsConfigured)),
        ),
        ("run -q", Command::Run(options(None, Verbosity::Quiet))),
        ("run -v", Command::Run(options(None, Verbosity::Verbose))),
        (
            "run -v -v",
            Command::Run(options(None, Verbosity::Everything)),
        ),
        (
            "-vvv run",
            Command::Run(options(None, Verbosity::Everything)),
        ),
        (
            "check -qcb.toml",
            Command::Check(options(Some("b.toml"), Verbosity::Quiet)),
        ),
        (
            "--config=b check",
            Command::Check(options(Some("b"), Verbosity::AsConfigured)),
        ),
        (
            "check -c b --json",
            Command::Check(CommonOptions {
                json: true,
                ..options(Some("b"), Verbosity::AsConfigured)
            }),
        ),
        ("--help", Command::Print(verbs::help())),
        ("run -h", printed(&page("run"))),
        ("-h check", printed(&page("check"))),
        ("send --help", printed(&page("send"))),
        ("server -h", printed(&page("server"))),
        ("server start -h", printed(&page("server"))),
        ("client -h", printed(&page("client"))),
        ("client new -h", printed(&page("client new"))),
        ("-V", printed(VERSION)),
        ("hash-password", Command::HashPassword),
    ] {
        assert_eq!(parsed(line), Ok(command), "{line}");
    }
}

#[test]
fn wrong_usage_says_what_is_allowed() {
    let run = "-c/--config FILE, -q, -v, -h/--help, -V/--version";
    for (line, error) in [
        (
            "walk",
            "unknown verb \"walk\"; allowed: run, check, status, reload, server, client, send, connections, kick, respond, events, hash-password".to_owned(),
        ),
        (
            "check a.toml",
            "unexpected argument \"a.toml\"; a file is named with -c FILE".to_owned(),
        ),
        ("-x", format!("unknown option -x; allowed: {run}")),
        ("--loud", format!("unknown option --loud; allowed: {run}")),
        ("run --json", format!("--json is no option here; allowed: {run}")),
        ("--socket /s", format!("--socket is no option here; allowed: {run}")),
        (
            "status --loud",
            "unknown option --loud; allowed: -c/--config FILE, --socket PATH, --timeout TIME, -q, -v, --json, -h/--help, -V/--version".to_owned(),
        ),
        ("-c", "missing argument for option '-c'".to_owned()),
        ("-c a -c b", "--config is given more than once; allowed: once".to_owned()),
        ("-q -v", "-q and -v exclude each other".to_owned()),
        ("check --json=1", "unexpected argument for option '--json': \"1\"".to_owned()),
        ("status a", "unexpected argument \"a\"; allowed: bellwire status [--json]".to_owned()),
        ("status --timeout 0s", "--timeout: \"0s\"; allowed: 1ms to 24h, such as 500ms, 10s, 1min".to_owned()),
        ("server", "server wants to know what; allowed: list, start, stop".to_owned()),
        ("server walk", "unknown verb server \"walk\"; allowed: list, start, stop".to_owned()),
        ("server start", "missing argument; allowed: the id of a server".to_owned()),
        ("client walk -h", "unknown verb client \"walk\"; allowed: list, connect, disconnect, test, new".to_owned()),
        ("client test", "missing argument; allowed: the id of a client, a URL, or - for a URL on stdin".to_owned()),
        ("client new - --id 1a", "--id: \"1a\"; allowed: letters, digits and underscores, not beginning with a digit".to_owned()),
        ("send", "missing argument; allowed: the id of a server or client".to_owned()),
        ("send a --to 5 b", "--to: \"5\"; allowed: a connection, such as c42".to_owned()),
        ("send a --to c5 --user u b", "--to, --except and --user exclude each other; allowed: one of them".to_owned()),
        ("send a b --file f", "a text beside --file; allowed: one of both".to_owned()),
        ("kick 7", "kick: \"7\"; allowed: a connection, such as c42".to_owned()),
        ("kick c7 --code 1005", "--code: 1005; allowed: 1000 to 1003, 1007 to 1014, 3000 to 4999".to_owned()),
        ("kick c7 --code x", "--code: \"x\"; allowed: a whole number".to_owned()),
        ("respond c7", "respond: \"c7\"; allowed: a request, such as r7".to_owned()),
        ("respond r7 --text a --file b", "--text, --file and --redirect exclude each other; allowed: one of them".to_owned()),
        ("respond r7 --status 99", "--status: 99; allowed: 200 to 599; 300 to 399 with redirect".to_owned()),
        ("respond r7 --status 204 --file f", "--status: 204 beside a body; allowed: a status that has a body".to_owned()),
        ("respond r7 --header X", "--header: \"X\"; allowed: a field, such as 'X-Site: attic'".to_owned()),
        ("respond r7 --cookie X", "--cookie: \"X\"; allowed: name=value, with attributes after semicolons".to_owned()),
        ("-- -c", "unknown verb \"-c\"; allowed: run, check, status, reload, server, client, send, connections, kick, respond, events, hash-password".to_owned()),
    ] {
        assert_eq!(parsed(line), Err(error), "{line}");
    }
    let kinds = parsed("events --kind mesage").expect_err("unknown");
    assert!(kinds.starts_with("--kind: \"mesage\"; allowed: server_started, "));
}

#[test]
fn verbs_are_calls() {
    for (words, sent) in [
        (["status"].as_slice(), r#""status","params":{}}"#),
        (
            &["reload", "--dry-run"],
            r#""reload","params":{"dry_run":true}}"#,
        ),
        (&["server", "list"], r#""server.list","params":{}}"#),
        (
            &["server", "stop", "a"],
            r#""server.stop","params":{"id":"a"}}"#,
        ),
        (
            &["client", "list", "u"],
            r#""client.list","params":{"id":"u"}}"#,
        ),
        (
            &["client", "connect", "u"],
            r#""client.connect","params":{"id":"u"}}"#,
        ),
        (
            &["send", "a", "two words", "--except", "c4"],
            r#""send","params":{"id":"a","text":"two words","except":"c4"}}"#,
        ),
        (
            &["send", "a", "--user", "u", "--binary", "--", "--x"],
            r#""send","params":{"id":"a","base64":"LS14","user":"u"}}"#,
        ),
        (
            &["kick", "c4"],
            r#""kick","params":{"connection":"c4","code":1008}}"#,
        ),
        (
            &["kick", "c4", "--code", "4000", "--reason", "-bye"],
            r#""kick","params":{"connection":"c4","code":4000,"reason":"-bye"}}"#,
        ),
        (
            &[
                "respond",
                "r7",
                "--redirect",
                "/x",
                "--header",
                "A:  b: c ",
                "--header",
                "D:",
                "--cookie",
                "k=v",
            ],
            r#""respond","params":{"request":"r7","redirect":"/x","headers":[["A","b: c"],["D",""]],"cookies":["k=v"]}}"#,
        ),
        (
            &["events", "a", "b", "--kind", "lost", "--kind=message"],
            r#""events.subscribe","params":{"ids":["a","b"],"kinds":["lost","message"]}}"#,
        ),
    ] {
        assert_eq!(request(words), sent, "{words:?}");
    }
}

#[test]
fn common_options_go_anywhere() {
    let control = controlled(&[
        "--socket",
        "/s",
        "status",
        "-c",
        "f",
        "--json",
        "-v",
        "--timeout=500ms",
    ]);
    assert_eq!(
        control,
        DaemonCall {
            call: Call::Status,
            input: None,
            socket: Some("/s".into()),
            timeout: Duration::from_millis(500),
            common: CommonOptions {
                json: true,
                ..options(Some("f"), Verbosity::Verbose)
            },
        }
    );
    assert_eq!(controlled(&["status"]).timeout, TIMEOUT);
}

#[test]
fn messages_come_from_words_files_and_stdin() {
    let input = |words: &[&str]| controlled(words).input;
    let source = |source, form| Some(CallInput { source, form });
    assert_eq!(input(&["send", "a", "b"]), None);
    assert_eq!(
        input(&["send", "a"]),
        source(InputSource::Stdin, Form::Text)
    );
    assert_eq!(
        input(&["send", "a", "--binary", "--file", "-"]),
        source(InputSource::Stdin, Form::Binary)
    );
    assert_eq!(
        input(&["send", "a", "--file", "f"]),
        source(InputSource::File("f".into()), Form::Text)
    );
    assert_eq!(
        input(&["respond", "r1", "--file", "f"]),
        source(InputSource::File("f".into()), Form::Either)
    );
    assert_eq!(input(&["respond", "r1"]), None);
}

#[test]
fn clients_are_tested_and_made_by_hand() {
    let Ok(Command::ClientTest(test)) = parsed("client test ws://h/ --timeout 1min -q --json -c f")
    else {
        panic!("a test")
    };
    assert_eq!(
        test,
        ClientTest {
            target: "ws://h/".to_owned(),
            timeout: Duration::from_secs(60),
            common: CommonOptions {
                json: true,
                ..options(Some("f"), Verbosity::Quiet)
            },
        }
    );
    assert_eq!(
        parsed("client new - --id up"),
        Ok(Command::ClientNew(ClientNew {
            url: "-".to_owned(),
            id: Id::new("UP"),
        }))
    );
}

#[test]
fn bytes_that_are_no_text() {
    use std::os::unix::ffi::OsStringExt;

    let bytes = || OsString::from_vec(vec![b'a', 0xff]);
    let send = |flags: &[&str]| {
        let words = ["send", "id"].iter().chain(flags).map(OsString::from);
        parse(words.chain([bytes()]))
    };
    assert_eq!(
        send(&[]),
        Err("the text is not UTF-8; allowed: UTF-8, or --binary".to_owned())
    );
    assert!(send(&["--binary"]).is_ok());
    assert!(parse([bytes()]).is_err_and(|error| error.starts_with("unknown verb")));
}

#[test]
fn every_verb_is_in_the_overview_and_has_a_page() {
    let overview = verbs::help();
    for verb in &VERBS {
        let words = verb.words.join(" ");
        let first = verb.words.first().copied().unwrap_or("[run]");
        assert!(overview.contains(&format!("  bellwire {first}")) || first == "run");
        let text = verb.page.text();
        assert!(text.starts_with("bellwire "), "{words}");
        for option in verb.page.all_options() {
            let key = option.key();
            assert!(
                overview.contains(key) || text.contains(key),
                "{words}: {key}"
            );
        }
    }
}

#[test]
fn a_page_is_usage_text_and_options() {
    let kick = "bellwire kick CONN [--code N] [--reason TEXT]\n\n\
        Closes a connection, such as c42.\n\n      \
        --code N         the close code: 1000 to 1003, 1007 to 1014, 3000 to 4999; 1008 (policy violation) when none is given\n      \
        --reason TEXT    the reason that the peer is told, at most 123 bytes\n\n\
        Options that all verbs have, and exit statuses: bellwire --help\n";
    assert_eq!(page("kick"), kick);
}

#[test]
fn flags_override_the_configured_level() {
    assert_eq!(Verbosity::Quiet.level(LogLevel::Trace), LogLevel::Error);
    assert_eq!(
        Verbosity::AsConfigured.level(LogLevel::Warn),
        LogLevel::Warn
    );
    assert_eq!(Verbosity::Verbose.level(LogLevel::Warn), LogLevel::Debug);
    assert_eq!(Verbosity::Verbose.level(LogLevel::Trace), LogLevel::Trace);
    assert_eq!(
        Verbosity::Everything.level(LogLevel::Error),
        LogLevel::Trace
    );
}
