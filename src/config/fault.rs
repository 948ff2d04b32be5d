//! Faults of a configuration file, and the places that they name.

use std::fmt;
use std::path::PathBuf;

/// A place in the file. Lines and columns begin at 1; columns count characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The line.
    pub line: u32,
    /// The character within the line.
    pub column: u32,
}

/// A value and where the file gives it. Two are equal when their values are, so that moving a line changes nothing.
#[derive(Clone, Copy, Debug)]
pub struct Placed<T> {
    /// The value.
    pub value: T,
    /// Where it stands in the file.
    pub place: Place,
}

impl<T> Placed<T> {
    /// Another value of the same place.
    pub(super) fn map<U>(self, map: impl FnOnce(T) -> U) -> Placed<U> {
        Placed {
            value: map(self.value),
            place: self.place,
        }
    }
}

impl<T: PartialEq> PartialEq for Placed<T> {
    fn eq(&self, other: &Placed<T>) -> bool {
        self.value == other.value
    }
}

impl<T: Eq> Eq for Placed<T> {}

/// One fault or warning. It is shown as `file:line:column: what is wrong, and what is allowed`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The file, as it was named.
    pub file: PathBuf,
    /// Absent when the file itself cannot be read.
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

/// Faults and warnings of a configuration, before the file is named.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// Faults: each makes the configuration invalid.
    pub refused: Vec<(Place, String)>,
    /// Warnings: it works, but hardly as intended.
    pub warned: Vec<(Place, String)>,
}

impl Findings {
    /// Adds those of `other`.
    pub fn add(&mut self, other: Findings) {
        self.refused.extend(other.refused);
        self.warned.extend(other.warned);
    }
}
