//! Floor 4: what happens on events.
