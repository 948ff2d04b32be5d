//! What a process says on stderr, made fit for a log: whole lines, of bounded length and number.

use crate::conn::deadline::Tick;

/// Of a longer line the rest is left out.
pub const MAX_COMPLAINT: usize = 4 * 1024;

/// Lines of one process in a second; the others are counted.
pub const MAX_COMPLAINTS: u32 = 50;

const SECOND: u32 = 1000;

/// The unfinished line, and how many may still be told in this second.
#[derive(Debug)]
pub(super) struct Complaints {
    line: Vec<u8>,
    cut: bool,
    /// When the second began.
    since: Tick,
    told: u32,
    left_out: u32,
}

impl Complaints {
    pub(super) fn new(now: Tick) -> Complaints {
        Complaints {
            line: Vec::new(),
            cut: false,
            since: now,
            told: 0,
            left_out: 0,
        }
    }

    /// Takes what was read, and tells the lines that are whole by now.
    pub(super) fn take(&mut self, mut bytes: &[u8], now: Tick, tell: &mut impl FnMut(String)) {
        while let Some(end) = memchr::memchr(b'\n', bytes) {
            self.append(&bytes[..end]);
            self.end_line(now, tell);
            bytes = &bytes[end + 1..];
        }
        self.append(bytes);
    }

    /// The last line may lack its newline; and how many were left out is told at last.
    pub(super) fn finish(&mut self, now: Tick, tell: &mut impl FnMut(String)) {
        if !self.line.is_empty() {
            self.end_line(now, tell);
        }
        self.tell_left_out(tell);
    }

    fn append(&mut self, bytes: &[u8]) {
        let room = MAX_COMPLAINT - self.line.len();
        self.cut |= bytes.len() > room;
        self.line.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    fn end_line(&mut self, now: Tick, tell: &mut impl FnMut(String)) {
        if now.since(self.since) >= SECOND {
            self.since = now;
            self.told = 0;
            self.tell_left_out(tell);
        }
        if self.told < MAX_COMPLAINTS {
            self.told += 1;
            tell(readable(&self.line, self.cut));
        } else {
            self.left_out += 1;
        }
        self.line.clear();
        self.cut = false;
    }

    fn tell_left_out(&mut self, tell: &mut impl FnMut(String)) {
        if self.left_out > 0 {
            tell(format!("({} more lines)", self.left_out));
            self.left_out = 0;
        }
    }
}

/// A terminal that shows the log must not obey what a script was fed with.
fn readable(line: &[u8], cut: bool) -> String {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let mut text: String = String::from_utf8_lossy(line)
        .chars()
        .map(|c| match c {
            '\t' => ' ',
            c if c.is_control() => char::REPLACEMENT_CHARACTER,
            c => c,
        })
        .collect();
    if cut {
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(parts: &[(&[u8], u32)]) -> Vec<String> {
        let mut lines = Vec::new();
        let mut complaints = Complaints::new(Tick(0));
        for (part, now) in parts {
            complaints.take(part, Tick(*now), &mut |line| lines.push(line));
        }
        complaints.finish(Tick(5000), &mut |line| lines.push(line));
        lines
    }

    #[test]
    fn lines_are_put_together() {
        assert_eq!(
            told(&[(b"a", 0), (b"b\n\nc\r\nd", 1), (b"", 2)]),
            ["ab", "", "c", "d"]
        );
        assert_eq!(told(&[(b"a\n", 0)]), ["a"]);
    }

    #[test]
    fn nothing_in_a_line_can_act_on_a_terminal() {
        assert_eq!(
            told(&[(b"\x1b[2J\ta\0\xff\xc2\x9b", 0)]),
            ["\u{fffd}[2J a\u{fffd}\u{fffd}\u{fffd}"]
        );
    }

    #[test]
    fn a_long_line_is_cut() {
        let long = vec![b'x'; MAX_COMPLAINT];
        assert_eq!(
            told(&[
                (&long, 0),
                (b"\n", 0),
                (&long, 0),
                (b"yz\n", 0),
                (b"a\n", 0)
            ]),
            [
                "x".repeat(MAX_COMPLAINT),
                format!("{}…", "x".repeat(MAX_COMPLAINT)),
                "a".to_owned()
            ]
        );
    }

    #[test]
    fn a_flood_is_counted() {
        let flood = b"x\n".repeat(MAX_COMPLAINTS as usize + 7);
        let lines = told(&[(&flood, 0), (b"later\n", 1000)]);
        assert_eq!(lines.len(), MAX_COMPLAINTS as usize + 2);
        assert_eq!(
            lines[MAX_COMPLAINTS as usize..],
            ["(7 more lines)", "later"]
        );
        let lines = told(&[(&flood, 0)]);
        assert_eq!(lines.last().map(String::as_str), Some("(7 more lines)"));
    }
}
