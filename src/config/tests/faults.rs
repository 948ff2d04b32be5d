//! Faulty files, with every line that a person is shown.

use super::lines;
use crate::config::*;

/// Asserts that `text` has exactly these faults, each given as `line:column: what`.
#[track_caller]
pub(super) fn assert_faults(text: &str, expected: &[&str]) {
    let faults = match parse(text, Path::new("f.toml")) {
        Ok(_) => Vec::new(),
        Err(faults) => faults,
    };
    let expected: Vec<String> = expected
        .iter()
        .map(|line| format!("f.toml:{line}\n"))
        .collect();
    assert_eq!(lines(&faults), expected.concat(), "{text}");
}

/// The same for a server whose first two lines are right, so that `rest` begins at line 3.
#[track_caller]
pub(super) fn assert_server_faults(rest: &str, expected: &[&str]) {
    assert_faults(
        &format!("[[server]]\nbind = [\"127.0.0.1:80\"]\n{rest}"),
        expected,
    );
}

#[test]
fn what_is_no_toml_is_a_fault_among_the_others() {
    assert_faults(
        "[daemon]\nlog = \nmax_conections = 3\n\n[[server]]\nbind = [\"x\"]\n",
        &[
            "2:7: string values must be quoted, expected literal string",
            "3:1: unknown key \"max_conections\" in [daemon], did you mean max_connections? allowed: socket, user, group, log, max_connections, max_memory",
            "6:9: bind: \"x\" is no address; allowed: \"IPv4:port\", \"[IPv6]:port\" or \"unix:/path\"",
        ],
    );
    assert_faults(
        "[daemon]\nlog = \"info\"\nlog = \"warn\"\n[[server]\nmessages = \"echo\"\n",
        &[
            "3:1: duplicate key",
            "4:10: unclosed array table, expected `]`",
        ],
    );
    assert_faults(
        "[daemon]\nmax_connections= = 3\n",
        &["2:18: extra `=`, expected nothing"],
    );
    assert_server_faults(
        "subprotocols = [\"a\"\nname = \"b\"\n",
        &["4:1: missing comma between array elements, expected `,`"],
    );
}

#[test]
fn unknown_keys_have_a_place_and_the_allowed_ones() {
    assert_faults(
        "colour = 1\n[daemons]\nlog = 1\n[daemon]\nLog = \"info\"\nx.y = 3\n",
        &[
            "1:1: unknown key \"colour\" in the file; allowed: daemon, server, client, trigger",
            "2:2: unknown key \"daemons\" in the file, did you mean daemon? allowed: daemon, server, client, trigger",
            "5:1: unknown key \"Log\" in [daemon], did you mean log? allowed: socket, user, group, log, max_connections, max_memory",
            "6:1: unknown key \"x\" in [daemon]; allowed: socket, user, group, log, max_connections, max_memory",
        ],
    );
    assert_server_faults(
        "message = \"echo\"\n[server.http]\nserv = \"page\"\n[server.limits]\nmax_msg = 1\n[server.auth]\nbasics = false\n",
        &[
            "3:1: unknown key \"message\" in [[server]], did you mean messages? allowed: id, name, active, bind, messages, subprotocols, origins, tls, http, auth, users, limits",
            "5:1: unknown key \"serv\" in [server.http], did you mean serve? allowed: serve, page, folder, default_document, listing, dotfiles, cache_control",
            "7:1: unknown key \"max_msg\" in [server.limits]; allowed: max_connections, max_message, max_backlog, slow_peer, head_timeout, idle_timeout, ping_interval, pong_timeout, max_body, compression, throttle_exempt",
            "9:1: unknown key \"basics\" in [server.auth], did you mean basic? allowed: anonymous, basic, url, realm",
        ],
    );
}

#[test]
fn faults_of_the_daemon() {
    assert_faults(
        "[daemon]\nsocket = \"\"\nuser = 3\ngroup = \"\"\nlog = \"loud\"\nmax_connections = 0\nmax_memory = \"1KiB\"\n",
        &[
            "2:10: socket: \"\" is no path of a socket; allowed: a path",
            "3:8: user: a whole number; allowed: a string in quotes",
            "4:9: group: \"\"; allowed: the name of a group of this system",
            "5:7: log: \"loud\"; allowed: error, warn, info, debug, trace",
            "6:19: max_connections: 0 is out of range; allowed: a whole number from 1 to 1000000",
            "7:14: max_memory: \"1KiB\" is out of range; allowed: \"1MiB\" to \"1024GiB\" (units B, KiB, MiB, GiB, kB, MB, GB), or a number of bytes",
        ],
    );
    assert_faults(
        "daemon = 1\nserver = { bind = [] }\n",
        &[
            "1:10: daemon: a whole number; allowed: one table, [daemon]",
            "2:10: server: a table; allowed: any number of tables, each begun with [[server]]",
        ],
    );
    assert_faults(
        "server = [1]\n",
        &["1:11: server: a whole number; allowed: tables, each begun with [[server]]"],
    );
}

