//! `[server.http]`: the answers to plain HTTP requests.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::config::document::Purpose;
use crate::config::limits::MIB;
use crate::config::table::{Table, Text};
use crate::config::value::{is_field_value, quoted, show_size};

/// A page is held in memory.
const MAX_PAGE: u64 = 16 * MIB;

/// Content types by extension. Those of text name a charset: without one, browsers guess.
const CONTENT_TYPES: [(&str, &str); 19] = [
    ("html", "text/html; charset=utf-8"),
    ("htm", "text/html; charset=utf-8"),
    ("txt", "text/plain; charset=utf-8"),
    ("md", "text/markdown; charset=utf-8"),
    ("css", "text/css; charset=utf-8"),
    ("csv", "text/csv; charset=utf-8"),
    ("js", "text/javascript; charset=utf-8"),
    ("mjs", "text/javascript; charset=utf-8"),
    ("xml", "text/xml; charset=utf-8"),
    ("json", "application/json"),
    ("pdf", "application/pdf"),
    ("xhtml", "application/xhtml+xml"),
    ("svg", "image/svg+xml"),
    ("png", "image/png"),
    ("jpg", "image/jpeg"),
    ("jpeg", "image/jpeg"),
    ("gif", "image/gif"),
    ("webp", "image/webp"),
    ("ico", "image/vnd.microsoft.icon"),
];

/// The HTTP behaviour of one server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Http {
    /// What is served.
    pub serve: Serve,
    /// The Cache-Control field (RFC 9111 §5.2) of answers that have content.
    pub cache_control: String,
}

/// What a GET or HEAD gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Serve {
    /// 200 without content.
    Empty,
    /// One document, whatever the path.
    Page(Page),
    /// The files of a folder.
    Folder(Folder),
}

/// A folder that is served, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folder {
    /// Where it is.
    pub path: PathBuf,
    /// The file that is served for the path of its folder.
    pub default_document: String,
    /// Whether a folder without that file is listed.
    pub listing: bool,
    /// Whether names that begin with a dot are served; `.well-known` is in any case.
    pub dotfiles: bool,
}

/// A document in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Its bytes, as the file had them when the configuration was read.
    pub content: Arc<[u8]>,
    /// The value of its Content-Type field.
    pub content_type: String,
}

impl Default for Http {
    fn default() -> Self {
        Http {
            serve: Serve::Empty,
            cache_control: "no-cache".to_owned(),
        }
    }
}

impl Http {
    pub(super) fn read(mut table: Table<'_>) -> Http {
        let default = Http::default();
        let serve = read_serve(&mut table);
        let allowed = "directives in printable ASCII, such as \"max-age=60\"";
        let cache_control = table.checked("cache_control", allowed, |value| {
            !value.is_empty() && is_field_value(value)
        });
        table.finish();
        Http {
            serve: serve.unwrap_or(default.serve),
            cache_control: cache_control.map_or(default.cache_control, |it| it.value.to_owned()),
        }
    }
}

fn read_serve(table: &mut Table<'_>) -> Option<Serve> {
    let serve = table.text("serve");
    let page = table.text("page");
    let folder = read_folder(table);
    let place = serve.map_or(table.place(), |serve| serve.place);
    match serve.map_or("empty", |serve| serve.value) {
        "empty" => {
            for key in ["page", "folder"] {
                if let Some(place) = table.place_of(key) {
                    table.warn(place, format!("{key}: not served, for serve is \"empty\""));
                }
            }
            Some(Serve::Empty)
        }
        "folder" => {
            if !table.has("folder") {
                table.misplaced(
                    place,
                    "folder is missing; serve = \"folder\" needs folder, the path of one",
                );
            }
            Some(Serve::Folder(folder))
        }
        "page" => {
            if !table.has("page") {
                table.misplaced(
                    place,
                    "page is missing; serve = \"page\" needs page, the path of a file",
                );
            }
            read_page(table, page?).map(Serve::Page)
        }
        other => {
            let other = quoted(other);
            table.refuse(
                place,
                format!("serve: {other}; allowed: empty, page, folder"),
            );
            None
        }
    }
}

fn read_folder(table: &mut Table<'_>) -> Folder {
    let path = read_readable_folder(table, "folder");
    let document = table.checked("default_document", "the name of a file", |name| {
        !name.is_empty() && !name.contains(['/', '\0']) && ![".", ".."].contains(&name)
    });
    Folder {
        path: path.unwrap_or_else(|| table.folder().to_owned()),
        default_document: document.map_or("index.html", |it| it.value).to_owned(),
        listing: table.flag_or("listing", false),
        dotfiles: table.flag_or("dotfiles", false),
    }
}

/// The path of a folder, which the user that serves it must be able to read.
pub(super) fn read_readable_folder(table: &mut Table<'_>, key: &'static str) -> Option<PathBuf> {
    let document = table.document();
    let path = table.parsed(key, |path| {
        let path = document.folder().join(path);
        match document.open(&path, Purpose::Folder) {
            Ok(_) => Ok(path),
            Err(error) => {
                let path = path.display();
                Err(format!("{path}: {error}; allowed: a readable folder"))
            }
        }
    });
    path.map(|path| path.value)
}

fn read_page(table: &Table<'_>, page: Text<'_>) -> Option<Page> {
    let path = table.folder().join(page.value);
    match table.open(&path, Purpose::Page).and_then(read_document) {
        Ok(content) => Some(Page {
            content: content.into(),
            content_type: content_type(&path).to_owned(),
        }),
        Err(what) => {
            let (path, most) = (path.display(), show_size(MAX_PAGE));
            table.refuse(
                page.place,
                format!("page: {path}: {what}; allowed: a readable file of at most {most}"),
            );
            None
        }
    }
}

/// The whole of a file.
fn read_document(file: File) -> Result<Vec<u8>, String> {
    let mut content = Vec::new();
    file.take(MAX_PAGE + 1)
        .read_to_end(&mut content)
        .map_err(|error| error.to_string())?;
    if content.len() as u64 > MAX_PAGE {
        return Err("too large".to_owned());
    }
    Ok(content)
}

fn content_type(path: &Path) -> &'static str {
    let extension = path.extension().unwrap_or_default();
    CONTENT_TYPES
        .iter()
        .find(|(known, _)| extension.eq_ignore_ascii_case(known))
        .map_or("application/octet-stream", |(_, content_type)| content_type)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::document::open_file;

    #[test]
    fn content_types_go_by_extension() {
        for (path, expected) in [
            ("a.html", "text/html; charset=utf-8"),
            ("a.b.JS", "text/javascript; charset=utf-8"),
            ("/x/logo.svg", "image/svg+xml"),
            ("a.json", "application/json"),
            ("a.unknown", "application/octet-stream"),
            ("html", "application/octet-stream"),
        ] {
            assert_eq!(content_type(Path::new(path)), expected, "{path}");
        }
    }

    #[test]
    fn only_files_of_a_bounded_length_are_read() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("page");
        let file = File::create(&path).expect("a file");
        file.set_len(MAX_PAGE).expect("a length");
        let read = || open_file(&path, Purpose::Page).map_err(|error| error.to_string());
        let read = || read().and_then(read_document);
        assert_eq!(read().map(|page| page.len() as u64), Ok(MAX_PAGE));
        file.set_len(MAX_PAGE + 1).expect("a length");
        assert_eq!(read(), Err("too large".to_owned()));
        let folder = open_file(folder.path(), Purpose::Page).map_err(|error| error.to_string());
        assert_eq!(folder.err().as_deref(), Some("not a file"));
    }
}
