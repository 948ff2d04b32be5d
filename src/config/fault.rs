//! What is wrong with a configuration file, and where.
//!
//! Everything that reads the file adds to one [`Faults`] and goes on, so that a person sees all faults in one run.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// A place in the file. Lines and columns begin at 1; columns count characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The line.
    pub line: u32,
    /// The character within the line.
    pub column: u32,
}

/// A value and the place it was read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed<T> {
    /// The value.
    pub value: T,
    /// Where it stands in the file.
    pub place: Place,
}

/// One fault, or one warning, as it is shown: `file:line:column: what is wrong, and what is allowed`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The file, as it was named.
    pub file: PathBuf,
    /// Absent when it is the file itself that cannot be read.
    pub place: Option<Place>,
    /// What is wrong, and what is allowed; one line.
    pub what: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.file.display();
        match self.place {
            Some(Place { line, column }) => write!(f, "{file}:{line}:{column}: {}", self.what),
            None => write!(f, "{file}: {}", self.what),
        }
    }
}

impl std::error::Error for Fault {}

/// What the system says to a configuration: faults, and what works but hardly as it was meant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// What cannot be.
    pub refused: Vec<(Place, String)>,
    /// What is to be warned of.
    pub warned: Vec<(Place, String)>,
}

impl Findings {
    /// Takes those of `other` beside its own.
    pub fn add(&mut self, other: Findings) {
        self.refused.extend(other.refused);
        self.warned.extend(other.warned);
    }
}

/// Opens a file that the configuration names, to read.
pub type Open<'o> = &'o dyn Fn(&Path) -> io::Result<File>;

/// Opens a regular file with the rights of this process. Anything else is refused: reading it could wait forever.
///
/// # Errors
/// The system's, or that it is not a regular file.
pub fn open_file(path: &Path) -> io::Result<File> {
    // Without O_NONBLOCK, to open a FIFO waits for somebody who writes to it.
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
        .open(path)?;
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(io::Error::other("not a file"))
    }
}

/// The faults and warnings found so far in one file.
pub(super) struct Faults<'t> {
    file: &'t Path,
    text: &'t str,
    open: Open<'t>,
    /// What was opened, or was to be.
    opened: Vec<PathBuf>,
    line_starts: Vec<usize>,
    /// Lines that are no TOML: what stands there was guessed by the parser, and is not worth a second fault.
    broken_lines: Vec<u32>,
    refused: Vec<(Place, String)>,
    warned: Vec<(Place, String)>,
}

impl<'t> Faults<'t> {
    pub(super) fn new(file: &'t Path, text: &'t str) -> Self {
        Faults::opening(file, text, &open_file)
    }

    /// Faults of a file whose other files are opened by `open`.
    pub(super) fn opening(file: &'t Path, text: &'t str, open: Open<'t>) -> Self {
        let line_starts = std::iter::once(0)
            .chain(text.match_indices('\n').map(|(at, _)| at + 1))
            .collect();
        Faults {
            file,
            text,
            open,
            opened: Vec::new(),
            line_starts,
            broken_lines: Vec::new(),
            refused: Vec::new(),
            warned: Vec::new(),
        }
    }

    /// Opens a file that this one names.
    pub(super) fn open(&mut self, path: &Path) -> Result<File, String> {
        self.opened.push(path.to_owned());
        (self.open)(path).map_err(|error| error.to_string())
    }

    /// The files that were named and read, each once.
    pub(super) fn take_opened(&mut self) -> Vec<PathBuf> {
        let mut opened = std::mem::take(&mut self.opened);
        opened.sort();
        opened.dedup();
        opened
    }

    /// The file, as it was named.
    pub(super) fn file(&self) -> &'t Path {
        self.file
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

    /// The text is no TOML here. What follows on the same line is the parser finding its way back.
    pub(super) fn syntax(&mut self, place: Place, what: impl Into<String>) {
        if !self.broken_lines.contains(&place.line) {
            self.broken_lines.push(place.line);
            self.refused.push((place, what.into()));
        }
    }

    /// A value is refused.
    pub(super) fn refuse(&mut self, place: Place, what: impl Into<String>) {
        if !self.broken_lines.contains(&place.line) {
            self.refused.push((place, what.into()));
        }
    }

    /// Something is absent, or not where it belongs. In a text that is no TOML throughout that proves nothing.
    pub(super) fn misplaced(&mut self, place: Place, what: impl Into<String>) {
        if self.broken_lines.is_empty() {
            self.refused.push((place, what.into()));
        }
    }

    /// Something works, but hardly as it was meant.
    pub(super) fn warn(&mut self, place: Place, what: impl Into<String>) {
        self.warned.push((place, what.into()));
    }

    /// What the system says.
    pub(super) fn add(&mut self, findings: Findings) {
        for (place, what) in findings.refused {
            self.refuse(place, what);
        }
        self.warned.extend(findings.warned);
    }

    /// The warnings, or every fault, in the order of their places.
    pub(super) fn finish(self) -> Result<Vec<Fault>, Vec<Fault>> {
        let Faults {
            file,
            mut refused,
            mut warned,
            ..
        } = self;
        let sorted = |list: &mut Vec<(Place, String)>| {
            list.sort_by_key(|(place, _)| *place);
            list.drain(..)
                .map(|(place, what)| Fault {
                    file: file.to_owned(),
                    place: Some(place),
                    what,
                })
                .collect()
        };
        if refused.is_empty() {
            Ok(sorted(&mut warned))
        } else {
            Err(sorted(&mut refused))
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
            std::io::read_to_string(open_file(&path).unwrap()).unwrap(),
            "key"
        );
        let fifo = folder.path().join("fifo");
        let name = CString::new(fifo.as_os_str().as_bytes()).unwrap();
        // SAFETY: the name ends in NUL.
        assert_eq!(unsafe { libc::mkfifo(name.as_ptr(), 0o600) }, 0);
        for other in [folder.path(), &fifo, Path::new("/dev/zero")] {
            let error = open_file(other).unwrap_err();
            assert_eq!(error.to_string(), "not a file", "{}", other.display());
        }
    }

    #[test]
    fn places_count_lines_and_characters() {
        let faults = Faults::new(Path::new("f"), "ab\r\nÄé=1\n");
        let at = |offset| {
            let place = faults.place(offset);
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
        let mut faults = Faults::new(Path::new("f"), "a\nb\n");
        faults.refuse(faults.place(2), "second");
        faults.refuse(faults.place(0), "first");
        let shown: Vec<String> = faults
            .finish()
            .expect_err("two faults")
            .iter()
            .map(Fault::to_string)
            .collect();
        assert_eq!(shown, ["f:1:1: first", "f:2:1: second"]);
    }
}
