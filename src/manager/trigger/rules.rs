//! Rules: prepared triggers, and which of them an event fires.
//!
//! A source keeps the [`Rules`] that its own events may fire, by the kind of event, so that a source without triggers has
//! no cost. Rules are tried in the order of the file, up to the first that matches and does not say `continue`.

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;
use std::io;
use std::rc::Rc;

use crate::config::{Action, Id, Mode, On, Run, Trigger};
use crate::engine::Account;
use crate::manager::content::SendRoot;

use super::matching::Matcher;

/// A trigger of the configuration, prepared. Reloads keep it as long as its definition does not change.
#[derive(Debug)]
pub(in crate::manager) struct Rule {
    /// No other rule has this number while the daemon runs.
    pub number: u32,
    /// The account of its events and processes.
    pub memory: Account,
    /// Its definition.
    pub conf: Trigger,
    /// The folder whose files X-Sendfile may send; `None`: that of the server.
    pub files: Option<SendRoot>,
    /// The number of dropped events that were not reported yet.
    pub dropped: Cell<u64>,
    matcher: Matcher,
}

impl Rule {
    fn open(number: u32, conf: &Trigger, memory: &Account) -> io::Result<Rule> {
        let root = run_of(conf).and_then(|run| run.send_file_root.as_deref());
        Ok(Rule {
            number,
            memory: memory.part(usize::MAX),
            files: root.map(SendRoot::open).transpose()?,
            dropped: Cell::new(0),
            matcher: Matcher::new(&conf.match_),
            conf: conf.clone(),
        })
    }

    /// The program that it runs, if it runs one.
    pub(in crate::manager) fn run(&self) -> Option<&Run> {
        run_of(&self.conf)
    }

    /// How it runs a program, if it runs one.
    pub(in crate::manager) fn mode(&self) -> Option<Mode> {
        self.run().map(|run| run.mode)
    }

    fn matches_message(&self, data: &[u8]) -> bool {
        // A text message is always UTF-8; a binary one may be.
        self.matcher.is_any()
            || std::str::from_utf8(data).is_ok_and(|text| self.matcher.matches(text))
    }

    fn matches_request(&self, method: &str, path: &[u8]) -> bool {
        let methods = &self.conf.methods;
        let is_named = methods.iter().any(|it| it == method);
        // A script that does not expect other methods would take them for one of these.
        let is_usual = methods.is_empty() && matches!(method, "GET" | "HEAD" | "POST");
        (is_named || is_usual) && self.conf.path.matches(path)
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&titled(&self.conf.name))
    }
}

/// A trigger in the log and in results: `trigger NAME`. The configuration calls one without a name `trigger 7`, which
/// says the word already.
pub(in crate::manager) fn titled(name: &str) -> Cow<'_, str> {
    if name.starts_with("trigger ") {
        Cow::Borrowed(name)
    } else {
        Cow::Owned(format!("trigger {name}"))
    }
}

fn run_of(conf: &Trigger) -> Option<&Run> {
    match &conf.action {
        Action::Run(run) => Some(run),
        _ => None,
    }
}

/// All rules, in the order of the file.
#[derive(Debug)]
pub(in crate::manager) struct AllRules {
    rules: Vec<Rc<Rule>>,
    /// The number of the newest rule.
    last: u32,
    memory: Account,
}

impl AllRules {
    /// No rules. `memory` is the account for input and output of all scripts.
    pub(in crate::manager) fn new(memory: &Account) -> AllRules {
        AllRules {
            rules: Vec::new(),
            last: 0,
            memory: memory.clone(),
        }
    }

