//! Floor 3: the event loop.
