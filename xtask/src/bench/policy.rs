//! `bench policy`: how many packets of policy groups the proxy brings to servers in a second, and how long one takes.
//!
//! Nobody else does this, so what counts are figures; beside them stands a relay that does the least that this can cost. The proxy has one core, with one thread that serves;
//! servers and clients share the other one. Connections to servers are opened for each packet, as servers of old expect it, but in the lines
//! whose servers have registered with `"keep": true`; the relay knows nothing of that.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::{Value, json};

use super::child::{self, Running};
use super::peer;
use super::report;
use crate::workspace;

/// The proxy's core, and that of servers and clients.
const CORES: (usize, usize) = (0, 1);

/// How to measure.
#[derive(Args)]
#[command(after_help = "Example: cargo xtask bench policy --rounds 7")]
pub(crate) struct Options {
    /// Rounds; the table shows their medians.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// Seconds of each line in each round.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=600))]
    seconds: u32,
    /// Only lines whose name holds this, as `checked`.
    #[arg(long)]
    only: Option<String>,
    /// Print all figures as JSON.
    #[arg(long)]
    json: bool,
}

/// One thing that is measured.
struct Line {
    name: &'static str,
    servers: u32,
    clients: u32,
    kept: bool,
    /// Whether connections to servers are used again too.
    servers_keep: bool,
    per_second: Option<u32>,
    goal: Goal,
}

/// What a line shall be.
#[derive(Clone, Copy)]
enum Goal {
    /// So many packets in a second.
    PerSecond(f64),
    /// 99 of 100 within so many milliseconds.
    P99(f64),
    /// So much of a core.
    Core(f64),
}

/// Packets over connections of clients, and of servers, that are kept or not.
const fn packets(
    name: &'static str,
    (kept, servers_keep): (bool, bool),
    per_second: Option<u32>,
    goal: Goal,
) -> Line {
    Line { name, servers: 6, clients: 16, kept, servers_keep, per_second, goal }
}

const LINES: [Line; 9] = [
    packets("a connection for each packet", (false, false), None, Goal::PerSecond(12_000.0)),
    packets("kept connections", (true, false), None, Goal::PerSecond(24_000.0)),
    packets("a connection for each, 6,000 in a second", (false, false), Some(6_000), Goal::P99(5.0)),
    packets("kept connections, 12,000 in a second", (true, false), Some(12_000), Goal::P99(5.0)),
    packets("a connection for each, servers keep theirs", (false, true), None, Goal::PerSecond(12_000.0)),
    packets("kept connections, servers keep theirs", (true, true), None, Goal::PerSecond(24_000.0)),
    packets(
        "a connection for each, servers keep, 6,000 in a second",
        (false, true),
        Some(6_000),
        Goal::P99(5.0),
    ),
    packets("kept connections, servers keep, 12,000 in a second", (true, true), Some(12_000), Goal::P99(5.0)),
    Line {
        name: "1,000 servers are checked",
        servers: 1_000,
        clients: 0,
        kept: false,
        servers_keep: false,
        per_second: None,
        goal: Goal::Core(0.1),
    },
];

/// Who brings packets to servers.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Between {
    Weir,
    Relay,
}

impl Between {
    const ALL: [Self; 2] = [Self::Weir, Self::Relay];

    fn name(self) -> &'static str {
        match self {
            Self::Weir => "weir",
            Self::Relay => "relay",
        }
    }
}

/// One line in one round.
#[derive(Clone, Copy)]
struct Sample {
    line: usize,
    between: Between,
    per_second: f64,
    p50_us: f64,
    p99_us: f64,
    /// CPU time of the proxy for one packet, in microseconds.
    cpu_us: f64,
    core_share: f64,
}

/// Measures, and prints what came out. False when a run had errors.
///
/// # Errors
/// When something can't be built or started.
pub(crate) fn run(options: &Options) -> Result<bool> {
    child::end_all_on_signal()?;
    ["weir", "xtask"].into_iter().try_for_each(peer::build)?;
    let directory = workspace::target_directory().join("bench");
    fs::create_dir_all(&directory).with_context(|| format!("cannot make `{}`", directory.display()))?;
    let (mut samples, mut is_valid) = (Vec::new(), true);
    for round in 1..=options.rounds {
        for ((number, line), between) in
            LINES.iter().enumerate().flat_map(|it| Between::ALL.map(|who| (it, who)))
        {
            let is_wanted = options.only.as_ref().is_none_or(|part| line.name.contains(part));
            if !is_wanted || between == Between::Relay && (line.clients == 0 || line.servers_keep) {
                continue;
            }
            // Another one each time: the servers of one line are gone in the next, and would be asked and checked all the same.
            let proxy = start(between, &directory)?;
            let (sample, troubles) = measure(number, between, options.seconds, &proxy)?;
            drop(proxy);
            let Sample { per_second, p50_us, p99_us, cpu_us, core_share, .. } = sample;
            eprintln!(
                "round {round}  {:<5} {}: {per_second:.0} in a second, p50 {p50_us:.0} µs, p99 {p99_us:.0} µs, {cpu_us:.1} µs \
                 for one, {:.0} % of a core{}",
                between.name(),
                line.name,
                core_share * 100.0,
                troubles.iter().map(|trouble| format!("  ERROR {trouble}")).collect::<String>(),
            );
            is_valid &= troubles.is_empty();
            samples.push(sample);
        }
    }
    match options.json {
        true => println!("{:#}", to_json(&samples, is_valid)),
        false => print(&samples),
    }
    Ok(is_valid)
}

