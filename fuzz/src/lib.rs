//! What the fuzz targets assert, one module each, named after its target.
//!
//! They stand apart from libFuzzer so that a stable test can replay the corpus through them:
//! each has a `check(data: &[u8])` that panics when the engine is at fault.

pub mod cgi;
pub mod client_answer;
pub mod config;
pub mod conn_pair;
pub mod credentials;
pub mod date;
pub mod der;
pub mod form;
pub mod helper_wire;
pub mod http_body;
pub mod http_head;
pub mod path;
pub mod range;
pub mod rpc;
pub mod url;
pub mod ws_frame;
pub mod ws_session;
