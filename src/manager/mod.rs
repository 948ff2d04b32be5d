//! Floor 4: servers, clients, triggers, scripts and the control socket, each with its state.
//!
//! [`Manager`] receives the events of connections by [`Handler::on_event`] and hands each to the server, client or control
//! socket that the connection belongs to. What needs the whole engine is queued there, and done by [`Manager::work`] after
//! the turn, together with the outcomes that the engine reports.

mod apply;
mod client;
mod content;
mod context;
mod control;
mod host;
mod owner_map;
mod scripts;
mod server;
mod source;
mod state;
mod subscribers;
#[cfg(test)]
mod tests;
mod tls;
mod trigger;

use std::io;

use crate::config::{Daemon, Fault};
use crate::conn::deadline::Tick;
use crate::conn::event::{ConnId, Event};
use crate::engine::{Bound, Engine, Handler, HelperReply, Ops, Outcome};
use crate::proto::counted::counted;
use crate::proto::http::head::FieldTable;
use crate::rpc::EventKind;

use control::Control;
use scripts::{Notice, Report};
use state::State;
use trigger::trigger_event::TriggerEvent;
use trigger::{Deferred, Forward};

pub use host::{Host, Loaded};
pub use scripts::environment::Base as ScriptBase;
pub use tls::{ServerTls, TlsFaults};

/// Everything that runs.
#[derive(Debug)]
pub struct Manager {
    state: State,
    control: Control,
}

impl Manager {
    /// A manager without servers and clients. `base` is what all scripts have in common.
    #[must_use]
    pub fn new(engine: &Engine, daemon: Daemon, base: ScriptBase) -> Manager {
        let mut state = State::new(engine, daemon);
        state.scripts.set_base(base);
        Manager {
            state,
            control: Control::default(),
        }
    }

    /// Runs a configuration from nothing.
    ///
    /// # Errors
    /// Everything that is wrong with it: nothing runs then.
    pub fn start(
        &mut self,
        engine: &mut Engine,
        host: &mut dyn Host,
        loaded: Loaded,
    ) -> Result<(), Vec<Fault>> {
        apply::apply(&mut self.state, engine, host, loaded).map(|_| ())
    }

    /// Takes commands from a socket.
    ///
    /// # Errors
    /// When the system does not watch it.
    pub fn listen_for_commands(&mut self, engine: &mut Engine, bound: Bound) -> io::Result<()> {
        self.control.listen(&self.state, engine, bound)
    }

    /// Reads the configuration again and applies it. The log has the result.
    pub fn reload(&mut self, engine: &mut Engine, host: &mut dyn Host) {
        // Its error was logged.
        let _ = apply::reload(&mut self.state, engine, host, false);
        self.control.adjust(&self.state, engine);
        engine.settle(self);
    }

    /// Acts on the outcomes that the engine has reported, and does what events have queued.
    #[inline]
    pub fn work(&mut self, engine: &mut Engine, host: &mut dyn Host) {
        let state = &self.state;
        let due = self.deadline();
        if engine.has_outcomes()
            || !self.control.is_idle()
            || !state.context.triggers.is_idle()
            || !state.servers.is_idle()
            || !state.context.subscribers.is_empty()
            || due.is_some_and(|due| due.is_due(engine.now()))
        {
            self.work_now(engine, host);
        }
    }

    /// When [`Manager::work`] has something to do, whatever happens until then.
    #[inline]
    #[must_use]
    pub fn deadline(&self) -> Option<Tick> {
        let clients = self.state.clients.deadline();
        let scripts = self.state.scripts.deadline();
        clients.into_iter().chain(scripts).reduce(Tick::earlier)
    }

    /// The daemon stops: clients no longer connect, and commands are refused. Clients that are connected are closed with
    /// all other connections, by [`Engine::shut_down`].
    pub fn stop_clients(&mut self, engine: &mut Engine) {
        self.state.stopping = true;
        self.state.clients.stop(engine);
    }

    /// The daemon stops: triggers no longer run anything, and processes are ended. The caller turns the engine until none
    /// is left.
    pub fn stop_scripts(&mut self, engine: &mut Engine, host: &mut dyn Host) {
        self.state.scripts.stop(engine);
        self.work_now(engine, host);
    }

    /// The last step of a stop: tells the subscribers, and ends all connections of the control socket. The caller turns the
    /// engine until none is left.
    pub fn stop_commands(&mut self, engine: &mut Engine, host: &mut dyn Host) {
        let State {
            servers, context, ..
        } = &mut self.state;
        servers.publish_stop(context);
        self.work_now(engine, host);
        self.control.stop(engine);
        engine.settle(self);
    }

    fn work_now(&mut self, engine: &mut Engine, host: &mut dyn Host) {
        self.state.scripts.on_due(engine);
        while self.work_once(engine, host) {
            self.take_reports(engine, host);
        }
        self.state.scripts.start_queued(engine);
        self.take_reports(engine, host);
        let context = &mut self.state.context;
        context
            .triggers
            .retain_bodies(|exchange| engine.awaits_answer(exchange));
        context.subscribers.send_queued(engine);
        context.subscribers.watch_slow(engine);
        engine.settle(self);
    }

