//! `bench small`: CPU time per request with small answers.
//!
//! One proxy at a time has one core; the server and the load generator share the other. CPU time and not throughput is
//! what is compared, because it does not depend on how fast the others are. All peers run in one run, in turn, in an
//! order that moves on each round, because a machine is never equally fast for long.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use clap::Args;

use super::child::{self, Running};
use super::load;
use super::peer::{self, Peer};
use super::report::{self, Sample};
use crate::packages::{self, Need};
use crate::workspace;

/// Programs of others, from Debian.
const NEEDS: [Need; 3] = [
    Need { program: "nginx", package: "nginx" },
    Need { program: "haproxy", package: "haproxy" },
    Need { program: "wrk", package: "wrk" },
];

/// 127 bytes, the size that all earlier figures were measured with.
const BODY: &str = "The whole answer of the server behind every proxy of this measurement: \
                    exactly one hundred and twenty-seven bytes of plain text";
const _: () = assert!(BODY.len() == 127, "the size of the answer is part of the measurement");

/// The proxy's core.
const PROXY_CORE: usize = 0;
/// The core of the server and of the load generator.
const OTHER_CORE: usize = 1;

/// A load average of the last minute above which others disturb the measurement.
const BUSY: f64 = 0.7;

/// How to measure.
#[derive(Args)]
pub(crate) struct Options {
    /// Rounds; the table shows their medians.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// Seconds that each peer runs in each round.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=600))]
    seconds: u32,
    /// Kept-alive connections.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=1000))]
    connections: u32,
    /// Only these, separated by commas.
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Peer>,
    /// Print all figures as JSON on stdout; progress goes to stderr.
    #[arg(long)]
    json: bool,
    /// Afterwards, record where Weir spends its time with `perf`, into this file.
    #[arg(long, value_name = "FILE")]
    profile: Option<PathBuf>,
}

/// A peer that listens.
struct Started {
    peer: Peer,
    running: Running,
    address: SocketAddr,
}

/// Measures. False when a round was not valid.
pub(crate) fn run(options: &Options) -> Result<bool> {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    if cores < 2 {
        bail!("this machine has one core, the measurement needs two");
    }
    child::end_all_on_signal()?;
    packages::ensure(&NEEDS)?;
    let peers: Vec<Peer> =
        Peer::ALL.into_iter().filter(|peer| options.only.is_empty() || options.only.contains(peer)).collect();
    peers.iter().try_for_each(|peer| peer.build())?;
    let directory = workspace::target_directory().join("bench");
    fs::create_dir_all(&directory).with_context(|| format!("cannot make `{}`", directory.display()))?;
    if let Some(load) = report::load_average().filter(|load| *load > BUSY) {
        eprintln!("warning: others use this machine (load average {load}): the figures will be worth less");
    }
    let samples = measure(options, &peers, &directory)?;
    if options.json {
        println!("{}", report::json(&samples));
    } else {
        report::print(&samples);
    }
    let valid = report::is_valid(&samples);
    if !valid {
        eprintln!("error: rounds with errors count for nothing: the measurement is not valid");
    }
    Ok(valid)
}

fn measure(options: &Options, peers: &[Peer], directory: &Path) -> Result<Vec<Sample>> {
    let (_server, upstream) = peer::start_server(OTHER_CORE, directory, BODY)?;
    let mut started = Vec::new();
    for &peer in peers {
        let (running, address) = peer.start(PROXY_CORE, directory, upstream, BODY)?;
        started.push(Started { peer, running, address });
    }
    let time = (options.seconds * options.rounds + 1) * u32::try_from(peers.len()).unwrap_or(u32::MAX);
    eprintln!(
        "{} peers, {} rounds of {} s, {} connections, answers of {} bytes: about {time} s",
        peers.len(),
        options.rounds,
        options.seconds,
        options.connections,
        BODY.len(),
    );
    for one in &started {
        // Opens connections and touches the memory that stays in use.
        load::run(OTHER_CORE, &one.address.to_string(), options.connections, 1)?;
    }
    let mut samples = Vec::new();
    for round in 1..=options.rounds {
        for one in &started {
            let sample = measure_one(one, round, options)?;
            eprintln!("{}", sample.line());
            samples.push(sample);
        }
        started.rotate_left(1);
    }
    if let Some(file) = &options.profile {
        profile(&started, options, file)?;
    }
    Ok(samples)
}

#[expect(clippy::cast_precision_loss, reason = "counts of requests stay far below 2^52")]
fn measure_one(one: &Started, round: u32, options: &Options) -> Result<Sample> {
    let before = one.running.cpu_time()?;
    let load = load::run(OTHER_CORE, &one.address.to_string(), options.connections, options.seconds)?;
    let used = one.running.cpu_time()?.saturating_sub(before).as_secs_f64();
    Ok(Sample {
        peer: one.peer,
        round,
        cpu_us: used * 1e6 / load.requests.max(1) as f64,
        core_share: used / f64::from(options.seconds),
        load,
    })
}

/// One more run of Weir under `perf record`.
fn profile(started: &[Started], options: &Options, file: &Path) -> Result<()> {
    let weir = started
        .iter()
        .find(|one| one.peer == Peer::Weir)
        .context("`--profile` needs weir among the peers")?;
    let mut perf = Command::new("perf");
    perf.args([
        "record",
        "--quiet",
        "--call-graph",
        "fp",
        "--pid",
        &weir.running.id().to_string(),
        "--output",
    ]);
    perf.arg(file).args(["--", "sleep", &options.seconds.to_string()]).stdout(Stdio::piped());
    let recording = Running::start_on(OTHER_CORE, &mut perf)?;
    load::run(OTHER_CORE, &weir.address.to_string(), options.connections, options.seconds)?;
    recording.output()?;
    eprintln!("recorded; `perf report --input {}` shows it", file.display());
    Ok(())
}
