//! The programs of triggers: where they are found.

use std::ffi::{CString, OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Where programs are looked for if the daemon was started without PATH.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The PATH in which programs are looked for, and which processes get.
#[must_use]
pub fn search_path() -> OsString {
    std::env::var_os("PATH")
        .filter(|path| !path.is_empty())
        .unwrap_or_else(|| DEFAULT_PATH.into())
}

/// The absolute path of an executable program. A name with a slash is relative to `folder`; any other is looked for in the
/// absolute folders of `search`. Relative ones would depend on the working directory.
///
/// # Errors
/// What is wrong with it, without its name.
pub fn find_program(program: &str, folder: &Path, search: &OsStr) -> Result<PathBuf, String> {
    if program.contains('/') {
        let path = std::path::absolute(folder.join(program)).map_err(|error| error.to_string())?;
        return match check(&path) {
            Ok(()) => Ok(path),
            Err(error) => Err(error.to_string()),
        };
    }
    let mut refused = None;
    for folder in std::env::split_paths(search).filter(|folder| folder.is_absolute()) {
        let path = folder.join(program);
        match check(&path) {
            Ok(()) => return Ok(path),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => refused = refused.or(Some(format!("{}: {error}", path.display()))),
        }
    }
    Err(refused.unwrap_or_else(|| format!("not found on PATH ({})", search.display())))
}

fn check(path: &Path) -> io::Result<()> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("not a file"));
    }
    let path = CString::new(path.as_os_str().as_bytes())?;
    // SAFETY: the path ends in NUL.
    if unsafe { libc::access(path.as_ptr(), libc::X_OK) } == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn write(path: &Path, mode: u32) {
        fs::write(path, "#!/bin/sh\n").expect("a file");
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("a mode");
    }

    #[test]
    fn programs_are_found() {
        let folder = tempfile::tempdir().expect("a folder");
        let (first, second) = (folder.path().join("first"), folder.path().join("second"));
        for folder in [&first, &second] {
            fs::create_dir(folder).expect("a folder");
            write(&folder.join("both"), 0o755);
        }
        write(&second.join("one"), 0o755);
        write(&second.join("not"), 0o644);
        fs::create_dir(first.join("one")).expect("a folder");
        let search = std::env::join_paths([Path::new("."), &first, &second]).expect("a path");
        let find = |program: &str| find_program(program, folder.path(), &search);
        assert_eq!(find("both"), Ok(first.join("both")));
        assert_eq!(
            find("one"),
            Ok(second.join("one")),
            "a folder is no program"
        );
        assert_eq!(find("second/one"), Ok(second.join("one")));
        let absolute = second.join("one");
        assert_eq!(find(absolute.to_str().expect("text")), Ok(absolute.clone()));
        let denied = format!(
            "{}: Permission denied (os error 13)",
            second.join("not").display()
        );
        assert_eq!(find("not"), Err(denied));
        assert_eq!(
            find("none"),
            Err(format!("not found on PATH ({})", search.display()))
        );
        assert_eq!(
            find("./none"),
            Err("No such file or directory (os error 2)".to_owned())
        );
        assert_eq!(find("./first"), Err("not a file".to_owned()));
        assert_eq!(
            find("second/not"),
            Err("Permission denied (os error 13)".to_owned())
        );
    }

    #[test]
    fn a_relative_folder_becomes_absolute() {
        let found = find_program("/bin/sh", Path::new(""), OsStr::new(""));
        assert_eq!(found, Ok(PathBuf::from("/bin/sh")));
        let own = std::env::current_dir().expect("a folder");
        let error = find_program("src/lib.rs", Path::new(""), OsStr::new(""));
        assert!(
            error.is_err() && own.join("src/lib.rs").exists(),
            "not executable"
        );
    }
}
