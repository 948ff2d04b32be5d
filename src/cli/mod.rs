//! Floor 5: the command line.
//!
//! Left to right: exit, identity, certificates, logging, output, source, args, check, control, signals, daemon.

mod args;
mod certificates;
mod check;
mod control;
pub mod daemon;
mod exit;
mod identity;
mod logging;
mod output;
mod signals;
mod source;

use std::ffi::OsString;
use std::process::ExitCode;

pub use exit::Exit;

use args::{Command, Options};

/// Does what the arguments after the program's name ask for.
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    match args::parse(args) {
        Ok(Command::Run(options)) => run(options),
        Ok(Command::Check(options)) => check::check(options).into(),
        Ok(Command::Print(text)) => output::print(text).into(),
        Ok(Command::Control(control)) => control::run(control).into(),
        Ok(Command::ClientTest(_)) => later("client test"),
        Ok(Command::ClientNew(_)) => later("client new"),
        Ok(Command::HashPassword) => later("hash-password"),
        Ok(Command::Monitor) => later("monitor"),
        Err(what) => {
            output::complain(&format!("bellwire: {what} (see bellwire --help)"));
            Exit::Usage.into()
        }
    }
}

fn later(verb: &str) -> ExitCode {
    output::complain(&format!("bellwire: {verb} is not available yet"));
    Exit::Usage.into()
}

fn run(options: Options) -> ExitCode {
    let config = match source::load(options.config) {
        Ok(config) => config,
        Err(faults) => {
            output::print_faults(&faults);
            return Exit::Configuration.into();
        }
    };
    let level = options.verbosity.level(config.daemon.log);
    logging::init(level);
    for warning in &config.warnings {
        log::warn!("{warning}");
    }
    if identity::is_root() {
        log::warn!("running as root, for changing user is not available yet");
    }
    daemon::run(&config).into()
}
