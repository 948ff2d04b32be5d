//! Which triggers an event fires.
//!
//! A source keeps the [`Rules`] that its own events may fire, by the kind of event, so that one without triggers pays
//! nothing. Rules are asked in the order of the file; the first that matches ends it, unless it says `continue`.

use std::cell::Cell;
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use crate::config::{Action, Id, Mode, On, Trigger};
use crate::files::{ServedFolder, Settings};

use super::matching::Matcher;

/// A trigger of the configuration, prepared. It is the same as long as its definition is, over any number of reloads.
#[derive(Debug)]
pub(super) struct Rule {
    /// No other has it while the daemon runs.
    pub number: u32,
    /// What the configuration says.
    pub conf: Trigger,
    /// What X-Sendfile is confined to; the server's folder when absent.
    pub files: Option<SendRoot>,
    /// Events that came to nothing already where they happened.
    pub dropped: Cell<u64>,
    matcher: Matcher,
}

/// A folder whose files a script may have sent.
#[derive(Clone, Debug)]
pub(super) struct SendRoot {
    folder: Arc<ServedFolder>,
    path: PathBuf,
}

impl SendRoot {
    pub(super) fn new(folder: Arc<ServedFolder>, path: &Path) -> SendRoot {
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        SendRoot { folder, path }
    }

    fn open(path: &Path) -> io::Result<SendRoot> {
        let settings = Settings {
            default_document: String::new(),
            listing: false,
            dotfiles: true,
            cache_control: String::new(),
        };
        Ok(SendRoot::new(
            Arc::new(ServedFolder::open(path, settings)?),
            path,
        ))
    }

    pub(super) fn folder(&self) -> &Arc<ServedFolder> {
        &self.folder
    }

    /// What a path that a script names is called in the folder; `None` when it is beside it. That no link leads out is
    /// seen to by the kernel.
    pub(super) fn relative<'p>(&self, named: &'p [u8]) -> Option<&'p [u8]> {
        let path = Path::new(OsStr::from_bytes(named));
        let within = if path.is_absolute() {
            path.strip_prefix(&self.path).ok()?
        } else {
            path
        };
        let within = within.as_os_str().as_bytes();
        (!within.is_empty()).then_some(within)
    }
}

impl Rule {
    fn open(number: u32, conf: &Trigger) -> io::Result<Rule> {
        let root = match &conf.action {
            Action::Run(run) => run.send_file_root.as_deref(),
            _ => None,
        };
        Ok(Rule {
            number,
            files: root.map(SendRoot::open).transpose()?,
            dropped: Cell::new(0),
            matcher: Matcher::new(&conf.match_),
            conf: conf.clone(),
        })
    }

    /// How it runs a program, if it does.
    pub(super) fn mode(&self) -> Option<Mode> {
        match &self.conf.action {
            Action::Run(run) => Some(run.mode),
            _ => None,
        }
    }

    fn matches_message(&self, data: &[u8]) -> bool {
        // Text was found to be UTF-8 when it came; binary may be.
        self.matcher.is_any()
            || std::str::from_utf8(data).is_ok_and(|text| self.matcher.matches(text))
    }

    fn matches_request(&self, method: &str, path: &[u8]) -> bool {
        let methods = &self.conf.methods;
        (methods.is_empty() || methods.iter().any(|it| it == method))
            && self.conf.path.matches(path)
    }
}

/// All rules, in the order of the file.
#[derive(Debug, Default)]
pub(super) struct AllRules {
    rules: Vec<Rc<Rule>>,
    last: u32,
}

impl AllRules {
    /// Those of another configuration; rules that are there already and have not changed are the same.
    ///
    /// # Errors
    /// Of the folder of X-Sendfile.
    pub(super) fn renewed(&self, triggers: &[Trigger]) -> io::Result<AllRules> {
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
                    Rc::new(Rule::open(last, conf)?)
                }
            });
        }
        Ok(AllRules { rules, last })
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Rc<Rule>> {
        self.rules.iter()
    }

    /// Those that events of one source may fire.
    pub(super) fn of(&self, source: &Id) -> Rules {
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
            follows: false,
        };
        let mut per_message = rules.message.iter().chain(&*rules.connect);
        let follows = per_message.any(|rule| rule.mode() == Some(Mode::Connection));
        Rules { follows, ..rules }
    }
}

/// What the events of one source may fire.
#[derive(Clone, Debug, Default)]
pub(super) struct Rules {
    message: Rc<[Rc<Rule>]>,
    request: Rc<[Rc<Rule>]>,
    connect: Rc<[Rc<Rule>]>,
    disconnect: Rc<[Rc<Rule>]>,
    /// Some process lives as long as a connection.
    follows: bool,
}

impl Rules {
    /// Whether any message may fire something.
    #[inline]
    pub(super) fn on_messages(&self) -> bool {
        !self.message.is_empty()
    }

    /// Whether any request may.
    pub(super) fn on_requests(&self) -> bool {
        !self.request.is_empty()
    }

    /// Whether the end of a connection ends a process.
    pub(super) fn follows(&self) -> bool {
        self.follows
    }

    /// What a message fires, and whether it is thereby done with.
    pub(super) fn message(&self, data: &[u8]) -> Fires<'_> {
        Fires::new(&self.message, |rule| rule.matches_message(data))
    }

    /// What a request fires: one at most, for it has one answer.
    pub(super) fn request(&self, method: &str, path: &[u8]) -> Option<&Rc<Rule>> {
        let mut rules = self.request.iter();
        rules.find(|rule| rule.matches_request(method, path))
    }

    pub(super) fn connect(&self) -> Fires<'_> {
        Fires::new(&self.connect, |_| true)
    }

    pub(super) fn disconnect(&self) -> Fires<'_> {
        Fires::new(&self.disconnect, |_| true)
    }
}

/// The rules that one event fires, in their order.
#[derive(Debug)]
pub(super) struct Fires<'r> {
    pub rules: Vec<&'r Rc<Rule>>,
    /// The source's own behaviour is skipped.
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
