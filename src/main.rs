//! The `bellwire` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    bellwire::cli::main(std::env::args_os().skip(1))
}
