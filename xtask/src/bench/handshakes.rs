//! New connections: the load generator for handshakes, and what it says.
//!
//! No other one was found that resumes sessions, says so, and can be told what to offer. It is a program of its own, so that it
//! can be given a core; blocking threads are good enough, because only the CPU time of the peer counts. It checks neither
//! the certificate nor the signature, which would take its core from the server that it shares it with.

use std::io::{self, BufRead, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use clap::Args;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ClientSessionMemoryCache, Resumption};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, HandshakeKind, SignatureScheme};
use serde_json::{Value, json};

use super::child::Running;
use super::load::{Load, Order};
use super::offer::{self, Group, SUITE, Trust};
use super::peer;

/// What the program says when it could begin.
const READY: &str = "ready";

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Args)]
pub(crate) struct Kind {
    /// Resume a session of an earlier connection; otherwise each handshake is a full one.
    #[arg(long)]
    pub(crate) resumed: bool,
    /// The only key exchange that is offered.
    #[arg(long, value_enum)]
    pub(crate) group: Group,
}

/// The command line of the program.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The peer.
    address: SocketAddr,
    #[command(flatten)]
    kind: Kind,
    /// Connections at once.
    #[arg(long)]
    connections: u32,
    /// How long.
    #[arg(long)]
    seconds: u32,
}

/// The program, started and prepared.
pub(crate) struct Prepared {
    running: Running,
    kind: Kind,
}

/// Starts the program on one core. When this is back it has the tickets it needs and waits for its start.
///
/// # Errors
/// When the peer cannot be spoken with.
pub(crate) fn prepare(core: usize, order: &Order, kind: Kind) -> Result<Prepared> {
    let mut program = Command::new(peer::release("xtask"));
    program.arg("handshakes").arg(order.address.to_string()).args(["--group", kind.group.word()]);
    program.args(["--connections", &order.connections.to_string(), "--seconds", &order.seconds.to_string()]);
    if kind.resumed {
        program.arg("--resumed");
    }
    let mut running = Running::start_on(core, program.stdin(Stdio::piped()).stdout(Stdio::piped()))?;
    let word = running.hear()?;
    if word != READY {
        bail!("the load generator for handshakes said `{word}` and not `{READY}`");
    }
    Ok(Prepared { running, kind })
}

impl Prepared {
    /// Runs it to its end.
    ///
    /// # Errors
    /// When it says something unknown.
    pub(crate) fn run(mut self) -> Result<Load> {
        self.running.tell("go")?;
        let text = self.running.output()?;
        parse(&text, self.kind).with_context(|| format!("the load generator said something unknown:\n{text}"))
    }
}

fn parse(text: &str, wanted: Kind) -> Option<Load> {
    let said: Value = serde_json::from_str(text).ok()?;
    let count = |name: &str| said[name].as_u64();
    let (full, resumed, failed) = (count("full")?, count("resumed")?, count("failed")?);
    let (done, others) = if wanted.resumed { (resumed, full) } else { (full, resumed) };
    let mut troubles = Vec::new();
    if failed > 0 {
        troubles.push(format!("{failed} connections failed, the first: {}", said["failure"].as_str()?));
    }
    if others > 0 {
        let (is, not) = if wanted.resumed { ("full", "resumed") } else { ("resumed", "full") };
        troubles.push(format!("{others} of {} handshakes were {is} and not {not}", done + others));
    }
    if done == 0 {
        troubles.push("no handshake was of the kind that is measured".to_owned());
    }
    Load::said(&said, done, troubles)
}

/// The program itself: prepares, says so, waits for a line, and opens connections until the time is over.
///
/// # Errors
/// When the first connections fail.
pub(crate) fn serve(options: &Options) -> Result<()> {
    let prepared = (0..options.connections).map(|_| prepare_one(options)).collect::<Result<Vec<_>>>()?;
    println!("{READY}");
    io::stdin().lock().read_line(&mut String::new())?;
    let start = now();
    let end = start + Duration::from_secs(options.seconds.into());
    let mut all = Seen::default();
    std::thread::scope(|scope| {
        let threads: Vec<_> = prepared
            .iter()
            .map(|config| scope.spawn(move || one_after_the_other(options, config, end)))
            .collect();
        for thread in threads {
            match thread.join() {
                Ok(seen) => all.add(seen),
                Err(_) => all.failures.push("a thread panicked".to_owned()),
            }
        }
    });
    println!("{}", all.json(now() - start));
    Ok(())
}

/// What one thread offers. Each has tickets of its own, and with `resumed` the first of them already.
fn prepare_one(options: &Options) -> Result<Arc<ClientConfig>> {
    let resumption = if options.kind.resumed {
        Resumption::store(Arc::new(ClientSessionMemoryCache::new(1)))
    } else {
        Resumption::disabled()
    };
    let trust = Trust::Verifier(Arc::new(Anybody));
    let config = Arc::new(offer::client(Some(options.kind.group), trust, resumption)?);
    exchange(options, &config)?;
    Ok(config)
}

