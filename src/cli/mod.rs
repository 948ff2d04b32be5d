//! Floor 5: the command line.
//!
//! Left to right: exit, identity, privileges, certificates, accounts, logging, output, source, hash_password, args,
//! check, signals, monitor, daemon.

mod accounts;
mod args;
mod certificates;
mod check;
pub mod daemon;
mod exit;
mod hash_password;
mod identity;
mod logging;
mod monitor;
mod output;
#[cfg_attr(not(test), expect(dead_code, reason = "nothing is dropped yet"))]
mod privileges;
mod signals;
mod source;

use std::ffi::OsString;
use std::process::ExitCode;

pub use exit::Exit;

use crate::auth;

use args::{Command, Options};

/// Does what the arguments after the program's name ask for.
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let mut args = args.into_iter().peekable();
    if args.next_if(|verb| verb == monitor::VERB).is_some() {
        let verify = |hash: &str, password: &[u8]| auth::verify_secret(hash, password).ok();
        return monitor::main(args, verify).into();
    }
    match args::parse(args) {
        Ok(Command::Run(options)) => run(options),
        Ok(Command::Check(options)) => check::check(options).into(),
        Ok(Command::HashPassword) => hash_password::run().into(),
        Ok(Command::Print(text)) => output::print(text).into(),
        Err(what) => {
            output::complain(&format!("bellwire: {what} (see bellwire --help)"));
            Exit::Usage.into()
        }
    }
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
