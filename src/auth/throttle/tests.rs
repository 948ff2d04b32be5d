//! The limits, who passes all the same, and the bound of the memory; against a clock that is an argument.

use std::net::Ipv4Addr;

use proptest::prelude::*;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn v4(last: u32) -> ClientNetwork {
    ClientNetwork::of(IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0000 + last)))
}

fn throttle() -> (Throttle, Instant) {
    (Throttle::new(&[1; 32]), Instant::now())
}

fn is_let(throttle: &mut Throttle, network: ClientNetwork, user: &str, now: Instant) -> bool {
    throttle.check(network, user, b"guess", now).is_ok()
}

#[test]
fn a_network_is_what_a_client_cannot_choose() {
    let of = |text: &str| ClientNetwork::of(text.parse().expect(text));
    assert_eq!(of("2001:db8:1:2::1"), of("2001:db8:1:2:ffff::"));
    assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
    assert_eq!(of("::ffff:10.0.0.1"), of("10.0.0.1"));
    assert_ne!(of("10.0.0.1"), of("10.0.0.2"));
    assert_ne!(of("0.0.0.0"), of("::1"));
}

#[test]
fn the_eleventh_attempt_of_a_minute_is_refused_for_a_minute() {
    let (mut throttle, start) = throttle();
    for count in 0..10 {
        let now = start + SECOND * count;
        assert!(is_let(&mut throttle, v4(1), "alice", now), "{count}");
        throttle.failed(v4(1), "alice", now);
    }
    let now = start + SECOND * 9;
    let refused = |retry_after, first| Err(Throttled { retry_after, first });
    assert_eq!(throttle.check(v4(1), "alice", b"x", now), refused(60, true));
    let later = now + SECOND / 2;
    assert_eq!(
        throttle.check(v4(1), "alice", b"y", later),
        refused(60, false)
    );
    let last = now + MINUTE - SECOND / 2;
    assert_eq!(
        throttle.check(v4(1), "alice", b"z", last),
        refused(1, false)
    );
    assert!(is_let(&mut throttle, v4(1), "alice", now + MINUTE));
    // Others were never refused.
    assert!(is_let(&mut throttle, v4(1), "bob", now));
    assert!(is_let(&mut throttle, v4(2), "alice", now));
}

#[test]
fn failures_count_for_a_minute() {
    let (mut throttle, start) = throttle();
    for count in 0..9 {
        throttle.failed(v4(1), "alice", start + SECOND * count);
    }
    throttle.failed(v4(1), "alice", start + MINUTE);
    assert!(is_let(&mut throttle, v4(1), "alice", start + MINUTE));
    throttle.failed(v4(1), "alice", start + MINUTE);
    assert!(!is_let(&mut throttle, v4(1), "alice", start + MINUTE));
}

#[test]
fn after_the_minute_the_count_begins_anew() {
    let (mut throttle, start) = throttle();
    for _ in 0..10 {
        throttle.failed(v4(1), "alice", start);
    }
    let now = start + MINUTE;
    for _ in 0..9 {
        throttle.failed(v4(1), "alice", now);
        assert!(is_let(&mut throttle, v4(1), "alice", now));
    }
    throttle.failed(v4(1), "alice", now);
    let refused = throttle.check(v4(1), "alice", b"x", now);
    assert_eq!(
        refused,
        Err(Throttled {
            retry_after: 60,
            first: true
        })
    );
}

#[test]
fn what_was_under_way_does_not_prolong_the_minute() {
    let (mut throttle, start) = throttle();
    for _ in 0..10 {
        throttle.failed(v4(1), "alice", start);
    }
    throttle.failed(v4(1), "alice", start + SECOND * 30);
    assert!(is_let(&mut throttle, v4(1), "alice", start + MINUTE));
}

#[test]
fn a_hundred_failures_refuse_a_network() {
    let (mut throttle, now) = throttle();
    for count in 0..100 {
        let user = format!("user{count}");
        assert!(is_let(&mut throttle, v4(1), &user, now), "{count}");
        throttle.failed(v4(1), &user, now);
    }
    assert!(!is_let(&mut throttle, v4(1), "another", now));
    assert!(is_let(&mut throttle, v4(2), "another", now));
    assert!(is_let(&mut throttle, v4(1), "another", now + MINUTE));
}

