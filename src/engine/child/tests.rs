//! Real processes on a poll of their own. Time is what a test says it is; what must happen is waited for, for at most ten
//! seconds of the clock's.

use std::time::{Duration, Instant};

use mio::{Events, Poll};
use proptest::prelude::*;

use super::*;
use crate::engine::memory::Account;

const BASE: usize = 1 << 33;

struct World {
    poll: Poll,
    children: Children,
    told: ChildEvents,
    now: Tick,
    memory: Account,
}

impl World {
    fn new() -> World {
        World {
            poll: Poll::new().unwrap(),
            children: Children::new(Token(BASE)),
            told: VecDeque::new(),
            now: Tick(0),
            memory: Account::root(usize::MAX),
        }
    }

    fn spawn(&mut self, argv: &[&str]) -> ChildId {
        self.try_spawn("/bin/sh", argv, Stdin::Piped, Some(512))
            .unwrap()
    }

    fn shell(&mut self, script: &str) -> ChildId {
        self.spawn(&["sh", "-c", script])
    }

    fn try_spawn(
        &mut self,
        program: &str,
        argv: &[&str],
        stdin: Stdin,
        descriptors: Option<u64>,
    ) -> io::Result<ChildId> {
        let argv: Vec<String> = argv.iter().map(|&arg| arg.to_owned()).collect();
        let env = [
            ("PATH".into(), "/usr/bin:/bin".into()),
            ("X".into(), "a=b".into()),
        ];
        let command = Command {
            program: program.as_ref(),
            argv: &argv,
            env: &env,
            stdin,
            descriptors,
            memory: &self.memory,
        };
        self.children
            .spawn(&command, self.poll.registry(), self.now)
    }

    fn write(&mut self, id: ChildId, bytes: &[u8]) -> Result<usize, Refused> {
        self.children.write(id, bytes, self.poll.registry())
    }

    /// One turn of a loop.
    fn turn(&mut self) {
        let sleep = if self.children.has_unread() {
            0
        } else {
            10_000
        };
        let mut events = Events::with_capacity(64);
        match self
            .poll
            .poll(&mut events, Some(Duration::from_millis(sleep)))
        {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => other.unwrap(),
        }
        for event in &events {
            let source = event.token().0 - BASE;
            self.children
                .ready(source, self.poll.registry(), self.now, &mut self.told);
        }
        self.children.resume(self.now, &mut self.told);
    }

    #[track_caller]
    fn turn_until(&mut self, mut done: impl FnMut(&World) -> bool) {
        let end = Instant::now() + Duration::from_secs(10);
        while !done(self) {
            assert!(Instant::now() < end, "told so far: {:?}", self.told);
            self.turn();
        }
    }

    /// Turns until the process is gone; what it wrote, its lines of stderr, and its end.
    #[track_caller]
    fn finish(&mut self, id: ChildId) -> (Vec<u8>, Vec<String>, Exit) {
        self.turn_until(|world| world.exit(id).is_some());
        let (mut output, mut stderr_lines, mut ended) = (Vec::new(), Vec::new(), false);
        for (_, event) in self.told.iter().filter(|(of, _)| *of == id) {
            match event {
                ChildEvent::Output(bytes) => {
                    assert!(!ended && !bytes.is_empty() && bytes.len() <= MAX_OUTPUT);
                    output.extend(bytes);
                }
                ChildEvent::OutputEnd => assert!(!std::mem::replace(&mut ended, true)),
                ChildEvent::StderrLine(line) => stderr_lines.push(line.clone()),
                ChildEvent::Drained | ChildEvent::Exited(_) => {}
            }
        }
        assert!(ended);
        assert_eq!(self.children.pid(id), None);
        let exit = self.exit(id).unwrap();
        (output, stderr_lines, exit)
    }

    fn exit(&self, id: ChildId) -> Option<Exit> {
        self.told.iter().find_map(|(of, event)| match event {
            ChildEvent::Exited(exit) if *of == id => Some(*exit),
            _ => None,
        })
    }

    fn output(&self) -> Vec<u8> {
        let outputs = self.told.iter().filter_map(|(_, event)| match event {
            ChildEvent::Output(bytes) => Some(bytes.as_slice()),
            _ => None,
        });
        outputs.collect::<Vec<_>>().concat()
    }

