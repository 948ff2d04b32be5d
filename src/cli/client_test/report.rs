//! What `client test` prints: a line for each step, or an object for programs.

use std::time::Duration;

use serde_json::{Map, Value};

use crate::process::exit::Exit;
use crate::process::output::print;
use crate::process::printable::escape_json;

/// A step on the way to an open WebSocket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TestStep {
    Dns,
    Tcp,
    Tls,
    Upgrade,
    Ping,
}

impl TestStep {
    fn name(self) -> &'static str {
        match self {
            TestStep::Dns => "dns",
            TestStep::Tcp => "tcp",
            TestStep::Tls => "tls",
            TestStep::Upgrade => "upgrade",
            TestStep::Ping => "ping",
        }
    }
}

/// Why a step failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct StepFailure {
    /// What went wrong, in one line.
    pub(super) cause: String,
    /// What to try.
    pub(super) advice: String,
    /// Whether it took too long.
    pub(super) timed_out: bool,
}

impl StepFailure {
    pub(super) fn new(cause: impl Into<String>, advice: impl Into<String>) -> StepFailure {
        StepFailure {
            cause: cause.into(),
            advice: advice.into(),
            timed_out: false,
        }
    }

    pub(super) fn timeout(cause: impl Into<String>, advice: impl Into<String>) -> StepFailure {
        StepFailure {
            timed_out: true,
            ..StepFailure::new(cause, advice)
        }
    }

    pub(super) fn exit(&self) -> Exit {
        if self.timed_out {
            Exit::TimedOut
        } else {
            Exit::Failed
        }
    }
}

/// Prints each step as soon as it is done.
#[derive(Clone, Copy, Debug)]
pub(super) struct Report {
    pub(super) json: bool,
}

impl Report {
    /// A step succeeded. `facts` are for programs, `text` says the same to people.
    pub(super) fn done<const N: usize>(
        self,
        step: TestStep,
        took: Duration,
        facts: [(&str, Value); N],
        text: &str,
    ) {
        self.say(step, took, true, facts.into_iter(), text);
    }

    /// One of several attempts of a step failed.
    pub(super) fn missed<const N: usize>(
        self,
        step: TestStep,
        took: Duration,
        facts: [(&str, Value); N],
        text: &str,
    ) {
        self.say(step, took, false, facts.into_iter(), text);
    }

    /// A step failed, and so did the test.
    pub(super) fn failed(self, step: TestStep, took: Duration, failure: &StepFailure) -> Exit {
        let facts = [
            ("cause", Value::from(failure.cause.as_str())),
            ("advice", Value::from(failure.advice.as_str())),
        ];
        self.say(step, took, false, facts.into_iter(), &failure.cause);
        if !self.json {
            print(&format!("{:24}try: {}\n", "", failure.advice));
        }
        failure.exit()
    }

    fn say<'f>(
        self,
        step: TestStep,
        took: Duration,
        ok: bool,
        facts: impl Iterator<Item = (&'f str, Value)>,
        text: &str,
    ) {
        let milliseconds = took.as_secs_f64() * 1000.0;
        if self.json {
            let mut object = Map::new();
            object.insert("step".to_owned(), Value::from(step.name()));
            object.insert("ok".to_owned(), Value::from(ok));
            let rounded = (milliseconds * 1000.0).round() / 1000.0;
            object.insert("ms".to_owned(), Value::from(rounded));
            object.extend(facts.map(|(name, value)| (name.to_owned(), value)));
            print(&format!(
                "{}\n",
                escape_json(&Value::Object(object).to_string())
            ));
        } else {
            let name = step.name();
            let mark = if ok { "" } else { "failed" };
            print(&format!(
                "{name:7} {mark:6} {milliseconds:6.1} ms  {text}\n"
            ));
        }
    }
}
