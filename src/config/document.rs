//! The document that is being read: its text, the folder of its relative paths, and the faults found so far.
//!
//! All that read it report to one [`Document`] and go on, so that a person sees all faults in one run.

use std::cell::RefCell;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::config::fault::{Fault, Findings, Place};
use crate::config::secret::is_open_to_others;

/// The longest configuration file, in bytes.
pub const MAX_FILE: u64 = 16 * 1024 * 1024;

/// What the configuration names a path for, which decides with whose rights it is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Keys, certificates, authorities, users and passwords: read by whoever starts the daemon.
    Secret,
    /// A document that is served: read by the user that the daemon runs as.
    Page,
    /// A folder that is served, by the same user.
    Folder,
}

/// Opens what the configuration names, to read.
pub type Open<'o> = &'o dyn Fn(&Path, Purpose) -> io::Result<File>;

/// Opens a regular file, or a folder, with the rights of this process. Anything else is refused: reading it could wait
/// forever.
///
/// # Errors
/// The system's, or that it is something else.
pub fn open_file(path: &Path, purpose: Purpose) -> io::Result<File> {
    // Without O_NONBLOCK, to open a FIFO waits for somebody who writes to it.
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
        .open(path)?;
    let found = file.metadata()?;
    match purpose {
        Purpose::Folder if found.is_dir() => Ok(file),
        Purpose::Folder => Err(io::Error::from_raw_os_error(libc::ENOTDIR)),
        _ if found.is_file() => Ok(file),
        _ => Err(io::Error::other("not a file")),
    }
}

/// The text of one file, and what was found in it so far.
pub(super) struct Document<'t> {
    file: &'t Path,
    text: &'t str,
    open: Open<'t>,
    line_starts: Vec<usize>,
    /// Lines that are not TOML. The parser guesses their values, which are not worth a second fault.
    broken_lines: Vec<u32>,
    /// The files of users and passwords that were opened, or should have been.
    secrets: RefCell<Vec<PathBuf>>,
    findings: RefCell<Findings>,
}

impl<'t> Document<'t> {
    /// The text of `file`, whose other files are opened by `open`.
    pub(super) fn new(file: &'t Path, text: &'t str, open: Open<'t>) -> Self {
        let line_starts = std::iter::once(0)
            .chain(text.match_indices('\n').map(|(at, _)| at + 1))
            .collect();
        Document {
            file,
            text,
            open,
            line_starts,
            broken_lines: Vec::new(),
            secrets: RefCell::default(),
            findings: RefCell::default(),
        }
    }

