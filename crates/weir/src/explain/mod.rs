//! Explaining a request: what it is once the proxy has read it, and what its routes make of it.
//!
//! [`request`] does to a written request what the stages before routing do to a real one; [`answer`] asks the route
//! table; [`text`] and [`json`] show the same answer to people and to programs, with [`beside`] for who gets copies of it.

pub(crate) mod answer;
pub(crate) mod beside;
pub(crate) mod json;
pub(crate) mod request;
pub(crate) mod text;
