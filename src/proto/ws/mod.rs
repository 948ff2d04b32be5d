//! The WebSocket protocol (RFC 6455).

pub mod close;
pub mod frame;
pub mod handshake;
pub mod mask;
pub mod message;
mod receive;
pub mod session;
pub mod utf8;
