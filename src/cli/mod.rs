//! Floor 5: the command line.
//!
//! Left to right: exit, random, identity, certificates, logging, output, source, args, check, client_url, client_test,
//! client_new, signals, daemon.

mod args;
mod certificates;
mod check;
mod client_new;
mod client_test;
mod client_url;
pub mod daemon;
mod exit;
mod identity;
mod logging;
mod output;
mod random;
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
        Ok(Command::ClientTest {
            target,
            config,
            json,
            timeout,
        }) => client_test::test(client_test::Options {
            target,
            config,
            json,
            timeout,
        })
        .into(),
        Ok(Command::ClientNew { url, id }) => {
            client_new::new(&client_new::Options { url, id }).into()
        }
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
