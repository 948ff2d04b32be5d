//! Verbs that ask a daemon that runs: one call over its control socket, and the answer for people or for programs.
//!
//! Left to right: text, failure, socket, client, input, show, events.

mod client;
mod events;
mod failure;
mod input;
mod show;
pub(super) mod socket;
mod text;

use std::path::PathBuf;
use std::time::{Instant, SystemTime};

use crate::cli::args::{Control, Verbosity};
use crate::cli::source;
use crate::config;
use crate::process::exit::Exit;
use crate::process::output::{complain, print};
use crate::rpc::{Call, Time};

use client::Client;
use failure::Failure;
use socket::{Surroundings, socket_candidates};

/// Makes the call and prints what comes of it.
pub(super) fn run(control: Control) -> Exit {
    execute(control).unwrap_or_else(Failure::tell)
}

fn execute(control: Control) -> Result<Exit, Failure> {
    let Control {
        mut call,
        input,
        socket,
        config,
        json,
        verbosity,
        timeout,
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
        return Ok(print(&format!("{}\n", result.get())));
    }
    if verbosity == Verbosity::Quiet {
        return Ok(Exit::Done);
    }
    let result =
        serde_json::from_str(result.get()).map_err(|error| Failure::failed(error.to_string()))?;
    Ok(print(&show::show(
        &call,
        &result,
        Time::of(SystemTime::now()),
    )))
}

/// The socket of the configuration file. One that was named has to be there; the others are for the daemon in the first
/// place, and need not be for whoever asks it.
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
