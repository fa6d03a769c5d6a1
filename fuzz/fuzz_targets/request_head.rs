//! Request heads: what is checked stands in `checks/request_head.rs`.

#![no_main]

#[path = "../checks/request_head.rs"]
mod request_head;

libfuzzer_sys::fuzz_target!(|input: &[u8]| request_head::check(input));
