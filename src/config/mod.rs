//! Floor 2: the configuration file.
//!
//! Text in, checked values out: a [`Config`] that exists is valid. All faults are found in one reading, each with its
//! place. A key of a feature that is not built is refused, never ignored, unless its value is the one that changes
//! nothing. The system is not asked for users and groups here, and nothing is bound.
//!
//! Left to right, each file imports from those before it:
//! fault, value, secret, document, table, id, address, origin, limits, http, tls, auth, users, daemon, server, client,
//! program, trigger, socket.

mod address;
mod auth;
mod client;
mod daemon;
mod document;
mod fault;
mod http;
mod id;
mod limits;
mod origin;
mod program;
mod secret;
mod server;
mod socket;
mod table;
mod tls;
mod trigger;
mod users;
mod value;

#[cfg(test)]
mod tests;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use toml::de::DeTable;

pub use address::{Address, Network};
pub use auth::{Auth, Ways};
pub use client::{Basic, Client, ClientIdentity, Reconnect, Trust};
pub use daemon::{Daemon, LogLevel};
pub use document::{MAX_FILE, Open, Purpose, open_file};
pub use fault::{Fault, Findings, Place, Placed};
pub use http::{Folder, Http, Page, Serve};
pub use id::Id;
pub use limits::Limits;
pub use origin::Origins;
pub use program::{find_program, search_path};
pub use secret::Secret;
pub use server::{Bind, Messages, Server};
pub use socket::control_socket;
pub use tls::Tls;
pub use trigger::{Action, How, Match, Mode, On, Paths, Reply, Run, Trigger};
pub use users::{EntryOrigin, UserEntry, Users};
pub(crate) use value::{parse_duration, quoted};

use document::Document;
use table::Table;
use trigger::KnownIds;

/// A configuration without faults.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The file it was read from; absent for the built-in default.
    pub file: Option<PathBuf>,
    /// The settings of the process.
    pub daemon: Daemon,
    /// The servers in file order.
    pub servers: Vec<Server>,
    /// The clients in file order.
    pub clients: Vec<Client>,
    /// The triggers in file order, in which they are matched.
    pub triggers: Vec<Trigger>,
    /// The files of users and passwords that were read for it.
    pub files: Vec<PathBuf>,
    /// What works, but hardly as intended.
    pub warnings: Vec<Fault>,
}

impl Config {
    /// A fault that only the system finds, such as an address that cannot be bound.
    pub fn fault(&self, place: Option<Place>, what: impl Into<String>) -> Fault {
        let file = self.file.clone();
        Fault {
            file: file.unwrap_or_else(|| PathBuf::from("built-in default")),
            place,
            what: what.into(),
        }
    }
}

/// Reads a configuration file, whose bytes these are. What it names is opened by `open`. `system` adds what it finds: the
/// users and groups of the system and the contents of certificates, for example, are not checked here.
///
/// # Errors
/// Every fault of the file.
pub fn read_with(
    bytes: &[u8],
    path: &Path,
    open: Open<'_>,
    system: impl FnOnce(&Daemon, &[Server], &[Client]) -> Findings,
) -> Result<Config, Vec<Fault>> {
    match std::str::from_utf8(bytes) {
        Ok(text) => parse_with(text, path, open, system),
        Err(error) => {
            let valid = bytes.get(..error.valid_up_to()).unwrap_or_default();
            let valid = String::from_utf8_lossy(valid);
            let place = Document::new(path, &valid, open).place(valid.len());
            Err(vec![Fault {
                file: path.to_owned(),
                place: Some(place),
                what: "a byte that is not UTF-8; allowed: text in UTF-8".to_owned(),
            }])
        }
    }
}

/// The `[daemon]` table alone, as far as it can be read. Faults are not told: to be called before the whole is read.
#[must_use]
pub fn read_daemon(bytes: &[u8], path: &Path) -> Daemon {
    let text = std::str::from_utf8(bytes).unwrap_or_default();
    let (entries, _) = DeTable::parse_recoverable(text);
    let document = Document::new(path, text, &open_file);
    let mut top = Table::top(&document, entries.get_ref());
    Daemon::read(top.table("daemon", "[daemon]"))
}

/// Reads the text of a configuration file. Faults name `file`, and relative paths begin in its folder.
///
/// # Errors
/// Every fault of the text.
pub fn parse(text: &str, file: &Path) -> Result<Config, Vec<Fault>> {
    parse_with(text, file, &open_file, |_, _, _| Findings::default())
}

fn parse_with(
    text: &str,
    file: &Path,
    open: Open<'_>,
    system: impl FnOnce(&Daemon, &[Server], &[Client]) -> Findings,
) -> Result<Config, Vec<Fault>> {
    let (mut config, found) = survey_with(text, file, open, system);
    config.warnings = found?;
    Ok(config)
}

/// What a configuration file names, as far as it can be read, and whether it has no faults. A file with faults must not be
/// run.
#[must_use]
pub fn survey(bytes: &[u8], file: &Path, open: Open<'_>) -> (Config, bool) {
    let (text, is_text) = match std::str::from_utf8(bytes) {
        Ok(text) => (text, true),
        Err(_) => ("", false),
    };
    let (config, found) = survey_with(text, file, open, |_, _, _| Findings::default());
    (config, is_text && found.is_ok())
}

