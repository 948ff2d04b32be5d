//! `[server.auth]` and `[server.users]`: who is asked, by what, and who may enter.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::faults::assert_server_faults;
use super::{lines, load, read};
use crate::config::*;

/// The server of a configuration whose first two lines are right.
fn server(rest: &str) -> Server {
    let mut config = read(&format!("[[server]]\nbind = [\"127.0.0.1:80\"]\n{rest}"));
    assert_eq!(lines(&config.warnings), "", "{rest}");
    config.servers.remove(0)
}

/// Names and secrets.
fn entries(users: Option<Users>) -> Vec<(String, String)> {
    let Some(Users::List(entries)) = users else {
        panic!("no list: {users:?}");
    };
    let pair = |entry: UserEntry| (entry.name, entry.secret.reveal().to_owned());
    entries.into_iter().map(pair).collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = |(name, secret): &(&str, &str)| ((*name).to_owned(), (*secret).to_owned());
    expected.iter().map(owned).collect()
}

#[test]
fn who_is_asked_and_how() {
    let users = "[server.users]\nlist = [\"a=b\"]\n";
    for (keys, ways) in [
        ("basic = true", Ways::Basic),
        ("url = true", Ways::Url),
        ("basic = true\nurl = true", Ways::Both),
        ("anonymous = false\nbasic = true\nurl = false", Ways::Basic),
    ] {
        let server = server(&format!("[server.auth]\n{keys}\n{users}"));
        let realm = "bellwire".to_owned();
        assert_eq!(server.auth, Auth::Required { ways, realm }, "{keys}");
    }
    let server = server(&format!(
        "[server.auth]\nbasic = true\nrealm = \"the \\\"attic\\\"\"\n{users}"
    ));
    let Auth::Required { realm, .. } = server.auth else {
        panic!("anonymous");
    };
    assert_eq!(realm, "the \"attic\"");
    let told = |ways: Ways| (ways.basic(), ways.url());
    assert_eq!(told(Ways::Basic), (true, false));
    assert_eq!(told(Ways::Url), (false, true));
    assert_eq!(told(Ways::Both), (true, true));
}

#[test]
fn faults_of_auth() {
    assert_server_faults(
        "auth = { anonymous = true, basic = true, url = true }\nusers = { list = [\"a=b\"] }\n",
        &[
            "3:22: anonymous: true beside basic or url; allowed: true alone, or false with basic, url or both",
        ],
    );
    assert_server_faults(
        "auth = { anonymous = false, realm = \"a\\u0000\" }\n",
        &[
            "3:22: anonymous: false, and basic and url too, so that nobody could enter; allowed: true, or basic, url or both",
            "3:37: realm: \"a\\0\"; allowed: one line of text",
        ],
    );
    assert_server_faults(
        "auth = { url = true, basic = true }\n",
        &["3:16: there are no users, so that nobody could enter; [server.users] is missing"],
    );
    assert_server_faults(
        "auth = { basic = 1 }\n",
        &["3:18: basic: a whole number; allowed: true, false"],
    );
}

#[test]
fn a_list_of_users() {
    let server = server(
        "auth.basic = true\nusers.list = [\"alice=a=b\", \"bob=\u{fc} \", \"c d=$6$x$y\"]\n",
    );
    let expected = [("alice", "a=b"), ("bob", "\u{fc} "), ("c d", "$6$x$y")];
    assert_eq!(entries(server.users), pairs(&expected));
}

