//! The stderr of a process, made safe for the log: whole lines, of limited length and number.

use crate::conn::deadline::Tick;
use crate::proto::counted::counted;

/// The most bytes of a line; the rest is left out.
pub const MAX_STDERR_LINE: usize = 4 * 1024;

/// The most lines of one process in a second; the others are counted.
pub const MAX_STDERR_LINES: u32 = 50;

const SECOND: u32 = 1000;

/// The unfinished line, and how many lines may still be reported in this second.
#[derive(Debug)]
pub(super) struct StderrLines {
    line: Vec<u8>,
    cut: bool,
    /// When the second began.
    since: Tick,
    told: u32,
    left_out: u32,
}

impl StderrLines {
    pub(super) fn new(now: Tick) -> StderrLines {
        StderrLines {
            line: Vec::new(),
            cut: false,
            since: now,
            told: 0,
            left_out: 0,
        }
    }

    /// Takes what was read, and reports the lines that are complete.
    pub(super) fn take(&mut self, mut bytes: &[u8], now: Tick, tell: &mut impl FnMut(String)) {
        while let Some(end) = memchr::memchr(b'\n', bytes) {
            self.append(&bytes[..end]);
            self.end_line(now, tell);
            bytes = &bytes[end + 1..];
        }
        self.append(bytes);
    }

    /// Reports the last line, which may lack its newline, and how many lines were left out.
    pub(super) fn finish(&mut self, now: Tick, tell: &mut impl FnMut(String)) {
        if !self.line.is_empty() {
            self.end_line(now, tell);
        }
        self.tell_left_out(tell);
    }

    fn append(&mut self, bytes: &[u8]) {
        let room = MAX_STDERR_LINE - self.line.len();
        self.cut |= bytes.len() > room;
        self.line.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    fn end_line(&mut self, now: Tick, tell: &mut impl FnMut(String)) {
        if now.since(self.since) >= SECOND {
            self.since = now;
            self.told = 0;
            self.tell_left_out(tell);
        }
        if self.told < MAX_STDERR_LINES {
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
            tell(format!("({})", counted(self.left_out, "more line")));
            self.left_out = 0;
        }
    }
}

/// Control characters are escaped: a terminal that shows the log must not obey them.
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
        let mut stderr_lines = StderrLines::new(Tick(0));
        for (part, now) in parts {
            stderr_lines.take(part, Tick(*now), &mut |line| lines.push(line));
        }
        stderr_lines.finish(Tick(5000), &mut |line| lines.push(line));
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
        let long = vec![b'x'; MAX_STDERR_LINE];
        assert_eq!(
            told(&[
                (&long, 0),
                (b"\n", 0),
                (&long, 0),
                (b"yz\n", 0),
                (b"a\n", 0)
            ]),
            [
                "x".repeat(MAX_STDERR_LINE),
                format!("{}…", "x".repeat(MAX_STDERR_LINE)),
                "a".to_owned()
            ]
        );
    }

    #[test]
    fn a_flood_is_counted() {
        let flood = b"x\n".repeat(MAX_STDERR_LINES as usize + 7);
        let lines = told(&[(&flood, 0), (b"later\n", 1000)]);
        assert_eq!(lines.len(), MAX_STDERR_LINES as usize + 2);
        assert_eq!(
            lines[MAX_STDERR_LINES as usize..],
            ["(7 more lines)", "later"]
        );
        let lines = told(&[(&flood, 0)]);
        assert_eq!(lines.last().map(String::as_str), Some("(7 more lines)"));
    }
}
