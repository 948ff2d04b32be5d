//! Bench of mask.

fn main() {
    divan::main();
}
