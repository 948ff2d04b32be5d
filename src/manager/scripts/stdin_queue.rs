//! Lines that wait for a process which reads its stdin too slowly.

use std::collections::VecDeque;

use crate::engine::child::ChildId;
use crate::engine::{Account, Charge, Engine};

/// Up to so many bytes are handed to the engine; lines beyond that are queued here.
const BACKLOG: usize = 1024 * 1024;

/// The lines, in their order.
#[derive(Debug)]
pub(super) struct StdinQueue {
    lines: VecDeque<Vec<u8>>,
    charge: Charge,
}

impl StdinQueue {
    pub(super) fn new(memory: &Account) -> StdinQueue {
        StdinQueue {
            lines: VecDeque::new(),
            charge: memory.charge(0),
        }
    }

    /// Writes a line to the process if nothing waits before it, else queues it. False: `max` lines wait already, or
    /// there is no memory for it.
    pub(super) fn offer(
        &mut self,
        engine: &mut Engine,
        memory: &Account,
        to: Option<ChildId>,
        line: Vec<u8>,
        max: usize,
    ) -> bool {
        if let Some(id) = to
            && self.lines.is_empty()
            && fits(engine, id, line.len())
        {
            // A process that reads no more is noticed when it ends.
            let _ = engine.write_to_child(id, &line);
            return true;
        }
        if self.lines.len() >= max || !memory.has_room(line.len()) {
            return false;
        }
        self.push(line);
        true
    }

    pub(super) fn push(&mut self, line: Vec<u8>) {
        self.charge.resize(self.charge.bytes() + line.len());
        self.lines.push_back(line);
    }

    /// Writes as many lines as the process takes.
    pub(super) fn flush(&mut self, engine: &mut Engine, to: ChildId) {
        while let Some(line) = self.lines.pop_front_if(|line| fits(engine, to, line.len())) {
            self.charge.resize(self.charge.bytes() - line.len());
            let _ = engine.write_to_child(to, &line);
        }
    }

    pub(super) fn clear(&mut self) {
        self.lines.clear();
        self.charge.resize(0);
    }
}

/// Whether a process takes a line now; one for which nothing waits takes any.
fn fits(engine: &mut Engine, to: ChildId, len: usize) -> bool {
    let backlog = engine.children().backlog(to);
    backlog == 0 || backlog + len <= BACKLOG
}
