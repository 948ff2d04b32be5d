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
        "proto < conn < config certs files < engine < manager < cli < mod < main",
    ),
    ("proto", "http < ws < mod"),
    (
        "proto/http",
        "byte < error < date < authority < url < line < field < head < body < response < origin < path < conditional < range < mod",
    ),
    (
        "proto/ws",
        "mask < utf8 < frame < close < message < receive < handshake < session < mod",
    ),
    (
        "config",
        "fault < value < secret < raw < id < address < origin < limits < http < tls < daemon < server < client < mod",
    ),
    (
        "conn",
        "buffer < deadline < tls < event < conf < phase < answer < connection < http opening websocket ending < mod",
    ),
    ("config/client", "basic endpoint fields < trust < mod"),
    ("files", "mime < coding < open < answer < listing < mod"),
    (
        "engine",
        "wheel < socket < feed < outbox < sealed < listener < slot < ops < shared < effects < receive < core < deliver < dial < mod",
    ),
    ("cli/client_test", "report < connect < advice < link < mod"),
    ("engine/dial", "schedule < mod"),
    ("certs", "pem der < files < client < mod"),
    ("conn/tls", "error cipher < machine < mod"),
    ("manager", "backoff < access < pages < server < mod"),
    (
        "cli",
        "exit < random < identity < certificates < logging < output < source < args < check < client_url < client_test client_new < signals < daemon < mod",
    ),
];

/// What the first folder may import of the second: these of its files and no others.
const NARROWS: &[(&str, &str, &str)] = &[("proto/ws", "proto/http", "head response date")];

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
