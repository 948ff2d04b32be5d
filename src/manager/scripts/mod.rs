//! The processes that triggers run, and the requests that wait for them.
//!
//! Each rule that runs something has a [`Lane`]: how many of its processes run, and what waits for one of them to end.
//! At most [`SPAWNS`] processes are started in a turn, for each holds the loop up for a moment. What a process says is
//! acted on by its [`Role`]; when it has to end is said by its [`Stop`]. Nothing here waits, and everything that queues
//! is bounded: by `max_queued`, and by a share of `max_memory`.
//!
//! Whatever is done to connections goes by the engine, and so by the handler of its events, which is not known here.

mod answer;
mod cgi;
mod core;
mod follow;
mod held;
mod hold;
mod inlet;
mod lane;
mod notice;
mod once;
mod role;
mod speak;
mod start;
mod worker;
mod world;

use std::rc::Rc;

use crate::config::{Action, Mode};
use crate::conn::deadline::Millis;
use crate::conn::event::{ConnId, ExchangeId};
use crate::engine::Engine;
use crate::engine::child::{ChildEvent, ChildId, Exit, Step, Stop};

use super::fired::{Fired, What};
use super::intake::Piece;
use super::trigger::AllRules;
use crate::rpc::RequestName;

pub(super) use self::core::Scripts;
pub(super) use lane::Told;
pub(super) use notice::Notice;
pub use world::World;

use answer::refuse;
use lane::{Job, Lane};
use role::{Process, Role};

/// Processes started in one turn.
const SPAWNS: usize = 4;

/// An answer that is under way when the daemon stops may take so long still, of the 10 seconds that there are.
const LAST_ANSWERS: Millis = Millis::seconds(7);

impl Scripts {
    /// From now on these are the rules. Processes of rules that are no more are ended, but for those that run once; what
    /// was queued for those runs still.
    pub(super) fn set_rules(&mut self, rules: &AllRules, max_line: usize, engine: &mut Engine) {
        let now = engine.now();
        let is_kept = |number: u32| rules.iter().any(|rule| rule.number == number);
        let gone = |(number, lane): &(&u32, &Lane)| !lane.retired && !is_kept(**number);
        let gone: Vec<u32> = self.lanes.iter().filter(gone).map(|it| *it.0).collect();
        for number in gone {
            self.retire(number, engine);
        }
        for rule in rules.iter() {
            let Action::Run(_) = &rule.conf.action else {
                continue;
            };
            let lane = self.lanes.entry(rule.number);
            let lane = lane.or_insert_with(|| Lane::new(Rc::clone(rule), now));
            lane.max_line = max_line;
        }
        self.plan(now);
    }

    fn retire(&mut self, number: u32, engine: &mut Engine) {
        let now = engine.now();
        for (id, process) in &mut self.processes {
            if process.rule.number != number {
                continue;
            }
            match &process.role {
                Role::Follow(_) => process.let_go(*id, engine, &mut self.bytes, now),
                Role::Worker(_) => process.stop.no_later_than(now),
                Role::Once(_) | Role::Answer(_) => {}
            }
        }
        self.following.retain(|(rule, _), _| *rule != number);
        if let Some(lane) = self.lanes.get_mut(&number) {
            lane.retired = true;
            match lane.rule.mode() {
                Some(Mode::Worker) => {
                    self.bytes -= lane.inlet.clear();
                    lane.worker.again = None;
                }
                Some(Mode::Connection) => {
                    for job in lane.queue.drain(..) {
                        self.bytes -= job.held();
                    }
                }
                _ => {}
            }
        }
    }

    /// A rule has fired; a request that waits for somebody's answer has its name.
    pub(super) fn on_fired(
        &mut self,
        engine: &mut Engine,
        fired: Fired,
        request: Option<RequestName>,
    ) {
        if self.stopping {
            return self.turn_away(engine, &fired);
        }
        match fired.rule.mode() {
            Some(Mode::Worker) => self.tell_worker(engine, &fired, request),
            Some(Mode::Connection) => self.follow(engine, fired),
            Some(Mode::Once) => self.run_once(engine, fired),
            None => {}
        }
    }

    fn run_once(&mut self, engine: &mut Engine, fired: Fired) {
        let Fired { rule, whose, what } = fired;
        match what {
            What::Request(asked) => self.ask(engine, &rule, whose, *asked),
            what => self.once(engine, Fired { rule, whose, what }),
        }
    }

