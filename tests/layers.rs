//! Keeps the structure of the crate: a folder imports from those below it, no files import each other in a circle, the
//! inherent methods of a type stand in one file, and no file is long.
//!
//! Reads every file under `src` that is not test code, collects the paths that begin with `crate`, `super`, `self`,
//! `bellwire` or a module declared beside them, in `use` trees as well as inline, finds the file each one means, and
//! compares the two by the tables here. It finds the types of inherent `impl` blocks in the same way. Nothing is
//! compiled: macros are read as they are written, and a name that reaches a file by way of a re-export counts as an
//! import of the file that re-exports it.

use std::path::Path;

use sources::{Rules, Sources};

#[path = "layers/checks.rs"]
mod checks;
#[path = "layers/scan.rs"]
mod scan;
#[path = "layers/sources.rs"]
mod sources;

const RULES: Rules<'_> = Rules {
    order: ORDER,
    narrows: NARROWS,
    absent: ABSENT,
    spread: SPREAD,
    long: LONG,
};

/// Folders and what is in them: an entry imports only from entries left of it. Those without a `<` between them never
/// import each other. `mod` is the folder's own file, and `""` is `src`. The files of a folder that are not named may be
/// in any order that has no circle; folders must be named.
const ORDER: &[(&str, &str)] = &[
    (
        "",
        "proto < conn < config certs auth files < rpc < engine < manager < process < helper < cli < mod < main",
    ),
    ("proto", "counted lines http < cgi ws helper < mod"),
    // The session stands above all, so that each part of the protocol can be fuzzed and benchmarked by itself.
    (
        "proto/ws",
        "mask < utf8 < frame < close < message < receive < handshake < session < mod",
    ),
    (
        "manager",
        "tls < host source owner_map content < subscribers < trigger < context < server client scripts < state < apply < control < mod",
    ),
];

/// Types whose inherent methods stand in several files, and why.
const SPREAD: &[(&str, &str)] = &[
    (
        "conn::connection::Connection",
        "a file for each phase of a connection; they call each other one way",
    ),
    (
        "engine::turn::Engine",
        "what its owner calls stands apart from the turn",
    ),
];

/// Files that are longer than others may be, and why.
const LONG: &[(&str, &str)] = &[];

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
fn the_structure_is_kept() {
    let sources = Sources::read(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src")));
    let faults = sources.faults(&RULES);
    assert!(
        faults.is_empty(),
        "{} faults:\n{}",
        faults.len(),
        faults.join("\n")
    );
}
