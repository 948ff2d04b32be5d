//! The source files of a crate, the imports between them, and the rules that they may break.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use super::scan::{Import, Scan};

/// The most lines that a file may have.
pub(crate) const MAX_LINES: usize = 500;

/// What the files are judged by.
pub(crate) struct Rules<'r> {
    /// By folder: `a < b c < d`, from the lowest to the highest. Every folder in it must be named, and every file of `src`.
    pub(crate) order: &'r [(&'r str, &'r str)],
    /// Folder, another folder, and the files of the other that it may import.
    pub(crate) narrows: &'r [(&'r str, &'r str, &'r str)],
    /// Folder, and what of std and of the dependencies it does without.
    pub(crate) absent: &'r [(&'r str, &'r str)],
    /// Types, by their full path, whose inherent methods stand in several files, and why.
    pub(crate) spread: &'r [(&'r str, &'r str)],
    /// Files that are longer than [`MAX_LINES`], and why.
    pub(crate) long: &'r [(&'r str, &'r str)],
}

impl Rules<'_> {
    fn order_of(&self, folder: &str) -> Option<&str> {
        self.order
            .iter()
            .find(|(name, _)| *name == folder)
            .map(|(_, order)| *order)
    }

    fn unlisted(&self, folder: &str, entry: &str) -> Option<String> {
        rank(self.order_of(folder)?, entry).is_none().then(|| {
            format!(
                "{entry:?} is not in the order of {}: add it to ORDER in tests/layers.rs",
                spoken(folder)
            )
        })
    }

    /// The rule that an import breaks, if it does; by the places of both files.
    fn judge(&self, from: &[String], to: &[String]) -> Option<String> {
        self.misplaced(from, to).or_else(|| {
            self.narrows.iter().find_map(|(a, b, allowed)| {
                let file = within(to, b)?.first()?;
                (within(from, a).is_some() && !allowed.split(' ').any(|name| name == file))
                    .then(|| format!("{a} imports of {b} only {allowed}"))
            })
        })
    }

    fn misplaced(&self, from: &[String], to: &[String]) -> Option<String> {
        let shared = from.iter().zip(to).take_while(|(a, b)| a == b).count();
        let folder = from[..shared].join("/");
        let (importer, imported) = (from.get(shared)?, to.get(shared)?);
        let order = self.order_of(&folder)?;
        let here = spoken(&folder);
        match rank(order, importer)?.cmp(&rank(order, imported)?) {
            Ordering::Greater => None,
            Ordering::Less => Some(format!(
                "{here}: {importer} stands below {imported} and may not import it"
            )),
            Ordering::Equal => Some(format!(
                "{here}: {importer} and {imported} stand side by side and never import each other"
            )),
        }
    }

    fn lacks(&self, from: &[String], path: &[String]) -> Option<String> {
        self.absent
            .iter()
            .filter(|(folder, _)| within(from, folder).is_some())
            .find_map(|(folder, names)| {
                let name = names
                    .split(' ')
                    .find(|name| within(path, &name.replace("::", "/")).is_some())?;
                Some(format!("{folder} does without {name}"))
            })
    }
}

/// The files by the path of their module: `conn/mod.rs` and `conn.rs` are `conn`, `lib.rs` is the empty path.
pub(crate) struct Sources {
    files: BTreeMap<Vec<String>, File>,
    /// The name and the number of lines of every file, those of tests included.
    lengths: Vec<(String, usize)>,
}

struct File {
    /// As messages give it.
    name: String,
    imports: Vec<Import>,
    /// The types that it defines.
    types: BTreeSet<String>,
    /// The types that it has inherent methods of.
    impls: Vec<Import>,
}

impl Sources {
    pub(crate) fn read(src: &Path) -> Sources {
        let mut sources = Vec::new();
        collect(src, src, &mut sources);
        Sources::new(
            sources
                .iter()
                .map(|(name, text)| (name.as_str(), text.as_str())),
        )
    }

