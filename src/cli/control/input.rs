//! Messages and bodies from files and from stdin, read with the rights of the user who runs the command.

use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::cli::args::{CallInput, Form, InputSource, Verbosity};
use crate::files::content_type;
use crate::process::output::complain;
use crate::rpc::{Call, Content, Data};

use super::failure::Failure;

/// The most bytes that are read, to bound the memory of this process. The daemon usually accepts less.
const MAX_INPUT: u64 = 64 << 20;

/// Reads the message or body that a call lacks.
pub(super) fn fill(
    call: &mut Call,
    input: &CallInput,
    verbosity: Verbosity,
) -> Result<(), Failure> {
    let (bytes, name) = match &input.source {
        InputSource::File(path) => (read_file(path), path.display().to_string()),
        InputSource::Stdin => {
            if io::stdin().is_terminal() && verbosity != Verbosity::Quiet {
                complain("reading from the terminal; Ctrl-D on a line of its own ends it");
            }
            (read_bounded(io::stdin().lock()), "stdin".to_owned())
        }
    };
    let bytes = bytes.map_err(|error| Failure::failed(format!("{name}: {error}")))?;
    let data = form(bytes, input.form).ok_or_else(|| {
        Failure::failed(format!(
            "{name}: not UTF-8; allowed: UTF-8, or any bytes with --binary"
        ))
    })?;
    match call {
        Call::Send(send) => send.data = data,
        Call::Respond(respond) => {
            if let InputSource::File(path) = &input.source {
                respond.media_type = respond.media_type.take().or_else(|| known_type(path));
            }
            respond.content = Content::Body(data);
        }
        _ => {}
    }
    Ok(())
}

/// The content type by the name of a file, if the name tells one.
fn known_type(path: &Path) -> Option<String> {
    let known = content_type(path.as_os_str().as_bytes());
    (known != "application/octet-stream").then(|| known.to_owned())
}

fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    read_bounded(File::open(path)?)
}

fn read_bounded(source: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let count = source.take(MAX_INPUT + 1).read_to_end(&mut bytes)?;
    if count as u64 > MAX_INPUT {
        let what = format!("too long; allowed: {} MiB", MAX_INPUT >> 20);
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, what));
    }
    Ok(bytes)
}

fn form(bytes: Vec<u8>, form: Form) -> Option<Data> {
    if form == Form::Binary {
        return Some(Data::Binary(bytes));
    }
    match String::from_utf8(bytes) {
        Ok(text) => Some(Data::Text(text)),
        Err(error) if form == Form::Either => Some(Data::Binary(error.into_bytes())),
        Err(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_what_they_have_to_be() {
        let text = || Some(Data::Text("é".to_owned()));
        assert_eq!(form("é".into(), Form::Text), text());
        assert_eq!(form("é".into(), Form::Either), text());
        assert_eq!(
            form("é".into(), Form::Binary),
            Some(Data::Binary("é".into()))
        );
        assert_eq!(form(vec![0xff], Form::Text), None);
        assert_eq!(
            form(vec![0xff], Form::Either),
            Some(Data::Binary(vec![0xff]))
        );
    }

    #[test]
    fn reading_is_bounded() {
        let error = read_bounded(io::repeat(0)).expect_err("endless");
        assert_eq!(error.to_string(), "too long; allowed: 64 MiB");
        assert_eq!(read_bounded(&b"ab"[..]).expect("two bytes"), b"ab");
    }
}
