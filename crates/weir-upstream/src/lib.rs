//! Members of an upstream, their selection, connections and pools.
//!
//! This crate knows how to reach servers and how to speak with one; it knows no exchange, no route and no client. What
//! it shares with the data plane is the stream, the buffers and the bodies, so that both sides of a proxied exchange are
//! the same types and one loop moves bytes in either direction.

pub mod body;
pub mod breakers;
pub mod check_record;
pub mod connect;
pub mod connections;
pub mod group;
pub mod group_places;
pub mod h1;
pub mod health;
pub mod io;
pub mod keeper;
pub mod latency;
pub mod local_groups;
pub mod member;
pub mod message_counts;
pub mod names;
pub mod observation;
pub mod permit;
pub mod policy_counts;
pub mod policy_groups;
pub mod pool;
pub mod pulse;
pub mod recruit;
pub mod retries;
pub mod roster;
pub mod select;
pub mod send;
pub mod slot;
pub mod sticky;
pub mod upstream;