    pub(crate) fn new<'s>(sources: impl Iterator<Item = (&'s str, &'s str)>) -> Sources {
        let sources: Vec<_> = sources.collect();
        let lengths = sources
            .iter()
            .map(|(name, text)| (format!("src/{name}"), text.lines().count()))
            .collect();
        let scanned: Vec<_> = sources
            .into_iter()
            .map(|(name, text)| (name, module(name), Scan::new(text)))
            .collect();
        let tests: BTreeSet<Vec<String>> = scanned
            .iter()
            .flat_map(|(_, module, scan)| {
                scan.test_modules
                    .iter()
                    .map(move |name| joined(module, name))
            })
            .collect();
        let is_test = |module: &[String]| {
            module.iter().any(|part| part == "tests")
                || (1..=module.len()).any(|n| tests.contains(&module[..n]))
        };
        let files = scanned
            .into_iter()
            .filter(|(_, module, _)| !is_test(module))
            .map(|(name, module, scan)| {
                let file = File {
                    name: format!("src/{name}"),
                    imports: scan.imports(&module),
                    impls: scan.impls(&module),
                    types: scan.types,
                };
                (module, file)
            })
            .collect();
        Sources { files, lengths }
    }

    pub(crate) fn faults(&self, rules: &Rules<'_>) -> Vec<String> {
        let mut faults = Vec::new();
        let mut edges: BTreeMap<&[String], BTreeMap<&[String], usize>> = BTreeMap::new();
        for (from, file) in &self.files {
            faults.extend(
                self.unlisted(from, rules)
                    .map(|rule| format!("{}: {rule}", file.name)),
            );
            for import in &file.imports {
                let broken = if import.local {
                    let to = self.file_of(&import.path);
                    edges
                        .entry(from)
                        .or_default()
                        .entry(to)
                        .or_insert(import.line);
                    (to != from.as_slice())
                        .then(|| rules.judge(&self.place(from), &self.place(to)))
                        .flatten()
                } else {
                    rules.lacks(from, &import.path)
                };
                let path = import.path.join("::");
                faults.extend(
                    broken.map(|rule| format!("{}:{}: {path}: {rule}", file.name, import.line)),
                );
            }
        }
        faults.extend(self.circles(&edges));
        faults.extend(self.spread(rules));
        faults.extend(self.oversized(rules));
        faults
    }

    /// One message for every type whose inherent methods stand in several files, and for every exception that is none.
    fn spread(&self, rules: &Rules<'_>) -> Vec<String> {
        let mut files: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
        for (module, file) in &self.files {
            for found in &file.impls {
                let path = self.defined_at(module, file, found);
                files.entry(path).or_default().insert(&file.name);
            }
        }
        files.retain(|_, files| files.len() > 1);
        let excepted = |path: &str| rules.spread.iter().any(|(name, _)| *name == path);
        let faults = files.iter().filter(|(path, _)| !excepted(path));
        let faults = faults.map(|(path, files)| {
            let files: Vec<_> = files.iter().copied().collect();
            format!("{path}: its inherent methods stand in {}", files.join(", "))
        });
        let stale = rules
            .spread
            .iter()
            .filter(|(name, _)| !files.contains_key(*name));
        let stale = stale.map(|(name, _)| format!("{name} is no exception any more: strike it"));
        faults.chain(stale).collect()
    }

    /// The full path of the type that an `impl` means, by way of imports and re-exports.
    fn defined_at(&self, module: &[String], file: &File, found: &Import) -> String {
        let name = found.path.last().expect("a path has a part");
        let (mut module, mut file) = if found.local && found.path.len() > 1 {
            let at = self.file_of(&found.path);
            self.files
                .get_key_value(at)
                .map_or((module, file), |(at, file)| (at.as_slice(), file))
        } else {
            (module, file)
        };
        // More steps than a re-export takes would be a circle.
        for _ in 0..8 {
            if file.types.contains(name) {
                break;
            }
            let import = file
                .imports
                .iter()
                .find(|it| it.local && it.path.last() == Some(name));
            let Some(import) = import else { break };
            let Some((at, next)) = self.files.get_key_value(self.file_of(&import.path)) else {
                break;
            };
            (module, file) = (at, next);
        }
        joined(module, name).join("::")
    }

    fn oversized(&self, rules: &Rules<'_>) -> Vec<String> {
        let mut faults = Vec::new();
        for (name, lines) in &self.lengths {
            let excepted = rules.long.iter().any(|(long, _)| long == name);
            if *lines > MAX_LINES && !excepted {
                faults.push(format!(
                    "{name}: {lines} lines, at most {MAX_LINES} are allowed"
                ));
            } else if *lines <= MAX_LINES && excepted {
                faults.push(format!("{name} is no exception any more: strike it"));
            }
            if module(name).iter().any(|part| part == "util") {
                faults.push(format!("{name}: \"util\" says nothing of what is in it"));
            }
        }
        faults
    }

    /// The file that a path means: the longest beginning of it that is a module, or the crate's root.
    fn file_of<'p>(&self, path: &'p [String]) -> &'p [String] {
        (0..=path.len())
            .rev()
            .map(|n| &path[..n])
            .find(|module| self.files.contains_key(*module))
            .unwrap_or(&[])
    }

    /// A file that has files below it is the `mod` of their folder.
    fn place(&self, module: &[String]) -> Vec<String> {
        let is_folder = self
            .files
            .keys()
            .any(|other| other.len() > module.len() && other.starts_with(module));
        if is_folder {
            joined(module, "mod")
        } else {
            module.to_vec()
        }
    }

    /// A folder, or a file of `src` itself, that the order of its folder does not name.
    fn unlisted(&self, module: &[String], rules: &Rules<'_>) -> Option<String> {
        let place = self.place(module);
        let folders = place.len().saturating_sub(1).max(1);
        (0..folders).find_map(|n| rules.unlisted(&place[..n].join("/"), &place[n]))
    }

    /// One message for every import that closes a circle.
    fn circles(&self, edges: &BTreeMap<&[String], BTreeMap<&[String], usize>>) -> Vec<String> {
        let mut faults = Vec::new();
        let mut done = BTreeSet::new();
        for &start in edges.keys() {
            follow(start, edges, &mut Vec::new(), &mut done, &mut |circle| {
                let mut message = String::from("files import each other in a circle:");
                for (at, &from) in circle.iter().enumerate() {
                    let to = circle[(at + 1) % circle.len()];
                    let _ = write!(message, " {}:{} ->", self.files[from].name, edges[from][to]);
                }
                let _ = write!(message, " {}", self.files[circle[0]].name);
                faults.push(message);
            });
        }
        faults
    }
}

