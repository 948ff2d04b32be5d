//! A request that is taken to the files by somebody who may wait.

use std::sync::Arc;

use zeroize::Zeroizing;

use crate::conn::deadline::Tick;
use crate::proto::http::head::{FieldTable, RequestHead};

use super::answer::Answer;
use super::cache::{Known, Look};
use super::folder::Folder;
use super::open::status;

/// Everything that the answer to a request depends on, to be taken to another thread.
#[derive(Debug)]
pub struct Visit {
    folder: Arc<Folder>,
    /// It may hold credentials.
    head: Zeroizing<Vec<u8>>,
    wants: Wants,
    now: Tick,
}

#[derive(Debug)]
enum Wants {
    /// What the request asks for; this is no part of its path.
    Asked { prefix: String },
    /// This file, whatever is asked for.
    File(Vec<u8>),
}

/// The answer, and what was seen on the way.
#[derive(Debug)]
pub struct Visited {
    /// The answer.
    pub answer: Answer,
    /// To be learnt by whoever answers the next request.
    pub seen: Known,
}

impl Visited {
    /// The answer where there is none for a fault of ours.
    #[must_use]
    pub fn failed() -> Visited {
        Visited {
            answer: Answer::page(500),
            seen: Known::default(),
        }
    }
}

impl Visit {
    /// The visit that a request wants; see [`Folder::answer`].
    #[must_use]
    pub fn new(folder: &Arc<Folder>, head: &RequestHead<'_>, prefix: &str, now: Tick) -> Visit {
        Visit {
            folder: Arc::clone(folder),
            head: Zeroizing::new(head.bytes().to_vec()),
            wants: Wants::Asked {
                prefix: prefix.to_owned(),
            },
            now,
        }
    }

    /// The visit that sends a file to who asked for something else, by the conditions and ranges of that request. `path`
    /// is relative to the folder, of which names that begin with a dot are no exception here.
    #[must_use]
    pub fn send_file(folder: &Arc<Folder>, head: &[u8], path: &[u8], now: Tick) -> Visit {
        Visit {
            folder: Arc::clone(folder),
            head: head.to_vec().into(),
            wants: Wants::File(path.to_vec()),
            now,
        }
    }

    /// Makes it. The disk is waited for.
    #[must_use]
    pub fn make(self) -> Visited {
        let mut seen = Known::default();
        let mut table = FieldTable::default();
        let answer = match RequestHead::decode(&self.head, &mut 0, &mut table) {
            Ok(Some((head, _))) => {
                let mut look = Look::waiting_at(&mut seen, self.now);
                let visit = match &self.wants {
                    Wants::Asked { prefix } => self.folder.visit(&head, prefix, &mut look),
                    Wants::File(path) => self.folder.visit_file(&head, path, &mut look),
                };
                visit.unwrap_or_else(|error| Answer::page(status(&error)))
            }
            // It was decoded before.
            _ => Answer::page(500),
        };
        Visited { answer, seen }
    }
}
