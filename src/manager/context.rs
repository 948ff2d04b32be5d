//! What servers, clients and scripts have at hand while they act.

use crate::engine::Account;

use super::subscribers::Subscribers;
use super::trigger::Triggers;

/// What all sources of events share.
#[derive(Debug)]
pub(super) struct Context {
    pub subscribers: Subscribers,
    pub triggers: Triggers,
    /// Events and messages that were dropped. Messages to slow peers are counted by the engine.
    pub dropped: u64,
}

impl Context {
    /// A context without subscribers and triggers. `memory` is the account of the daemon.
    pub(super) fn new(memory: &Account) -> Context {
        Context {
            subscribers: Subscribers::default(),
            triggers: Triggers::new(memory),
            dropped: 0,
        }
    }
}
