//! What the daemon may ask for: what the configuration names. Nothing is opened here.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::config::{Address, Client, Config, Network, Server, Users};

/// The files and addresses that any configuration so far has named, and who may log in. Those of an earlier one stay
/// permitted: the daemon may refuse the later one, and then goes on with the earlier.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Permitted {
    files: BTreeSet<PathBuf>,
    /// By their printed form.
    addresses: BTreeMap<String, Address>,
    /// Which users of the system may enter a server, by its id in lower case: by the newest configuration, and by the one
    /// before, which the daemon goes on with when it has refused the newest.
    systems: [BTreeMap<String, SystemUsers>; 2],
}

/// Which users of the system may enter a server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct SystemUsers {
    /// The PAM service.
    pub service: String,
    /// A user must be in one of these.
    pub groups: Vec<String>,
    /// Failed logins from here are not counted.
    pub exempt: Vec<Network>,
}

impl Permitted {
    /// Adds what this configuration names. Servers and clients that are not active count too: a command may start them.
    pub(super) fn add(&mut self, config: &Config) {
        self.add_files(config);
        let mut systems = BTreeMap::new();
        for server in &config.servers {
            let addresses = server.bind.iter().map(|bind| bind.address.clone());
            self.addresses
                .extend(addresses.map(|address| (address.to_string(), address)));
            if let Some(Users::System { service, groups }) = &server.users {
                let users = SystemUsers {
                    service: service.value.clone(),
                    groups: groups.iter().map(|group| group.value.clone()).collect(),
                    exempt: server.limits.throttle_exempt.clone(),
                };
                systems.insert(server.id.as_str().to_ascii_lowercase(), users);
            }
        }
        let [newest, before] = &mut self.systems;
        *before = std::mem::replace(newest, systems);
    }

    /// Adds the files that this configuration names, which may have faults.
    pub(super) fn add_files(&mut self, config: &Config) {
        self.files.extend(config.files.iter().cloned());
        self.files
            .extend(config.clients.iter().flat_map(files_of_client));
        self.files
            .extend(config.servers.iter().flat_map(files_of_server));
    }

    /// The file of this path, if the configuration names it in the same spelling.
    pub(super) fn file(&self, asked: &Path) -> Option<&Path> {
        // Path comparison ignores "." segments; here every byte counts.
        let same = |file: &&PathBuf| file.as_os_str() == asked.as_os_str();
        self.files.iter().find(same).map(PathBuf::as_path)
    }

    /// The address of this printed form.
    pub(super) fn address(&self, asked: &str) -> Option<&Address> {
        self.addresses.get(asked)
    }

    /// Which users of the system may enter the server of this id.
    pub(super) fn system_users(&self, server: &str) -> Option<&SystemUsers> {
        let id = server.to_ascii_lowercase();
        self.systems.iter().find_map(|systems| systems.get(&id))
    }
}

/// The certificates and keys of a server.
fn files_of_server(server: &Server) -> Vec<PathBuf> {
    let mut files = Vec::new();
    if let Some(tls) = &server.tls {
        files.push(tls.certificate.value.clone());
        files.push(tls.private_key.value.clone());
        files.extend(tls.client_ca.iter().map(|file| file.value.clone()));
    }
    files
}

/// The certificates and keys of a client.
fn files_of_client(client: &Client) -> Vec<PathBuf> {
    let trust = &client.trust;
    let identity = trust.identity.iter();
    let own = identity.flat_map(|own| [&own.certificate, &own.private_key]);
    let files = trust.ca.iter().chain(own);
    files.map(|file| file.value.clone()).collect()
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
        auth = { basic = true }
        users = { source = "system", groups = ["root"], service = "door" }
    "#;

    fn permitted() -> Permitted {
        let mut permitted = Permitted::default();
        let config = crate::config::parse(TEXT, Path::new("/etc/bellwire/bellwire.toml"));
        permitted.add(&config.unwrap());
        permitted
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
    fn users_of_the_system_are_those_of_the_newest_two_configurations() {
        let mut permitted = permitted();
        let door = permitted
            .system_users("ws_server_2")
            .expect("a server")
            .clone();
        assert_eq!(
            (door.service.as_str(), &door.groups[..]),
            ("door", &["root".to_owned()][..])
        );
        assert_eq!(permitted.system_users("WS_SERVER_1"), None);
        let file = Path::new("/etc/bellwire/bellwire.toml");
        let other = crate::config::parse(&TEXT.replace("\"root\"", "\"others\""), file).unwrap();
        permitted.add(&other);
        let found = permitted.system_users("WS_SERVER_2").expect("a server");
        assert_eq!(found.groups, ["others"]);
        let none = crate::config::parse("[[server]]\nbind = [\"127.0.0.1:81\"]\n", file).unwrap();
        permitted.add(&none);
        assert!(permitted.system_users("WS_SERVER_2").is_some());
        permitted.add(&none);
        assert_eq!(permitted.system_users("WS_SERVER_2"), None);
    }

    #[test]
    fn a_file_of_users_is_granted_and_what_was_named_before_stays() {
        let folder = tempfile::tempdir().unwrap();
        let users = folder.path().join("users.txt");
        std::fs::write(&users, "alice=secret\n").unwrap();
        let text = "[[server]]\nbind = [\"127.0.0.1:0\"]\n[server.auth]\nbasic = true\n\
            [server.users]\nfile = \"users.txt\"\nlist = [\"bob=x\"]\n";
        let config = crate::config::parse(text, &folder.path().join("bellwire.toml"));
        let mut permitted = permitted();
        permitted.add(&config.unwrap());
        assert_eq!(permitted.file(&users), Some(users.as_path()));
        assert!(permitted.file(Path::new("/keys/key.pem")).is_some());
        assert!(permitted.address("127.0.0.1:0").is_some());
        assert!(permitted.address("127.0.0.1:80").is_some());
    }

    #[test]
    fn nothing_is_granted_before_a_configuration_was_read() {
        let permitted = Permitted::default();
        assert_eq!(permitted.file(Path::new("")), None);
        assert_eq!(permitted.address(""), None);
        assert_eq!(permitted.system_users(""), None);
    }
}
