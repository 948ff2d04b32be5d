//! A request for a file as a job for another thread, which may wait for the disk.

use std::sync::Arc;

use zeroize::Zeroizing;

use crate::conn::deadline::Tick;
use crate::proto::http::head::{FieldTable, RequestHead};

use super::answer::FileAnswer;
use super::cache::{Cache, Lookup};
use super::folder::ServedFolder;
use super::open::{DiskAccess, status};

/// Everything that the answer to a request depends on.
#[derive(Debug)]
pub struct BlockingLookup {
    folder: Arc<ServedFolder>,
    /// It may hold credentials.
    head: Zeroizing<Vec<u8>>,
    target: LookupTarget,
    now: Tick,
}

/// Which file to look up.
#[derive(Debug)]
enum LookupTarget {
    /// The one that the request asks for; see [`ServedFolder::answer_now`] for the prefix.
    Requested { prefix: String },
    /// This one, whatever the request asks for.
    File(Vec<u8>),
}

/// The answer, and what was learnt about files on the way.
#[derive(Debug)]
pub struct LookupResult {
    /// The answer.
    pub answer: FileAnswer,
    /// To be added to the cache of the folder.
    pub seen: Cache,
}

impl LookupResult {
    /// The answer 500, for when the lookup itself fails.
    #[must_use]
    pub fn failed() -> LookupResult {
        LookupResult {
            answer: FileAnswer::page(500),
            seen: Cache::default(),
        }
    }
}

impl BlockingLookup {
    /// A lookup of what a request asks for; see [`ServedFolder::answer_now`].
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
            target: LookupTarget::Requested {
                prefix: prefix.to_owned(),
            },
            now,
        }
    }

    /// A lookup of another file than the one that the request asks for, under its conditions and ranges. `path` is
    /// relative to the folder; names that begin with a dot are allowed.
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
            target: LookupTarget::File(path.to_vec()),
            now,
        }
    }

    /// Looks the file up. May wait for the disk.
    #[must_use]
    pub fn run(self) -> LookupResult {
        let mut seen = Cache::default();
        let mut table = FieldTable::default();
        let answer = match RequestHead::decode(&self.head, &mut 0, &mut table) {
            Ok(Some((head, _))) => {
                let mut lookup = Lookup::new(DiskAccess::MayWait, &mut seen, self.now);
                let answer = match &self.target {
                    LookupTarget::Requested { prefix } => {
                        self.folder.lookup(&head, prefix, &mut lookup)
                    }
                    LookupTarget::File(path) => self.folder.lookup_file(&head, path, &mut lookup),
                };
                answer.unwrap_or_else(|error| FileAnswer::page(status(&error)))
            }
            // It was decoded before.
            _ => FileAnswer::page(500),
        };
        LookupResult { answer, seen }
    }
}
