//! Floor 4: what happens. Servers by the number that the engine knows them by, and what they do on events.
//!
//! An event of a connection is acted on where it happens, by [`Handler::on_event`], with what is of that connection and the
//! [`Desk`]; what wants the whole engine is left on the desk, and done by [`Manager::work`] after the turn, with all that
//! the engine has to tell besides.

mod access;
mod backoff;
mod beside;
mod bus;
mod calls;
mod control;
mod definition;
mod desk;
pub mod environment;
mod host;
mod lines;
mod login;
pub mod matching;
mod opening;
mod pages;
mod plan;
mod reload;
pub mod rpc;
mod server;
mod servers;

use std::time::Instant;

use crate::config;
use crate::conn::event::{ConnId, Event};
use crate::engine::{Engine, Handler, MonitorReply, Ops, Outcome};
use crate::files::Visited;
use crate::proto::http::head::{FieldTable, RequestHead};
use crate::proto::monitor_wire::Answer;

pub use host::{Host, TlsFaults, bind};

use definition::Definition;
use desk::{Desk, Todo};
use lines::Control;
use login::Pending;
use server::Server;

/// Whose connections the engine knows by a number.
#[derive(Debug)]
enum Source {
    Server(Box<Server>),
    /// The control socket.
    Control,
}

/// Everything that runs.
#[derive(Debug)]
pub struct Manager {
    /// By owner number; one that has gone stays until another is given its number.
    sources: Vec<Option<Source>>,
    desk: Desk,
    /// Those of the configuration, in its order.
    servers: Vec<Definition>,
    /// What the configuration says of the daemon.
    daemon: config::Daemon,
    control: Option<Control>,
    born: Instant,
}

impl Manager {
    /// One of a daemon that does nothing yet.
    #[must_use]
    pub fn new(daemon: config::Daemon) -> Manager {
        Manager {
            sources: Vec::new(),
            desk: Desk::default(),
            servers: Vec::new(),
            daemon,
            control: None,
            born: Instant::now(),
        }
    }

    /// From now on events of this owner are of that source.
    fn place(&mut self, owner: u32, source: Source) {
        let at = owner as usize;
        if self.sources.len() <= at {
            self.sources.resize_with(at + 1, || None);
        }
        self.sources[at] = Some(source);
    }

    /// Acts on what the engine has to tell since the last turn, and does what events have left.
    #[inline]
    pub fn work(&mut self, engine: &mut Engine, host: &mut dyn Host) {
        if engine.has_outcomes() || !self.desk.todo.is_empty() || !self.desk.bus.is_empty() {
            self.work_now(engine, host);
        }
    }

    fn work_now(&mut self, engine: &mut Engine, host: &mut dyn Host) {
        loop {
            if let Some(outcome) = engine.poll() {
                self.on_outcome(engine, outcome);
            } else if let Some(todo) = self.desk.todo.pop_front() {
                self.on_todo(engine, host, todo);
            } else {
                break;
            }
        }
        self.desk.bus.hand_on(engine);
        self.watch_behind(engine);
        engine.settle(self);
    }

    fn on_outcome(&mut self, engine: &mut Engine, outcome: Outcome) {
        match outcome {
            Outcome::Visited(exchange, visited) => {
                let Visited { answer, seen } = *visited;
                engine.with_exchange(self, exchange, |manager, ops| {
                    if let Some(Source::Server(server)) = manager.source(ops.owner()) {
                        server.pages.learn(seen);
                    }
                    pages::send(ops, answer);
                });
            }
            Outcome::Monitor(MonitorReply { id, answer, .. }) => {
                if let Some(pending) = self.desk.login.take(id) {
                    self.on_checked(engine, *pending, &answer);
                }
            }
            Outcome::Drained(exchange) => self.desk.bus.caught_up(exchange.conn, engine),
            Outcome::Left(_)
            | Outcome::Orphaned(_)
            | Outcome::Resolved(..)
            | Outcome::Child(..)
            | Outcome::Dialled(_) => {}
        }
    }

    fn on_todo(&mut self, engine: &mut Engine, host: &mut dyn Host, todo: Todo) {
        match todo {
            Todo::Visit(exchange, visit) => engine.visit(exchange, visit),
            Todo::Ask(pending) => {
                if let Err(pending) = self.desk.login.ask(pending, engine) {
                    self.on_checked(engine, *pending, &Answer::Unavailable);
                }
            }
            Todo::Line(conn, line) => self.on_line(engine, host, conn, &line),
            Todo::LinesEnd(conn) => self.on_lines_end(engine, conn),
        }
    }

    /// The helper's answer for a request that waits, if it still does.
    fn on_checked(&mut self, engine: &mut Engine, mut pending: Pending, answer: &Answer) {
        let Some(exchange) = pending.exchange else {
            return;
        };
        engine.with_exchange(self, exchange, |manager, ops| {
            let bytes = std::mem::take(&mut pending.head);
            let mut table = FieldTable::default();
            // It was decoded before.
            let Ok(Some((head, _))) = RequestHead::decode(&bytes, &mut 0, &mut table) else {
                return;
            };
            let Manager { sources, desk, .. } = manager;
            if let Some(Some(Source::Server(server))) = sources.get_mut(ops.owner() as usize) {
                server.on_checked(desk, ops, &head, pending, answer);
            }
        });
    }

    fn source(&mut self, owner: u32) -> Option<&mut Source> {
        self.sources.get_mut(owner as usize)?.as_mut()
    }
}

impl Handler for Manager {
    #[inline(always)]
    fn on_event(&mut self, ops: &mut Ops<'_>, id: ConnId, event: Event<'_>) {
        let Manager { sources, desk, .. } = self;
        match sources.get_mut(ops.owner() as usize) {
            Some(Some(Source::Server(server))) => match event {
                Event::Message { kind, data } => server.on_message(desk, ops, id, kind, data),
                other => server.on_other(desk, ops, id, &other),
            },
            Some(Some(Source::Control)) => lines::on_event(desk, id, &event),
            Some(None) | None => {}
        }
    }
}
