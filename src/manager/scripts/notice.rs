//! A trigger event as an event of the language: for workers, and for subscribers when a request is held.

use crate::manager::subscribers::{ConnectionFacts, payload};
use crate::manager::trigger::trigger_event::{TriggerEvent, What};
use crate::proto::http::head::{FieldTable, RequestHead, RequestTarget};
use crate::rpc::{self, EventKind, RequestName};

/// The members of the event, borrowed from the trigger event.
#[derive(Debug)]
pub(in crate::manager) struct Notice<'e> {
    event: &'e TriggerEvent,
    facts: ConnectionFacts,
    path: String,
    head: Option<RequestHead<'e>>,
    fields: Vec<(&'e str, &'e [u8])>,
    request: Option<RequestName>,
}

impl<'e> Notice<'e> {
    /// Reads the head of a request again, into `table`.
    pub(in crate::manager) fn of(
        event: &'e TriggerEvent,
        table: &'e mut FieldTable,
        request: Option<RequestName>,
    ) -> Notice<'e> {
        let (mut path, mut head) = (String::new(), None);
        if let Some(request) = event.request() {
            path = format!("/{}", String::from_utf8_lossy(&request.path));
            // It was decoded before.
            let decoded = RequestHead::decode(&request.head, &mut 0, table);
            head = decoded.ok().flatten().map(|(head, _)| head);
        }
        let origin = &event.origin;
        Notice {
            facts: ConnectionFacts::new(origin.conn, origin.peer, origin.user.as_ref()),
            fields: head.iter().flat_map(RequestHead::fields).collect(),
            event,
            path,
            head,
            request,
        }
    }

    pub(in crate::manager) fn kind(&self) -> EventKind {
        match &self.event.what {
            What::Connect => EventKind::Connect,
            What::Message { .. } => EventKind::Message,
            What::Disconnect { .. } => EventKind::Disconnect,
            What::Request(_) => EventKind::HttpRequest,
        }
    }

    /// Sets the members of an event.
    pub(in crate::manager) fn fill<'n>(&'n self, event: &mut rpc::Event<'n>) {
        self.facts.fill(event);
        event.request = self.request;
        match &self.event.what {
            What::Connect => {}
            What::Message { kind, data } => event.message = Some(payload(*kind, data)),
            What::Disconnect { code, reason } => {
                event.code = Some(*code);
                event.reason = Some(reason).filter(|it| !it.is_empty()).map(String::as_str);
            }
            What::Request(request) => {
                event.path = Some(&self.path);
                event.headers = &self.fields;
                event.body = Some(request.body.as_slice()).filter(|body| !body.is_empty());
                if let Some(head) = &self.head {
                    event.method = Some(head.method().as_str());
                    event.query = query_of(head);
                }
            }
        }
    }
}

/// What follows the question mark of a request, if there is one.
pub(super) fn query_of<'h>(head: &RequestHead<'h>) -> Option<&'h str> {
    match head.target() {
        RequestTarget::Origin { query, .. } | RequestTarget::Absolute { query, .. } => query,
        RequestTarget::Authority(_) | RequestTarget::Asterisk => None,
    }
}
