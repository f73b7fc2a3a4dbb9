//! Where packages come from, against little servers of our own: the controller's client, the cache, the snapshot, wheels,
//! and hosts that share an index. No network is needed, but for `pips`, which gets several pips from PyPI and says so.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod controller;
mod hosts;
mod pips;
mod server;
mod wheels;