    /// Turns until it has said a whole line.
    #[track_caller]
    fn line(&mut self) -> String {
        self.turn_until(|world| world.output().ends_with(b"\n"));
        String::from_utf8(self.output())
            .unwrap()
            .trim_end()
            .to_owned()
    }
}

/// Whether any process has this number, be it a zombie.
fn exists(pid: i32) -> bool {
    // SAFETY: no signal is sent.
    unsafe { libc::kill(pid, 0) == 0 }
}

/// Waits for a process that is not ours.
#[track_caller]
fn wait_until_gone(pid: i32) {
    let stat = || std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let end = Instant::now() + Duration::from_secs(10);
    // Where nobody reaps orphans they stay zombies, which is none of ours.
    while exists(pid) && !stat().contains(") Z") {
        assert!(Instant::now() < end, "{pid} lives on: {}", stat());
        std::thread::yield_now();
    }
}

#[test]
fn output_stderr_lines_and_the_exit() {
    let mut world = World::new();
    let id = world.shell("echo one; echo two >&2; printf three; exit 3");
    let (output, stderr_lines, exit) = world.finish(id);
    assert_eq!(output, b"one\nthree");
    assert_eq!(stderr_lines, ["two"]);
    assert_eq!(exit, Exit::Code(3));
    assert_eq!(world.told.back(), Some(&(id, ChildEvent::Exited(exit))));
    assert_eq!((world.children.running(), world.children.spawned()), (0, 1));
    assert_eq!(world.children.deadline(), None);
}

#[test]
fn the_world_of_a_process_is_what_it_was_given() {
    let mut world = World::new();
    let id = world.shell("read go; pwd; ulimit -Sn; ls /proc/self/fd; env; kill -PIPE $$");
    world.write(id, b"go\n").unwrap();
    let (output, stderr_lines, exit) = world.finish(id);
    let output = String::from_utf8(output).unwrap();
    let lines: Vec<&str> = output.lines().collect();
    // The fourth descriptor is the folder that ls reads.
    assert_eq!(lines[..6], ["/", "512", "0", "1", "2", "3"], "{output}");
    let mut env: Vec<&str> = lines[6..]
        .iter()
        .copied()
        .filter(|line| !line.starts_with("_="))
        .collect();
    env.sort_unstable();
    assert_eq!(
        env,
        ["PATH=/usr/bin:/bin", "PWD=/", "X=a=b"],
        "the shell adds PWD"
    );
    assert_eq!(exit, Exit::Signal(libc::SIGPIPE), "not ignored");
    assert!(stderr_lines.is_empty());
}

#[test]
fn stdin_is_written_and_ended() {
    let mut world = World::new();
    let id = world.spawn(&["sh", "-c", "exec cat"]);
    assert_eq!(world.write(id, b"hello"), Ok(0));
    world.turn_until(|world| world.output() == b"hello");
    world.children.close_stdin(id);
    assert_eq!(world.write(id, b"late"), Err(Refused::Gone));
    assert_eq!(world.finish(id).2, Exit::Code(0));
}

#[test]
fn no_stdin_is_an_empty_one() {
    let mut world = World::new();
    let id = world
        .try_spawn("/bin/cat", &["cat"], Stdin::Null, None)
        .unwrap();
    assert_eq!(world.write(id, b"x"), Err(Refused::Gone));
    assert_eq!(world.finish(id), (Vec::new(), Vec::new(), Exit::Code(0)));
}

#[test]
fn a_large_input_goes_through_beside_the_output_it_causes() {
    let mut world = World::new();
    let id = world.spawn(&["sh", "-c", "exec cat"]);
    let input: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
    let backlog = world.write(id, &input).unwrap();
    assert!(backlog > 0 && backlog < input.len());
    assert_eq!(
        (world.children.backlog(id), world.memory.used()),
        (backlog, backlog)
    );
    world.children.close_stdin(id);
    let (output, _, exit) = world.finish(id);
    assert!(output == input);
    assert_eq!(exit, Exit::Code(0));
    let drained = world
        .told
        .iter()
        .filter(|(_, event)| *event == ChildEvent::Drained);
    assert_eq!(drained.count(), 1);
}

