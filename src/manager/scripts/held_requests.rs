//! Requests that are held open until a command or a worker answers them by name.

use std::collections::BTreeMap;

use crate::config::{Action, Mode};
use crate::conn::Answer;
use crate::conn::deadline::{Millis, Tick};
use crate::conn::event::ExchangeId;
use crate::engine::Engine;
use crate::manager::trigger::trigger_event::TriggerEvent;
use crate::rpc::{self, Content, Data, RequestName, Respond};

/// The held requests, by the numbers in their names.
#[derive(Debug, Default)]
pub(super) struct HeldRequests {
    last: u64,
    requests: BTreeMap<u64, (ExchangeId, Tick)>,
}

impl HeldRequests {
    /// Holds the request of an event and names it; `None` when neither `hold` nor a worker is to answer it.
    pub(super) fn hold(&mut self, event: &TriggerEvent, now: Tick) -> Option<RequestName> {
        let request = event.request()?;
        let timeout = match (&event.rule.conf.action, event.rule.run()) {
            (Action::Hold { timeout }, _) => *timeout,
            (_, Some(run)) if run.mode == Mode::Worker => run.timeout,
            _ => return None,
        };
        self.last += 1;
        let due = now.after(Millis::from(timeout));
        self.requests.insert(self.last, (request.exchange, due));
        Some(RequestName(self.last))
    }

    /// Forgets a request. True: it was held.
    pub(super) fn forget(&mut self, exchange: ExchangeId) -> bool {
        let before = self.requests.len();
        self.requests.retain(|_, (held, _)| *held != exchange);
        self.requests.len() < before
    }

    /// The earliest timeout.
    pub(super) fn deadline(&self) -> Option<Tick> {
        let dues = self.requests.values().map(|(_, due)| *due);
        dues.reduce(Tick::earlier)
    }

    /// Takes the requests whose timeout has passed.
    pub(super) fn take_due(&mut self, now: Tick) -> Vec<ExchangeId> {
        let due = self.requests.extract_if(.., |_, (_, due)| due.is_due(now));
        due.map(|(_, (exchange, _))| exchange).collect()
    }

    /// Takes all requests.
    pub(super) fn take_all(&mut self) -> Vec<ExchangeId> {
        let all = std::mem::take(&mut self.requests);
        all.into_values().map(|(exchange, _)| exchange).collect()
    }

    /// Answers a held request.
    ///
    /// # Errors
    /// There is no such request: it was answered, its timeout has passed, or its peer has left.
    pub(super) fn respond(
        &mut self,
        engine: &mut Engine,
        respond: &Respond,
    ) -> Result<(), rpc::Error> {
        respond.check()?;
        let name = respond.request;
        let gone = || rpc::Error::no_such_request(name);
        let (exchange, _) = self.requests.remove(&name.0).ok_or_else(gone)?;
        let mut fields: Vec<(&str, &[u8])> = Vec::new();
        if let Some(content_type) = respond.content_type() {
            fields.push(("Content-Type", content_type.as_bytes()));
        }
        let body: &[u8] = match &respond.content {
            Content::Empty => b"",
            Content::Body(Data::Text(text)) => text.as_bytes(),
            Content::Body(Data::Binary(bytes)) => bytes,
            Content::Redirect(location) => {
                fields.push(("Location", location.as_bytes()));
                b""
            }
        };
        for (name, value) in &respond.headers {
            fields.push((name, value.as_bytes()));
        }
        for cookie in &respond.cookies {
            fields.push(("Set-Cookie", cookie.as_bytes()));
        }
        let answer = Answer {
            status: respond.status(),
            fields: &fields,
            body,
        };
        let answered = engine.with_exchange(exchange, |ops| ops.respond(&answer));
        if answered == Some(true) {
            Ok(())
        } else {
            Err(gone())
        }
    }
}