#[test]
fn users_of_a_file_come_behind_those_of_the_list() {
    let folder = tempfile::tempdir().expect("a folder");
    let users = folder.path().join("users.txt");
    fs::write(
        &users,
        "# who may enter\n\nbob=b=\r\n  # c=d\n=#x=y\ncarol= #\n",
    )
    .expect("a file");
    fs::set_permissions(&users, fs::Permissions::from_mode(0o600)).expect("a mode");
    let file = folder.path().join("f.toml");
    let text = "[[server]]\nbind = [\"[::1]:1\"]\nauth.url = true\n\
                users = { list = [\"alice=a\"], file = \"users.txt\" }\n";
    let Err(faults) = parse(text, &file) else {
        panic!("an entry without a name is no fault");
    };
    let shown = lines(&faults).replace(&folder.path().display().to_string(), "DIR");
    assert_eq!(
        shown,
        "DIR/f.toml:4:38: file: DIR/users.txt:5: an entry without a name; allowed: \"Username=Password\"\n"
    );
    fs::write(&users, "# who may enter\n\nbob=b=\r\n  # c=d\ncarol= #\n").expect("a file");
    let config = parse(text, &file).expect("no faults");
    assert_eq!(lines(&config.warnings), "");
    let users = config.servers[0].users.clone();
    let expected = [("alice", "a"), ("bob", "b="), ("carol", " #")];
    assert_eq!(entries(users), pairs(&expected));
}

#[test]
fn faults_of_a_list() {
    const FORM: &str = "allowed: \"Username=Password\"";
    assert_server_faults(
        "auth.basic = true\n[server.users]\nlist = [\"hunter2\", \"=hunter2\", \"a:b=hunter2\",\n\"a\\nb=hunter2\", \" a=hunter2\", \"a=hunter2\", \"a=hunter3\", \"A=x\"]\ngroups = [\"g\"]\nservice = \"s\"\n",
        &[
            &format!("5:9: list: an entry without \"=\"; {FORM}"),
            &format!("5:20: list: an entry without a name; {FORM}"),
            &format!("5:32: list: the name \"a:b\" has a colon or a control character; {FORM}"),
            &format!("6:1: list: the name \"a\\nb\" has a colon or a control character; {FORM}"),
            &format!("6:17: list: the name \" a\" has blanks around it; {FORM}"),
            "6:44: list: \"a\" is there already; allowed: each name once",
            "7:10: groups: beside source = \"list\"; allowed: list and file",
            "8:11: service: beside source = \"list\"; allowed: list and file",
        ],
    );
    assert_server_faults(
        "auth.basic = true\n[server.users]\nlist = []\n",
        &[&format!(
            "5:8: list: there are no users, so that nobody could enter; {FORM}, once at least"
        )],
    );
    assert_server_faults(
        "auth.basic = true\n[server.users]\n",
        &[
            "4:1: list and file are missing in [server.users]; allowed: either or both, such as list = [\"alice=secret\"]",
        ],
    );
    assert_server_faults(
        "users = { source = \"ldap\", file = 1 }\nauth.basic = true\n",
        &[
            "3:20: source: \"ldap\"; allowed: list, system",
            "3:35: file: a whole number; allowed: a string in quotes",
        ],
    );
    assert_server_faults(
        "users = { file = \"no/such.txt\" }\nauth.basic = true\n",
        &[
            "3:18: file: no/such.txt: No such file or directory (os error 2); allowed: a readable file in UTF-8 of at most 4MiB",
        ],
    );
    assert_server_faults(
        "users = { file = \"/dev/null\" }\nauth.basic = true\n",
        &["3:18: file: /dev/null: not a file; allowed: a readable file in UTF-8 of at most 4MiB"],
    );
}

#[test]
fn users_of_the_system() {
    let server = server(
        "auth.basic = true\nusers = { source = \"system\", groups = [\"robots\", \"users\"], service = \"login\" }\n",
    );
    let Some(Users::System { groups, service }) = server.users else {
        panic!("not of the system");
    };
    let names: Vec<&str> = groups.iter().map(|group| group.value.as_str()).collect();
    assert_eq!(
        (names, service.value.as_str()),
        (vec!["robots", "users"], "login")
    );
    assert_eq!(
        service.place,
        Place {
            line: 4,
            column: 70
        }
    );
    let default = super::access::server(
        "auth.basic = true\nusers = { source = \"system\", groups = [\"robots\"] }\n",
    );
    let Some(Users::System { service, .. }) = default.users else {
        panic!("not of the system");
    };
    assert_eq!(service.value, "bellwire");
}

