//! The chunked coding: what is checked stands in `checks/chunked.rs`.

#![no_main]

#[path = "../checks/chunked.rs"]
mod chunked;

libfuzzer_sys::fuzz_target!(|input: &[u8]| chunked::check(input));
