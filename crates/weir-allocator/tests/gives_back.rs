//! A worker that had answered two thousand uploads held 500 MiB from then on, because mimalloc gives pages back when it is next asked
//! for some, and nobody asked.

#![expect(clippy::print_stdout, reason = "a test without a harness says itself that it was run")]

use std::fs;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const PIECE_BYTES: usize = 16 * 1024;
const PIECES: usize = 8 * 1024;

/// Resident memory, in KiB.
fn resident_kib() -> usize {
    let status = fs::read_to_string("/proc/self/status").expect("the system tells of the process");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("its memory is told");
    line.split_whitespace().nth(1).and_then(|count| count.parse().ok()).expect("it is a number")
}

fn main() {
    let before_kib = resident_kib();
    let pieces: Vec<Vec<u8>> = (0..PIECES).map(|_| vec![1; PIECE_BYTES]).collect();
    let held_kib = resident_kib() - before_kib;
    assert!(held_kib > PIECES * PIECE_BYTES / 1024 / 2, "nothing was measured: {held_kib} KiB held");
    drop(pieces);
    let kept_kib = resident_kib().saturating_sub(before_kib);
    weir_allocator::give_back();
    let left_kib = resident_kib().saturating_sub(before_kib);
    assert!(left_kib < held_kib / 8, "{left_kib} of {held_kib} KiB are kept");
    println!("{left_kib} of {held_kib} KiB are left of {kept_kib}");
}
