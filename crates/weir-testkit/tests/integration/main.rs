//! The whole proxy, through real sockets: one binary, one file per theme.
//!
//! Tests whose names begin with `semantics_1_3` are about that sentence of `semantics.md`.

#![allow(clippy::unwrap_used)]

mod actions;
mod admit_addresses;
mod admit_concurrency;
mod admit_rates;
mod agreement;
mod attempts;
mod authentication;
mod balance;
mod balance_keys;
mod balance_observed;
mod balance_sticky;
mod bodies;
mod bodies_too_large;
mod certificates;
mod compare;
mod connection;
mod copied_bodies;
mod departure;
mod disagreement;
mod drain;
mod duplicate;
mod duplicate_order;
mod durable;
mod eject;
mod exhaustion;
mod fields;
mod forwarded;
mod found;
mod garbage;
mod health;
mod hedge;
mod host;
mod https_only;
mod interim;
mod leases;
mod left_behind;
mod length;
mod limits;
mod majority;
mod members;
mod mirror;
mod old_versions;
mod openssl;
mod panic;
mod path;
mod programs;
mod proxy_protocol;
mod race;
mod records;
mod retries;
mod sending;
mod slow_start;
mod split;
mod state_directory;
mod statuses;
mod timeouts;
mod tls_front;
mod tls_to_servers;
mod upgrade_names;
mod upstream_connections;
mod upstream_limits;
mod websocket;
