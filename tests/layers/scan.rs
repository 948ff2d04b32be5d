//! Reads as much Rust as it takes to find the paths in a file: tokens without comments and literals, without the parts
//! under `#[cfg(test)]`, and in them the `use` trees, the paths in code, and the modules that the file declares.

use std::collections::BTreeSet;

/// A path in the code, from the crate's root if it begins in this crate, otherwise as written.
pub(crate) struct Import {
    pub(crate) line: usize,
    pub(crate) path: Vec<String>,
    pub(crate) local: bool,
}

/// What one file says about others.
#[derive(Default)]
pub(crate) struct Scan {
    found: Vec<Found>,
    /// The type of each inherent `impl`.
    impls: Vec<Found>,
    /// The structures and enumerations that are defined here.
    pub(crate) types: BTreeSet<String>,
    /// Every module declared here, below the file's own.
    modules: BTreeSet<Vec<String>>,
    /// Those that are declared for tests alone.
    pub(crate) test_modules: Vec<String>,
}

/// A path as written, and the inline modules around it.
struct Found {
    line: usize,
    around: Vec<String>,
    path: Vec<String>,
}

struct Token {
    line: usize,
    text: String,
}

impl Scan {
    pub(crate) fn new(source: &str) -> Scan {
        let mut scan = Scan::default();
        let tokens = scan.without_tests(tokens(source));
        scan.walk(&Tokens(&tokens));
        scan
    }

    /// The paths, resolved for a file that is `module`.
    pub(crate) fn imports(&self, module: &[String]) -> Vec<Import> {
        self.found
            .iter()
            .map(|found| self.resolve(found, module))
            .collect()
    }

    /// The types that have inherent methods here, likewise.
    pub(crate) fn impls(&self, module: &[String]) -> Vec<Import> {
        self.impls
            .iter()
            .map(|found| self.resolve(found, module))
            .collect()
    }

    fn resolve(&self, found: &Found, module: &[String]) -> Import {
        let mut base: Vec<String> = module.iter().chain(&found.around).cloned().collect();
        let mut rest = found.path.as_slice();
        let mut local = true;
        match rest[0].as_str() {
            "crate" | "bellwire" => {
                base.clear();
                rest = &rest[1..];
            }
            "self" => rest = &rest[1..],
            "super" => {}
            name => {
                let here: Vec<String> = found
                    .around
                    .iter()
                    .cloned()
                    .chain([name.to_owned()])
                    .collect();
                local = self.modules.contains(&here);
                if !local {
                    base.clear();
                }
            }
        }
        while local && rest.first().is_some_and(|part| part == "super") {
            base.pop();
            rest = &rest[1..];
        }
        base.extend_from_slice(rest);
        Import {
            line: found.line,
            path: base,
            local,
        }
    }

    /// Drops each `#[cfg(test)]` with the item that it stands before.
    fn without_tests(&mut self, tokens: Vec<Token>) -> Vec<Token> {
        let all = Tokens(&tokens);
        let mut kept = vec![true; tokens.len()];
        let mut at = 0;
        while at < tokens.len() {
            let inner = all.at(at + 1) == "!";
            let bracket = at + 1 + usize::from(inner);
            if all.at(at) != "#" || all.at(bracket) != "[" {
                at += 1;
                continue;
            }
            let after = all.matching(bracket) + 1;
            let end = match (all.is_test_attribute(bracket), inner) {
                (false, _) => after,
                (true, true) => tokens.len(),
                (true, false) => self.test_item(&all, after),
            };
            if all.is_test_attribute(bracket) {
                kept[at..end].fill(false);
            }
            at = end;
        }
        tokens
            .into_iter()
            .zip(kept)
            .filter_map(|(token, kept)| kept.then_some(token))
            .collect()
    }

    /// Where the item ends that begins at `at`; notes it when it is a module in a file of its own.
    fn test_item(&mut self, all: &Tokens<'_>, mut at: usize) -> usize {
        while all.at(at) == "#" {
            at = all.matching(at + 1) + 1;
        }
        if all.at(at) == "pub" {
            at += 1;
            if all.at(at) == "(" {
                at = all.matching(at) + 1;
            }
        }
        if all.at(at) == "mod" && all.at(at + 2) == ";" {
            self.test_modules.push(all.at(at + 1).to_owned());
        }
        all.item_end(at)
    }

