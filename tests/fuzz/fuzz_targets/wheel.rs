#![no_main]
//! Fuzzes `targets::wheel`.

#[path = "../targets.rs"]
#[allow(dead_code)]
mod targets;

libfuzzer_sys::fuzz_target!(|data: &[u8]| targets::wheel(data));
