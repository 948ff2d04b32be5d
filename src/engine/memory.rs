//! Memory that is spent on behalf of peers and scripts, counted where it is allocated.
//!
//! Accounts form a tree: what is charged to one counts for all above it, up to the root, whose limit is `max_memory`. A
//! [`Charge`] gives its bytes back when it is dropped, so that no path can forget to.

use std::cell::Cell;
use std::fmt;
use std::rc::Rc;

/// Bytes in use, with a limit: of the whole daemon, or of a part of it. Clones are the same account.
#[derive(Clone)]
pub struct Account(Rc<Inner>);

struct Inner {
    parent: Option<Account>,
    used: Cell<usize>,
    max: Cell<usize>,
}

impl Account {
    /// The account of the whole daemon, with its limit in bytes.
    #[must_use]
    pub fn root(max: usize) -> Account {
        Account::new(None, max)
    }

    /// An account within this one, with a limit of its own.
    #[must_use]
    pub fn part(&self, max: usize) -> Account {
        Account::new(Some(self.clone()), max)
    }

    fn new(parent: Option<Account>, max: usize) -> Account {
        Account(Rc::new(Inner {
            parent,
            used: Cell::new(0),
            max: Cell::new(max),
        }))
    }

    /// Bytes that are charged to this account and its parts.
    #[inline]
    #[must_use]
    pub fn used(&self) -> usize {
        self.0.used.get()
    }

    /// The limit in bytes.
    #[must_use]
    pub fn max(&self) -> usize {
        self.0.max.get()
    }

    /// Sets another limit; what is charged already stays.
    pub fn set_max(&self, max: usize) {
        self.0.max.set(max);
    }

    /// Whether more is charged than the limit of this account allows.
    #[inline]
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.used() > self.max()
    }

    /// Whether so many bytes more keep to the limits of this account and of all above it.
    #[must_use]
    pub fn has_room(&self, bytes: usize) -> bool {
        self.used().saturating_add(bytes) <= self.max()
            && self.0.parent.as_ref().is_none_or(|it| it.has_room(bytes))
    }

    /// Charges bytes, whatever the limits say.
    #[must_use]
    pub fn charge(&self, bytes: usize) -> Charge {
        let mut charge = Charge {
            account: self.clone(),
            bytes: 0,
        };
        charge.resize(bytes);
        charge
    }

    /// Sets the bytes of `held`, which are charged to this account.
    pub(super) fn hold(&self, held: &mut Held, bytes: usize) {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        if bytes != held.0 {
            self.replace(held.bytes(), bytes as usize);
            held.0 = bytes;
        }
    }

    /// Replaces bytes that are charged, in the sums of this account and of all above it.
    #[inline]
    fn replace(&self, before: usize, after: usize) {
        let mut account = Some(self);
        while let Some(Account(inner)) = account {
            inner.used.set(inner.used.get() - before + after);
            account = inner.parent.as_ref();
        }
    }
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} bytes", self.used(), self.max())
    }
}

/// Bytes that are in use until this is dropped.
#[derive(Debug)]
pub struct Charge {
    account: Account,
    bytes: usize,
}

impl Charge {
    /// Bytes in use by this.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Sets the number of bytes.
    #[inline]
    pub fn resize(&mut self, bytes: usize) {
        self.account.replace(self.bytes, bytes);
        self.bytes = bytes;
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.account.replace(self.bytes, 0);
    }
}

/// Bytes that a connection holds, charged by [`Account::hold`]. Each connection has one, so it is small: a fourth of a
/// [`Charge`]. It does not know its account, so the bytes must be given back before it is dropped.
#[derive(Debug, Default)]
pub(super) struct Held(u32);

impl Held {
    #[inline]
    pub(super) fn bytes(&self) -> usize {
        self.0 as usize
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        debug_assert!(self.0 == 0, "{} bytes are not given back", self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_charge_counts_up_to_the_root_and_is_given_back() {
        let root = Account::root(100);
        let (scripts, other) = (root.part(40), root.part(100));
        let mut charge = scripts.charge(30);
        assert_eq!((scripts.used(), other.used(), root.used()), (30, 0, 30));
        assert!(scripts.has_room(10) && !scripts.has_room(11));
        let rest = other.charge(65);
        assert!(!scripts.has_room(10), "the whole has room for 5");
        charge.resize(10);
        assert_eq!((scripts.used(), root.used()), (10, 75));
        drop(rest);
        assert!(scripts.has_room(30));
        drop(charge);
        assert_eq!((scripts.used(), root.used()), (0, 0));
    }

    #[test]
    fn what_is_held_is_charged_once() {
        let (root, mut held) = (Account::root(100), Held::default());
        root.hold(&mut held, 70);
        root.hold(&mut held, 30);
        assert_eq!((held.bytes(), root.used()), (30, 30));
        root.hold(&mut held, 0);
        assert_eq!(root.used(), 0);
    }

    #[test]
    fn what_is_charged_may_be_over_a_limit() {
        let root = Account::root(10);
        let charge = root.charge(11);
        assert!(root.is_over() && !root.has_room(0));
        root.set_max(11);
        assert!(!root.is_over());
        drop(charge);
        assert!(!root.has_room(usize::MAX));
    }
}