#[test]
fn faults_of_users_of_the_system() {
    const GROUPS: &str = "allowed: a list of groups of this system, such as [\"robot-users\"]";
    assert_server_faults(
        "auth.basic = true\n[server.users]\nsource = \"system\"\nlist = [\"a=b\"]\nfile = \"f\"\nservice = \"../x\"\n",
        &[
            &format!(
                "4:1: groups is missing in [server.users]; source = \"system\" needs it; {GROUPS}"
            ),
            "6:8: list: beside source = \"system\"; allowed: groups and service",
            "7:8: file: beside source = \"system\"; allowed: groups and service",
            "8:11: service: \"../x\"; allowed: the name of a PAM service, which is a file in /etc/pam.d",
        ],
    );
    assert_server_faults(
        "auth.basic = true\nusers = { source = \"system\", groups = [], service = \"\" }\n",
        &[
            &format!("4:39: groups: an empty list, so that nobody could enter; {GROUPS}"),
            "4:53: service: \"\"; allowed: the name of a PAM service, which is a file in /etc/pam.d",
        ],
    );
    assert_server_faults(
        "auth.basic = true\nusers = { source = \"system\", groups = [\"a\", \"\"] }\n",
        &[&format!("4:45: groups: \"\"; {GROUPS}")],
    );
}

#[test]
fn what_others_can_read_is_warned_of() {
    let folder = tempfile::tempdir().expect("a folder");
    let (file, users) = (folder.path().join("f.toml"), folder.path().join("u"));
    fs::write(&users, "bob=b\ncarol=\n").expect("a file");
    fs::write(
        &file,
        "[[server]]\nbind = [\"[::1]:1\"]\nauth.basic = true\nusers = { list = [\"alice=a\"], file = \"u\" }\n",
    )
    .expect("a file");
    let empty = "DIR/f.toml:4:38: file: DIR/u:2: \"carol\" has an empty password\n";
    for (mode, expected) in [
        (
            0o644,
            "DIR/f.toml:4:18: list: others can read this file (mode 644), and the passwords in it; chmod 600 keeps them\n\
             DIR/f.toml:4:38: file: others can read DIR/u (mode 644), and the passwords in it; chmod 600 keeps them\n",
        ),
        (
            0o640,
            "DIR/f.toml:4:18: list: others can read this file (mode 640), and the passwords in it; chmod 600 keeps them\n\
             DIR/f.toml:4:38: file: others can read DIR/u (mode 640), and the passwords in it; chmod 600 keeps them\n",
        ),
        (0o600, ""),
    ] {
        for path in [&file, &users] {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("a mode");
        }
        let warnings = load(&file).expect("no faults").warnings;
        let shown = lines(&warnings).replace(&folder.path().display().to_string(), "DIR");
        assert_eq!(shown, format!("{expected}{empty}"));
    }
}

#[test]
fn users_whom_nobody_asks_for_are_warned_of() {
    let config = read("[[server]]\nbind = [\"[::1]:1\"]\nusers.list = [\"a=b\"]\n");
    assert_eq!(
        lines(&config.warnings),
        "f.toml:3:1: users: nobody is asked, for everybody may enter unless basic or url is true in [server.auth]\n"
    );
}

#[test]
fn nothing_shows_a_secret() {
    let shown = format!(
        "{:?}",
        server("auth.basic = true\nusers.list = [\"a=hunter2\"]\n")
    );
    assert!(
        shown.contains("Secret(…)") && !shown.contains("hunter2"),
        "{shown}"
    );
}

#[test]
fn moved_users_are_the_same() {
    let keys = "auth.basic = true\nusers.list = [\"a=b\"]\n";
    assert_eq!(server(keys), server(&format!("\n{keys}")));
    assert_ne!(server(keys), server(&keys.replace("a=b", "a=c")));
    let system = "auth.basic = true\nusers = { source = \"system\", groups = [\"g\"] }\n";
    assert_eq!(server(system), server(&format!("\n{system}")));
    assert_ne!(server(system), server(&system.replace("\"g\"", "\"h\"")));
}
