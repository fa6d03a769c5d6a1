//! Stories of single requests.
