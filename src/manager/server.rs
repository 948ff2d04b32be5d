//! A server: what it answers to requests, and what it does with messages.

use std::io;

use crate::config::{self, Messages, Origins};
use crate::conn::event::{ConnId, Event, ExchangeId};
use crate::engine::Ops;
use crate::files::Visit;
use crate::proto::http::head::RequestHead;
use crate::proto::ws::frame::Kind;
use crate::proto::ws::handshake;

use super::access;
use super::pages::{Pages, respond_error};

/// One running server.
#[derive(Debug)]
pub(super) struct Server {
    id: String,
    messages: Messages,
    subprotocols: Vec<String>,
    origins: Origins,
    pub(super) pages: Pages,
}

impl Server {
    /// Opens what it serves.
    ///
    /// # Errors
    /// The folder's.
    pub(super) fn open(conf: &config::Server) -> io::Result<Server> {
        Ok(Server {
            id: conf.id.as_str().to_owned(),
            messages: conf.messages,
            subprotocols: conf.subprotocols.clone(),
            origins: conf.origins.clone(),
            pages: Pages::open(&conf.http)?,
        })
    }

    /// What the server itself does with a message.
    #[inline(always)]
    pub(super) fn on_message(&self, ops: &mut Ops<'_>, id: ConnId, kind: Kind, data: &[u8]) {
        match self.messages {
            Messages::None => {}
            Messages::Echo => {
                ops.reply(kind, data);
            }
            Messages::Broadcast => ops.broadcast(ops.owner(), Some(id), kind, data),
        }
    }

    /// Everything but messages.
    #[inline(never)]
    pub(super) fn on_other(
        &mut self,
        ops: &mut Ops<'_>,
        id: ConnId,
        event: &Event<'_>,
        visits: &mut Vec<(ExchangeId, Visit)>,
    ) {
        match event {
            Event::Request(head) => self.on_request(ops, id, head, visits),
            Event::Closed(reason) => log::debug!("{id}: {}: {}: {reason}", ops.peer(), self.id),
            _ => {}
        }
    }

    fn on_request(
        &mut self,
        ops: &mut Ops<'_>,
        id: ConnId,
        head: &RequestHead<'_>,
        visits: &mut Vec<(ExchangeId, Visit)>,
    ) {
        if handshake::wants_upgrade(head) {
            self.on_upgrade(ops, id, head);
        } else if let Some(visit) = self.pages.answer(ops, head) {
            visits.push((ops.defer(false), visit));
        }
    }

    fn on_upgrade(&self, ops: &mut Ops<'_>, id: ConnId, head: &RequestHead<'_>) {
        let offer = match handshake::read_request(head) {
            Ok(offer) => offer,
            Err(refused) => {
                log::debug!("{id}: {}: no upgrade: {refused}", self.id);
                let mut fields = Vec::new();
                fields.extend(
                    refused
                        .fields()
                        .iter()
                        .map(|(name, value)| (*name, value.as_bytes())),
                );
                respond_error(ops, refused.status(), &fields);
                return;
            }
        };
        if let Err(denied) = access::check(&self.origins, head, ops.is_loopback()) {
            log::warn!("{id}: {}: {}: {denied}", ops.peer(), self.id);
            respond_error(ops, 403, &[]);
            return;
        }
        // The first of the client's that is listed: its preference counts (RFC 6455 §4.2.2).
        let protocol = offer
            .protocols()
            .find(|&offered| self.subprotocols.iter().any(|known| known == offered));
        if ops.upgrade(&offer, protocol) {
            log::debug!("{id}: {}: {}: WebSocket open", ops.peer(), self.id);
        }
    }
}
