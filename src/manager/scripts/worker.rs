//! A process that is shared by all events of a rule and lives as long as the daemon: events are its lines, and its lines
//! are commands.

use std::collections::VecDeque;
use std::time::{Duration, SystemTime};

use crate::conn::deadline::{Millis, Tick};
use crate::engine::Engine;
use crate::engine::child::{ChildEvent, ChildId, Command, Refused, Stdin, Stop};
use crate::manager::backoff::Cause;
use crate::manager::fired::{Fired, What};
use crate::proto::http::head::FieldTable;
use crate::proto::lines::LineSplitter;
use crate::rpc::event::Event;
use crate::rpc::{RequestName, Time};

use super::answer::refuse;
use super::core::Scripts;
use super::lane::{Told, run_of};
use super::notice::Notice;
use super::role::{Process, Role, Talk};

/// A number between all and nothing: there is one worker, and nobody to meet.
const MIDDLE: u32 = u32::MAX / 2;

/// A worker reads no more commands while so many bytes of their results wait for it.
const UNREAD: usize = 1024 * 1024;

impl Scripts {
    /// An event for a worker.
    pub(super) fn tell_worker(
        &mut self,
        engine: &mut Engine,
        fired: &Fired,
        request: Option<RequestName>,
    ) {
        let number = fired.rule.number;
        let Some(lane) = self.lanes.get_mut(&number) else {
            return;
        };
        lane.worker.seq += 1;
        let mut line = Vec::new();
        let mut table = FieldTable::default();
        let notice = Notice::of(fired, &mut table, request);
        let mut event = Event::new(lane.worker.seq, Time::of(SystemTime::now()), notice.kind());
        event.source = Some(&fired.whose.source);
        notice.fill(&mut event);
        event.encode(&mut line);
        let child = lane.worker.child;
        if lane.inlet.is_clear(engine, child, line.len())
            && let Some(id) = child
        {
            // One that reads no more says so by its end.
            let _ = engine.write_to_child(id, &line);
            return;
        }
        let most = lane.run().map_or(0, |run| run.max_queued);
        let queued = lane.inlet.len();
        if queued < most && self.has_room(engine, line.len()) {
            if let Some(lane) = self.lanes.get_mut(&number) {
                self.bytes += lane.inlet.push(line);
            }
        } else if let Some(lane) = self.lanes.get_mut(&number) {
            lane.dropped(&fired.whose.source, 1);
            if let What::Request(asked) = &fired.what {
                self.held.forget(asked.exchange);
                refuse(engine, asked.exchange, 503);
            }
        }
    }

    /// Writes what a worker's command has come to, a line with its newline.
    pub(in crate::manager) fn answer(&mut self, engine: &mut Engine, worker: u32, line: &[u8]) {
        let Some(lane) = self.lanes.get_mut(&worker) else {
            return;
        };
        let Some(id) = lane.worker.child else { return };
        // One that has closed its stdin does not want to know.
        if engine.write_to_child(id, line) == Err(Refused::Full) && !lane.worker.is_deaf {
            lane.worker.is_deaf = true;
            let name = &lane.rule.conf.name;
            log::warn!(
                "trigger {name}: it does not read what its commands have come to, which is lost"
            );
        }
    }

    pub(super) fn start_worker(&mut self, engine: &mut Engine, number: u32) {
        self.spawns_left = self.spawns_left.saturating_sub(1);
        let now = engine.now();
        let Some(lane) = self.lanes.get(&number) else {
            return;
        };
        let rule = std::rc::Rc::clone(&lane.rule);
        let max_line = lane.max_line;
        let Some(run) = run_of(&rule) else { return };
        let env = self.world.of_worker(&rule);
        let started = engine.spawn(&Command {
            program: &run.program,
            argv: &run.argv,
            env: &env,
            stdin: Stdin::Piped,
            descriptors: self.world.descriptors,
        });
        let Some(lane) = self.lanes.get_mut(&number) else {
            return;
        };
        lane.worker.began = now;
        lane.worker.is_deaf = false;
        match started {
            Ok(id) => {
                log::debug!("trigger {}: its worker runs", rule.conf.name);
                lane.worker.child = Some(id);
                lane.running += 1;
                self.bytes -= lane.inlet.flush(engine, id);
                self.processes.insert(
                    id,
                    Process {
                        rule,
                        whose: None,
                        stop: Stop::never(),
                        role: Role::Worker(Talk {
                            lines: LineSplitter::new(max_line),
                            waits: false,
                            kept: VecDeque::new(),
                            broken: false,
                        }),
                        timed_out: false,
                        paused: false,
                    },
                );
            }
            Err(error) => {
                let program = run.program.display();
                log::error!("trigger {}: cannot run {program}: {error}", rule.conf.name);
                self.start_again(number, now);
            }
        }
    }

    pub(super) fn on_worker(
        &mut self,
        engine: &mut Engine,
        id: ChildId,
        process: &mut Process,
        event: ChildEvent,
    ) {
        let now = engine.now();
        let number = process.rule.number;
        let Role::Worker(talk) = &mut process.role else {
            return;
        };
        match event {
            ChildEvent::Output(bytes) => {
                let kept = &mut talk.kept;
                let taken = talk.lines.take(&bytes, |line| {
                    if !line.iter().all(u8::is_ascii_whitespace) {
                        kept.push_back(line.to_vec());
                    }
                });
                if taken.is_err() && !talk.broken {
                    talk.broken = true;
                    log::warn!(
                        "trigger {}: killed, for a line is too long",
                        process.rule.conf.name
                    );
                    engine.children().discard_output(id, now);
                    engine.children().kill(id);
                }
                if engine.children().backlog(id) > UNREAD {
                    talk.waits = true;
                    engine.children().pause_output(id, true, now);
                }
            }
            ChildEvent::Drained => {
                talk.waits = false;
                engine.children().pause_output(id, false, now);
                if let Some(lane) = self.lanes.get_mut(&number) {
                    self.bytes -= lane.inlet.flush(engine, id);
                }
            }
            _ => {}
        }
        if !talk.waits {
            let lines = talk.kept.drain(..);
            self.told.extend(lines.map(|line| Told::WorkerLine {
                worker: number,
                line,
            }));
        }
    }

    pub(super) fn worker_ended(&mut self, engine: &mut Engine, number: u32, process: &Process) {
        let now = engine.now();
        if let Some(lane) = self.lanes.get_mut(&number) {
            lane.worker.child = None;
            if lane.retired || process.timed_out || self.stopping {
                return;
            }
            log::warn!(
                "trigger {}: its worker has ended, and is started again",
                lane.rule.conf.name
            );
        }
        self.start_again(number, now);
    }

    fn start_again(&mut self, number: u32, now: Tick) {
        if let Some(lane) = self.lanes.get_mut(&number) {
            let worker = &mut lane.worker;
            let lived = Duration::from_millis(u64::from(now.since(worker.began)));
            let wait = worker.backoff.wait(Cause::Passing, lived, MIDDLE);
            worker.again = Some(now.after(Millis::from(wait)));
        }
    }
}
