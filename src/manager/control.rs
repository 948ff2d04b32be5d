//! The control socket: connections of lines, each line a command, and the answers in their order.
//!
//! Who may speak is decided by the rights on the socket. What a line asks for is done after the turn that it came in,
//! with the engine at hand, and a peer that does not read its answers loses its connection: nothing waits for it.

use std::io;
use std::rc::Rc;

use crate::conn::deadline::Millis;
use crate::conn::event::ConnId;
use crate::conn::{Conf, SlowPeer};
use crate::engine::{Bound, Engine, Speaks};
use crate::proto::ws::frame::Kind;

use super::calls::Caller;
use super::host::Host;
use super::lines::Control;
use super::{EventKind, Manager, Source};
use crate::rpc::{self, Incoming, Response};

/// Commands and subscribers at a time.
const MAX_CONNECTIONS: usize = 64;

/// Bytes of answers and events that wait for one of them.
const MAX_BACKLOG: usize = 4 * 1024 * 1024;

/// The longest message that can be sent to a server whatever its own limit is.
const MIN_MESSAGE: usize = 1024 * 1024;

impl Manager {
    /// Takes commands from a socket.
    ///
    /// # Errors
    /// When the system does not watch it.
    pub fn listen_for_commands(&mut self, engine: &mut Engine, bound: Bound) -> io::Result<()> {
        let owner = engine.add_owner("control", MAX_CONNECTIONS, Speaks::Lines);
        let listener = engine.listen(bound, owner, Rc::new(self.line_conf()))?;
        self.control = Some(Control { owner, listener });
        self.place(owner, Source::Control);
        Ok(())
    }

    /// The servers are others, and so may be the longest line.
    pub(super) fn adjust_lines(&mut self, engine: &mut Engine) {
        let conf = Rc::new(self.line_conf());
        if let Some(Control { owner, listener }) = self.control {
            engine.hand_over(listener, owner, conf);
        }
    }

    /// The bytes of the longest line: it goes by the longest message that any server takes.
    pub(super) fn max_line(&self) -> usize {
        let limits = self.servers.iter().map(|server| &server.conf.limits);
        let longest = limits.map(|limits| limits.max_message as usize).max();
        rpc::max_line(longest.unwrap_or(0).max(MIN_MESSAGE))
    }

    fn line_conf(&self) -> Conf {
        Conf {
            max_message: self.max_line(),
            max_backlog: MAX_BACKLOG,
            slow_peer: SlowPeer::Close,
            max_body: 0,
            head_timeout: Millis::ZERO,
            idle_timeout: Millis::ZERO,
            ping_interval: Millis::ZERO,
            pong_timeout: Millis::ZERO,
        }
    }

    /// A line has come.
    pub(super) fn on_line(
        &mut self,
        engine: &mut Engine,
        host: &mut dyn Host,
        id: ConnId,
        line: &[u8],
    ) {
        if let Some(mut answer) = self.answer(engine, host, line, Caller::Connection(id)) {
            // A connection of lines ends them itself.
            answer.pop();
            engine.with(id, |ops| ops.reply(Kind::Text, &answer));
        }
    }

    /// A line was longer than any may be, and nothing that follows it can be understood.
    pub(super) fn on_line_too_long(&mut self, engine: &mut Engine, id: ConnId) {
        let mut answer = Vec::new();
        let refused = Response {
            id: rpc::Id::null(),
            outcome: Err(rpc::Error::line_too_long(self.max_line())),
        };
        refused.encode(&mut answer);
        answer.pop();
        engine.with(id, |ops| ops.reply(Kind::Text, &answer));
        self.on_lines_end(engine, id);
    }

    /// No more lines will come, and those that came are answered.
    pub(super) fn on_lines_end(&mut self, engine: &mut Engine, id: ConnId) {
        self.desk.bus.unsubscribe(id);
        engine.with(id, |ops| {
            ops.finish();
        });
    }

    /// What a worker's line is answered with: a line with its newline, or nothing.
    pub(super) fn answer_line(
        &mut self,
        engine: &mut Engine,
        host: &mut dyn Host,
        line: &[u8],
    ) -> Option<Vec<u8>> {
        self.answer(engine, host, line, Caller::Worker)
    }

    /// The daemon has stopped, but for this: those who listen are told, and then nobody is listened to. Turn on until there
    /// are no connections.
    pub fn stop_commands(&mut self, engine: &mut Engine, host: &mut dyn Host) {
        let running = self.servers.iter().filter(|it| it.running.is_some());
        for server in running {
            self.desk
                .bus
                .publish(EventKind::ServerStopped, Some(&server.id), |_| {});
        }
        self.work_now(engine, host);
        if let Some(Control { owner, .. }) = self.control {
            engine.end_all(owner);
        }
    }

    fn answer(
        &mut self,
        engine: &mut Engine,
        host: &mut dyn Host,
        line: &[u8],
        caller: Caller,
    ) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        let mut answer = |request: rpc::Request| {
            let outcome = request
                .call
                .and_then(|call| self.call(engine, host, call, caller));
            if let Err(error) = &outcome {
                log::debug!("{caller}: {}", error.message);
            }
            // JSON-RPC 2.0 §4.1: nothing says what became of a notification.
            Some(Response {
                id: request.id?,
                outcome,
            })
        };
        match rpc::decode(line) {
            Incoming::Nothing => {}
            Incoming::One(request) => {
                if let Some(response) = answer(request) {
                    response.encode(&mut out);
                }
            }
            Incoming::Batch(requests) => {
                let responses: Vec<Response> = requests.into_iter().filter_map(answer).collect();
                rpc::encode_batch(&responses, &mut out);
            }
        }
        (!out.is_empty()).then_some(out)
    }
}
