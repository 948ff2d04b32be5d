//! A process that lives as long as a connection: messages are its lines, and its lines are messages.

use crate::engine::Engine;
use crate::engine::child::{ChildEvent, Exit};
use crate::proto::lines::LineSplitter;
use crate::proto::ws::close::CloseCode;

use super::reply;
use super::run::Run;
use super::stdin_queue::StdinQueue;

/// What is kept of such a process.
#[derive(Debug)]
pub(super) struct PerConnection {
    lines: LineSplitter,
    /// Its connection has not ended.
    attached: bool,
    stdin: StdinQueue,
    /// It wrote a line that is too long for a message.
    broken: bool,
}

impl PerConnection {
    /// Its process has started; `first` are the lines that were queued for it.
    pub(super) fn begin(run: &Run, engine: &mut Engine, first: Vec<Vec<u8>>) -> PerConnection {
        let origin = run.origin.as_ref();
        let max_message = origin.map_or(0, |origin| origin.source.max_message);
        let mut stdin = StdinQueue::new(&run.rule.memory);
        for line in first {
            stdin.push(line);
        }
        stdin.flush(engine, run.id);
        PerConnection {
            lines: LineSplitter::new(max_message),
            attached: true,
            stdin,
            broken: false,
        }
    }

    /// Bytes of output that it holds.
    pub(super) fn held(&self) -> usize {
        self.lines.held()
    }

    /// Passes a message on as a line. False: too much waits already.
    pub(super) fn pass(&mut self, run: &Run, engine: &mut Engine, line: Vec<u8>) -> bool {
        let max = run.rule.run().map_or(0, |run| run.max_queued);
        self.stdin
            .offer(engine, &run.rule.memory, Some(run.id), line, max)
    }

    /// Its connection has ended: the process gets the lines that fit into its pipe, and its output is ignored.
    pub(super) fn detach(&mut self, run: &Run, engine: &mut Engine) {
        self.attached = false;
        self.stdin.flush(engine, run.id);
        self.stdin.clear();
    }

    pub(super) fn on_event(&mut self, run: &mut Run, engine: &mut Engine, event: ChildEvent) {
        match event {
            ChildEvent::Drained => self.stdin.flush(engine, run.id),
            ChildEvent::Output(bytes) if self.attached => {
                let sent = reply::send_lines(run, engine, &mut self.lines, &bytes);
                if sent.is_err() {
                    self.broken = true;
                    let _ = self.lines.finish();
                    run.kill_for_length(engine);
                }
            }
            ChildEvent::OutputEnd => {
                if let Some(line) = self.lines.finish()
                    && self.attached
                    && !self.broken
                {
                    reply::send(run, engine, &line);
                }
            }
            _ => {}
        }
    }

    /// The process has ended: closes its connection. True: that was open.
    pub(super) fn ended(&self, run: &Run, engine: &mut Engine, exit: Exit) -> bool {
        let Some(origin) = run.origin.as_ref().filter(|_| self.attached) else {
            return false;
        };
        let code = if exit == Exit::Code(0) && !self.broken {
            CloseCode::NORMAL
        } else {
            CloseCode::INTERNAL_ERROR
        };
        engine.close(origin.conn, code, "");
        true
    }
}