/// The proxy or the relay on its core, and where it listens.
fn start(between: Between, directory: &Path) -> Result<(Running, SocketAddr)> {
    let release = workspace::target_directory().join("release");
    let mut command = match between {
        Between::Weir => {
            let file = directory.join("policy.yaml");
            let text = "workers: 1\nadmin: off\nlisten: [{address: '127.0.0.1:0', protocol: policy, timeouts: {idle: 1m}}]\n";
            fs::write(&file, text)?;
            let mut command = Command::new(release.join("weir"));
            command.arg("run").arg("-c").arg(&file);
            command
        }
        Between::Relay => {
            let mut command = Command::new(release.join("xtask"));
            command.arg("policy-relay");
            command
        }
    };
    let log = directory.join("policy.log");
    command.stdin(Stdio::null()).stderr(fs::File::create(&log)?);
    let mut running = Running::start_on(CORES.0, &mut command)?;
    loop {
        let said = fs::read_to_string(&log)?;
        let address =
            said.split_once("listening address=").and_then(|(_, rest)| rest.split_whitespace().next());
        if let (Some(address), true) = (address, said.contains("started")) {
            return Ok((running, address.parse()?));
        }
        if let Some(how) = running.ended() {
            bail!("the proxy has ended ({how}): {said}");
        }
        child::pause();
    }
}

fn measure(
    number: usize,
    between: Between,
    seconds: u32,
    (proxy, address): &(Running, SocketAddr),
) -> Result<(Sample, Vec<String>)> {
    let line = &LINES[number];
    let mut command = Command::new(workspace::target_directory().join("release/xtask"));
    command.args(["policy-load", &address.to_string(), "--seconds", &seconds.to_string()]);
    command.args(["--servers", &line.servers.to_string(), "--clients", &line.clients.to_string()]);
    if line.kept {
        command.arg("--kept");
    }
    if line.servers_keep {
        command.arg("--servers-keep");
    }
    if let Some(per_second) = line.per_second {
        command.args(["--per-second", &per_second.to_string()]);
    }
    let mut load = Running::start_on(CORES.1, command.stdin(Stdio::piped()).stdout(Stdio::piped()))?;
    let ready = load.hear()?;
    if ready != "ready" {
        bail!("the load said `{ready}` and not `ready`");
    }
    let before = proxy.cpu_time()?;
    load.tell("go")?;
    let said: Value = serde_json::from_str(&load.hear()?).context("the load said something unknown")?;
    let used = proxy.cpu_time()?.saturating_sub(before);
    let figure = |name: &str| said[name].as_f64().unwrap_or(0.0);
    let (done, took) = (figure("done"), figure("seconds").max(f64::MIN_POSITIVE));
    let troubles = said["troubles"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let mut troubles: Vec<String> = troubles.map(str::to_owned).collect();
    if line.per_second.is_some_and(|wanted| done / took < f64::from(wanted) * 0.95) {
        troubles.push("there were fewer packets than wanted".to_owned());
    }
    let sample = Sample {
        line: number,
        between,
        per_second: done / took,
        p50_us: figure("p50_us"),
        p99_us: figure("p99_us"),
        cpu_us: if done > 0.0 { micros(used) / done } else { 0.0 },
        core_share: used.as_secs_f64() / took,
    };
    Ok((sample, troubles))
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

/// The median of a figure of a line; `None` where nothing was measured.
fn median(
    samples: &[Sample],
    (line, between): (usize, Between),
    figure: impl Fn(&Sample) -> f64,
) -> Option<f64> {
    let of_line = samples.iter().filter(|sample| (sample.line, sample.between) == (line, between));
    let mut figures: Vec<f64> = of_line.map(figure).collect();
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied()
}

fn print(samples: &[Sample]) {
    println!(
        "\n| policy groups | | packets/s | p50 ms | p99 ms | CPU µs for one | ÷ relay | of a core | goal | |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|");
    for ((number, line), between) in LINES.iter().enumerate().flat_map(|it| Between::ALL.map(|who| (it, who)))
    {
        let of = |figure: fn(&Sample) -> f64| median(samples, (number, between), figure);
        let (Some(per_second), Some(p50_us), Some(p99_us), Some(cpu_us), Some(core)) = (
            of(|it| it.per_second),
            of(|it| it.p50_us),
            of(|it| it.p99_us),
            of(|it| it.cpu_us),
            of(|it| it.core_share),
        ) else {
            continue;
        };
        let relay_us = median(samples, (number, Between::Relay), |it| it.cpu_us);
        let (goal, is_met) = match line.goal {
            Goal::PerSecond(least) => (format!("{least:.0} in a second"), per_second >= least),
            Goal::P99(most) => (format!("p99 under {most} ms"), p99_us < most * 1000.0),
            Goal::Core(most) => (format!("{:.0} % of a core", most * 100.0), core < most),
        };
        let verdict = match (between, is_met) {
            (Between::Relay, _) => "",
            (Between::Weir, true) => "met",
            (Between::Weir, false) => "MISSED",
        };
        println!(
            "| {} | {} | {per_second:.0} | {:.2} | {:.2} | {cpu_us:.1} | {} | {:.0} % | {goal} | {verdict} |",
            line.name,
            between.name(),
            p50_us / 1000.0,
            p99_us / 1000.0,
            relay_us.map_or_else(|| "–".to_owned(), |relay| format!("{:.2}", cpu_us / relay)),
            core * 100.0,
        );
    }
    println!("\n{}", report::machine().join("; "));
}

fn to_json(samples: &[Sample], is_valid: bool) -> Value {
    let lines = samples.iter().map(|sample| {
        json!({
            "line": LINES[sample.line].name, "between": sample.between.name(), "per_second": sample.per_second, "p50_us": sample.p50_us,
            "p99_us": sample.p99_us, "cpu_us": sample.cpu_us, "core_share": sample.core_share,
        })
    });
    json!({ "valid": is_valid, "samples": lines.collect::<Vec<_>>() })
}
