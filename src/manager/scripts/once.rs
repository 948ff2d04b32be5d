//! A process for one event that is no request, and the reply that it sends to the peer.

use crate::config::Reply;
use crate::engine::Engine;
use crate::engine::child::ChildEvent;
use crate::proto::lines::LineSplitter;

use super::reply;
use super::run::Run;

/// Which part of the output is the reply.
#[derive(Debug)]
pub(super) enum Once {
    /// Nothing.
    Mute,
    /// The whole output, sent as one message when it has ended.
    Whole(Vec<u8>),
    /// Each line, sent as a message.
    Lines(LineSplitter),
}

impl Once {
    /// Its process has started: sends its input.
    pub(super) fn begin(run: &Run, engine: &mut Engine, input: Option<&[u8]>) -> Once {
        if let Some(input) = input {
            // A process that does not read its input need not get it.
            let _ = engine.write_to_child(run.id, input);
            engine.children().close_stdin(run.id);
        }
        match run.rule.run().map(|run| run.reply) {
            Some(Reply::Whole) => Once::Whole(Vec::new()),
            Some(Reply::Lines) => Once::Lines(LineSplitter::new(max_message(run))),
            Some(Reply::None) | None => {
                run.discard_output(engine);
                Once::Mute
            }
        }
    }

    /// Bytes that it holds.
    pub(super) fn held(&self) -> usize {
        match self {
            Once::Mute => 0,
            Once::Whole(output) => output.len(),
            Once::Lines(lines) => lines.held(),
        }
    }

    pub(super) fn on_event(&mut self, run: &mut Run, engine: &mut Engine, event: ChildEvent) {
        match (&mut *self, event) {
            (Once::Whole(output), ChildEvent::Output(bytes)) => {
                let has_room = run.rule.memory.has_room(bytes.len());
                output.extend_from_slice(&bytes);
                if output.len() > max_message(run) || !has_room {
                    self.end_for_length(run, engine);
                }
            }
            (Once::Whole(output), ChildEvent::OutputEnd) => {
                let output = std::mem::take(output);
                if !run.timed_out && !output.is_empty() {
                    reply::send(run, engine, &output);
                }
            }
            (Once::Lines(lines), ChildEvent::Output(bytes)) => {
                let sent = reply::send_lines(run, engine, lines, &bytes);
                if sent.is_err() {
                    self.end_for_length(run, engine);
                }
            }
            (Once::Lines(lines), ChildEvent::OutputEnd) => {
                if let Some(line) = lines.finish()
                    && !run.timed_out
                {
                    reply::send(run, engine, &line);
                }
            }
            _ => {}
        }
    }

    fn end_for_length(&mut self, run: &Run, engine: &mut Engine) {
        *self = Once::Mute;
        run.kill_for_length(engine);
    }
}

fn max_message(run: &Run) -> usize {
    let origin = run.origin.as_ref();
    origin.map_or(0, |origin| origin.source.max_message)
}
