//! Jobs: what a process is started for, with its environment and input.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::conn::event::ExchangeId;
use crate::engine::child::{ChildId, Command, Stdin};
use crate::engine::{Charge, Engine};
use crate::manager::trigger::rules::Rule;
use crate::manager::trigger::trigger_event::{Origin, What};
use crate::proto::ws::frame::Kind;

use super::answer::Answer;
use super::environment::{self, Base, Environment, Facts, Happening};

/// A process that is to be started.
#[derive(Debug)]
pub(super) struct Job {
    pub origin: Origin,
    pub env: Environment,
    pub task: Task,
    _charge: Charge,
}

#[derive(Debug)]
pub(super) enum Task {
    /// For one event that is no request. `input` is its stdin.
    Once { input: Option<Vec<u8>> },
    /// For a request, which it answers.
    Answer {
        answer: Box<Answer>,
        input: Vec<u8>,
        has_body: bool,
    },
    /// For a connection, as long as that lives. `line` is the first line of its stdin.
    PerConnection { line: Option<Vec<u8>> },
}

impl Job {
    /// A job for a rule, whose account is charged with its memory.
    pub(super) fn new(rule: &Rule, origin: Origin, env: Environment, task: Task) -> Job {
        let variables = env.iter();
        let env_size: usize = variables
            .map(|(name, value)| name.len() + value.len())
            .sum();
        let task_size = match &task {
            Task::Once { input: data } | Task::PerConnection { line: data } => {
                data.as_ref().map_or(0, Vec::len)
            }
            Task::Answer { answer, input, .. } => input.len() + answer.held(),
        };
        Job {
            _charge: rule.memory.charge(env_size + task_size),
            origin,
            env,
            task,
        }
    }

    /// Starts its process.
    ///
    /// # Errors
    /// Why it cannot be started.
    pub(super) fn spawn(
        &self,
        engine: &mut Engine,
        base: &Base,
        rule: &Rule,
    ) -> Result<ChildId, String> {
        let has_input = match &self.task {
            Task::Once { input } => input.is_some(),
            Task::Answer { has_body, .. } => *has_body,
            Task::PerConnection { .. } => true,
        };
        let stdin = if has_input { Stdin::Piped } else { Stdin::Null };
        spawn(engine, base, rule, &self.env, stdin)
    }

    /// The request that the process is to answer.
    pub(super) fn exchange(&self) -> Option<ExchangeId> {
        match &self.task {
            Task::Answer { answer, .. } => Some(answer.exchange),
            _ => None,
        }
    }
}

/// Starts a process of a rule.
///
/// # Errors
/// Why that cannot be.
pub(super) fn spawn(
    engine: &mut Engine,
    base: &Base,
    rule: &Rule,
    env: &Environment,
    stdin: Stdin,
) -> Result<ChildId, String> {
    let run = rule.run().ok_or("it runs nothing")?;
    let started = engine.spawn(&Command {
        program: &run.program,
        argv: &run.argv,
        env,
        stdin,
        descriptors: base.descriptors,
        memory: &rule.memory,
    });
    started.map_err(|error| format!("cannot run {}: {error}", run.program.display()))
}

/// The job for an event that is no request.
///
/// # Errors
/// No environment can hold the event.
pub(super) fn of_event(
    base: &Base,
    engine: &Engine,
    rule: &Rule,
    origin: Origin,
    what: What,
    per_connection: bool,
) -> Result<Job, environment::Error> {
    let happening = match &what {
        What::Message { kind, .. } => Happening::Message {
            text: *kind == Kind::Text,
        },
        What::Disconnect { code, reason } => Happening::Disconnect {
            code: *code,
            reason,
        },
        What::Connect | What::Request(_) => Happening::Connect,
    };
    let env = event_environment(base, engine, rule, &origin, None, &happening)?;
    let task = match what {
        What::Message { kind, data } if per_connection => Task::PerConnection {
            line: Some(line_of(kind, data)),
        },
        _ if per_connection => Task::PerConnection { line: None },
        What::Message { data, .. } => Task::Once { input: Some(data) },
        _ => Task::Once { input: None },
    };
    Ok(Job::new(rule, origin, env, task))
}

/// A message as a line: text unchanged, so that a newline in it makes two lines; binary as base64.
pub(super) fn line_of(kind: Kind, mut data: Vec<u8>) -> Vec<u8> {
    if kind == Kind::Binary {
        data = STANDARD.encode(&data).into_bytes();
    }
    data.push(b'\n');
    data
}

/// The environment of a process for one event. `host` is the Host field of a request.
pub(super) fn event_environment(
    base: &Base,
    engine: &Engine,
    rule: &Rule,
    origin: &Origin,
    host: Option<&str>,
    happening: &Happening<'_>,
) -> Result<Environment, environment::Error> {
    let local = engine.local_address(origin.conn);
    let address = local.map(|local| local.ip().to_canonical().to_string());
    let named = host.filter(|host| !host.is_empty()).map(without_port);
    let port = local.map_or(if origin.tls { 443 } else { 80 }, |local| local.port());
    let server = named.or(address.as_deref()).map(|name| (name, port));
    let connection = origin.conn.to_string();
    let user = origin.user.as_ref();
    let facts = Facts {
        trigger: &rule.conf.name,
        source: &origin.source.id,
        connection: &connection,
        peer: origin.peer.address(),
        user: user.map(|user| (user.as_str(), origin.auth_scheme)),
        server,
        https: origin.tls,
    };
    environment::build(base, &facts, happening)
}

/// The host of `uri-host [ ":" port ]` (RFC 3986 §3.2.2).
fn without_port(host: &str) -> &str {
    match host.rfind(':') {
        Some(at) if !host[at..].contains(']') => &host[..at],
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_has_no_port() {
        for (host, name) in [
            ("a:80", "a"),
            ("a", "a"),
            ("[::1]:80", "[::1]"),
            ("[::1]", "[::1]"),
            ("1.2.3.4:5", "1.2.3.4"),
        ] {
            assert_eq!(without_port(host), name);
        }
    }
}
