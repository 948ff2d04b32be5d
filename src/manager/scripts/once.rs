//! A process for one event that is no request: its input, and what of its output goes back.

use crate::engine::Engine;
use crate::engine::child::{ChildEvent, ChildId};
use crate::manager::environment::Happening;
use crate::manager::fired::{Fired, What};
use crate::proto::ws::frame::Kind;

use super::core::Scripts;
use super::lane::{Job, Task};
use super::role::{Once, Process, Role};

impl Scripts {
    /// A rule that runs something for each event has fired.
    pub(super) fn once(&mut self, engine: &mut Engine, fired: Fired) {
        let Fired { rule, whose, what } = fired;
        let (env, input) = match what {
            // Those are answered.
            What::Request(_) => return,
            What::Connect => {
                let happening = Happening::Connect;
                (
                    self.world.of_event(engine, &rule, &whose, None, &happening),
                    None,
                )
            }
            What::Message { kind, data } => {
                let text = kind == Kind::Text;
                let happening = Happening::Message { text };
                let env = self.world.of_event(engine, &rule, &whose, None, &happening);
                (env, Some(data))
            }
            What::Disconnect { code, reason } => {
                let reason = &reason;
                let happening = Happening::Disconnect { code, reason };
                (
                    self.world.of_event(engine, &rule, &whose, None, &happening),
                    None,
                )
            }
        };
        // A certificate may name its user at length, and with anything in it.
        let Ok(env) = env else {
            log::warn!(
                "trigger {}: an environment cannot hold the event",
                rule.conf.name
            );
            return;
        };
        let task = Task::Once { input };
        self.offer(engine, rule.number, Job { whose, env, task });
    }

    pub(super) fn on_once(
        &mut self,
        engine: &mut Engine,
        id: ChildId,
        process: &mut Process,
        event: ChildEvent,
    ) {
        let Role::Once(once) = &mut process.role else {
            return;
        };
        let before = once.held();
        let most = process.whose.as_ref().map_or(0, |whose| whose.max_message);
        let too_long = match (&mut *once, event) {
            (Once::Whole(output), ChildEvent::Output(bytes)) => {
                output.extend_from_slice(&bytes);
                output.len() > most || !self.has_room(engine, output.len() - before)
            }
            (Once::Whole(output), ChildEvent::OutputEnd) => {
                let output = std::mem::take(output);
                if !process.timed_out && !output.is_empty() {
                    self.say(engine, id, process, &output);
                }
                false
            }
            (Once::Lines(_), ChildEvent::Output(bytes)) => {
                !self.say_lines(engine, id, process, &bytes)
            }
            (Once::Lines(lines), ChildEvent::OutputEnd) => {
                if let Some(line) = lines.finish()
                    && !process.timed_out
                {
                    self.say(engine, id, process, &line);
                }
                false
            }
            _ => false,
        };
        if too_long {
            self.silence(engine, id, process);
        }
        let after = match &process.role {
            Role::Once(once) => once.held(),
            _ => 0,
        };
        self.bytes = self.bytes + after - before;
    }
}
