//! `[server.http]`: what a plain request gets.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::config::fault::{Faults, Place, Placed};
use crate::config::limits::MIB;
use crate::config::raw::Table;
use crate::config::value::{is_field_value, quoted, show_size};

/// A page is held in memory, whole.
const MAX_PAGE: u64 = 16 * MIB;

/// Content types by extension. What browsers treat as text says its charset, for a page without one is guessed at.
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
    /// The value of the Cache-Control field (RFC 9111 §5.2) beside what is served.
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

/// What of a folder is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folder {
    /// Where it is.
    pub path: PathBuf,
    /// The file that stands for the folder that it is in.
    pub default_document: String,
    /// Whether a folder without one is listed.
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
    pub(super) fn read(mut table: Table<'_>, folder: &Path, faults: &mut Faults<'_>) -> Http {
        let default = Http::default();
        let http = Http {
            serve: read_serve(&mut table, folder, faults).unwrap_or(default.serve),
            cache_control: read_cache_control(&mut table, faults).unwrap_or(default.cache_control),
        };
        table.finish(faults);
        http
    }
}

fn read_serve(table: &mut Table<'_>, folder: &Path, faults: &mut Faults<'_>) -> Option<Serve> {
    let serve = table.text("serve", faults);
    let page = table.text("page", faults);
    let served = read_folder(table, folder, faults);
    match serve.as_ref().map_or("empty", |serve| serve.value) {
        "empty" => {
            if let Some(page) = page {
                faults.warn(page.place, "page: not served, for serve is \"empty\"");
            }
            if let Some(place) = served.place {
                faults.warn(place, "folder: not served, for serve is \"empty\"");
            }
            Some(Serve::Empty)
        }
        "folder" => {
            if served.place.is_none() {
                let place = serve.map_or(table.place(), |serve| serve.place);
                faults.misplaced(
                    place,
                    "folder is missing; serve = \"folder\" needs folder, the path of one",
                );
            }
            Some(Serve::Folder(served.folder))
        }
        "page" => match page {
            Some(page) => read_page(&page, folder, faults).map(Serve::Page),
            None => {
                let place = serve.map_or(table.place(), |serve| serve.place);
                faults.misplaced(
                    place,
                    "page is missing; serve = \"page\" needs page, the path of a file",
                );
                None
            }
        },
        other => {
            let place = serve.map_or(table.place(), |serve| serve.place);
            let what = quoted(other);
            faults.refuse(
                place,
                format!("serve: {what}; allowed: empty, page, folder"),
            );
            None
        }
    }
}

/// The keys of a folder, and where `folder` is written, if it is.
struct Served {
    folder: Folder,
    place: Option<Place>,
}

fn read_folder(table: &mut Table<'_>, base: &Path, faults: &mut Faults<'_>) -> Served {
    let path = table.text("folder", faults);
    let document = table.text("default_document", faults);
    if let Some(document) = &document
        && (document.value.is_empty()
            || document.value.contains(['/', '\0'])
            || [".", ".."].contains(&document.value))
    {
        let what = format!(
            "default_document: {}; allowed: the name of a file",
            quoted(document.value)
        );
        faults.refuse(document.place, what);
    }
    let folder = Folder {
        path: base.join(path.as_ref().map_or("", |path| path.value)),
        default_document: document
            .map_or("index.html", |document| document.value)
            .to_owned(),
        listing: table.flag("listing", faults).is_some_and(|flag| flag.value),
        dotfiles: table
            .flag("dotfiles", faults)
            .is_some_and(|flag| flag.value),
    };
    let place = path.map(|path| path.place);
    if let Some(place) = place {
        let fault = match std::fs::read_dir(&folder.path) {
            Ok(_) => None,
            Err(error) => Some(error.to_string()),
        };
        if let Some(what) = fault {
            let path = folder.path.display();
            faults.refuse(
                place,
                format!("folder: {path}: {what}; allowed: a readable folder"),
            );
        }
    }
    Served { folder, place }
}

fn read_page(page: &Placed<&str>, folder: &Path, faults: &mut Faults<'_>) -> Option<Page> {
    let path = folder.join(page.value);
    let content = faults
        .open(&path)
        .and_then(read_document)
        .map_err(|what| {
            let path = path.display();
            faults.refuse(
                page.place,
                format!(
                    "page: {path}: {what}; allowed: a readable file of at most {}",
                    show_size(MAX_PAGE)
                ),
            );
        })
        .ok()?;
    Some(Page {
        content: content.into(),
        content_type: content_type(&path).to_owned(),
    })
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

fn read_cache_control(table: &mut Table<'_>, faults: &mut Faults<'_>) -> Option<String> {
    let Placed { value, place } = table.text("cache_control", faults)?;
    if value.is_empty() || !is_field_value(value) {
        faults.refuse(
            place,
            format!(
                "cache_control: {}; allowed: directives in printable ASCII, such as \"max-age=60\"",
                quoted(value)
            ),
        );
    }
    Some(value.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::fault::open_file;

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
        let read = || open_file(&path).map_err(|error| error.to_string());
        let read = || read().and_then(read_document);
        assert_eq!(read().map(|page| page.len() as u64), Ok(MAX_PAGE));
        file.set_len(MAX_PAGE + 1).expect("a length");
        assert_eq!(read(), Err("too large".to_owned()));
        let folder = open_file(folder.path()).map_err(|error| error.to_string());
        assert_eq!(folder.err().as_deref(), Some("not a file"));
    }
}
