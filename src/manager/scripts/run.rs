//! What all processes have in common, whatever their role: whose event they run for, and their output's flow.

use std::rc::Rc;

use crate::conn::deadline::Millis;
use crate::engine::Engine;
use crate::engine::child::{ChildId, Stop};
use crate::manager::trigger::rules::Rule;
use crate::manager::trigger::trigger_event::Origin;

/// What all processes have in common, whatever their role.
#[derive(Debug)]
pub(super) struct Run {
    pub id: ChildId,
    pub rule: Rc<Rule>,
    /// Where the event came from; none for a worker.
    pub origin: Option<Origin>,
    pub stop: Stop,
    /// It was told to end.
    pub timed_out: bool,
    /// Its output waits for a peer.
    pub paused: bool,
}

impl Run {
    pub(super) fn new(id: ChildId, rule: &Rc<Rule>, origin: Option<Origin>, stop: Stop) -> Run {
        Run {
            id,
            rule: Rc::clone(rule),
            origin,
            stop,
            timed_out: false,
            paused: false,
        }
    }

    /// Its output waits until the peer has read what was sent.
    pub(super) fn pause(&mut self, engine: &mut Engine) {
        if !self.paused {
            self.paused = true;
            let now = engine.now();
            engine.children().pause_output(self.id, true, now);
        }
    }

    /// Its output is read again.
    pub(super) fn resume(&mut self, engine: &mut Engine) {
        self.paused = false;
        let now = engine.now();
        engine.children().pause_output(self.id, false, now);
    }

    /// No more of its output is wanted.
    pub(super) fn discard_output(&self, engine: &mut Engine) {
        let now = engine.now();
        engine.children().discard_output(self.id, now);
    }

    /// Ends it, for it has written what no message can hold.
    pub(super) fn kill_for_length(&self, engine: &mut Engine) {
        log::warn!(
            "{}: killed, for its output is longer than a message may be",
            self.rule
        );
        self.discard_output(engine);
        engine.children().kill(self.id);
    }

    /// How long its rule gives it.
    pub(super) fn timeout(&self) -> Millis {
        let run = self.rule.run();
        run.map_or(Millis::MAX, |run| Millis::from(run.timeout))
    }

    /// Whether it can do nothing, for its output waits for a peer who is there.
    pub(super) fn waits_for_peer(&self, engine: &Engine) -> bool {
        let conn = self.origin.as_ref().map(|origin| origin.conn);
        self.paused && !self.timed_out && conn.is_some_and(|conn| engine.is_live(conn))
    }
}
