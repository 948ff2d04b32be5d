//! Abuse: what hostile peers can do to a daemon that innocent ones use at the same time. One attack after the other, then
//! all of them at once, against a `max_memory` of 8 MiB. For each it prints by how much the memory of the daemon grew, how
//! long an innocent echo took, and which innocent peers were closed, refused or left without an answer. What is aimed at is
//! at most 16 MiB, at most 20 ms, and nobody. Nothing is asserted.
//!
//! `cargo bench --bench abuse` runs all of it, with the name of an attack that one alone. As root, the peer that measures
//! runs with a priority above all others.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use attacks::Attack;
use innocents::Innocents;
use stage::Stage;

#[path = "abuse/attacks.rs"]
mod attacks;
#[path = "../tests/daemon/mod.rs"]
mod daemon;
#[path = "abuse/innocents.rs"]
mod innocents;
#[path = "abuse/stage.rs"]
mod stage;

/// How long an attack lasts.
const DURATION: Duration = Duration::from_secs(5);

/// How often the memory is looked at.
const SAMPLE: Duration = Duration::from_millis(5);

/// Runs attacks at the same time, beside innocent peers.
fn endure(name: &str, stage: &Arc<Stage>, attacks: &[Attack]) {
    let innocents = Innocents::begin(stage);
    let served = innocents.wait_until_served();
    served.expect("a daemon that is not attacked serves all");
    let before = stage.anonymous_kib();
    let (stop, begun) = (AtomicBool::new(false), Instant::now());
    let mut most = before;
    let served = std::thread::scope(|scope| {
        for attack in attacks {
            scope.spawn(|| attack(stage, &stop));
        }
        while begun.elapsed() < DURATION {
            std::thread::sleep(SAMPLE);
            most = most.max(stage.anonymous_kib());
        }
        let served = innocents.wait_until_served();
        stop.store(true, Ordering::Relaxed);
        served
    });
    let mut report = innocents.end();
    report.faults.extend(served.err());
    println!("{name}: {} KiB more; {report}", most - before);
    for fault in &report.faults {
        println!("    {}", fault.lines().next().unwrap_or_default());
    }
}

macro_rules! named {
    ($($attack:ident)*) => {
        [$((stringify!($attack), attacks::$attack as Attack)),*]
    };
}

fn main() {
    let attacks = named! {
        small_messages_forwarded_to_many
        small_messages_broadcast_to_many
        small_messages_to_scripts
        small_messages_that_are_echoed
        small_chunks_of_a_body
        unfinished_forms
        announced_lengths
        peers_that_never_read
        batches_of_calls
        subscribers_that_never_read
        a_log_that_nobody_reads
        slow_peers_of_scripts
        guesses_of_passwords
        handshakes_of_tls
    };
    // cargo adds an option of its own.
    let wanted: Vec<String> = std::env::args()
        .skip(1)
        .filter(|arg| arg != "--bench")
        .collect();
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|it| it == name);
    for (name, attack) in attacks {
        if is_wanted(name) {
            endure(name, &Stage::new(None), &[attack]);
        }
    }
    if is_wanted("all_descriptors") {
        let stage = Stage::new(Some(256));
        endure("all_descriptors", &stage, &[attacks::all_descriptors]);
    }
    if is_wanted("everything") {
        let all = attacks.map(|(_, attack)| attack);
        endure("everything", &Stage::new(None), &all);
    }
}
