//! Each rule can be broken: crates made up for the purpose, and the faults that are found in them.

use super::sources::{MAX_LINES, Rules, Sources};

/// Rules of their own, so that a change to the real ones does not reach here.
const RULES: Rules<'_> = Rules {
    order: &[
        (
            "",
            "proto < conn < config auth < engine < manager < mod < main",
        ),
        ("proto", "http < ws < mod"),
        ("proto/ws", "utf8 < frame < handshake < mod"),
        ("conn", "buffer < phase < mod"),
    ],
    narrows: &[("proto/ws", "proto/http", "head date")],
    absent: &[("proto", "std::fs std::io std::time mio libc log")],
    spread: &[],
    long: &[],
};

fn faults(sources: &[(&str, &str)]) -> Vec<String> {
    Sources::new(sources.iter().copied()).faults(&RULES)
}

/// One fault, which says everything that is listed.
fn assert_fault(sources: &[(&str, &str)], parts: &[&str]) {
    let faults = faults(sources);
    assert_eq!(faults.len(), 1, "{faults:#?}");
    for part in parts {
        assert!(
            faults[0].contains(part),
            "{:?} does not say {part:?}",
            faults[0]
        );
    }
}

fn assert_fine(sources: &[(&str, &str)]) {
    assert_eq!(faults(sources), Vec::<String>::new());
}

const FRAME: (&str, &str) = ("proto/ws/frame.rs", "pub struct OpCode;");
const HEAD: (&str, &str) = ("proto/http/head.rs", "");
const BUFFER: (&str, &str) = ("conn/buffer.rs", "");

#[test]
fn imports_downwards_are_allowed() {
    assert_fine(&[
        ("lib.rs", "pub mod proto; pub mod conn;"),
        (
            "main.rs",
            "use bellwire::conn; fn main() { bellwire::proto::ws::frame::OpCode; }",
        ),
        FRAME,
        HEAD,
        ("proto/ws/mod.rs", "pub mod frame; pub use frame::OpCode;"),
        (
            "proto/ws/handshake.rs",
            "use super::{frame, super::http::head::Field}; use crate::proto::http::head;",
        ),
        (
            "conn/mod.rs",
            "mod buffer; use crate::proto::ws::{self, frame::OpCode}; use self::buffer::Buffer;",
        ),
        BUFFER,
    ]);
}

#[test]
fn a_floor_may_not_import_upwards() {
    assert_fault(
        &[
            FRAME,
            (
                "conn/phase.rs",
                "\nuse crate::engine::{\n    token::Token,\n};",
            ),
            ("engine/token.rs", ""),
        ],
        &[
            "conn/phase.rs:3: ",
            "engine::token::Token",
            "conn stands below engine",
        ],
    );
}

#[test]
fn every_way_of_writing_an_import_is_seen() {
    for source in [
        "use crate::conn::buffer::Buffer;",
        "use crate::{conn::buffer as b};",
        "use crate::{self as root, conn::{self, buffer::*}};",
        "use super::super::conn::buffer;",
        "use bellwire::conn::buffer::Buffer;",
        "pub(crate) use crate::conn::buffer::Buffer;",
        "fn f(b: &crate::conn::buffer::Buffer) {}",
        "fn f() { let x = <u8 as crate::conn::buffer::Take>::take(); }",
        "mod inner { use super::super::super::conn::buffer; }",
        "macro_rules! m { () => { $crate::conn::buffer::take() } }",
        "const QUOTE: char = '\"'; use crate::conn::buffer; const OTHER: char = '\"';",
        "fn f<'a>(x: &'a str) { crate::conn::buffer::take(x) }",
        "#[cfg(not(test))] use crate::conn::buffer;",
        "#[cfg(any(test, fuzzing))] use crate::conn::buffer;",
        "#[cfg(test)] use std::{fs, io}; use crate::conn::buffer;",
    ] {
        let found = faults(&[("proto/ws.rs", source), BUFFER]);
        assert!(
            found
                .iter()
                .any(|fault| fault.contains("proto stands below conn")),
            "{source}: {found:?}"
        );
    }
}

