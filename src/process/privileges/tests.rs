use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::os::unix::net::UnixListener;
use std::process::Command;

use super::*;

fn config(text: &str) -> Config {
    crate::config::parse(text, Path::new("f")).unwrap()
}

fn found(text: &str) -> Result<Identity, String> {
    find(&config(text)).map_err(|fault| fault.to_string())
}

#[test]
fn the_user_that_is_named_with_its_primary_group() {
    let nobody = identity::account("nobody").unwrap().unwrap();
    let named = found("[daemon]\nuser = \"nobody\"\n").unwrap();
    assert_eq!((named.name.as_str(), named.account), ("nobody", nobody));
    let other = found("[daemon]\nuser = \"nobody\"\ngroup = \"root\"\n").unwrap();
    assert_eq!((other.account.user, other.account.group), (nobody.user, 0));
}

#[test]
fn the_built_in_default_becomes_nobody() {
    let identity = find(&crate::config::built_in()).unwrap();
    assert_eq!(identity.name, "nobody");
}

#[test]
fn unknown_ones_are_faults_with_a_place() {
    assert_eq!(
        found("[daemon]\nuser = \"no-such-one\"\n"),
        Err("f:2:8: user: no such user \"no-such-one\", whom root would become; allowed: a user of this system, by user in [daemon] (useradd --system bellwire makes the default one)".to_owned())
    );
    assert_eq!(
        found("[daemon]\nuser = \"nobody\"\ngroup = \"no-such-one\"\n"),
        Err(
            "f:3:9: group: \"no-such-one\": no such group; allowed: a group of this system"
                .to_owned()
        )
    );
    match identity::account(DEFAULT_USER).unwrap() {
        Some(account) => assert_eq!(found("").unwrap().account, account),
        None => assert_eq!(
            found(""),
            Err("f:1:1: user: no such user \"bellwire\", whom root would become; allowed: a user of this system, by user in [daemon] (useradd --system bellwire makes the default one)".to_owned())
        ),
    }
}

/// Tests what cannot be undone in a process of its own.
fn apart(test: &str, body: impl FnOnce()) {
    const MARK: &str = "BELLWIRE_TEST_APART";
    if std::env::var_os(MARK).is_some() {
        return body();
    }
    let run = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "--nocapture",
            &format!("process::privileges::tests::{test}"),
        ])
        .env(MARK, "1")
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&run.stdout);
    assert!(
        run.status.success() && told.contains("1 passed"),
        "{told}{}",
        String::from_utf8_lossy(&run.stderr)
    );
}

fn status(key: &str) -> String {
    let status = fs::read_to_string("/proc/thread-self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(key));
    line.unwrap().trim().to_owned()
}

#[test]
fn a_plain_user_only_loses_the_way_up() {
    apart("a_plain_user_only_loses_the_way_up", || {
        let before = status("Uid:");
        drop_to(None).unwrap();
        assert_eq!(status("NoNewPrivs:"), "1");
        assert_eq!(status("Uid:"), before);
    });
}

#[test]
fn root_drops_for_good() {
    if !identity::is_root() {
        println!("skipped: only root has something to drop");
        return;
    }
    apart("root_drops_for_good", || {
        let identity = found("[daemon]\nuser = \"nobody\"\n").unwrap();
        let UserAccount { user, group } = identity.account;
        // A group that nobody has must go as well.
        let groups: [libc::gid_t; 1] = [4];
        // SAFETY: one group is read.
        assert_eq!(unsafe { libc::setgroups(1, groups.as_ptr()) }, 0);
        drop_to(Some(&identity)).unwrap();
        let ids = |id: u32| [id; 4].map(|id| id.to_string()).join("\t");
        assert_eq!(status("Uid:"), ids(user));
        assert_eq!(status("Gid:"), ids(group));
        assert_eq!(status("Groups:"), group.to_string());
        assert_eq!(status("NoNewPrivs:"), "1");
        for set in ["CapPrm:", "CapEff:", "CapAmb:"] {
            assert_eq!(status(set), "0000000000000000", "{set}");
        }
        // SAFETY: these take no pointers.
        unsafe {
            assert_eq!(libc::prctl(libc::PR_GET_DUMPABLE), 0);
            assert_ne!(libc::setresuid(0, 0, 0), 0);
            assert_ne!(libc::setresgid(0, 0, 0), 0);
        }
        assert!(fs::read("/etc/shadow").is_err());
    });
}

#[test]
fn sockets_and_folders_are_given_and_nothing_else() {
    if !identity::is_root() {
        println!("skipped: only root can give something away");
        return;
    }
    let identity = found("[daemon]\nuser = \"nobody\"\n").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = |name| folder.path().join(name);
    let owner = |path: &Path| {
        let found = fs::symlink_metadata(path).unwrap();
        (found.uid(), found.gid())
    };
    let own = (identity.account.user, identity.account.group);

    let _listener = UnixListener::bind(path("socket")).unwrap();
    give_socket(&path("socket"), &identity).unwrap();
    assert_eq!(owner(&path("socket")), own);
    fs::create_dir(path("folder")).unwrap();
    give_folder(&path("folder"), &identity).unwrap();
    assert_eq!(owner(&path("folder")), own);

    fs::write(path("file"), "").unwrap();
    let _other = UnixListener::bind(path("other")).unwrap();
    symlink("other", path("link")).unwrap();
    for name in ["file", "link", "folder/none"] {
        assert!(give_socket(&path(name), &identity).is_err(), "{name}");
        assert!(give_folder(&path(name), &identity).is_err(), "{name}");
    }
    for name in ["file", "link", "other"] {
        assert_eq!(owner(&path(name)), (0, 0), "{name}");
    }
}
