//! One process: whose it is, when it has to end, and what it does.

use std::collections::VecDeque;
use std::rc::Rc;

use crate::config::Reply;
use crate::conn::deadline::{Millis, Tick};
use crate::engine::Engine;
use crate::engine::child::{ChildId, Exit, Stop};
use crate::manager::fired::Whose;
use crate::manager::trigger::Rule;
use crate::proto::lines::LineSplitter;

use super::answer::Answer;
use super::inlet::Inlet;
use super::lane::run_of;

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
        self.stop.no_later_than(now.after(self.timeout()));
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

/// What of the output of a process goes back to the sender.
#[derive(Debug)]
pub(super) enum Once {
    /// Nothing.
    Mute,
    /// All of it, when it has ended.
    Whole(Vec<u8>),
    /// Each line.
    Lines(LineSplitter),
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
            Some(Reply::Lines) => Once::Lines(LineSplitter::new(max)),
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

/// What a process that follows a connection is in the middle of.
#[derive(Debug)]
pub(super) struct Follow {
    pub lines: LineSplitter,
    /// Its connection lives.
    pub attached: bool,
    /// What waits for it.
    pub inlet: Inlet,
    /// It said what no message can hold.
    pub broken: bool,
}

impl Follow {
    pub(super) fn new(max_message: usize) -> Follow {
        Follow {
            lines: LineSplitter::new(max_message),
            attached: true,
            inlet: Inlet::default(),
            broken: false,
        }
    }

    /// Bytes that it holds.
    pub(super) fn held(&self) -> usize {
        self.lines.held()
    }
}

/// What a running worker is in the middle of.
#[derive(Debug)]
pub(super) struct Talk {
    pub lines: LineSplitter,
    /// What it said while it did not read: handed on when it does.
    pub waits: bool,
    pub kept: VecDeque<Vec<u8>>,
    /// A line was too long: it is ended.
    pub broken: bool,
}