/// Depth first; a file that stands on the way already closes a circle.
fn follow<'s>(
    at: &'s [String],
    edges: &BTreeMap<&'s [String], BTreeMap<&'s [String], usize>>,
    way: &mut Vec<&'s [String]>,
    done: &mut BTreeSet<&'s [String]>,
    report: &mut impl FnMut(&[&'s [String]]),
) {
    if let Some(first) = way.iter().position(|step| *step == at) {
        return report(&way[first..]);
    }
    if done.contains(at) {
        return;
    }
    way.push(at);
    for &next in edges
        .get(at)
        .into_iter()
        .flat_map(BTreeMap::keys)
        .filter(|next| **next != at)
    {
        follow(next, edges, way, done, report);
    }
    way.pop();
    done.insert(at);
}

fn collect(src: &Path, folder: &Path, sources: &mut Vec<(String, String)>) {
    for entry in std::fs::read_dir(folder).expect("src is readable") {
        let path = entry.expect("src is readable").path();
        if path.is_dir() {
            collect(src, &path, sources);
        } else if path.extension().is_some_and(|ext| ext == "rs") {
            let name = path
                .strip_prefix(src)
                .expect("it was found there")
                .display()
                .to_string();
            sources.push((
                name,
                std::fs::read_to_string(&path).expect("source is UTF-8"),
            ));
        }
    }
}

/// `a/b.rs` and `a/b/mod.rs` are `[a, b]`.
fn module(name: &str) -> Vec<String> {
    let mut parts: Vec<String> = name
        .trim_end_matches(".rs")
        .split('/')
        .map(str::to_owned)
        .collect();
    parts.pop_if(|last| last == "mod" || last == "lib");
    parts
}

fn joined(module: &[String], name: &str) -> Vec<String> {
    module.iter().cloned().chain([name.to_owned()]).collect()
}

fn rank(order: &str, name: &str) -> Option<usize> {
    order
        .split(" < ")
        .position(|side_by_side| side_by_side.split(' ').any(|entry| entry == name))
}

fn spoken(folder: &str) -> &str {
    if folder.is_empty() { "src" } else { folder }
}

/// What is left of a module's path below a folder.
fn within<'m>(module: &'m [String], folder: &str) -> Option<&'m [String]> {
    let parts: Vec<_> = folder.split('/').collect();
    (module.len() >= parts.len() && module.iter().zip(&parts).all(|(a, b)| a == b))
        .then(|| &module[parts.len()..])
}
