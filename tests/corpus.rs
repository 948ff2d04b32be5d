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

macro_rules! replay {
    ($($target:ident)*) => {
        $(
            #[test]
            fn $target() {
                replay(stringify!($target), checks::$target::check);
            }
        )*

        #[test]
        fn every_corpus_is_replayed() {
            let folders = fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/corpus"));
            let names = folders.expect("the corpora").map(|entry| entry.expect("an entry").file_name());
            let mut names: Vec<_> = names.collect();
            names.sort();
            assert_eq!(names, [$(stringify!($target)),*]);
        }
    };
}

replay! {
    cgi
    client_answer
    config
    conn_pair
    credentials
    date
    der
    form
    helper_wire
    http_body
    http_head
    path
    range
    rpc
    url
    ws_frame
    ws_session
}
