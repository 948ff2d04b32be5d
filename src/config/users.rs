//! `[server.users]`: the users of a server, from a list, a file or the system.
//!
//! No fault and no Debug shows a secret. Hashes are not parsed here, and the system is not asked for groups and services.

use std::collections::HashSet;
use std::fmt;
use std::fs::{File, Metadata};
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use zeroize::Zeroizing;

use crate::config::document::Purpose;
use crate::config::fault::{Place, Placed};
use crate::config::limits::MIB;
use crate::config::secret::Secret;
use crate::config::table::{Table, Text, Texts};
use crate::config::value::{quoted, show_size};

/// The longest file of users that is read.
const MAX_FILE: u64 = 4 * MIB;

const ENTRY_FORM: &str = "allowed: \"Username=Password\"";
const LIST_EXAMPLE: &str = "[\"alice=secret\"]";
const GROUPS_EXAMPLE: &str = "[\"robot-users\"]";
const SERVICE_FORM: &str = "the name of a PAM service, which is a file in /etc/pam.d";
const GROUPS_FORM: &str = "allowed: a list of groups of this system, such as [\"robot-users\"]";

/// Who may enter a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Users {
    /// These users; at least one, and no name twice.
    List(Vec<UserEntry>),
    /// Users of the system, whom PAM authenticates.
    System {
        /// A user must be in one of these groups; never empty.
        groups: Vec<Placed<String>>,
        /// The PAM service.
        service: Placed<String>,
    },
}

/// A user of the list.
#[derive(Clone, Debug)]
pub struct UserEntry {
    /// Not empty; without a colon, control characters, or blanks around it.
    pub name: String,
    /// The password, which may be empty, or its hash.
    pub secret: Secret,
    /// Where it is defined.
    pub origin: EntryOrigin,
}

impl PartialEq for UserEntry {
    fn eq(&self, other: &UserEntry) -> bool {
        self.name == other.name && self.secret == other.secret
    }
}

impl Eq for UserEntry {}

/// Where a user is defined. Faults begin with it.
#[derive(Clone, Debug)]
pub struct EntryOrigin {
    /// In the configuration: the entry of the list, or the name of the file.
    pub place: Place,
    /// The line of that file.
    pub line: Option<(PathBuf, usize)>,
}

impl fmt::Display for EntryOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.line {
            Some((file, line)) => write!(f, "file: {}:{line}", file.display()),
            None => f.write_str("list"),
        }
    }
}

#[derive(Clone, Copy)]
enum UserSource {
    List,
    System,
}

impl Users {
    /// Reads the table, if it exists.
    pub(super) fn read(mut table: Table<'_>) -> Option<Users> {
        if !table.exists() {
            return None;
        }
        let sources = [
            ("list", Some(UserSource::List)),
            ("system", Some(UserSource::System)),
        ];
        let default = (!table.has("source")).then_some(UserSource::List);
        let source = table.choice("source", default, &sources);
        let list = table.texts("list", LIST_EXAMPLE);
        let file = table.text("file");
        let groups = table.parsed_list("groups", GROUPS_EXAMPLE, |name| {
            if name.is_empty() || name.contains('\0') {
                return Err(format!("{}; {GROUPS_FORM}", quoted(name)));
            }
            Ok(name.to_owned())
        });
        let service = table.checked("service", SERVICE_FORM, |name| {
            // It becomes the name of a file.
            !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\0'])
        });
        let service = service.map(|service| service.map(str::to_owned));
        let users = match source {
            None => None,
            Some(UserSource::List) => {
                refuse_beside(&table, "list", ["groups", "service"], "list and file");
                users_of_list(&table, list.as_ref(), file)
            }
            Some(UserSource::System) => {
                refuse_beside(&table, "system", ["list", "file"], "groups and service");
                users_of_system(&table, groups, service)
            }
        };
        table.finish();
        users
    }
}

/// Refuses the keys of the other source.
fn refuse_beside(table: &Table<'_>, source: &str, keys: [&str; 2], allowed: &str) {
    let what = format!("beside source = \"{source}\"; allowed: {allowed}");
    table.refuse_keys(&keys, &what);
}

