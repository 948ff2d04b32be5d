//! The URL argument of a command. It may be on stdin, so that a password in it is not in the process list.

use std::io::{Read, stdin};

use crate::proto::http::url::Url;

/// The most that is read from stdin.
const MAX_INPUT: u64 = 64 * 1024;

/// Reads a URL; `-` means stdin. The error is one line, and does not show the URL.
pub(super) fn read(text: &str) -> Result<Url, String> {
    let input;
    let text = if text == "-" {
        input = read_input()?;
        input.trim_end_matches(['\r', '\n'])
    } else {
        text
    };
    Url::parse(text).map_err(|fault| {
        format!("the URL: {fault}; allowed: ws:// or wss://, a host, and perhaps a port, a path and a query")
    })
}

fn read_input() -> Result<String, String> {
    let mut text = String::new();
    match stdin().lock().take(MAX_INPUT).read_to_string(&mut text) {
        Ok(_) => Ok(text),
        Err(error) => Err(format!("stdin: {error}")),
    }
}
