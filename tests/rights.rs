//! Who opens what. Root opens secrets only on a path that root alone can change, and nothing that is served; a
//! configuration that somebody else can write is not run. Most of it needs root, who alone can give files away.

use std::ffi::CString;
use std::fs::{self, Permissions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, chown, lchown, symlink};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use daemon::{Daemon, Ran};

mod authority;
mod daemon;
#[path = "rights/sockets.rs"]
mod sockets;

/// The user that daemons of root become here, and plain users are.
const NOBODY: u32 = 65_534;

/// Somebody else, who can write where these tests let him.
const OTHER: u32 = 12_345;

/// What only root may read.
const SECRET: &str = "only for root";

fn is_root() -> bool {
    // SAFETY: geteuid takes nothing and cannot fail.
    let root = unsafe { libc::geteuid() == 0 };
    if !root {
        println!("skipped: not root");
    }
    root
}

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("a mode");
}

/// A folder that everybody can enter, with a folder `theirs` of somebody else in it, and a file that only root can read.
fn fill(folder: &Path) {
    mode(folder, 0o755);
    let theirs = folder.join("theirs");
    fs::create_dir(&theirs).expect("a folder");
    chown(&theirs, Some(OTHER), Some(OTHER)).expect("its owner");
    fs::write(folder.join("secret"), SECRET).expect("a file");
    mode(&folder.join("secret"), 0o600);
    authority::Authority::new().issue(folder);
}

/// As root by a daemon of nobody.
fn config(servers: &str) -> String {
    format!("[daemon]\nuser = \"nobody\"\n{servers}")
}

fn server(rest: &str) -> String {
    config(&format!("[[server]]\nbind = [\"127.0.0.1:0\"]\n{rest}"))
}

/// Runs a verb on the configuration of a folder. A daemon that should have been refused is ended.
fn verb(folder: &Path, verb: &str) -> Ran {
    let mut command = Command::new("timeout");
    command.args(["30", env!("CARGO_BIN_EXE_bellwire"), verb, "-c"]);
    command.arg(folder.join("bellwire.toml"));
    ran(command)
}

fn ran(mut command: Command) -> Ran {
    let Output {
        status,
        stdout,
        stderr,
    } = command.stdin(Stdio::null()).output().expect("it runs");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    Ran {
        status: status.code(),
        stdout: text(stdout),
        stderr: text(stderr),
    }
}

/// What both `check` and `run` say of a configuration that they refuse.
fn refused(folder: &Path, text: &str) -> String {
    fs::write(folder.join("bellwire.toml"), text).expect("a configuration");
    both_refuse(folder)
}

fn both_refuse(folder: &Path) -> String {
    let checked = verb(folder, "check");
    let run = verb(folder, "run");
    assert_eq!(
        checked.failed(78),
        run.failed(78),
        "check and run look alike"
    );
    checked.stderr
}

