//! Whether servers get traffic: what checks ask, the states of a server, and what each may get of an upstream's requests.
//!
//! Health belongs to a server *of an upstream*: the same address in two upstreams is checked twice, because each may ask
//! something else of it. Everything here is a rule: outcomes of checks and words of people come in, states and shares come out. Who asks the
//! servers, and who publishes what follows, is decided elsewhere.

mod breaker;
mod check;
mod checks;
mod ejection;
mod fault;
mod shares;
pub mod slow_start;
mod state;
mod window;

pub use breaker::{Breaker, BreakerRule, BreakerState, Round, Trial, Trip, TripWhy};
pub use check::{CheckOutcome, HealthCheck, HttpProbe, Probe};
pub use checks::{Checks, Turn, first_check_after};
pub use ejection::{Ejection, EjectionChange, EjectionRule, Heard};
pub use fault::{Fault, Faults};
pub use shares::{PANIC_PERCENT, Shares, Standing, WHOLE_PERMILLE, shares};
pub use state::{Change, State, Word};
pub use window::ShareRule;
