//! `bellwire hash-password`: a password in, its hash out.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, IsTerminal, Read, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::sync::OnceLock;

use zeroize::Zeroizing;

use crate::auth;
use crate::process::exit::Exit;
use crate::process::output::{complain, print};
use crate::process::syscall::check;

/// The longest password that is read. It stops the reading of a large file by mistake.
const MAX: usize = 4096;

type PasswordBytes = Zeroizing<Vec<u8>>;

/// Asks for a password on the terminal, or reads a line of stdin, and prints its hash.
pub(super) fn run() -> Exit {
    let password = if io::stdin().is_terminal() {
        ask_twice()
    } else {
        read_stdin().map_err(|error| refused(&format!("stdin: {error}")))
    };
    match password.and_then(|password| hash(&password)) {
        Ok(hash) => print(&format!("{hash}\n")),
        Err(exit) => exit,
    }
}

fn hash(password: &[u8]) -> Result<String, Exit> {
    if let Some(what) = fault(password) {
        complain(&format!("bellwire: {what}"));
        return Err(Exit::Usage);
    }
    auth::hash_password(password).map_err(|error| refused(&error.to_string()))
}

/// Why this cannot be a password.
fn fault(password: &[u8]) -> Option<&'static str> {
    if password.is_empty() {
        return Some("an empty password would let anybody in; allowed: one character at least");
    }
    match std::str::from_utf8(password) {
        Ok(text) if !text.chars().any(char::is_control) => None,
        // RFC 7617 §2: such a password cannot be sent.
        Ok(_) => Some("the password has a control character, which no browser could send"),
        Err(_) => Some("the password is not UTF-8, in which browsers send it"),
    }
}

fn refused(what: &str) -> Exit {
    complain(&format!("bellwire: {what}"));
    Exit::Failed
}

fn ask_twice() -> Result<PasswordBytes, Exit> {
    let asked = Terminal::open().and_then(|mut terminal| {
        let first = terminal.ask("Password: ")?;
        let second = terminal.ask("The same again: ")?;
        Ok((first, second))
    });
    let (first, second) = asked.map_err(|error| refused(&format!("the terminal: {error}")))?;
    if first == second {
        Ok(first)
    } else {
        Err(refused("the two passwords differ"))
    }
}

fn read_stdin() -> io::Result<PasswordBytes> {
    // The reader of the standard library has a buffer that nobody wipes.
    let stdin = io::stdin().as_fd().try_clone_to_owned()?;
    read_line(&mut File::from(stdin))
}

/// The first line, without its line end. It is read byte by byte, so that no buffer keeps the password.
fn read_line(input: &mut impl Read) -> io::Result<PasswordBytes> {
    // Room for all of it: a growing buffer would leave copies of the password behind.
    let mut line = Zeroizing::new(Vec::with_capacity(MAX));
    let mut byte = Zeroizing::new([0]);
    loop {
        match input.read(&mut *byte) {
            Ok(0) => break,
            Ok(_) if byte[0] == b'\n' => break,
            Ok(_) if line.len() == MAX => {
                let what = format!("the password is longer than {MAX} bytes");
                return Err(io::Error::new(ErrorKind::InvalidInput, what));
            }
            Ok(_) => line.push(byte[0]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    Ok(line)
}

/// The terminal with its echo off, until it is dropped.
struct Terminal {
    file: File,
    before: libc::termios,
}

impl Terminal {
    fn open() -> io::Result<Terminal> {
        let file = OpenOptions::new().read(true).write(true).open("/dev/tty")?;
        let before = attributes(&file)?;
        let mut silent = before;
        // ICANON stays, so that a person can correct the input, and ISIG, so that they can interrupt it.
        silent.c_lflag &= !libc::ECHO;
        silent.c_lflag |= libc::ECHONL;
        restore_on_signals(file.try_clone()?, before)?;
        set_attributes(&file, &silent)?;
        Ok(Terminal { file, before })
    }

    fn ask(&mut self, prompt: &str) -> io::Result<PasswordBytes> {
        self.file.write_all(prompt.as_bytes())?;
        read_line(&mut self.file)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // There is no other way to restore it.
        let _ = set_attributes(&self.file, &self.before);
    }
}

/// The terminal as it was, for the signal handler. Its descriptor stays open until the process ends.
static BEFORE: OnceLock<(File, libc::termios)> = OnceLock::new();

/// From now on a signal that ends the program restores the echo first.
fn restore_on_signals(file: File, before: libc::termios) -> io::Result<()> {
    extern "C" fn restore(signal: libc::c_int) {
        if let Some((file, before)) = BEFORE.get() {
            let _ = set_attributes(file, before);
        }
        // SAFETY: raise may be called in a handler. SA_RESETHAND has restored the default action, which ends the program
        // when this returns.
        unsafe { libc::raise(signal) };
    }
    // It is set already only if a second terminal is opened.
    let _ = BEFORE.set((file, before));
    for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGQUIT, libc::SIGHUP] {
        // SAFETY: an all-zero sigaction is a valid one, and the handler does only what a handler may: it reads what no
        // longer changes, and calls tcsetattr and raise (signal-safety(7)).
        let result = unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = restore as extern "C" fn(libc::c_int) as usize;
            action.sa_flags = libc::SA_RESETHAND;
            libc::sigaction(signal, &raw const action, std::ptr::null_mut())
        };
        check(result)?;
    }
    Ok(())
}

fn attributes(terminal: &File) -> io::Result<libc::termios> {
    let mut attributes = std::mem::MaybeUninit::uninit();
    // SAFETY: the descriptor is open, and there is room for the structure.
    check(unsafe { libc::tcgetattr(terminal.as_raw_fd(), attributes.as_mut_ptr()) })?;
    // SAFETY: tcgetattr has filled it.
    Ok(unsafe { attributes.assume_init() })
}

/// Input that was typed before is dropped, because it was shown.
fn set_attributes(terminal: &File, attributes: &libc::termios) -> io::Result<()> {
    // SAFETY: the descriptor is open, and the structure is read only.
    let status = unsafe { libc::tcsetattr(terminal.as_raw_fd(), libc::TCSAFLUSH, attributes) };
    check(status).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(input: &[u8]) -> io::Result<Vec<u8>> {
        read_line(&mut &*input).map(|line| line.to_vec())
    }

    #[test]
    fn a_line_without_its_end() {
        for (input, expected) in [
            (b"".as_slice(), b"".as_slice()),
            (b"\n", b""),
            (b"a b \n", b"a b "),
            (b"a\r\n", b"a"),
            (b"a", b"a"),
            (b"a\nb\n", b"a"),
        ] {
            assert_eq!(line(input).expect("a line"), expected);
        }
        let mut longest = vec![b'x'; MAX];
        assert_eq!(line(&longest).expect("a line"), longest);
        longest.push(b'\n');
        assert_eq!(line(&longest).expect("a line").len(), MAX);
        longest[MAX] = b'x';
        assert!(line(&longest).is_err());
    }

    #[test]
    fn what_is_no_password() {
        for password in [b"".as_slice(), b"a\tb", b"a\0", b"\xff"] {
            assert!(fault(password).is_some());
        }
        assert_eq!(fault("pässword ".as_bytes()), None);
    }
}
