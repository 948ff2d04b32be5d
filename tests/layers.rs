//! Keeps the house in order: a file imports what lies below it, and no two files import each other.
//!
//! Reads every file under `src` that is not test code, collects the paths that begin with `crate`, `super`, `self`,
//! `bellwire` or a module declared beside them, in `use` trees as well as inline, finds the file each one means, and
//! compares the two by the tables here. Nothing is compiled: macros are read as they are written, and a name that
//! reaches a file by way of a re-export counts as an import of the file that re-exports it.

use std::path::Path;

use house::{House, Rules};

#[path = "layers/checks.rs"]
mod checks;
#[path = "layers/house.rs"]
mod house;
#[path = "layers/scan.rs"]
mod scan;

const RULES: Rules<'_> = Rules {
    order: ORDER,
    narrows: NARROWS,
    absent: ABSENT,
};

/// Folders and what is in them: an entry imports only from entries that stand left of it. Those without a `<` between
/// them stand side by side and never import each other. `mod` is the folder's own file, and `""` is `src`.
/// A folder that is not here may be in any order that has no circle.
const ORDER: &[(&str, &str)] = &[
    (
        "",
        "proto < conn < config certs auth files < rpc < engine < manager < process < helper < cli < mod < main",
    ),
    ("proto", "lines http < cgi ws helper < mod"),
    (
        "proto/http",
        "byte < percent < error < date < authority < url < line < field < head < body < response < origin < path < conditional < range < credentials < form < mod",
    ),
    (
        "proto/ws",
        "mask < utf8 < frame < close < message < receive < handshake < session < mod",
    ),
    (
        "config",
        "fault < value < secret < raw < id < address < origin < limits < http < tls < auth < users < daemon < server < client < program < trigger < socket < mod",
    ),
    ("config/client", "basic endpoint fields < trust < mod"),
    ("config/trigger", "event < run < mod"),
    (
        "conn",
        "buffer shared_message < deadline < tls < event < conf < phase < answer < connection < lines response client_handshake < websocket request < termination step < mod",
    ),
    ("conn/tls", "error cipher < machine < mod"),
    (
        "files",
        "mime < coding < open < answer < listing cache < folder < blocking_lookup < mod",
    ),
    ("certs", "pem der < files < client < mod"),
    (
        "auth",
        "unsupported < argon crypt < secret < users < recent_logins < throttle < mod",
    ),
    (
        "engine",
        "wheel rate_limit memory backoff owners < child dial seqpacket < helper < socket < blocking < file_body < outbox < tls_wire < listener < access_log outgoing < outcome < sources < slot < ops < shared < flush < receive connections < broadcast accept < serve < turn < api < mod",
    ),
    ("engine/child", "complaints input spawn stop < mod"),
    ("engine/dial", "schedule < mod"),
    (
        "manager",
        "tls source owner_map content < subscribers < trigger < context < server client scripts < state < apply < control < mod",
    ),
    (
        "manager/server",
        "origin_check pending_logins definition < authenticate < running < mod",
    ),
    (
        "manager/client",
        "state offline_queue < handshake_request < machine < list < mod",
    ),
    (
        "manager/trigger",
        "matching < rules < trigger_event < request_body < mod",
    ),
    ("manager/apply", "host < diff < sockets < mod"),
    ("manager/control", "methods < mod"),
    (
        "rpc",
        "text < time < name < error < data < params < event < respond < method < result < message < mod",
    ),
    (
        "process",
        "exit random identity < privileges logging < output < mod",
    ),
    (
        "cli",
        "certificates < accounts < source < hash_password < args < check < control < client_url < client_test < client_new < signals < notify sockets script_base < command_socket < host < daemon < mod",
    ),
    ("cli/client_test", "report < advice connect < link < mod"),
    ("cli/args", "help < scan < command < calls < mod"),
    (
        "cli/control",
        "text < failure < socket < client < input < show < events < mod",
    ),
    (
        "helper",
        "capabilities backoff queue permitted < pam < attempt grant < serve < mod < supervisor",
    ),
];

/// What the first folder may import of the second: these of its files and no others.
const NARROWS: &[(&str, &str, &str)] = &[
    ("proto/ws", "proto/http", "byte percent head response date"),
    ("proto/cgi", "proto/http", "byte"),
];

/// Crates and parts of std that a folder does without. `core::net` is addresses as values, and is not meant.
const ABSENT: &[(&str, &str)] = &[
    (
        "proto",
        "std::net std::fs std::io std::time mio libc socket2 log",
    ),
    ("conn", "std::fs std::time mio libc socket2"),
    ("config", "mio"),
    ("auth", "mio"),
    ("files", "mio"),
    ("certs", "mio"),
    ("manager", "mio"),
    ("rpc", "std::net std::fs std::io mio libc socket2 log"),
];

#[test]
fn floors_import_downwards() {
    let house = House::read(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src")));
    let faults = house.faults(&RULES);
    assert!(
        faults.is_empty(),
        "{} faults:\n{}",
        faults.len(),
        faults.join("\n")
    );
}