fn get(daemon: &Daemon) -> String {
    daemon.ask(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
}

#[test]
fn a_page_that_becomes_a_link_to_a_file_of_root_is_not_served() {
    if !is_root() {
        return;
    }
    let text = server("http = { serve = \"page\", page = \"theirs/page.html\" }\n");
    let mut daemon = Daemon::run_in(&text, 1, |folder| {
        fill(folder);
        fs::write(folder.join("theirs/page.html"), "theirs").expect("a page");
    });
    assert!(get(&daemon).ends_with("theirs"));
    let page = daemon.folder.path().join("theirs/page.html");
    fs::remove_file(&page).expect("removed");
    symlink("../secret", &page).expect("a link");
    lchown(&page, Some(OTHER), Some(OTHER)).expect("its owner");
    daemon.signal(libc::SIGHUP);
    let line = daemon.wait_for_log("page: ");
    assert!(line.contains("Permission denied"), "{line}");
    daemon.wait_for_log("everything runs on unchanged");
    assert!(get(&daemon).ends_with("theirs"));
    // At a start it is a fault, of a page as of a folder.
    let folder = daemon.folder.path();
    let said = verb(folder, "check").failed(78).to_owned();
    assert!(
        said.contains("page: ") && said.contains("as user nobody"),
        "{said}"
    );
    fs::create_dir(folder.join("closed")).expect("a folder");
    mode(&folder.join("closed"), 0o700);
    let said = refused(
        folder,
        &server("http = { serve = \"folder\", folder = \"closed\" }\n"),
    );
    assert!(
        said.contains("folder: ") && said.contains("as user nobody"),
        "{said}"
    );
}

#[test]
fn secrets_are_read_only_where_root_alone_can_change_the_path() {
    if !is_root() {
        return;
    }
    let holder = tempfile::tempdir().expect("a folder");
    let folder = holder.path();
    fill(folder);
    for name in ["cert.pem", "key.pem", "users"] {
        if name == "users" {
            fs::write(folder.join("users"), "alice=secret\n").expect("users");
            mode(&folder.join("users"), 0o600);
        }
        symlink(format!("../{name}"), folder.join("theirs").join(name)).expect("a link");
    }
    let tls = |certificate: &str, key: &str| {
        server(&format!(
            "tls = {{ certificate = \"{certificate}\", private_key = \"{key}\" }}\n"
        ))
    };
    let client = |rest: &str| config(&format!("[[client]]\nurl = \"wss://localhost:1/\"\n{rest}"));
    let theirs = format!(
        "{}: it belongs to user {OTHER}",
        folder.join("theirs").display()
    );
    for text in [
        tls("theirs/cert.pem", "key.pem"),
        tls("cert.pem", "theirs/key.pem"),
        server(
            "tls = { certificate = \"cert.pem\", private_key = \"key.pem\", client_ca = \"theirs/cert.pem\" }\n",
        ),
        server("auth.basic = true\nusers.file = \"theirs/users\"\n"),
        client("trust = { ca = \"theirs/cert.pem\" }\n"),
        client("trust = { certificate = \"cert.pem\", private_key = \"theirs/key.pem\" }\n"),
        client("basic = { username = \"a\", password_file = \"theirs/users\" }\n"),
    ] {
        let said = refused(folder, &text);
        assert!(said.contains(&theirs), "{text}{said}");
    }
    make_fifo(&folder.join("fifo"));
    for key in ["fifo", "/dev/zero"] {
        let said = refused(folder, &tls("cert.pem", key));
        assert!(
            said.contains("private_key: ") && said.contains(&format!("{key}: not a file")),
            "{said}"
        );
    }
    // As certbot keeps them: a link in a folder of root's leads to another of root's.
    fs::create_dir(folder.join("live")).expect("a folder");
    symlink("../cert.pem", folder.join("live/cert.pem")).expect("a link");
    symlink(folder.join("key.pem"), folder.join("live/key.pem")).expect("a link");
    fs::write(
        folder.join("bellwire.toml"),
        tls("live/cert.pem", "live/key.pem"),
    )
    .expect("a file");
    verb(folder, "check").done();
    mode(&folder.join("live"), 0o775);
    let said = both_refuse(folder);
    assert!(
        said.contains("live: others than its owner may write"),
        "{said}"
    );
}

#[test]
fn a_secret_that_becomes_a_link_is_not_read_by_a_reload() {
    if !is_root() {
        return;
    }
    let text = server("auth.basic = true\nusers.file = \"users\"\n");
    let daemon = Daemon::run_in(&text, 1, |folder| {
        fill(folder);
        fs::write(folder.join("users"), "alice=secret\n").expect("users");
        mode(&folder.join("users"), 0o600);
    });
    let folder = daemon.folder.path();
    fs::remove_file(folder.join("users")).expect("removed");
    fs::write(folder.join("theirs/users"), "eve=secret\n").expect("users");
    symlink("theirs/users", folder.join("users")).expect("a link");
    let reload = daemon.command(&["reload"]);
    assert!(
        reload.failed(78).contains("it belongs to user"),
        "{reload:?}"
    );
}

/// Gives a configuration to the reader of `check` and `run`.
fn configured(text: &str, change: impl FnOnce(&Path, &Path)) -> String {
    let holder = tempfile::tempdir().expect("a folder");
    mode(holder.path(), 0o755);
    let file = holder.path().join("bellwire.toml");
    fs::write(&file, text).expect("a file");
    change(holder.path(), &file);
    both_refuse(holder.path())
}

#[test]
fn root_runs_no_configuration_that_somebody_else_can_write() {
    if !is_root() {
        return;
    }
    let text = server("");
    for bits in [0o664, 0o646] {
        let said = configured(&text, |_, file| mode(file, bits));
        assert!(said.contains("others than its owner may write"), "{said}");
    }
    let said = configured(&text, |_, file| {
        chown(file, Some(OTHER), None).expect("its owner");
    });
    assert!(
        said.contains(&format!("it belongs to user {OTHER}")),
        "{said}"
    );
    let said = configured(&text, |folder, _| {
        chown(folder, Some(OTHER), None).expect("its owner");
    });
    assert!(
        said.contains(&format!("it belongs to user {OTHER}")),
        "{said}"
    );
    // Nor does a reload.
    let mut daemon = Daemon::run_in(&text, 1, fill);
    mode(&daemon.folder.path().join("bellwire.toml"), 0o666);
    daemon.signal(libc::SIGHUP);
    daemon.wait_for_log("others than its owner may write");
    daemon.wait_for_log("everything runs on unchanged");
}

fn make_fifo(path: &Path) {
    let path = CString::new(path.as_os_str().as_bytes()).expect("a path");
    // SAFETY: the path ends in NUL.
    assert_eq!(unsafe { libc::mkfifo(path.as_ptr(), 0o600) }, 0);
}

#[test]
fn a_configuration_that_is_no_file_is_refused_at_once() {
    let said = configured("", |_, file| {
        fs::remove_file(file).expect("removed");
        make_fifo(file);
    });
    assert!(said.ends_with("bellwire.toml: not a file\n"), "{said}");
    let said = configured("", |_, file| {
        fs::remove_file(file).expect("removed");
        fs::create_dir(file).expect("a folder");
    });
    assert!(said.ends_with("bellwire.toml: not a file\n"), "{said}");
}

#[test]
fn a_fifo_in_place_of_the_configuration_stalls_neither_the_loop_nor_the_helper() {
    if !is_root() {
        return;
    }
    let mut daemon = Daemon::run_in(&server(""), 1, fill);
    let file = daemon.folder.path().join("bellwire.toml");
    fs::remove_file(&file).expect("removed");
    make_fifo(&file);
    daemon.signal(libc::SIGHUP);
    daemon.wait_for_log("not a file");
    assert!(get(&daemon).starts_with("HTTP/1.1 200 "));
    fs::remove_file(&file).expect("removed");
    fs::write(&file, server("name = \"again\"\n")).expect("a file");
    daemon.command(&["reload"]).done();
    daemon.signal(libc::SIGTERM);
    assert!(daemon.wait().success());
}

#[test]
fn a_plain_user_runs_no_configuration_that_strangers_can_write() {
    if !is_root() {
        return;
    }
    let holder = tempfile::tempdir().expect("a folder");
    let folder = holder.path();
    chown(folder, Some(NOBODY), Some(NOBODY)).expect("its owner");
    let file = folder.join("bellwire.toml");
    fs::write(&file, "[[server]]\nbind = [\"127.0.0.1:0\"]\n").expect("a file");
    // The binary may be where nobody else can reach it. Copied by another process: a file that this one has open to write
    // cannot be run while some other test starts a process.
    let binary = folder.join("bellwire");
    let mut copy = Command::new("cp");
    copy.arg(env!("CARGO_BIN_EXE_bellwire")).arg(&binary);
    ran(copy).done();
    let check = |owner, bits| {
        chown(&file, Some(owner), Some(NOBODY)).expect("its owner");
        mode(&file, bits);
        let mut command = Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
        command.arg(&binary).args(["check", "-c"]).arg(&file);
        ran(command)
    };
    for owner in [0, NOBODY] {
        assert_eq!(check(owner, 0o644).stderr, "");
        assert!(
            check(owner, 0o646)
                .failed(78)
                .contains("everybody may write to it")
        );
        let warned = check(owner, 0o664);
        assert!(
            warned.stderr.contains("its group may write to it"),
            "{warned:?}"
        );
        warned.done();
    }
    assert!(
        check(OTHER, 0o644)
            .failed(78)
            .contains(&format!("it belongs to user {OTHER}"))
    );
}

/// The value of a line of /proc/PID/status.
fn status_of(pid: libc::pid_t, name: &str) -> String {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("a process");
    let mut lines = status.lines();
    let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    value.expect("a line").trim().to_owned()
}

#[test]
fn the_daemon_has_no_rights_no_core_file_and_nothing_of_the_environment_that_it_does_not_need() {
    if !is_root() {
        return;
    }
    let mut daemon = Daemon::run_by(&server(""), 1, |binary, file| {
        fill(file.parent().expect("a folder"));
        let mut command = Command::new(binary);
        command.args(["run", "-c"]).arg(file);
        command
            .env("SECRET_TOKEN", "of the operator")
            .env("TZ", "UTC");
        command
    });
    daemon.wait_for_log("commands: ");
    let pid = daemon.pid();
    for set in ["CapEff", "CapPrm", "CapInh", "CapBnd", "CapAmb"] {
        assert_eq!(status_of(pid, set), "0000000000000000", "{set}");
    }
    assert_eq!(status_of(pid, "NoNewPrivs"), "1");
    let limits = fs::read_to_string(format!("/proc/{pid}/limits")).expect("its limits");
    let core = limits
        .lines()
        .find(|line| line.starts_with("Max core file size"));
    let core: Vec<&str> = core
        .expect("a line")
        .split_whitespace()
        .skip(4)
        .take(2)
        .collect();
    assert_eq!(core, ["0", "0"]);
    let environment = fs::read(format!("/proc/{pid}/environ")).expect("its environment");
    let environment = String::from_utf8_lossy(&environment);
    assert!(environment.contains("TZ=UTC"), "{environment}");
    assert!(
        !environment.contains("operator") && !environment.contains("SECRET"),
        "{environment}"
    );
    // It is not dumpable: its files in /proc are root's.
    let maps = fs::metadata(format!("/proc/{pid}/environ")).expect("a file");
    assert_eq!(std::os::unix::fs::MetadataExt::uid(&maps), 0);
    assert!(get(&daemon).starts_with("HTTP/1.1 200 "));
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
    let children = children.expect("its children");
    let helper = children.trim().parse().expect("the helper alone");
    // It may still be starting.
    daemon::eventually("the helper gives up rights", || {
        status_of(helper, "NoNewPrivs") == "1"
    });
}
