//! One process: whose it is, when it has to end, and what it does.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::rc::Rc;

use crate::conn::deadline::{Millis, Tick};
use crate::engine::child::{ChildId, Command, Exit, Stdin, Stop};
use crate::engine::{Engine, Handler};
use crate::manager::environment::{self, Environment, Facts, Happening};
use crate::manager::fired::Whose;
use crate::manager::trigger::Rule;
use crate::proto::ws::close::CloseCode;

use super::Scripts;
use super::cgi::Answer;
use super::follow::Follow;
use super::lane::{Job, Task, run_of};
use super::once::Once;
use super::worker::Talk;

/// What a process does.
#[derive(Debug)]
pub(super) enum Role {
    Once(Once),
    Answer(Box<Answer>),
    Follow(Follow),
    Worker(Talk),
}

#[derive(Debug)]
pub(super) struct Process {
    pub rule: Rc<Rule>,
    /// Whose event it runs for; nobody's when it is a worker.
    pub whose: Option<Whose>,
    pub stop: Stop,
    pub role: Role,
    /// It was told to end.
    pub timed_out: bool,
    /// Its output waits for a peer.
    pub paused: bool,
}

impl Process {
    /// How long its rule gives it.
    pub(super) fn timeout(&self) -> Millis {
        let run = run_of(&self.rule);
        run.map_or(Millis::MAX, |run| Millis::from(run.timeout))
    }

    /// Whether to be ended is its own fault.
    pub(super) fn is_late(&self) -> bool {
        matches!(self.role, Role::Once(_) | Role::Answer(_))
    }

    /// Whether it can do nothing, for its output waits for a peer who is there.
    pub(super) fn waits_for_peer(&self, engine: &Engine) -> bool {
        let conn = self.whose.as_ref().map(|whose| whose.conn);
        self.paused && !self.timed_out && conn.is_some_and(|conn| engine.is_live(conn))
    }

    /// Nobody waits for what it does any more.
    pub(super) fn give_up(&mut self, id: ChildId, engine: &mut Engine, now: Tick) {
        if let Role::Answer(answer) = &mut self.role {
            answer.forget();
        }
        engine.children().discard_output(id, now);
        self.stop.no_later_than(now);
    }

    /// The connection that it followed is over.
    pub(super) fn let_go(
        &mut self,
        id: ChildId,
        engine: &mut Engine,
        bytes: &mut usize,
        now: Tick,
    ) {
        if let Role::Follow(follow) = &mut self.role {
            follow.attached = false;
            *bytes -= follow.inlet.flush(engine, id);
            *bytes -= follow.inlet.clear();
        }
        engine.children().close_stdin(id);
        engine.children().discard_output(id, now);
        self.stop = Stop::after(self.timeout(), now);
    }

    /// Writes to the log that it has failed.
    pub(super) fn log_end(&self, exit: Exit) {
        let name = &self.rule.conf.name;
        match exit {
            Exit::Code(0) => log::debug!("trigger {name}: done"),
            _ if self.timed_out => log::debug!("trigger {name}: it has ended"),
            Exit::Code(code) => log::warn!("trigger {name}: it failed with status {code}"),
            Exit::Signal(signal) => log::warn!("trigger {name}: ended by signal {signal}"),
        }
    }
}

