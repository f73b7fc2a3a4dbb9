//! What a hostile host, index or repository may try against the controller, from outside: the real binary, a real sshd whose
//! every answer a program of ours makes up, and an honest host beside it.
//!
//! Whatever they try: nothing is written outside the places of converge, nothing that steers a terminal is printed or kept,
//! memory and time are bounded, and the honest host is served.

#![allow(clippy::unwrap_used, reason = "a test that can't go on says where")]
#![allow(clippy::disallowed_methods, reason = "a test stands outside: it starts programs, reads files and the clock")]

#[path = "../support/accounts.rs"]
mod accounts;
#[path = "../converge/bench.rs"]
#[allow(dead_code)]
mod bench;
#[path = "../support/rehearsal/mod.rs"]
mod rehearsal;
#[path = "../support/sshd.rs"]
mod sshd;

mod archives;
mod documents;
mod floods;
mod forged;
mod measured;
mod scene;
mod secrets;
mod terminal;