#[test]
fn a_backlog_is_bounded() {
    let mut world = World::new();
    let id = world.shell("exec sleep 1000");
    let backlog = world.write(id, &vec![b'x'; MAX_BACKLOG + 100_000]).unwrap();
    assert!(
        backlog > MAX_BACKLOG - 100_000,
        "whatever its length: {backlog}"
    );
    let room = MAX_BACKLOG.saturating_sub(backlog);
    assert_eq!(world.write(id, &vec![b'x'; room + 1]), Err(Refused::Full));
    assert_eq!(world.children.backlog(id), backlog);
    world.children.kill(id);
    assert_eq!(world.finish(id).2, Exit::Signal(libc::SIGKILL));
}

#[test]
fn who_reads_nothing_is_no_fault() {
    let mut world = World::new();
    let id = world.shell("exec <&-; echo closed; read never");
    assert_eq!(world.line(), "closed");
    // Another test's process may hold a copy of its stdin until it becomes a program.
    let end = Instant::now() + Duration::from_secs(10);
    while world.write(id, b"x") != Err(Refused::Gone) {
        assert!(Instant::now() < end);
        std::thread::yield_now();
    }
    assert_eq!(world.finish(id).2, Exit::Code(1));

    world.told.clear();
    let id = world.shell("trap 'exec <&-' TERM; echo ready; while :; do :; done");
    assert_eq!(world.line(), "ready");
    assert!(world.write(id, &b"x\n".repeat(100_000)).unwrap() > 0);
    world.children.terminate(id);
    world.turn_until(|world| world.told.contains(&(id, ChildEvent::Drained)));
    assert_eq!(world.write(id, b"x"), Err(Refused::Gone));
    assert_eq!(world.memory.used(), 0);
    world.children.kill(id);
    world.finish(id);
}

#[test]
fn paused_output_is_kept_in_the_pipe() {
    let mut world = World::new();
    let id = world.shell("head -c 1000000 /dev/zero; echo done >&2");
    world.children.pause_output(id, true, world.now);
    let marker = world.shell("echo marker");
    world.finish(marker);
    assert!(world.exit(id).is_none());
    assert_eq!(world.output(), b"marker\n");
    world.told.clear();
    world.children.pause_output(id, false, world.now);
    let (output, stderr_lines, exit) = world.finish(id);
    assert!(output == vec![0; 1_000_000]);
    assert_eq!(
        (stderr_lines, exit),
        (vec!["done".to_owned()], Exit::Code(0))
    );
}

#[test]
fn no_output_is_lost_because_it_was_paused_at_the_end() {
    let mut world = World::new();
    let id = world.shell("exec 2>&-; head -c 60000 /dev/zero");
    world.children.pause_output(id, true, world.now);
    world.turn_until(|world| world.children.get(id).unwrap().exit.is_some());
    world.now = Tick(60_000);
    assert_eq!(world.children.deadline(), None);
    world.children.on_deadline(world.now, &mut world.told);
    assert!(world.told.is_empty());
    world.children.pause_output(id, false, world.now);
    assert!(world.children.has_unread());
    assert_eq!(world.finish(id).0.len(), 60_000);
}

#[test]
fn output_that_nobody_wants_does_not_keep_a_process() {
    let mut world = World::new();
    let id = world.shell("head -c 1000000 /dev/zero; echo done >&2");
    world.children.pause_output(id, true, world.now);
    world.children.discard_output(id, world.now);
    let (output, stderr_lines, exit) = world.finish(id);
    assert!(output.is_empty());
    assert_eq!(
        (stderr_lines, exit),
        (vec!["done".to_owned()], Exit::Code(0))
    );
}

#[test]
fn a_group_ends_as_one() {
    let mut world = World::new();
    let id = world.shell("sleep 1000 & echo $!; wait");
    let grandchild: i32 = world.line().parse().unwrap();
    world.children.terminate(id);
    assert_eq!(world.finish(id).2, Exit::Signal(libc::SIGTERM));
    wait_until_gone(grandchild);
}

#[test]
fn who_ignores_to_be_asked_is_killed() {
    let mut world = World::new();
    let id = world.shell("trap '' TERM; echo trapped; while :; do sleep 1000; done");
    assert_eq!(world.line(), "trapped");
    let mut stop = Stop::after(Millis::seconds(30), world.now);
    let mut steps = Vec::new();
    for now in (0..60_000).step_by(500) {
        world.now = Tick(now);
        match stop.poll(world.now) {
            Some(Step::Terminate) => {
                world.children.close_stdin(id);
                world.children.terminate(id);
                steps.push(now);
            }
            Some(Step::Kill) => {
                assert!(world.exit(id).is_none());
                world.children.kill(id);
                steps.push(now);
            }
            None => {}
        }
    }
    assert_eq!(world.finish(id).2, Exit::Signal(libc::SIGKILL));
    assert_eq!(steps, [30_000, 32_000]);
}

