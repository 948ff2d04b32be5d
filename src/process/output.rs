//! The output of commands on stdout and stderr. Unlike the macros of std it does not panic when the reader has gone.

use std::io::{ErrorKind, Write, stderr, stdout};

use log::Level;

use crate::config::Fault;
use crate::process::exit::Exit;
use crate::process::logging;

/// Writes to stdout. A pipe that its reader has closed is no failure.
pub(crate) fn print(text: &str) -> Exit {
    let mut stdout = stdout().lock();
    match stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
    {
        Ok(()) => Exit::Done,
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Exit::Done,
        Err(error) => {
            complain(&format!("bellwire: stdout: {error}"));
            Exit::Failed
        }
    }
}

/// Prints a line on stderr.
pub(crate) fn complain(line: &str) {
    write_line(Level::Error, line);
}

/// Prints faults on stderr, one a line.
pub(crate) fn print_faults(faults: &[Fault]) {
    for fault in faults {
        write_line(Level::Error, &fault.to_string());
    }
}

/// Prints warnings on stderr, one a line.
pub(crate) fn print_warnings(warnings: &[Fault]) {
    for Fault { file, place, what } in warnings {
        let fault = Fault {
            file: file.clone(),
            place: *place,
            what: format!("warning: {what}"),
        };
        write_line(Level::Warn, &fault.to_string());
    }
}

fn write_line(level: Level, line: &str) {
    // When stderr is closed, nobody can be told.
    let _ = writeln!(stderr().lock(), "{}{line}", logging::prefix(level));
}
