//! Headers of the PROXY protocol: what is checked stands in `checks/proxy_protocol.rs`.

#![no_main]

#[path = "../checks/proxy_protocol.rs"]
mod proxy_protocol;

libfuzzer_sys::fuzz_target!(|input: &[u8]| proxy_protocol::check(input));
