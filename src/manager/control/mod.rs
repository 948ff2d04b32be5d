//! The control socket. Each line of a connection is a command; answers are sent in the same order.
//!
//! The permissions of the socket decide who may use it. Commands are carried out after the turn in which they were
//! received, because they need the whole engine. A peer that does not read its answers is disconnected.

mod methods;
mod permissions;

use std::collections::VecDeque;
use std::io;
use std::rc::Rc;

use crate::conn::Conf;
use crate::conn::event::{CloseReason, ConnId, Event};
use crate::engine::{Bound, Engine, ListenerId, Ops, OwnerId, Speaks};
use crate::proto::ws::frame::Kind;
use crate::rpc::{self, Incoming, Response};

use super::context::Context;
use super::host::Host;
use super::state::State;

use methods::Caller;

/// The most connections at a time.
const MAX_CONNECTIONS: usize = 64;

/// Bytes of answers and events that may wait for one connection.
const MAX_BACKLOG: usize = 4 * 1024 * 1024;

/// The socket in the engine.
#[derive(Debug)]
struct Socket {
    owner: OwnerId,
    listener: ListenerId,
    /// The longest line in bytes that it accepts.
    max_line: usize,
}

/// What was received on a connection.
#[derive(Debug)]
enum Input {
    Line(Vec<u8>),
    /// A line was too long. Nothing after it can be understood.
    TooLong,
    /// The peer sends no more.
    End,
}

/// The control socket, and what was received on it.
#[derive(Debug, Default)]
pub(super) struct Control {
    socket: Option<Socket>,
    input: VecDeque<(ConnId, Input)>,
}

impl Control {
    /// Accepts commands on a socket.
    ///
    /// # Errors
    /// When the system does not watch it.
    pub(super) fn listen(
        &mut self,
        state: &State,
        engine: &mut Engine,
        bound: Bound,
    ) -> io::Result<()> {
        let owner = engine.add_owner("control", MAX_CONNECTIONS, Speaks::Lines);
        let max_line = state.max_line();
        let listener = engine.listen(bound, owner, Rc::new(conf(max_line)))?;
        self.socket = Some(Socket {
            owner,
            listener,
            max_line,
        });
        Ok(())
    }

    /// Adjusts the longest line to the limits of the servers.
    pub(super) fn adjust(&mut self, state: &State, engine: &mut Engine) {
        let max_line = state.max_line();
        if let Some(socket) = &mut self.socket
            && socket.max_line != max_line
        {
            socket.max_line = max_line;
            engine.hand_over(socket.listener, socket.owner, Rc::new(conf(max_line)));
        }
    }

    /// Ends all connections after their answers were sent.
    pub(super) fn stop(&self, engine: &mut Engine) {
        if let Some(socket) = &self.socket {
            engine.end_all(socket.owner);
        }
    }

    /// Whether no command waits to be carried out.
    #[inline]
    pub(super) fn is_idle(&self) -> bool {
        self.input.is_empty()
    }

    /// Acts on an event, if it is of one of its connections.
    pub(super) fn on_event(
        &mut self,
        context: &mut Context,
        ops: &Ops<'_>,
        id: ConnId,
        event: &Event<'_>,
    ) {
        if self.socket.as_ref().map(|socket| socket.owner) != Some(ops.owner()) {
            return;
        }
        let input = match event {
            Event::Message { data, .. } => Input::Line(data.to_vec()),
            Event::Closed(CloseReason::Eof) => Input::End,
            Event::Closed(CloseReason::Failed(_)) => Input::TooLong,
            Event::Closed(reason) => {
                log::debug!("{id}: control socket: {reason}");
                return context.subscribers.unsubscribe(id);
            }
            _ => return,
        };
        self.input.push_back((id, input));
    }

    /// Carries out the next command. False: there is none.
    pub(super) fn on_input(
        &mut self,
        state: &mut State,
        engine: &mut Engine,
        host: &mut dyn Host,
    ) -> bool {
        let Some((id, input)) = self.input.pop_front() else {
            return false;
        };
        match input {
            Input::Line(line) => {
                if let Some(answer) = answer(state, engine, host, &line, Caller::Connection(id)) {
                    send(engine, id, answer);
                }
                self.adjust(state, engine);
            }
            Input::TooLong => {
                let mut answer = Vec::new();
                let refused = Response {
                    id: rpc::RequestId::null(),
                    outcome: Err(rpc::Error::line_too_long(state.max_line())),
                };
                refused.encode(&mut answer);
                send(engine, id, answer);
                finish(state, engine, id);
            }
            Input::End => finish(state, engine, id),
        }
        true
    }

    /// Carries out the command of a worker. Returns the answer, a line with its newline, unless there is none.
    pub(super) fn on_worker_line(
        &mut self,
        state: &mut State,
        engine: &mut Engine,
        host: &mut dyn Host,
        line: &[u8],
    ) -> Option<Vec<u8>> {
        let answer = answer(state, engine, host, line, Caller::Worker);
        self.adjust(state, engine);
        answer
    }
}

/// Sends a line with its newline.
fn send(engine: &mut Engine, id: ConnId, mut line: Vec<u8>) {
    // The connection adds the newline itself.
    line.pop();
    engine.with(id, |ops| ops.reply(Kind::Text, &line));
}

/// Closes a connection whose lines are all answered.
fn finish(state: &mut State, engine: &mut Engine, id: ConnId) {
    state.context.subscribers.unsubscribe(id);
    engine.with(id, |ops| {
        ops.finish();
    });
}

fn answer(
    state: &mut State,
    engine: &mut Engine,
    host: &mut dyn Host,
    line: &[u8],
    caller: Caller,
) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let mut answer = |request: rpc::Request| {
        let outcome = request
            .call
            .and_then(|call| methods::call(state, engine, host, call, caller));
        if let Err(error) = &outcome {
            log::debug!("{caller}: {}", error.message);
        }
        // JSON-RPC 2.0 §4.1: a notification is not answered.
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

fn conf(max_line: usize) -> Conf {
    Conf {
        max_message: max_line,
        max_backlog: MAX_BACKLOG,
        ..Conf::default()
    }
}
