//! Requests that are held open until somebody answers them by name.

use std::collections::BTreeMap;

use crate::conn::deadline::Tick;
use crate::conn::event::ExchangeId;
use crate::rpc::RequestName;

/// The requests by their ordinal numbers.
#[derive(Debug, Default)]
pub(super) struct Held {
    last: u64,
    requests: BTreeMap<u64, (ExchangeId, Tick)>,
}

impl Held {
    /// Names a request that waits until then.
    pub(super) fn hold(&mut self, exchange: ExchangeId, due: Tick) -> RequestName {
        self.last += 1;
        self.requests.insert(self.last, (exchange, due));
        RequestName(self.last)
    }

    /// Nobody waits for it any more. True: somebody did.
    pub(super) fn forget(&mut self, exchange: ExchangeId) -> bool {
        let before = self.requests.len();
        self.requests.retain(|_, (held, _)| *held != exchange);
        self.requests.len() < before
    }

    pub(super) fn deadline(&self) -> Option<Tick> {
        let dues = self.requests.values().map(|(_, due)| *due);
        dues.reduce(Tick::earlier)
    }

    /// Those whose time is up; they are held no more.
    pub(super) fn due(&mut self, now: Tick) -> Vec<ExchangeId> {
        let due = self.requests.extract_if(.., |_, (_, due)| due.is_due(now));
        due.map(|(_, (exchange, _))| exchange).collect()
    }

    /// All of them; none is held any more.
    pub(super) fn take_all(&mut self) -> Vec<ExchangeId> {
        let all = std::mem::take(&mut self.requests);
        all.into_values().map(|(exchange, _)| exchange).collect()
    }

    /// The request of that name; it is held no more.
    pub(super) fn take(&mut self, name: RequestName) -> Option<ExchangeId> {
        self.requests.remove(&name.0).map(|(exchange, _)| exchange)
    }
}
