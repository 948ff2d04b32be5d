//! Bench of utf8.

fn main() {
    divan::main();
}
