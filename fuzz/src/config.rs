//! Any text as a configuration: each fault and warning is one line with a place in the text, and a comment before the
//! text moves them down by a line and changes nothing else.

use std::io;
use std::path::Path;

use bellwire::config::{Config, Fault, Findings, Place, Purpose, read_with};

/// `data` is the file. The files that it names are never opened.
pub fn check(data: &[u8]) {
    let read = |data: &[u8]| {
        let open = |_: &Path, _: Purpose| Err(io::ErrorKind::NotFound.into());
        let path = Path::new("fuzz.toml");
        read_with(data, path, &open, |_, _, _| Findings::default())
    };
    let result = read(data);
    let faults = faults(&result);
    let text = String::from_utf8_lossy(data);
    let lines: Vec<&str> = text.split('\n').collect();
    for fault in faults {
        assert!(!fault.what.chars().any(char::is_control), "{fault}");
        if let Some(Place { line, column }) = fault.place {
            let line = lines[line as usize - 1];
            assert!((1..=line.chars().count() + 1).contains(&(column as usize)));
        }
    }
    if let Ok(config) = &result {
        check_ids(config);
    }
    // A byte order mark is one at the beginning only.
    if !data.starts_with(b"\xef\xbb\xbf") {
        let moved = read(&[b"# comment\n", data].concat());
        assert_eq!(moved.is_ok(), result.is_ok());
        let moved = self::faults(&moved).iter().map(one_line_up).collect();
        assert_eq!(sorted(moved), sorted(faults.to_vec()));
    }
}

fn faults(result: &Result<Config, Vec<Fault>>) -> &[Fault] {
    match result {
        Ok(config) => &config.warnings,
        Err(faults) => faults,
    }
}

/// A fault of the whole file stays at its beginning.
fn one_line_up(fault: &Fault) -> Fault {
    let place = fault.place.map(|place| Place {
        line: place.line.max(2) - 1,
        ..place
    });
    Fault {
        place,
        ..fault.clone()
    }
}

/// In one order, and without the numbers in their words, of which some are lines.
fn sorted(mut faults: Vec<Fault>) -> Vec<Fault> {
    for fault in &mut faults {
        fault.what.retain(|c| !c.is_ascii_digit());
    }
    faults.sort_by_key(|fault| (fault.place, fault.what.clone()));
    faults
}

fn check_ids(config: &Config) {
    let servers = config.servers.iter().map(|server| &server.id);
    let clients = config.clients.iter().map(|client| &client.id);
    let ids: Vec<_> = servers.chain(clients).collect();
    for (at, id) in ids.iter().enumerate() {
        assert!(!ids[..at].contains(id), "{id} is there twice");
    }
}