/// What the text says, and its warnings or faults.
fn survey_with(
    text: &str,
    file: &Path,
    open: Open<'_>,
    system: impl FnOnce(&Daemon, &[Server], &[Client]) -> Findings,
) -> (Config, Result<Vec<Fault>, Vec<Fault>>) {
    let mut document = Document::new(file, text, open);
    let (entries, mut errors) = DeTable::parse_recoverable(text);
    let offset = |error: &toml::de::Error| error.span().map_or(0, |span| span.start);
    errors.sort_by_key(offset);
    for error in errors {
        let place = document.place(offset(&error));
        document.syntax(place, error.message().replace('\n', " "));
    }
    let mut config = read_config(&document, entries.get_ref(), system);
    config.files = document.take_secrets();
    (config, document.finish())
}

/// What the document says. Of no use if it has a fault.
fn read_config<'d>(
    document: &'d Document<'d>,
    entries: &'d DeTable<'d>,
    system: impl FnOnce(&Daemon, &[Server], &[Client]) -> Findings,
) -> Config {
    let mut top = Table::top(document, entries);
    let daemon = Daemon::read(top.table("daemon", "[daemon]"));
    let servers: Vec<Placed<Server>> = (1..)
        .zip(top.tables("server", "[[server]]"))
        .map(|(ordinal, table)| Server::read(table, ordinal))
        .collect();
    let clients: Vec<Placed<Client>> = (1..)
        .zip(top.tables("client", "[[client]]"))
        .map(|(ordinal, table)| Client::read(table, ordinal))
        .collect();
    check_ids(&servers, &clients, document);
    if servers.is_empty() && clients.is_empty() {
        top.warn(
            top.place(),
            "there is no [[server]] and no [[client]], so the daemon would do nothing",
        );
    }
    let servers: Vec<Server> = servers.into_iter().map(|server| server.value).collect();
    let clients: Vec<Client> = clients.into_iter().map(|client| client.value).collect();
    document.add(system(&daemon, &servers, &clients));
    check_collisions(&daemon, &servers, document);
    let known = KnownIds {
        servers: servers.iter().map(|server| server.id.clone()).collect(),
        clients: clients.iter().map(|client| client.id.clone()).collect(),
    };
    let triggers = (1..)
        .zip(top.tables("trigger", "[[trigger]]"))
        .filter_map(|(ordinal, table)| Trigger::read(table, ordinal, &known))
        .collect();
    top.finish();
    Config {
        file: Some(document.file().to_owned()),
        daemon,
        servers,
        clients,
        triggers,
        files: Vec::new(),
        warnings: Vec::new(),
    }
}

/// The configuration without any file: an echo server on this machine, and a page to try it.
pub fn built_in() -> Config {
    let address = Address::Tcp(SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)));
    let mut server = Server::with_defaults(
        Id::of_server(1),
        vec![Bind {
            address,
            place: None,
        }],
    );
    server.messages = Messages::Echo;
    server.http.serve = Serve::Page(Page {
        content: include_bytes!("built_in.html").as_slice().into(),
        content_type: "text/html; charset=utf-8".to_owned(),
    });
    Config {
        file: None,
        daemon: Daemon::default(),
        servers: vec![server],
        clients: Vec::new(),
        triggers: Vec::new(),
        files: Vec::new(),
        warnings: Vec::new(),
    }
}

/// Refuses an id that another server or client has already.
fn check_ids(servers: &[Placed<Server>], clients: &[Placed<Client>], document: &Document<'_>) {
    let servers = servers
        .iter()
        .map(|server| ("server", &server.value.id, server.place));
    let clients = clients
        .iter()
        .map(|client| ("client", &client.value.id, client.place));
    let mut seen: Vec<(&str, &Id, Place)> = Vec::new();
    for (kind, id, place) in servers.chain(clients) {
        if let Some((kind, _, first)) = seen.iter().find(|(_, known, _)| *known == id) {
            document.refuse(
                place,
                format!(
                    "id: {id} is the {kind} of line {} already; allowed: ids that differ in more than case",
                    first.line
                ),
            );
        }
        seen.push((kind, id, place));
    }
}

/// Refuses a second listener on one address. At start it would fail with a less clear message.
fn check_collisions(daemon: &Daemon, servers: &[Server], document: &Document<'_>) {
    let mut seen: Vec<&Bind> = Vec::new();
    for bind in servers.iter().flat_map(|server| &server.bind) {
        let Some(place) = bind.place else { continue };
        if let Some(first) = seen
            .iter()
            .find(|first| first.address.collides(&bind.address))
        {
            let line = first.place.map_or(0, |place| place.line);
            document.refuse(
                place,
                format!(
                    "bind: {} collides with {} of line {line}; allowed: each address once",
                    bind.address, first.address
                ),
            );
        } else if matches!(&bind.address, Address::Unix(path) if daemon.socket.as_ref() == Some(path))
        {
            document.refuse(
                place,
                format!(
                    "bind: {} is the socket of [daemon]; allowed: another path",
                    bind.address
                ),
            );
        }
        seen.push(bind);
    }
}
