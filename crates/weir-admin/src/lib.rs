//! The admin listener: health, readiness, metrics and status.
//!
//! It runs on the control thread and on hyper, apart from the data plane: a fault in the one must not hide the other. It
//! reads through the port [`StatusSource`](weir_core::ports::StatusSource), changes queues of writes through
//! [`QueueSource`](weir_core::ports::queue::QueueSource) and members of upstreams through
//! [`MemberControl`](weir_core::ports::members::MemberControl), and knows nothing of how a proxy works.
//! There is no password: it is meant for the loopback interface, and the guard keeps web pages from reaching it there.

mod comparison;
mod guard;
mod metrics;
mod parameters;
mod problem;
mod queue_routes;
pub mod queues;
mod reload_routes;
mod routes;
mod server;
mod upstream_routes;
mod upstreams;

pub use server::Controls;
pub use server::{serve, serve_controlled, serve_metrics, serve_named};
