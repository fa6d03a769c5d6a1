//! How often somebody may ask, and how much at once: rates (GCRA) and places of clients, exact over all workers, with bounded
//! memory.
//!
//! GCRA keeps one number per key, the *theoretical arrival time*: how far what the key has asked for reaches into the
//! future if it is served at the rate. Each request moves it by one interval, and one that would move it further ahead of
//! the clock than `burst` intervals is refused. It is the leaky bucket without a drain that somebody would have to run, and
//! unlike a count per window it does not let twice the rate pass where two windows meet.
//!
//! `pace` is the arithmetic, `key_table` the memory, `rate_limit` a rule made of both; `client_places` counts what is in
//! progress. No lock and no clock: `now` is the time since a moment that is the same for all callers. Memory is
//! taken by the page, when the first key of a page comes (`blocks`).

mod blocks;
mod client_places;
mod key_table;
mod pace;
mod rate_limit;

pub use client_places::{ClientPlaces, Entered, Place};
pub use pace::{Rate, Standing, whole_seconds};
pub use rate_limit::{Charge, Charges, RateLimit, Refused, charge_all, refund_all, tightest};
