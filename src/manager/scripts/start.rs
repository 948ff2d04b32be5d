//! Jobs become processes, now or when there is room.

use std::rc::Rc;

use crate::conn::deadline::Millis;
use crate::conn::event::ConnId;
use crate::engine::Engine;
use crate::engine::child::{ChildId, Command, Stdin, Stop};
use crate::manager::trigger::Rule;
use crate::proto::ws::close::CloseCode;

use super::answer::refuse;
use super::core::Scripts;
use super::lane::{Job, Task, run_of};
use super::role::{Follow, Once, Process, Role};

impl Scripts {
    /// Starts a process for a job, or queues it; what has no room is dropped.
    pub(super) fn offer(&mut self, engine: &mut Engine, number: u32, job: Job) {
        let room = self.has_room(engine, job.held());
        let Some(lane) = self.lanes.get_mut(&number) else {
            return self.give_up(engine, &job, 503);
        };
        if lane.queue.is_empty() && lane.has_free() && self.spawns_left > 0 {
            return self.start(engine, number, job);
        }
        if lane.queue.len() >= lane.most_queued() || !room {
            lane.dropped(&job.whose.source, 1);
            return self.give_up(engine, &job, 503);
        }
        self.bytes += job.held();
        lane.queue.push_back(job);
    }

    /// A job that comes to nothing: whoever waits for it is told.
    pub(super) fn give_up(&mut self, engine: &mut Engine, job: &Job, status: u16) {
        if let Some(exchange) = job.exchange() {
            refuse(engine, exchange, status);
        }
    }

    /// Starts the process of a job.
    pub(super) fn start(&mut self, engine: &mut Engine, number: u32, job: Job) {
        self.spawns_left = self.spawns_left.saturating_sub(1);
        let Some(lane) = self.lanes.get_mut(&number) else {
            return;
        };
        let rule = Rc::clone(&lane.rule);
        let Some(run) = run_of(&rule) else { return };
        let has_input = match &job.task {
            Task::Once { input } => input.is_some(),
            Task::Answer { has_body, .. } => *has_body,
            Task::Follow { .. } => true,
        };
        let command = Command {
            program: &run.program,
            argv: &run.argv,
            env: &job.env,
            stdin: if has_input { Stdin::Piped } else { Stdin::Null },
            descriptors: self.world.descriptors,
        };
        match engine.spawn(&command) {
            Ok(id) => {
                lane.running += 1;
                let stop = Stop::after(Millis::from(run.timeout), engine.now());
                self.begin(engine, id, &rule, stop, job);
            }
            Err(error) => {
                log::error!(
                    "trigger {}: cannot run {}: {error}",
                    rule.conf.name,
                    run.program.display()
                );
                if let Task::Follow { .. } = job.task {
                    engine.close(job.whose.conn, CloseCode::INTERNAL_ERROR, "");
                }
                self.give_up(engine, &job, 502);
            }
        }
    }

    fn begin(&mut self, engine: &mut Engine, id: ChildId, rule: &Rc<Rule>, stop: Stop, job: Job) {
        let conn = job.whose.conn;
        let mut process = Process {
            rule: Rc::clone(rule),
            stop,
            timed_out: false,
            paused: false,
            role: match job.task {
                Task::Once { input } => {
                    let reply = run_of(rule).map(|run| run.reply);
                    let once = Once::begin(engine, id, reply, job.whose.max_message);
                    if let Some(input) = input {
                        // One that reads nothing is not told anything.
                        let _ = engine.write_to_child(id, &input);
                        engine.children().close_stdin(id);
                    }
                    Role::Once(once)
                }
                Task::Answer { answer, input, .. } => {
                    self.answering.insert(answer.exchange, id);
                    self.bytes += answer.held();
                    answer.begin(engine, id, &input);
                    Role::Answer(answer)
                }
                Task::Follow { line } => {
                    self.following.insert((rule.number, conn), id);
                    if let Some(line) = line {
                        let _ = engine.write_to_child(id, &line);
                    }
                    Role::Follow(Follow::new(job.whose.max_message))
                }
            },
            whose: Some(job.whose),
        };
        if let Role::Follow(follow) = &mut process.role {
            process.stop = Stop::never();
            self.move_queued(engine, rule.number, conn, id, follow);
        }
        self.processes.insert(id, process);
    }

    /// What was queued for a connection before its process could start.
    fn move_queued(
        &mut self,
        engine: &mut Engine,
        number: u32,
        conn: ConnId,
        id: ChildId,
        follow: &mut Follow,
    ) {
        let Some(lane) = self.lanes.get_mut(&number) else {
            return;
        };
        let queue = std::mem::take(&mut lane.queue);
        for mut job in queue {
            if job.whose.conn != conn {
                lane.queue.push_back(job);
                continue;
            }
            self.bytes -= job.held();
            if let Task::Follow { line } = &mut job.task
                && let Some(line) = line.take()
            {
                self.bytes += follow.inlet.push(line);
            }
        }
        self.bytes -= follow.inlet.flush(engine, id);
    }
}
