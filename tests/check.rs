//! The command line of the built binary: its output on stdout and stderr, and its exit status.

use std::fs;
use std::process::{Command, Output, Stdio};

use daemon::for_whoever_runs;
use tempfile::TempDir;

mod daemon;

/// What a run printed, and its exit status.
struct Ran {
    status: Option<i32>,
    stdout: String,
    stderr: String,
}

/// The binary in an empty folder, without environment variables that would change its behaviour.
fn bellwire(folder: &TempDir, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bellwire"));
    command
        .args(args)
        .current_dir(folder.path())
        .env_remove("BELLWIRE_CONFIG")
        .env_remove("JOURNAL_STREAM")
        .stdin(Stdio::null());
    command
}

fn ran(command: &mut Command) -> Ran {
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().expect("the binary runs");
    Ran {
        status: status.code(),
        stdout: String::from_utf8(stdout).expect("UTF-8"),
        stderr: String::from_utf8(stderr).expect("UTF-8"),
    }
}

/// A folder with this `bellwire.toml`.
fn folder_with(text: &str) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let text = for_whoever_runs(text);
    fs::write(folder.path().join("bellwire.toml"), text).expect("a file");
    folder
}

const VALID: &str = "[[server]]\nbind = [\"127.0.0.1:8080\"]\nname = \"Front door\"\n[[server]]\nid = \"b\"\nbind = [\"[::1]:0\"]\n";