#[test]
fn who_holds_the_pipes_of_the_dead_has_a_short_grace() {
    let mut world = World::new();
    let id = world.shell("sleep 1000 & echo $!; exit 7");
    let grandchild: i32 = world.line().parse().unwrap();
    world.turn_until(|world| world.children.deadline().is_some());
    assert_eq!(world.children.deadline(), Some(Tick(0).after(GRACE)));
    world.now = Tick(1999);
    world.children.on_deadline(world.now, &mut world.told);
    assert!(exists(grandchild) && world.exit(id).is_none());
    world.now = Tick(2000);
    world.children.on_deadline(world.now, &mut world.told);
    assert_eq!(world.finish(id).2, Exit::Code(7));
    wait_until_gone(grandchild);
}

#[test]
fn what_is_left_in_the_background_ends_with_its_script() {
    let mut world = World::new();
    let id = world.shell("sleep 1000 >/dev/null 2>&1 & echo $!");
    let grandchild: i32 = world.line().parse().unwrap();
    assert_eq!(world.finish(id).2, Exit::Code(0));
    wait_until_gone(grandchild);
}

#[test]
fn nothing_is_left_of_those_that_are_dropped() {
    let mut world = World::new();
    let id = world.shell("sleep 1000 & echo $!; wait");
    let grandchild: i32 = world.line().parse().unwrap();
    let pid = world.children.pid(id).unwrap();
    assert!(exists(pid) && exists(grandchild));
    drop(world);
    assert!(!exists(pid), "not even a zombie");
    wait_until_gone(grandchild);
}

#[test]
fn what_cannot_be_started() {
    let mut world = World::new();
    let mut kind = |program, argv: &[&str]| {
        let error = world
            .try_spawn(program, argv, Stdin::Piped, None)
            .unwrap_err();
        error.kind()
    };
    assert_eq!(kind("/no/such", &["such"]), io::ErrorKind::NotFound);
    assert_eq!(kind("/etc/passwd", &["x"]), io::ErrorKind::PermissionDenied);
    assert_eq!(
        kind("/bin/sh", &["sh", "a\0b"]),
        io::ErrorKind::InvalidInput
    );
    assert_eq!((world.children.running(), world.children.spawned()), (0, 0));
}

#[test]
fn an_id_is_not_used_again() {
    let mut world = World::new();
    let first = world.shell("exit 0");
    world.finish(first);
    let second = world.shell("echo second; read line");
    assert_ne!(first, second);
    world.children.kill(first);
    world.children.close_stdin(first);
    assert_eq!(world.write(first, b"x"), Err(Refused::Gone));
    assert_eq!(world.children.backlog(first), 0);
    assert_eq!(world.write(second, b"x\n"), Ok(0));
    assert_eq!(world.finish(second).2, Exit::Code(0));
}

#[test]
fn one_loud_process_does_not_keep_a_turn() {
    let mut world = World::new();
    let loud = world.shell("cat /dev/zero");
    world.turn_until(|world| world.children.has_unread() || !world.told.is_empty());
    for _ in 0..20 {
        world.told.clear();
        world.turn();
        let bytes = world.output().len();
        // Once for the edge, once for what was left.
        assert!(bytes <= 2 * MAX_OUTPUT, "{bytes}");
    }
    world.children.kill(loud);
    world.finish(loud);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn what_goes_in_comes_out(parts in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..70_000), 0..8)) {
        let mut world = World::new();
        let id = world.spawn(&["sh", "-c", "exec cat"]);
        for part in &parts {
            prop_assert!(world.write(id, part).is_ok());
            if part.len() % 2 == 0 {
                world.children.resume(world.now, &mut world.told);
            }
        }
        world.children.close_stdin(id);
        let (output, stderr_lines, exit) = world.finish(id);
        prop_assert!(output == parts.concat());
        prop_assert_eq!((stderr_lines, exit), (Vec::new(), Exit::Code(0)));
    }
}