fn users_of_list(
    table: &Table<'_>,
    list: Option<&Texts<'_>>,
    file: Option<Text<'_>>,
) -> Option<Users> {
    if !table.has("list") && !table.has("file") {
        table.misplaced(table.place(), "list and file are missing in [server.users]; allowed: either or both, such as list = [\"alice=secret\"]");
    }
    let mut entries = Vec::new();
    if let Some(list) = list {
        for text in &list.value {
            let origin = EntryOrigin {
                place: text.place,
                line: None,
            };
            entries.extend(read_entry(table, text.value, origin));
        }
        let metadata = std::fs::metadata(table.document().file()).ok();
        if let Some(mode) = metadata.as_ref().and_then(mode_for_others)
            && !list.value.is_empty()
        {
            table.warn(list.place, format!("list: others can read this file (mode {mode:o}), and the passwords in it; chmod 600 keeps them"));
        }
    }
    if let Some(file) = file {
        read_file(table, file, &mut entries)?;
    }
    refuse_duplicates(table, &entries);
    if entries.is_empty() {
        let place = list
            .map(|list| list.place)
            .or(file.map(|file| file.place))?;
        table.refuse(
            place,
            format!(
                "list: there are no users, so that nobody could enter; {ENTRY_FORM}, once at least"
            ),
        );
        return None;
    }
    Some(Users::List(entries))
}

fn users_of_system(
    table: &Table<'_>,
    groups: Vec<Placed<String>>,
    service: Option<Placed<String>>,
) -> Option<Users> {
    if !table.has("groups") {
        table.misplaced(
            table.place(),
            format!(
                "groups is missing in [server.users]; source = \"system\" needs it; {GROUPS_FORM}"
            ),
        );
    }
    let why = ", so that nobody could enter";
    table.refuse_empty("groups", &format!("{why}; {GROUPS_FORM}"));
    let service = match service {
        None if table.has("service") => return None,
        None => Placed {
            value: "bellwire".to_owned(),
            place: table.place(),
        },
        Some(service) => service,
    };
    (!groups.is_empty()).then_some(Users::System { groups, service })
}

/// `Username=Password` lines, comments that begin with `#`, and empty lines. `None` when it cannot be read.
fn read_file(table: &Table<'_>, file: Text<'_>, entries: &mut Vec<UserEntry>) -> Option<()> {
    let path = table.folder().join(file.value);
    let read = table
        .open(&path, Purpose::Secret)
        .and_then(read_text)
        .map_err(|what| {
            let (path, most) = (path.display(), show_size(MAX_FILE));
            let allowed = format!("a readable file in UTF-8 of at most {most}");
            table.refuse(
                file.place,
                format!("file: {path}: {what}; allowed: {allowed}"),
            );
        });
    let (text, metadata) = read.ok()?;
    if let Some(mode) = mode_for_others(&metadata) {
        table.warn(file.place, format!("file: others can read {} (mode {mode:o}), and the passwords in it; chmod 600 keeps them", path.display()));
    }
    for (index, line) in text.lines().enumerate() {
        let start = line.trim_start();
        if start.is_empty() || start.starts_with('#') {
            continue;
        }
        let origin = EntryOrigin {
            place: file.place,
            line: Some((path.clone(), index + 1)),
        };
        entries.extend(read_entry(table, line, origin));
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
fn mode_for_others(metadata: &Metadata) -> Option<u32> {
    let mode = metadata.permissions().mode() & 0o777;
    (mode & 0o044 != 0).then_some(mode)
}

/// Splits at the first `=`. A text that is no entry is not shown, for it may be a password.
fn read_entry(table: &Table<'_>, text: &str, origin: EntryOrigin) -> Option<UserEntry> {
    let refuse = |what: &str| {
        table.refuse(origin.place, format!("{origin}: {what}; {ENTRY_FORM}"));
    };
    let Some((name, secret)) = text.split_once('=') else {
        refuse("an entry without \"=\"");
        return None;
    };
    let shown = quoted(name);
    if name.is_empty() {
        refuse("an entry without a name");
        return None;
    }
    if name.contains(':') || name.chars().any(char::is_control) {
        // RFC 7617 §2: such a name cannot be sent.
        refuse(&format!(
            "the name {shown} has a colon or a control character"
        ));
        return None;
    }
    if name.trim() != name {
        refuse(&format!("the name {shown} has blanks around it"));
        return None;
    }
    if secret.is_empty() {
        table.warn(
            origin.place,
            format!("{origin}: {shown} has an empty password"),
        );
    }
    Some(UserEntry {
        name: name.to_owned(),
        secret: Secret::new(secret),
        origin,
    })
}

fn refuse_duplicates(table: &Table<'_>, entries: &[UserEntry]) {
    let mut known = HashSet::new();
    for UserEntry { name, origin, .. } in entries {
        if !known.insert(name) {
            let name = quoted(name);
            table.refuse(
                origin.place,
                format!("{origin}: {name} is there already; allowed: each name once"),
            );
        }
    }
}
