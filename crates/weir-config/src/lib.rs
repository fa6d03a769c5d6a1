//! What the user wrote becomes a checked model; every problem at once, with its place and a hint.
//!
//! The way of a file: `yaml` (text → tree with places) → `environment` (`${…}` in scalars) → `file` (tree → typed
//! values, strict keys) → `check` (names looked up, contradictions found) → [`model`]. No step stops at its first
//! problem. serde is not used: it stops at the first error, and loses places where a key may be a text or a mapping.
//!
//! The tables of fields in `file` also make the JSON Schema ([`schema()`]) and `docs/configuration.md` ([`reference()`]).

pub mod address;
pub mod commandline;
pub mod inventory;
pub mod model;
pub mod quantity;
pub mod rewrite;

mod check;
mod complaint;
mod effective;
mod environment;
mod file;
mod load;
mod node;
mod problem;
mod reference;
mod report;
mod schema;
mod source;
mod suggest;
mod yaml;

pub use commandline::{balance, strategy};
pub use complaint::Complaint;
pub use load::{LoadError, Loaded, load, parse};
pub use problem::{Problem, Severity};
pub use reference::reference;
pub use report::Report;
pub use schema::schema;
pub use source::{Position, Source, Span};
