//! A worker: one process for all events of a rule, which lives as long as the daemon. It reads events as lines, and its
//! lines are commands.

use std::collections::VecDeque;
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use crate::conn::deadline::{Millis, Tick};
use crate::engine::child::{ChildEvent, ChildId, Refused, Stdin, Stop};
use crate::engine::{Backoff, Engine};
use crate::manager::trigger::rules::Rule;
use crate::manager::trigger::trigger_event::TriggerEvent;
use crate::proto::http::head::FieldTable;
use crate::proto::lines::LineSplitter;
use crate::rpc::Event;
use crate::rpc::{RequestName, Time};

use super::environment::Base;
use super::job;
use super::notice::Notice;
use super::run::Run;
use super::stdin_queue::StdinQueue;

/// The pause between two starts, at first and at most.
const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(60);

/// The commands of a worker are not read while more bytes than this wait in its stdin.
const MAX_UNREAD: usize = 1024 * 1024;

/// The worker of a rule, and the events that wait for it.
#[derive(Debug)]
pub(super) struct Worker {
    /// When it is to be started; `None` while it runs.
    pub again: Option<Tick>,
    child: Option<ChildId>,
    stdin: StdinQueue,
    pauses: Backoff,
    began: Tick,
    /// The warning that it does not read its results was logged.
    is_deaf: bool,
    /// The number of the last event for it, so that it can see a gap where events were dropped.
    seq: u64,
    /// The longest line that it may write.
    pub max_line: usize,
}

impl Worker {
    /// A worker that is to be started at once.
    pub(super) fn new(rule: &Rule, now: Tick) -> Worker {
        Worker {
            again: Some(now),
            child: None,
            stdin: StdinQueue::new(&rule.memory),
            pauses: Backoff::new(FIRST, LONGEST),
            began: now,
            is_deaf: false,
            seq: 0,
            max_line: 0,
        }
    }

    /// Its rule is gone.
    pub(super) fn retire(&mut self) {
        self.stdin.clear();
        self.again = None;
    }

    /// Sends it an event; a request that it is to answer has a name. False: too much waits already.
    pub(super) fn tell(
        &mut self,
        engine: &mut Engine,
        event: &TriggerEvent,
        request: Option<RequestName>,
    ) -> bool {
        self.seq += 1;
        let mut line = Vec::new();
        let mut table = FieldTable::default();
        let notice = Notice::of(event, &mut table, request);
        let mut encoded = Event::new(self.seq, Time::of(SystemTime::now()), notice.kind());
        encoded.source = Some(&event.origin.source.id);
        notice.fill(&mut encoded);
        encoded.encode(&mut line);
        let max = event.rule.run().map_or(0, |run| run.max_queued);
        self.stdin
            .offer(engine, &event.rule.memory, self.child, line, max)
    }

    /// Writes the result of a command, a line with its newline.
    pub(super) fn answer(&mut self, engine: &mut Engine, rule: &Rule, line: &[u8]) {
        let Some(id) = self.child else { return };
        // A worker that has closed its stdin does not want results.
        if engine.write_to_child(id, line) == Err(Refused::Full) && !self.is_deaf {
            self.is_deaf = true;
            log::warn!("{rule}: it does not read the results of its commands, which are lost");
        }
    }

    /// Starts it.
    pub(super) fn start(
        &mut self,
        engine: &mut Engine,
        base: &Base,
        rule: &Rc<Rule>,
    ) -> Option<(Run, WorkerOutput)> {
        let now = engine.now();
        (self.again, self.began, self.is_deaf) = (None, now, false);
        let env = base.worker_environment(&rule.conf.name);
        match job::spawn(engine, base, rule, &env, Stdin::Piped) {
            Ok(id) => {
                log::debug!("{rule}: its worker runs");
                self.child = Some(id);
                self.stdin.flush(engine, id);
                let output = WorkerOutput {
                    lines: LineSplitter::new(self.max_line),
                    waits: false,
                    kept: VecDeque::new(),
                    broken: false,
                };
                Some((Run::new(id, rule, None, Stop::never()), output))
            }
            Err(error) => {
                log::error!("{rule}: {error}");
                self.start_again(now);
                None
            }
        }
    }

    /// It has read its stdin: writes what waits.
    pub(super) fn on_drained(&mut self, engine: &mut Engine) {
        if let Some(id) = self.child {
            self.stdin.flush(engine, id);
        }
    }

    /// Its process has ended. `restarts`: it is to be started again.
    pub(super) fn ended(&mut self, rule: &Rule, now: Tick, restarts: bool) {
        self.child = None;
        if restarts {
            log::warn!("{rule}: its worker has ended, and is started again");
            self.start_again(now);
        }
    }

    fn start_again(&mut self, now: Tick) {
        let lived = Duration::from_millis(u64::from(now.since(self.began)));
        self.again = Some(now.after(Millis::from(self.pauses.wait(lived, Backoff::MIDDLE))));
    }
}

/// The output of a running worker.
#[derive(Debug)]
pub(super) struct WorkerOutput {
    lines: LineSplitter,
    /// It does not read its results, so its commands wait.
    waits: bool,
    kept: VecDeque<Vec<u8>>,
    /// A line was too long: it was killed.
    broken: bool,
}

impl WorkerOutput {
    /// Acts on an event of its process. Returns commands that are to be carried out, in their order.
    pub(super) fn on_event(
        &mut self,
        run: &mut Run,
        engine: &mut Engine,
        event: ChildEvent,
    ) -> Vec<Vec<u8>> {
        let (id, now) = (run.id, engine.now());
        match event {
            ChildEvent::Output(bytes) => {
                let kept = &mut self.kept;
                let taken = self.lines.take(&bytes, |line| {
                    if !line.iter().all(u8::is_ascii_whitespace) {
                        kept.push_back(line.to_vec());
                    }
                });
                if taken.is_err() && !self.broken {
                    self.broken = true;
                    log::warn!("{}: killed, for a line is too long", run.rule);
                    run.discard_output(engine);
                    engine.children().kill(id);
                }
                if engine.children().backlog(id) > MAX_UNREAD {
                    self.waits = true;
                    engine.children().pause_output(id, true, now);
                }
            }
            ChildEvent::Drained => {
                self.waits = false;
                engine.children().pause_output(id, false, now);
            }
            _ => {}
        }
        if self.waits {
            Vec::new()
        } else {
            self.kept.drain(..).collect()
        }
    }
}
