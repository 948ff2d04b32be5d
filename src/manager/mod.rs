//! Floor 4: what happens. Servers by the number that the engine knows them by, and what they do on events.
//!
//! An event of a connection is acted on where it happens, by [`Handler::on_event`], with what is of that connection and the
//! [`Desk`]; what wants the whole engine is left on the desk, and done by [`Manager::work`] after the turn, with all that
//! the engine has to tell besides.

mod access;
mod backoff;
mod bus;
mod desk;
pub mod environment;
mod fire;
mod fired;
mod intake;
mod login;
pub mod matching;
mod pages;
pub mod rpc;
mod scripts;
mod server;
mod trigger;

use std::rc::Rc;
use std::sync::Arc;

use crate::config::{self, Address, Id, Trigger};
use crate::conn::deadline::{Millis, Tick};
use crate::conn::event::{ConnId, Event};
use crate::conn::{Conf, SlowPeer};
use crate::engine::{Bound, Engine, Handler, MonitorReply, Ops, Outcome, Speaks};
use crate::files::Visited;
use crate::proto::http::head::{FieldTable, RequestHead};
use crate::proto::monitor_wire::Answer;
use crate::proto::ws::frame::Kind;

use desk::{Desk, Todo};
use fired::Fired;
use login::Pending;
use rpc::event::Kind as EventKind;
use scripts::{Notice, Scripts, Told};
use server::Server;
use trigger::AllRules;

pub use scripts::World;

/// Whose connections the engine knows by a number.
#[derive(Debug)]
enum Source {
    Server(Box<Server>),
}

/// Everything that runs.
#[derive(Debug, Default)]
pub struct Manager {
    /// By owner number.
    sources: Vec<Source>,
    desk: Desk,
    rules: AllRules,
    scripts: Scripts,
}

impl Manager {
    /// Starts a server in the engine, on bindings that are bound already; the number by which the engine knows it. `tls`
    /// encrypts its connections.
    ///
    /// # Errors
    /// When the system does not watch a binding, or the folder to be served cannot be opened.
    pub fn start(
        &mut self,
        engine: &mut Engine,
        conf: &config::Server,
        bound: Vec<Bound>,
        tls: Option<Arc<rustls::ServerConfig>>,
    ) -> std::io::Result<u32> {
        let server = Server::open(conf, self.rules.of(&conf.id))?;
        let max = conf.limits.max_connections;
        let owner = engine.add_owner(conf.id.as_str(), max, Speaks::Http);
        engine.secure(owner, tls);
        let shared = Rc::new(connections(&conf.limits));
        for bound in bound {
            engine.listen(bound, owner, Rc::clone(&shared))?;
        }
        debug_assert_eq!(owner as usize, self.sources.len());
        self.sources.push(Source::Server(Box::new(server)));
        Ok(owner)
    }

    /// Acts on what the engine has to tell since the last turn, and does what events have left.
    #[inline]
    pub fn work(&mut self, engine: &mut Engine) {
        let due = self.deadline();
        if engine.has_outcomes()
            || !self.desk.todo.is_empty()
            || !self.desk.bus.is_empty()
            || due.is_some_and(|due| due.is_due(engine.now()))
        {
            self.work_now(engine);
        }
    }

    /// When [`Manager::work`] has something to do, whatever happens until then.
    #[inline]
    #[must_use]
    pub fn deadline(&self) -> Option<Tick> {
        self.scripts.deadline()
    }

    /// The surroundings of the processes that triggers run. Before any trigger is set.
    pub fn set_world(&mut self, engine: &Engine, world: World) {
        self.scripts.set_world(world);
        self.desk.intake.limit(engine.max_memory() / 4);
    }

    /// From now on these are the triggers; what has not changed goes on. The longest message of any source is `max_message`.
    ///
    /// # Errors
    /// When a folder that a trigger names cannot be opened: nothing has changed then.
    pub fn set_triggers(
        &mut self,
        engine: &mut Engine,
        triggers: &[Trigger],
        max_message: usize,
    ) -> std::io::Result<()> {
        self.rules.replace(triggers)?;
        for source in &mut self.sources {
            match source {
                Source::Server(server) => {
                    if let Some(id) = Id::new(server.id()) {
                        server.set_rules(self.rules.of(&id));
                    }
                }
            }
        }
        let max_line = rpc::max_line(max_message);
        self.scripts.set_rules(&self.rules, max_line, engine);
        Ok(())
    }

