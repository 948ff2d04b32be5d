//! The table of verbs: their words, options and help, and the function that makes a command of them.

use crate::rpc::Call;

use super::calls;
use super::command::Command;
use super::page::{Opt, Page, flag, option, overview};
use super::scan::Words;

/// A verb.
pub(super) struct Verb {
    /// One word, or two; none for what a call without a verb means.
    pub(super) words: &'static [&'static str],
    pub(super) page: &'static Page,
    /// Makes the command of the words and options after the verb.
    pub(super) read: fn(&mut Words) -> Result<Command, String>,
}

const fn verb(
    words: &'static [&'static str],
    page: &'static Page,
    read: fn(&mut Words) -> Result<Command, String>,
) -> Verb {
    Verb { words, page, read }
}

pub(super) static VERBS: [Verb; 19] = [
    verb(&["run"], &RUN, |words| calls::options(words).map(Command::Run)),
    verb(&["check"], &CHECK, |words| calls::options(words).map(Command::Check)),
    verb(&["status"], &STATUS, |words| calls::call(words, Call::Status)),
    verb(&["reload"], &RELOAD, calls::reload),
    verb(&["server", "list"], &SERVER, |words| calls::list(words, Call::ServerList)),
    verb(&["server", "start"], &SERVER, |words| calls::of_server(words, Call::ServerStart)),
    verb(&["server", "stop"], &SERVER, |words| calls::of_server(words, Call::ServerStop)),
    verb(&["client", "list"], &CLIENT, |words| calls::list(words, Call::ClientList)),
    verb(&["client", "connect"], &CLIENT, |words| calls::of_client(words, Call::ClientConnect)),
    verb(&["client", "disconnect"], &CLIENT, |words| calls::of_client(words, Call::ClientDisconnect)),
    verb(&["client", "test"], &CLIENT_TEST, calls::client_test),
    verb(&["client", "new"], &CLIENT_NEW, calls::client_new),
    verb(&["send"], &SEND, calls::send),
    verb(&["connections"], &CONNECTIONS, |words| calls::list(words, Call::Connections)),
    verb(&["kick"], &KICK, calls::kick),
    verb(&["respond"], &RESPOND, calls::respond),
    verb(&["events"], &EVENTS, calls::events),
    verb(&["hash-password"], &HASH_PASSWORD, |_| Ok(Command::HashPassword)),
    verb(&[], &RUN, |words| calls::options(words).map(Command::Run)),
];

/// An option that is known, by one of its names.
pub(super) fn known(name: &str) -> Option<&'static Opt> {
    let of_verbs = VERBS.iter().flat_map(|verb| verb.page.all_options());
    of_verbs
        .chain(&EVERYWHERE)
        .find(|option| option.short == name || option.long == name)
}

/// `bellwire --help`.
pub(super) fn help() -> String {
    let named = VERBS.iter().filter(|verb| !verb.words.is_empty());
    let mut pages: Vec<&Page> = named.map(|verb| verb.page).collect();
    pages.dedup_by_key(|page| page.usage);
    let title = "bellwire: a WebSocket connection manager for small machines";
    overview(title, pages, &OVERVIEW, EXIT_STATUSES)
}

const EXIT_STATUSES: &str = "Exit status: 0 done; 1 failed; 2 wrong usage; 3 the daemon is not running, or the client not connected; 4 no such id;\n\
        5 timed out; 78 configuration fault.";

const CONFIG: Opt = Opt::new("-c", "--config", "FILE", "the configuration file; else $BELLWIRE_CONFIG, ./bellwire.toml (not as root),\n\
        /etc/bellwire/bellwire.toml; when there is none at all, the built-in default");
const SOCKET: Opt = option("--socket", "PATH", "where the daemon is; else $BELLWIRE_SOCKET, the configuration's, the user's default,\n\
        /run/bellwire/bellwire.sock");
const JSON: Opt = flag("--json", "for programs: JSON on stdout");
const TIMEOUT: Opt = option("--timeout", "TIME", "how long to wait for an answer, such as 500ms, 10s (the default) or 1min");
const QUIET: Opt = Opt::new("-q", "", "", "say only what is wrong");
const VERBOSE: Opt = Opt::new("-v", "", "", "say more; -vv says everything");
const HELP: Opt = Opt::new("-h", "--help", "", "this, or the help of a verb: bellwire send --help");
const VERSION: Opt = Opt::new("-V", "--version", "", "the version");
const END: Opt = Opt::new("--", "", "", "what follows is no option, though it may begin with a dash");
const FILE: Opt = option("--file", "F", "");