#[test]
fn faults_of_the_system_stand_among_the_others() {
    let text = "[daemon]\nlog = 1\nuser = \"x\"\nmax_memory = true\n";
    let faults = parse_with(text, Path::new("f.toml"), &open_file, |daemon, _, _| {
        let user = daemon.user.as_ref().expect("a user");
        Findings {
            refused: vec![(user.place, "no such user".to_owned())],
            warned: Vec::new(),
        }
    })
    .expect_err("faults");
    let lines: Vec<u32> = faults
        .iter()
        .filter_map(|fault| Some(fault.place?.line))
        .collect();
    assert_eq!(lines, [2, 3, 4]);
    assert_eq!(faults[1].to_string(), "f.toml:3:8: no such user");
}

#[test]
fn faults_of_ids_and_names() {
    assert_faults(
        "[[server]]\nid = \"ws_server_2\"\nbind = [\"[::1]:1\"]\n\
         [[server]]\nbind = [\"[::1]:2\"]\n\
         [[server]]\nid = \"2nd\"\nname = \"a\\nb\"\nactive = \"yes\"\nbind = [\"[::1]:3\"]\n\
         [[server]]\nid = \"WS_Server_2\"\nname = \" \"\nbind = [\"[::1]:4\"]\n",
        &[
            "4:1: id: WS_SERVER_2 is the server of line 2 already; allowed: ids that differ in more than case",
            "7:6: invalid WS server ID \"2nd\"; allowed: letters, digits and underscores, beginning with a letter or an underscore",
            "8:8: name: \"a\\nb\"; allowed: one line of text",
            "9:10: active: a string; allowed: true, false",
            "12:6: id: WS_Server_2 is the server of line 2 already; allowed: ids that differ in more than case",
            "13:8: name: \" \"; allowed: one line of text",
        ],
    );
}

#[test]
fn faults_of_bind() {
    const ALLOWED: &str = "allowed: a list of addresses, such as [\"127.0.0.1:8080\", \"[::1]:8080\", \"unix:/run/front.sock\"]";
    const STRINGS: &str = "allowed: a list of strings, such as [\"127.0.0.1:8080\", \"[::1]:8080\", \"unix:/run/front.sock\"]";
    assert_faults(
        "[daemon]\nsocket = \"/c\"\n\
         [[server]]\n\
         [[server]]\nbind = []\n\
         [[server]]\nbind = \"[::1]:1\"\n\
         [[server]]\nbind = [\"[::1]:1\", 80]\n\
         [[server]]\nbind = [\"127.0.0.1:1\", \"[::1]:1\", \"unix:/c\", \"127.0.0.1:1\"]\n\
         [[server]]\nbind = [\"0.0.0.0:1\"]\n",
        &[
            &format!("3:1: bind is missing in [[server]]; {ALLOWED}"),
            &format!("5:8: bind: an empty list; {ALLOWED}"),
            &format!("7:8: bind: a string; {STRINGS}"),
            &format!("9:20: bind: a whole number in the list; {STRINGS}"),
            "11:24: bind: [::1]:1 collides with [::1]:1 of line 9; allowed: each address once",
            "11:35: bind: unix:/c is the socket of [daemon]; allowed: another path",
            "11:46: bind: 127.0.0.1:1 collides with 127.0.0.1:1 of line 11; allowed: each address once",
            "13:9: bind: 0.0.0.0:1 collides with 127.0.0.1:1 of line 11; allowed: each address once",
        ],
    );
}

#[test]
fn faults_of_messages_subprotocols_and_origins() {
    assert_server_faults(
        "messages = \"loud\"\nsubprotocols = [\"a b\", \"c\", \"c\", \"C\"]\norigins = [\"example.org\", \"https://a/\"]\n",
        &[
            "3:12: messages: \"loud\"; allowed: none, echo, broadcast",
            "4:17: subprotocols: \"a b\" is no token; allowed: letters, digits and !#$%&'*+-.^_`|~",
            "4:29: subprotocols: \"c\" is there already; allowed: each once",
            "5:12: origins: \"example.org\" is no origin; allowed: \"*\", \"scheme://host\", \"scheme://host:port\" or \"null\"",
            "5:27: origins: \"https://a/\" is no origin; allowed: \"*\", \"scheme://host\", \"scheme://host:port\" or \"null\"",
        ],
    );
}

