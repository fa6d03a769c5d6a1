//! Active checks: asking servers whether they are well.
//!
//! `probe` asks one server once, `checker` all servers of an upstream again and again, each in its time. What is made of the
//! answers is decided by the machine in `weir_core::health`. Runs on the control thread; no request waits for it.

pub mod checker;
pub mod probe;
pub mod watch;
