//! Floor 2: the configuration file.
//!
//! Text in, checked values out: a [`Config`] that exists is valid, and what it cannot express is refused with its
//! place. Every fault is found in one reading. Keys whose features are not built are refused, never ignored; those that
//! ask for nothing are accepted. Which users and groups the system has is not asked here, nor is anything bound.
//!
//! Left to right, each file imports from those before it:
//! fault, value, secret, raw (the file as written), id, address, origin, limits, http, tls, auth, users, daemon, server,
//! client, program, trigger, socket.

mod address;
mod auth;
mod client;
mod daemon;
mod fault;
mod http;
mod id;
mod limits;
mod origin;
mod program;
mod raw;
mod secret;
mod server;
mod socket;
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
pub use client::{Basic, Client, Identity, Reconnect, Trust};
pub use daemon::{Daemon, LogLevel};
pub use fault::{Fault, Findings, Open, Place, Placed, open_file};
pub use http::{Folder, Http, Page, Serve};
pub use id::Id;
pub use limits::{Limits, SlowPeer};
pub use origin::Origins;
pub use program::{find_program, search_path};
pub use secret::Secret;
pub use server::{Bind, Messages, Server};
pub use socket::control_socket;
pub use tls::Tls;
pub use trigger::{Action, How, Match, Mode, On, Paths, Reply, Run, Trigger};
pub use users::{Origin, UserEntry, Users};
pub(crate) use value::quoted;

use fault::Faults;
use raw::Table;
use secret::is_open_to_others;
use trigger::Known;

/// A configuration without faults.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The file it was read from; absent for the built-in default.
    pub file: Option<PathBuf>,
    /// What is of the whole daemon.
    pub daemon: Daemon,
    /// The servers in file order.
    pub servers: Vec<Server>,
    /// The clients in file order.
    pub clients: Vec<Client>,
    /// The triggers in file order, which is the order in which they are asked.
    pub triggers: Vec<Trigger>,
    /// The other files that were read for it, such as those of users.
    pub files: Vec<PathBuf>,
    /// What works, but hardly as it was meant.
    pub warnings: Vec<Fault>,
}

impl Config {
    /// A fault that shows only when the system is asked, such as an address that cannot be bound.
    pub fn fault(&self, place: Option<Place>, what: impl Into<String>) -> Fault {
        let file = self.file.clone();
        Fault {
            file: file.unwrap_or_else(|| PathBuf::from("built-in default")),
            place,
            what: what.into(),
        }
    }
}

/// Reads a configuration file, and the documents that it names.
pub fn load(path: &Path) -> Result<Config, Vec<Fault>> {
    load_with(path, |_, _, _| Findings::default())
}

/// The same, with what `system` finds among the rest: which users there are, for example, is not known here, nor what
/// makes a certificate.
pub fn load_with(
    path: &Path,
    system: impl FnOnce(&Daemon, &[Server], &[Client]) -> Findings,
) -> Result<Config, Vec<Fault>> {
    let fault = |what| {
        let file = path.to_owned();
        vec![Fault {
            file,
            place: None,
            what,
        }]
    };
    let bytes = std::fs::read(path).map_err(|error| fault(error.to_string()))?;
    read_with(&bytes, path, &open_file, system)
}

/// The same of what was read already. The other files that it names are opened by `open`.
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
            let place = Faults::new(path, &valid).place(valid.len());
            Err(vec![Fault {
                file: path.to_owned(),
                place: Some(place),
                what: "a byte that is not UTF-8; allowed: text in UTF-8".to_owned(),
            }])
        }
    }
}

/// Reads the text of a configuration file. `file` gives faults their name, and relative paths their folder.
pub fn parse(text: &str, file: &Path) -> Result<Config, Vec<Fault>> {
    parse_with(text, file, &open_file, |_, _, _| Findings::default())
}

