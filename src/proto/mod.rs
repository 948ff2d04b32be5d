//! Floor 0: converts bytes to values and back. Nothing here does I/O, reads a clock or draws random numbers.

pub mod cgi;
pub mod counted;
pub mod helper;
pub mod http;
pub mod lines;
pub mod ws;
