//! Floor 4: what happens. Servers and clients by the number that the engine knows them by, and what they do on events.
//!
//! An event of a connection is acted on where it happens, by [`Handler::on_event`], with what is of that connection and the
//! desk; what wants the whole engine is left on the desk, and done by [`Manager::work`] after the turn, with all that
//! the engine has to tell besides.

mod access;
mod approach;
mod backoff;
mod bus;
mod calls;
mod client;
mod clients;
mod connecting;
mod control;
mod definition;
mod desk;
pub mod environment;
mod fire;
mod fired;
mod gate;
mod host;
mod intake;
mod lines;
mod login;
pub mod matching;
mod opening;
mod outbox;
mod pages;
mod plan;
mod reload;
mod scripts;
mod server;
mod servers;
mod standing;
mod trigger;

pub use clients::{Defined, NotConnected};

pub use host::{Host, ServerTls, TlsFaults, bind};
pub use scripts::World;

use std::rc::Rc;
use std::time::Instant;

use crate::config::{self, Id, Trigger};
use crate::conn::deadline::Tick;
use crate::conn::event::{ConnId, Event};
use crate::engine::{Engine, Handler, HelperReply, Ops, Outcome};
use crate::files::LookupResult;
use crate::proto::helper::Answer;
use crate::proto::http::head::{FieldTable, RequestHead};
use crate::proto::ws::frame::Kind;

use crate::rpc::{self, event::Kind as EventKind};
use clients::Clients;
use definition::Definition;
use desk::{Desk, Todo};
use fired::Fired;
use lines::Control;
use login::Pending;
use scripts::{Notice, Scripts, Told};
use server::Server;
use trigger::AllRules;

/// Whose connections the engine knows by a number.
#[derive(Debug)]
enum Source {
    Server(Box<Server>),
    /// By its place.
    Client(usize),
    /// The control socket.
    Control,
}

/// Everything that runs.
#[derive(Debug)]
pub struct Manager {
    /// By owner number; one that has gone stays until another is given its number.
    sources: Vec<Option<Source>>,
    /// Those of the configuration, in its order.
    servers: Vec<Definition>,
    clients: Clients,
    desk: Desk,
    rules: AllRules,
    scripts: Scripts,
    control: Option<Control>,
    /// The daemon stops: no command is taken any more.
    stopping: bool,
    /// What the configuration says of the daemon.
    daemon: config::Daemon,
    born: Instant,
}

impl Manager {
    /// One of a daemon that does nothing yet.
    #[must_use]
    pub fn new(daemon: config::Daemon) -> Manager {
        Manager {
            sources: Vec::new(),
            servers: Vec::new(),
            clients: Clients::default(),
            desk: Desk::default(),
            rules: AllRules::default(),
            scripts: Scripts::default(),
            control: None,
            stopping: false,
            daemon,
            born: Instant::now(),
        }
    }

