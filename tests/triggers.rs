//! Triggers: the real daemon, real processes, and peers that others wrote.

#[path = "triggers/http.rs"]
mod http;
#[path = "triggers/messages.rs"]
mod messages;
#[path = "triggers/rig.rs"]
mod rig;
#[path = "triggers/workers.rs"]
mod workers;

mod daemon;
