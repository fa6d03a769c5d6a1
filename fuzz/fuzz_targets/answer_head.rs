//! Answer heads: what is checked stands in `checks/answer_head.rs`.

#![no_main]

#[path = "../checks/answer_head.rs"]
mod answer_head;

libfuzzer_sys::fuzz_target!(|input: &[u8]| answer_head::check(input));
