//! Floor 0: bytes to values and back. Nothing here does I/O, reads a clock or asks for randomness.

pub mod calendar;
pub mod cgi;
pub mod helper;
pub mod http;
pub mod lines;
pub mod ws;