impl Scripts {
    /// Starts the process of a job.
    pub(super) fn start<H: Handler>(
        &mut self,
        engine: &mut Engine,
        handler: &mut H,
        number: u32,
        job: Job,
    ) {
        self.spawns_left = self.spawns_left.saturating_sub(1);
        let Some(lane) = self.lanes.get_mut(&number) else {
            return;
        };
        let rule = Rc::clone(&lane.rule);
        let Some(run) = run_of(&rule) else { return };
        let has_input = match &job.task {
            Task::Once { input } => input.is_some(),
            Task::Answer { has_body, .. } => *has_body,
            Task::Follow { .. } => true,
        };
        let command = Command {
            program: &run.program,
            argv: &run.argv,
            env: &job.env,
            stdin: if has_input { Stdin::Piped } else { Stdin::Null },
            descriptors: self.world.descriptors,
        };
        match engine.spawn(&command) {
            Ok(id) => {
                lane.running += 1;
                let stop = Stop::after(Millis::from(run.timeout), engine.now());
                self.begin(engine, handler, id, &rule, stop, job);
            }
            Err(error) => {
                log::error!(
                    "trigger {}: cannot run {}: {error}",
                    rule.conf.name,
                    run.program.display()
                );
                if let Task::Follow { .. } = job.task {
                    engine.close(handler, job.whose.conn, CloseCode::INTERNAL_ERROR, "");
                }
                self.give_up(engine, handler, &job, 502);
            }
        }
    }

    fn begin<H: Handler>(
        &mut self,
        engine: &mut Engine,
        handler: &mut H,
        id: ChildId,
        rule: &Rc<Rule>,
        stop: Stop,
        job: Job,
    ) {
        let conn = job.whose.conn;
        let mut process = Process {
            rule: Rc::clone(rule),
            stop,
            timed_out: false,
            paused: false,
            role: match job.task {
                Task::Once { input } => {
                    let reply = run_of(rule).map(|run| run.reply);
                    let once = Once::begin(engine, id, reply, job.whose.max_message);
                    if let Some(input) = input {
                        // One that reads nothing is not told anything.
                        let _ = engine.write_to_child(id, &input);
                        engine.children().close_stdin(id);
                    }
                    Role::Once(once)
                }
                Task::Answer { answer, input, .. } => {
                    self.answering.insert(answer.exchange, id);
                    self.bytes += answer.held();
                    answer.begin(engine, handler, id, &input);
                    Role::Answer(answer)
                }
                Task::Follow { line } => {
                    self.following.insert((rule.number, conn), id);
                    if let Some(line) = line {
                        let _ = engine.write_to_child(id, &line);
                    }
                    Role::Follow(Follow::new(job.whose.max_message))
                }
            },
            whose: Some(job.whose),
        };
        if let Role::Follow(follow) = &mut process.role {
            process.stop = Stop::never();
            self.move_queued(engine, rule.number, conn, id, follow);
        }
        self.processes.insert(id, process);
    }

    /// The environment of a process for one event.
    pub(super) fn environment(
        &self,
        engine: &Engine,
        rule: &Rule,
        whose: &Whose,
        host: Option<&str>,
        happening: &Happening<'_>,
    ) -> Result<Environment, environment::Error> {
        let local = engine.local_address(whose.conn);
        let address = local.map(|local| local.ip().to_canonical().to_string());
        let named = host.filter(|host| !host.is_empty()).map(without_port);
        let port = local.map_or(if whose.tls { 443 } else { 80 }, |local| local.port());
        let server = named.or(address.as_deref()).map(|name| (name, port));
        let connection = whose.conn.to_string();
        let facts = Facts {
            trigger: &rule.conf.name,
            source: &whose.source,
            connection: &connection,
            socket: self.world.socket.as_deref(),
            peer: whose.peer.address(),
            user: whose.user.as_ref().map(|user| (user.as_str(), whose.how)),
            server,
            https: whose.tls,
        };
        environment::build(&self.base(), &facts, happening)
    }

    /// The environment of a worker, which is of no event.
    pub(super) fn worker_environment(&self, rule: &Rule) -> Environment {
        let world = &self.world;
        let mut all: Vec<(OsString, OsString)> = vec![
            ("PATH".into(), world.path.clone()),
            ("HOME".into(), world.home.clone()),
            ("LANG".into(), world.lang.clone()),
            ("BELLWIRE_TRIGGER".into(), rule.conf.name.clone().into()),
        ];
        if let Some(socket) = &world.socket {
            let socket = std::ffi::OsStr::from_bytes(socket.as_os_str().as_bytes());
            all.push(("BELLWIRE_SOCKET".into(), socket.to_owned()));
        }
        all
    }
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
