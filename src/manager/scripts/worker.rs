//! A process that all events of a rule share and that lives as long as the daemon: events are its lines, and its lines
//! are commands.

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

/// A worker's commands are not read while so many bytes of their results wait for it.
const UNREAD: usize = 1024 * 1024;

/// The worker of a rule: whether it runs, and what waits for it.
#[derive(Debug)]
pub(super) struct Worker {
    /// When it is to be started.
    pub again: Option<Tick>,
    child: Option<ChildId>,
    stdin: StdinQueue,
    pauses: Backoff,
    began: Tick,
    /// It was logged that it does not read its results.
    is_deaf: bool,
    /// Counts the events that it was meant to get, so that it sees what it has missed.
    seq: u64,
    /// The longest line that it may write.
    pub max_line: usize,
}

impl Worker {
    /// It is to be started at once.
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

    /// It has read all that was written to its stdin.
    pub(super) fn on_drained(&mut self, engine: &mut Engine) {
        if let Some(id) = self.child {
            self.stdin.flush(engine, id);
        }
    }

    /// It has ended. `restarts`: that was not asked of it.
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

/// What a running worker has written.
#[derive(Debug)]
pub(super) struct WorkerOutput {
    lines: LineSplitter,
    /// It does not read: its commands wait until it does.
    waits: bool,
    kept: VecDeque<Vec<u8>>,
    /// A line was too long: it is ended.
    broken: bool,
}

impl WorkerOutput {
    /// Acts on what it does; its commands, in their order.
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
                if engine.children().backlog(id) > UNREAD {
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
