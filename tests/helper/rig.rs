//! A helper under test: the built binary's own verb, with users, groups and PAM services that exist for it alone.

use std::ffi::OsString;
use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bellwire::engine::seqpacket;
use bellwire::proto::helper::{Answer, Ask, MAX, Reply, Request};
use tempfile::TempDir;
use zeroize::Zeroizing;

/// How long to wait for anything before the test fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

const WRAPPERS: [&str; 2] = ["libnss_wrapper.so", "libpam_wrapper.so"];

const FOLDERS: [&str; 4] = [
    "/usr/lib/x86_64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu",
    "/usr/lib64",
    "/usr/lib",
];

const PASSWD: &str = "\
alice:x:10001:20001:in robots by her primary group:/:/bin/false
bob:x:10002:20002:in robots by a supplementary group:/:/bin/false
carol:x:10003:20002:in other groups only:/:/bin/false
dora:HASH:10004:20001:for pam_unix:/:/bin/false
locked:!HASH:10006:20001:for pam_unix:/:/bin/false
";

/// Of "secret of dora", SHA-512 as crypt(5) has it.
const HASH: &str = "$6$abcdefgh$CW7rL4YuzeZOxTts9LvYzUcIKQjQz7RKZIO66Bd0uvTjNwpOh6eFV.zRU6YCMKu7EQ3I6/78YRPodRkVUYXPl.";

const GROUP: &str = "robots:x:20001:bob\nothers:x:20002:\nthird:x:20003:carol\n";

const PASSWORDS: &str = "\
alice:secret of alice:bellwire
bob:secret of bob:bellwire
carol:secret of carol:bellwire
elsewhere:secret:login
nobody-here:secret:bellwire
";

/// The folder of pam_wrapper's modules, when both wrappers are installed.
fn modules() -> Option<PathBuf> {
    FOLDERS.iter().map(Path::new).find_map(|folder| {
        let there = WRAPPERS.iter().all(|library| folder.join(library).exists());
        let modules = folder.join("pam_wrapper");
        (there && modules.join("pam_matrix.so").exists()).then_some(modules)
    })
}

/// Each process that uses pam_wrapper makes a folder of its own, and two that do it at once may take the same one. So tests
/// run one by one, and within them attempts begin one by one where it matters.
static ALONE: Mutex<()> = Mutex::new(());

