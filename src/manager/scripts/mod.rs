//! The processes that triggers run, and the requests that wait for them.
//!
//! Each rule that runs something has a [`Pool`] with the number of its running processes and the jobs that wait for a free
//! place. At most [`SPAWNS`] processes are started in a turn, because each start delays the loop. The [`Role`] of a
//! process acts on its output; its `Stop` says when it has to end. Queues are limited by `max_queued` and by the memory of
//! the rule.

mod answer;
mod cgi;
pub(super) mod environment;
mod held_requests;
mod job;
mod notice;
mod once;
mod per_connection;
mod pool;
mod process;
mod reply;
mod run;
mod stdin_queue;
mod worker;

use std::collections::{BTreeMap, HashMap, VecDeque};

use crate::config::Mode;
use crate::conn::deadline::{Millis, Tick};
use crate::conn::event::{ConnId, ExchangeId};
use crate::engine::Engine;
use crate::engine::child::{ChildEvent, ChildId, Exit};
use crate::proto::cgi::Head;
use crate::proto::ws::close::CloseCode;
use crate::rpc::{self, RequestName, Respond};

use super::trigger::BodyPiece;
use super::trigger::rules::AllRules;
use super::trigger::trigger_event::{TriggerEvent, What};

pub(super) use notice::Notice;
pub(super) use pool::Report;

use answer::refuse;
use environment::Base;
use held_requests::HeldRequests;
use job::{Job, Task, line_of};
use pool::Pool;
use process::{Process, Role};

/// The most processes that are started in one turn.
const SPAWNS: usize = 4;

/// How long answers may take after the daemon was told to stop; it ends after 10 seconds.
const LAST_ANSWERS: Millis = Millis::seconds(7);

/// All processes of triggers.
#[derive(Debug, Default)]
pub(super) struct Scripts {
    base: Base,
    /// By the numbers of their rules.
    pools: BTreeMap<u32, Pool>,
    processes: HashMap<ChildId, Process>,
    /// Which process answers a request.
    answering: HashMap<ExchangeId, ChildId>,
    /// The heads of answers whose files are being looked up.
    files: HashMap<ExchangeId, Box<Head>>,
    held: HeldRequests,
    reports: VecDeque<Report>,
    spawns_left: usize,
    stopping: bool,
    deadline: Option<Tick>,
}

impl Scripts {
    /// Sets what all processes have in common. To be called before there are rules.
    pub(super) fn set_base(&mut self, base: Base) {
        self.base = base;
    }

    /// When [`Scripts::on_due`] or [`Scripts::start_queued`] has something to do next.
    #[inline]
    pub(super) fn deadline(&self) -> Option<Tick> {
        self.deadline
    }

    fn schedule(&mut self, now: Tick) {
        let reports = (!self.reports.is_empty()).then_some(now);
        let pools = self.pools.values();
        let pools = pools.filter_map(|pool| pool.deadline(now, self.stopping));
        let processes = self.processes.values().filter_map(Process::deadline);
        let held = self.held.deadline();
        let all = reports.into_iter().chain(held).chain(pools);
        self.deadline = all.chain(processes).reduce(Tick::earlier);
    }

    /// The head of the answer whose file was looked up.
    pub(super) fn take_file(&mut self, exchange: ExchangeId) -> Option<Box<Head>> {
        self.files.remove(&exchange)
    }

    /// The next report.
    pub(super) fn take_report(&mut self) -> Option<Report> {
        self.reports.pop_front()
    }

    /// Writes the result of a worker's command, a line with its newline.
    pub(super) fn answer_worker(&mut self, engine: &mut Engine, worker: u32, line: &[u8]) {
        let Some(pool) = self.pools.get_mut(&worker) else {
            return;
        };
        if let Some(worker) = &mut pool.worker {
            worker.answer(engine, &pool.rule, line);
        }
    }

