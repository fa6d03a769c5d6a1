//! Python pickles that hold plain data.
//!
//! A pickle is a program for a small machine, and some of its instructions import a name, call what it means or build an object
//! of it: loading one from a stranger is running his code. The reader here has no such instructions. It knows those that make
//! dictionaries, lists, tuples, texts, numbers, truth values and none, in every protocol, and refuses all others by name; so there
//! is nothing that could be called, and a pickle that is passed on holds nothing else either.

mod instruction;
mod line;
pub(crate) mod read;
mod stack;
pub(crate) mod write;
