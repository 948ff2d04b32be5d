//! What has fired a rule, as an event: for workers, and for subscribers where a request is held.

use crate::manager::fired::{Fired, What};
use crate::proto::http::head::{FieldTable, RequestHead, RequestTarget};
use crate::proto::ws::frame;
use crate::rpc::event::{Event, Kind};
use crate::rpc::{ConnectionName, Payload, RequestName};

/// What an event tells, borrowed from what has fired.
#[derive(Debug)]
pub(in crate::manager) struct Notice<'f> {
    fired: &'f Fired,
    peer: String,
    path: String,
    head: Option<RequestHead<'f>>,
    fields: Vec<(&'f str, &'f [u8])>,
    request: Option<RequestName>,
}

impl<'f> Notice<'f> {
    /// The head of a request is read again, into `table`.
    pub(in crate::manager) fn of(
        fired: &'f Fired,
        table: &'f mut FieldTable,
        request: Option<RequestName>,
    ) -> Notice<'f> {
        let (mut path, mut head) = (String::new(), None);
        if let What::Request(asked) = &fired.what {
            path = format!("/{}", String::from_utf8_lossy(&asked.path));
            // It was decoded before.
            let decoded = RequestHead::decode(&asked.head, &mut 0, table);
            head = decoded.ok().flatten().map(|(head, _)| head);
        }
        Notice {
            peer: fired.whose.peer.to_string(),
            fields: head.iter().flat_map(RequestHead::fields).collect(),
            fired,
            path,
            head,
            request,
        }
    }

    pub(in crate::manager) fn kind(&self) -> Kind {
        match &self.fired.what {
            What::Connect => Kind::Connect,
            What::Message { .. } => Kind::Message,
            What::Disconnect { .. } => Kind::Disconnect,
            What::Request(_) => Kind::HttpRequest,
        }
    }

    /// Adds what is known.
    pub(in crate::manager) fn fill<'e>(&'e self, event: &mut Event<'e>) {
        let whose = &self.fired.whose;
        event.connection = Some(ConnectionName(whose.conn.serial()));
        event.peer = Some(&self.peer);
        event.user = whose.user.as_ref().map(|user| user.as_str());
        event.request = self.request;
        match &self.fired.what {
            What::Connect => {}
            What::Message { kind, data } => event.message = Some(payload(*kind, data)),
            What::Disconnect { code, reason } => {
                event.code = Some(*code);
                event.reason = Some(reason).filter(|it| !it.is_empty()).map(String::as_str);
            }
            What::Request(asked) => {
                event.path = Some(&self.path);
                event.headers = &self.fields;
                event.body = Some(asked.body.as_slice()).filter(|body| !body.is_empty());
                if let Some(head) = &self.head {
                    event.method = Some(head.method().as_str());
                    event.query = query_of(head);
                }
            }
        }
    }
}

fn payload(kind: frame::Kind, data: &[u8]) -> Payload<'_> {
    match (kind, std::str::from_utf8(data)) {
        (frame::Kind::Text, Ok(text)) => Payload::Text(text),
        _ => Payload::Binary(data),
    }
}

/// What follows the question mark of a request, if there is one.
pub(super) fn query_of<'h>(head: &RequestHead<'h>) -> Option<&'h str> {
    match head.target() {
        RequestTarget::Origin { query, .. } | RequestTarget::Absolute { query, .. } => query,
        RequestTarget::Authority(_) | RequestTarget::Asterisk => None,
    }
}
