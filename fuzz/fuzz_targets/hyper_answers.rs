//! Answers as hyper reads them: what is checked stands in `checks/hyper_answers.rs`.
//!
//! Both readers, and the list of what they may differ in, are those of the tests of `weir-http`.

#![no_main]
#![allow(dead_code, reason = "both readers know requests too")]

#[path = "../checks/hyper_answers.rs"]
mod hyper_answers;

#[path = "../../crates/weir-http/tests/oracle/agreement.rs"]
mod agreement;
#[path = "../../crates/weir-http/tests/oracle/deviations.rs"]
mod deviations;
#[path = "../../crates/weir-http/tests/oracle/message.rs"]
mod message;
#[path = "../../crates/weir-http/tests/oracle/ours.rs"]
mod ours;
#[path = "../../crates/weir-http/tests/oracle/theirs.rs"]
mod theirs;
#[path = "../../crates/weir-http/tests/oracle/wire.rs"]
mod wire;

libfuzzer_sys::fuzz_target!(|input: &[u8]| hyper_answers::check(input));
