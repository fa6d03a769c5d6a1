//! Which service and which route a request belongs to.

mod rule;

pub use rule::{FieldRule, HostPattern, PathPattern, QueryRule, RouteRule};
