//! One process: the role that acts on its output, and the time when it has to end.

use std::rc::Rc;

use crate::conn::deadline::{Millis, Tick};
use crate::engine::child::{ChildEvent, ChildId, Exit, Step, Stop};
use crate::engine::{Charge, Engine};
use crate::manager::trigger::rules::Rule;

use super::answer::Answer;
use super::job::{Job, Task};
use super::once::Once;
use super::per_connection::PerConnection;
use super::run::Run;
use super::worker::WorkerOutput;

/// What a process is for.
#[derive(Debug)]
pub(super) enum Role {
    Once(Once),
    Answer(Box<Answer>),
    PerConnection(PerConnection),
    Worker(WorkerOutput),
}

impl Role {
    /// Bytes of output that it holds.
    fn held(&self) -> usize {
        match self {
            Role::Once(once) => once.held(),
            Role::Answer(answer) => answer.held(),
            Role::PerConnection(process) => process.held(),
            Role::Worker(_) => 0,
        }
    }
}

#[derive(Debug)]
pub(super) struct Process {
    pub run: Run,
    pub role: Role,
    charge: Charge,
}

impl Process {
    pub(super) fn new(run: Run, role: Role) -> Process {
        Process {
            charge: run.rule.memory.charge(role.held()),
            run,
            role,
        }
    }

    /// A process that was started for a job; `lines` were queued for it after that of the job.
    pub(super) fn begin(
        engine: &mut Engine,
        rule: &Rc<Rule>,
        id: ChildId,
        job: Job,
        lines: Vec<Vec<u8>>,
    ) -> Process {
        let timeout = rule.run().map_or(Millis::MAX, |run| run.timeout.into());
        let stop = Stop::after(timeout, engine.now());
        let mut run = Run::new(id, rule, Some(job.origin), stop);
        let role = match job.task {
            Task::Once { input } => Role::Once(Once::begin(&run, engine, input.as_deref())),
            Task::Answer { answer, input, .. } => {
                answer.begin(&run, engine, &input);
                Role::Answer(answer)
            }
            Task::PerConnection { line } => {
                run.stop = Stop::never();
                let lines = line.into_iter().chain(lines).collect();
                Role::PerConnection(PerConnection::begin(&run, engine, lines))
            }
        };
        Process::new(run, role)
    }

    /// Charges the bytes that it holds now.
    pub(super) fn recount(&mut self) {
        self.charge.resize(self.role.held());
    }

    /// Acts on an event of the process. Returns the lines of a worker, which are commands.
    pub(super) fn on_event(&mut self, engine: &mut Engine, event: ChildEvent) -> Vec<Vec<u8>> {
        let run = &mut self.run;
        let mut lines = Vec::new();
        match &mut self.role {
            Role::Once(once) => once.on_event(run, engine, event),
            Role::Answer(answer) => answer.on_event(run, engine, event),
            Role::PerConnection(process) => process.on_event(run, engine, event),
            Role::Worker(output) => lines = output.on_event(run, engine, event),
        }
        self.recount();
        lines
    }

    /// Everything that waited for its peer was sent: it may write again.
    pub(super) fn on_drained(&mut self, engine: &mut Engine) {
        if self.run.paused {
            self.run.resume(engine);
        }
    }

    /// The peer of its request has left: ends it.
    pub(super) fn give_up(&mut self, engine: &mut Engine) {
        if let Role::Answer(answer) = &mut self.role {
            answer.forget();
        }
        self.run.discard_output(engine);
        self.run.stop.no_later_than(engine.now());
    }

    /// Its connection has ended, or its rule is gone.
    pub(super) fn detach(&mut self, engine: &mut Engine) {
        if let Role::PerConnection(process) = &mut self.role {
            process.detach(&self.run, engine);
        }
        engine.children().close_stdin(self.run.id);
        self.run.discard_output(engine);
        let end = engine.now().after(self.run.timeout());
        self.run.stop.no_later_than(end);
    }

    /// When it is to end, or its answer is to be streamed.
    pub(super) fn deadline(&self) -> Option<Tick> {
        let stream = match &self.role {
            Role::Answer(answer) => answer.stream_at(),
            _ => None,
        };
        let stop = self.run.stop.deadline();
        stop.into_iter().chain(stream).reduce(Tick::earlier)
    }

    /// Acts on its deadlines. `is_wanted`: jobs wait for its place. `stopping`: the daemon stops.
    pub(super) fn on_due(&mut self, engine: &mut Engine, is_wanted: bool, stopping: bool) {
        if let Role::Answer(answer) = &mut self.role {
            answer.stream_if_due(&mut self.run, engine);
            self.recount();
        }
        let due = self.run.stop.deadline();
        if due.is_some_and(|due| due.is_due(engine.now())) {
            self.stop_step(engine, is_wanted, stopping);
        }
    }

    fn stop_step(&mut self, engine: &mut Engine, is_wanted: bool, stopping: bool) {
        let now = engine.now();
        let id = self.run.id;
        // Its own children may keep its pipes open for a while after it has exited.
        let has_exited = engine.children().has_exited(id);
        // It may wait for a slow peer as long as no other job waits for its place.
        let may_wait = !is_wanted && self.run.waits_for_peer(engine);
        if (has_exited || may_wait) && !stopping {
            self.run.stop = Stop::after(Millis::seconds(1), now);
            return;
        }
        match self.run.stop.poll(now) {
            Some(Step::Terminate) => {
                engine.children().close_stdin(id);
                engine.children().terminate(id);
                self.run.discard_output(engine);
                self.run.timed_out = true;
                match &mut self.role {
                    Role::Answer(answer) => answer.time_out(&self.run, engine),
                    Role::Once(_) if !stopping => {
                        log::warn!("{}: timeout, it is ended", self.run.rule);
                    }
                    _ => {}
                }
            }
            Some(Step::Kill) => engine.children().kill(id),
            None => {}
        }
    }

    /// Writes to the log how it has ended.
    pub(super) fn log_end(&self, exit: Exit) {
        let rule = &self.run.rule;
        match exit {
            Exit::Code(0) => log::debug!("{rule}: done"),
            _ if self.run.timed_out => log::debug!("{rule}: it has ended"),
            Exit::Code(code) => log::warn!("{rule}: it failed with status {code}"),
            Exit::Signal(signal) => log::warn!("{rule}: ended by signal {signal}"),
        }
    }
}
