//! Which service and which route a request belongs to.
//!
//! [`RouteTable`] is built once from the checked configuration. [`RouteTable::find`] answers for a request,
//! [`RouteTable::explain`] for a person. How hosts are chosen stands in `hosts`, the order of the routes of a service in
//! `service`, and what one route asks in `rule`. Nothing here decides what a route then does.

mod explain;
mod host;
mod hosts;
mod path;
mod prefixes;
mod query;
mod rule;
mod service;
mod table;
mod texts;

pub use explain::{Explanation, RouteVerdict, ServiceMatch, Verdict};
pub use host::{HostPattern, HostPatternError};
pub use path::{PathPattern, PathPatternError};
pub use query::{Fields, NoFields, RouteQuery};
pub use rule::{FieldRule, Mismatch, QueryRule, RouteRule};
pub use table::{Found, RouteTable};
