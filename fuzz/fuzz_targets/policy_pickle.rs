//! Pickles of policy groups: what is checked stands in `checks/policy_pickle.rs`.

#![no_main]

#[path = "../checks/policy_framing.rs"]
mod policy_framing;

#[path = "../checks/policy_pickle.rs"]
mod policy_pickle;

libfuzzer_sys::fuzz_target!(|input: &[u8]| policy_pickle::check(input));