/// Leave to run one test.
pub(crate) struct Leave(#[allow(dead_code)] MutexGuard<'static, ()>);

impl Drop for Leave {
    fn drop(&mut self) {
        remove_leavings();
    }
}

/// Leave to run, when the wrappers are installed; else it is said why a test is skipped.
pub(crate) fn leave() -> Option<Leave> {
    if modules().is_none() {
        println!("skipped: pam_wrapper and nss_wrapper are not installed");
        return None;
    }
    let leave = Leave(ALONE.lock().unwrap_or_else(PoisonError::into_inner));
    remove_leavings();
    Some(leave)
}

/// A helper that ends with the test.
pub(crate) struct Helper {
    child: Child,
    socket: Option<OwnedFd>,
    folder: TempDir,
    next: u32,
}

impl Helper {
    /// Runs a helper with these arguments in addition to the usual ones.
    pub(crate) fn run(args: &[&str]) -> Helper {
        Helper::run_in(folder(), args)
    }

    pub(crate) fn run_in(folder: TempDir, args: &[&str]) -> Helper {
        let (near, far) = seqpacket::pair().expect("a pair of sockets");
        let within = |name: &str| folder.path().join(name);
        let child = Command::new(env!("CARGO_BIN_EXE_bellwire"))
            .args(["helper", "--log", "debug", "--config"])
            .arg(within("bellwire.toml"))
            .args(args)
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("LD_PRELOAD", OsString::from(WRAPPERS.join(" ")))
            .env("PAM_WRAPPER", "1")
            .env("PAM_WRAPPER_SERVICE_DIR", within("services"))
            .env("NSS_WRAPPER_PASSWD", within("passwd"))
            .env("NSS_WRAPPER_GROUP", within("group"))
            .stdin(Stdio::from(far))
            .stdout(Stdio::null())
            .stderr(fs::File::create(within("log")).expect("a log"))
            .spawn()
            .expect("the helper starts");
        let helper = Helper {
            child,
            socket: Some(near),
            folder,
            next: 0,
        };
        helper.set_patience();
        helper
    }

    fn set_patience(&self) {
        let patience = libc::timeval {
            tv_sec: PATIENCE.as_secs() as libc::time_t,
            tv_usec: 0,
        };
        let fd = std::os::fd::AsRawFd::as_raw_fd(self.socket());
        // SAFETY: the option is a timeval, and as long as it is said to be.
        let result = unsafe {
            libc::setsockopt(
                fd,
                libc::SOL_SOCKET,
                libc::SO_RCVTIMEO,
                (&raw const patience).cast(),
                size_of::<libc::timeval>() as libc::socklen_t,
            )
        };
        assert_eq!(result, 0);
    }

    fn socket(&self) -> &OwnedFd {
        self.socket.as_ref().expect("its socket")
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.path("log")).expect("its log")
    }

    pub(crate) fn pid(&self) -> libc::pid_t {
        libc::pid_t::try_from(self.child.id()).expect("a pid")
    }

    /// Sends a request, and gives the number that the answer will have.
    pub(crate) fn ask(&mut self, ask: Ask) -> u32 {
        let id = self.next;
        self.next += 1;
        let packet = Request { id, ask }.encode().expect("it fits");
        self.send(&packet);
        id
    }

    pub(crate) fn send(&self, packet: &[u8]) {
        seqpacket::send(self.socket().as_fd(), packet, None).expect("the helper listens");
    }

    /// The next answer; none when the helper has ended.
    pub(crate) fn hear(&self) -> Option<(Reply, Option<OwnedFd>)> {
        let mut buffer = vec![0; MAX];
        let (packet, descriptor) =
            match seqpacket::receive_with_descriptor(self.socket().as_fd(), &mut buffer) {
                Ok(heard) => heard?,
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return None,
                Err(error) => panic!("{error}; the log: {}", self.log()),
            };
        Some((Reply::decode(packet).expect("a reply"), descriptor))
    }

    /// Asks and waits for the answer.
    pub(crate) fn answer(&mut self, ask: Ask) -> (Answer, Option<OwnedFd>) {
        let id = self.ask(ask);
        let (reply, descriptor) = self.hear().expect("the helper lives");
        assert_eq!(reply.id, id);
        (reply.answer, descriptor)
    }

    /// Closes the daemon's end.
    pub(crate) fn close(&mut self) {
        self.socket = None;
    }

    pub(crate) fn wait(&mut self) -> ExitStatus {
        let mut status = None;
        eventually("the helper's end", || {
            status = self.child.try_wait().expect("its status");
            status.is_some()
        });
        status.expect("a status")
    }

    /// The processes that it has started and that are still there.
    pub(crate) fn children(&self) -> Vec<libc::pid_t> {
        children(self.pid())
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        // Its own end leaves nothing behind; one that does not end is not waited for.
        self.close();
        let end = Instant::now() + PATIENCE;
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < end {
            std::thread::yield_now();
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn children(of: libc::pid_t) -> Vec<libc::pid_t> {
    let listed = fs::read_to_string(format!("/proc/{of}/task/{of}/children")).unwrap_or_default();
    listed
        .split_whitespace()
        .map(|pid| pid.parse().expect("a pid"))
        .collect()
}

/// Whether a process is there and no zombie.
pub(crate) fn lives(pid: libc::pid_t) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.contains(") Z ") && !stat.contains(") X "))
}

/// Waits, as long as there is patience, until something is so.
pub(crate) fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < end, "{what} does not come");
        std::thread::yield_now();
    }
}

/// Removes the folders of pam_wrapper whose process is gone. The pid is written first and removed first, so one that
/// holds something but no pid was left while it was being removed.
fn remove_leavings() {
    for folder in entries(Path::new("/tmp")) {
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        if name.strip_prefix("pam.").is_none_or(|one| one.len() != 1) {
            continue;
        }
        let is_left = match fs::read_to_string(folder.join("pid")) {
            Ok(pid) => pid.trim().parse().is_ok_and(|pid| !lives(pid)),
            Err(_) => entries(&folder).iter().any(|file| file.ends_with("hung")),
        };
        if is_left {
            let _ = fs::remove_dir_all(&folder);
        }
    }
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).collect()
}

/// A login at the server of this id, which has the name of its service.
pub(crate) fn auth_at(server: &str, user: &str, password: &str) -> Ask {
    auth_from("192.0.2.7", server, user, password)
}

