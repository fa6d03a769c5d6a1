//! Ten thousand TCP checks in a second on one thread.
//!
//! `cargo test --release -p weir-upstream ten_thousand -- --ignored --nocapture` prints what they cost.
#![allow(clippy::print_stdout)]

use std::net::{Ipv4Addr, TcpListener};

use super::*;

const SERVERS: usize = 10_000;
const TIME: Duration = Duration::from_secs(5);

/// User and system time of this thread.
fn processor_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
    // Behind the name, which may have spaces: utime and stime are the 14th and 15th field, in hundredths of a second.
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
    let hundredths: u64 = fields[11..13].iter().map(|field| field.parse::<u64>().unwrap()).sum();
    Duration::from_millis(hundredths * 10)
}

/// One listener is ten thousand servers, because all of 127.0.0.0/8 is this machine. It accepts on a thread of its own, as
/// servers are elsewhere.
fn servers() -> Vec<Arc<Server>> {
    let listener = TcpListener::bind("0.0.0.0:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || listener.incoming().for_each(drop));
    let address = |number: usize| {
        let [.., high, low] = number.to_be_bytes();
        SocketAddr::from((Ipv4Addr::new(127, 1, high, low), port))
    };
    (1..=SERVERS).map(|number| server(address(number))).collect()
}

#[test]
#[ignore = "measures: run it alone, in release"]
fn ten_thousand_checks_in_a_second_take_at_most_a_core() {
    let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default()).unwrap();
    runtime.block_on(async {
        let servers = servers();
        let mut checker = checker(HealthCheck { jitter: 0.1, ..check_of(Probe::Tcp) });
        checker.follow(&servers);
        let count = || -> [u64; 4] {
            let mut sum = [0; 4];
            for by_outcome in servers.iter().map(|server| server.checks.by_outcome()) {
                sum.iter_mut().zip(by_outcome).for_each(|(sum, count)| *sum += count);
            }
            sum
        };
        let mut watch = async |time: Duration| {
            let _ = tokio::time::timeout(time, async {
                loop {
                    checker.found().await;
                }
            })
            .await;
        };
        // Until everybody had the first one and the second ones are spread.
        watch(2 * SECOND).await;
        let (before, begun, processor) = (count(), now(), processor_time());
        watch(TIME).await;
        let (after, took, processor) = (count(), now() - begun, processor_time() - processor);
        let passed = after[0] - before[0];
        let a_second = passed as f64 / took.as_secs_f64();
        let cores = processor.as_secs_f64() / took.as_secs_f64();
        let each = processor.as_secs_f64() * 1e6 / passed as f64;
        println!(
            "{a_second:.0} checks a second, {cores:.2} of a core, {each:.1} µs each; not passed: {:?}",
            &after[1..]
        );
        // The one thread that accepts for all of them may be late; no check is lost for that.
        let not_passed: u64 = after[1..].iter().sum();
        assert!(not_passed * 1000 <= passed, "{not_passed} did not pass");
        assert!(a_second >= SERVERS as f64, "{a_second:.0} checks a second");
        assert!(cores <= 1.0, "{cores:.2} of a core");
    });
}