    /// The rules of another configuration. Rules whose definition has not changed are kept.
    ///
    /// # Errors
    /// When a folder of X-Sendfile cannot be opened.
    pub(in crate::manager) fn renewed(&self, triggers: &[Trigger]) -> io::Result<AllRules> {
        let mut old: Vec<Option<Rc<Rule>>> = self.rules.iter().cloned().map(Some).collect();
        let mut last = self.last;
        let mut rules = Vec::with_capacity(triggers.len());
        for conf in triggers {
            let same = |it: &&mut Option<Rc<Rule>>| it.as_ref().is_some_and(|it| it.conf == *conf);
            let kept = old.iter_mut().find(same).and_then(Option::take);
            rules.push(match kept {
                Some(rule) => rule,
                None => {
                    last += 1;
                    Rc::new(Rule::open(last, conf, &self.memory)?)
                }
            });
        }
        Ok(AllRules {
            rules,
            last,
            memory: self.memory.clone(),
        })
    }

    pub(in crate::manager) fn iter(&self) -> impl Iterator<Item = &Rc<Rule>> {
        self.rules.iter()
    }

    /// The rules that events of one source may fire.
    pub(in crate::manager) fn of(&self, source: &Id) -> Rules {
        let of = |on: On| {
            let mine = self.rules.iter().filter(|rule| {
                let Trigger {
                    on: event, from, ..
                } = &rule.conf;
                *event == on && (from.is_empty() || from.contains(source))
            });
            mine.cloned().collect::<Rc<[_]>>()
        };
        let rules = Rules {
            message: of(On::Message),
            request: of(On::HttpRequest),
            connect: of(On::Connect),
            disconnect: of(On::Disconnect),
            per_connection: false,
        };
        let mut per_message = rules.message.iter().chain(&*rules.connect);
        let per_connection = per_message.any(|rule| rule.mode() == Some(Mode::Connection));
        Rules {
            per_connection,
            ..rules
        }
    }
}

/// The rules that events of one source may fire, by the kind of event.
#[derive(Clone, Debug, Default)]
pub(in crate::manager) struct Rules {
    message: Rc<[Rc<Rule>]>,
    request: Rc<[Rc<Rule>]>,
    connect: Rc<[Rc<Rule>]>,
    disconnect: Rc<[Rc<Rule>]>,
    /// A rule runs processes that live as long as their connection.
    per_connection: bool,
}

impl Rules {
    /// Whether a message may fire a rule.
    #[inline]
    pub(in crate::manager) fn on_messages(&self) -> bool {
        !self.message.is_empty()
    }

    /// Whether a request may fire a rule.
    pub(in crate::manager) fn on_requests(&self) -> bool {
        !self.request.is_empty()
    }

    /// Whether the end of a connection ends a process.
    pub(in crate::manager) fn run_per_connection(&self) -> bool {
        self.per_connection
    }

    /// The rules that a message fires.
    pub(in crate::manager) fn message(&self, data: &[u8]) -> Fires<'_> {
        Fires::new(&self.message, |rule| rule.matches_message(data))
    }

    /// The rule that a request fires: one at most, because a request has one answer.
    pub(in crate::manager) fn request(&self, method: &str, path: &[u8]) -> Option<&Rc<Rule>> {
        let mut rules = self.request.iter();
        rules.find(|rule| rule.matches_request(method, path))
    }

    pub(in crate::manager) fn connect(&self) -> Fires<'_> {
        Fires::new(&self.connect, |_| true)
    }

    pub(in crate::manager) fn disconnect(&self) -> Fires<'_> {
        Fires::new(&self.disconnect, |_| true)
    }
}

/// The rules that one event fires, in their order.
#[derive(Debug)]
pub(in crate::manager) struct Fires<'r> {
    pub rules: Vec<&'r Rc<Rule>>,
    /// The last of them does not say `continue`: the source itself does not act on the event.
    pub done: bool,
}

impl<'r> Fires<'r> {
    fn new(rules: &'r [Rc<Rule>], matches: impl Fn(&Rule) -> bool) -> Fires<'r> {
        let mut fires = Fires {
            rules: Vec::new(),
            done: false,
        };
        for rule in rules.iter().filter(|rule| matches(rule)) {
            fires.rules.push(rule);
            if !rule.conf.continue_ {
                fires.done = true;
                break;
            }
        }
        fires
    }
}

#[cfg(test)]
mod tests;
