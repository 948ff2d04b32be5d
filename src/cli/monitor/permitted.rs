//! What the configuration names, and so what may be asked for. Nothing is opened here.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::config::{Address, Config, Server};

/// The files and addresses of one reading of the configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Permitted {
    files: BTreeSet<PathBuf>,
    addresses: Vec<Address>,
}

impl Permitted {
    /// What this configuration names: of every server, also of those that do not run, for a command may start them.
    pub(super) fn of(config: &Config) -> Permitted {
        let binds = config.servers.iter().flat_map(|server| &server.bind);
        Permitted {
            files: config.servers.iter().flat_map(files).collect(),
            addresses: binds.map(|bind| bind.address.clone()).collect(),
        }
    }

    /// The file of this name, spelled as the configuration has it.
    pub(super) fn file(&self, asked: &Path) -> Option<&Path> {
        // Paths compare without regard to "." within them; what is asked for is one byte for byte or none.
        let same = |file: &&PathBuf| file.as_os_str() == asked.as_os_str();
        self.files.iter().find(same).map(PathBuf::as_path)
    }

    /// The address that is printed like this.
    pub(super) fn address(&self, asked: &str) -> Option<&Address> {
        let mut addresses = self.addresses.iter();
        addresses.find(|address| address.to_string() == asked)
    }
}

/// The files of a server that hold secrets, or say whom to trust.
fn files(server: &Server) -> Vec<PathBuf> {
    let mut files = Vec::new();
    if let Some(tls) = &server.tls {
        files.push(tls.certificate.value.clone());
        files.push(tls.private_key.value.clone());
        files.extend(tls.client_ca.iter().map(|file| file.value.clone()));
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"
        [[server]]
        bind = ["127.0.0.1:80", "[::1]:80", "unix:run/front.sock"]
        [server.tls]
        certificate = "chain.pem"
        private_key = "/keys/key.pem"
        client_ca = "ca/../ca.pem"
        [[server]]
        active = false
        bind = ["127.0.0.1:81"]
    "#;

    fn permitted() -> Permitted {
        let config = crate::config::parse(TEXT, Path::new("/etc/bellwire/bellwire.toml"));
        Permitted::of(&config.unwrap())
    }

    #[test]
    fn files_are_granted_as_they_are_spelled() {
        let permitted = permitted();
        for granted in [
            "/etc/bellwire/chain.pem",
            "/keys/key.pem",
            "/etc/bellwire/ca/../ca.pem",
        ] {
            assert_eq!(permitted.file(Path::new(granted)), Some(Path::new(granted)));
        }
        for other in [
            "",
            "chain.pem",
            "/etc/bellwire/ca.pem",
            "/etc/bellwire/./chain.pem",
            "/etc/bellwire/chain.pem/",
            "/etc/bellwire/bellwire.toml",
            "/etc/shadow",
            "/keys/key.pem\0",
        ] {
            assert_eq!(permitted.file(Path::new(other)), None, "{other}");
        }
    }

    #[test]
    fn addresses_are_granted_as_they_are_printed() {
        let permitted = permitted();
        for granted in [
            "127.0.0.1:80",
            "[::1]:80",
            "unix:/etc/bellwire/run/front.sock",
            "127.0.0.1:81",
        ] {
            let address = permitted.address(granted).map(ToString::to_string);
            assert_eq!(address.as_deref(), Some(granted));
        }
        for other in ["", "0.0.0.0:80", "127.0.0.1:82", "unix:run/front.sock"] {
            assert_eq!(permitted.address(other), None, "{other}");
        }
    }

    #[test]
    fn nothing_is_granted_before_a_configuration_was_read() {
        let permitted = Permitted::default();
        assert_eq!(permitted.file(Path::new("")), None);
        assert_eq!(permitted.address(""), None);
    }
}
