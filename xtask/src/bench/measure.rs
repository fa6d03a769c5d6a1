//! `bench`: the one measuring loop.
//!
//! One proxy at a time has one core; the server and the load generator share the other. CPU time and not throughput is
//! what is compared, because it does not depend on how fast the others are. All peers run in one run, in turn, in an
//! order that moves on each round, because a machine is never equally fast for long.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser as _};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use rustls::client::Resumption;
use rustls::pki_types::CertificateDer;
use serde_json::{Value, json};

use super::answer;
use super::callers;
use super::certificate;
use super::checks;
use super::child::{self, Running};
use super::figures;
use super::handshakes;
use super::hosts;
use super::idle;
use super::load::{Load, Method, Order};
use super::log;
use super::mode::Mode;
use super::offer::{self, Agreed, Group, Trust};
use super::peer::{self, Peer, Protocol};
use super::plot;
use super::report::{self, Entry};
use super::sample::Sample;
use super::scenario::{Generator, Line, Scenario};
use super::servers;
use super::store;
use super::table;
use super::template;
use super::wrk;
use crate::packages::{self, Need};
use crate::workspace;

/// Programs of others, from Debian.
const NEEDS: [Need; 3] = [
    Need { program: "nginx", package: "nginx" },
    Need { program: "haproxy", package: "haproxy" },
    Need { program: "wrk", package: "wrk" },
];

/// The proxy's core.
const PROXY_CORE: usize = 0;
/// The core of the server and of the load generator.
const OTHER_CORE: usize = 1;

/// Connections that make a peer warm, if the scenario has as many.
const WARM_CONNECTIONS: u32 = 64;

/// A load average of the last minute above which others disturb the measurement.
const BUSY: f64 = 0.7;

/// How to measure.
#[derive(Args)]
#[command(after_help = "Example: cargo xtask bench small 64k 1m --rounds 7 --seconds 3 --only weir,nginx")]
pub(crate) struct Options {
    /// What to measure; without any, everything.
    #[arg(value_name = "SCENARIO", value_parser = PossibleValuesParser::new(table::values()).try_map(|name| table::named(&name).ok_or(name)))]
    scenarios: Vec<&'static Scenario>,
    /// Rounds; the table shows their medians.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// Seconds that each peer runs in each round, for each line of the report.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=600))]
    seconds: u32,
    /// Connections at once, other than the scenario says.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=20_000))]
    connections: Option<u32>,
    /// Only these, separated by commas.
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Peer>,
    /// Print all figures as JSON on stdout; progress goes to stderr.
    #[arg(long)]
    json: bool,
    /// Draw the figures beside the others' and the walls as bars, into this file (SVG).
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,
    /// Afterwards, record where Weir spends its time with `perf`, into this file; with several lines, one file for each.
    #[arg(long, value_name = "FILE")]
    profile: Option<PathBuf>,
}

impl Options {
    /// What is measured, in the order of the table.
    fn scenarios(&self) -> Vec<&'static Scenario> {
        let wanted = |scenario: &&Scenario| {
            self.scenarios.is_empty() || self.scenarios.iter().any(|one| one.name == scenario.name)
        };
        table::SCENARIOS.iter().filter(wanted).collect()
    }

    /// Who takes part.
    fn peers(&self, scenario: &Scenario) -> Vec<Peer> {
        let wanted = |peer: &Peer| self.only.is_empty() || self.only.contains(peer);
        Peer::ALL.into_iter().filter(|peer| wanted(peer) && scenario.takes(*peer)).collect()
    }
}

/// What the measurement runs in.
struct Bench<'o> {
    options: &'o Options,
    scenario: &'static Scenario,
    directory: PathBuf,
    wrk: wrk::Files,
}

/// A peer that listens.
struct Started {
    peer: Peer,
    running: Running,
    /// Where, if it listens.
    address: Option<SocketAddr>,
    /// What came of a handshake with what the load generators offer, and of one with everything.
    agreed: Option<[Agreed; 2]>,
    /// Memory that it had when it was warm, in bytes.
    warm: u64,
}

/// What a run of a load was.
struct Run {
    load: Load,
    /// CPU time that the peer used.
    used: Duration,
    /// Memory that it had at the end of it, in bytes.
    resident: u64,
}

