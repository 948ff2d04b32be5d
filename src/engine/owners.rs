//! Owners of connections: the servers and clients on whose behalf they are accepted or begun.

use std::sync::Arc;

/// What is spoken on the connections of an owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaks {
    /// HTTP, and WebSocket after an upgrade.
    Http,
    /// Lines of text.
    Lines,
}

/// An owner of connections: never used twice while the daemon runs.
///
/// It carries an index, so that what belongs to an owner is found by an index and a comparison; and how many owners had
/// that index before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct OwnerId(u32);

impl OwnerId {
    const INDEX_BITS: u32 = 20;
    const MAX_OWNERS: usize = 1 << Self::INDEX_BITS;
    const MAX_GENERATION: u32 = u32::MAX >> Self::INDEX_BITS;

    /// The id of no owner.
    pub const NONE: OwnerId = OwnerId(u32::MAX);

    fn first(index: usize) -> OwnerId {
        OwnerId(index as u32)
    }

    /// A small number that no other living owner has.
    #[inline]
    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize & (Self::MAX_OWNERS - 1)
    }

    /// The next owner of the same index; `None`: there were as many as can be told apart.
    fn next(self) -> Option<OwnerId> {
        let generation = self.0 >> Self::INDEX_BITS;
        (generation < Self::MAX_GENERATION).then(|| OwnerId(self.0 + Self::MAX_OWNERS as u32))
    }
}

impl From<OwnerId> for u64 {
    fn from(id: OwnerId) -> u64 {
        u64::from(id.0)
    }
}

/// What the engine keeps of an owner.
#[derive(Debug)]
pub(super) struct Owner {
    id: OwnerId,
    pub speaks: Speaks,
    /// Slots of its open WebSockets.
    pub members: Vec<u32>,
    /// Connections in any phase.
    pub live: usize,
    pub max_connections: usize,
    /// The configuration of TLS for connections that it accepts from now on.
    pub tls: Option<Arc<rustls::ServerConfig>>,
    retired: bool,
}

/// All owners.
#[derive(Debug, Default)]
pub(super) struct Owners(Vec<Owner>);

impl Owners {
    /// Adds an owner. When there are too many, returns [`OwnerId::NONE`].
    pub(super) fn add(&mut self, speaks: Speaks, max_connections: usize) -> OwnerId {
        let free = self
            .0
            .iter()
            .position(|it| it.retired && it.live == 0 && it.id.next().is_some());
        let at = free.unwrap_or(self.0.len());
        let id = match self.0.get(at) {
            Some(before) => before.id.next().unwrap_or(OwnerId::NONE),
            // The last index is left out, for it is that of `NONE`.
            None if at + 1 < OwnerId::MAX_OWNERS => OwnerId::first(at),
            None => return OwnerId::NONE,
        };
        let owner = Owner {
            id,
            speaks,
            members: Vec::new(),
            live: 0,
            max_connections,
            tls: None,
            retired: false,
        };
        match free {
            Some(at) => self.0[at] = owner,
            None => self.0.push(owner),
        }
        id
    }

    /// Gives up an owner. It stays while it has connections; then another owner gets its index, with another id.
    pub(super) fn retire(&mut self, id: OwnerId) {
        if let Some(owner) = self.get_mut(id) {
            owner.retired = true;
        }
    }

    /// `None`: it has ended.
    #[inline]
    pub(super) fn get(&self, id: OwnerId) -> Option<&Owner> {
        self.0.get(id.index()).filter(|owner| owner.id == id)
    }

    #[inline]
    pub(super) fn get_mut(&mut self, id: OwnerId) -> Option<&mut Owner> {
        self.0.get_mut(id.index()).filter(|owner| owner.id == id)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Owner> {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_never_used_again() {
        let mut owners = Owners::default();
        let stays = owners.add(Speaks::Http, 1);
        let mut last = owners.add(Speaks::Http, 1);
        let mut seen = vec![last];
        for _ in 0..3 * OwnerId::MAX_GENERATION {
            owners.retire(last);
            let next = owners.add(Speaks::Http, 1);
            assert!(owners.get(last).is_none() || last.index() != next.index());
            seen.push(next);
            last = next;
        }
        assert!(owners.get(stays).is_some() && owners.get(last).is_some());
        let count = seen.len();
        seen.sort_unstable_by_key(|id| id.0);
        seen.dedup();
        assert_eq!(seen.len(), count);
        assert!(owners.0.len() < 6, "{}", owners.0.len());
    }

    #[test]
    fn an_owner_with_connections_keeps_its_index() {
        let mut owners = Owners::default();
        let first = owners.add(Speaks::Lines, 1);
        owners.get_mut(first).unwrap().live = 1;
        owners.retire(first);
        let second = owners.add(Speaks::Lines, 1);
        assert_ne!(first.index(), second.index());
        owners.get_mut(first).unwrap().live = 0;
        let third = owners.add(Speaks::Lines, 1);
        assert_eq!(third.index(), first.index());
        assert!(owners.get(first).is_none());
        assert_eq!(owners.iter().count(), 2);
    }

    #[test]
    fn nobody_is_the_owner_of_none() {
        let mut owners = Owners::default();
        owners.add(Speaks::Http, 1);
        assert!(owners.get(OwnerId::NONE).is_none());
        assert_eq!(OwnerId::NONE.index(), OwnerId::MAX_OWNERS - 1);
    }
}
