//! Bench of frame.

fn main() {
    divan::main();
}