#[test]
fn text_that_looks_like_an_import_is_not_one() {
    for source in [
        "// use crate::conn::buffer;",
        "/* /* nested */ use crate::conn::buffer; */",
        "/// See [`crate::conn::buffer`].\npub struct X;",
        r#"const X: &str = "use crate::conn::buffer; \" crate::conn::buffer::x";"#,
        r###"const X: &str = r##"" use crate::conn::buffer; "# "##;"###,
        "#[cfg(test)] mod tests { use crate::conn::buffer; }",
        "#[cfg(test)] #[allow(dead_code)] pub(crate) fn f(x: crate::conn::buffer::X) -> u8 { 1 }",
        "#[cfg(all(test, unix))] const X: [u8; 2] = { crate::conn::buffer::X };",
        "struct X { #[cfg(test)] seen: crate::conn::buffer::X, other: u8 }",
        "#![cfg(test)] use crate::conn::buffer;",
        "#[cfg(test)] mod helper; pub fn f() {}",
    ] {
        assert_fine(&[
            ("proto/ws/frame.rs", source),
            BUFFER,
            ("proto/ws/frame/helper.rs", "fn helper() {}"),
        ]);
    }
}

#[test]
fn files_for_tests_alone_are_not_read() {
    let test = "use crate::conn::buffer;";
    assert_fine(&[
        ("proto/ws/frame.rs", "#[cfg(test)] mod cases;"),
        ("proto/ws/frame/cases.rs", test),
        BUFFER,
    ]);
    assert_fine(&[FRAME, ("proto/ws/frame/tests.rs", test), BUFFER]);
}

#[test]
fn folders_side_by_side_do_not_import_each_other() {
    assert_fault(
        &[
            ("config/mod.rs", "use crate::auth::users;"),
            ("auth/users.rs", ""),
        ],
        &[
            "config/mod.rs:1: auth::users",
            "config and auth stand side by side",
        ],
    );
}

#[test]
fn a_folder_has_an_order() {
    assert_fault(
        &[FRAME, ("proto/ws/utf8.rs", "use super::frame::OpCode;")],
        &["proto/ws/utf8.rs:1: ", "proto/ws: utf8 stands below frame"],
    );
    assert_fault(
        &[
            ("proto/ws/mod.rs", "pub struct Error;"),
            ("proto/ws/frame.rs", "use super::Error;"),
        ],
        &["frame stands below mod"],
    );
    assert_fault(
        &[("lib.rs", ""), ("proto/ws/frame.rs", "use crate::Error;")],
        &["src: proto stands below mod"],
    );
}

#[test]
fn a_folder_that_no_order_names_is_a_fault() {
    assert_fault(
        &[("proto/other/part.rs", "")],
        &["proto/other/part.rs", "\"other\"", "add it to ORDER"],
    );
    assert_fault(
        &[("other/part.rs", "")],
        &["\"other\" is not in the order of src"],
    );
    assert_fault(
        &[("other.rs", "")],
        &["\"other\" is not in the order of src"],
    );
    assert_fine(&[("conn/other.rs", "")]);
}

#[test]
fn the_inherent_methods_of_a_type_stand_in_one_file() {
    let buffer = (
        "conn/buffer.rs",
        "pub struct Buffer<T>(T); impl<T: Fn() -> u8> Buffer<T> {}",
    );
    for source in [
        "use super::buffer::Buffer; impl<T> Buffer<T> where T: Copy {}",
        "use crate::conn::Buffer; fn f() {} impl Buffer<u8> {}",
        "#[cfg(unix)] impl super::buffer::Buffer<u8> {}",
        "mod inner { use crate::conn::buffer::Buffer; impl Buffer<u8> {} }",
    ] {
        assert_fault(
            &[
                buffer,
                ("conn/mod.rs", "mod buffer; pub use buffer::Buffer;"),
                ("auth/key.rs", &source.replace("super::", "crate::conn::")),
            ],
            &[
                "conn::buffer::Buffer: its inherent methods stand in src/auth/key.rs, src/conn/buffer.rs",
            ],
        );
    }
    for source in [
        "use super::buffer::Buffer; impl<'b> std::fmt::Debug for Buffer<&'b u8> {}",
        "use super::buffer::Buffer; impl<T> From<Buffer<T>> for u8 {}",
        "pub struct Buffer; impl Buffer {}",
        "use super::buffer::Buffer; fn f() -> impl Iterator { Buffer(0) } fn g(x: impl Fn(Buffer)) {}",
        "use super::buffer::Buffer; #[cfg(test)] impl Buffer<u8> {}",
    ] {
        assert_fine(&[buffer, ("conn/phase.rs", source)]);
    }
}

