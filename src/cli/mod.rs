//! Floor 5: the command line.
//!
//! Each verb has a file or a folder. `args` parses the command line.

mod accounts;
mod args;
mod certificates;
mod check;
mod client_new;
mod client_test;
mod client_url;
mod command_socket;
mod control;
mod daemon;
mod hash_password;
mod host;
mod notify;
mod script_base;
mod signals;
mod sockets;
mod source;

use std::ffi::OsString;
use std::process::ExitCode;

pub use crate::process::Exit;

use crate::auth;
use crate::helper;
use crate::process::{environment, logging, output};

use args::{Command, CommonOptions};

/// Runs the command that the arguments after the program's name give.
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let mut args = args.into_iter().peekable();
    if args.next_if(|verb| verb == helper::VERB).is_some() {
        return helper::main(args, verify_secret).into();
    }
    match args::parse(args) {
        Ok(Command::Run(options)) => run(options),
        Ok(Command::Check(options)) => check::check(options).into(),
        Ok(Command::HashPassword) => hash_password::run().into(),
        Ok(Command::Print(text)) => output::print(&text).into(),
        Ok(Command::Control(control)) => control::run(control).into(),
        Ok(Command::ClientTest(options)) => client_test::test(options).into(),
        Ok(Command::ClientNew(options)) => client_new::new(&options).into(),
        Err(what) => {
            output::complain(&format!("bellwire: {what} (see bellwire --help)"));
            Exit::Usage.into()
        }
    }
}

/// Whether a password matches a hash; `None` when the system cannot check it.
fn verify_secret(hash: &str, password: &[u8]) -> Option<bool> {
    auth::verify_secret(hash, password)
        .inspect_err(|error| log::error!("a password cannot be checked: {error}"))
        .ok()
}

fn run(options: CommonOptions) -> ExitCode {
    let loaded = match source::load(options.config) {
        Ok(loaded) => loaded,
        Err(faults) => {
            output::print_faults(&faults);
            return Exit::Configuration.into();
        }
    };
    environment::keep_what_is_needed();
    let level = options.verbosity.level(loaded.config.daemon.log);
    logging::init(level);
    for warning in &loaded.config.warnings {
        log::warn!("{warning}");
    }
    let exit = daemon::run(loaded, options.verbosity);
    logging::finish();
    exit.into()
}