    /// The daemon stops: no trigger fires any more, and what runs is ended. Turn on until there are no processes.
    pub fn stop_scripts(&mut self, engine: &mut Engine) {
        self.with_scripts(engine, |scripts, engine, manager| {
            scripts.stop(engine, manager);
        });
        self.work_now(engine);
    }

    /// Answers a held request.
    ///
    /// # Errors
    /// There is no such request any more, or the answer cannot be sent as it is.
    pub fn respond(
        &mut self,
        engine: &mut Engine,
        respond: &rpc::Respond,
    ) -> Result<(), rpc::Error> {
        self.with_scripts(engine, |scripts, engine, manager| {
            scripts.respond(engine, manager, respond)
        })
    }

    /// Writes what a worker's command has come to: a line with its newline.
    pub fn worker_answer(&mut self, engine: &mut Engine, worker: u32, line: &[u8]) {
        self.scripts.answer(engine, worker, line);
    }

    /// Lets scripts act on connections, which have this for a handler; its events leave scripts alone.
    fn with_scripts<T>(
        &mut self,
        engine: &mut Engine,
        act: impl FnOnce(&mut Scripts, &mut Engine, &mut Manager) -> T,
    ) -> T {
        let mut scripts = std::mem::take(&mut self.scripts);
        let result = act(&mut scripts, engine, self);
        self.scripts = scripts;
        result
    }

    fn work_now(&mut self, engine: &mut Engine) {
        self.with_scripts(engine, |scripts, engine, manager| {
            scripts.on_time(engine, manager);
        });
        self.work_off(engine);
        self.with_scripts(engine, |scripts, engine, manager| {
            scripts.pump(engine, manager);
        });
        self.tell(engine);
        self.desk
            .intake
            .keep(|exchange| engine.awaits_answer(exchange));
        self.desk.firing = 0;
        self.desk.bus.hand_on(engine);
        engine.settle(self);
    }

    /// Does what there is to do until there is nothing.
    fn work_off(&mut self, engine: &mut Engine) {
        loop {
            if let Some(outcome) = engine.poll() {
                self.on_outcome(engine, outcome);
            } else if let Some(todo) = self.desk.todo.pop_front() {
                self.on_todo(engine, todo);
            } else {
                break;
            }
            self.tell(engine);
        }
    }

    /// Hands on what scripts have to tell.
    fn tell(&mut self, engine: &mut Engine) {
        while let Some(told) = self.scripts.take_told() {
            match told {
                Told::WorkerLine { worker, line } => {
                    self.on_todo(engine, Todo::WorkerLine { worker, line });
                }
                Told::Dropped {
                    source,
                    trigger,
                    count,
                } => {
                    log::warn!("trigger {trigger}: {count} events dropped, for it is too slow");
                    let bus = &mut self.desk.bus;
                    bus.publish(EventKind::Dropped, source.as_ref(), |event| {
                        event.count = Some(count);
                        event.reason = Some(&trigger);
                    });
                }
            }
        }
    }

