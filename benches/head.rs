//! Bench of head.

fn main() {
    divan::main();
}
