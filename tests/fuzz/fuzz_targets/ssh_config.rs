#![no_main]
//! Fuzzes `targets::ssh_config`.

#[path = "../targets.rs"]
#[allow(dead_code)]
mod targets;

libfuzzer_sys::fuzz_target!(|data: &[u8]| targets::ssh_config(data));