    /// Replaces the rules. Processes of rules that are gone are ended, except those that run once: these finish, and their
    /// queued jobs still run.
    pub(super) fn set_rules(&mut self, engine: &mut Engine, rules: &AllRules, max_line: usize) {
        let now = engine.now();
        for (number, pool) in &mut self.pools {
            if pool.retired || rules.iter().any(|rule| rule.number == *number) {
                continue;
            }
            pool.retire();
            let processes = self.processes.values_mut();
            for process in processes.filter(|process| process.run.rule.number == *number) {
                match &process.role {
                    Role::PerConnection(_) => process.detach(engine),
                    Role::Worker(_) => process.run.stop.no_later_than(now),
                    Role::Once(_) | Role::Answer(_) => {}
                }
            }
        }
        for rule in rules.iter().filter(|rule| rule.run().is_some()) {
            let pool = self.pools.entry(rule.number);
            let pool = pool.or_insert_with(|| Pool::new(rule, now));
            if let Some(worker) = &mut pool.worker {
                worker.max_line = max_line;
            }
        }
        self.schedule(now);
    }

    /// Holds the request of an event and names it; `None` when neither `hold` nor a worker is to answer it.
    pub(super) fn hold(&mut self, event: &TriggerEvent, now: Tick) -> Option<RequestName> {
        if self.stopping && event.rule.mode() == Some(Mode::Worker) {
            return None;
        }
        let name = self.held.hold(event, now)?;
        self.schedule(now);
        Some(name)
    }

    /// Answers a held request.
    ///
    /// # Errors
    /// As [`HeldRequests::respond`].
    pub(super) fn respond(
        &mut self,
        engine: &mut Engine,
        respond: &Respond,
    ) -> Result<(), rpc::Error> {
        self.held.respond(engine, respond)
    }

    /// Runs what a rule runs for an event. `request` is the name of a held request.
    pub(super) fn on_event(
        &mut self,
        engine: &mut Engine,
        event: TriggerEvent,
        request: Option<RequestName>,
    ) {
        let exchange = event.request().map(|request| request.exchange);
        if self.stopping {
            return refuse(engine, exchange, 503);
        }
        match event.rule.mode() {
            Some(Mode::Worker) => self.tell_worker(engine, &event, request),
            Some(Mode::Connection) => self.pass_on(engine, event),
            Some(Mode::Once) => self.run_once(engine, event),
            None => {}
        }
    }

    fn tell_worker(
        &mut self,
        engine: &mut Engine,
        event: &TriggerEvent,
        request: Option<RequestName>,
    ) {
        let Some(pool) = self.pools.get_mut(&event.rule.number) else {
            return;
        };
        let Some(worker) = &mut pool.worker else {
            return;
        };
        if !worker.tell(engine, event, request) {
            pool.drop_event(&event.origin.source.id);
            if let Some(request) = event.request() {
                self.held.forget(request.exchange);
                refuse(engine, request.exchange, 503);
            }
        }
    }

    /// Passes an event on to the process of its connection, which is started if there is none.
    fn pass_on(&mut self, engine: &mut Engine, event: TriggerEvent) {
        let TriggerEvent {
            rule, origin, what, ..
        } = event;
        let Some(pool) = self.pools.get_mut(&rule.number) else {
            return;
        };
        if let Some(id) = pool.by_connection.get(&origin.conn) {
            if let What::Message { kind, data } = what
                && let Some(process) = self.processes.get_mut(id)
                && let Role::PerConnection(role) = &mut process.role
                && !role.pass(&process.run, engine, line_of(kind, data))
            {
                pool.drop_event(&origin.source.id);
            }
        } else if engine.is_live(origin.conn) {
            match job::of_event(&self.base, engine, &rule, origin, what, true) {
                Ok(job) => self.offer(engine, rule.number, job),
                Err(error) => log::warn!("{rule}: {error}"),
            }
        }
    }

    fn run_once(&mut self, engine: &mut Engine, event: TriggerEvent) {
        let TriggerEvent {
            rule, origin, what, ..
        } = event;
        match what {
            What::Request(request) => {
                let (exchange, conn) = (request.exchange, origin.conn);
                match cgi::job(&self.base, engine, &rule, origin, *request) {
                    Ok(job) => self.offer(engine, rule.number, job),
                    Err(status) => {
                        log::debug!("{rule}: {conn}: no environment: {status}");
                        refuse(engine, exchange, status);
                    }
                }
            }
            what => match job::of_event(&self.base, engine, &rule, origin, what, false) {
                Ok(job) => self.offer(engine, rule.number, job),
                // The user of a client certificate may have a name of any length and content.
                Err(_) => log::warn!("{rule}: an environment cannot hold the event"),
            },
        }
    }

