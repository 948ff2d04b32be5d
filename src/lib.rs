//! bellwire: a WebSocket connection manager for small machines.

pub mod cli;
pub mod config;
pub mod conn;
pub mod engine;
pub mod manager;
pub mod proto;
