//! `basic` of a client: who connects (RFC 7617).

use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::config::fault::{Faults, Place, Placed};
use crate::config::raw::Table;
use crate::config::secret::{Secret, is_open_to_others};
use crate::config::value::quoted;
use crate::proto::http::url::Userinfo;

const FORM: &str =
    "{ username = \"me\", password = \"secret\" }, or password_file in the place of password";

/// The most bytes of a file with a password.
const MAX_FILE: u64 = 4096;

/// A user's name and password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Basic {
    /// Without a colon (RFC 7617 §2).
    pub username: String,
    /// The password; empty when there is none.
    pub password: Secret,
}

impl From<Userinfo> for Basic {
    fn from(userinfo: Userinfo) -> Basic {
        Basic {
            username: userinfo.user,
            password: Secret::new(userinfo.password),
        }
    }
}

/// Reads the table, or takes the userinfo of the URL in its place.
pub(super) fn read(
    table: &mut Table<'_>,
    userinfo: Option<Placed<Userinfo>>,
    folder: &Path,
    exposed: bool,
    faults: &mut Faults<'_>,
) -> Option<Basic> {
    let own = table.table("basic", "basic", faults);
    let place = own.place();
    let own = if own.is_there() {
        read_table(own, folder, exposed, faults)
    } else {
        None
    };
    let from_url = userinfo.map(|userinfo| Basic::from(userinfo.value));
    if let (Some(own), Some(from_url)) = (&own, &from_url)
        && own != from_url
    {
        faults.refuse(
            place,
            "basic: the url says another; allowed: one of them, or both the same",
        );
    }
    own.or(from_url)
}

fn read_table(
    mut table: Table<'_>,
    folder: &Path,
    exposed: bool,
    faults: &mut Faults<'_>,
) -> Option<Basic> {
    let at = table.place();
    let username = table.text("username", faults);
    let password = table.text("password", faults);
    let file = table.text("password_file", faults);
    if !table.has("username") {
        faults.misplaced(at, format!("username is missing in basic; allowed: {FORM}"));
    }
    match (table.has("password"), table.has("password_file")) {
        (false, false) => {
            faults.misplaced(at, format!("password is missing in basic; allowed: {FORM}"));
        }
        (true, true) => faults.refuse(
            at,
            format!("password_file: beside password; allowed: {FORM}"),
        ),
        _ => {}
    }
    table.finish(faults);
    let username = username.and_then(|username| check_username(&username, faults));
    let password = match (password, file) {
        (Some(password), _) => check_password(&password, exposed, faults),
        (None, Some(file)) => read_file(&file, folder, faults),
        (None, None) => None,
    };
    Some(Basic {
        username: username?,
        password: password?,
    })
}

fn check_username(username: &Placed<&str>, faults: &mut Faults<'_>) -> Option<String> {
    let Placed { value, place } = *username;
    if value.contains(':') || value.chars().any(char::is_control) {
        faults.refuse(
            place,
            format!(
                "username: {}; allowed: text without a colon and control characters",
                quoted(value)
            ),
        );
        return None;
    }
    Some(value.to_owned())
}

fn check_password(
    password: &Placed<&str>,
    exposed: bool,
    faults: &mut Faults<'_>,
) -> Option<Secret> {
    let Placed { value, place } = *password;
    if value.chars().any(char::is_control) {
        faults.refuse(
            place,
            "password: a control character in it; allowed: text without",
        );
        return None;
    }
    if exposed {
        faults.warn(
            place,
            "password: a secret in a file that others can read; chmod o-r takes that away",
        );
    }
    Some(Secret::new(value))
}

fn read_file(file: &Placed<&str>, folder: &Path, faults: &mut Faults<'_>) -> Option<Secret> {
    let path = folder.join(file.value);
    match faults.open(&path).and_then(first_line) {
        Ok(password) => {
            warn_if_open(&path, "password_file", file.place, faults);
            Some(Secret::new(password))
        }
        Err(what) => {
            faults.refuse(
                file.place,
                format!(
                    "password_file: {}: {what}; allowed: a readable file of one line",
                    path.display()
                ),
            );
            None
        }
    }
}

/// A secret that has a file of its own is worth a warning when that is open.
pub(super) fn warn_if_open(path: &Path, key: &str, place: Place, faults: &mut Faults<'_>) {
    if is_open_to_others(path) {
        let path = path.display();
        faults.warn(
            place,
            format!(
                "{key}: {path}: a secret in a file that others can read; chmod o-r takes that away"
            ),
        );
    }
}

/// The one line of a file.
fn first_line(file: File) -> Result<String, String> {
    let mut bytes = Vec::new();
    file.take(MAX_FILE + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| error.to_string())?;
    if bytes.len() as u64 > MAX_FILE {
        return Err("too long for a password".to_owned());
    }
    let text = String::from_utf8(bytes).map_err(|_| "not UTF-8".to_owned())?;
    let line = text.strip_suffix('\n').unwrap_or(&text);
    let line = line.strip_suffix('\r').unwrap_or(line);
    if line.is_empty() {
        Err("empty".to_owned())
    } else if line.chars().any(char::is_control) {
        Err("more than one line, or a control character".to_owned())
    } else {
        Ok(line.to_owned())
    }
}
