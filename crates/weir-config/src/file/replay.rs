//! `replay`: how much of a request's body is kept so that more than one server can have it (semantics.md §2.5).

use crate::model::Replay;

use super::describe::Presence::Default as Unless;
use super::kind::{Mapped, OrWord};
use super::scalar::SizeIn;
use super::table::{Field, Kept, Table};

const GIB: u64 = 1 << 30;

fn to_usize(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

/// `replay`
pub(crate) static REPLAY: Table<Replay> = Table {
    name: "replay",
    doc: "How much of a request's body is kept so that it can be sent to more than one server. Modes that need all of it \
          (`duplicate`, `race`, `majority`) answer 413 beyond that; the others go on without another copy.",
    fields: &[
        Field {
            name: "memory",
            presence: Unless("256KiB"),
            value: &Kept(
                Mapped(SizeIn { min: 16 << 10, max: GIB }, to_usize),
                |replay: &mut Replay, bytes| replay.memory_bytes = bytes,
            ),
            doc: "In memory, of each request, from `16KiB` to `1GiB`; what is larger goes on in a file.",
        },
        Field {
            name: "disk",
            presence: Unless("1GiB"),
            value: &Kept(
                OrWord("off", SizeIn { min: 1 << 20, max: 1 << 40 }),
                |replay: &mut Replay, bytes| replay.disk_bytes = bytes,
            ),
            doc: "In a file under `state`, of each request, from `1MiB` to `1TiB`; or `off`. The file has no name and is gone with \
                  its request.",
        },
        Field {
            name: "total",
            presence: Unless("64MiB"),
            value: &Kept(
                Mapped(SizeIn { min: 1 << 20, max: 1 << 40 }, to_usize),
                |replay: &mut Replay, bytes| replay.total_bytes = bytes,
            ),
            doc: "In memory, of all requests together, from `1MiB` to `1TiB`; when it is used up, files are used at once.",
        },
    ],
    within: None,
    later: &[],
    note: None,
};
