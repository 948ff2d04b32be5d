//! A number and its noun, as log lines and messages say it: `1 connection`, `2 connections`.

use std::fmt::{self, Display};

/// Shows `count` and `noun`, which gets an s unless there is one.
pub fn counted<N: Display + PartialEq + From<u8>>(count: N, noun: &str) -> impl Display {
    fmt::from_fn(move |f| {
        let plural = if count == N::from(1) { "" } else { "s" };
        write!(f, "{count} {noun}{plural}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_is_singular() {
        let shown = [0_u64, 1, 2].map(|count| counted(count, "more line").to_string());
        assert_eq!(shown, ["0 more lines", "1 more line", "2 more lines"]);
    }
}
