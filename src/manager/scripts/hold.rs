//! Requests that something else than a script of their own answers.

use crate::config::{Action, Mode};
use crate::conn::Answer;
use crate::conn::deadline::{Millis, Tick};
use crate::engine::Engine;
use crate::manager::fired::{Fired, What};
use crate::rpc::{Content, Data, Error, RequestName, Respond};

use super::core::Scripts;
use super::lane::run_of;

impl Scripts {
    /// Holds a request that something else is to answer, and names it; `None` when what has fired is another thing.
    pub(in crate::manager) fn hold(&mut self, fired: &Fired, now: Tick) -> Option<RequestName> {
        let What::Request(asked) = &fired.what else {
            return None;
        };
        let timeout = match &fired.rule.conf.action {
            Action::Hold { timeout } => *timeout,
            _ if self.stopping => return None,
            _ => {
                run_of(&fired.rule)
                    .filter(|run| run.mode == Mode::Worker)?
                    .timeout
            }
        };
        let due = now.after(Millis::from(timeout));
        let name = self.held.hold(asked.exchange, due);
        self.plan(now);
        Some(name)
    }

    /// Answers a held request.
    ///
    /// # Errors
    /// There is no such request: it was answered, its time was up, or its peer has left.
    pub(in crate::manager) fn respond(
        &mut self,
        engine: &mut Engine,
        respond: &Respond,
    ) -> Result<(), Error> {
        respond.check()?;
        let name = respond.request;
        let gone = || Error::no_such_request(name);
        let exchange = self.held.take(name).ok_or_else(gone)?;
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
