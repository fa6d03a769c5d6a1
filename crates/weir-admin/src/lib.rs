//! The admin listener: health, readiness, metrics and status.
//!
//! It runs on the control thread and on hyper, apart from the data plane: a fault in the one must not hide the other. It
//! reads through the port [`StatusSource`](weir_core::ports::StatusSource), changes queues of writes through
//! [`QueueSource`](weir_core::ports::queue::QueueSource), members of upstreams through
//! [`MemberControl`](weir_core::ports::members::MemberControl) and levels of the log through
//! [`LogControl`](weir_core::ports::log::LogControl), lets the program be replaced through
//! [`UpgradeControl`](weir_core::ports::upgrade::UpgradeControl), and knows nothing of how a proxy works.
//! On the loopback interface it has no password, and the guard keeps web pages from reaching it there; beyond it, it has a token.

mod access;
mod certificates;
mod comparison;
mod configuration;
mod connections;
mod dashboard;
mod events;
mod failures;
mod guard;
mod history;
mod live;
mod log_routes;
mod metrics;
mod parameters;
mod problem;
mod queue_routes;
pub mod queues;
mod reload_routes;
mod routes;
mod server;
mod site;
mod socket;
mod sources;
mod table;
mod upgrade_route;
mod upstream_routes;
mod upstreams;
mod visitors;

pub use access::{Admission, Door};
pub use server::{serve, serve_metrics};
pub use socket::Socket;
pub use sources::Sources;
