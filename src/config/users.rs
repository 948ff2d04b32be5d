//! `[server.users]`: who may enter when not everybody may.
//!
//! Names and secrets are read here, from the list and from a file of its own; no fault and no Debug shows a secret. What
//! makes a hash, and which groups and services the system has, is not known here.

use std::collections::HashSet;
use std::fmt;
use std::fs::{File, Metadata};
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::config::fault::{Faults, Place, Placed};
use crate::config::limits::MIB;
use crate::config::raw::Table;
use crate::config::secret::Secret;
use crate::config::value::{quoted, show_size};

/// The longest file of users that is read.
const MAX_FILE: u64 = 4 * MIB;

const ENTRY_FORM: &str = "allowed: \"Username=Password\"";
const LIST_EXAMPLE: &str = "[\"alice=secret\"]";
const GROUPS_EXAMPLE: &str = "[\"robot-users\"]";
const GROUPS_FORM: &str = "allowed: a list of groups of this system, such as [\"robot-users\"]";

/// Who may enter a server.
#[derive(Clone, Debug)]
pub enum Users {
    /// These users; at least one, and no name twice.
    List(Vec<UserEntry>),
    /// Users of the system, by PAM.
    System {
        /// One must be in one of these groups; never empty.
        groups: Vec<Placed<String>>,
        /// The PAM service.
        service: Placed<String>,
    },
}

/// Moved to other lines they are still the same.
impl PartialEq for Users {
    fn eq(&self, other: &Users) -> bool {
        match (self, other) {
            (Users::List(a), Users::List(b)) => a == b,
            (
                Users::System { groups, service },
                Users::System {
                    groups: other_groups,
                    service: other_service,
                },
            ) => {
                let names = |groups: &[Placed<String>]| -> Vec<String> {
                    groups.iter().map(|group| group.value.clone()).collect()
                };
                service.value == other_service.value && names(groups) == names(other_groups)
            }
            _ => false,
        }
    }
}

impl Eq for Users {}

/// A user of the list.
#[derive(Clone, Debug)]
pub struct UserEntry {
    /// Not empty, and without colon, control characters and blanks around it.
    pub name: String,
    /// The password, or its hash; it may be empty.
    pub secret: Secret,
    /// Where it stands.
    pub origin: Origin,
}

impl PartialEq for UserEntry {
    fn eq(&self, other: &UserEntry) -> bool {
        self.name == other.name && self.secret == other.secret
    }
}

impl Eq for UserEntry {}

/// Where a user is written. It shows as what a fault begins with.
#[derive(Clone, Debug)]
pub struct Origin {
    /// In the configuration: the entry of the list, or the name of the file.
    pub place: Place,
    /// The line of that file.
    pub line: Option<(PathBuf, usize)>,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.line {
            Some((file, line)) => write!(f, "file: {}:{line}", file.display()),
            None => f.write_str("list"),
        }
    }
}

/// The keys of the table, of whichever source.
struct Keys<'d> {
    list: Option<Placed<Vec<Placed<&'d str>>>>,
    file: Option<Placed<&'d str>>,
    groups: Option<Placed<Vec<Placed<&'d str>>>>,
    service: Option<Placed<&'d str>>,
}

#[derive(Clone, Copy)]
enum Source {
    List,
    System,
}

impl Users {
    /// Reads the table, which is there.
    pub(super) fn read(
        mut table: Table<'_>,
        folder: &Path,
        faults: &mut Faults<'_>,
    ) -> Option<Users> {
        let sources = [
            ("list", Some(Source::List)),
            ("system", Some(Source::System)),
        ];
        let default = (!table.has("source")).then_some(Source::List);
        let source = table.choice("source", default, &sources, faults);
        let keys = Keys {
            list: table.texts("list", LIST_EXAMPLE, faults),
            file: table.text("file", faults),
            groups: table.texts("groups", GROUPS_EXAMPLE, faults),
            service: table.text("service", faults),
        };
        let has_list = table.has("list") || table.has("file");
        let has_groups = table.has("groups");
        let place = table.place();
        table.finish(faults);
        match source? {
            Source::List => {
                if !has_list {
                    faults.misplaced(place, "list and file are missing in [server.users]; allowed: either or both, such as list = [\"alice=secret\"]");
                }
                keys.users_of_list(folder, faults)
            }
            Source::System => {
                if !has_groups {
                    faults.misplaced(place, format!("groups is missing in [server.users]; source = \"system\" needs it; {GROUPS_FORM}"));
                }
                keys.users_of_system(place, faults)
            }
        }
    }
}

