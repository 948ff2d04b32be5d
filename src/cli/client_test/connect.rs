//! The first two steps: the addresses of a host, and which of them can be connected to.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use super::report::StepFailure;

/// More addresses than these are not tried.
const MAX_ADDRESSES: usize = 8;

/// How long to wait for the other addresses once one is connected.
const PATIENCE: Duration = Duration::from_secs(1);

/// The addresses of a name, each once, in the order of the system. The resolver has no timeout, so it runs in a thread of its
/// own, which is abandoned when time is up.
pub(super) fn resolve(name: &str, timeout: Duration) -> Result<Vec<IpAddr>, StepFailure> {
    let (sender, receiver) = mpsc::channel();
    let target = (name.to_owned(), 0);
    thread::spawn(move || sender.send(target.to_socket_addrs()));
    match receiver.recv_timeout(timeout) {
        Ok(Ok(found)) => {
            let mut addresses: Vec<IpAddr> = Vec::new();
            for address in found {
                if !addresses.contains(&address.ip()) {
                    addresses.push(address.ip());
                }
            }
            addresses.truncate(MAX_ADDRESSES);
            Ok(addresses)
        }
        Ok(Err(error)) => Err(StepFailure::new(
            error.to_string(),
            "another spelling of the host; or see what this machine resolves names by: /etc/resolv.conf",
        )),
        Err(_) => Err(StepFailure::timeout(
            "the resolver did not answer in time",
            "again; or see what this machine resolves names by: /etc/resolv.conf",
        )),
    }
}

/// The attempt to connect to one address.
#[derive(Debug)]
pub(super) struct TcpAttempt {
    pub(super) address: SocketAddr,
    pub(super) took: Duration,
    /// Absent when there was no answer in time.
    pub(super) result: Option<io::Result<TcpStream>>,
}

/// Connects to all addresses at the same time, and waits until each has answered, or time is up.
pub(super) fn connect(addresses: &[SocketAddr], timeout: Duration) -> Vec<TcpAttempt> {
    let start = Instant::now();
    let (sender, receiver) = mpsc::channel();
    for (at, address) in addresses.iter().copied().enumerate() {
        let sender = sender.clone();
        thread::spawn(move || {
            let result = TcpStream::connect_timeout(&address, timeout);
            // The receiver is gone when time is up.
            let _ = sender.send((at, start.elapsed(), result));
        });
    }
    drop(sender);
    let mut attempts: Vec<TcpAttempt> = addresses
        .iter()
        .map(|&address| TcpAttempt {
            address,
            took: timeout,
            result: None,
        })
        .collect();
    let mut end = start + timeout;
    let left = |end: Instant| end.saturating_duration_since(Instant::now());
    while let Ok((at, took, result)) = receiver.recv_timeout(left(end)) {
        if result.is_ok() {
            end = end.min(Instant::now() + PATIENCE);
        }
        let timed_out = matches!(&result, Err(error) if error.kind() == io::ErrorKind::TimedOut);
        if let Some(attempt) = attempts.get_mut(at) {
            attempt.took = took;
            attempt.result = (!timed_out).then_some(result);
        }
    }
    for attempt in &mut attempts {
        attempt.took = attempt.took.min(start.elapsed());
    }
    attempts
}