    fn on_outcome(&mut self, engine: &mut Engine, outcome: Outcome) {
        match outcome {
            Outcome::Visited(exchange, visited) => {
                let Visited { answer, seen } = *visited;
                let for_script = self.scripts.take_file(exchange);
                engine.with_exchange(self, exchange, |manager, ops| {
                    if let Some(head) = for_script {
                        return pages::send_for_script(ops, answer, &head);
                    }
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
            Outcome::Child(id, event) => {
                self.with_scripts(engine, |scripts, engine, manager| {
                    scripts.on_child(engine, manager, id, event);
                });
            }
            Outcome::Drained(exchange) => self.scripts.on_drained(engine, exchange.conn),
            Outcome::Orphaned(exchange) => {
                self.scripts.on_left(engine, exchange);
            }
            // Who waits for a script, or for somebody's answer, has given it up.
            Outcome::Left(exchange) => {
                if self.scripts.on_left(engine, exchange) {
                    engine.with_exchange(self, exchange, |_, ops| ops.abort());
                }
            }
            Outcome::Resolved(..) | Outcome::Dialled(_) => {}
        }
    }

    fn on_todo(&mut self, engine: &mut Engine, todo: Todo) {
        match todo {
            Todo::Visit(exchange, visit) => engine.visit(exchange, visit),
            Todo::Ask(pending) => {
                if let Err(pending) = self.desk.login.ask(pending, engine) {
                    self.on_checked(engine, *pending, &Answer::Unavailable);
                }
            }
            Todo::Fired(fired) => self.on_fired(engine, *fired),
            Todo::Forward { to, kind, data } => self.forward(engine, to, kind, data),
            Todo::SendToClient { id, kind, data } => {
                log::warn!(
                    "{id}: {kind:?} of {} bytes: no client connects yet",
                    data.len()
                );
            }
            Todo::Body(conn) => {
                if let Some(piece) = self.desk.intake.take(conn) {
                    self.with_scripts(engine, |scripts, engine, manager| {
                        scripts.on_body(engine, manager, &piece);
                    });
                }
            }
            Todo::Gone(conn) => self.scripts.on_gone(engine, conn),
            Todo::WorkerLine { worker, line } => {
                let line = String::from_utf8_lossy(&line);
                log::warn!("worker {worker}: commands are not available yet: {line}");
            }
        }
    }

    fn on_fired(&mut self, engine: &mut Engine, fired: Fired) {
        let request = self.scripts.hold(&fired, engine.now());
        if request.is_some() {
            let mut table = FieldTable::default();
            let notice = Notice::of(&fired, &mut table, request);
            let source = Some(&fired.whose.source);
            let bus = &mut self.desk.bus;
            bus.publish(EventKind::HttpRequest, source, |event| notice.fill(event));
        }
        self.with_scripts(engine, |scripts, engine, manager| {
            scripts.on_fired(engine, manager, fired, request);
        });
    }

    /// A message for the peer of a client, or for every connection of a server that runs.
    fn forward(&mut self, engine: &mut Engine, to: Id, kind: Kind, data: Vec<u8>) {
        let is_meant = |source: &Source| match source {
            Source::Server(server) => to.as_str().eq_ignore_ascii_case(server.id()),
        };
        match self.sources.iter().position(is_meant) {
            Some(owner) => {
                engine.broadcast(owner as u32, None, kind, &data);
            }
            None => self.on_todo(engine, Todo::SendToClient { id: to, kind, data }),
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
            if let Some(Source::Server(server)) = sources.get_mut(ops.owner() as usize) {
                server.on_checked(desk, ops, &head, pending, answer);
            }
        });
    }

    fn source(&mut self, owner: u32) -> Option<&mut Source> {
        self.sources.get_mut(owner as usize)
    }
}

/// Binds an address of the configuration.
///
/// # Errors
/// What the system says.
pub fn bind(address: &Address) -> std::io::Result<Bound> {
    match address {
        Address::Tcp(address) => Bound::tcp(*address),
        Address::Unix(path) => Bound::unix(path),
    }
}

fn connections(limits: &config::Limits) -> Conf {
    Conf {
        max_message: limits.max_message as usize,
        max_backlog: limits.max_backlog as usize,
        slow_peer: match limits.slow_peer {
            config::SlowPeer::Close => SlowPeer::Close,
            config::SlowPeer::Drop => SlowPeer::Drop,
        },
        max_body: limits.max_body,
        head_timeout: Millis::from(limits.head_timeout),
        idle_timeout: Millis::from(limits.idle_timeout),
        ping_interval: Millis::from(limits.ping_interval),
        pong_timeout: Millis::from(limits.pong_timeout),
    }
}

impl Handler for Manager {
    #[inline(always)]
    fn on_event(&mut self, ops: &mut Ops<'_>, id: ConnId, event: Event<'_>) {
        let Manager { sources, desk, .. } = self;
        match sources.get_mut(ops.owner() as usize) {
            Some(Source::Server(server)) => match event {
                Event::Message { kind, data } => server.on_message(desk, ops, id, kind, data),
                other => server.on_other(desk, ops, id, &other),
            },
            None => {}
        }
    }
}