fn parse_with(
    text: &str,
    file: &Path,
    open: Open<'_>,
    system: impl FnOnce(&Daemon, &[Server], &[Client]) -> Findings,
) -> Result<Config, Vec<Fault>> {
    let mut faults = Faults::opening(file, text, open);
    let (document, mut errors) = DeTable::parse_recoverable(text);
    let offset = |error: &toml::de::Error| error.span().map_or(0, |span| span.start);
    errors.sort_by_key(offset);
    for error in errors {
        let place = faults.place(offset(&error));
        faults.syntax(place, error.message().replace('\n', " "));
    }
    let folder = file.parent().unwrap_or(Path::new(""));
    let mut top = Table::top(document.get_ref());
    let daemon = Daemon::read(
        top.table("daemon", "[daemon]", &mut faults),
        folder,
        &mut faults,
    );
    let servers = read_servers(&mut top, folder, &mut faults);
    let clients = read_clients(&mut top, folder, file, &mut faults);
    check_ids(&servers, &clients, &mut faults);
    if servers.is_empty() && clients.is_empty() {
        faults.warn(
            top.place(),
            "there is no [[server]] and no [[client]], so the daemon would do nothing",
        );
    }
    let servers: Vec<Server> = servers.into_iter().map(|server| server.value).collect();
    let clients: Vec<Client> = clients.into_iter().map(|client| client.value).collect();
    faults.add(system(&daemon, &servers, &clients));
    check_collisions(&daemon, &servers, &mut faults);
    let known = Known {
        servers: servers.iter().map(|server| server.id.clone()).collect(),
        clients: clients.iter().map(|client| client.id.clone()).collect(),
    };
    let triggers = read_triggers(&mut top, &known, folder, &mut faults);
    top.finish(&mut faults);
    Ok(Config {
        file: Some(file.to_owned()),
        daemon,
        servers,
        clients,
        triggers,
        files: faults.take_opened(),
        warnings: faults.finish()?,
    })
}

/// What runs when there is no configuration file at all: an echo server on this machine, and a page to try it.
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

fn read_servers(
    top: &mut Table<'_>,
    folder: &Path,
    faults: &mut Faults<'_>,
) -> Vec<Placed<Server>> {
    let tables = top.tables("server", "[[server]]", faults);
    let read = |(index, table)| Server::read(table, index + 1, folder, faults);
    tables.into_iter().enumerate().map(read).collect()
}

fn read_clients(
    top: &mut Table<'_>,
    folder: &Path,
    file: &Path,
    faults: &mut Faults<'_>,
) -> Vec<Placed<Client>> {
    let exposed = is_open_to_others(file);
    let tables = top.tables("client", "[[client]]", faults);
    let read = |(index, table)| Client::read(table, index + 1, folder, exposed, faults);
    tables.into_iter().enumerate().map(read).collect()
}

/// Refuses an id that another server or client has already.
fn check_ids(servers: &[Placed<Server>], clients: &[Placed<Client>], faults: &mut Faults<'_>) {
    let servers = servers
        .iter()
        .map(|server| ("server", &server.value.id, server.place));
    let clients = clients
        .iter()
        .map(|client| ("client", &client.value.id, client.place));
    let mut seen: Vec<(&str, &Id, Place)> = Vec::new();
    for (kind, id, place) in servers.chain(clients) {
        if let Some((kind, _, first)) = seen.iter().find(|(_, known, _)| *known == id) {
            faults.refuse(
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

fn read_triggers(
    top: &mut Table<'_>,
    known: &Known,
    folder: &Path,
    faults: &mut Faults<'_>,
) -> Vec<Trigger> {
    let tables = top.tables("trigger", "[[trigger]]", faults);
    let read = |(index, table)| Trigger::read(table, index + 1, known, folder, faults);
    tables.into_iter().enumerate().filter_map(read).collect()
}

/// Refuses a second listener on one address; it would fail at start, with less of a hint.
fn check_collisions(daemon: &Daemon, servers: &[Server], faults: &mut Faults<'_>) {
    let mut seen: Vec<&Bind> = Vec::new();
    for bind in servers.iter().flat_map(|server| &server.bind) {
        let Some(place) = bind.place else { continue };
        if let Some(first) = seen
            .iter()
            .find(|first| first.address.collides(&bind.address))
        {
            let line = first.place.map_or(0, |place| place.line);
            faults.refuse(
                place,
                format!(
                    "bind: {} collides with {} of line {line}; allowed: each address once",
                    bind.address, first.address
                ),
            );
        } else if matches!(&bind.address, Address::Unix(path) if daemon.socket.as_ref() == Some(path))
        {
            faults.refuse(
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
