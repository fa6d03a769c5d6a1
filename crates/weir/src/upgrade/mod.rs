//! Replacing the program while it runs: two processes, a socket between them, and what is handed over.
//!
//! The one that runs ([`predecessor`]) starts the other ([`successor`]) with one end of a pair of Unix sockets as its stdin, and sends
//! it what it has ([`manifest`], [`passing`], [`registrations`]). The new one opens everything, accepts, and says that it is ready; only then does the old one
//! begin to drain. Whatever goes wrong before ends the new process and leaves the old one as it was.

mod attempt;
mod desk;
mod legacy;
mod manifest;
pub(crate) mod passing;
mod predecessor;
mod program;
mod registrations;
mod successor;

pub(crate) use attempt::{Event, Upgrades};
pub(crate) use desk::Asked;
pub(crate) use legacy::Legacy;
pub(crate) use successor::{Charge, Link, Succession, explain};