    /// Does the next thing that is queued or due. False: there is none.
    fn work_once(&mut self, engine: &mut Engine, host: &mut dyn Host) -> bool {
        let Manager { state, control } = self;
        if let Some(outcome) = engine.poll() {
            on_outcome(state, engine, outcome);
        } else if !state.servers.is_idle() {
            state.servers.ask_helper(engine, &mut state.context);
        } else if let Some(deferred) = state.context.triggers.next() {
            on_deferred(state, engine, deferred);
        } else if control.on_input(state, engine, host) {
        } else if state
            .clients
            .deadline()
            .is_some_and(|due| due.is_due(engine.now()))
        {
            state.clients.on_due(engine, &mut state.context);
        } else {
            return false;
        }
        true
    }

    /// Acts on what scripts have reported.
    fn take_reports(&mut self, engine: &mut Engine, host: &mut dyn Host) {
        let Manager { state, control } = self;
        while let Some(report) = state.scripts.take_report() {
            match report {
                Report::WorkerLine { worker, line } => {
                    if let Some(answer) = control.on_worker_line(state, engine, host, &line) {
                        state.scripts.answer_worker(engine, worker, &answer);
                    }
                }
                Report::Dropped {
                    source,
                    rule,
                    count,
                } => {
                    let events = counted(count, "event");
                    log::warn!("{rule}: {events} dropped, for it is too slow");
                    state.context.dropped += count;
                    let subscribers = &mut state.context.subscribers;
                    subscribers.publish_dropped(source.as_ref(), count, Some(&rule.conf.name));
                }
            }
        }
    }

    /// Acts on any event but a message of a server's connection.
    #[inline(never)]
    fn on_other_event(&mut self, ops: &mut Ops<'_>, id: ConnId, event: &Event<'_>) {
        let State {
            servers,
            clients,
            context,
            ..
        } = &mut self.state;
        let taken =
            servers.on_event(context, ops, id, event) || clients.on_event(context, ops, id, event);
        if !taken {
            self.control.on_event(context, ops, id, event);
        }
    }
}

fn on_outcome(state: &mut State, engine: &mut Engine, outcome: Outcome) {
    let State {
        servers,
        clients,
        scripts,
        context,
        ..
    } = state;
    match outcome {
        Outcome::LookedUp(exchange, found) => match scripts.take_file(exchange) {
            Some(head) => {
                engine.with_exchange(exchange, |ops| {
                    content::send_for_script(ops, found.answer, &head);
                });
            }
            None => servers.on_looked_up(engine, exchange, *found),
        },
        Outcome::Helper(HelperReply { id, answer, .. }) => {
            servers.on_helper(engine, context, id, &answer);
        }
        Outcome::Resolved(number, result) => clients.on_resolved(engine, context, number, result),
        Outcome::Dialled(dialled) => clients.on_dialled(engine, context, dialled),
        Outcome::Child(id, event) => scripts.on_child(engine, id, event),
        Outcome::Drained(exchange) => {
            scripts.on_drained(engine, exchange.conn);
            context.subscribers.on_drained(exchange.conn, engine);
        }
        Outcome::Orphaned(exchange) => {
            scripts.on_left(engine, exchange);
        }
        Outcome::Left(exchange) => state.on_left(engine, exchange),
    }
}

fn on_deferred(state: &mut State, engine: &mut Engine, deferred: Deferred) {
    match deferred {
        Deferred::Run(event) => run(state, engine, *event),
        Deferred::Forward(message) => forward(state, engine, &message),
        Deferred::Body(conn) => {
            if let Some(piece) = state.context.triggers.take_body(conn) {
                state.scripts.on_body(engine, &piece);
            }
        }
        Deferred::GiveUp(exchange) => {
            engine.with_exchange(exchange, |ops| content::respond_error(ops, 503, &[]));
        }
        Deferred::Closed(conn) => state.scripts.on_closed(engine, conn),
    }
}

/// Runs what a trigger runs, or holds the request of the event.
fn run(state: &mut State, engine: &mut Engine, event: TriggerEvent) {
    let request = state.scripts.hold(&event, engine.now());
    if request.is_some() {
        let mut table = FieldTable::default();
        let notice = Notice::of(&event, &mut table, request);
        let source = Some(&event.origin.source.id);
        let subscribers = &mut state.context.subscribers;
        subscribers.publish(EventKind::HttpRequest, source, |event| notice.fill(event));
    }
    state.scripts.on_event(engine, event, request);
}

/// Sends a message to the peer of a client, or to every connection of a server.
fn forward(state: &mut State, engine: &mut Engine, message: &Forward) {
    let Forward { to, kind, data, .. } = message;
    let State {
        servers,
        clients,
        context,
        ..
    } = state;
    match servers.find(to.as_str()) {
        Some(at) => servers.forward(engine, at, *kind, data),
        None => clients.forward(engine, context, to, *kind, data),
    }
}

impl Handler for Manager {
    #[inline(always)]
    fn on_event(&mut self, ops: &mut Ops<'_>, id: ConnId, event: Event<'_>) {
        let State {
            servers, context, ..
        } = &mut self.state;
        if let Event::Message { kind, data } = &event
            && servers.on_message(context, ops, id, *kind, data)
        {
            return;
        }
        self.on_other_event(ops, id, &event);
    }
}
