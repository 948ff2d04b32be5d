//! `bellwire check`.

use std::fmt::Write;

use serde_json::Value;

use crate::cli::args::{CommonOptions, Verbosity};
use crate::cli::certificates;
use crate::cli::source;
use crate::config::{Fault, Id};
use crate::manager::Loaded;
use crate::process::exit::Exit;
use crate::process::output::{print, print_faults, print_warnings};
use crate::process::privileges;
use crate::proto::counted::counted;
use crate::proto::http::url::host_field;

/// Reads the configuration, and prints its faults or a summary.
pub(super) fn check(options: CommonOptions) -> Exit {
    let quiet = options.verbosity == Verbosity::Quiet;
    // The user that root would become is checked too; only `run` and `check` need it.
    let loaded =
        source::load(options.config).and_then(|it| match privileges::resolve(&it.config) {
            Ok(_) => Ok(it),
            Err(fault) => Err(vec![fault]),
        });
    let (told, ok) = match (loaded, options.json) {
        (Ok(it), true) => (
            print(&json_lines("warning", &it.config.warnings)),
            Exit::Done,
        ),
        (Err(faults), true) => (print(&json_lines("fault", &faults)), Exit::Configuration),
        (Ok(_), false) if quiet => (Exit::Done, Exit::Done),
        (Ok(it), false) => {
            print_warnings(&it.config.warnings);
            (print(&summary(&it)), Exit::Done)
        }
        (Err(faults), false) => {
            print_faults(&faults);
            (Exit::Done, Exit::Configuration)
        }
    };
    if ok == Exit::Done { told } else { ok }
}

fn summary(loaded: &Loaded) -> String {
    let config = &loaded.config;
    let file = match &config.file {
        Some(file) => file.display().to_string(),
        None => "no configuration file, so the built-in default".to_owned(),
    };
    let mut summary = format!("{file}: ok, {}", counted(config.servers.len(), "server"));
    if !config.clients.is_empty() {
        let _ = write!(summary, ", {}", counted(config.clients.len(), "client"));
    }
    summary.push('\n');
    for (server, tls) in config.servers.iter().zip(&loaded.server_tls) {
        let addresses: Vec<String> = server
            .bind
            .iter()
            .map(|bind| bind.address.to_string())
            .collect();
        let title = titled(&server.id, &server.name);
        let inactive = inactive(server.active);
        // Writing to a String cannot fail.
        let _ = writeln!(summary, "  {title}: {}{inactive}", addresses.join(", "));
        for line in tls.iter().flat_map(certificates::describe) {
            let _ = writeln!(summary, "    certificate: {line}");
        }
    }
    for client in &config.clients {
        let title = titled(&client.id, &client.name);
        let scheme = if client.tls { "wss" } else { "ws" };
        let host = host_field(&client.host, client.port, client.tls);
        let inactive = inactive(client.active);
        let _ = writeln!(summary, "  {title}: {scheme}://{host}{inactive}");
    }
    summary
}

/// The id, and the name if it differs.
fn titled(id: &Id, name: &str) -> String {
    if name == id.as_str() {
        id.to_string()
    } else {
        format!("{id} ({name})")
    }
}

fn inactive(active: bool) -> &'static str {
    if active { "" } else { ", not active" }
}

/// One JSON object (RFC 8259) a line.
fn json_lines(kind: &str, faults: &[Fault]) -> String {
    let mut lines = String::new();
    for Fault { file, place, what } in faults {
        let _ = writeln!(
            lines,
            "{{\"kind\":\"{kind}\",\"file\":{},\"line\":{},\"column\":{},\"what\":{}}}",
            Value::from(file.to_string_lossy()),
            Value::from(place.map(|place| place.line)),
            Value::from(place.map(|place| place.column)),
            Value::from(what.as_str()),
        );
    }
    lines
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::*;
    use crate::config::{self, Place};

    #[test]
    fn faults_are_objects() {
        let fault = |place| Fault {
            file: PathBuf::from("f"),
            place,
            what: "\"w\"\n\u{1f}".to_owned(),
        };
        let faults = [fault(Some(Place { line: 3, column: 9 })), fault(None)];
        assert_eq!(
            json_lines("fault", &faults),
            "{\"kind\":\"fault\",\"file\":\"f\",\"line\":3,\"column\":9,\"what\":\"\\\"w\\\"\\n\\u001f\"}\n\
             {\"kind\":\"fault\",\"file\":\"f\",\"line\":null,\"column\":null,\"what\":\"\\\"w\\\"\\n\\u001f\"}\n"
        );
    }

    #[test]
    fn summaries_are_short() {
        let text = "[[server]]\nbind = [\"127.0.0.1:80\", \"unix:/s\"]\nname = \"Front\"\n\
                    [[server]]\nid = \"b\"\nbind = [\"[::1]:80\"]\nactive = false\n";
        let config = config::parse(text, Path::new("f.toml")).expect("no faults");
        assert_eq!(
            summary(&config.into()),
            "f.toml: ok, 2 servers\n  WS_SERVER_1 (Front): 127.0.0.1:80, unix:/s\n  b: [::1]:80, not active\n"
        );
        let text = "[[client]]\nurl = \"wss://me:secret@h:1/auth/me/secret\"\nname = \"Up\"\n\
                    [[client]]\nhost = \"::1\"\nactive = false\n";
        let config = config::parse(text, Path::new("f.toml")).expect("no faults");
        assert_eq!(
            summary(&config.into()),
            "f.toml: ok, 0 servers, 2 clients\n  WS_CLIENT_1 (Up): wss://h:1\n  WS_CLIENT_2: ws://[::1], not active\n"
        );
        assert_eq!(
            summary(&config::built_in().into()),
            "no configuration file, so the built-in default: ok, 1 server\n  WS_SERVER_1: 127.0.0.1:8080\n"
        );
    }
}