#[test]
fn a_recent_login_passes_with_the_same_password() {
    let (mut throttle, now) = throttle();
    throttle.succeeded(v4(1), "alice", b"right", now);
    for count in 0..200 {
        throttle.failed(v4(1), if count % 2 == 0 { "alice" } else { "eve" }, now);
    }
    assert_eq!(throttle.check(v4(1), "alice", b"right", now), Ok(()));
    assert!(throttle.check(v4(1), "alice", b"wrong", now).is_err());
    assert!(throttle.check(v4(1), "bob", b"right", now).is_err());
    // From elsewhere it was no success: nobody can use it from there to find the password.
    for _ in 0..10 {
        throttle.failed(v4(2), "alice", now);
    }
    assert!(throttle.check(v4(2), "alice", b"right", now).is_err());
}

#[test]
fn a_login_is_recent_for_ten_minutes() {
    let (mut throttle, start) = throttle();
    throttle.succeeded(v4(1), "alice", b"right", start);
    for (after, passes) in [(RECENT - SECOND, true), (RECENT, false)] {
        let now = start + after;
        for _ in 0..10 {
            throttle.failed(v4(1), "alice", now);
        }
        assert_eq!(
            throttle.check(v4(1), "alice", b"right", now).is_ok(),
            passes
        );
    }
}

#[test]
fn passing_is_no_way_to_guess_at_speed() {
    let (mut throttle, now) = throttle();
    throttle.succeeded(v4(1), "alice", b"right", now);
    for _ in 0..10 {
        throttle.failed(v4(1), "alice", now);
    }
    // What a neighbour is refused under another name does not count.
    for _ in 0..100 {
        throttle.failed(v4(1), "eve", now);
    }
    for _ in 0..2 * MAX_REFUSED {
        assert!(!is_let(&mut throttle, v4(1), "eve", now));
    }
    for _ in 0..MAX_REFUSED {
        assert_eq!(throttle.check(v4(1), "alice", b"right", now), Ok(()));
        assert!(!is_let(&mut throttle, v4(1), "alice", now));
    }
    assert!(throttle.check(v4(1), "alice", b"right", now).is_err());
    assert!(
        throttle
            .check(v4(1), "alice", b"right", now + MINUTE)
            .is_ok()
    );
}

#[test]
fn memory_is_bounded_and_forgets_the_oldest() {
    let (mut throttle, start) = throttle();
    for _ in 0..10 {
        throttle.failed(v4(0), "alice", start);
    }
    let mut now = start;
    for network in 1..20_000 {
        now = start + Duration::from_micros(network.into());
        throttle.failed(v4(network), "alice", now);
        assert!(throttle.by_user.counts.len() <= BY_USER.entries);
        assert!(throttle.by_network.counts.len() <= BY_NETWORK.entries);
    }
    assert!(throttle.by_user.counts.len() > BY_USER.entries / 2);
    assert!(is_let(&mut throttle, v4(0), "alice", now));
    let recent = (v4(19_999), throttle.keys.hash_one("alice"));
    assert!(throttle.by_user.counts.contains_key(&recent));
}

#[test]
fn room_is_made_of_what_is_over_first() {
    let (mut throttle, start) = throttle();
    for network in 0..BY_USER.entries as u32 {
        throttle.failed(v4(network), "alice", start);
    }
    let later = start + MINUTE;
    throttle.failed(v4(1 << 20), "alice", later);
    assert_eq!(throttle.by_user.counts.len(), 1);
}

proptest! {
    /// Whatever the order of attempts: none is let that has ten failures of its minute behind it.
    #[test]
    fn never_more_than_ten_failures_in_a_minute(steps in proptest::collection::vec(0u64..20_000, 1..200)) {
        let (mut throttle, start) = throttle();
        let mut now = start;
        let mut failures: Vec<Instant> = Vec::new();
        for step in steps {
            now += Duration::from_millis(step);
            if is_let(&mut throttle, v4(1), "alice", now) {
                failures.push(now);
                throttle.failed(v4(1), "alice", now);
            }
            let lately = failures.iter().filter(|then| now.duration_since(**then) < MINUTE);
            prop_assert!(lately.count() <= 10);
        }
    }
}
