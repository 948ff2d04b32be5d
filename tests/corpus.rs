//! Replays the kept corpus through what the fuzz targets assert, without the fuzzer.

use std::fs;
use std::path::Path;

// Of its modules each has a `check`.
#[allow(dead_code, unreachable_pub)]
#[path = "../fuzz/src/lib.rs"]
mod checks;

fn replay(target: &str, check: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/corpus")
        .join(target);
    let mut count = 0;
    for entry in fs::read_dir(&folder).expect("a corpus") {
        let path = entry.expect("an entry").path();
        let data = fs::read(&path).expect("a file");
        if let Err(panic) = std::panic::catch_unwind(|| check(&data)) {
            eprintln!("{}", path.display());
            std::panic::resume_unwind(panic);
        }
        count += 1;
    }
    assert!(count > 0, "{} is empty", folder.display());
}

#[test]
fn ws_frame() {
    replay("ws_frame", checks::ws_frame::check);
}

#[test]
fn ws_session() {
    replay("ws_session", checks::ws_session::check);
}

#[test]
fn http_head() {
    replay("http_head", checks::http_head::check);
}

#[test]
fn http_body() {
    replay("http_body", checks::http_body::check);
}

#[test]
fn client_answer() {
    replay("client_answer", checks::client_answer::check);
}

#[test]
fn conn_pair() {
    replay("conn_pair", checks::conn_pair::check);
}

#[test]
fn target() {
    replay("target", checks::target::check);
}

#[test]
fn range() {
    replay("range", checks::range::check);
}

#[test]
fn credentials() {
    replay("credentials", checks::credentials::check);
}

#[test]
fn helper_wire() {
    replay("helper_wire", checks::helper_wire::check);
}

#[test]
fn form() {
    replay("form", checks::form::check);
}

#[test]
fn cgi() {
    replay("cgi", checks::cgi::check);
}

#[test]
fn rpc() {
    replay("rpc", checks::rpc::check);
}
