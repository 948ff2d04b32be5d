//! The engine as the client under test of the Autobahn TestSuite, whose fuzzing server has to run already:
//!
//! ```text
//! BELLWIRE_FUZZINGSERVER=ws://127.0.0.1:9001 cargo test --test autobahn_client -- --nocapture
//! ```
//!
//! Without the variable there is nothing to test, and that is said.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use bellwire::conn::deadline::Millis;
use bellwire::conn::event::{ConnId, Event};
use bellwire::conn::{Conf, SlowPeer};
use bellwire::engine::{Engine, Handler, Limits, Ops, Outcome, Outgoing, OwnerId, Speaks};
use bellwire::proto::http::url::{Host, Url, host_field};
use bellwire::proto::ws::handshake::UpgradeRequest;

const SERVER: &str = "BELLWIRE_FUZZINGSERVER";

/// For one connection: the longest cases send a million frames.
const PATIENCE: Duration = Duration::from_secs(300);

/// The message that the suite sends, and the one that it expects.
const MAX_MESSAGE: usize = 64 << 20;

/// Echoes, or keeps the one message that answers a question.
#[derive(Default)]
struct Client {
    echoes: bool,
    answer: Option<String>,
    ended: Option<String>,
}

impl Handler for Client {
    fn on_event(&mut self, ops: &mut Ops<'_>, _: ConnId, event: Event<'_>) {
        match event {
            Event::Message { kind, data } if self.echoes => {
                ops.reply(kind, data);
            }
            Event::Message { data, .. } => {
                self.answer = Some(String::from_utf8_lossy(data).into_owned());
            }
            Event::Closed(reason) => self.ended = Some(reason.to_string()),
            _ => {}
        }
    }
}

struct Suite {
    engine: Engine,
    owner: OwnerId,
    url: Url,
}

impl Suite {
    fn new(url: &str) -> Suite {
        let url = Url::parse(url).expect("a URL");
        let limits = Limits {
            max_connections: 100,
            max_memory: 1 << 30,
        };
        let mut engine = Engine::new(limits, random).expect("an engine");
        let owner = engine.add_owner("autobahn", usize::MAX, Speaks::Http);
        Suite { engine, owner, url }
    }

    /// One connection, from its beginning to its end.
    fn connect(&mut self, target: &str, echoes: bool) -> Client {
        let Host::Ip(ip) = self.url.host else {
            panic!("{SERVER}: an address is wanted, and no name");
        };
        let mut client = Client {
            echoes,
            ..Client::default()
        };
        let address = SocketAddr::new(ip, self.url.port_or_default());
        self.engine.dial(vec![address]);
        let end = Instant::now() + PATIENCE;
        // The next connection begins when this one is gone from both ends.
        while client.ended.is_none() || self.engine.connections() > 0 {
            assert!(Instant::now() < end, "{target} does not end");
            while let Some(outcome) = self.engine.poll() {
                self.open(target, outcome);
            }
            self.engine.settle(&mut client);
            self.engine
                .turn(&mut client, Some(Duration::from_secs(1)))
                .expect("a turn");
        }
        client
    }

    fn open(&mut self, target: &str, outcome: Outcome) {
        let Outcome::Dialled(dialled) = outcome else {
            return;
        };
        let stream = dialled.result.expect("the fuzzing server runs");
        let host = host_field(&self.url.host, self.url.port_or_default(), self.url.tls);
        let outgoing = Outgoing {
            owner: self.owner,
            conf: &Rc::new(conf()),
            request: UpgradeRequest {
                host: &host,
                target,
                protocols: &[],
                basic: None,
                fields: &[],
            },
            nonce: self.engine.random(),
            tls: None,
        };
        self.engine.adopt(stream, &outgoing).expect("a connection");
    }
}

fn conf() -> Conf {
    Conf {
        max_message: MAX_MESSAGE,
        max_backlog: MAX_MESSAGE,
        slow_peer: SlowPeer::Close,
        max_body: 0,
        head_timeout: Millis::seconds(10),
        idle_timeout: Millis::seconds(60),
        ping_interval: Millis::new(0),
        pong_timeout: Millis::new(0),
    }
}

fn random(buffer: &mut [u8; 256]) {
    // SAFETY: the buffer is as long as it is said to be.
    let count = unsafe { libc::getrandom(buffer.as_mut_ptr().cast(), buffer.len(), 0) };
    assert_eq!(count, 256);
}

/// What the suite thinks of a case.
fn behavior(status: &str) -> String {
    let status: serde_json::Value = serde_json::from_str(status).expect("JSON");
    status["behavior"].as_str().unwrap_or("none").to_owned()
}

#[test]
fn every_case_is_passed() {
    let Ok(url) = std::env::var(SERVER) else {
        println!("skipped: {SERVER} names no fuzzing server of the Autobahn TestSuite");
        return;
    };
    let mut suite = Suite::new(&url);
    let count = suite.connect("/getCaseCount", false).answer;
    let count: u32 = count.and_then(|text| text.parse().ok()).expect("a count");
    assert!(count > 0, "there are no cases");
    let mut others = Vec::new();
    let mut passed = 0;
    for case in 1..=count {
        let ended = suite.connect(&format!("/runCase?case={case}&agent=bellwire"), true);
        let ended = ended.ended.unwrap_or_default();
        let status = format!("/getCaseStatus?case={case}&agent=bellwire");
        let status = suite.connect(&status, false).answer;
        match behavior(&status.expect("a status")).as_str() {
            "OK" => passed += 1,
            // Nothing is asked there; and nothing that is not spoken: compression.
            "INFORMATIONAL" | "UNIMPLEMENTED" => {}
            other => others.push(format!("case {case}: {other} ({ended})")),
        }
    }
    suite.connect("/updateReports?agent=bellwire", false);
    println!("{passed} of {count} cases OK");
    assert_eq!(others, Vec::<String>::new());
}
