//! A process for one event that is no request: its input, and what of its output goes back.

use crate::config::Reply;
use crate::engine::child::{ChildEvent, ChildId};
use crate::engine::{Engine, Handler};
use crate::manager::environment::Happening;
use crate::manager::fired::{Fired, What};
use crate::proto::lines::Lines;
use crate::proto::ws::frame::Kind;

use super::lane::{Job, Task};
use super::process::{Process, Role};
use super::{HIGH, Scripts};

/// What of the output of a process goes back to the sender.
#[derive(Debug)]
pub(super) enum Once {
    /// Nothing.
    Mute,
    /// All of it, when it has ended.
    Whole(Vec<u8>),
    /// Each line.
    Lines(Lines),
}

impl Once {
    pub(super) fn begin(
        engine: &mut Engine,
        id: ChildId,
        reply: Option<Reply>,
        max: usize,
    ) -> Once {
        match reply {
            Some(Reply::Whole) => Once::Whole(Vec::new()),
            Some(Reply::Lines) => Once::Lines(Lines::new(max)),
            Some(Reply::None) | None => {
                let now = engine.now();
                engine.children().discard_output(id, now);
                Once::Mute
            }
        }
    }

    /// Bytes that it holds.
    pub(super) fn held(&self) -> usize {
        match self {
            Once::Mute => 0,
            Once::Whole(output) => output.len(),
            Once::Lines(lines) => lines.held(),
        }
    }
}

/// Text when it is UTF-8.
pub(super) fn kind_of(message: &[u8]) -> Kind {
    if std::str::from_utf8(message).is_ok() {
        Kind::Text
    } else {
        Kind::Binary
    }
}

impl Scripts {
    /// A rule that runs something for each event has fired.
    pub(super) fn once<H: Handler>(&mut self, engine: &mut Engine, handler: &mut H, fired: Fired) {
        let Fired { rule, whose, what } = fired;
        let (env, input) = match what {
            What::Request(asked) => return self.ask(engine, handler, &rule, whose, *asked),
            What::Connect => {
                let happening = Happening::Connect;
                (
                    self.environment(engine, &rule, &whose, None, &happening),
                    None,
                )
            }
            What::Message { kind, data } => {
                let text = kind == Kind::Text;
                let happening = Happening::Message { text };
                let env = self.environment(engine, &rule, &whose, None, &happening);
                (env, Some(data))
            }
            What::Disconnect { code, reason } => {
                let reason = &reason;
                let happening = Happening::Disconnect { code, reason };
                (
                    self.environment(engine, &rule, &whose, None, &happening),
                    None,
                )
            }
        };
        // A certificate may name its user at length, and with anything in it.
        let Ok(env) = env else {
            log::warn!(
                "trigger {}: an environment cannot hold the event",
                rule.conf.name
            );
            return;
        };
        let task = Task::Once { input };
        self.offer(engine, handler, rule.number, Job { whose, env, task });
    }

    pub(super) fn on_once<H: Handler>(
        &mut self,
        engine: &mut Engine,
        handler: &mut H,
        id: ChildId,
        process: &mut Process,
        event: ChildEvent,
    ) {
        let Role::Once(once) = &mut process.role else {
            return;
        };
        let before = once.held();
        let most = process.whose.as_ref().map_or(0, |whose| whose.max_message);
        let too_long = match (&mut *once, event) {
            (Once::Whole(output), ChildEvent::Output(bytes)) => {
                output.extend_from_slice(&bytes);
                output.len() > most || !self.has_room(engine, output.len() - before)
            }
            (Once::Whole(output), ChildEvent::OutputEnd) => {
                let output = std::mem::take(output);
                if !process.timed_out && !output.is_empty() {
                    self.say(engine, handler, id, process, &output);
                }
                false
            }
            (Once::Lines(_), ChildEvent::Output(bytes)) => {
                !self.say_lines(engine, handler, id, process, &bytes)
            }
            (Once::Lines(lines), ChildEvent::OutputEnd) => {
                if let Some(line) = lines.finish()
                    && !process.timed_out
                {
                    self.say(engine, handler, id, process, &line);
                }
                false
            }
            _ => false,
        };
        if too_long {
            self.silence(engine, id, process);
        }
        let after = match &process.role {
            Role::Once(once) => once.held(),
            _ => 0,
        };
        self.bytes = self.bytes + after - before;
    }

    /// What it says is too long for a message: it is ended.
    pub(super) fn silence(&mut self, engine: &mut Engine, id: ChildId, process: &mut Process) {
        let now = engine.now();
        log::warn!(
            "trigger {}: killed, for its output is longer than a message may be",
            process.rule.conf.name
        );
        if let Role::Once(once) = &mut process.role {
            *once = Once::Mute;
        }
        engine.children().discard_output(id, now);
        engine.children().kill(id);
    }

    /// Sends every line that has come to the peer. False: one was too long.
    pub(super) fn say_lines<H: Handler>(
        &mut self,
        engine: &mut Engine,
        handler: &mut H,
        id: ChildId,
        process: &mut Process,
        bytes: &[u8],
    ) -> bool {
        let Some(whose) = &process.whose else {
            return true;
        };
        let conn = whose.conn;
        let mut say = |line: &[u8]| {
            engine.queue(conn, kind_of(line), line);
        };
        let taken = match &mut process.role {
            Role::Once(Once::Lines(lines)) => lines.take(bytes, &mut say),
            Role::Follow(follow) => follow.lines.take(bytes, &mut say),
            _ => Ok(()),
        };
        self.mind(engine, handler, id, process);
        taken.is_ok()
    }

    /// Sends a message to the peer.
    pub(super) fn say<H: Handler>(
        &mut self,
        engine: &mut Engine,
        handler: &mut H,
        id: ChildId,
        process: &mut Process,
        message: &[u8],
    ) {
        if let Some(whose) = &process.whose {
            engine.queue(whose.conn, kind_of(message), message);
            self.mind(engine, handler, id, process);
        }
    }

    /// A peer that does not read what a process says makes it wait.
    fn mind<H: Handler>(
        &mut self,
        engine: &mut Engine,
        handler: &mut H,
        id: ChildId,
        process: &mut Process,
    ) {
        let Some(conn) = process.whose.as_ref().map(|whose| whose.conn) else {
            return;
        };
        if process.paused || engine.backlog(conn) <= HIGH {
            return;
        }
        if engine
            .with(handler, conn, |_, ops| ops.tell_drained())
            .is_some()
        {
            self.pause(engine, id, process);
        }
    }

    /// The output of a process waits until [`Scripts::on_drained`].
    pub(super) fn pause(&mut self, engine: &mut Engine, id: ChildId, process: &mut Process) {
        let now = engine.now();
        let Some(whose) = &process.whose else { return };
        process.paused = true;
        self.paused.entry(whose.conn).or_default().push(id);
        engine.children().pause_output(id, true, now);
    }
}
