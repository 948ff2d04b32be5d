//! One rule that runs something: its queue, and how many of its processes run.

use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use crate::config::{Action, Mode, Run};
use crate::conn::deadline::{Millis, Tick};
use crate::conn::event::ExchangeId;
use crate::engine::child::ChildId;
use crate::manager::backoff::Backoff;
use crate::manager::environment::Environment;
use crate::manager::fired::Whose;
use crate::manager::trigger::Rule;

use super::answer::Answer;
use super::inlet::Inlet;

/// Between two starts, at first and at last.
const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(60);

/// Between two times that a trigger is said to drop events.
const APART: Millis = Millis::seconds(1);

/// What is to be told to others.
#[derive(Debug)]
pub(in crate::manager) enum Told {
    /// A worker has said something.
    WorkerLine { worker: u32, line: Vec<u8> },
    /// Events were dropped, for a trigger was too slow.
    Dropped {
        source: Option<Rc<str>>,
        trigger: String,
        count: u64,
    },
}

/// What a process is to be started for.
#[derive(Debug)]
pub(super) struct Job {
    pub whose: Whose,
    pub env: Environment,
    pub task: Task,
}

#[derive(Debug)]
pub(super) enum Task {
    /// It gets this as its stdin, and ends.
    Once { input: Option<Vec<u8>> },
    /// It answers a request.
    Answer {
        answer: Box<Answer>,
        input: Vec<u8>,
        has_body: bool,
    },
    /// It follows a connection, and gets this line first.
    Follow { line: Option<Vec<u8>> },
}

impl Job {
    /// Bytes that it holds while it waits.
    pub(super) fn held(&self) -> usize {
        let env: usize = self
            .env
            .iter()
            .map(|(name, value)| name.len() + value.len())
            .sum();
        env + match &self.task {
            Task::Once { input } => input.as_ref().map_or(0, Vec::len),
            Task::Answer { answer, input, .. } => input.len() + answer.held(),
            Task::Follow { line } => line.as_ref().map_or(0, Vec::len),
        }
    }

    /// The request that waits for it.
    pub(super) fn exchange(&self) -> Option<ExchangeId> {
        match &self.task {
            Task::Answer { answer, .. } => Some(answer.exchange),
            _ => None,
        }
    }
}

/// A rule that runs something.
#[derive(Debug)]
pub(super) struct Lane {
    pub rule: Rc<Rule>,
    pub running: usize,
    pub queue: VecDeque<Job>,
    pub worker: Worker,
    /// What waits for the worker.
    pub inlet: Inlet,
    /// The longest line of a worker.
    pub max_line: usize,
    /// The configuration has it no more.
    pub retired: bool,
    dropped: u64,
    of: Option<Rc<str>>,
    /// When it was told last that something was dropped.
    told: Option<Tick>,
    began: Tick,
}

impl Lane {
    pub(super) fn new(rule: Rc<Rule>, now: Tick) -> Lane {
        let is_worker = rule.mode() == Some(Mode::Worker);
        Lane {
            running: 0,
            queue: VecDeque::new(),
            worker: Worker::new(is_worker.then_some(now)),
            inlet: Inlet::default(),
            max_line: 0,
            retired: false,
            dropped: 0,
            of: None,
            told: None,
            began: now,
            rule,
        }
    }

    /// How it runs; there whenever the rule has a lane.
    pub(super) fn run(&self) -> Option<&Run> {
        run_of(&self.rule)
    }

    /// Whether one more process may run.
    pub(super) fn has_free(&self) -> bool {
        self.run().is_some_and(|run| self.running < run.max_running)
    }

    /// Whether anything waits for its processes.
    pub(super) fn has_waiting(&self) -> bool {
        !self.queue.is_empty() || self.inlet.len() > 0
    }

    /// Those that may wait; those for which there is a place already do not count.
    pub(super) fn most_queued(&self) -> usize {
        self.run().map_or(0, |run| {
            run.max_queued + run.max_running.saturating_sub(self.running)
        })
    }

    /// Where the job of a request is in the queue.
    pub(super) fn position(&self, exchange: ExchangeId) -> Option<usize> {
        let mut jobs = self.queue.iter();
        jobs.position(|job| job.exchange() == Some(exchange))
    }

    /// Events came to nothing.
    pub(super) fn dropped(&mut self, source: &Rc<str>, count: u64) {
        self.dropped += count;
        self.of = Some(Rc::clone(source));
    }

    /// What was dropped since the last time; told at once, and then once a second.
    pub(super) fn take_dropped(&mut self, now: Tick) -> Option<Told> {
        self.dropped += self.rule.dropped.take();
        if !self.tells_dropped().is_some_and(|due| due.is_due(now)) {
            return None;
        }
        self.told = Some(now);
        Some(Told::Dropped {
            source: self.of.take(),
            trigger: self.rule.conf.name.clone(),
            count: std::mem::take(&mut self.dropped),
        })
    }

    /// When there is that to tell.
    pub(super) fn tells_dropped(&self) -> Option<Tick> {
        let next = self.told.map_or(self.began, |told| told.after(APART));
        (self.dropped > 0).then_some(next)
    }

    /// Whether nothing of it is left.
    pub(super) fn is_over(&self) -> bool {
        self.retired && self.running == 0 && self.queue.is_empty()
    }
}

/// Where the worker of a rule stands.
#[derive(Debug)]
pub(super) struct Worker {
    /// When it is to be started.
    pub again: Option<Tick>,
    pub child: Option<ChildId>,
    pub backoff: Backoff,
    pub began: Tick,
    /// That it does not read was said.
    pub is_deaf: bool,
    /// Counts the events that it was meant to get, so that it sees what it has missed.
    pub seq: u64,
}

impl Worker {
    pub(super) fn new(again: Option<Tick>) -> Worker {
        Worker {
            again,
            child: None,
            backoff: Backoff::new(FIRST, Some(LONGEST)),
            began: Tick::default(),
            is_deaf: false,
            seq: 0,
        }
    }
}

/// How a rule runs something, if it does.
pub(super) fn run_of(rule: &Rule) -> Option<&Run> {
    match &rule.conf.action {
        Action::Run(run) => Some(run),
        _ => None,
    }
}
