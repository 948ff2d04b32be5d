//! Checks the users of the configuration against the system: whether it supports their hashes, and has their groups and
//! PAM services. The faults have the places of the keys that name them.

use std::fs::File;
use std::path::PathBuf;

use crate::auth::StoredPassword;
use crate::config::{Findings, Placed, Server, UserEntry, Users};
use crate::process::{identity, pam_services};

/// Only root and the group shadow can read it, and without it PAM can check no other user's password.
const SHADOW: &str = "/etc/shadow";

/// Faults and warnings of the users of these servers. `rights_known`: PAM runs with the rights of this process.
pub(super) fn findings(servers: &[Server], rights_known: bool) -> Findings {
    let mut findings = Findings::default();
    for users in servers.iter().filter_map(|server| server.users.as_ref()) {
        match users {
            Users::List(entries) => check_list(entries, &mut findings),
            Users::System { groups, service } => {
                for group in groups {
                    check_group(group, &mut findings);
                }
                check_service(service, &pam_services::folders(), &mut findings);
                if rights_known {
                    check_rights(service, &mut findings);
                }
            }
        }
    }
    findings
}

fn check_list(entries: &[UserEntry], findings: &mut Findings) {
    let mut works = Vec::new();
    for UserEntry {
        name,
        secret,
        origin,
    } in entries
    {
        let secret = StoredPassword::parse(secret.reveal());
        let supported = secret.and_then(|secret| {
            secret.supported().map_err(|error| error.to_string())?;
            Ok(secret)
        });
        match supported {
            Ok(secret) => works.extend(secret.is_hash().then(|| secret.work())),
            Err(what) => {
                let what = format!("{origin}: {name:?}: {what}");
                findings.refused.push((origin.place, what));
            }
        }
    }
    works.sort_unstable();
    works.dedup();
    if let [_, _, ..] = works.as_slice()
        && let Some(UserEntry { origin, .. }) = entries.first()
    {
        let what = "list: hashes of different works or costs take different times, by which users can be told from names that are none; one cost throughout hides that";
        findings.warned.push((origin.place, what.to_owned()));
    }
}

fn check_group(group: &Placed<String>, findings: &mut Findings) {
    let Placed { value, place } = group;
    let what = match identity::group_id(value) {
        Ok(Some(_)) => return,
        Ok(None) => format!("groups: no such group {value:?}; allowed: groups of this system"),
        Err(error) => format!("groups: {value:?}: {error}; allowed: groups of this system"),
    };
    findings.refused.push((*place, what));
}

fn check_service(service: &Placed<String>, folders: &[PathBuf], findings: &mut Findings) {
    let Placed { value, place } = service;
    if pam_services::exists(value, folders) {
        return;
    }
    let places: Vec<String> = folders
        .iter()
        .map(|folder| folder.display().to_string())
        .collect();
    let what = format!(
        "service: there is no PAM service {value:?}, and PAM would fall through to \"other\"; allowed: the name of a file in {}",
        places.join(" or ")
    );
    findings.refused.push((*place, what));
}

fn check_rights(service: &Placed<String>, findings: &mut Findings) {
    if File::open(SHADOW).is_err() {
        let what = format!(
            "users: without the right to read {SHADOW}, PAM can check nobody's password but this user's own; run as root or in the group shadow"
        );
        findings.warned.push((service.place, what));
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config;

    const BCRYPT: &str = "$2b$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a";
    const ARGON: &str =
        "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";

    fn findings(servers: &[Server]) -> Findings {
        super::findings(servers, true)
    }

    fn servers(users: &str) -> Vec<Server> {
        let text = format!("[[server]]\nbind = [\"[::1]:1\"]\nauth.basic = true\n{users}\n");
        config::parse(&text, Path::new("f.toml"))
            .expect(users)
            .servers
    }

    fn whats(found: &[(config::Place, String)]) -> Vec<String> {
        found
            .iter()
            .map(|(place, what)| format!("{}:{}: {what}", place.line, place.column))
            .collect()
    }

    #[test]
    fn a_malformed_hash_is_a_fault_that_does_not_show_it() {
        let bent = ARGON.replace("t=2", "t=99");
        let found = findings(&servers(&format!(
            "users.list = [\"alice=a\", \"bob={bent}\", \"carol=$1$salt$hash\"]"
        )));
        assert_eq!(
            whats(&found.refused),
            [
                "4:26: list: \"bob\": the argon2id hash has m=256,t=99,p=1; allowed: m up to 262144 (KiB, 8 for each of p at least), t up to 16, p up to 8",
                "4:119: list: \"carol\": a hash of a kind that is not known here; allowed: a hash of argon2id (from hash-password), $6$, $5$, $y$ or $2b$",
            ]
        );
    }

    #[test]
    fn hashes_of_different_cost_are_warned_of() {
        let warned = |list: &str| findings(&servers(&format!("users.list = [{list}]"))).warned;
        assert!(warned("\"a=x\", \"b=y\"").is_empty());
        let same = format!("\"a=x\", \"b={ARGON}\", \"c={ARGON}\"");
        assert!(warned(&same).is_empty());
        let mixed = format!(
            "\"a=x\", \"b={ARGON}\", \"c={}\"",
            ARGON.replace("t=2", "t=3")
        );
        let [(place, what)] = &*warned(&mixed) else {
            panic!("one warning");
        };
        assert_eq!((place.line, place.column), (4, 15));
        assert!(what.contains("different times"), "{what}");
    }

    #[test]
    fn unknown_groups_are_faults() {
        let found = findings(&servers(
            "users = { source = \"system\", groups = [\"root\", \"no-such-one\"], service = \"no-such-one\" }",
        ));
        let refused = whats(&found.refused);
        assert_eq!(
            refused[0],
            "4:48: groups: no such group \"no-such-one\"; allowed: groups of this system"
        );
        assert!(refused[1].starts_with("4:74: service: there is no PAM service \"no-such-one\""));
        assert_eq!(refused.len(), 2);
    }

    #[test]
    fn a_service_is_a_file() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("known"), "").expect("a file");
        std::fs::create_dir(folder.path().join("folder")).expect("a folder");
        let folders = ["/no/such/folder".into(), folder.path().to_owned()];
        let found = |name: &str| {
            let mut findings = Findings::default();
            let value = name.to_owned();
            let place = config::Place { line: 1, column: 1 };
            check_service(&Placed { value, place }, &folders, &mut findings);
            whats(&findings.refused)
        };
        assert!(found("known").is_empty());
        for name in ["unknown", "folder"] {
            assert_eq!(
                found(name),
                [format!(
                    "1:1: service: there is no PAM service {name:?}, and PAM would fall through to \"other\"; allowed: the name of a file in /no/such/folder or {}",
                    folder.path().display()
                )]
            );
        }
    }

    #[test]
    fn a_hash_of_libcrypt_is_a_fault_only_without_it() {
        let found = findings(&servers(&format!("users.list = [\"a={BCRYPT}\"]")));
        let supported = StoredPassword::parse(BCRYPT).expect("a hash").supported();
        assert_eq!(found.refused.is_empty(), supported.is_ok());
    }
}