    /// The number of an owner that has gone is given to another.
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
        let due = self.deadline();
        if engine.has_outcomes()
            || !self.desk.todo.is_empty()
            || !self.desk.bus.is_empty()
            || due.is_some_and(|due| due.is_due(engine.now()))
        {
            self.work_now(engine, host);
        }
    }

    /// When [`Manager::work`] has something to do, whatever happens until then.
    #[inline]
    #[must_use]
    pub fn deadline(&self) -> Option<Tick> {
        let (clients, scripts) = (self.clients.deadline(), self.scripts.deadline());
        clients.into_iter().chain(scripts).reduce(Tick::earlier)
    }

    /// The surroundings of the processes that triggers run. Before any trigger is set.
    pub fn set_world(&mut self, engine: &Engine, world: World) {
        self.scripts.set_world(world);
        self.desk.intake.limit(engine.memory().max() / 4);
    }

    /// These are the triggers.
    ///
    /// # Errors
    /// When a folder that a trigger names cannot be opened: nothing has changed then.
    pub fn set_triggers(
        &mut self,
        engine: &mut Engine,
        triggers: &[Trigger],
    ) -> std::io::Result<()> {
        let rules = self.rules.renewed(triggers)?;
        self.adopt_rules(engine, rules);
        Ok(())
    }

    /// From now on these are the rules; what has not changed goes on.
    fn adopt_rules(&mut self, engine: &mut Engine, rules: AllRules) {
        self.rules = rules;
        for source in self.sources.iter_mut().flatten() {
            match source {
                Source::Server(server) => {
                    if let Some(id) = Id::new(server.id()) {
                        server.set_rules(self.rules.of(&id));
                    }
                }
                Source::Client(at) => {
                    if let Some(client) = self.clients.get_mut(*at) {
                        let rules = self.rules.of(&client.conf.id);
                        client.set_rules(rules);
                    }
                }
                Source::Control => {}
            }
        }
        let max_line = self.max_line();
        self.scripts.set_rules(&self.rules, max_line, engine);
    }

    /// The daemon stops: no trigger fires any more, and what runs is ended. Turn on until there are no processes.
    pub fn stop_scripts(&mut self, engine: &mut Engine, host: &mut dyn Host) {
        self.scripts.stop(engine);
        self.work_now(engine, host);
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
        self.scripts.respond(engine, respond)
    }

    fn work_now(&mut self, engine: &mut Engine, host: &mut dyn Host) {
        self.scripts.on_time(engine);
        self.work_off(engine, host);
        self.scripts.pump(engine);
        self.tell(engine, host);
        self.desk
            .intake
            .keep(|exchange| engine.awaits_answer(exchange));
        self.desk.firing = 0;
        self.desk.bus.hand_on(engine);
        self.watch_behind(engine);
        engine.settle(self);
    }

    /// Does what there is to do until there is nothing.
    fn work_off(&mut self, engine: &mut Engine, host: &mut dyn Host) {
        loop {
            if let Some(outcome) = engine.poll() {
                self.on_outcome(engine, outcome);
            } else if let Some(todo) = self.desk.todo.pop_front() {
                self.on_todo(engine, host, todo);
            } else if self.clients.is_due(engine.now()) {
                self.on_clients_due(engine);
            } else {
                break;
            }
            self.tell(engine, host);
        }
    }

    /// Hands on what scripts have to tell.
    fn tell(&mut self, engine: &mut Engine, host: &mut dyn Host) {
        while let Some(told) = self.scripts.take_told() {
            match told {
                Told::WorkerLine { worker, line } => {
                    if let Some(answer) = self.answer_line(engine, host, &line) {
                        self.scripts.answer(engine, worker, &answer);
                    }
                }
                Told::Dropped {
                    source,
                    trigger,
                    count,
                } => {
                    log::warn!("trigger {trigger}: {count} events dropped, for it is too slow");
                    self.desk.dropped += count;
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
                let LookupResult { answer, seen } = *visited;
                let for_script = self.scripts.take_file(exchange);
                engine.with_exchange(exchange, |ops| {
                    if let Some(head) = for_script {
                        return pages::send_for_script(ops, answer, &head);
                    }
                    if let Some(Source::Server(server)) = self.source(ops.owner()) {
                        server.pages.learn(seen);
                    }
                    pages::send(ops, answer);
                });
            }
            Outcome::Helper(HelperReply { id, answer, .. }) => {
                if let Some(pending) = self.desk.login.take(id) {
                    self.on_checked(engine, *pending, &answer);
                }
            }
            Outcome::Resolved(number, result) => self.on_resolved(engine, number, result),
            Outcome::Dialled(dialled) => self.on_dialled(engine, dialled),
            Outcome::Child(id, event) => {
                self.scripts.on_child(engine, id, event);
            }
            Outcome::Drained(exchange) => {
                self.scripts.on_drained(engine, exchange.conn);
                self.desk.bus.caught_up(exchange.conn, engine);
            }
            Outcome::Orphaned(exchange) => {
                self.scripts.on_left(engine, exchange);
            }
            // Who waits for a script, or for somebody's answer, has given it up.
            Outcome::Left(exchange) => {
                if self.scripts.on_left(engine, exchange) {
                    engine.with_exchange(exchange, |ops| {
                        ops.abort();
                    });
                }
            }
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
            Todo::Fired(fired) => self.on_fired(engine, *fired),
            Todo::Forward { to, kind, data } => self.forward(engine, &to, kind, &data),
            Todo::Body(conn) => {
                if let Some(piece) = self.desk.intake.take(conn) {
                    self.scripts.on_body(engine, &piece);
                }
            }
            Todo::Gone(conn) => self.scripts.on_gone(engine, conn),
            Todo::Line(conn, line) => self.on_line(engine, host, conn, &line),
            Todo::LinesEnd(conn) => self.on_lines_end(engine, conn),
            Todo::LineTooLong(conn) => self.on_line_too_long(engine, conn),
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
        self.scripts.on_fired(engine, fired, request);
    }

    /// A message for the peer of a client, or for every connection of a server that runs.
    fn forward(&mut self, engine: &mut Engine, to: &Id, kind: Kind, data: &[u8]) {
        match self.server_at(to.as_str()) {
            Some(at) => {
                if let Some(running) = &self.servers[at].running {
                    engine.broadcast(running.owner, None, kind, data);
                }
            }
            None => self.forward_to_client(engine, to, kind, data),
        }
    }

    /// A message for the peer of a client. One that finds no connection, and is not kept, is told as dropped.
    fn forward_to_client(&mut self, engine: &mut Engine, id: &Id, kind: Kind, data: &[u8]) {
        let Some(at) = self.clients.find(id.as_str()) else {
            return;
        };
        if self.send_to_client(engine, at, kind, data).is_err() {
            let source = self.clients.get(at).map(|client| Rc::clone(&client.id));
            self.desk.dropped += 1;
            self.desk.unsent.warn(format_args!(
                "{id}: a message is dropped, for it is not connected; outbox keeps some"
            ));
            self.desk
                .bus
                .publish(EventKind::Dropped, source.as_ref(), |event| {
                    event.count = Some(1);
                });
        }
    }

    /// The helper's answer for a request that waits, if it still does.
    fn on_checked(&mut self, engine: &mut Engine, mut pending: Pending, answer: &Answer) {
        let Some(exchange) = pending.exchange else {
            return;
        };
        engine.with_exchange(exchange, |ops| {
            let bytes = std::mem::take(&mut pending.head);
            let mut table = FieldTable::default();
            // It was decoded before.
            let Ok(Some((head, _))) = RequestHead::decode(&bytes, &mut 0, &mut table) else {
                return;
            };
            let Manager { sources, desk, .. } = self;
            match sources.get_mut(ops.owner() as usize) {
                Some(Some(Source::Server(server))) => {
                    server.on_checked(desk, ops, &head, pending, answer);
                }
                _ => pages::respond_error(ops, 503, &[]),
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
        let Manager {
            sources,
            clients,
            desk,
            ..
        } = self;
        match sources.get_mut(ops.owner() as usize) {
            Some(Some(Source::Server(server))) => match event {
                Event::Message { kind, data } => server.on_message(desk, ops, id, kind, data),
                other => server.on_other(desk, ops, id, &other),
            },
            Some(Some(Source::Client(at))) => clients.on_event(*at, desk, ops, id, event),
            Some(Some(Source::Control)) => lines::on_event(desk, id, &event),
            Some(None) | None => {}
        }
    }
}
