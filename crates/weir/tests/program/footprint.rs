//! What a running program takes of the machine, as the system tells it: memory, descriptors, processor time; and what it says itself.

#![allow(clippy::disallowed_methods, reason = "a program is watched from outside")]

use std::fs;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use super::process::{Running, answer, ask};

/// A part of a second in which the system counts processor time.
const TICK: Duration = Duration::from_millis(10);

/// How long a program has to give back what it needs no more, and how long its memory must have stood still then.
const SETTLES_WITHIN: Duration = Duration::from_secs(20);
const STANDS_STILL: Duration = Duration::from_secs(3);

/// Bytes of resident memory.
pub(crate) fn resident_bytes(program: &Running) -> usize {
    let status = fs::read_to_string(format!("/proc/{}/status", program.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let line = line.unwrap_or_else(|| panic!("the program has ended: {status}"));
    line.trim().trim_end_matches(" kB").trim().parse::<usize>().unwrap() * 1024
}

/// The same when they do not become fewer any more.
pub(crate) fn settled_bytes(program: &Running) -> usize {
    let begun = Instant::now();
    let mut least = (resident_bytes(program), begun);
    while least.1.elapsed() < STANDS_STILL && begun.elapsed() < SETTLES_WITHIN {
        std::thread::park_timeout(Duration::from_millis(200));
        let now = resident_bytes(program);
        if now < least.0 {
            least = (now, Instant::now());
        }
    }
    least.0
}

/// Open descriptors.
pub(crate) fn descriptors(program: &Running) -> usize {
    fs::read_dir(format!("/proc/{}/fd", program.id())).unwrap().count()
}

/// Open descriptors: those of pipes, which are two each, and all others.
pub(crate) fn pipes_and_others(program: &Running) -> (usize, usize) {
    let all = fs::read_dir(format!("/proc/{}/fd", program.id())).unwrap();
    // One may be closed while this looks.
    let targets = all.filter_map(|entry| fs::read_link(entry.unwrap().path()).ok());
    let (pipes, others): (Vec<_>, Vec<_>) =
        targets.partition(|target| target.to_string_lossy().starts_with("pipe:"));
    (pipes.len(), others.len())
}

/// Processor time of all its threads so far, its own and the system's.
pub(crate) fn processor_time(program: &Running) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{}/stat", program.id())).unwrap();
    // Behind the name of the program, which may hold anything: the state, and eleven more before these two.
    let (_, rest) = stat.rsplit_once(") ").unwrap();
    let ticks: u32 = rest.split(' ').skip(11).take(2).map(|field| field.parse::<u32>().unwrap()).sum();
    TICK * ticks
}

/// What a program says of itself under this name, over all labels.
pub(crate) fn metric(admin: SocketAddr, name: &str) -> u64 {
    let page = answer(ask(admin, "localhost", "/metrics"));
    let values = page.lines().filter(|line| line.starts_with(name) && !line.starts_with('#'));
    values.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
}

/// Lets this process, and those that it starts, have as many descriptors as there may be.
///
/// # Panics
/// When that is fewer.
pub(crate) fn allow_many_descriptors(count: usize) {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    assert!(most as usize >= count, "this machine allows a program {most} files");
    setrlimit(Resource::RLIMIT_NOFILE, most, most).unwrap();
}