/// The options that the overview shows.
const OVERVIEW: [Opt; 9] = [
    CONFIG, SOCKET, JSON, TIMEOUT, QUIET, VERBOSE, HELP, VERSION, END,
];
/// Options of every verb.
pub(super) static EVERYWHERE: [Opt; 2] = [HELP, VERSION];
/// Options of verbs that need no daemon.
const LOCAL: &[Opt] = &[CONFIG, QUIET, VERBOSE];
/// Options of verbs that ask a daemon.
const CALL: &[Opt] = &[CONFIG, SOCKET, TIMEOUT, QUIET, VERBOSE, JSON];

/// What most pages have.
const PAGE: Page = Page {
    overview: ("", ""),
    usage: "",
    about: "",
    options: &[],
    common: CALL,
};

static RUN: Page = Page {
    overview: ("[run]", "run the servers and clients in the foreground"),
    usage: "[run] [-c FILE] [-q | -v | -vv]",
    about: "Runs the servers and clients of the configuration in the foreground and logs to stderr. Without any configuration file,\n\
        the built-in default runs: an echo server on 127.0.0.1:8080 with a page to try it. SIGTERM and SIGINT end it gracefully.",
    options: &[
        CONFIG.with_help("the configuration file"),
        QUIET.with_help("log errors only; overrides log in [daemon]"),
        VERBOSE.with_help("log debug messages; -vv traces"),
    ],
    common: LOCAL,
};

static CHECK: Page = Page {
    overview: ("check", "validate the configuration and print every fault"),
    usage: "check [-c FILE] [-q] [--json]",
    about: "Validates the configuration, opens every file it names, and prints every fault to stderr, each as\n\
        file:line:column: what is wrong, and what is allowed. Exits with 78 on any fault.",
    options: &[
        CONFIG.with_help("the configuration file"),
        QUIET.with_help("faults only: no warnings, no summary"),
        JSON.with_help("faults and warnings to stdout, one JSON object a line:\n\
        {\"kind\": \"fault\" or \"warning\", \"file\", \"line\", \"column\", \"what\"}; line and column are null\n\
        when the file cannot be read"),
    ],
    common: &[CONFIG, QUIET, VERBOSE, JSON],
};

static STATUS: Page = Page {
    overview: ("status", "servers, clients, bindings, counts, uptime"),
    usage: "status [--json]",
    about: "Prints the daemon's version and uptime, its servers and clients, and what it has counted. A server or client that a\n\
        command has brought into another state than the file says is marked.",
    options: &[JSON.with_help("the whole as one JSON object")],
    ..PAGE
};

static RELOAD: Page = Page {
    overview: ("reload [--dry-run]", "read the configuration again"),
    usage: "reload [--dry-run] [--json]",
    about: "Has the daemon read its configuration again, as SIGHUP does, and prints what was started, stopped and changed. A faulty\n\
        file is refused whole: its faults are printed, nothing changes, and the exit status is 78.",
    options: &[
        flag("--dry-run", "only print what would be started, stopped and changed"),
        JSON.with_help("{\"started\", \"stopped\", \"changed\", \"kept\"}, each a list"),
    ],
    ..PAGE
};

static SERVER: Page = Page {
    overview: ("server list|start|stop", "servers: what they do, start one, stop one"),
    usage: "server list [ID] | start ID | stop ID [--json]",
    about: "\x20 list                 all servers, or one: state, bindings, connections\n\
        \x20 start                bind its addresses and accept connections\n\
        \x20 stop                 close its connections with 1001, and its bindings\n\n\
        What start and stop did lasts through a reload that does not change the server, until the daemon ends.",
    options: &[JSON.with_help("the servers as a JSON array; of start and stop the server")],
    ..PAGE
};

static CLIENT: Page = Page {
    overview: ("client list|connect|disconnect", "clients: how they are connected, connect one, disconnect one"),
    usage: "client list [ID] | connect ID | disconnect ID | test ID|URL|- | new URL|- [--json]",
    about: "\x20 list                 all clients, or one: state, since when, and why it is not connected\n\
        \x20 connect              connect it now\n\
        \x20 disconnect           close it, and do not reconnect\n\
        \x20 test                 dial by hand: bellwire client test --help\n\
        \x20 new                  a URL as a [[client]] block: bellwire client new --help\n\n\
        What connect and disconnect did lasts through a reload that does not change the client, until the daemon ends.",
    options: &[JSON.with_help("the clients as a JSON array; of connect and disconnect the client")],
    ..PAGE
};

const STDIN: Opt = Opt::new("-", "", "", "read the URL from stdin, so that a password in it is not in the process list");