    /// A request that cannot be answered any more is answered with that.
    fn turn_away(&mut self, engine: &mut Engine, fired: &Fired) {
        if let What::Request(asked) = &fired.what {
            refuse(engine, asked.exchange, 503);
        }
    }

    /// Starts what may be started, in this turn; to be called once a turn, after everything else.
    pub(super) fn pump(&mut self, engine: &mut Engine) {
        self.go_on(engine);
        let numbers: Vec<u32> = self.lanes.keys().copied().collect();
        let mut any = !self.stopping;
        while any && self.spawns_left > 0 {
            any = false;
            for &number in &numbers {
                any |= self.start_one(engine, number);
            }
        }
        self.spawns_left = SPAWNS;
        for lane in self.lanes.values_mut() {
            if let Some(told) = lane.take_dropped(engine.now()) {
                self.told.push_back(told);
            }
        }
        self.lanes.retain(|_, lane| !lane.is_over());
        let is_idle = self.processes.is_empty() && !self.lanes.values().any(Lane::has_waiting);
        debug_assert!(
            !is_idle || self.bytes == 0,
            "{} bytes of nobody",
            self.bytes
        );
        self.plan(engine.now());
    }

    /// Starts one process of a lane, if one waits for it.
    fn start_one(&mut self, engine: &mut Engine, number: u32) -> bool {
        let now = engine.now();
        let Some(lane) = self.lanes.get_mut(&number) else {
            return false;
        };
        if self.spawns_left == 0 {
            return false;
        }
        if lane.worker.again.is_some_and(|again| again.is_due(now)) {
            lane.worker.again = None;
            self.start_worker(engine, number);
            return true;
        }
        if !lane.has_free() {
            return false;
        }
        let Some(job) = lane.queue.pop_front() else {
            return false;
        };
        self.bytes -= job.held();
        self.start(engine, number, job);
        true
    }

    /// Something came of a process.
    pub(super) fn on_child(&mut self, engine: &mut Engine, id: ChildId, event: ChildEvent) {
        let Some(mut process) = self.processes.remove(&id) else {
            return;
        };
        if let ChildEvent::Complaint(line) = &event {
            log::info!("trigger {}: {line}", process.rule.conf.name);
        } else if let ChildEvent::Exited(exit) = event {
            process.log_end(exit);
            self.ended(engine, id, process, exit);
            return;
        } else {
            match process.role {
                Role::Once(_) => self.on_once(engine, id, &mut process, event),
                Role::Answer(_) => self.on_answer(engine, id, &mut process, event),
                Role::Follow(_) => self.on_follower(engine, id, &mut process, event),
                Role::Worker(_) => self.on_worker(engine, id, &mut process, event),
            }
        }
        self.processes.insert(id, process);
    }

    fn ended(&mut self, engine: &mut Engine, id: ChildId, process: Process, exit: Exit) {
        let number = process.rule.number;
        if let Some(lane) = self.lanes.get_mut(&number) {
            lane.running = lane.running.saturating_sub(1);
        }
        let conn = process.whose.as_ref().map(|whose| whose.conn);
        if let Some(conn) = conn
            && let Some(paused) = self.paused.get_mut(&conn)
        {
            paused.retain(|other| *other != id);
        }
        match process.role {
            Role::Once(once) => self.bytes -= once.held(),
            Role::Answer(_) => self.answer_ended(engine, process, exit),
            Role::Follow(_) => self.follower_ended(engine, process, exit),
            Role::Worker(_) => self.worker_ended(engine, number, &process),
        }
    }

    /// A piece of the body of a request has come.
    pub(super) fn on_body(&mut self, engine: &mut Engine, piece: &Piece) {
        if let Some(&id) = self.answering.get(&piece.exchange)
            && let Some(mut process) = self.processes.remove(&id)
        {
            self.feed_answer(engine, id, &mut process, piece);
            self.processes.insert(id, process);
        }
    }

    /// What waited for a peer has left.
    pub(super) fn on_drained(&mut self, engine: &mut Engine, conn: ConnId) {
        let now = engine.now();
        for id in self.paused.remove(&conn).unwrap_or_default() {
            if let Some(process) = self.processes.get_mut(&id) {
                process.paused = false;
                engine.children().pause_output(id, false, now);
            }
        }
    }