#[test]
fn an_exception_is_allowed_until_it_is_none() {
    let rules = Rules {
        spread: &[("conn::buffer::Buffer", "for a reason")],
        long: &[("src/conn/phase.rs", "for a reason")],
        ..RULES
    };
    let long = "use super::buffer::Buffer; impl Buffer {}".to_owned() + &"\n".repeat(MAX_LINES + 1);
    let buffer = ("conn/buffer.rs", "pub struct Buffer; impl Buffer {}");
    let excepted = [buffer, ("conn/phase.rs", &long)];
    assert_eq!(Sources::new(excepted.into_iter()).faults(&rules), [""; 0]);
    let mended = [buffer, ("conn/phase.rs", "")];
    let stale = |name| format!("{name} is no exception any more: strike it");
    let faults = Sources::new(mended.into_iter()).faults(&rules);
    assert_eq!(
        faults,
        ["conn::buffer::Buffer", "src/conn/phase.rs"].map(stale)
    );
}

#[test]
fn no_file_is_too_long_or_called_util() {
    let long = "\n".repeat(MAX_LINES + 1);
    assert_fine(&[("conn/phase.rs", &long[1..])]);
    assert_fault(
        &[("conn/tests.rs", &long)],
        &["src/conn/tests.rs: 501 lines, at most 500 are allowed"],
    );
    assert_fault(
        &[("conn/util.rs", "")],
        &["conn/util.rs: \"util\" says nothing"],
    );
}

#[test]
fn ws_imports_few_files_of_http() {
    let body = ("proto/http/body.rs", "");
    assert_fault(
        &[
            body,
            (
                "proto/ws/handshake.rs",
                "use crate::proto::http::body::BodyLength;",
            ),
        ],
        &["proto/ws imports of proto/http only head date"],
    );
    assert_fault(
        &[
            FRAME,
            ("proto/http/head.rs", "use crate::proto::ws::frame;"),
        ],
        &["http stands below ws"],
    );
}

#[test]
fn circles_are_faults_where_no_order_is_given() {
    let raw = ("config/raw.rs", "use super::Fault;");
    assert_fault(
        &[
            (
                "config/mod.rs",
                "mod raw;\nuse raw::Raw;\npub struct Fault;",
            ),
            raw,
        ],
        &["circle: src/config/mod.rs:2 -> src/config/raw.rs:1 -> src/config/mod.rs"],
    );
    assert_fault(
        &[
            ("manager/run.rs", "use super::check::check;"),
            ("manager/check.rs", "use crate::manager::verbs;"),
            ("manager/verbs.rs", "\nuse super::run;"),
        ],
        &["circle", "src/manager/verbs.rs:2 -> "],
    );
    assert_fine(&[
        (
            "config/mod.rs",
            "mod raw; use raw::Raw; use Kind::A; mod name { pub struct B; } use name::B;",
        ),
        ("config/raw.rs", ""),
    ]);
}

#[test]
fn the_core_does_without_io() {
    for (source, name) in [
        ("use std::io;", "std::io"),
        ("use std::{fmt, time::{Duration, Instant}};", "std::time"),
        ("fn f() { std::fs::read(\"x\"); }", "std::fs"),
        ("fn f() { log::warn!(\"x\"); }", "log"),
        ("fn f() { ::libc::getpid(); }", "libc"),
        ("use mio;", "mio"),
    ] {
        let found = faults(&[("proto/ws/frame.rs", source)]);
        assert!(
            found
                .iter()
                .any(|fault| fault.ends_with(&format!("proto does without {name}"))),
            "{source}: {found:?}"
        );
    }
    assert_fine(&[(
        "proto/ws/frame.rs",
        "use core::net::IpAddr; use std::iter; fn f() { crate::proto::ws::frame::log::x() }",
    )]);
}
