//! A server: what it answers to requests, and what it does with messages.

use crate::config::{self, Http, Messages, Origins, Page, Serve};
use crate::conn::Answer;
use crate::conn::event::{ConnId, Event};
use crate::engine::Ops;
use crate::proto::http::head::{Method, RequestHead};
use crate::proto::http::response;
use crate::proto::ws::frame::Kind;
use crate::proto::ws::handshake;

use super::access;

/// One running server.
#[derive(Debug)]
pub(super) struct Server {
    id: String,
    messages: Messages,
    subprotocols: Vec<String>,
    origins: Origins,
    http: Http,
}

/// RFC 9110 §10.2.1: what every resource here allows.
const ALLOW: (&str, &[u8]) = ("Allow", b"GET, HEAD, OPTIONS");

const HTML: (&str, &[u8]) = ("Content-Type", b"text/html; charset=utf-8");

impl Server {
    pub(super) fn new(conf: &config::Server) -> Server {
        Server {
            id: conf.id.as_str().to_owned(),
            messages: conf.messages,
            subprotocols: conf.subprotocols.clone(),
            origins: conf.origins.clone(),
            http: conf.http.clone(),
        }
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
    pub(super) fn on_other(&self, ops: &mut Ops<'_>, id: ConnId, event: &Event<'_>) {
        match event {
            Event::Request(head) => self.on_request(ops, id, head),
            Event::Closed(reason) => log::debug!("{id}: {}: {}: {reason}", ops.peer(), self.id),
            _ => {}
        }
    }

    fn on_request(&self, ops: &mut Ops<'_>, id: ConnId, head: &RequestHead<'_>) {
        if handshake::wants_upgrade(head) {
            self.on_upgrade(ops, id, head);
        } else {
            self.serve(ops, head.method());
        }
    }

    fn on_upgrade(&self, ops: &mut Ops<'_>, id: ConnId, head: &RequestHead<'_>) {
        let offer = match handshake::read_request(head) {
            Ok(offer) => offer,
            Err(refused) => {
                log::debug!("{id}: {}: no upgrade: {refused}", self.id);
                let mut fields = vec![HTML];
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
            respond_error(ops, 403, &[HTML]);
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

    fn serve(&self, ops: &mut Ops<'_>, method: Method<'_>) {
        match method {
            Method::Get | Method::Head => match &self.http.serve {
                Serve::Empty => {
                    ops.respond(&Answer {
                        status: 200,
                        fields: &[],
                        body: b"",
                    });
                }
                Serve::Page(page) => self.serve_page(ops, page),
            },
            Method::Options => {
                ops.respond(&Answer {
                    status: 204,
                    fields: &[ALLOW],
                    body: b"",
                });
            }
            // RFC 9110 §9.1: a method that is known and not allowed here, and one that is not known.
            Method::Other(_) => respond_error(ops, 501, &[HTML]),
            _ => respond_error(ops, 405, &[HTML, ALLOW]),
        }
    }

    fn serve_page(&self, ops: &mut Ops<'_>, page: &Page) {
        let fields: [(&str, &[u8]); 3] = [
            ("Content-Type", page.content_type.as_bytes()),
            ("Cache-Control", self.http.cache_control.as_bytes()),
            ("X-Content-Type-Options", b"nosniff"),
        ];
        ops.respond(&Answer {
            status: 200,
            fields: &fields,
            body: &page.content,
        });
    }
}

fn respond_error(ops: &mut Ops<'_>, status: u16, fields: &[(&str, &[u8])]) {
    let body = response::error_page(status);
    ops.respond(&Answer {
        status,
        fields,
        body: body.as_bytes(),
    });
}
