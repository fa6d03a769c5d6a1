//! What a reload of ten thousand routes costs, while requests come at their time. Printed, and held against what is promised.
//!
//! `WEIR_TEST_PROGRAM=target/release/weir cargo test -p weir --test program reload_figures -- --ignored --nocapture`

use std::fmt::Write;
use std::fs;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use weir_testkit::server::Server;

use super::admin::{Kept, admin};
use super::process::Running;
use super::scratch::Scratch;

/// Routes of the configuration, ten for each host.
const ROUTES: usize = 10_000;

/// Reloads that are measured.
const ROUNDS: usize = 40;

/// Requests in a second, from both clients together.
const RATE: u32 = 2000;

/// Every round another one of them changes, and a timeout.
fn config(round: usize, server: &Server) -> String {
    let mut text = format!(
        "listen: ['127.0.0.1:0']\nadmin: '127.0.0.1:0'\naccess_log: off\nworkers: 1\ntimeouts: {{idle: {}s}}\nservices:\n",
        60 + round
    );
    text.push_str("  - {host: '*', upstream: web}\n");
    for host in 0..ROUTES / 10 {
        let _ = write!(text, "  - host: host-{host}.test\n    routes:\n");
        for route in 0..9 {
            let marked = host == round && route == 0;
            let _ =
                writeln!(text, "      - {{path: /part-{route}, upstream: web, backend_server: {marked}}}");
        }
        text.push_str("      - {path: /, upstream: web}\n");
    }
    let _ = writeln!(text, "upstreams: {{web: {{servers: ['{server}']}}}}");
    text
}

/// Times of requests that were sent at their time, until it is over; one that is late counts from when it was due.
#[expect(clippy::disallowed_methods, reason = "it measures, and sends at a rate")]
fn client(address: SocketAddr, is_over: &AtomicBool) -> Vec<Duration> {
    let (mut client, begun, mut times) = (Kept::open(address), Instant::now(), Vec::new());
    let step = Duration::from_secs(1) / (RATE / 2);
    while !is_over.load(Ordering::Relaxed) {
        let due = begun + step * u32::try_from(times.len()).unwrap();
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        let (head, _) = client.ask("GET", "/");
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        times.push(due.elapsed());
    }
    times
}

/// Tells the clients that it is over, however it ends.
struct Over<'t>(&'t AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn percentile(times: &mut [Duration], share: f64) -> Duration {
    times.sort_unstable();
    times[((times.len() - 1) as f64 * share) as usize]
}

#[test]
#[ignore = "a figure: it wants a release and a quiet machine"]
#[expect(clippy::disallowed_methods, clippy::print_stdout, reason = "it measures, and tells")]
fn ten_thousand_routes_reload_within_their_time() {
    let server = Server::saying("ok");
    let scratch = Scratch::new("reload-figures");
    let file = scratch.file("weir.yaml", config(0, &server));
    let mut proxy = Running::start(&["run", "-c", &file]);
    let (address, listener) = proxy.addresses();
    let mut taken = [Vec::new(), Vec::new()];
    let mut latencies = Vec::new();
    for reloads in [false, true] {
        let is_over = AtomicBool::new(false);
        let mut times = std::thread::scope(|scope| {
            let clients: Vec<_> = (0..2).map(|_| scope.spawn(|| client(address, &is_over))).collect();
            // Also when this fails.
            let _over = Over(&is_over);
            let begun = Instant::now();
            for round in 1..=ROUNDS {
                if reloads {
                    fs::write(&file, config(round, &server)).unwrap();
                    let told = admin(listener, "POST", "/api/v1/reload");
                    assert_eq!(told["changes_total"], 3, "{told:#}");
                    for (all, key) in taken.iter_mut().zip(["took_seconds", "pause_seconds"]) {
                        all.push(Duration::from_secs_f64(told[key].as_f64().unwrap()));
                    }
                }
                std::thread::sleep(
                    (begun + Duration::from_millis(250) * u32::try_from(round).unwrap())
                        .saturating_duration_since(Instant::now()),
                );
            }
            is_over.store(true, Ordering::Relaxed);
            clients.into_iter().flat_map(|client| client.join().unwrap()).collect::<Vec<_>>()
        });
        let of = |times: &mut Vec<Duration>, share| percentile(times, share);
        latencies.push((
            times.len(),
            of(&mut times, 0.5),
            of(&mut times, 0.99),
            of(&mut times, 0.999),
            of(&mut times, 1.0),
        ));
    }
    let [took, pause] = &mut taken;
    println!("{ROUTES} routes, {ROUNDS} reloads, one worker, {RATE} requests in a second:");
    println!("  a reload took {:?} (median), {:?} (longest)", percentile(took, 0.5), percentile(took, 1.0));
    println!(
        "  a worker paused for {:?} (median), {:?} (longest)",
        percentile(pause, 0.5),
        percentile(pause, 1.0)
    );
    for ((count, median, p99, p999, most), name) in latencies.iter().zip(["without reloads", "with reloads"])
    {
        println!("  {count} requests {name}: p50 {median:?}, p99 {p99:?}, p99.9 {p999:?}, longest {most:?}");
    }
    if std::env::var_os("WEIR_TEST_PROGRAM").is_none() {
        // A debug build says nothing of a release.
        return;
    }
    assert!(percentile(took, 0.5) < Duration::from_millis(200), "a reload takes too long");
    assert!(percentile(pause, 1.0) < Duration::from_millis(1), "a worker stands still");
}