    /// Starts the process of a job, or queues the job, or drops it when the queue is full.
    fn offer(&mut self, engine: &mut Engine, number: u32, job: Job) {
        let Some(pool) = self.pools.get_mut(&number) else {
            return refuse(engine, job.exchange(), 503);
        };
        if pool.queue.is_empty() && pool.has_free() && self.spawns_left > 0 {
            self.start(engine, number, job);
        } else if pool.may_queue() && pool.rule.memory.has_room(0) {
            pool.queue.push_back(job);
        } else {
            pool.drop_event(&job.origin.source.id);
            refuse(engine, job.exchange(), 503);
        }
    }

    /// Starts the process of a job.
    fn start(&mut self, engine: &mut Engine, number: u32, job: Job) {
        self.spawns_left = self.spawns_left.saturating_sub(1);
        let Some(pool) = self.pools.get_mut(&number) else {
            return;
        };
        let started = job.spawn(engine, &self.base, &pool.rule);
        match started {
            Ok(id) => {
                pool.running += 1;
                let mut lines = Vec::new();
                if let Some(exchange) = job.exchange() {
                    self.answering.insert(exchange, id);
                } else if let Task::PerConnection { .. } = job.task {
                    let conn = job.origin.conn;
                    pool.by_connection.insert(conn, id);
                    lines = pool.take_lines(conn);
                }
                let process = Process::begin(engine, &pool.rule, id, job, lines);
                self.processes.insert(id, process);
            }
            Err(error) => {
                log::error!("{}: {error}", pool.rule);
                if let Task::PerConnection { .. } = job.task {
                    engine.close(job.origin.conn, CloseCode::INTERNAL_ERROR, "");
                }
                refuse(engine, job.exchange(), 502);
            }
        }
    }

    /// Starts as many queued jobs as one turn allows. To be called once a turn, after everything else.
    pub(super) fn start_queued(&mut self, engine: &mut Engine) {
        let numbers: Vec<u32> = self.pools.keys().copied().collect();
        let mut any = !self.stopping;
        while any && self.spawns_left > 0 {
            any = false;
            for &number in &numbers {
                any |= self.start_one(engine, number);
            }
        }
        self.spawns_left = SPAWNS;
        for pool in self.pools.values_mut() {
            self.reports.extend(pool.take_dropped(engine.now()));
        }
        self.pools.retain(|_, pool| !pool.is_over());
        self.schedule(engine.now());
    }

    /// Starts one process of a pool, if a job waits and there is a place. False: none was started.
    fn start_one(&mut self, engine: &mut Engine, number: u32) -> bool {
        let now = engine.now();
        let Some(pool) = self.pools.get_mut(&number) else {
            return false;
        };
        if self.spawns_left == 0 {
            return false;
        }
        if let Some(worker) = &mut pool.worker {
            let due = worker.again.is_some_and(|again| again.is_due(now));
            if due {
                self.spawns_left -= 1;
                if let Some((run, output)) = worker.start(engine, &self.base, &pool.rule) {
                    pool.running += 1;
                    let process = Process::new(run, Role::Worker(output));
                    self.processes.insert(process.run.id, process);
                }
            }
            return due;
        }
        if !pool.has_free() {
            return false;
        }
        let Some(job) = pool.queue.pop_front() else {
            return false;
        };
        self.start(engine, number, job);
        true
    }

    /// Acts on an event of a process.
    pub(super) fn on_child(&mut self, engine: &mut Engine, id: ChildId, event: ChildEvent) {
        let Some(process) = self.processes.get_mut(&id) else {
            return;
        };
        let worker = process.run.rule.number;
        match event {
            ChildEvent::StderrLine(line) => log::info!("{}: {line}", process.run.rule),
            ChildEvent::Exited(exit) => {
                process.log_end(exit);
                self.on_exit(engine, id, exit);
            }
            event => {
                let drained = event == ChildEvent::Drained;
                let lines = process.on_event(engine, event).into_iter();
                let report = |line| Report::WorkerLine { worker, line };
                self.reports.extend(lines.map(report));
                if drained
                    && let Some(pool) = self.pools.get_mut(&worker)
                    && let Some(worker) = &mut pool.worker
                {
                    worker.on_drained(engine);
                }
            }
        }
    }

