//! `bellwire hash-password`, by a pipe and by a terminal.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Output, Stdio};

use bellwire::auth::verify_secret;

const BIN: &str = env!("CARGO_BIN_EXE_bellwire");

/// What it says to this stdin.
fn piped(input: &[u8]) -> Output {
    let mut child = Command::new(BIN)
        .arg("hash-password")
        .env_remove("JOURNAL_STREAM")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin.write_all(input).expect("it reads");
    drop(stdin);
    child.wait_with_output().expect("it ends")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

#[test]
fn a_line_of_stdin_is_hashed() {
    let output = piped("pässword=\nmore\n".as_bytes());
    assert_eq!(
        (output.status.code(), text(&output.stderr)),
        (Some(0), String::new())
    );
    let hash = text(&output.stdout);
    let hash = hash.strip_suffix('\n').expect("one line");
    assert!(
        hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
        "{hash}"
    );
    assert_eq!(verify_secret(hash, "pässword=".as_bytes()), Ok(true));
    assert_eq!(verify_secret(hash, "pässword=\n".as_bytes()), Ok(false));
}

#[test]
fn the_same_password_is_never_hashed_the_same() {
    assert_ne!(piped(b"secret").stdout, piped(b"secret").stdout);
}

#[test]
fn an_empty_password_is_refused() {
    for input in [b"".as_slice(), b"\n", b"\r\n"] {
        let output = piped(input);
        assert_eq!(
            (output.status.code(), text(&output.stdout)),
            (Some(2), String::new())
        );
        assert!(text(&output.stderr).contains("an empty password"));
    }
}

/// The program with its own terminal, and the other end of that terminal.
struct OnTerminal {
    child: Child,
    master: File,
    seen: String,
}

impl OnTerminal {
    fn start() -> OnTerminal {
        let (mut master, mut slave) = (-1, -1);
        let null = std::ptr::null_mut();
        // SAFETY: both descriptors are written, and the rest may be null.
        let status =
            unsafe { libc::openpty(&mut master, &mut slave, null, null.cast(), null.cast()) };
        assert_eq!(status, 0, "a pseudo-terminal");
        // SAFETY: openpty has just opened them.
        let (master, slave) = unsafe { (File::from_raw_fd(master), OwnedFd::from_raw_fd(slave)) };
        let mut command = Command::new(BIN);
        command
            .arg("hash-password")
            .env_remove("JOURNAL_STREAM")
            .stdin(slave.try_clone().expect("a descriptor"))
            .stdout(Stdio::piped())
            .stderr(slave.try_clone().expect("a descriptor"));
        // SAFETY: both calls may be made between fork and exec.
        unsafe {
            command.pre_exec(|| {
                let ok = libc::setsid() != -1 && libc::ioctl(0, libc::TIOCSCTTY, 0) != -1;
                ok.then_some(()).ok_or_else(std::io::Error::last_os_error)
            });
        }
        OnTerminal {
            child: command.spawn().expect("the binary runs"),
            master,
            seen: String::new(),
        }
    }

    /// Reads the output of the terminal until it ends like this.
    fn see(&mut self, end: &str) {
        let mut byte = [0];
        while !self.seen.ends_with(end) {
            self.master.read_exact(&mut byte).expect("more to see");
            self.seen.push(char::from(byte[0]));
        }
    }

    fn type_in(&mut self, text: &str) {
        self.master.write_all(text.as_bytes()).expect("a terminal");
    }

    fn echoes(&self) -> bool {
        let mut attributes = std::mem::MaybeUninit::uninit();
        // SAFETY: the descriptor is open, and there is room for the structure, which is filled on success.
        let attributes = unsafe {
            let status = libc::tcgetattr(self.master.as_raw_fd(), attributes.as_mut_ptr());
            assert_eq!(status, 0);
            attributes.assume_init()
        };
        attributes.c_lflag & libc::ECHO != 0
    }

    /// Its status and its stdout.
    fn end(&mut self) -> (Option<i32>, String) {
        let mut out = String::new();
        let mut stdout = self.child.stdout.take().expect("a pipe");
        stdout.read_to_string(&mut out).expect("UTF-8");
        (self.child.wait().expect("it ends").code(), out)
    }
}

#[test]
fn a_terminal_is_asked_twice_and_shows_nothing() {
    let mut terminal = OnTerminal::start();
    terminal.see("Password: ");
    assert!(!terminal.echoes());
    terminal.type_in("hunter2\n");
    terminal.see("again: ");
    terminal.type_in("hunter2\n");
    let (status, out) = terminal.end();
    assert_eq!(status, Some(0));
    assert_eq!(verify_secret(out.trim_end(), b"hunter2"), Ok(true));
    assert!(!terminal.seen.contains("hunter2"), "{}", terminal.seen);
    assert!(terminal.echoes());
}

#[test]
fn two_passwords_that_differ_are_refused() {
    let mut terminal = OnTerminal::start();
    terminal.see("Password: ");
    terminal.type_in("hunter2\n");
    terminal.see("again: ");
    terminal.type_in("hunter3\n");
    assert_eq!(terminal.end(), (Some(1), String::new()));
    terminal.see("the two passwords differ\r\n");
    assert!(terminal.echoes());
}

#[test]
fn control_c_restores_the_echo() {
    let mut terminal = OnTerminal::start();
    terminal.see("Password: ");
    terminal.type_in("hun\u{3}");
    // The signal has ended it.
    assert_eq!(terminal.end(), (None, String::new()));
    assert!(terminal.echoes());
    assert!(!terminal.seen.contains("hun"));
}
