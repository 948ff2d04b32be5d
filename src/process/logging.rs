//! The log on stderr, which never waits for whoever reads it: lines begin with the time in UTC, or for the journal with its
//! prefix of the level.

use std::io::{Write, stderr};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::sync::{Mutex, PoisonError};

use log::{Level, LevelFilter, Log, Metadata, Record};
use simplelog::{ConfigBuilder, WriteLogger};

use crate::config::LogLevel;
use crate::process::log_stream::LogStream;
use crate::process::printable::escape;

/// Starts logging to stderr, from `level` on. Only the first call has an effect.
pub(crate) fn init(level: LogLevel) {
    let level = filter(level);
    let lines: Box<dyn Log> = if stderr_is_journal() {
        Box::new(JournalLogger {
            level,
            stream: Mutex::new(LogStream::stderr(priority(Level::Warn))),
        })
    } else {
        let config = ConfigBuilder::new()
            .set_time_format_rfc3339()
            .set_thread_level(LevelFilter::Off)
            .build();
        WriteLogger::new(level, config, LogStream::stderr("[WARN] "))
    };
    if log::set_boxed_logger(Box::new(OneLine(lines))).is_ok() {
        log::set_max_level(level);
    }
}

/// Changes the level.
pub(crate) fn set(level: LogLevel) {
    log::set_max_level(filter(level));
}

/// The prefix by which the journal knows the priority of a line (sd-daemon(3)); empty when stderr is not the journal.
pub(crate) fn prefix(level: Level) -> &'static str {
    if stderr_is_journal() {
        priority(level)
    } else {
        ""
    }
}

fn filter(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Error => LevelFilter::Error,
        LogLevel::Warn => LevelFilter::Warn,
        LogLevel::Info => LevelFilter::Info,
        LogLevel::Debug => LevelFilter::Debug,
        LogLevel::Trace => LevelFilter::Trace,
    }
}

const fn priority(level: Level) -> &'static str {
    match level {
        Level::Error => "<3>",
        Level::Warn => "<4>",
        Level::Info => "<6>",
        Level::Debug | Level::Trace => "<7>",
    }
}

/// systemd.exec(5): `$JOURNAL_STREAM` is the device and inode of the stream, which may have been redirected since.
fn stderr_is_journal() -> bool {
    let Ok(stream) = std::env::var("JOURNAL_STREAM") else {
        return false;
    };
    let Ok(stderr) = stderr().as_fd().try_clone_to_owned() else {
        return false;
    };
    std::fs::File::from(stderr)
        .metadata()
        .is_ok_and(|metadata| stream == format!("{}:{}", metadata.dev(), metadata.ino()))
}

/// Escapes control characters, so that text of a peer cannot begin a line of its own or control a terminal.
struct OneLine(Box<dyn Log>);

impl Log for OneLine {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.0.enabled(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        let text = escape(&record.args().to_string());
        let mut line = Record::builder();
        line.metadata(record.metadata().clone());
        line.module_path(record.module_path())
            .file(record.file())
            .line(record.line());
        self.0.log(&line.args(format_args!("{text}")).build());
    }

    fn flush(&self) {
        self.0.flush();
    }
}

/// Gives a slow reader a moment for the last lines.
pub(crate) fn finish() {
    log::logger().flush();
}

/// Writes lines for the journal, which adds the time itself.
struct JournalLogger<W> {
    level: LevelFilter,
    stream: Mutex<W>,
}

impl<W: Write + Send> Log for JournalLogger<W> {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= self.level
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            let mut stream = self.stream.lock().unwrap_or_else(PoisonError::into_inner);
            // When the journal is gone, nobody can be told.
            let _ = writeln!(stream, "{}{}", priority(record.level()), record.args());
        }
    }

    fn flush(&self) {
        let _ = self
            .stream
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .flush();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_journal_gets_a_prefix_by_level() {
        let logger = JournalLogger {
            level: LevelFilter::Debug,
            stream: Mutex::new(Vec::new()),
        };
        for level in [
            Level::Error,
            Level::Warn,
            Level::Info,
            Level::Debug,
            Level::Trace,
        ] {
            logger.log(
                &Record::builder()
                    .level(level)
                    .args(format_args!("at {level}"))
                    .build(),
            );
        }
        let text =
            String::from_utf8(logger.stream.into_inner().expect("no poison")).expect("UTF-8");
        assert_eq!(text, "<3>at ERROR\n<4>at WARN\n<6>at INFO\n<7>at DEBUG\n");
    }

    #[test]
    fn levels_are_those_of_the_configuration() {
        assert_eq!(filter(LogLevel::Error), LevelFilter::Error);
        assert_eq!(filter(LogLevel::Info), LevelFilter::Info);
        assert_eq!(filter(LogLevel::Trace), LevelFilter::Trace);
    }
}
