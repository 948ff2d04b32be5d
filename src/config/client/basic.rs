//! `basic` of a client: the user and password that it sends (RFC 7617).

use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::config::document::Purpose;
use crate::config::fault::{Place, Placed};
use crate::config::secret::{Secret, is_open_to_others};
use crate::config::table::{Table, Text};
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

/// Reads the table, or takes the user and password of the URL instead.
pub(super) fn read(table: &mut Table<'_>, from_url: Option<Userinfo>) -> Option<Basic> {
    let own = table.table("basic", "basic");
    let place = own.place();
    let own = own.exists().then(|| read_table(own)).flatten();
    let from_url = from_url.map(Basic::from);
    if own.is_some() && from_url.is_some() && own != from_url {
        table.refuse(
            place,
            "basic: the url says another; allowed: one of them, or both the same",
        );
    }
    own.or(from_url)
}

fn read_table(mut table: Table<'_>) -> Option<Basic> {
    let at = table.place();
    let allowed = "text without a colon and control characters";
    let username = table.checked("username", allowed, |name| {
        !name.contains(':') && !name.chars().any(char::is_control)
    });
    let password = table.parsed("password", |password| {
        // It is not shown.
        if password.chars().any(char::is_control) {
            return Err("a control character in it; allowed: text without".to_owned());
        }
        Ok(password)
    });
    let file = table.text("password_file");
    table.require("username", FORM);
    match (table.has("password"), table.has("password_file")) {
        (false, false) => table.require("password", FORM),
        (true, true) => table.refuse(
            at,
            format!("password_file: beside password; allowed: {FORM}"),
        ),
        _ => {}
    }
    let password = match password {
        Some(Placed { value, place }) => {
            if table.document().is_open_to_others() {
                table.warn(
                    place,
                    "password: a secret in a file that others can read; chmod o-r takes that away",
                );
            }
            Some(Secret::new(value))
        }
        None => file.and_then(|file| read_file(&table, file)),
    };
    table.finish();
    Some(Basic {
        username: username?.value.to_owned(),
        password: password?,
    })
}

fn read_file(table: &Table<'_>, file: Text<'_>) -> Option<Secret> {
    let path = table.folder().join(file.value);
    match table.open(&path, Purpose::Secret).and_then(read_line) {
        Ok(password) => {
            warn_if_open(table, "password_file", &path, file.place);
            Some(Secret::new(password))
        }
        Err(what) => {
            let path = path.display();
            table.refuse(
                file.place,
                format!("password_file: {path}: {what}; allowed: a readable file of one line"),
            );
            None
        }
    }
}

/// Warns of a file with a secret that others can read.
pub(super) fn warn_if_open(table: &Table<'_>, key: &str, path: &Path, place: Place) {
    if is_open_to_others(path) {
        let path = path.display();
        table.warn(
            place,
            format!(
                "{key}: {path}: a secret in a file that others can read; chmod o-r takes that away"
            ),
        );
    }
}

/// The only line of a file.
fn read_line(file: File) -> Result<String, String> {
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