/// Measures. False when a round was not valid.
pub(crate) fn run(options: &Options) -> Result<bool> {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    if cores < 2 {
        bail!("this machine has one core, the measurement needs two");
    }
    child::end_all_on_signal()?;
    open_many_files()?;
    packages::ensure(&NEEDS)?;
    let scenarios = options.scenarios();
    for scenario in &scenarios {
        // Somebody who takes no part is a slip of whoever asked for one scenario, and none of whoever asked for all.
        if options.peers(scenario).is_empty() && !options.scenarios.is_empty() {
            bail!("none of these takes part in `{}`", scenario.name);
        }
    }
    build(options, &scenarios)?;
    let directory = workspace::target_directory().join("bench");
    fs::create_dir_all(&directory).with_context(|| format!("cannot make `{}`", directory.display()))?;
    if let Some(load) = report::load_average().filter(|load| *load > BUSY) {
        eprintln!("warning: others use this machine (load average {load}): the figures will be worth less");
    }
    let (mut reports, mut charts) = (Vec::new(), Vec::new());
    for scenario in scenarios {
        let peers = options.peers(scenario);
        if peers.is_empty() {
            continue;
        }
        let bench = Bench { options, scenario, directory: directory.clone(), wrk: wrk::Files::default() };
        let (samples, entries) = bench.measure(&peers)?;
        if !options.json {
            report::print(scenario, &samples, &entries);
        }
        charts.extend(plot::charts(scenario, &samples));
        reports.push((figures::is_valid(&samples), report::json(scenario, &samples, &entries)));
    }
    let valid = reports.iter().all(|(valid, _)| *valid);
    if options.json {
        let scenarios: Vec<Value> = reports.into_iter().map(|(_, report)| report).collect();
        println!("{}", json!({ "valid": valid, "scenarios": scenarios }));
    }
    if let Some(file) = &options.plot {
        let svg = plot::svg(&charts, &report::machine().join("; "));
        fs::write(file, svg).with_context(|| format!("cannot write `{}`", file.display()))?;
    }
    if !valid {
        eprintln!("error: rounds with errors count for nothing: the measurement is not valid");
    }
    Ok(valid)
}

/// Thousands of connections are as many files for whoever has them; what is started later inherits this.
fn open_many_files() -> Result<()> {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, most, most).context("cannot open as many files as the system allows")
}

/// Builds what takes part of this project, once for all scenarios.
fn build(options: &Options, scenarios: &[&Scenario]) -> Result<()> {
    let mut packages = Vec::new();
    for scenario in scenarios {
        packages.extend(scenario.lines.iter().filter_map(|line| line.generator.package()));
        packages.extend(options.peers(scenario).into_iter().filter_map(Peer::package));
        packages.extend(scenario.servers.package());
    }
    packages.sort_unstable();
    packages.dedup();
    packages.into_iter().try_for_each(peer::build)
}

