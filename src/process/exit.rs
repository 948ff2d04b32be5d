//! The exit status of a command.

use std::process::ExitCode;

/// Exit statuses that scripts rely on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// The command succeeded.
    Done,
    /// It failed.
    Failed,
    /// Its usage was wrong.
    Usage,
    /// The daemon is not running, or the client not connected.
    NotRunning,
    /// There is no such id.
    NoSuchId,
    /// It took too long.
    TimedOut,
    /// The configuration has a fault; EX_CONFIG of sysexits.h.
    Configuration,
}

impl Exit {
    /// The status as the system sees it.
    pub const fn code(self) -> u8 {
        match self {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::NotRunning => 3,
            Exit::NoSuchId => 4,
            Exit::TimedOut => 5,
            Exit::Configuration => 78,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit.code())
    }
}
