//! `bellwire run`.

use std::process::ExitCode;

use crate::cli::exit::Exit;
use crate::config::{Config, LogLevel};

/// Tells what the configuration asks for.
pub fn run(config: Config, log: LogLevel) -> ExitCode {
    log::debug!("logging at {log:?}");
    for server in config.servers {
        for bind in server.bind {
            log::info!("{}: {}", server.id, bind.address);
        }
    }
    Exit::Done.into()
}
