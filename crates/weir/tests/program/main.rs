//! The program as a person meets it: its real command line, exit codes, signals and words.
//!
//! Nothing sleeps and no port is fixed: a test waits for a line that the program prints, and reads addresses from it.

#![allow(clippy::unwrap_used)]

mod admin;
mod admin_listener;
mod bad_input;
mod browser;
mod cert;
mod check;
mod connections;
mod dashboard;
mod demo;
mod descriptors;
mod duplicate;
mod duplicate_catches_up;
mod endurance;
mod explain;
mod faults;
mod footprint;
mod hedge;
mod help;
mod idle_connections;
mod inventory;
mod kill;
mod lifetime;
mod load;
mod logs;
mod members;
mod memory;
mod memory_returns;
mod mixture;
mod mock;
mod policy;
mod process;
mod prometheus;
mod queue;
mod race;
mod reload;
mod reload_figures;
mod reload_load;
mod scratch;
mod screen;
mod slow_clients;
mod stall;
mod status;
mod systemd;
mod testssl;
mod tls_to_servers;
mod top;
mod upgrade;
mod upstreams;
mod websocket;
mod write_back;
