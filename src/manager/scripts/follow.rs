//! A process that lives as long as a connection: messages are its lines, and its lines are messages.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::engine::Engine;
use crate::engine::child::{ChildEvent, ChildId, Exit};
use crate::manager::environment::Happening;
use crate::manager::fired::{Fired, What};
use crate::proto::ws::close::CloseCode;
use crate::proto::ws::frame::Kind;

use super::core::Scripts;
use super::lane::{Job, Task, run_of};
use super::role::{Process, Role};

/// A message as a line: text as it is, so that a newline in it makes two; binary in base64.
fn line_of(kind: Kind, mut data: Vec<u8>) -> Vec<u8> {
    if kind == Kind::Binary {
        data = STANDARD.encode(&data).into_bytes();
    }
    data.push(b'\n');
    data
}

impl Scripts {
    /// A rule whose process follows a connection has fired.
    pub(super) fn follow(&mut self, engine: &mut Engine, fired: Fired) {
        let Fired { rule, whose, what } = fired;
        let (happening, line) = match what {
            What::Connect => (Happening::Connect, None),
            What::Message { kind, data } => {
                let text = kind == Kind::Text;
                (Happening::Message { text }, Some(line_of(kind, data)))
            }
            // The configuration has neither.
            What::Disconnect { .. } | What::Request(_) => return,
        };
        let key = (rule.number, whose.conn);
        if let Some(&id) = self.following.get(&key) {
            let process = self.processes.remove(&id);
            if let (Some(mut process), Some(line)) = (process, line) {
                self.pass_on(engine, id, &mut process, line);
                self.processes.insert(id, process);
            }
            return;
        }
        if !engine.is_live(whose.conn) {
            return;
        }
        match self.world.of_event(engine, &rule, &whose, None, &happening) {
            Ok(env) => {
                let task = Task::Follow { line };
                self.offer(engine, rule.number, Job { whose, env, task });
            }
            Err(error) => log::warn!("trigger {}: {error}", rule.conf.name),
        }
    }

    /// A line for a process that follows a connection.
    fn pass_on(&mut self, engine: &mut Engine, id: ChildId, process: &mut Process, line: Vec<u8>) {
        let room = self.has_room(engine, line.len());
        let Role::Follow(follow) = &mut process.role else {
            return;
        };
        if follow.inlet.is_clear(engine, Some(id), line.len()) {
            // One that reads no more says so by its end.
            let _ = engine.write_to_child(id, &line);
            return;
        }
        let most = run_of(&process.rule).map_or(0, |run| run.max_queued);
        if room && follow.inlet.len() < most {
            self.bytes += follow.inlet.push(line);
        } else if let (Some(lane), Some(whose)) =
            (self.lanes.get_mut(&process.rule.number), &process.whose)
        {
            lane.dropped(&whose.source, 1);
        }
    }

    pub(super) fn on_follower(
        &mut self,
        engine: &mut Engine,
        id: ChildId,
        process: &mut Process,
        event: ChildEvent,
    ) {
        let Role::Follow(follow) = &mut process.role else {
            return;
        };
        let before = follow.held();
        match event {
            ChildEvent::Drained => self.bytes -= follow.inlet.flush(engine, id),
            ChildEvent::Output(bytes) if follow.attached => {
                let fits = self.say_lines(engine, id, process, &bytes);
                if !fits && let Role::Follow(follow) = &mut process.role {
                    follow.broken = true;
                    let _ = follow.lines.finish();
                    self.silence(engine, id, process);
                }
            }
            ChildEvent::OutputEnd => {
                if let Some(line) = follow.lines.finish()
                    && follow.attached
                    && !follow.broken
                {
                    self.say(engine, id, process, &line);
                }
            }
            _ => {}
        }
        let after = match &process.role {
            Role::Follow(follow) => follow.held(),
            _ => 0,
        };
        self.bytes = self.bytes + after - before;
    }

    pub(super) fn follower_ended(&mut self, engine: &mut Engine, mut process: Process, exit: Exit) {
        let Role::Follow(follow) = &mut process.role else {
            return;
        };
        self.bytes -= follow.inlet.clear() + follow.held();
        let Some(whose) = &process.whose else { return };
        if !follow.attached {
            return;
        }
        self.following.remove(&(process.rule.number, whose.conn));
        let code = if exit == Exit::Code(0) && !follow.broken {
            CloseCode::NORMAL
        } else {
            CloseCode::INTERNAL_ERROR
        };
        engine.close(whose.conn, code, "");
    }
}