static CLIENT_TEST: Page = Page {
    overview: ("client test ID|URL|-", "dial by hand, and see where it fails"),
    usage: "client test ID|URL|- [-c FILE] [--timeout TIME] [--json]",
    about: "Dials a client of the configuration, or a URL, by hand: DNS, TCP, TLS, upgrade, ping, each with its time, or the cause of\n\
        the failure. The daemon need not run.",
    options: &[
        STDIN,
        CONFIG.with_help("the configuration file that has the ID"),
        TIMEOUT.with_help("for the whole, such as 500ms, 10s (the default) or 1min"),
        JSON.with_help("one JSON object"),
    ],
    common: &[CONFIG, TIMEOUT, QUIET, VERBOSE, JSON],
};

static CLIENT_NEW: Page = Page {
    overview: ("client new URL|-", "a URL as a [[client]] of the configuration"),
    usage: "client new URL|- [--id ID]",
    about: "Prints a [[client]] block for the configuration, with host, port, TLS and parameters from the URL.",
    options: &[STDIN, option("--id", "ID", "its id: letters, digits and underscores")],
    common: &[],
};

static SEND: Page = Page {
    overview: ("send ID [TEXT]", "send a message"),
    usage: "send ID [--to CONN | --except CONN | --user NAME] [--binary] [--file F|-] [TEXT]",
    about: "Sends one message to the connections of a server, or over a client, and prints how many it reached. It is TEXT, or what is\n\
        in a file, or what stdin has. A text that begins with a dash stands after --.",
    options: &[
        option("--to", "CONN", "to this connection only, such as c42"),
        option("--except", "CONN", "to all but this one"),
        option("--user", "NAME", "to the connections of this user"),
        flag("--binary", "a binary message; else the message is text, which has to be UTF-8"),
        FILE.with_help("the message is in this file, of up to 64 MiB; - is stdin"),
        JSON.with_help("{\"reached\": how many connections}"),
    ],
    ..PAGE
};

static CONNECTIONS: Page = Page {
    overview: ("connections [ID]", "live connections"),
    usage: "connections [ID] [--json]",
    about: "Lists the live connections, of one server or client or of all: id, source, peer, user, age, messages and bytes each way.",
    options: &[JSON.with_help("a JSON array")],
    ..PAGE
};

static KICK: Page = Page {
    overview: ("kick CONN", "close a connection"),
    usage: "kick CONN [--code N] [--reason TEXT]",
    about: "Closes a connection, such as c42.",
    options: &[
        option("--code", "N", "the close code: 1000 to 1003, 1007 to 1014, 3000 to 4999; 1008 (policy violation) when none is given"),
        option("--reason", "TEXT", "the reason that the peer is told, at most 123 bytes"),
    ],
    ..PAGE
};

static RESPOND: Page = Page {
    overview: ("respond REQ", "answer a held HTTP request"),
    usage: "respond REQ [--status N] [--type T] [--text T | --file F|- | --redirect URL] [--header 'K: V']… [--cookie 'k=v; …']…",
    about: "Answers an HTTP request that is held open, such as r7; bellwire events shows them.",
    options: &[
        option("--status", "N", "the status code; when none is given, 302 with --redirect and 200 otherwise"),
        option("--type", "T", "the Content-Type; when none is given, what the file's name says, else text/plain; charset=utf-8, or\n\
        application/octet-stream for what is no UTF-8"),
        option("--text", "T", "the body"),
        FILE.with_help("the body is in this file, of up to 64 MiB; - is stdin"),
        option("--redirect", "URL", "where to go instead"),
        option("--header", "'K: V'", "a further field; may be repeated"),
        option("--cookie", "C", "a cookie to be set, name=value and its attributes after semicolons; may be repeated"),
    ],
    ..PAGE
};

static EVENTS: Page = Page {
    overview: ("events [ID…]", "what happens, as it happens"),
    usage: "events [ID…] [--kind K]… [--json]",
    about: "Prints what happens, a line an event, until it is interrupted: of these servers and clients, or of all.",
    options: &[
        option("--kind", "K", "only events of this kind; may be repeated: server_started, server_stopped, connect, disconnect,\n\
        message, http_request, client_connected, client_disconnected, client_retrying, dropped, lost"),
        JSON.with_help("the event objects, one a line"),
    ],
    ..PAGE
};

static HASH_PASSWORD: Page = Page {
    overview: ("hash-password", "the hash of a password, for a user list"),
    usage: "hash-password",
    about: "Reads a password from the terminal, without showing it, or from stdin, and prints its hash for a user list.",
    common: &[],
    ..PAGE
};
