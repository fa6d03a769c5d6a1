//! Maps from the hosts and paths of a configuration to what stands behind them.
//!
//! With thousands of hosts, what a request looks up is in no cache, and each piece of memory that it has to wait for costs as much
//! as a good part of its parsing. So a text of usual length lies in the map itself, and not behind a pointer.
//!
//! The hash is a fast one, and not one that withstands chosen keys: clients choose what is looked up, but only the
//! configuration puts anything in.

use std::collections::HashMap;

pub(super) use foldhash::fast::RandomState;
use smallvec::SmallVec;

/// A host or a path. Most are shorter than this many bytes; the others cost one more look into memory.
type Text = SmallVec<[u8; 24]>;

/// From texts to `V`. `S` is another hasher in tests that count lookups.
pub(super) type TextMap<V, S = RandomState> = HashMap<Text, V, S>;