    fn walk(&mut self, all: &Tokens<'_>) {
        let mut around: Vec<String> = Vec::new();
        let mut closing: Vec<usize> = Vec::new();
        let mut at = 0;
        while at < all.0.len() {
            while closing.last().is_some_and(|close| *close <= at) {
                closing.pop();
                around.pop();
            }
            match all.at(at) {
                "mod" if matches!(all.at(at + 2), ";" | "{") => {
                    let name = all.at(at + 1).to_owned();
                    self.modules
                        .insert(around.iter().cloned().chain([name.clone()]).collect());
                    if all.at(at + 2) == "{" {
                        closing.push(all.matching(at + 2));
                        around.push(name);
                    }
                    at += 3;
                }
                "struct" | "enum" => {
                    self.types.insert(all.at(at + 1).to_owned());
                    at += 2;
                }
                "impl" if all.begins_item(at) => {
                    if let Some(path) = all.inherent(at) {
                        self.impls.push(Found {
                            line: all.line(at),
                            around: around.clone(),
                            path,
                        });
                    }
                    at += 1;
                }
                "use" if all.at(at + 1) != "<" => {
                    at = self.use_tree(all, at + 1, &around, Vec::new());
                }
                _ if all.begins_path(at) => at = self.inline_path(all, at, &around),
                _ => at += 1,
            }
        }
    }

    /// One tree of a `use`, behind what stands before its braces; returns where it ends.
    fn use_tree(
        &mut self,
        all: &Tokens<'_>,
        mut at: usize,
        around: &[String],
        mut path: Vec<String>,
    ) -> usize {
        let line = all.line(at);
        loop {
            match all.at(at) {
                "::" => at += 1,
                "{" => {
                    let end = all.matching(at);
                    at += 1;
                    while at < end {
                        at = self.use_tree(all, at, around, path.clone());
                        at += usize::from(all.at(at) == ",");
                    }
                    return end + 1;
                }
                "self" if !path.is_empty() => at += 1,
                name if is_name(name) && name != "as" => {
                    path.push(name.to_owned());
                    at += 1;
                }
                end => {
                    at += match end {
                        "as" => 2,
                        "*" => 1,
                        _ => 0,
                    };
                    if !path.is_empty() {
                        self.found.push(Found {
                            line,
                            around: around.to_vec(),
                            path,
                        });
                    }
                    // A tree that is not one would hold the walk here for ever.
                    return if matches!(all.at(at), "," | ";" | "}") {
                        at
                    } else {
                        at + 1
                    };
                }
            }
        }
    }

    fn inline_path(&mut self, all: &Tokens<'_>, mut at: usize, around: &[String]) -> usize {
        let (start, line) = (at, all.line(at));
        let mut path = vec![all.at(at).to_owned()];
        at += 1;
        while all.at(at) == "::" && is_name(all.at(at + 1)) {
            path.push(all.at(at + 1).to_owned());
            at += 2;
        }
        // `pub(in path)` says who may see, not what is seen.
        let is_visibility = start >= 3 && all.at(start - 1) == "in" && all.at(start - 3) == "pub";
        if !is_visibility {
            self.found.push(Found {
                line,
                around: around.to_vec(),
                path,
            });
        }
        at
    }
}

struct Tokens<'t>(&'t [Token]);

impl Tokens<'_> {
    /// The token there; empty behind the last.
    fn at(&self, at: usize) -> &str {
        self.0.get(at).map_or("", |token| &token.text)
    }

    fn line(&self, at: usize) -> usize {
        self.0.get(at).map_or(0, |token| token.line)
    }

    /// Where the bracket that opens at `open` is closed; the end, if it is not.
    fn matching(&self, open: usize) -> usize {
        let mut depth = 0;
        for at in open..self.0.len() {
            match self.at(at) {
                "(" | "[" | "{" => depth += 1,
                ")" | "]" | "}" => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                return at;
            }
        }
        self.0.len()
    }

    /// `cfg(test)`, or `cfg(all(…))` with `test` in it and no `not` or `any` that might turn it round.
    fn is_test_attribute(&self, bracket: usize) -> bool {
        let words: Vec<_> = (bracket + 1..self.matching(bracket))
            .map(|at| self.at(at))
            .collect();
        match words.as_slice() {
            ["cfg", "(", "test", ")"] => true,
            ["cfg", "(", "all", rest @ ..] => {
                rest.contains(&"test") && !rest.contains(&"not") && !rest.contains(&"any")
            }
            _ => false,
        }
    }

    /// Just behind the item, field, arm or statement that begins at `at`.
    fn item_end(&self, at: usize) -> usize {
        let is_value = match self.at(at) {
            "use" | "static" | "type" | "let" => true,
            "const" => !matches!(self.at(at + 1), "fn" | "unsafe" | "async" | "extern"),
            _ => false,
        };
        let is_item = matches!(
            self.at(at),
            "fn" | "const"
                | "async"
                | "unsafe"
                | "extern"
                | "mod"
                | "struct"
                | "enum"
                | "trait"
                | "impl"
        ) || is_value;
        let mut here = at;
        while here < self.0.len() {
            match self.at(here) {
                ";" => return here + 1,
                "," if !is_item => return here + 1,
                ")" | "]" | "}" => return here,
                "{" if !is_value => return self.matching(here) + 1,
                "(" | "[" | "{" => here = self.matching(here) + 1,
                _ => here += 1,
            }
        }
        here
    }

    /// Whether an item begins there, not a type such as `impl Iterator`.
    fn begins_item(&self, at: usize) -> bool {
        at == 0 || matches!(self.at(at - 1), ";" | "{" | "}" | "]" | "unsafe")
    }

    /// The type of an `impl` that is not of a trait.
    fn inherent(&self, at: usize) -> Option<Vec<String>> {
        let mut here = self.behind_generics(at + 1);
        let mut path = Vec::new();
        loop {
            match self.at(here) {
                "{" | "where" => return (!path.is_empty()).then_some(path),
                "::" => here += 1,
                name if is_name(name) && name != "for" && name != "dyn" => {
                    path.push(name.to_owned());
                    here = self.behind_generics(here + 1);
                }
                _ => return None,
            }
        }
    }

    /// Behind `<…>`, if it begins there.
    fn behind_generics(&self, at: usize) -> usize {
        let mut depth = 0;
        for here in at..self.0.len() {
            match self.at(here) {
                "<" => depth += 1,
                // `->` of a bound such as `Fn() -> T` closes nothing.
                ">" if self.at(here - 1) != "-" => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                return here + usize::from(here > at);
            }
        }
        self.0.len()
    }

    /// A name with `::` behind it and no path before it.
    fn begins_path(&self, at: usize) -> bool {
        let continues = at > 0
            && self.at(at - 1) == "::"
            && (at < 2 || is_name(self.at(at - 2)) || self.at(at - 2) == ">");
        is_name(self.at(at)) && self.at(at + 1) == "::" && !continues
    }
}

fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// Names, numbers, `::` and single characters; no comments, strings, characters or lifetimes.
fn tokens(source: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let (mut rest, mut line) = (source, 1);
    while let Some(first) = rest.chars().next() {
        let (taken, kept) = token(rest, first);
        if kept {
            let text = rest[..taken].trim_start_matches("r#").to_owned();
            tokens.push(Token { line, text });
        }
        line += rest[..taken].matches('\n').count();
        rest = &rest[taken..];
    }
    tokens
}

/// The length of the first token, and whether it is one that matters.
fn token(rest: &str, first: char) -> (usize, bool) {
    let word = |text: &str| {
        text.find(|c: char| !c.is_alphanumeric() && c != '_')
            .unwrap_or(text.len())
    };
    if rest.starts_with("//") {
        return (rest.find('\n').unwrap_or(rest.len()), false);
    }
    if rest.starts_with("/*") {
        return (comment(rest), false);
    }
    if let Some(taken) = string(rest) {
        return (taken, false);
    }
    match first {
        '\'' => {
            let mut behind = rest.chars().skip(1);
            match (behind.next(), behind.next()) {
                (Some('\\'), Some(escaped)) => {
                    let from = 2 + escaped.len_utf8();
                    (
                        rest[from..]
                            .find('\'')
                            .map_or(rest.len(), |end| from + end + 1),
                        false,
                    )
                }
                (Some(c), Some('\'')) => (2 + c.len_utf8(), false),
                _ => (1 + word(&rest[1..]), false),
            }
        }
        ':' if rest.starts_with("::") => (2, true),
        _ if rest.starts_with("r#") && word(&rest[2..]) > 0 => (2 + word(&rest[2..]), true),
        c if c.is_alphanumeric() || c == '_' => (word(rest), true),
        c => (c.len_utf8(), !c.is_whitespace()),
    }
}

/// The length of a block comment; they nest.
fn comment(rest: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while let Some(step) = rest[at..].find(['/', '*']) {
        at += step;
        let mark = &rest[at..];
        depth += i32::from(mark.starts_with("/*")) - i32::from(mark.starts_with("*/"));
        at += if mark.starts_with("/*") || mark.starts_with("*/") {
            2
        } else {
            1
        };
        if depth == 0 {
            return at;
        }
    }
    rest.len()
}

/// The length of a string literal of any kind, if one begins here.
fn string(rest: &str) -> Option<usize> {
    let prefix = ["br", "cr", "r", "b", "c", ""].into_iter().find(|prefix| {
        let behind = rest.strip_prefix(*prefix).unwrap_or_default();
        let quote = if prefix.contains('r') {
            behind.trim_start_matches('#')
        } else {
            behind
        };
        quote.starts_with('"')
    })?;
    let body = &rest[prefix.len()..];
    let start = prefix.len() + body.find('"')? + 1;
    if prefix.contains('r') {
        let close = format!("\"{}", &body[..body.find('"')?]);
        return Some(
            rest[start..]
                .find(&close)
                .map_or(rest.len(), |end| start + end + close.len()),
        );
    }
    let mut escaped = false;
    let end = rest[start..].find(|c| {
        let closes = c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        closes
    });
    Some(end.map_or(rest.len(), |end| start + end + 1))
}
