//! A map with the owners of connections as keys.

use crate::engine::OwnerId;

/// A map from owners to values. A look-up costs an index and a comparison: each event needs one.
#[derive(Debug)]
pub(super) struct OwnerMap<T>(Vec<Option<(OwnerId, T)>>);

impl<T> Default for OwnerMap<T> {
    fn default() -> OwnerMap<T> {
        OwnerMap(Vec::new())
    }
}

impl<T> OwnerMap<T> {
    /// Adds a value. It replaces that of an earlier owner with the same index.
    pub(super) fn insert(&mut self, owner: OwnerId, value: T) {
        let at = owner.index();
        if self.0.len() <= at {
            self.0.resize_with(at + 1, || None);
        }
        self.0[at] = Some((owner, value));
    }

    #[inline]
    pub(super) fn get_mut(&mut self, owner: OwnerId) -> Option<&mut T> {
        match self.0.get_mut(owner.index()) {
            Some(Some((known, value))) if *known == owner => Some(value),
            _ => None,
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (OwnerId, &T)> {
        self.0
            .iter()
            .flatten()
            .map(|(owner, value)| (*owner, value))
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.0.iter_mut().flatten().map(|(_, value)| value)
    }
}
