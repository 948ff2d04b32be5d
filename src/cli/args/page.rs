//! Help pages and options, as the table of verbs declares them, and how they are printed.

use std::fmt::Write;

/// The column at which the help of an option begins.
const OPTION_WIDTH: usize = 23;
/// The column at which the summary of a verb begins.
const VERB_WIDTH: usize = 43;

/// An option.
#[derive(Clone, Copy, Debug)]
pub(super) struct Opt {
    /// `-c`, or empty.
    pub(super) short: &'static str,
    /// `--config`, or empty.
    pub(super) long: &'static str,
    /// The name of its value; empty for a flag.
    pub(super) value: &'static str,
    help: &'static str,
}

impl Opt {
    pub(super) const fn new(
        short: &'static str,
        long: &'static str,
        value: &'static str,
        help: &'static str,
    ) -> Opt {
        Opt {
            short,
            long,
            value,
            help,
        }
    }

    /// The option with a help text for one verb.
    pub(super) const fn with_help(self, help: &'static str) -> Opt {
        Opt { help, ..self }
    }

    /// The name by which the code knows it.
    pub(super) fn key(&self) -> &'static str {
        if self.long.is_empty() {
            self.short
        } else {
            self.long
        }
    }

    /// As complaints list it: `-c/--config FILE`.
    pub(super) fn spelled(&self) -> String {
        let slash = if self.short.is_empty() { "" } else { "/" };
        let names = match self.long {
            "" => self.short.to_owned(),
            long => format!("{}{slash}{long}", self.short),
        };
        format!("{names} {}", self.value).trim_end().to_owned()
    }

    fn write(&self, out: &mut String) {
        let Opt {
            short, long, value, ..
        } = self;
        let comma = match (*short, *long) {
            ("", _) | (_, "") => "  ",
            _ => ", ",
        };
        let label = format!("{short:2}{comma}{long} {value}");
        write_row(out, label.trim_end(), OPTION_WIDTH, self.help);
    }
}

/// An option with a value, without a short name.
pub(super) const fn option(long: &'static str, value: &'static str, help: &'static str) -> Opt {
    Opt::new("", long, value, help)
}

/// An option without a value and without a short name.
pub(super) const fn flag(long: &'static str, help: &'static str) -> Opt {
    Opt::new("", long, "", help)
}

/// The help of one verb, or of a few that belong together, and their options.
#[derive(Debug)]
pub(super) struct Page {
    /// Its line of the overview, and its summary there.
    pub(super) overview: (&'static str, &'static str),
    /// Its usage without the program's name.
    pub(super) usage: &'static str,
    /// What it does.
    pub(super) about: &'static str,
    /// The options with a help of their own.
    pub(super) options: &'static [Opt],
    /// The options that it shares with others; some may be among `options`, too.
    pub(super) common: &'static [Opt],
}

impl Page {
    /// The first line of the page.
    pub(super) fn usage(&self) -> String {
        format!("bellwire {}", self.usage)
    }

    /// The options that its verbs take, besides help and version.
    pub(super) fn all_options(&self) -> impl Iterator<Item = &'static Opt> {
        let own = self.options.iter().filter(|own| !self.shares(own));
        self.common.iter().chain(own)
    }

    /// Whether it shares the option with other pages.
    pub(super) fn shares(&self, option: &Opt) -> bool {
        self.common.iter().any(|one| one.key() == option.key())
    }

    /// The whole page.
    pub(super) fn text(&self) -> String {
        let mut text = format!("{}\n\n{}\n", self.usage(), self.about);
        if !self.options.is_empty() {
            text.push('\n');
        }
        self.options
            .iter()
            .for_each(|option| option.write(&mut text));
        if self.common.iter().any(|option| option.key() == "--socket") {
            text.push_str("\nOptions that all verbs have, and exit statuses: bellwire --help\n");
        }
        text
    }
}

/// What `bellwire --help` prints.
pub(super) fn overview<'p>(
    title: &str,
    pages: impl IntoIterator<Item = &'p Page>,
    options: &[Opt],
    notes: &str,
) -> String {
    let mut text = format!("{title}\n\n");
    for page in pages {
        let (usage, summary) = page.overview;
        write_row(&mut text, &format!("bellwire {usage}"), VERB_WIDTH, summary);
    }
    text.push_str("\nOptions:\n");
    options.iter().for_each(|option| option.write(&mut text));
    format!("{text}\n{notes}\n")
}

/// A label, and beside it the lines of its help.
fn write_row(out: &mut String, label: &str, width: usize, help: &str) {
    // Writing to a String cannot fail.
    let _ = writeln!(
        out,
        "  {label:0$}{help}",
        width - 2,
        help = help.replace('\n', &format!("\n{:width$}", ""))
    );
}