const FIVE_FAULTS: &str = "\
[daemon]
lgo = \"info\"
[[server]]
id = \"1st\"
bind = [\"127.0.0.1:8080\", \"127.0.0.1\"]
[server.limits]
max_message = \"5GiB\"
[server.tls]
private_key = \"k.pem\"
";

#[test]
fn a_valid_file_is_summarised() {
    let folder = folder_with(VALID);
    let ran = ran(&mut bellwire(&folder, &["check", "-c", "bellwire.toml"]));
    assert_eq!(
        (ran.status, ran.stderr.as_str(), ran.stdout.as_str()),
        (
            Some(0),
            "",
            "bellwire.toml: ok, 2 servers\n  WS_SERVER_1 (Front door): 127.0.0.1:8080\n  b: [::1]:0\n"
        )
    );
}

#[test]
fn all_faults_are_reported_at_once() {
    let folder = folder_with("");
    fs::write(folder.path().join("bellwire.toml"), FIVE_FAULTS).expect("a file");
    for verb in ["check", "run"] {
        let ran = ran(&mut bellwire(&folder, &[verb, "-c", "bellwire.toml"]));
        assert_eq!((ran.status, ran.stdout.as_str()), (Some(78), ""));
        let places: Vec<&str> = ran
            .stderr
            .lines()
            .map(|line| line.split(' ').next().unwrap_or_default())
            .collect();
        assert_eq!(
            places,
            [
                "bellwire.toml:2:1:",
                "bellwire.toml:4:6:",
                "bellwire.toml:5:27:",
                "bellwire.toml:7:15:",
                "bellwire.toml:8:1:",
            ],
            "{}",
            ran.stderr
        );
        assert!(
            ran.stderr
                .starts_with("bellwire.toml:2:1: unknown key \"lgo\" in [daemon], did you mean log? allowed: socket, user,")
        );
    }
}

#[test]
fn faults_for_programs_are_json_on_stdout() {
    let folder = folder_with("colour = \"red\"\n");
    let failed = ran(&mut bellwire(
        &folder,
        &["check", "--json", "-c", "bellwire.toml"],
    ));
    assert_eq!((failed.status, failed.stderr.as_str()), (Some(78), ""));
    assert_eq!(
        failed.stdout,
        "{\"kind\":\"fault\",\"file\":\"bellwire.toml\",\"line\":1,\"column\":1,\
         \"what\":\"unknown key \\\"colour\\\" in the file; allowed: daemon, server, client, trigger\"}\n"
    );
    let folder = folder_with(VALID);
    let well = ran(&mut bellwire(
        &folder,
        &["check", "--json", "-c", "bellwire.toml"],
    ));
    assert_eq!(
        (well.status, well.stdout.as_str(), well.stderr.as_str()),
        (Some(0), "", "")
    );
}

#[test]
fn a_named_file_that_is_missing_is_a_fault() {
    let folder = folder_with(VALID);
    let expected = "no.toml: No such file or directory (os error 2)\n";
    for verb in ["check", "run"] {
        let by_option = ran(&mut bellwire(&folder, &[verb, "-c", "no.toml"]));
        assert_eq!(
            (by_option.status, by_option.stderr.as_str()),
            (Some(78), expected)
        );
        let by_variable = ran(bellwire(&folder, &[verb]).env("BELLWIRE_CONFIG", "no.toml"));
        assert_eq!(
            (by_variable.status, by_variable.stderr.as_str()),
            (Some(78), expected)
        );
    }
}

#[test]
fn the_variable_names_a_file_and_the_option_overrides_it() {
    let folder = folder_with(VALID);
    let variable = ran(bellwire(&folder, &["check"]).env("BELLWIRE_CONFIG", "bellwire.toml"));
    assert!(
        variable
            .stdout
            .starts_with("bellwire.toml: ok, 2 servers\n"),
        "{}",
        variable.stdout
    );
    let both =
        ran(bellwire(&folder, &["check", "-c", "bellwire.toml"]).env("BELLWIRE_CONFIG", "no.toml"));
    assert_eq!(both.status, Some(0));
}

#[test]
fn warnings_are_printed_unless_quiet() {
    let folder = folder_with("[[server]]\nbind = [\"127.0.0.1:0\"]\nhttp.page = \"a.html\"\n");
    let told = ran(&mut bellwire(&folder, &["check", "-c", "bellwire.toml"]));
    assert_eq!(told.status, Some(0));
    assert_eq!(
        told.stderr,
        "bellwire.toml:3:13: warning: page: not served, for serve is \"empty\"\n"
    );
    let quiet = ran(&mut bellwire(
        &folder,
        &["check", "-q", "-c", "bellwire.toml"],
    ));
    assert_eq!(
        (quiet.status, quiet.stdout.as_str(), quiet.stderr.as_str()),
        (Some(0), "", "")
    );
}

#[test]
fn users_are_looked_up_in_the_system() {
    let folder = folder_with("");
    fs::write(
        folder.path().join("bellwire.toml"),
        "[daemon]\nuser = \"no-such-one\"\nlog = 1\n",
    )
    .expect("a file");
    let ran = ran(&mut bellwire(&folder, &["check", "-c", "bellwire.toml"]));
    assert_eq!(ran.status, Some(78));
    assert_eq!(
        ran.stderr,
        "bellwire.toml:2:8: user: no such user \"no-such-one\"; allowed: a user of this system\n\
         bellwire.toml:3:7: log: a whole number; allowed: a string in quotes\n"
    );
}

#[test]
fn help_and_version_go_to_stdout() {
    let folder = tempfile::tempdir().expect("a folder");
    for (args, begins) in [
        (
            ["--help"].as_slice(),
            "bellwire: a WebSocket connection manager",
        ),
        (&["run", "--help"], "bellwire [run] [-c FILE]"),
        (&["check", "-h"], "bellwire check [-c FILE]"),
        (
            &["--version"],
            concat!("bellwire ", env!("CARGO_PKG_VERSION"), "\n"),
        ),
        (
            &["-V"],
            concat!("bellwire ", env!("CARGO_PKG_VERSION"), "\n"),
        ),
    ] {
        let ran = ran(&mut bellwire(&folder, args));
        assert_eq!((ran.status, ran.stderr.as_str()), (Some(0), ""), "{args:?}");
        assert!(ran.stdout.starts_with(begins), "{args:?}: {}", ran.stdout);
    }
}

#[test]
fn wrong_usage_is_status_2() {
    let folder = tempfile::tempdir().expect("a folder");
    for (args, begins) in [
        (
            ["walk"].as_slice(),
            "bellwire: unknown verb \"walk\"; allowed: run, check",
        ),
        (
            &["status", "now"],
            "bellwire: unexpected argument \"now\"; allowed: bellwire status",
        ),
        (
            &["check", "--loud"],
            "bellwire: unknown option --loud; allowed: -c/--config FILE",
        ),
        (
            &["check", "-c"],
            "bellwire: missing argument for option '-c'",
        ),
    ] {
        let ran = ran(&mut bellwire(&folder, args));
        assert_eq!((ran.status, ran.stdout.as_str()), (Some(2), ""), "{args:?}");
        assert!(ran.stderr.starts_with(begins), "{args:?}: {}", ran.stderr);
        assert_eq!(ran.stderr.lines().count(), 1);
    }
}

#[test]
fn a_reader_that_has_gone_is_no_panic() {
    let folder = tempfile::tempdir().expect("a folder");
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let piped = ran(bellwire(&folder, &["--help"]).stdout(writer));
    assert_eq!((piped.status, piped.stderr.as_str()), (Some(0), ""));
}

#[test]
fn the_journal_gets_priorities() {
    use std::os::unix::fs::MetadataExt;

    let folder = folder_with("colour = 1\n");
    let path = folder.path().join("journal");
    let journal = fs::File::create(&path).expect("a file");
    let metadata = journal.metadata().expect("metadata");
    let stream = format!("{}:{}", metadata.dev(), metadata.ino());
    let status = bellwire(&folder, &["check", "-c", "bellwire.toml"])
        .env("JOURNAL_STREAM", stream)
        .stderr(journal)
        .status()
        .expect("the binary runs");
    assert_eq!(status.code(), Some(78));
    let lines = fs::read_to_string(&path).expect("UTF-8");
    assert!(
        lines.starts_with("<3>bellwire.toml:1:1: unknown key"),
        "{lines}"
    );
}

#[test]
fn the_example_is_valid() {
    let folder = folder_with(include_str!("../bellwire.example.toml"));
    let ran = ran(&mut bellwire(&folder, &["check", "-c", "bellwire.toml"]));
    assert_eq!((ran.status, ran.stderr.as_str()), (Some(0), ""));
    assert!(ran.stdout.ends_with(
        ": ok, 2 servers, 1 client\n  echo (Echo): 127.0.0.1:8080, [::1]:8080\n  chat (Chat room): 0.0.0.0:8081, unix:/tmp/bellwire-chat.sock\n  \
         upstream (Upstream): wss://example.org:12345, not active\n"
    ), "{}", ran.stdout);
}
