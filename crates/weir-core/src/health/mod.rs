//! Whether servers get traffic: what checks ask, the states of a server, and what each may get of an upstream's requests.
//!
//! Everything here is a rule: outcomes of checks and words of people come in, states and shares come out. Who asks the
//! servers, and who publishes what follows, is decided elsewhere.

mod check;
mod shares;
mod state;

pub use check::{HealthCheck, Probe};
pub use shares::{PANIC_PERCENT, Shares, Standing, WHOLE_PERMILLE, shares};
pub use state::{Change, State, Word};
