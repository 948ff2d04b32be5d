//! Floor 5: what every process of bellwire needs, the daemon as well as its helper: identity, privileges, PAM services,
//! logging, output, randomness, exit statuses.

pub(crate) mod capabilities;
pub(crate) mod config_files;
pub(crate) mod environment;
pub(crate) mod exit;
pub(crate) mod identity;
mod log_stream;
pub(crate) mod logging;
pub(crate) mod output;
pub(crate) mod pam_services;
pub(crate) mod printable;
pub(crate) mod privileges;
pub(crate) mod random;
pub(crate) mod socket_folder;
pub(crate) mod syscall;
pub(crate) mod trusted_path;

pub use exit::Exit;
