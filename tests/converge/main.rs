//! The real binary on a rehearsal cluster: real SSH, pip and alembic; every fault followed by a run that converges and
//! another one that finds nothing to do.

#![allow(clippy::unwrap_used, reason = "a test that can't go on says where")]
#![allow(clippy::disallowed_methods, reason = "a test stands outside: it starts programs, reads files and the clock")]

#[path = "../support/accounts.rs"]
mod accounts;
#[path = "../support/rehearsal/mod.rs"]
mod rehearsal;

mod backup_host;
mod becoming;
mod bench;
mod controllers;
mod faults;
mod journal;
mod limits;
mod locking;
mod looking;
mod partial;
mod preflight;
mod published;
mod refusals;
mod resources;
mod saved;
mod signals;
mod upgrade;
mod vaulted;
