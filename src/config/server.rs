//! `[[server]]`: a set of bindings with one behaviour.

use crate::config::address::{Address, BIND_FORMS};
use crate::config::auth::Auth;
use crate::config::fault::{Place, Placed};
use crate::config::http::Http;
use crate::config::id::Id;
use crate::config::limits::Limits;
use crate::config::origin::{ORIGIN_FORMS, Origins, parse_origin};
use crate::config::table::Table;
use crate::config::tls::Tls;
use crate::config::users::Users;
use crate::config::value::{TOKEN, is_token, quoted};

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
    /// What it does with a message that no trigger takes.
    pub messages: Messages,
    /// The subprotocols it speaks (RFC 6455 §1.9), unique.
    pub subprotocols: Vec<String>,
    /// The origins of pages that may connect.
    pub origins: Origins,
    /// Its certificate and key; absent: it does not encrypt.
    pub tls: Option<Tls>,
    /// Its answers to plain HTTP requests.
    pub http: Http,
    /// Whether and how it authenticates its peers.
    pub auth: Auth,
    /// Its users; present whenever `auth` requires them.
    pub users: Option<Users>,
    /// How much memory and time a peer may take.
    pub limits: Limits,
}

/// An address to listen on. Two are equal when their addresses are, so that moving a line changes nothing.
#[derive(Clone, Debug)]
pub struct Bind {
    /// The address.
    pub address: Address,
    /// For the fault when it cannot be bound; absent in the built-in default.
    pub place: Option<Place>,
}

impl PartialEq for Bind {
    fn eq(&self, other: &Bind) -> bool {
        self.address == other.address
    }
}

impl Eq for Bind {}

/// What a server does with a message that no trigger takes.
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

    /// Reads the `ordinal`th server of the file, counted from 1. The place is that of its id.
    pub(super) fn read(mut table: Table<'_>, ordinal: usize) -> Placed<Server> {
        let (id, place) = read_id(&mut table, "server", Id::of_server(ordinal));
        let name = read_name(&mut table);
        let active = table.flag_or("active", true);
        let mut server = Server::with_defaults(id, read_bind(&mut table));
        server.name = name.unwrap_or(server.name);
        server.active = active;
        let behaviours = [
            ("none", Messages::None),
            ("echo", Messages::Echo),
            ("broadcast", Messages::Broadcast),
        ];
        server.messages = table.choice("messages", server.messages, &behaviours);
        server.subprotocols = read_subprotocols(&mut table);
        server.origins = read_origins(&mut table);
        server.tls = Tls::read(table.table("tls", "[server.tls]"));
        server.http = Http::read(table.table("http", "[server.http]"));
        (server.auth, server.users) = read_access(&mut table);
        server.limits = Limits::read(table.table("limits", "[server.limits]"));
        table.finish();
        Placed {
            value: server,
            place,
        }
    }
}

/// The id of a server or client, and its place, or that of the table when the file gives no id.
pub(super) fn read_id(table: &mut Table<'_>, kind: &str, default: Id) -> (Id, Place) {
    let Some(Placed { value, place }) = table.text("id") else {
        return (default, table.place());
    };
    let id = Id::new(value).unwrap_or_else(|| {
        let value = quoted(value);
        table.refuse(
            place,
            format!("invalid WS {kind} ID {value}; allowed: letters, digits and underscores, beginning with a letter or an underscore"),
        );
        default
    });
    (id, place)
}

/// The name of a server, client or trigger.
pub(super) fn read_name(table: &mut Table<'_>) -> Option<String> {
    let name = table.checked("name", "one line of text", |name| {
        !name.trim().is_empty() && !name.chars().any(char::is_control)
    });
    name.map(|name| name.value.to_owned())
}

fn read_bind(table: &mut Table<'_>) -> Vec<Bind> {
    const EXAMPLE: &str = "[\"127.0.0.1:8080\", \"[::1]:8080\", \"unix:/run/front.sock\"]";
    let allowed = format!("a list of addresses, such as {EXAMPLE}");
    table.require("bind", &allowed);
    let folder = table.folder();
    let bind = table.parsed_list("bind", EXAMPLE, |text| {
        Address::parse(text, folder).map_err(|what| format!("{what}; allowed: {BIND_FORMS}"))
    });
    table.refuse_empty("bind", &format!("; allowed: {allowed}"));
    let bind = bind.into_iter().map(|bind| Bind {
        address: bind.value,
        place: Some(bind.place),
    });
    bind.collect()
}

pub(super) fn read_subprotocols(table: &mut Table<'_>) -> Vec<String> {
    let mut seen = Vec::new();
    table.parsed_list("subprotocols", "[\"chat.v1\"]", |text| {
        let shown = quoted(text);
        // RFC 6455 §4.1: unique strings, each a token.
        if !is_token(text) {
            return Err(format!("{shown} is no token; allowed: {TOKEN}"));
        }
        if seen.contains(&text) {
            return Err(format!("{shown} is there already; allowed: each once"));
        }
        seen.push(text);
        Ok(())
    });
    seen.into_iter().map(str::to_owned).collect()
}

fn read_origins(table: &mut Table<'_>) -> Origins {
    let origins = table.text_or_texts("origins", "[\"https://example.org\"]");
    let origins = table.parse_each("origins", origins, |text| {
        parse_origin(text)
            .or_else(|| (text == "*").then(|| text.to_owned()))
            .ok_or_else(|| format!("{} is no origin; allowed: {ORIGIN_FORMS}", quoted(text)))
    });
    let origins: Vec<String> = origins.into_iter().map(|origin| origin.value).collect();
    if origins.iter().any(|origin| origin == "*") {
        Origins::Any
    } else if origins.is_empty() {
        Origins::Own
    } else {
        Origins::Listed(origins)
    }
}

/// `[server.auth]` and `[server.users]`, of which neither is of use without the other.
fn read_access(table: &mut Table<'_>) -> (Auth, Option<Users>) {
    let (auth, needed) = Auth::read(table.table("auth", "[server.auth]"));
    let has_users = table.has("users");
    let users = table.table("users", "[server.users]");
    let place = users.place();
    let users = Users::read(users);
    match needed {
        Some(needed) if !has_users => table.misplaced(
            needed,
            "there are no users, so that nobody could enter; [server.users] is missing",
        ),
        None if users.is_some() => table.warn(
            place,
            "users: nobody is asked, for everybody may enter unless basic or url is true in [server.auth]",
        ),
        _ => {}
    }
    (auth, users)
}