impl Bench<'_> {
    fn connections(&self) -> u32 {
        self.options.connections.unwrap_or(self.scenario.connections)
    }

    fn measure(mut self, peers: &[Peer]) -> Result<(Vec<Sample>, Vec<Entry>)> {
        let (scenario, rounds, seconds) = (self.scenario, self.options.rounds, self.options.seconds);
        let certificate = self.prepare_tls()?;
        self.prepare_bodies()?;
        self.prepare_disk()?;
        let mut servers = scenario.servers.start(OTHER_CORE, &self.directory, scenario.answer)?;
        let mut started = Vec::new();
        for &peer in peers {
            started.push(self.start(peer, servers.addresses(), certificate.as_ref())?);
        }
        let runs: usize = scenario
            .lines
            .iter()
            .map(|line| peers.iter().filter(|peer| line.peers.contains(peer)).count())
            .sum();
        let time = (seconds * rounds + 1) * u32::try_from(runs).unwrap_or(u32::MAX);
        let connections = self.connections();
        eprintln!(
            "{}: {} peers, {rounds} rounds of {seconds} s, {connections} connections: about {time} s",
            scenario.name,
            peers.len(),
        );
        for one in &mut started {
            let peer = one.peer;
            for line in scenario.lines.iter().filter(|line| line.peers.contains(&peer)) {
                // Opens connections and touches the memory that stays in use.
                self.load(one, line, (1, WARM_CONNECTIONS), None, |_| Ok(()))?;
            }
            one.warm = one.running.resident();
        }
        servers.rest()?;
        let entries = started.iter().map(|one| Entry { peer: one.peer, agreed: one.agreed }).collect();
        let mut samples = Vec::new();
        for round in 1..=rounds {
            for line in scenario.lines {
                for one in started.iter_mut().filter(|one| line.peers.contains(&one.peer)) {
                    let in_commit = samples.iter().rev().find_map(|sample: &Sample| {
                        sample
                            .load
                            .in_commit
                            .filter(|_| sample.peer == Peer::Store && sample.line == line.name)
                    });
                    let sample = self.measure_one(one, &mut servers, line, round, in_commit)?;
                    eprintln!("{}", sample.text(scenario));
                    samples.push(sample);
                }
            }
            started.rotate_left(1);
        }
        if let Some(file) = &self.options.profile {
            self.profile(&mut started, file)?;
        }
        Ok((samples, entries))
    }

    /// Makes the certificate, and makes sure of what `wrk` offers.
    fn prepare_tls(&mut self) -> Result<Option<CertificateDer<'static>>> {
        let scenario = self.scenario;
        if scenario.protocol == Protocol::Plain {
            return Ok(None);
        }
        if scenario.lines.iter().any(|line| matches!(line.generator, Generator::Wrk(_))) {
            let file = template::write("openssl.cnf", &self.directory, &[], &[])?;
            wrk::check_offer(OTHER_CORE, &file)?;
            self.wrk.tls = Some(file);
        }
        certificate::make(&self.directory).map(Some)
    }

    /// Writes what `wrk` sends, if it is not one head.
    fn prepare_bodies(&mut self) -> Result<()> {
        let mut methods = self.scenario.lines.iter().filter_map(|line| line.generator.method());
        self.wrk.script = match methods.find(|method| *method != Method::Get) {
            Some(Method::GetOfHosts) => {
                let (count, routes) = (hosts::HOSTS.to_string(), hosts::ROUTES.to_string());
                let blanks = [("@COUNT@", &*count), ("@ROUTES@", &*routes)];
                Some(template::write("hosts.lua", &self.directory, &[], &blanks)?)
            }
            Some(method) => {
                let body = method.body().unwrap_or_default();
                Some(template::write("post.lua", &self.directory, &[], &[("@BODY@", &*body)])?)
            }
            None => None,
        };
        Ok(())
    }

    /// Makes sure that what is to be durable is, and forgets what earlier runs left behind.
    fn prepare_disk(&self) -> Result<()> {
        if self.scenario.mode == Mode::Durable {
            eprintln!("the files are on {}", store::file_system(&self.directory)?);
            let state = self.directory.join("state");
            if state.exists() {
                fs::remove_dir_all(&state).with_context(|| format!("cannot remove `{}`", state.display()))?;
            }
        }
        Ok(())
    }

    /// Starts a peer and makes sure that it answers as the server does, with a certificate to the name in it.
    fn start(
        &self,
        peer: Peer,
        servers: &[SocketAddr],
        certificate: Option<&CertificateDer<'static>>,
    ) -> Result<Started> {
        let scenario = self.scenario;
        let answer = scenario.answer;
        let mut words = vec![scenario.protocol.word(), scenario.servers.word()];
        words.extend(answer.words());
        words.extend(scenario.mode_of(peer).words());
        words.extend(scenario.words);
        // Two workers need two cores, one of which they share with the server and the load generator.
        let pair = scenario.mode_of(peer) == Mode::Pair;
        let cores: &[usize] = if pair { &[PROXY_CORE, OTHER_CORE] } else { &[PROXY_CORE] };
        let (running, address) = peer.start(cores, &self.directory, servers, &words)?;
        if pair {
            running.spread(cores)?;
        }
        let agreed = match (address, certificate) {
            (None, _) => None,
            (Some(address), None) => {
                answer::check(peer.name(), answer::connect(address)?, answer)?;
                None
            }
            (Some(address), Some(certificate)) => {
                let ask = |group| {
                    let trust = Trust::Only(certificate.clone());
                    let config = Arc::new(offer::client(group, trust, Resumption::disabled())?);
                    let (stream, agreed) =
                        offer::connect(address, &config).with_context(|| format!("with {}", peer.name()))?;
                    answer::check(peer.name(), stream, answer)?;
                    Ok::<_, anyhow::Error>(agreed)
                };
                Some([ask(Some(Group::X25519))?, ask(None)?])
            }
        };
        Ok(Started { peer, running, address, agreed, warm: 0 })
    }

    /// Runs the load of a line against a peer, and says how much CPU time that took. `begins` is called when all is prepared;
    /// `in_commit` is how many writes became durable at once when the queue was asked last.
    fn load(
        &self,
        one: &mut Started,
        line: &Line,
        (seconds, connections): (u32, u32),
        in_commit: Option<f64>,
        begins: impl FnOnce(&Running) -> Result<()>,
    ) -> Result<Run> {
        let Started { peer, running, address, .. } = one;
        let order = || {
            let address = address.with_context(|| format!("{} does not listen", peer.name()))?;
            Ok::<_, anyhow::Error>(Order {
                address,
                connections: connections.min(self.connections()),
                seconds,
            })
        };
        let log = self.log(*peer);
        log.iter().try_for_each(|file| log::empty(file))?;
        let mut held = None;
        let begin = |running: &Running| {
            begins(running)?;
            running.cpu_time()
        };
        let (before, mut load) = match line.generator {
            Generator::Wrk(method) => (begin(running)?, wrk::run(OTHER_CORE, &order()?, method, &self.wrk)?),
            Generator::Callers(method, per_second) => {
                let prepared = callers::prepare(OTHER_CORE, &order()?, method, per_second)?;
                (begin(running)?, prepared.run()?)
            }
            Generator::Idle => {
                let before = begin(running)?;
                let idle = idle::hold(OTHER_CORE, &order()?)?;
                held = Some(running.resident());
                (before, idle.end()?)
            }
            Generator::Connections => {
                let prepared = callers::prepare_to_reconnect(OTHER_CORE, &order()?)?;
                (begin(running)?, prepared.run()?)
            }
            Generator::Checks => (begin(running)?, checks::watch(&order()?)?),
            Generator::Handshakes(kind) => {
                let prepared = handshakes::prepare(OTHER_CORE, &order()?, kind)
                    .with_context(|| format!("with {}, {}", peer.name(), line.name))?;
                (begin(running)?, prepared.run()?)
            }
            Generator::Writes(writes) => {
                store::prepare(running, writes.of(*peer == Peer::Sqlite, in_commit), seconds)?;
                (begin(running)?, store::run(running)?)
            }
        };
        if let Some(file) = &log {
            load.troubles.extend(log::trouble(file, load.done)?);
            log::empty(file)?;
        }
        let used = running.cpu_time()?.saturating_sub(before);
        let resident = held.unwrap_or_else(|| running.resident());
        if let Generator::Writes(_) = line.generator {
            store::clean(running)?;
        }
        Ok(Run { load, used, resident })
    }

    /// Where the peer writes a log, if it does.
    fn log(&self, peer: Peer) -> Option<PathBuf> {
        self.scenario.words.contains(&"log").then(|| log::file(&self.directory, peer))
    }

    #[expect(clippy::cast_precision_loss, reason = "counts of requests stay far below 2^52")]
    fn measure_one(
        &self,
        one: &mut Started,
        servers: &mut servers::Started,
        line: &'static Line,
        round: u32,
        in_commit: Option<f64>,
    ) -> Result<Sample> {
        let (scenario, seconds) = (self.scenario, self.options.seconds);
        let mut before = None;
        let warm = one.warm;
        let Run { mut load, used, resident } =
            self.load(one, line, (seconds, u32::MAX), in_commit, |_| {
                before = servers.requests()?;
                Ok(())
            })?;
        let used = used.as_secs_f64();
        // At its end each connection has a request on its way, which the servers have got and the load generator does not count.
        let sent = load.done + u64::from(self.connections());
        let got = servers.requests()?.zip(before).map(|(after, before)| after.saturating_sub(before));
        let asked = got.map(|got| got as f64 / sent as f64).filter(|_| one.peer.listens());
        load.troubles.extend(asked.and_then(|asked| scenario.trouble_with(one.peer, asked)));
        servers.rest()?;
        let copies = scenario.copies_of(one.peer);
        Ok(Sample {
            peer: one.peer,
            line: line.name,
            round,
            cpu_us: used * 1e6 / (load.done.max(1) * u64::from(copies)) as f64,
            core_share: used / f64::from(seconds),
            resident,
            held: (line.generator == Generator::Idle)
                .then(|| resident.saturating_sub(warm) as f64 / 1024.0 / load.done.max(1) as f64),
            asked,
            load,
        })
    }

    /// One more run of Weir for each line under `perf record`.
    fn profile(&self, started: &mut [Started], file: &Path) -> Result<()> {
        let weir = started
            .iter_mut()
            .find(|one| one.peer == Peer::Weir)
            .context("`--profile` needs weir among the peers")?;
        let (scenario, seconds) = (self.scenario, self.options.seconds);
        for line in scenario.lines.iter().filter(|line| line.peers.contains(&Peer::Weir)) {
            let mut file = file.to_owned().into_os_string();
            if scenario.lines.len() > 1 {
                file.push(format!(".{}", line.name.replace(", ", "-")));
            }
            let mut recording = None;
            self.load(weir, line, (seconds, u32::MAX), None, |running| {
                let mut perf = Command::new("perf");
                perf.args(["record", "--quiet", "--call-graph", "fp", "--output"]).arg(&file);
                perf.args(["--pid", &running.id().to_string(), "--", "sleep", &seconds.to_string()]);
                recording = Some(Running::start_on(OTHER_CORE, perf.stdout(Stdio::piped()))?);
                Ok(())
            })?;
            if let Some(recording) = recording {
                recording.output()?;
            }
            eprintln!("{}: `perf report --input {}` shows it", line.name, Path::new(&file).display());
        }
        Ok(())
    }
}
