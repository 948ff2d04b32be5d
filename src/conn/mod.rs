//! Floor 1: one connection as a machine without I/O.
