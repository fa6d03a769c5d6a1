//! Credentials, and what they are held against: what is checked stands in `checks/credential.rs`.

#![no_main]

#[path = "../checks/credential.rs"]
mod credential;

libfuzzer_sys::fuzz_target!(|input: &[u8]| credential::check(input));
