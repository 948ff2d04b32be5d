//! Why a command failed: what it prints, and its exit status.

use crate::config::Fault;
use crate::process::exit::Exit;
use crate::process::output::{complain, print_faults};
use crate::rpc::{Call, Error, ErrorCode};

use crate::process::printable::escape;

/// What to print.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// One line.
    Line(Exit, String),
    /// The faults of the daemon's configuration.
    Faults(Vec<Fault>),
}

impl Failure {
    /// It could not be done.
    pub(super) fn failed(what: impl Into<String>) -> Failure {
        Failure::Line(Exit::Failed, what.into())
    }

    /// The daemon's error, and a hint what to do about it.
    pub(super) fn of(error: Error, call: &Call) -> Failure {
        let faults = error.data.unwrap_or_default().faults;
        if !faults.is_empty() {
            return Failure::Faults(faults.into_iter().map(Fault::from).collect());
        }
        let hint = hint(error.code, call).map(|hint| format!(" ({hint})"));
        let what = error.message + &hint.unwrap_or_default();
        Failure::Line(exit(error.code), what)
    }

    /// Prints it on stderr.
    pub(super) fn tell(self) -> Exit {
        match self {
            Failure::Line(exit, what) => {
                complain(&format!("bellwire: {}", escape(&what)));
                exit
            }
            Failure::Faults(faults) => {
                print_faults(&faults);
                Exit::Configuration
            }
        }
    }
}

const SHOWS_OPEN: &str = "bellwire connections shows those that are open";

/// What to try when there is no such id, or no connection.
const fn hint(code: ErrorCode, call: &Call) -> Option<&'static str> {
    match (code, call) {
        (ErrorCode::NotConnected, _) => Some("bellwire client list shows why"),
        (ErrorCode::NoSuchId, Call::ServerList(_) | Call::ServerStart(_) | Call::ServerStop(_)) => {
            Some("bellwire server list shows all")
        }
        (
            ErrorCode::NoSuchId,
            Call::ClientList(_) | Call::ClientConnect(_) | Call::ClientDisconnect(_),
        ) => Some("bellwire client list shows all"),
        (ErrorCode::NoSuchId, Call::Kick(_)) => Some(SHOWS_OPEN),
        (ErrorCode::NoSuchId, Call::Send(send)) if send.receivers.is_one() => Some(SHOWS_OPEN),
        (ErrorCode::NoSuchId, Call::Respond(_)) => {
            Some("it may be answered already, or its peer have left")
        }
        (ErrorCode::NoSuchId, _) => Some("bellwire status shows what there is"),
        _ => None,
    }
}

/// The exit status of an error of the daemon.
const fn exit(code: ErrorCode) -> Exit {
    match code {
        ErrorCode::Parse
        | ErrorCode::InvalidRequest
        | ErrorCode::MethodNotFound
        | ErrorCode::Failed => Exit::Failed,
        ErrorCode::InvalidParams => Exit::Usage,
        ErrorCode::NoSuchId => Exit::NoSuchId,
        ErrorCode::NotConnected => Exit::NotRunning,
        ErrorCode::TimedOut => Exit::TimedOut,
        ErrorCode::Configuration => Exit::Configuration,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_the_status_that_is_documented() {
        let table = include_str!("../../rpc/methods.md");
        for code in ErrorCode::ALL {
            let begins = format!("| {} |", code.number());
            let row = table
                .lines()
                .find(|line| line.starts_with(&begins))
                .expect(&begins);
            assert!(
                row.ends_with(&format!("| {} |", exit(code).code())),
                "{row}"
            );
        }
    }

    #[test]
    fn a_hint_is_for_ids_and_connections() {
        let line = |error| match Failure::of(error, &Call::Status) {
            Failure::Line(_, line) => line,
            Failure::Faults(_) => String::new(),
        };
        assert_eq!(
            line(Error::not_connected("up")),
            "up is not connected (bellwire client list shows why)"
        );
        assert_eq!(line(Error::failed("no")), "no");
    }
}
