use super::*;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::config;

/// The rules of a configuration whose servers are `a` and `b`.
fn rules(triggers: &str) -> AllRules {
    let memory = Account::root(usize::MAX);
    AllRules::new(&memory).renewed(&read(triggers)).unwrap()
}

fn read(triggers: &str) -> Vec<Trigger> {
    let text = format!(
        "[[server]]\nid = \"a\"\nbind = [\"127.0.0.1:1\"]\n[[server]]\nid = \"b\"\nbind = [\"127.0.0.1:2\"]\n{triggers}"
    );
    let config = config::parse(&text, Path::new("/tmp/bellwire.toml")).unwrap();
    config.triggers
}

fn of(rules: &AllRules, id: &str) -> Rules {
    rules.of(&Id::new(id).unwrap())
}

fn names<'r>(fires: &Fires<'r>) -> (Vec<&'r str>, bool) {
    let names = fires.rules.iter().map(|rule| rule.conf.name.as_str());
    (names.collect(), fires.done)
}

#[test]
fn the_word_trigger_is_written_once() {
    let unnamed = "[[trigger]]\non = \"connect\"\nsend = \"1\"\n";
    let rules = rules(&format!("{unnamed}{unnamed}name = \"a\"\n"));
    let shown: Vec<String> = rules.iter().map(ToString::to_string).collect();
    assert_eq!(shown, ["trigger 1", "trigger a"]);
}

const SOME: &str = r#"
[[trigger]]
name = "first"
on = "message"
from = ["A"]
match = "exact"
string = "x"
continue = true
send = "1"
[[trigger]]
name = "second"
on = "message"
match = "contains"
string = "X"
case_sensitive = false
send = "2"
[[trigger]]
name = "third"
on = "message"
send = "3"
[[trigger]]
name = "get"
on = "http_request"
from = ["b"]
methods = ["GET"]
path = "/api/*"
hold = true
"#;

#[test]
fn the_first_that_matches_ends_it_unless_it_says_so() {
    let all = rules(SOME);
    let (a, b) = (of(&all, "a"), of(&all, "b"));
    assert_eq!(names(&a.message(b"x")), (vec!["first", "second"], true));
    assert_eq!(names(&b.message(b"x")), (vec!["second"], true));
    assert_eq!(names(&a.message(b"-")), (vec!["third"], true));
    // What is no text is compared with none, and matches what compares nothing.
    assert_eq!(names(&a.message(b"x\xff")), (vec!["third"], true));
    assert_eq!(names(&a.connect()), (vec![], false));
    assert!(a.on_messages() && !a.on_requests() && b.on_requests());
}

#[test]
fn requests_fire_by_method_and_path() {
    let all = rules(SOME);
    let b = of(&all, "b");
    assert!(b.request("GET", b"api/x").is_some());
    assert!(b.request("GET", b"api").is_none());
    assert!(b.request("POST", b"api/x").is_none());
    assert!(of(&all, "a").request("GET", b"api/x").is_none());
}

#[test]
fn rules_that_have_not_changed_are_kept() {
    let mut all = rules(SOME);
    let before: Vec<Rc<Rule>> = all.iter().cloned().collect();
    let changed = SOME.replace("send = \"2\"", "send = \"two\"");
    all = all.renewed(&read(&changed)).unwrap();
    let after: Vec<Rc<Rule>> = all.iter().cloned().collect();
    for (at, (before, after)) in before.iter().zip(&after).enumerate() {
        assert_eq!(Rc::ptr_eq(before, after), at != 1, "{at}");
    }
    assert!(before.iter().all(|it| it.number != after[1].number));
    // Twins are kept one by one.
    let twin = "[[trigger]]\nname = \"t\"\non = \"message\"\nsend = \"1\"\n";
    let mut twins = rules(&[twin, twin].concat());
    twins = twins.renewed(&read(&[twin, twin].concat())).unwrap();
    let numbers: Vec<u32> = twins.iter().map(|rule| rule.number).collect();
    assert_eq!(numbers, [1, 2]);
}

#[test]
fn a_process_that_follows_connections_is_known_of() {
    let follows = |mode: &str| {
        let text = format!("[[trigger]]\non = \"message\"\nrun = [\"cat\"]\nmode = \"{mode}\"\n");
        of(&rules(&text), "a").run_per_connection()
    };
    assert!(follows("connection") && !follows("once") && !follows("worker"));
}

#[test]
fn files_are_named_beneath_their_folder() {
    let folder = tempfile::tempdir().unwrap();
    let root = SendRoot::open(folder.path()).unwrap();
    let absolute = folder.path().join("a/b");
    let absolute = absolute.as_os_str().as_bytes();
    assert_eq!(root.relative(absolute), Some(&b"a/b"[..]));
    assert_eq!(root.relative(b"a/b"), Some(&b"a/b"[..]));
    assert_eq!(root.relative(b"/etc/passwd"), None);
    assert_eq!(root.relative(b""), None);
    assert_eq!(root.relative(folder.path().as_os_str().as_bytes()), None);
}
