//! SSH as operators have set it up, against real sshd on loopback: configuration, ways through other hosts, logins, host keys.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "../support/sshd.rs"]
mod sshd;

mod host_keys;
mod jumps;
mod login;
mod networks;
mod security_key;
mod servers;
mod settings;
mod site;
