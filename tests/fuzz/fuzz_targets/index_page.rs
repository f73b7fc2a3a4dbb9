#![no_main]
//! Fuzzes `targets::index_page`.

#[path = "../targets.rs"]
#[allow(dead_code)]
mod targets;

libfuzzer_sys::fuzz_target!(|data: &[u8]| targets::index_page(data));
