//! Lines for a process that is slower than they come.

use std::collections::VecDeque;

use crate::engine::Engine;
use crate::engine::child::ChildId;

/// Bytes that wait in the pipe's own backlog before lines are counted.
const BACKLOG: usize = 1024 * 1024;

/// Lines that wait, in their order.
#[derive(Debug, Default)]
pub(super) struct Inlet {
    lines: VecDeque<Vec<u8>>,
    bytes: usize,
}

impl Inlet {
    /// Lines that wait here.
    pub(super) fn len(&self) -> usize {
        self.lines.len()
    }

    /// Whether a line of so many bytes that comes now can go on at once.
    pub(super) fn is_clear(&self, engine: &mut Engine, to: Option<ChildId>, len: usize) -> bool {
        self.lines.is_empty() && to.is_some_and(|id| fits(engine, id, len))
    }

    /// One more waits.
    pub(super) fn push(&mut self, line: Vec<u8>) -> usize {
        let held = line.len();
        self.bytes += held;
        self.lines.push_back(line);
        held
    }

    /// Hands on what the process takes; how many bytes wait no more.
    pub(super) fn flush(&mut self, engine: &mut Engine, to: ChildId) -> usize {
        let mut handed = 0;
        while let Some(line) = self.lines.pop_front_if(|line| fits(engine, to, line.len())) {
            handed += line.len();
            // What is gone says so by its end.
            let _ = engine.write_to_child(to, &line);
        }
        self.bytes -= handed;
        handed
    }

    /// Forgets all of it; how many bytes that was.
    pub(super) fn clear(&mut self) -> usize {
        self.lines.clear();
        std::mem::take(&mut self.bytes)
    }
}

/// Whether a process takes a line now; one that has nothing waiting takes any.
fn fits(engine: &mut Engine, to: ChildId, len: usize) -> bool {
    let backlog = engine.children().backlog(to);
    backlog == 0 || backlog + len <= BACKLOG
}