fn one_after_the_other(options: &Options, config: &Arc<ClientConfig>, end: Instant) -> Seen {
    let mut seen = Seen::default();
    let mut begun = now();
    while begun < end {
        let outcome = exchange(options, config);
        let done = now();
        match outcome {
            Ok(HandshakeKind::Resumed) => seen.resumed += 1,
            Ok(HandshakeKind::Full) => seen.full += 1,
            Ok(kind) => seen.failures.push(format!("a handshake of the kind {kind:?}")),
            Err(error) => seen.failures.push(format!("{error:#}")),
        }
        seen.times.push(done - begun);
        begun = done;
    }
    seen
}

/// Connects, sends one request, reads its answer and everything behind it, and closes.
fn exchange(options: &Options, config: &Arc<ClientConfig>) -> Result<HandshakeKind> {
    let (mut stream, agreed) = offer::connect(options.address, config)?;
    if agreed.suite != SUITE || agreed.group != options.kind.group.named() {
        bail!("agreed on {agreed}");
    }
    stream.write_all(REQUEST)?;
    let mut answer = [0; 4096];
    let mut length = 0;
    loop {
        match stream.read(answer.get_mut(length..).unwrap_or_default()) {
            Ok(0) => break,
            Ok(count) => length += count,
            // Whether an end is announced is not what is measured here.
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => break,
            Err(error) => return Err(error.into()),
        }
    }
    if !answer.starts_with(b"HTTP/1.1 200 ") {
        return Err(anyhow!("an answer that is no 200: {:.60?}", String::from_utf8_lossy(&answer[..length])));
    }
    Ok(agreed.kind)
}

#[expect(clippy::disallowed_methods, reason = "a load generator is a clock; nothing of the proxy runs here")]
fn now() -> Instant {
    Instant::now()
}

/// What one thread saw.
#[derive(Debug, Default)]
struct Seen {
    full: u64,
    resumed: u64,
    failures: Vec<String>,
    times: Vec<Duration>,
}

impl Seen {
    fn add(&mut self, other: Self) {
        self.full += other.full;
        self.resumed += other.resumed;
        self.failures.extend(other.failures);
        self.times.extend(other.times);
    }

    fn json(mut self, time: Duration) -> Value {
        self.times.sort_unstable();
        let last = self.times.len().saturating_sub(1);
        let microseconds = |percent: usize| {
            self.times.get(last * percent / 100).map_or(0.0, |time| time.as_secs_f64() * 1e6)
        };
        json!({
            "full": self.full, "resumed": self.resumed, "failed": self.failures.len(),
            "failure": self.failures.first(), "seconds": time.as_secs_f64(),
            "p50_us": microseconds(50), "p99_us": microseconds(99),
        })
    }
}

/// Takes every certificate for good.
#[derive(Debug)]
struct Anybody;

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General("TLS 1.2 is not offered".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ECDSA_NISTP256_SHA256]
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::time::Duration;

    use super::{Group, Kind, Seen, parse};

    const FULL: Kind = Kind { resumed: false, group: Group::X25519 };
    const RESUMED: Kind = Kind { resumed: true, group: Group::X25519 };

    fn said(full: u64, resumed: u64, failures: &[&str]) -> String {
        let failures = failures.iter().map(ToString::to_string).collect();
        let times = (1..=100).map(Duration::from_micros).collect();
        Seen { full, resumed, failures, times }.json(Duration::from_secs(2)).to_string()
    }

    #[test]
    fn a_good_run_is_read() {
        let load = parse(&said(0, 1000, &[]), RESUMED).unwrap();
        assert_eq!((load.done, load.per_second), (1000, 500.0));
        assert_eq!((load.median_us, load.p99_us), (50.0, 99.0));
        assert!(load.troubles.is_empty());
        assert!(parse(&said(1000, 0, &[]), FULL).unwrap().troubles.is_empty());
    }

    #[test]
    fn a_run_of_another_kind_is_refused() {
        let troubles = |text: &str, kind| parse(text, kind).unwrap().troubles.join("; ");
        assert_eq!(troubles(&said(1, 999, &[]), RESUMED), "1 of 1000 handshakes were full and not resumed");
        assert_eq!(troubles(&said(999, 1, &[]), FULL), "1 of 1000 handshakes were resumed and not full");
        assert!(troubles(&said(1000, 0, &[]), RESUMED).contains("no handshake"));
        assert!(troubles(&said(0, 0, &[]), FULL).contains("no handshake"));
    }

    #[test]
    fn failures_make_a_run_worthless() {
        let load = parse(&said(10, 0, &["reset", "refused"]), FULL).unwrap();
        assert_eq!(load.troubles, ["2 connections failed, the first: reset"]);
    }

    #[test]
    fn what_is_unknown_is_not_guessed() {
        assert_eq!(parse("", FULL), None);
        assert_eq!(parse("{}", FULL), None);
        assert_eq!(parse(r#"{"full": 1, "resumed": 0, "failed": 0}"#, FULL), None, "the time is missing");
    }
}
