//! The processes of one rule: how many run, and the jobs that wait for a place.

use std::collections::{HashMap, VecDeque};
use std::rc::Rc;

use crate::config::Mode;
use crate::conn::deadline::{Millis, Tick};
use crate::conn::event::{ConnId, ExchangeId};
use crate::engine::child::ChildId;
use crate::manager::trigger::rules::Rule;

use super::job::{Job, Task};
use super::worker::Worker;

/// The shortest time between two reports of dropped events.
const REPORT_INTERVAL: Millis = Millis::seconds(1);

/// What scripts report to the manager.
#[derive(Debug)]
pub(in crate::manager) enum Report {
    /// A worker has written a line.
    WorkerLine { worker: u32, line: Vec<u8> },
    /// Events were dropped, because a trigger was too slow.
    Dropped {
        source: Option<Rc<str>>,
        rule: Rc<Rule>,
        count: u64,
    },
}

/// The processes of a rule that runs something.
#[derive(Debug)]
pub(super) struct Pool {
    pub rule: Rc<Rule>,
    pub running: usize,
    pub queue: VecDeque<Job>,
    /// The worker, if the rule has one.
    pub worker: Option<Worker>,
    /// The process of each connection, if the rule runs one for each.
    pub by_connection: HashMap<ConnId, ChildId>,
    /// Its rule is no longer in the configuration.
    pub retired: bool,
    dropped: u64,
    dropped_of: Option<Rc<str>>,
    /// When dropped events were last reported.
    reported: Option<Tick>,
    began: Tick,
}

impl Pool {
    pub(super) fn new(rule: &Rc<Rule>, now: Tick) -> Pool {
        let is_worker = rule.mode() == Some(Mode::Worker);
        Pool {
            running: 0,
            queue: VecDeque::new(),
            worker: is_worker.then(|| Worker::new(rule, now)),
            by_connection: HashMap::new(),
            retired: false,
            dropped: 0,
            dropped_of: None,
            reported: None,
            began: now,
            rule: Rc::clone(rule),
        }
    }

    /// Its rule is no longer in the configuration. Queued jobs that run once still run.
    pub(super) fn retire(&mut self) {
        self.retired = true;
        self.by_connection.clear();
        if let Some(worker) = &mut self.worker {
            worker.retire();
        }
        if self.rule.mode() == Some(Mode::Connection) {
            self.queue.clear();
        }
    }

    /// Whether one more process may run.
    pub(super) fn has_free(&self) -> bool {
        let run = self.rule.run();
        run.is_some_and(|run| self.running < run.max_running)
    }

    /// Whether one more job may be queued. Jobs that only wait for the next turn do not count.
    pub(super) fn may_queue(&self) -> bool {
        let run = self.rule.run();
        run.is_some_and(|run| {
            let free = run.max_running.saturating_sub(self.running);
            self.queue.len() < run.max_queued + free
        })
    }

    /// Removes the job of a request from the queue. True: it was there.
    pub(super) fn forget_request(&mut self, exchange: ExchangeId) -> bool {
        let before = self.queue.len();
        self.queue.retain(|job| job.exchange() != Some(exchange));
        self.queue.len() < before
    }

    /// A connection has ended: drops the jobs of its process. Returns the process, if it runs.
    pub(super) fn forget_connection(&mut self, conn: ConnId) -> Option<ChildId> {
        if self.rule.mode() == Some(Mode::Connection) {
            self.queue.retain(|job| job.origin.conn != conn);
        }
        self.by_connection.remove(&conn)
    }

    /// Takes the lines that were queued for a connection before its process could start.
    pub(super) fn take_lines(&mut self, conn: ConnId) -> Vec<Vec<u8>> {
        let mut lines = Vec::new();
        self.queue.retain_mut(|job| {
            if job.origin.conn == conn
                && let Task::PerConnection { line } = &mut job.task
            {
                lines.extend(line.take());
                return false;
            }
            true
        });
        lines
    }

    /// Counts an event that was dropped.
    pub(super) fn drop_event(&mut self, source: &Rc<str>) {
        self.dropped += 1;
        self.dropped_of = Some(Rc::clone(source));
    }

    /// A report of the events that were dropped, at most once a second.
    pub(super) fn take_dropped(&mut self, now: Tick) -> Option<Report> {
        self.dropped += self.rule.dropped.take();
        if !self.reports_at().is_some_and(|due| due.is_due(now)) {
            return None;
        }
        self.reported = Some(now);
        Some(Report::Dropped {
            source: self.dropped_of.take(),
            rule: Rc::clone(&self.rule),
            count: std::mem::take(&mut self.dropped),
        })
    }

    /// When dropped events are to be reported.
    fn reports_at(&self) -> Option<Tick> {
        let next = self
            .reported
            .map_or(self.began, |last| last.after(REPORT_INTERVAL));
        (self.dropped > 0).then_some(next)
    }

    /// When it has something to do next. Nothing is started when the daemon stops.
    pub(super) fn deadline(&self, now: Tick, stopping: bool) -> Option<Tick> {
        let again = self.worker.as_ref().and_then(|worker| worker.again);
        let starts = (self.has_free() && !self.queue.is_empty()).then_some(now);
        let start = again.into_iter().chain(starts).filter(|_| !stopping);
        start.chain(self.reports_at()).reduce(Tick::earlier)
    }

    /// Whether nothing of it is left.
    pub(super) fn is_over(&self) -> bool {
        self.retired && self.running == 0 && self.queue.is_empty()
    }
}