    /// The file, as it was named.
    pub(super) fn file(&self) -> &'t Path {
        self.file
    }

    /// The folder that relative paths begin in.
    pub(super) fn folder(&self) -> &'t Path {
        self.file.parent().unwrap_or(Path::new(""))
    }

    /// Whether everybody on this machine may read the file, so that secrets in it deserve a warning.
    pub(super) fn is_open_to_others(&self) -> bool {
        is_open_to_others(self.file)
    }

    /// Opens something that this file names.
    pub(super) fn open(&self, path: &Path, purpose: Purpose) -> Result<File, String> {
        if purpose == Purpose::Secret {
            self.secrets.borrow_mut().push(path.to_owned());
        }
        (self.open)(path, purpose).map_err(|error| error.to_string())
    }

    /// The other files of users and passwords that were opened, each once.
    pub(super) fn take_secrets(&self) -> Vec<PathBuf> {
        let mut secrets = self.secrets.take();
        secrets.sort();
        secrets.dedup();
        secrets
    }

    /// The place of a byte offset into the text; one past the end is the end.
    pub(super) fn place(&self, offset: usize) -> Place {
        let line = self.line_starts.partition_point(|start| *start <= offset);
        let start = line
            .checked_sub(1)
            .and_then(|at| self.line_starts.get(at))
            .copied()
            .unwrap_or(0);
        let before = self.text.as_bytes().get(start..offset).unwrap_or_default();
        // Every byte but the continuation bytes 10xxxxxx begins a character.
        let characters = before.iter().filter(|byte| **byte & 0xC0 != 0x80).count();
        Place {
            line: saturate(line.max(1)),
            column: saturate(characters + 1),
        }
    }

    /// The text is not TOML here. The parser recovers later, so what follows on the same line is no second fault.
    pub(super) fn syntax(&mut self, place: Place, what: impl Into<String>) {
        if !self.broken_lines.contains(&place.line) {
            self.broken_lines.push(place.line);
            self.push(place, what.into());
        }
    }

    /// A value is refused.
    pub(super) fn refuse(&self, place: Place, what: impl Into<String>) {
        if !self.broken_lines.contains(&place.line) {
            self.push(place, what.into());
        }
    }

    /// Something is missing, or in the wrong table. That is told only of a text that is TOML throughout.
    pub(super) fn misplaced(&self, place: Place, what: impl Into<String>) {
        if self.broken_lines.is_empty() {
            self.push(place, what.into());
        }
    }

    fn push(&self, place: Place, what: String) {
        self.findings.borrow_mut().refused.push((place, what));
    }

    /// Something works, but hardly as intended.
    pub(super) fn warn(&self, place: Place, what: impl Into<String>) {
        let warned = &mut self.findings.borrow_mut().warned;
        warned.push((place, what.into()));
    }

    /// Adds what others have found.
    pub(super) fn add(&self, findings: Findings) {
        for (place, what) in findings.refused {
            self.refuse(place, what);
        }
        self.findings.borrow_mut().warned.extend(findings.warned);
    }

    /// The warnings, or all faults, in the order of their places.
    pub(super) fn finish(self) -> Result<Vec<Fault>, Vec<Fault>> {
        let Findings { refused, warned } = self.findings.into_inner();
        let sorted = |mut list: Vec<(Place, String)>| {
            list.sort_by_key(|(place, _)| *place);
            let fault = |(place, what)| Fault {
                file: self.file.to_owned(),
                place: Some(place),
                what,
            };
            list.into_iter().map(fault).collect()
        };
        if refused.is_empty() {
            Ok(sorted(warned))
        } else {
            Err(sorted(refused))
        }
    }
}

fn saturate(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use std::ffi::CString;
    use std::os::unix::ffi::OsStrExt;

    use super::*;

    #[test]
    fn regular_files_are_opened_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key.pem");
        std::fs::write(&path, "key").unwrap();
        assert_eq!(
            std::io::read_to_string(open_file(&path, Purpose::Secret).unwrap()).unwrap(),
            "key"
        );
        assert!(open_file(&path, Purpose::Folder).is_err());
        assert!(open_file(folder.path(), Purpose::Folder).is_ok());
        let fifo = folder.path().join("fifo");
        let name = CString::new(fifo.as_os_str().as_bytes()).unwrap();
        // SAFETY: the name ends in NUL.
        assert_eq!(unsafe { libc::mkfifo(name.as_ptr(), 0o600) }, 0);
        for other in [folder.path(), &fifo, Path::new("/dev/zero")] {
            let error = open_file(other, Purpose::Page).unwrap_err();
            assert_eq!(error.to_string(), "not a file", "{}", other.display());
        }
    }

    #[test]
    fn places_count_lines_and_characters() {
        let document = Document::new(Path::new("f"), "ab\r\nÄé=1\n", &open_file);
        let at = |offset| {
            let place = document.place(offset);
            (place.line, place.column)
        };
        assert_eq!(at(0), (1, 1));
        assert_eq!(at(1), (1, 2));
        assert_eq!(at(4), (2, 1));
        assert_eq!(at(8), (2, 3));
        assert_eq!(at(11), (3, 1));
        assert_eq!(at(99), (3, 1));
    }

    #[test]
    fn faults_come_in_the_order_of_their_places() {
        let document = Document::new(Path::new("f"), "a\nb\n", &open_file);
        document.refuse(document.place(2), "second");
        document.refuse(document.place(0), "first");
        let shown: Vec<String> = document
            .finish()
            .expect_err("two faults")
            .iter()
            .map(Fault::to_string)
            .collect();
        assert_eq!(shown, ["f:1:1: first", "f:2:1: second"]);
    }
}