    fn on_exit(&mut self, engine: &mut Engine, id: ChildId, exit: Exit) {
        let Some(Process { run, role, .. }) = self.processes.remove(&id) else {
            return;
        };
        let Some(pool) = self.pools.get_mut(&run.rule.number) else {
            return;
        };
        pool.running = pool.running.saturating_sub(1);
        match role {
            Role::Once(_) => {}
            Role::Answer(mut answer) => {
                self.answering.remove(&answer.exchange);
                if let Some((lookup, head)) = answer.finish(&run, engine, exit == Exit::Code(0)) {
                    self.files.insert(answer.exchange, head);
                    engine.look_up(answer.exchange, lookup);
                }
            }
            Role::PerConnection(process) => {
                if process.ended(&run, engine, exit)
                    && let Some(origin) = &run.origin
                {
                    pool.by_connection.remove(&origin.conn);
                }
            }
            Role::Worker(_) => {
                let restarts = !pool.retired && !run.timed_out && !self.stopping;
                if let Some(worker) = &mut pool.worker {
                    worker.ended(&run.rule, engine.now(), restarts);
                }
            }
        }
    }

    /// Passes a piece of the body of a request on to its process.
    pub(super) fn on_body(&mut self, engine: &mut Engine, piece: &BodyPiece) {
        if let Some(id) = self.answering.get(&piece.exchange)
            && let Some(process) = self.processes.get_mut(id)
            && let Role::Answer(answer) = &mut process.role
        {
            answer.feed(&process.run, engine, piece);
        }
    }

    /// Everything that waited for the peer of a connection was sent: its processes may write again.
    pub(super) fn on_drained(&mut self, engine: &mut Engine, conn: ConnId) {
        for process in self.processes.values_mut() {
            if process
                .run
                .origin
                .as_ref()
                .is_some_and(|it| it.conn == conn)
            {
                process.on_drained(engine);
            }
        }
    }

    /// The peer of a request has left. True: a script or a command was to answer it.
    pub(super) fn on_left(&mut self, engine: &mut Engine, exchange: ExchangeId) -> bool {
        if self.held.forget(exchange) {
            return true;
        }
        if let Some(id) = self.answering.get(&exchange) {
            if let Some(process) = self.processes.get_mut(id) {
                process.give_up(engine);
            }
            self.schedule(engine.now());
            return true;
        }
        let mut pools = self.pools.values_mut();
        pools.any(|pool| pool.forget_request(exchange))
    }

    /// A connection has ended: so do the processes that live as long as it.
    pub(super) fn on_closed(&mut self, engine: &mut Engine, conn: ConnId) {
        for pool in self.pools.values_mut() {
            if let Some(id) = pool.forget_connection(conn)
                && let Some(process) = self.processes.get_mut(&id)
            {
                process.detach(engine);
            }
        }
        self.schedule(engine.now());
    }

    /// Acts on deadlines.
    pub(super) fn on_due(&mut self, engine: &mut Engine) {
        let now = engine.now();
        for exchange in self.held.take_due(now) {
            refuse(engine, exchange, 504);
        }
        for process in self.processes.values_mut() {
            if process.deadline().is_some_and(|due| due.is_due(now)) {
                let pool = self.pools.get(&process.run.rule.number);
                let is_wanted = pool.is_some_and(|pool| !pool.queue.is_empty());
                process.on_due(engine, is_wanted, self.stopping);
            }
        }
    }

    /// The daemon stops: nothing is started any more. Processes that answer a request get some time; all others are ended.
    pub(super) fn stop(&mut self, engine: &mut Engine) {
        self.stopping = true;
        let now = engine.now();
        for process in self.processes.values_mut() {
            let last = match process.role {
                Role::Answer(_) => LAST_ANSWERS,
                _ => Millis::ZERO,
            };
            process.run.stop.no_later_than(now.after(last));
        }
        // Nobody can answer them any more.
        for exchange in self.held.take_all() {
            refuse(engine, exchange, 503);
        }
        for job in self
            .pools
            .values_mut()
            .flat_map(|pool| pool.queue.drain(..))
        {
            refuse(engine, job.exchange(), 503);
        }
        self.schedule(now);
    }
}
