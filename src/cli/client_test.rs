//! `bellwire client test`: connects as a client would, and reports each step: DNS, TCP, TLS, upgrade, ping.
//!
//! It needs no daemon, and uses the same connection code as the daemon's clients. It does not send messages of the
//! configuration, such as `on_connect`: the server sees only a connection that is opened and closed.

mod advice;
mod connect;
mod link;
mod report;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::certs::{CertificateFacts, SystemRoots, server_name};
use crate::cli::args::ClientTest;
use crate::cli::certificates;
use crate::cli::client_url;
use crate::cli::source;
use crate::config::{Client, Id};
use crate::conn::tls::Tls;
use crate::process::exit::Exit;
use crate::process::output::{complain, print_faults};
use crate::process::random::random;
use crate::proto::http::url::Host;

use link::{Link, Seen, TestTransport};
use report::{Report, StepFailure, TestStep};

/// How long the closing handshake at the end may take.
const CLOSING: Duration = Duration::from_secs(1);

/// Connects, and reports how it went.
pub(super) fn test(options: ClientTest) -> Exit {
    let client = match find(&options.target, options.common.config) {
        Ok(client) => client,
        Err(exit) => return exit,
    };
    let report = Report {
        json: options.common.json,
    };
    let test = Test {
        client: &client,
        report,
        timeout: options.timeout,
    };
    match test.run() {
        Ok(()) => Exit::Done,
        Err(exit) => exit,
    }
}

/// The client of this id or URL.
fn find(target: &str, config: Option<PathBuf>) -> Result<Client, Exit> {
    if target == "-" || target.contains("://") {
        return client_url::read(target)
            .map(Client::of_url)
            .map_err(|what| {
                complain(&format!("bellwire: {what}"));
                Exit::Usage
            });
    }
    let config = source::load(config).map_err(|faults| {
        print_faults(&faults);
        Exit::Configuration
    })?;
    let id = Id::new(target);
    let mut clients = config.config.clients.into_iter();
    clients
        .find(|client| Some(&client.id) == id.as_ref())
        .ok_or_else(|| {
            complain(&format!("bellwire: invalid WS client ID {target:?}"));
            Exit::NoSuchId
        })
}

struct Test<'c> {
    client: &'c Client,
    report: Report,
    timeout: Duration,
}

