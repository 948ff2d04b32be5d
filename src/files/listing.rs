//! The page that lists the content of a folder.

use std::fmt::Write;
use std::fs::{self, DirEntry, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;

use crate::proto::http::date;
use crate::proto::http::path::encode_path;

use super::open::{DiskAccess, Resolved, Root, path_of};

/// The most entries that are listed.
const MAX_ENTRIES: usize = 10_000;

const STYLE: &str = "\
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 60rem; margin: 0 auto; padding: 1rem }
h1 { font-size: 1.25rem; overflow-wrap: anywhere }
table { width: 100%; border-collapse: collapse }
th, td { padding: .375rem .5rem; text-align: right; white-space: nowrap }
th:first-child, td:first-child { width: 100%; text-align: left; white-space: normal; overflow-wrap: anywhere }
tr { border-bottom: 1px solid #8884 }
a { text-decoration: none }
@media (max-width: 36rem) {
thead { display: none }
tr { display: flex; flex-wrap: wrap; justify-content: space-between }
}
";

/// One file or folder in the list.
struct ListedFile {
    name: Vec<u8>,
    is_folder: bool,
    size: u64,
    modified: u64,
}

/// The page that lists a folder. `path` is empty or ends with a slash; `shows` says which paths requests may ask for.
/// Only regular files and folders are listed, and no links that lead out of the root.
///
/// # Errors
/// The folder is missing, is no folder, or may not be read.
pub(super) fn page(root: &Root, path: &[u8], shows: &dyn Fn(&[u8]) -> bool) -> io::Result<String> {
    let Resolved::Folder(folder) = root.find(path, DiskAccess::MayWait)? else {
        return Err(io::ErrorKind::NotFound.into());
    };
    let (mut entries, mut complete) = (Vec::new(), true);
    for entry in fs::read_dir(path_of(&folder))? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.as_bytes();
        let full = [path, name].concat();
        // A request with a backslash in its path is refused.
        if !shows(&full) || name.contains(&b'\\') {
            continue;
        }
        if entries.len() == MAX_ENTRIES {
            complete = false;
            break;
        }
        if let Some(metadata) = metadata_of(root, &full, &entry) {
            entries.push(ListedFile {
                name: name.to_vec(),
                is_folder: metadata.is_dir(),
                size: metadata.len(),
                modified: u64::try_from(metadata.mtime()).unwrap_or(0),
            });
        }
    }
    entries.sort_by_cached_key(|entry| {
        let folded = entry.name.to_ascii_lowercase();
        (!entry.is_folder, folded, entry.name.clone())
    });
    Ok(render(path, &entries, complete))
}

/// The metadata of a file or folder that can be served; of a link, that of its target.
fn metadata_of(root: &Root, path: &[u8], entry: &DirEntry) -> Option<Metadata> {
    let metadata = if entry.file_type().ok()?.is_symlink() {
        root.metadata(path)
    } else {
        entry.metadata()
    };
    metadata.ok().filter(|it| it.is_dir() || it.is_file())
}

fn render(path: &[u8], entries: &[ListedFile], complete: bool) -> String {
    let title = escape(&format!("/{}", String::from_utf8_lossy(path)));
    let mut page = format!(
        "<!DOCTYPE html>\n\
         <html lang=\"en\">\n\
         <head>\n\
         <meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>{title}</title>\n\
         <style>\n{STYLE}</style>\n\
         </head>\n\
         <body>\n\
         <h1>{title}</h1>\n\
         <table>\n\
         <thead><tr><th>Name</th><th>Size</th><th>Changed (UTC)</th></tr></thead>\n\
         <tbody>\n"
    );
    if !path.is_empty() {
        page.push_str("<tr><td><a href=\"../\">../</a></td><td></td><td></td></tr>\n");
    }
    for entry in entries {
        let slash = if entry.is_folder { "/" } else { "" };
        // Without the dot, a browser would take a name with a colon for a scheme.
        let link = escape(&format!("./{}{slash}", encode_path(&entry.name)));
        let name = escape(&String::from_utf8_lossy(&entry.name));
        let size = if entry.is_folder {
            String::new()
        } else {
            size(entry.size)
        };
        let changed = changed(entry.modified);
        // Writing to a string does not fail.
        let _ = writeln!(
            page,
            "<tr><td><a href=\"{link}\">{name}{slash}</a></td><td>{size}</td><td>{changed}</td></tr>"
        );
    }
    page.push_str("</tbody>\n</table>\n");
    if !complete {
        let _ = writeln!(page, "<p>There is more than these {MAX_ENTRIES}.</p>");
    }
    page.push_str("</body>\n</html>\n");
    page
}

/// Escapes text for HTML, also for attributes in quotes.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            char => out.push(char),
        }
    }
    out
}

/// A size in the unit that leaves at most four digits before the point.
fn size(bytes: u64) -> String {
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut tenths = u128::from(bytes) * 10;
    let mut unit = "B";
    for larger in ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"] {
        if tenths < 10 * 1024 {
            break;
        }
        tenths /= 1024;
        unit = larger;
    }
    format!("{}.{} {unit}", tenths / 10, tenths % 10)
}

/// `06 Nov 1994 08:49`
fn changed(modified: u64) -> String {
    let date = date::format(modified);
    String::from_utf8_lossy(&date[5..22]).into_owned()
}

#[cfg(test)]
mod tests;
