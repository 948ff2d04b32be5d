//! What processes say to peers, no faster than those read.

use crate::engine::Engine;
use crate::engine::child::ChildId;
use crate::proto::ws::frame::Kind;

use super::answer::HIGH;
use super::core::Scripts;
use super::role::{Once, Process, Role};

/// Text when it is UTF-8.
pub(super) fn kind_of(message: &[u8]) -> Kind {
    if std::str::from_utf8(message).is_ok() {
        Kind::Text
    } else {
        Kind::Binary
    }
}

impl Scripts {
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
    pub(super) fn say_lines(
        &mut self,
        engine: &mut Engine,
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
        self.mind(engine, id, process);
        taken.is_ok()
    }

    /// Sends a message to the peer.
    pub(super) fn say(
        &mut self,
        engine: &mut Engine,
        id: ChildId,
        process: &mut Process,
        message: &[u8],
    ) {
        if let Some(whose) = &process.whose {
            engine.queue(whose.conn, kind_of(message), message);
            self.mind(engine, id, process);
        }
    }

    /// A peer that does not read what a process says makes it wait.
    fn mind(&mut self, engine: &mut Engine, id: ChildId, process: &mut Process) {
        let Some(conn) = process.whose.as_ref().map(|whose| whose.conn) else {
            return;
        };
        if process.paused || engine.backlog(conn) <= HIGH {
            return;
        }
        if engine
            .with(conn, |ops| {
                ops.tell_drained();
            })
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