    /// A request is nobody's any more. True: it was one of ours, and waits still.
    pub(super) fn on_left(&mut self, engine: &mut Engine, exchange: ExchangeId) -> bool {
        let now = engine.now();
        if self.held.forget(exchange) {
            return true;
        }
        if let Some(id) = self.answering.get(&exchange) {
            if let Some(process) = self.processes.get_mut(id) {
                process.give_up(*id, engine, now);
            }
            self.plan(now);
            return true;
        }
        let mut found = false;
        for lane in self.lanes.values_mut() {
            if let Some(at) = lane.position(exchange)
                && let Some(job) = lane.queue.remove(at)
            {
                self.bytes -= job.held();
                found = true;
            }
        }
        found
    }

    /// A connection that processes may follow has ended.
    pub(super) fn on_gone(&mut self, engine: &mut Engine, conn: ConnId) {
        let now = engine.now();
        for (number, lane) in &mut self.lanes {
            if lane.rule.mode() != Some(Mode::Connection) {
                continue;
            }
            let bytes = &mut self.bytes;
            lane.queue.retain(|job| {
                let stays = job.whose.conn != conn;
                *bytes -= if stays { 0 } else { job.held() };
                stays
            });
            if let Some(id) = self.following.remove(&(*number, conn))
                && let Some(process) = self.processes.get_mut(&id)
            {
                process.let_go(id, engine, bytes, now);
            }
        }
        self.paused.remove(&conn);
        self.plan(now);
    }

    /// Acts on what is due.
    pub(super) fn on_time(&mut self, engine: &mut Engine) {
        let now = engine.now();
        for exchange in self.held.due(now) {
            refuse(engine, exchange, 504);
        }
        let due = |process: &Process| process.stop.deadline().is_some_and(|it| it.is_due(now));
        let due: Vec<ChildId> = self
            .processes
            .iter()
            .filter(|(_, process)| due(process))
            .map(|(id, _)| *id)
            .collect();
        for id in due {
            let Some(mut process) = self.processes.remove(&id) else {
                continue;
            };
            self.stop_step(engine, id, &mut process);
            self.processes.insert(id, process);
        }
    }

    fn stop_step(&mut self, engine: &mut Engine, id: ChildId, process: &mut Process) {
        let now = engine.now();
        // What it left running may hold its pipes for a while yet, but that is no fault of its own.
        let has_exited = engine.children().has_exited(id);
        // A slow peer may take its time as long as nobody else waits for the place.
        let lane = self.lanes.get(&process.rule.number);
        let is_wanted = lane.is_some_and(|lane| !lane.queue.is_empty());
        let may_wait = !is_wanted && process.waits_for_peer(engine);
        if (has_exited || may_wait) && !self.stopping {
            process.stop = Stop::after(Millis::seconds(1), now);
            return;
        }
        match process.stop.poll(now) {
            Some(Step::Terminate) => {
                engine.children().close_stdin(id);
                engine.children().terminate(id);
                engine.children().discard_output(id, now);
                process.timed_out = true;
                if let Role::Answer(answer) = &mut process.role {
                    answer.time_out(engine, &process.rule.conf.name);
                } else if process.is_late() && !self.stopping {
                    log::warn!("trigger {}: timeout, it is ended", process.rule.conf.name);
                }
            }
            Some(Step::Kill) => engine.children().kill(id),
            None => {}
        }
    }

    /// The daemon stops: nothing is started any more, answers that are under way are finished in time, and everything
    /// else is ended.
    pub(super) fn stop(&mut self, engine: &mut Engine) {
        self.stopping = true;
        let now = engine.now();
        for process in self.processes.values_mut() {
            let last = match process.role {
                Role::Answer(_) => LAST_ANSWERS,
                _ => Millis::new(0),
            };
            process.stop.no_later_than(now.after(last));
        }
        // Whoever could answer them is not heard any more.
        for exchange in self.held.take_all() {
            refuse(engine, exchange, 503);
        }
        let lanes = self.lanes.values_mut();
        let jobs: Vec<Job> = lanes.flat_map(|lane| lane.queue.drain(..)).collect();
        for job in jobs {
            self.bytes -= job.held();
            self.give_up(engine, &job, 503);
        }
        self.plan(now);
    }
}
