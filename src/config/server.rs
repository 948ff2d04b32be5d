//! `[[server]]`: a set of bindings with one behaviour.

use std::path::Path;

use crate::config::address::{Address, BIND_FORMS};
use crate::config::auth::Auth;
use crate::config::fault::{Faults, Place, Placed};
use crate::config::http::Http;
use crate::config::id::Id;
use crate::config::limits::Limits;
use crate::config::origin::{ORIGIN_FORMS, Origins, parse_origin};
use crate::config::raw::Table;
use crate::config::tls::Tls;
use crate::config::users::Users;
use crate::config::value::{is_token, quoted};

/// One server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Unique without regard to case.
    pub id: Id,
    /// For people; the id when the file gives none.
    pub name: String,
    /// Whether it starts with the daemon.
    pub active: bool,
    /// Where it listens; never empty.
    pub bind: Vec<Bind>,
    /// What it does with a message by itself.
    pub messages: Messages,
    /// The subprotocols it speaks (RFC 6455 §1.9), unique.
    pub subprotocols: Vec<String>,
    /// Whose pages may connect.
    pub origins: Origins,
    /// Encrypts its connections.
    pub tls: Option<Tls>,
    /// What a plain request gets.
    pub http: Http,
    /// Whether it asks who somebody is.
    pub auth: Auth,
    /// Who may enter, if not everybody; there whenever `auth` requires it.
    pub users: Option<Users>,
    /// How much a peer may take.
    pub limits: Limits,
}

/// One address to listen on, and where it is written. Moved to another line it is still the same.
#[derive(Clone, Debug)]
pub struct Bind {
    /// The address.
    pub address: Address,
    /// For the fault when it cannot be bound; absent when no file says so.
    pub place: Option<Place>,
}

impl PartialEq for Bind {
    fn eq(&self, other: &Bind) -> bool {
        self.address == other.address
    }
}

impl Eq for Bind {}

/// What a server does with a message by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Messages {
    /// Nothing.
    None,
    /// Sends it back.
    Echo,
    /// Sends it to all other connections of the server.
    Broadcast,
}

impl Server {
    /// A server with the default of every key.
    pub(super) fn with_defaults(id: Id, bind: Vec<Bind>) -> Server {
        Server {
            name: id.to_string(),
            id,
            active: true,
            bind,
            messages: Messages::None,
            subprotocols: Vec::new(),
            origins: Origins::Own,
            tls: None,
            http: Http::default(),
            auth: Auth::Anonymous,
            users: None,
            limits: Limits::default(),
        }
    }

    /// Reads the `ordinal`th server of the file, counted from 1. Beside it, where its id is written.
    pub(super) fn read(
        mut table: Table<'_>,
        ordinal: usize,
        folder: &Path,
        faults: &mut Faults<'_>,
    ) -> Placed<Server> {
        let (id, place) = read_id(&mut table, "server", Id::of_server(ordinal), faults);
        let name = read_name(&mut table, faults);
        let active = table.flag("active", faults).is_none_or(|flag| flag.value);
        let mut server = Server::with_defaults(id, read_bind(&mut table, folder, faults));
        server.name = name.unwrap_or(server.name);
        server.active = active;
        let behaviours = [
            ("none", Messages::None),
            ("echo", Messages::Echo),
            ("broadcast", Messages::Broadcast),
        ];
        server.messages = table.choice("messages", server.messages, &behaviours, faults);
        server.subprotocols = read_subprotocols(&mut table, faults);
        server.origins = read_origins(&mut table, faults);
        let tls = table.table("tls", "[server.tls]", faults);
        if tls.is_there() {
            server.tls = Tls::read(tls, folder, faults);
        }
        server.http = Http::read(table.table("http", "[server.http]", faults), folder, faults);
        (server.auth, server.users) = read_access(&mut table, folder, faults);
        server.limits = Limits::read(table.table("limits", "[server.limits]", faults), faults);
        table.finish(faults);
        Placed {
            value: server,
            place,
        }
    }
}

/// The id of a server or of a client, and where it is written.
pub(super) fn read_id(
    table: &mut Table<'_>,
    kind: &str,
    default: Id,
    faults: &mut Faults<'_>,
) -> (Id, Place) {
    let Some(Placed { value, place }) = table.text("id", faults) else {
        return (default, table.place());
    };
    let id = Id::new(value).unwrap_or_else(|| {
        faults.refuse(
            place,
            format!(
                "invalid WS {kind} ID {}; allowed: letters, digits and underscores, beginning with a letter or an underscore",
                quoted(value)
            ),
        );
        default
    });
    (id, place)
}