impl Keys<'_> {
    fn users_of_list(&self, folder: &Path, faults: &mut Faults<'_>) -> Option<Users> {
        let groups = self.groups.as_ref().map(|groups| groups.place);
        let service = self.service.as_ref().map(|service| service.place);
        refuse_beside("list", [("groups", groups), ("service", service)], faults);
        let mut entries = Vec::new();
        if let Some(list) = &self.list {
            read_list(&list.value, &mut entries, faults);
            if let Some(mode) = mode_for_others(std::fs::metadata(faults.file()).ok())
                && !list.value.is_empty()
            {
                faults.warn(list.place, format!("list: others can read this file (mode {mode:o}), and the passwords in it; chmod 600 keeps them"));
            }
        }
        if let Some(file) = &self.file {
            read_file(file, folder, &mut entries, faults)?;
        }
        refuse_doubles(&entries, faults);
        if entries.is_empty() {
            let list = self.list.as_ref().map(|list| list.place);
            let place = list.or(self.file.as_ref().map(|file| file.place))?;
            faults.refuse(place, format!("list: there are no users, so that nobody could enter; {ENTRY_FORM}, once at least"));
            return None;
        }
        Some(Users::List(entries))
    }

    fn users_of_system(&self, table: Place, faults: &mut Faults<'_>) -> Option<Users> {
        let list = self.list.as_ref().map(|list| list.place);
        let file = self.file.as_ref().map(|file| file.place);
        refuse_beside("system", [("list", list), ("file", file)], faults);
        let service = match &self.service {
            None => Some(Placed {
                value: "bellwire".to_owned(),
                place: table,
            }),
            Some(service) => service_name(service, faults),
        };
        let groups = self.groups.as_ref()?;
        if groups.value.is_empty() {
            faults.refuse(
                groups.place,
                format!("groups: an empty list, so that nobody could enter; {GROUPS_FORM}"),
            );
            return None;
        }
        let names = groups
            .value
            .iter()
            .filter_map(|group| group_name(group, faults));
        Some(Users::System {
            groups: names.collect(),
            service: service?,
        })
    }
}

/// Refuses the keys of the other source.
fn refuse_beside(source: &str, keys: [(&str, Option<Place>); 2], faults: &mut Faults<'_>) {
    for (key, place) in keys {
        let Some(place) = place else { continue };
        let allowed = if source == "list" {
            "list and file"
        } else {
            "groups and service"
        };
        faults.refuse(
            place,
            format!("{key}: beside source = \"{source}\"; allowed: {allowed}"),
        );
    }
}

fn service_name(service: &Placed<&str>, faults: &mut Faults<'_>) -> Option<Placed<String>> {
    let Placed { value, place } = *service;
    // It becomes the name of a file.
    if value.is_empty() || value.starts_with('.') || value.contains(['/', '\0']) {
        faults.refuse(
            place,
            format!(
                "service: {}; allowed: the name of a PAM service, which is a file in /etc/pam.d",
                quoted(value)
            ),
        );
        return None;
    }
    Some(Placed {
        value: value.to_owned(),
        place,
    })
}

fn group_name(group: &Placed<&str>, faults: &mut Faults<'_>) -> Option<Placed<String>> {
    let Placed { value, place } = *group;
    if value.is_empty() || value.contains('\0') {
        faults.refuse(place, format!("groups: {}; {GROUPS_FORM}", quoted(value)));
        return None;
    }
    Some(Placed {
        value: value.to_owned(),
        place,
    })
}

