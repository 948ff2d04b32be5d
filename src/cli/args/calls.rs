//! Makes the command of each verb from its words and options. Values that a call cannot have are wrong usage.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::time::Duration;

use crate::config::Id;
use crate::rpc::{
    Call, ConnectionName, Content, Data, Error, EventKind, Kick, Receivers, RequestName, Respond,
    Send, Subscribe,
};

use crate::proto::ws::close::CloseCode;

use super::command::{
    CallInput, ClientNew, ClientTest, Command, CommonOptions, DaemonCall, Form, InputSource,
    Verbosity,
};
use super::scan::Words;

/// How long to wait for an answer.
pub(super) const TIMEOUT: Duration = Duration::from_secs(10);

pub(super) fn reload(words: &mut Words) -> Result<Command, String> {
    let dry_run = words.flag("--dry-run");
    call(words, Call::Reload { dry_run })
}

/// A call about a server or client, or about all.
pub(super) fn list(words: &mut Words, make: fn(Option<String>) -> Call) -> Result<Command, String> {
    let id = words.next_text()?;
    call(words, make(id))
}

/// A call about one server.
pub(super) fn of_server(words: &mut Words, make: fn(String) -> Call) -> Result<Command, String> {
    let id = required(words, "the id of a server")?;
    call(words, make(id))
}

/// A call about one client.
pub(super) fn of_client(words: &mut Words, make: fn(String) -> Call) -> Result<Command, String> {
    let id = required(words, "the id of a client")?;
    call(words, make(id))
}

pub(super) fn send(words: &mut Words) -> Result<Command, String> {
    let id = required(words, "the id of a server or client")?;
    let receivers = receivers(words)?;
    let form = if words.flag("--binary") {
        Form::Binary
    } else {
        Form::Text
    };
    let (data, source) = match (words.next(), file(words)?) {
        (Some(_), Some(_)) => return Err("a text beside --file; allowed: one of both".to_owned()),
        (Some(text), None) => (message(text, form)?, None),
        (None, source) => (
            Data::Text(String::new()),
            source.or(Some(InputSource::Stdin)),
        ),
    };
    let send = Send {
        id,
        data,
        receivers,
    };
    let input = source.map(|source| CallInput { source, form });
    call_with(words, Call::Send(send), input)
}

fn receivers(words: &mut Words) -> Result<Receivers, String> {
    let to = words.text("--to")?;
    let except = words.text("--except")?;
    let user = words.text("--user")?;
    match (to, except, user) {
        (None, None, None) => Ok(Receivers::All),
        (Some(to), None, None) => Ok(Receivers::To(connection("--to", &to)?)),
        (None, Some(except), None) => Ok(Receivers::Except(connection("--except", &except)?)),
        (None, None, Some(user)) => Ok(Receivers::User(user)),
        _ => Err("--to, --except and --user exclude each other; allowed: one of them".to_owned()),
    }
}

fn message(text: OsString, form: Form) -> Result<Data, String> {
    match (form, text.into_string()) {
        (Form::Binary, Ok(text)) => Ok(Data::Binary(text.into_bytes())),
        (Form::Binary, Err(bytes)) => Ok(Data::Binary(bytes.into_vec())),
        (_, Ok(text)) => Ok(Data::Text(text)),
        (_, Err(_)) => Err("the text is not UTF-8; allowed: UTF-8, or --binary".to_owned()),
    }
}

/// The source that `--file` names.
fn file(words: &mut Words) -> Result<Option<InputSource>, String> {
    Ok(words.value("--file")?.map(|file| match file.to_str() {
        Some("-") => InputSource::Stdin,
        _ => InputSource::File(PathBuf::from(file)),
    }))
}

pub(super) fn kick(words: &mut Words) -> Result<Command, String> {
    let name = required(words, ConnectionName::ALLOWED)?;
    let code = words.number("--code")?.map(Kick::close_code).transpose();
    let kick = Kick {
        connection: connection("kick", &name)?,
        code: code.map_err(option)?.unwrap_or(CloseCode::POLICY_VIOLATION),
        reason: words.text("--reason")?.unwrap_or_default(),
    };
    kick.check().map_err(option)?;
    call(words, Call::Kick(kick))
}

pub(super) fn respond(words: &mut Words) -> Result<Command, String> {
    let name = required(words, RequestName::ALLOWED)?;
    let request = RequestName::parse(&name)
        .ok_or_else(|| format!("respond: {name:?}; allowed: {}", RequestName::ALLOWED))?;
    let (content, source) = content(words)?;
    let respond = Respond {
        status: words.number("--status")?,
        media_type: words.text("--type")?,
        content,
        headers: words
            .texts("--header")?
            .iter()
            .map(|line| header(line))
            .collect::<Result<_, _>>()?,
        cookies: words.texts("--cookie")?,
        ..Respond::new(request)
    };
    respond.check().map_err(option)?;
    let input = source.map(|source| CallInput {
        source,
        form: Form::Either,
    });
    call_with(words, Call::Respond(respond), input)
}

