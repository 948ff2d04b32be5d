//! The step of a connection: received bytes go to the phase that it is in.

use super::buffer::Out;
use super::connection::{Aux, Connection, Tools};
use super::deadline::Tick;
use super::event::{Got, Step};
use super::phase::Phase;

impl Connection {
    /// Processes received bytes up to the first event. `input` is everything that was received and not used, in order.
    #[inline]
    pub fn step<'e>(
        &mut self,
        input: &'e mut [u8],
        aux: &'e mut Aux,
        tools: &mut Tools,
        out: &mut Out<'_>,
        now: Tick,
    ) -> Step<'e> {
        if let Phase::WebSocket(session) = &mut self.phase {
            let step = session.step(
                input,
                &mut aux.control,
                &mut tools.pool,
                &mut tools.keys,
                out.cork,
                self.conf.max_message,
            );
            let got = self.on_session(step.got);
            return Step {
                used: step.used,
                got,
            };
        }
        self.step_other(input, aux, out, now)
    }

    #[inline(never)]
    fn step_other<'e>(
        &mut self,
        input: &'e mut [u8],
        aux: &'e mut Aux,
        out: &mut Out<'_>,
        now: Tick,
    ) -> Step<'e> {
        match &mut self.phase {
            Phase::ReadHead { .. } => self.read_head(input, &mut aux.table, out, now),
            Phase::ReadBody(..) => self.read_body(input, out, now),
            Phase::AwaitUpgrade(_) => self.read_upgrade(input, &mut aux.table, out, now),
            Phase::Draining(_) => Step {
                used: input.len(),
                got: Got::More,
            },
            Phase::Lines(_) => self.step_lines(input),
            Phase::AwaitAnswer(_)
            | Phase::SendBody(..)
            | Phase::StreamBody(_)
            | Phase::Closed
            | Phase::WebSocket(_) => Step {
                used: 0,
                got: Got::More,
            },
        }
    }
}