#[test]
fn faults_of_http() {
    assert_server_faults(
        "[server.http]\nserve = \"page\"\ncache_control = \"a\\r\\nb\"\n",
        &[
            "4:9: page is missing; serve = \"page\" needs page, the path of a file",
            "5:17: cache_control: \"a\\r\\nb\"; allowed: directives in printable ASCII, such as \"max-age=60\"",
        ],
    );
    assert_server_faults(
        "http = { serve = \"page\", page = \"no/such.html\", default_document = 1 }\n",
        &[
            "3:33: page: no/such.html: No such file or directory (os error 2); allowed: a readable file of at most 16MiB",
            "3:68: default_document: a whole number; allowed: a string in quotes",
        ],
    );
    assert_server_faults(
        "http.serve = \"all\"\n",
        &["3:14: serve: \"all\"; allowed: empty, page, folder"],
    );
}

#[test]
fn faults_of_limits() {
    const SIZES: &str = "(units B, KiB, MiB, GiB, kB, MB, GB), or a number of bytes";
    const TIMES: &str = "(units ms, s, min, h)";
    assert_server_faults(
        "[server.limits]\nmax_connections = \"many\"\nmax_message = \"2GiB\"\nmax_backlog = -1\nslow_peer = \"wait\"\n\
         head_timeout = \"0s\"\nidle_timeout = 60\nping_interval = \"25h\"\npong_timeout = \"soon\"\nmax_body = 1.5\n\
         throttle_exempt = [\"10.0.0.1/8\", \"x\"]\n",
        &[
            "4:19: max_connections: a string; allowed: a whole number from 1 to 1000000",
            &format!(
                "5:15: max_message: \"2GiB\" is out of range; allowed: \"1B\" to \"1GiB\" {SIZES}"
            ),
            &format!(
                "6:15: max_backlog: -1 is out of range; allowed: \"1KiB\" to \"1GiB\" {SIZES}"
            ),
            "7:13: slow_peer: \"wait\"; allowed: close, drop",
            &format!(
                "8:16: head_timeout: \"0s\" is out of range; allowed: \"1ms\" to \"24h\" {TIMES}"
            ),
            &format!(
                "9:16: idle_timeout: 60 is not a duration; allowed: \"1ms\" to \"24h\" {TIMES}"
            ),
            &format!(
                "10:17: ping_interval: \"25h\" is out of range; allowed: \"0s\" to \"24h\" {TIMES}"
            ),
            &format!(
                "11:16: pong_timeout: \"soon\" is not a duration; allowed: \"1ms\" to \"24h\" {TIMES}"
            ),
            &format!(
                "12:12: max_body: a number with a fraction is not a size; allowed: \"0B\" to \"1GiB\" {SIZES}"
            ),
            "13:20: throttle_exempt: \"10.0.0.1/8\" has address bits beyond its prefix, the network is \"10.0.0.0/8\"; allowed: an address or a network such as \"10.0.0.0/8\"",
            "13:34: throttle_exempt: \"x\" is no network; allowed: an address or a network such as \"10.0.0.0/8\"",
        ],
    );
}

#[test]
fn what_is_not_built_is_refused_and_never_ignored() {
    assert_server_faults(
        "[server.limits]\ncompression = true\n",
        &["4:15: compression: true is not available yet; allowed: false"],
    );
}

#[test]
fn tls_wants_a_certificate_and_its_key() {
    const FILE: &str = "allowed: the path of a PEM file";
    assert_server_faults(
        "[server.tls]\nprivate_key = \"\"\nclient_ca = 1\nca = \"c\"\n",
        &[
            &format!("3:1: certificate is missing in [server.tls]; {FILE}"),
            &format!("4:15: private_key: \"\"; {FILE}"),
            "5:13: client_ca: a whole number; allowed: a string in quotes",
            "6:1: unknown key \"ca\" in [server.tls]; allowed: certificate, private_key, client_ca",
        ],
    );
    assert_server_faults(
        "tls = true\n",
        &["3:7: tls: true; allowed: one table, [server.tls]"],
    );
}
