//! What processes of all roles have in common: their rule, the origin of their event, and pausing their output.

use std::rc::Rc;

use crate::conn::deadline::Millis;
use crate::engine::Engine;
use crate::engine::child::{ChildId, Stop};
use crate::manager::trigger::rules::Rule;
use crate::manager::trigger::trigger_event::Origin;

/// What processes of all roles have in common.
#[derive(Debug)]
pub(super) struct Run {
    pub id: ChildId,
    pub rule: Rc<Rule>,
    /// Where the event came from; none for a worker.
    pub origin: Option<Origin>,
    pub stop: Stop,
    /// Its time was up, and it was told to end.
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

    /// Stops reading its output until the peer has read what was sent.
    pub(super) fn pause(&mut self, engine: &mut Engine) {
        if !self.paused {
            self.paused = true;
            let now = engine.now();
            engine.children().pause_output(self.id, true, now);
        }
    }

    /// Reads its output again.
    pub(super) fn resume(&mut self, engine: &mut Engine) {
        self.paused = false;
        let now = engine.now();
        engine.children().pause_output(self.id, false, now);
    }

    /// Discards its output from now on.
    pub(super) fn discard_output(&self, engine: &mut Engine) {
        let now = engine.now();
        engine.children().discard_output(self.id, now);
    }

    /// Kills it, because its output is too long for a message.
    pub(super) fn kill_for_length(&self, engine: &mut Engine) {
        log::warn!(
            "{}: killed, for its output is longer than a message may be",
            self.rule
        );
        self.discard_output(engine);
        engine.children().kill(self.id);
    }

    /// The timeout of its rule.
    pub(super) fn timeout(&self) -> Millis {
        let run = self.rule.run();
        run.map_or(Millis::MAX, |run| Millis::from(run.timeout))
    }

    /// Whether it is paused because of a peer that is still connected.
    pub(super) fn waits_for_peer(&self, engine: &Engine) -> bool {
        let conn = self.origin.as_ref().map(|origin| origin.conn);
        self.paused && !self.timed_out && conn.is_some_and(|conn| engine.is_live(conn))
    }
}
