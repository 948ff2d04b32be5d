//! `bellwire hash-password`: a password in, its hash out.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, IsTerminal, Read, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::sync::atomic::{AtomicBool, Ordering};

use zeroize::Zeroizing;

use crate::auth;
use crate::cli::exit::Exit;
use crate::cli::output::{complain, print};

/// The longest password that is read; no hash gains by more, and a file by mistake ends here.
const MAX: usize = 4096;

type Password = Zeroizing<Vec<u8>>;

/// Asks for a password on the terminal, else reads a line of stdin, and prints the hash.
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
    if password.is_empty() {
        complain(
            "bellwire: an empty password would let anybody in; allowed: one character at least",
        );
        return Err(Exit::Usage);
    }
    // RFC 7617 §2: such a password cannot be sent.
    let text = std::str::from_utf8(password);
    if !text.is_ok_and(|text| !text.chars().any(char::is_control)) {
        complain(
            "bellwire: the password is not UTF-8, or has a control character, so that no browser could send it",
        );
        return Err(Exit::Usage);
    }
    auth::hash_password(password).map_err(|error| refused(&error.to_string()))
}

fn refused(what: &str) -> Exit {
    complain(&format!("bellwire: {what}"));
    Exit::Failed
}

fn ask_twice() -> Result<Password, Exit> {
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

fn read_stdin() -> io::Result<Password> {
    // The standard library's own would keep what it read in a buffer that nobody wipes.
    let stdin = io::stdin().as_fd().try_clone_to_owned()?;
    read_line(&mut File::from(stdin))
}

/// The first line, without its end; byte by byte, so that none is held anywhere else.
fn read_line(input: &mut impl Read) -> io::Result<Password> {
    // Room for all of it, since a buffer that grew would leave passwords behind.
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
            Err(error) if error.kind() == ErrorKind::Interrupted && !is_stopped() => {}
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
        // ICANON stays, so that a person can correct what they type; ISIG, so that they can leave.
        silent.c_lflag &= !libc::ECHO;
        silent.c_lflag |= libc::ECHONL;
        catch_signals()?;
        set_attributes(&file, &silent)?;
        Ok(Terminal { file, before })
    }

    fn ask(&mut self, prompt: &str) -> io::Result<Password> {
        self.file.write_all(prompt.as_bytes())?;
        read_line(&mut self.file)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // There is no other way to bring it back.
        let _ = set_attributes(&self.file, &self.before);
    }
}

/// Whether a signal came that would have ended the program.
static STOPPED: AtomicBool = AtomicBool::new(false);

fn is_stopped() -> bool {
    STOPPED.load(Ordering::Relaxed)
}

/// From now on a signal to end only ends the read that waits, so that the terminal is set right before the program ends.
fn catch_signals() -> io::Result<()> {
    extern "C" fn stop(_signal: libc::c_int) {
        STOPPED.store(true, Ordering::Relaxed);
    }
    for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGQUIT, libc::SIGHUP] {
        // SAFETY: all zero is a sigaction: no flags, SA_RESTART among them, and an empty mask.
        let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
        action.sa_sigaction = stop as extern "C" fn(libc::c_int) as libc::sighandler_t;
        // SAFETY: the action is whole, and its handler does what a handler may: it stores to an atomic.
        if unsafe { libc::sigaction(signal, &action, std::ptr::null_mut()) } != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

fn attributes(terminal: &File) -> io::Result<libc::termios> {
    let mut attributes = std::mem::MaybeUninit::uninit();
    // SAFETY: the descriptor is open, and there is room for the structure.
    let status = unsafe { libc::tcgetattr(terminal.as_raw_fd(), attributes.as_mut_ptr()) };
    if status != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: tcgetattr has filled it.
    Ok(unsafe { attributes.assume_init() })
}

/// What was typed before is dropped, for it was shown.
fn set_attributes(terminal: &File, attributes: &libc::termios) -> io::Result<()> {
    // SAFETY: the descriptor is open, and the structure is read only.
    let status = unsafe { libc::tcsetattr(terminal.as_raw_fd(), libc::TCSAFLUSH, attributes) };
    if status == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
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
            assert_eq!(hash(password), Err(Exit::Usage));
        }
        let hash = hash("pässword".as_bytes()).expect("a hash");
        assert_eq!(auth::verify_secret(&hash, "pässword".as_bytes()), Ok(true));
    }
}
