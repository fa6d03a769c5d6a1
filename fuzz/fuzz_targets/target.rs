//! Request targets: what is checked stands in `checks/target.rs`.

#![no_main]

#[path = "../checks/target.rs"]
mod target;

libfuzzer_sys::fuzz_target!(|input: &[u8]| target::check(input));
