//! Bench of loopback.

fn main() {
    divan::main();
}