pub(super) fn read_name(table: &mut Table<'_>, faults: &mut Faults<'_>) -> Option<String> {
    let Placed { value, place } = table.text("name", faults)?;
    if value.trim().is_empty() || value.chars().any(char::is_control) {
        faults.refuse(
            place,
            format!("name: {}; allowed: one line of text", quoted(value)),
        );
    }
    Some(value.to_owned())
}

fn read_bind(table: &mut Table<'_>, folder: &Path, faults: &mut Faults<'_>) -> Vec<Bind> {
    const EXAMPLE: &str = "[\"127.0.0.1:8080\", \"[::1]:8080\", \"unix:/run/front.sock\"]";
    let allowed = format!("allowed: a list of addresses, such as {EXAMPLE}");
    let at = table.place();
    if !table.has("bind") {
        faults.misplaced(at, format!("bind is missing in [[server]]; {allowed}"));
    }
    let Some(texts) = table.texts("bind", EXAMPLE, faults) else {
        return Vec::new();
    };
    if texts.value.is_empty() {
        faults.refuse(texts.place, format!("bind: an empty list; {allowed}"));
    }
    let mut bind = Vec::with_capacity(texts.value.len());
    for text in texts.value {
        match Address::parse(text.value, folder) {
            Ok(address) => bind.push(Bind {
                address,
                place: Some(text.place),
            }),
            Err(what) => faults.refuse(text.place, format!("bind: {what}; allowed: {BIND_FORMS}")),
        }
    }
    bind
}

pub(super) fn read_subprotocols(table: &mut Table<'_>, faults: &mut Faults<'_>) -> Vec<String> {
    let texts = table.texts("subprotocols", "[\"chat.v1\"]", faults);
    let mut subprotocols: Vec<String> = Vec::new();
    for Placed { value, place } in texts.into_iter().flat_map(|texts| texts.value) {
        // RFC 6455 §4.1: unique strings, each a token.
        if !is_token(value) {
            faults.refuse(
                place,
                format!(
                    "subprotocols: {} is no token; allowed: letters, digits and !#$%&'*+-.^_`|~",
                    quoted(value)
                ),
            );
        } else if subprotocols.iter().any(|known| known == value) {
            faults.refuse(
                place,
                format!(
                    "subprotocols: {} is there already; allowed: each once",
                    quoted(value)
                ),
            );
        } else {
            subprotocols.push(value.to_owned());
        }
    }
    subprotocols
}

fn read_origins(table: &mut Table<'_>, faults: &mut Faults<'_>) -> Origins {
    let texts = table.text_or_texts("origins", "[\"https://example.org\"]", faults);
    let mut origins = Vec::new();
    let mut any = false;
    for Placed { value, place } in texts.into_iter().flat_map(|texts| texts.value) {
        match parse_origin(value) {
            Some(origin) => origins.push(origin),
            None if value == "*" => any = true,
            None => faults.refuse(
                place,
                format!(
                    "origins: {} is no origin; allowed: {ORIGIN_FORMS}",
                    quoted(value)
                ),
            ),
        }
    }
    match (any, origins.is_empty()) {
        (true, _) => Origins::Any,
        (false, true) => Origins::Own,
        (false, false) => Origins::Listed(origins),
    }
}

/// `[server.auth]` and `[server.users]`, which needs the other.
fn read_access(
    table: &mut Table<'_>,
    folder: &Path,
    faults: &mut Faults<'_>,
) -> (Auth, Option<Users>) {
    let (auth, needed) = Auth::read(table.table("auth", "[server.auth]", faults), faults);
    let has_users = table.has("users");
    let users = table.table("users", "[server.users]", faults);
    let place = users.place();
    let users = users
        .is_there()
        .then(|| Users::read(users, folder, faults))
        .flatten();
    match needed {
        Some(needed) if !has_users => faults.misplaced(
            needed,
            "there are no users, so that nobody could enter; [server.users] is missing",
        ),
        None if users.is_some() => faults.warn(
            place,
            "users: nobody is asked, for everybody may enter unless basic or url is true in [server.auth]",
        ),
        _ => {}
    }
    (auth, users)
}