fn content(words: &mut Words) -> Result<(Content, Option<InputSource>), String> {
    match (
        words.text("--text")?,
        file(words)?,
        words.text("--redirect")?,
    ) {
        (None, None, None) => Ok((Content::Empty, None)),
        (Some(text), None, None) => Ok((Content::Body(Data::Text(text)), None)),
        // The body is read later; the empty one stands for it in the checks.
        (None, source @ Some(_), None) => Ok((Content::Body(Data::Text(String::new())), source)),
        (None, None, Some(location)) => Ok((Content::Redirect(location), None)),
        _ => {
            Err("--text, --file and --redirect exclude each other; allowed: one of them".to_owned())
        }
    }
}

fn header(line: &str) -> Result<(String, String), String> {
    match line.split_once(':') {
        Some((name, value)) => Ok((name.to_owned(), value.trim_matches([' ', '\t']).to_owned())),
        None => Err(format!(
            "--header: {line:?}; allowed: a field, such as 'X-Site: attic'"
        )),
    }
}

pub(super) fn events(words: &mut Words) -> Result<Command, String> {
    let mut ids = Vec::new();
    while let Some(id) = words.next_text()? {
        ids.push(id);
    }
    let kind = |name: String| {
        EventKind::parse(&name)
            .ok_or_else(|| format!("--kind: {name:?}; allowed: {}", EventKind::allowed()))
    };
    let kinds = words
        .texts("--kind")?
        .into_iter()
        .map(kind)
        .collect::<Result<_, _>>()?;
    call(words, Call::Subscribe(Subscribe { ids, kinds }))
}

fn required(words: &mut Words, allowed: &str) -> Result<String, String> {
    words
        .next_text()?
        .ok_or_else(|| format!("missing argument; allowed: {allowed}"))
}

fn connection(what: &str, text: &str) -> Result<ConnectionName, String> {
    ConnectionName::parse(text)
        .ok_or_else(|| format!("{what}: {text:?}; allowed: {}", ConnectionName::ALLOWED))
}

/// The fault of a wrong param, with the name of its option.
fn option(error: Error) -> String {
    let message = error.message;
    match message.split_once(": ") {
        Some(("headers", rest)) => format!("--header: {rest}"),
        Some(("cookies", rest)) => format!("--cookie: {rest}"),
        _ => format!("--{message}"),
    }
}

/// The options that most verbs have.
pub(super) fn options(words: &mut Words) -> Result<CommonOptions, String> {
    Ok(CommonOptions {
        config: words.value("--config")?.map(PathBuf::from),
        verbosity: verbosity(words)?,
        json: words.flag("--json"),
    })
}

fn verbosity(words: &Words) -> Result<Verbosity, String> {
    match (words.flag("-q"), words.count("-v")) {
        (false, 0) => Ok(Verbosity::AsConfigured),
        (false, 1) => Ok(Verbosity::Verbose),
        (false, _) => Ok(Verbosity::Everything),
        (true, 0) => Ok(Verbosity::Quiet),
        (true, _) => Err("-q and -v exclude each other".to_owned()),
    }
}

/// A call with the options that all calls share.
pub(super) fn call(words: &mut Words, call: Call) -> Result<Command, String> {
    call_with(words, call, None)
}

/// The same, of a message or body that is still to be read.
fn call_with(words: &mut Words, call: Call, input: Option<CallInput>) -> Result<Command, String> {
    Ok(Command::Control(DaemonCall {
        call,
        input,
        socket: words.value("--socket")?.map(PathBuf::from),
        timeout: words.duration("--timeout")?.unwrap_or(TIMEOUT),
        common: options(words)?,
    }))
}

pub(super) fn client_test(words: &mut Words) -> Result<Command, String> {
    let target = required(words, "the id of a client, a URL, or - for a URL on stdin")?;
    Ok(Command::ClientTest(ClientTest {
        target,
        timeout: words.duration("--timeout")?.unwrap_or(TIMEOUT),
        common: options(words)?,
    }))
}

pub(super) fn client_new(words: &mut Words) -> Result<Command, String> {
    let url = required(words, "a URL, or - for one on stdin")?;
    let id = match words.text("--id")? {
        None => None,
        Some(text) => Some(Id::new(&text).ok_or_else(|| {
            format!("--id: {text:?}; allowed: letters, digits and underscores, not beginning with a digit")
        })?),
    };
    Ok(Command::ClientNew(ClientNew { url, id }))
}
