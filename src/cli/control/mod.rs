//! Verbs that ask the running daemon: one call over its control socket, and the answer for people or for programs.
//!
//! Each file imports only from those before it: text, failure, socket, client, input, show, events.

mod client;
mod events;
mod failure;
mod input;
mod show;
pub(super) mod socket;
mod text;

use std::path::PathBuf;
use std::time::{Instant, SystemTime};

use crate::cli::args::{CommonOptions, DaemonCall, Verbosity};
use crate::cli::source;
use crate::config;
use crate::process::exit::Exit;
use crate::process::output::{complain, print};
use crate::process::printable::escape_json;
use crate::rpc::{Call, CallResult, Time};

use client::Client;
use failure::Failure;
use socket::{Surroundings, socket_candidates};

/// Makes the call and prints its result.
pub(super) fn run(control: DaemonCall) -> Exit {
    execute(control).unwrap_or_else(Failure::tell)
}

fn execute(control: DaemonCall) -> Result<Exit, Failure> {
    let DaemonCall {
        mut call,
        input,
        socket,
        timeout,
        common:
            CommonOptions {
                config,
                verbosity,
                json,
            },
    } = control;
    if let Some(input) = input {
        input::fill(&mut call, &input, verbosity)?;
    }
    let candidates = socket_candidates(socket, configured(config)?, &Surroundings::read());
    let deadline = Instant::now() + timeout;
    let mut client = Client::connect(&candidates, deadline)?;
    if matches!(verbosity, Verbosity::Verbose | Verbosity::Everything) {
        complain(&format!(
            "bellwire: the daemon is at {}",
            client.path().display()
        ));
    }
    let result = client
        .call(&call, deadline)?
        .map_err(|error| Failure::of(error, &call))?;
    if matches!(call, Call::Subscribe(_)) {
        return events::stream(&mut client, json);
    }
    if json {
        return Ok(print(&format!("{}\n", escape_json(result.get()))));
    }
    if verbosity == Verbosity::Quiet {
        return Ok(Exit::Done);
    }
    let result = CallResult::decode(&call, result.get()).map_err(client::foreign)?;
    let now = Time::of(SystemTime::now());
    Ok(print(&show::show(&call, &result, now)))
}

/// The control socket that the configuration file names. A file that was named must be readable; the default file need
/// not be, because it is for the daemon.
fn configured(named: Option<PathBuf>) -> Result<Option<PathBuf>, Failure> {
    let is_named = named.is_some();
    let Some(file) = source::file(named) else {
        return Ok(None);
    };
    match config::control_socket(&file) {
        Ok(socket) => Ok(socket),
        Err(fault) if is_named => Err(Failure::Faults(vec![fault])),
        Err(_) => Ok(None),
    }
}