fn read_list(list: &[Placed<&str>], entries: &mut Vec<UserEntry>, faults: &mut Faults<'_>) {
    for text in list {
        let origin = Origin {
            place: text.place,
            line: None,
        };
        entries.extend(read_entry(text.value, origin, faults));
    }
}

/// `Username=Password` lines, comments that begin with `#`, and empty lines. None when it cannot be read.
fn read_file(
    file: &Placed<&str>,
    folder: &Path,
    entries: &mut Vec<UserEntry>,
    faults: &mut Faults<'_>,
) -> Option<()> {
    let path = folder.join(file.value);
    let read = faults.open(&path).and_then(read_text).map_err(|what| {
        faults.refuse(
            file.place,
            format!(
                "file: {}: {what}; allowed: a readable file in UTF-8 of at most {}",
                path.display(),
                show_size(MAX_FILE)
            ),
        );
    });
    let (text, metadata) = read.ok()?;
    if let Some(mode) = mode_for_others(Some(metadata)) {
        faults.warn(file.place, format!("file: others can read {} (mode {mode:o}), and the passwords in it; chmod 600 keeps them", path.display()));
    }
    for (index, line) in text.lines().enumerate() {
        let start = line.trim_start();
        if start.is_empty() || start.starts_with('#') {
            continue;
        }
        let origin = Origin {
            place: file.place,
            line: Some((path.clone(), index + 1)),
        };
        entries.extend(read_entry(line, origin, faults));
    }
    Some(())
}

/// The whole of a file.
fn read_text(file: File) -> Result<(Zeroizing<String>, Metadata), String> {
    let found = |error: std::io::Error| error.to_string();
    let metadata = file.metadata().map_err(found)?;
    if metadata.len() > MAX_FILE {
        return Err("too large".to_owned());
    }
    // Room for all of it, since a buffer that grew would leave passwords behind.
    let mut text = Zeroizing::new(String::with_capacity(
        MAX_FILE.min(metadata.len() + 1) as usize
    ));
    file.take(MAX_FILE)
        .read_to_string(&mut text)
        .map_err(found)?;
    Ok((text, metadata))
}

/// The mode of a file that others than its owner can read.
fn mode_for_others(metadata: Option<Metadata>) -> Option<u32> {
    let mode = metadata?.permissions().mode() & 0o777;
    (mode & 0o044 != 0).then_some(mode)
}

/// Splits at the first `=`. What is no entry is not shown, for it may be a password.
fn read_entry(text: &str, origin: Origin, faults: &mut Faults<'_>) -> Option<UserEntry> {
    let Some((name, secret)) = text.split_once('=') else {
        faults.refuse(
            origin.place,
            format!("{origin}: an entry without \"=\"; {ENTRY_FORM}"),
        );
        return None;
    };
    let fault = if name.is_empty() {
        Some("an entry without a name".to_owned())
    } else if name.contains(':') || name.chars().any(char::is_control) {
        // RFC 7617 §2: such a name cannot be sent.
        Some(format!(
            "the name {} has a colon or a control character",
            quoted(name)
        ))
    } else if name.trim() != name {
        Some(format!("the name {} has blanks around it", quoted(name)))
    } else {
        None
    };
    if let Some(what) = fault {
        faults.refuse(origin.place, format!("{origin}: {what}; {ENTRY_FORM}"));
        return None;
    }
    if secret.is_empty() {
        faults.warn(
            origin.place,
            format!("{origin}: {} has an empty password", quoted(name)),
        );
    }
    Some(UserEntry {
        name: name.to_owned(),
        secret: Secret::new(secret),
        origin,
    })
}

fn refuse_doubles(entries: &[UserEntry], faults: &mut Faults<'_>) {
    let mut known = HashSet::new();
    for UserEntry { name, origin, .. } in entries {
        if !known.insert(name) {
            faults.refuse(
                origin.place,
                format!(
                    "{origin}: {} is there already; allowed: each name once",
                    quoted(name)
                ),
            );
        }
    }
}
