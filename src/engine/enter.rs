//! How connections come into the loop: accepted, or begun from here.

use std::io;
use std::rc::Rc;

use mio::net::TcpStream;
use mio::{Registry, Token};

use crate::conn::buffer::Out;
use crate::conn::event::ConnId;
use crate::conn::tls::Tls;
use crate::conn::{Conf, Connection};

use super::connections::Core;
use super::outgoing::Outgoing;
use super::owners::Speaks;
use super::slot::{Pending, Slot, Who};
use super::socket::{Peer, Socket};

impl Core {
    /// A connection that was just accepted.
    pub(super) fn insert(
        &mut self,
        socket: Socket,
        who: Who,
        conf: &Rc<Conf>,
        registry: &Registry,
    ) -> io::Result<()> {
        let owner = self.owners.get_mut(who.owner).ok_or_else(no_owner)?;
        let entry = self.slots.vacant_entry();
        let index = entry.key();
        self.serial += 1;
        let id = ConnId::new(self.serial, index);
        let conn = match owner.speaks {
            Speaks::Http => Connection::server(id, Rc::clone(conf), self.shared.now),
            Speaks::Lines => Connection::lines(id, Rc::clone(conf), self.shared.now),
        };
        let tls = match &owner.tls {
            Some(config) => Some(Box::new(Tls::server(config).map_err(io::Error::other)?)),
            None => None,
        };
        let mut slot = Slot::new(conn, socket, tls, who, self.seconds);
        slot.socket.register(registry, Token(index))?;
        log::debug!("{id}: accepted from {}", who.peer);
        if let Some(due) = slot.conn.deadline() {
            self.wheel.arm(index, due);
        }
        slot.recount(&self.memory);
        entry.insert(slot);
        owner.live += 1;
        Ok(())
    }

    /// A connection that was begun from here.
    pub(super) fn adopt(
        &mut self,
        stream: TcpStream,
        outgoing: &Outgoing<'_>,
        registry: &Registry,
    ) -> io::Result<ConnId> {
        let who = Who {
            owner: outgoing.owner,
            peer: Peer::from(stream.peer_addr()?),
            loopback: false,
            tls: outgoing.tls.is_some(),
        };
        let tls = match &outgoing.tls {
            Some((config, name)) => {
                let tls = Tls::client(config, name.clone()).map_err(io::Error::other)?;
                Some(Box::new(tls))
            }
            None => None,
        };
        let owner = self.owners.get_mut(who.owner).ok_or_else(no_owner)?;
        let index = self.slots.vacant_key();
        self.serial += 1;
        let id = ConnId::new(self.serial, index);
        let Outgoing {
            conf,
            request,
            nonce,
            ..
        } = outgoing;
        let now = self.shared.now;
        // A plain one begins with its request, which is sent when it is settled.
        let encrypted = tls.is_some();
        let conn = if encrypted {
            Connection::client_over_tls(id, Rc::clone(conf), request, *nonce, now)
        } else {
            let mut none = Vec::new();
            let mut out = Out {
                cork: &mut self.shared.cork,
                through: &mut none,
                date: &self.shared.date,
            };
            Connection::client(id, Rc::clone(conf), request, *nonce, &mut out, now)
        };
        let mut slot = Slot::new(conn, Socket::Tcp(stream), tls, who, self.seconds);
        if let Err(error) = slot.socket.register(registry, Token(index)) {
            self.shared.forget();
            return Err(error);
        }
        self.slots.insert(slot);
        owner.live += 1;
        if encrypted {
            self.leave_pending(index, Pending::Begin);
        } else {
            // Its request leaves now, for the cork is shared.
            self.write_to(index, |_| ());
        }
        Ok(id)
    }
}

fn no_owner() -> io::Error {
    io::Error::other("the server or client has ended")
}