pub(crate) fn auth_from(address: &str, server: &str, user: &str, password: &str) -> Ask {
    Ask::Auth {
        server: server.to_owned(),
        user: user.to_owned(),
        password: Zeroizing::new(password.as_bytes().to_vec()),
        remote_host: address.to_owned(),
    }
}

pub(crate) fn auth(user: &str, password: &str) -> Ask {
    auth_at("bellwire", user, password)
}

pub(crate) fn granted(user: &str) -> Answer {
    Answer::Granted {
        user: user.to_owned(),
    }
}

/// Users, groups and services.
pub(crate) fn folder() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| {
        fs::write(folder.path().join(name), text).expect("a file");
    };
    write("passwd", &PASSWD.replace("HASH", HASH));
    write("group", GROUP);
    write("matrix", PASSWORDS);
    fs::create_dir(folder.path().join("services")).expect("a folder");
    let mut config = with_users_by("missing", "missing", "\"robots\"");
    if let Some(modules) = modules() {
        for (name, lines) in services(&modules, folder.path()) {
            write(&format!("services/{name}"), &lines);
            config.push_str(&with_users_by(name, name, "\"robots\""));
        }
    }
    for (id, groups) in [
        ("third", "\"third\""),
        ("several", "\"no-such-group\", \"others\", \"robots\""),
        ("nowhere", "\"x\""),
    ] {
        config.push_str(&with_users_by(id, "bellwire", groups));
    }
    write("bellwire.toml", &config);
    folder
}

/// A server whose users are the system's, by this service and of these groups.
pub(crate) fn with_users_by(id: &str, service: &str, groups: &str) -> String {
    format!(
        "[[server]]\nid = \"{id}\"\nbind = [\"127.0.0.1:0\"]\nauth = {{ basic = true }}\n\
         users = {{ source = \"system\", groups = [{groups}], service = \"{service}\" }}\n"
    )
}

/// A program that a service runs.
fn program(folder: &Path, name: &str, lines: &str) -> String {
    let path = folder.join(name);
    fs::write(&path, format!("#!/bin/sh\n{lines}\n")).expect("a program");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("its mode");
    path.display().to_string()
}

fn services(modules: &Path, folder: &Path) -> Vec<(&'static str, String)> {
    let at = |name: &str| modules.join(name).display().to_string();
    let passdb = folder.join("matrix").display().to_string();
    let matrix = format!("{} passdb={passdb}", at("pam_matrix.so"));
    let whole = format!("auth required {matrix} verbose\naccount required {matrix} verbose\n");
    let then = |account: &str| format!("auth required {matrix}\naccount required {account}\n");
    // What a module learns, and the environment it finds, go to a file.
    let seen = format!(
        "echo \"$PAM_USER $PAM_RHOST $PAM_SERVICE\" > {0}; env > {0}.env; ls /proc/self/fd > {0}.fds",
        folder.join("seen").display()
    );
    let seen = program(folder, "see", &seen);
    let crash = program(folder, "crash", "kill -KILL $PPID");
    vec![
        ("bellwire", whole.clone()),
        (
            "other",
            "auth required pam_permit.so\naccount required pam_permit.so\n".to_owned(),
        ),
        (
            "unix",
            "auth required pam_unix.so\naccount required pam_unix.so\n".to_owned(),
        ),
        ("expired", then("pam_debug.so acct=acct_expired")),
        ("outdated", then("pam_debug.so acct=new_authtok_reqd")),
        (
            "hung",
            format!("auth required pam_exec.so quiet /bin/sleep 1000\n{whole}"),
        ),
        (
            "crash",
            format!("auth required pam_exec.so quiet {crash}\n{whole}"),
        ),
        (
            "seen",
            format!(
                "auth required pam_exec.so quiet {seen}\nauth required pam_permit.so\naccount required pam_permit.so\n"
            ),
        ),
        (
            "echo",
            format!("auth required {matrix} echo\naccount required pam_permit.so\n"),
        ),
        (
            "chatty",
            format!(
                "auth required {} num_lines=40 info error\nauth required pam_permit.so\naccount required pam_permit.so\n",
                at("pam_chatty.so")
            ),
        ),
        (
            "broken",
            "auth required no_such_module.so\naccount required pam_permit.so\n".to_owned(),
        ),
    ]
}
