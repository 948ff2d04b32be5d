//! What commands say. A reader that has gone away is no reason to panic, as the macros of std would.

use std::io::{ErrorKind, Write, stderr, stdout};

use log::Level;

use crate::config::Fault;
use crate::process::exit::Exit;
use crate::process::logging;

/// Writes to stdout. A pipe whose reader has enough is well; anything else is not.
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

/// One line on stderr.
pub(crate) fn complain(line: &str) {
    write_line(Level::Error, line);
}

/// Faults on stderr, each a line.
pub(crate) fn print_faults(faults: &[Fault]) {
    for fault in faults {
        write_line(Level::Error, &fault.to_string());
    }
}

/// Warnings on stderr, each a line that says so.
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
    // When stderr is gone there is nobody left to tell.
    let _ = writeln!(stderr().lock(), "{}{line}", logging::prefix(level));
}
