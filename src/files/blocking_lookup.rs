//! A request that is taken to the files by somebody who may wait.

use std::sync::Arc;

use zeroize::Zeroizing;

use crate::conn::deadline::Tick;
use crate::proto::http::head::{FieldTable, RequestHead};

use super::answer::FileAnswer;
use super::cache::{Cache, Lookup};
use super::folder::ServedFolder;
use super::open::status;

/// Everything that the answer to a request depends on, to be taken to another thread.
#[derive(Debug)]
pub struct BlockingLookup {
    folder: Arc<ServedFolder>,
    /// It may hold credentials.
    head: Zeroizing<Vec<u8>>,
    wants: LookupTarget,
    now: Tick,
}

#[derive(Debug)]
enum LookupTarget {
    /// What the request asks for; this is no part of its path.
    Asked { prefix: String },
    /// This file, whatever is asked for.
    File(Vec<u8>),
}

/// The answer, and what was seen on the way.
#[derive(Debug)]
pub struct LookupResult {
    /// The answer.
    pub answer: FileAnswer,
    /// To be learnt by whoever answers the next request.
    pub seen: Cache,
}

impl LookupResult {
    /// The answer where there is none for a fault of ours.
    #[must_use]
    pub fn failed() -> LookupResult {
        LookupResult {
            answer: FileAnswer::page(500),
            seen: Cache::default(),
        }
    }
}

impl BlockingLookup {
    /// The visit that a request wants; see [`ServedFolder::answer`].
    #[must_use]
    pub fn new(
        folder: &Arc<ServedFolder>,
        head: &RequestHead<'_>,
        prefix: &str,
        now: Tick,
    ) -> BlockingLookup {
        BlockingLookup {
            folder: Arc::clone(folder),
            head: Zeroizing::new(head.bytes().to_vec()),
            wants: LookupTarget::Asked {
                prefix: prefix.to_owned(),
            },
            now,
        }
    }

    /// The visit that sends a file to who asked for something else, by the conditions and ranges of that request. `path`
    /// is relative to the folder, of which names that begin with a dot are no exception here.
    #[must_use]
    pub fn send_file(
        folder: &Arc<ServedFolder>,
        head: &[u8],
        path: &[u8],
        now: Tick,
    ) -> BlockingLookup {
        BlockingLookup {
            folder: Arc::clone(folder),
            head: head.to_vec().into(),
            wants: LookupTarget::File(path.to_vec()),
            now,
        }
    }

    /// Makes it. The disk is waited for.
    #[must_use]
    pub fn make(self) -> LookupResult {
        let mut seen = Cache::default();
        let mut table = FieldTable::default();
        let answer = match RequestHead::decode(&self.head, &mut 0, &mut table) {
            Ok(Some((head, _))) => {
                let mut lookup = Lookup::waiting_at(&mut seen, self.now);
                let lookup = match &self.wants {
                    LookupTarget::Asked { prefix } => {
                        self.folder.lookup(&head, prefix, &mut lookup)
                    }
                    LookupTarget::File(path) => self.folder.lookup_file(&head, path, &mut lookup),
                };
                lookup.unwrap_or_else(|error| FileAnswer::page(status(&error)))
            }
            // It was decoded before.
            _ => FileAnswer::page(500),
        };
        LookupResult { answer, seen }
    }
}
