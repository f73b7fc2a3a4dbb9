#![no_main]
//! Fuzzes `targets::known_hosts`.

#[path = "../targets.rs"]
#[allow(dead_code)]
mod targets;

libfuzzer_sys::fuzz_target!(|data: &[u8]| targets::known_hosts(data));
