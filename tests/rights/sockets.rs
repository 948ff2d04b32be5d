//! Where the sockets of servers and of commands are made, and that they are removed.

use std::fs;
use std::os::unix::fs::chown;
use std::os::unix::net::UnixListener;
use std::process::Command;

use crate::daemon::{self, Daemon};
use crate::{OTHER, config, fill, is_root, mode, ran, server, verb};

#[test]
fn sockets_of_root_are_made_only_where_nobody_else_can_change_anything() {
    if !is_root() {
        return;
    }
    let listens = "[[server]]\nbind = [\"unix:theirs/front\"]\n";
    let daemon = Daemon::run_in(&server(""), 1, fill);
    daemon.configure(&format!("{}{listens}", server("")));
    let reload = daemon.command(&["reload"]);
    assert!(
        reload.failed(78).contains("theirs: it belongs to user"),
        "{reload:?}"
    );
    let folder = daemon.folder.path();
    let said = |socket: &str| {
        let file = folder.join("other.toml");
        let text = format!("[daemon]\nuser = \"nobody\"\nsocket = \"{socket}\"\n");
        fs::write(&file, text).expect("a file");
        let mut command = Command::new(env!("CARGO_BIN_EXE_bellwire"));
        command.args(["run", "-c"]).arg(&file);
        ran(command).failed(1).to_owned()
    };
    assert!(said("theirs/control").contains("theirs: it belongs to user"));
    fs::create_dir(folder.join("open")).expect("a folder");
    mode(&folder.join("open"), 0o777);
    assert!(said("open/control").contains("others than its owner may write"));
}

#[test]
fn no_server_listens_on_a_socket_that_strangers_can_replace() {
    let holder = tempfile::tempdir().expect("a folder");
    let folder = holder.path();
    mode(folder, 0o755);
    let open = folder.join("open");
    fs::create_dir(&open).expect("a folder");
    mode(&open, 0o777);
    let listens = |user: &str| {
        let text = format!(
            "[daemon]\nsocket = \"control\"\n{user}[[server]]\nbind = [\"unix:open/front\"]\n"
        );
        fs::write(folder.join("bellwire.toml"), text).expect("a file");
        let run = verb(folder, "run");
        assert!(!open.join("front").exists());
        run.failed(1).to_owned()
    };
    let users: &[&str] = if is_root() {
        &["user = \"root\"\n", "user = \"nobody\"\n"]
    } else {
        &[""]
    };
    for user in users {
        let said = listens(user);
        assert!(said.contains("open: others than its owner"), "{said}");
    }
    if is_root() {
        chown(&open, Some(OTHER), None).expect("its owner");
        mode(&open, 0o755);
        for user in users {
            let said = listens(user);
            assert!(said.contains("open: it belongs to user"), "{said}");
        }
    }
}

#[test]
fn sockets_that_were_made_as_root_are_removed() {
    if !is_root() {
        return;
    }
    // The folder is root's, so the daemon cannot remove anything itself.
    let text = config("[[server]]\nid = \"unix\"\nbind = [\"unix:front\", \"127.0.0.1:0\"]\n");
    let mut daemon = Daemon::run_in(&text, 1, fill);
    let socket = |name: &str| daemon.folder.path().join(name);
    let (front, control) = (socket("front"), socket("control"));
    assert!(front.exists() && control.exists());
    daemon.signal(libc::SIGTERM);
    assert!(daemon.wait().success());
    daemon::eventually("the sockets go", || !front.exists() && !control.exists());
    // A start that fails leaves none either.
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("an address").port();
    let text = text.replace("127.0.0.1:0", &format!("127.0.0.1:{port}"));
    let text = text.replace("[daemon]\n", "[daemon]\nsocket = \"control\"\n");
    daemon.configure(&text);
    verb(daemon.folder.path(), "run").failed(1);
    daemon::eventually("the sockets go", || !front.exists() && !control.exists());
}

#[test]
fn the_control_socket_of_a_plain_user_is_not_made_among_strangers() {
    let holder = tempfile::tempdir().expect("a folder");
    let open = holder.path().join("open");
    fs::create_dir(&open).expect("a folder");
    mode(&open, 0o777);
    let text = daemon::for_whoever_runs(&format!(
        "[daemon]\nsocket = \"{}/control\"\n[[server]]\nbind = [\"127.0.0.1:0\"]\n",
        open.display()
    ));
    fs::write(holder.path().join("bellwire.toml"), text).expect("a file");
    let run = verb(holder.path(), "run");
    assert!(
        run.failed(1)
            .contains("open: others than its owner may write"),
        "{run:?}"
    );
    assert!(!open.join("control").exists());
    // In a sticky folder, such as /tmp, others cannot replace it.
    mode(&open, 0o1777);
    let _listener = UnixListener::bind(open.join("control")).expect("somebody listens");
    assert!(
        verb(holder.path(), "run")
            .failed(1)
            .contains("already running")
    );
}