impl Test<'_> {
    fn run(&self) -> Result<(), Exit> {
        let addresses = self.resolve()?;
        let stream = self.connect(&addresses)?;
        let mut transport = TestTransport::new(stream, self.end());
        if self.client.tls {
            transport = self.secure(transport)?;
        }
        let mut link = self.upgrade(transport)?;
        self.ping(&mut link)?;
        link.close(Instant::now() + CLOSING);
        Ok(())
    }

    fn end(&self) -> Instant {
        Instant::now() + self.timeout
    }

    fn resolve(&self) -> Result<Vec<IpAddr>, Exit> {
        let name = match &self.client.host {
            Host::Ip(address) => return Ok(vec![*address]),
            Host::Name(name) => name,
        };
        let start = Instant::now();
        let result = connect::resolve(name, self.timeout);
        let took = start.elapsed();
        let addresses =
            result.map_err(|failure| self.report.failed(TestStep::Dns, took, &failure))?;
        let texts: Vec<String> = addresses.iter().map(ToString::to_string).collect();
        let text = format!("{name}: {}", texts.join(", "));
        let facts = [
            ("name", Value::from(name.as_str())),
            ("addresses", Value::from(texts)),
        ];
        self.report.done(TestStep::Dns, took, facts, &text);
        Ok(addresses)
    }

    fn connect(&self, addresses: &[IpAddr]) -> Result<std::net::TcpStream, Exit> {
        let start = Instant::now();
        let addresses: Vec<SocketAddr> = addresses
            .iter()
            .map(|address| SocketAddr::new(*address, self.client.port))
            .collect();
        let mut first = None;
        let mut failure = StepFailure::new(
            "no address can be connected to",
            "another port; whether the server runs; and what is between, such as a firewall",
        );
        for attempt in connect::connect(&addresses, self.timeout) {
            let address = attempt.address.to_string();
            let fact = ("address", Value::from(address.as_str()));
            let cause = match attempt.result {
                Some(Ok(stream)) => {
                    self.report
                        .done(TestStep::Tcp, attempt.took, [fact], &address);
                    first = first.or(Some(stream));
                    continue;
                }
                Some(Err(error)) => error.to_string(),
                None => {
                    failure.timed_out = true;
                    "no answer in time".to_owned()
                }
            };
            let text = format!("{address}: {cause}");
            if addresses.len() == 1 {
                failure.cause = text;
            } else {
                let facts = [fact, ("cause", Value::from(cause))];
                self.report
                    .missed(TestStep::Tcp, attempt.took, facts, &text);
            }
        }
        first.ok_or_else(|| self.report.failed(TestStep::Tcp, start.elapsed(), &failure))
    }

    fn secure(&self, mut transport: TestTransport) -> Result<TestTransport, Exit> {
        let start = Instant::now();
        let result = self.make_tls().and_then(|tls| {
            let tls = transport.secure(tls)?;
            Ok((
                tls.agreed(),
                tls.peer_certificates()
                    .first()
                    .map(|der| CertificateFacts::read(der)),
            ))
        });
        let took = start.elapsed();
        let (agreed, certificate) =
            result.map_err(|failure| self.report.failed(TestStep::Tls, took, &failure))?;
        let version = agreed
            .and_then(|(version, _)| version.as_str())
            .unwrap_or_default()
            .replace('_', ".")
            .replace("TLSv", "TLS ");
        let verified = self.client.trust.verify;
        let unverified = if verified { "" } else { ", not verified" };
        let (text, certificate) = match certificate.flatten() {
            Some(facts) => (
                format!(
                    "{version}; {facts}, issued by {}, {}{unverified}",
                    facts.issuer,
                    certificates::time_left(&facts)
                ),
                certificate_facts(&facts),
            ),
            // TLS may accept a certificate that this program cannot read.
            None => (format!("{version}{unverified}"), Value::Null),
        };
        let facts = [
            ("version", Value::from(version)),
            ("verified", Value::from(verified)),
            ("certificate", certificate),
        ];
        self.report.done(TestStep::Tls, took, facts, &text);
        Ok(transport)
    }

    fn make_tls(&self) -> Result<Tls, StepFailure> {
        const TRUST: &str = "other files in [client.trust]";
        let loaded = certificates::load_client(
            self.client,
            &mut SystemRoots::new(certificates::open_authorities),
        );
        let loaded = loaded.map_err(|faults| {
            let faults: Vec<String> = faults.into_iter().map(|(_, what)| what).collect();
            StepFailure::new(faults.join("; "), TRUST)
        })?;
        let name = server_name(&self.client.host)
            .map_err(|error| StepFailure::new(error.to_string(), "another name of the host"))?;
        Tls::client(&loaded.config, name)
            .map_err(|error| StepFailure::new(error.to_string(), TRUST))
    }

    fn upgrade(&self, transport: TestTransport) -> Result<Link, Exit> {
        let start = Instant::now();
        let transport = transport.until(self.end());
        let result = self
            .client
            .with_request(|request| Link::open(transport, &request, random))
            .and_then(|mut link| {
                let seen = link.wait()?;
                Ok((link, seen))
            });
        let took = start.elapsed();
        let (link, seen) =
            result.map_err(|failure| self.report.failed(TestStep::Upgrade, took, &failure))?;
        let protocol = match seen {
            Seen::Opened(protocol) => protocol,
            Seen::Pong => None,
        };
        let text = match &protocol {
            Some(protocol) => format!("subprotocol {protocol}"),
            None => "no subprotocol".to_owned(),
        };
        let facts = [("subprotocol", Value::from(protocol))];
        self.report.done(TestStep::Upgrade, took, facts, &text);
        Ok(link)
    }

    fn ping(&self, link: &mut Link) -> Result<(), Exit> {
        let start = Instant::now();
        let mut result = link.ping(self.end());
        while result.is_ok() {
            match link.wait() {
                Ok(Seen::Pong) => break,
                Ok(Seen::Opened(_)) => {}
                Err(failure) => result = Err(failure),
            }
        }
        let took = start.elapsed();
        match result {
            Ok(()) => {
                self.report.done(TestStep::Ping, took, [], "answered");
                Ok(())
            }
            Err(failure) => Err(self.report.failed(TestStep::Ping, took, &failure)),
        }
    }
}

fn certificate_facts(facts: &CertificateFacts) -> Value {
    serde_json::json!({
        "subject": facts.subject,
        "names": facts.names,
        "issuer": facts.issuer,
        "days_left": facts.days_left(certificates::now()),
    })
}
