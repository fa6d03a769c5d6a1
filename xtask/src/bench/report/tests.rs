//! Medians and ratios of made-up rounds.

#![allow(clippy::expect_used)]

use super::super::figures::{better, is_valid, judged, median};
use super::super::goal::Figure;
use super::super::load::Load;
use super::super::table::named;
use super::{Peer, Sample, Scenario, json};

fn goals(scenario: &Scenario, samples: &[Sample]) -> Vec<String> {
    judged(scenario, samples).iter().map(super::super::figures::Judged::text).collect()
}

fn scenario() -> &'static Scenario {
    named("tls-handshakes").expect("it is in the table")
}

fn sample(line: &'static str, peer: Peer, round: u32, cpu_us: f64) -> Sample {
    let load =
        Load { done: 1, per_second: 1.0, median_us: 1.0, p99_us: 1.0, in_commit: None, troubles: Vec::new() };
    Sample { peer, line, round, cpu_us, core_share: 1.0, resident: 3 << 20, held: None, asked: None, load }
}

#[test]
fn the_median_is_the_middle() {
    assert_eq!(median(&[]), None);
    assert_eq!(median(&[1.0, 2.0, 9.0]), Some(2.0));
    assert_eq!(median(&[1.0, 2.0, 4.0, 9.0]), Some(3.0));
}

#[test]
fn a_ratio_is_taken_within_each_round() {
    let full = |peer, round, cpu_us| sample("full", peer, round, cpu_us);
    let samples = [
        full(Peer::Weir, 1, 9.0),
        full(Peer::Nginx, 1, 12.0),
        full(Peer::Weir, 2, 9.0),
        full(Peer::Nginx, 2, 12.0),
        // A machine that was busy for a while was busy for both.
        full(Peer::Weir, 3, 90.0),
        full(Peer::Nginx, 3, 120.0),
        full(Peer::Weir, 4, 100.0),
        full(Peer::Nginx, 4, 12.0),
        full(Peer::Weir, 5, 9.0),
        full(Peer::Nginx, 5, 12.0),
    ];
    let report = json(scenario(), &samples, &[]);
    assert_eq!(report["medians"][0]["of_nginx"], 0.75);
    assert_eq!(report["medians"][0]["of_haproxy"], serde_json::Value::Null);
}

#[test]
fn lines_are_not_mixed() {
    let samples = [
        sample("full", Peer::Weir, 1, 75.0),
        sample("full", Peer::Nginx, 1, 100.0),
        sample("resumed", Peer::Weir, 1, 55.0),
        sample("resumed", Peer::Nginx, 1, 50.0),
        sample("full, X25519MLKEM768", Peer::Weir, 1, 90.0),
    ];
    assert_eq!(
        goals(scenario(), &samples),
        [
            "full: weir ÷ nginx: 0.75, wall at most 1.00: met, target at most 0.80: met",
            "resumed: weir ÷ nginx: 1.10, wall at most 1.00: MISSED, target at most 0.80: not yet",
        ]
    );
    let report = json(scenario(), &samples, &[]);
    let rows: Vec<_> = (0..5).map(|row| report["medians"][row]["cpu_us"].as_f64()).collect();
    assert_eq!(rows, [75.0, 100.0, 55.0, 50.0, 90.0].map(Some));
    assert!(goals(scenario(), &samples[..1]).is_empty(), "nobody to compare with");
}

#[test]
fn every_figure_has_its_own_goal() {
    let hedge = named("hedge").expect("it is in the table");
    let seen = |peer, p99_us, asked| {
        let mut sample = sample("GET", peer, 1, 9.0);
        (sample.load.p99_us, sample.asked) = (p99_us, Some(asked));
        sample
    };
    let samples = [seen(Peer::Weir, 12.0, 1.07), seen(Peer::Balance, 200.0, 1.0)];
    assert_eq!(
        goals(hedge, &samples),
        [
            "GET: p99, weir ÷ balance: 0.06, wall at most 0.20: met",
            "GET: requests at the servers, weir ÷ balance: 1.07, wall at most 1.06: MISSED",
        ]
    );
    let report = json(hedge, &samples, &[]);
    assert_eq!(report["medians"][0]["asked"], 1.07);
    assert_eq!(report["medians"][0]["of_balance"], 1.0);
}

#[test]
fn one_bad_round_makes_the_whole_invalid() {
    let good = sample("full", Peer::Weir, 1, 9.0);
    let mut bad = sample("full", Peer::Weir, 2, 9.0);
    bad.load.troubles.push("Socket errors".to_owned());
    assert!(is_valid(std::slice::from_ref(&good)));
    assert!(!is_valid(&[good, bad.clone()]));
    assert!(bad.text(scenario()).contains("INVALID"));
}

#[test]
fn what_is_done_in_a_second_shall_be_more() {
    let durable = named("durable").expect("it is in the table");
    let seen = |peer, per_second, in_commit| {
        let mut sample = sample("64 at a time", peer, 1, 9.0);
        (sample.load.per_second, sample.load.in_commit) = (per_second, Some(in_commit));
        sample
    };
    let samples = [seen(Peer::Store, 60.0, 33.4), seen(Peer::Sqlite, 100.0, 33.0)];
    assert_eq!(
        goals(durable, &samples),
        ["64 at a time: in a second, store ÷ sqlite: 0.60, wall at least 0.70: MISSED"]
    );
    let report = json(durable, &samples, &[]);
    assert_eq!(report["medians"][0]["in_commit"], 33.4);
    assert_eq!(report["medians"][0]["asked"], serde_json::Value::Null);
    assert!(samples[0].text(durable).contains("33.4 in a commit"));
}

#[test]
fn a_program_is_compared_with_in_its_better_configuration() {
    let full = |peer, round, cpu_us| sample("full", peer, round, cpu_us);
    let samples = [
        full(Peer::Weir, 1, 90.0),
        full(Peer::Nginx, 1, 120.0),
        full(Peer::NginxDefault, 1, 75.0),
        full(Peer::HaproxyDefault, 1, 180.0),
    ];
    assert_eq!(better(&samples, "full", Figure::Cpu, Peer::Nginx), Some(Peer::NginxDefault));
    assert_eq!(better(&samples, "full", Figure::Cpu, Peer::Haproxy), Some(Peer::HaproxyDefault), "alone");
    assert_eq!(better(&samples, "resumed", Figure::Cpu, Peer::Nginx), None);
    let report = json(scenario(), &samples, &[]);
    assert_eq!(report["medians"][0]["of_nginx"], 1.2);
    assert_eq!(report["medians"][0]["of_haproxy"], 0.5);
    assert_eq!(report["goals"][0]["met"], false);
    assert_eq!(
        goals(scenario(), &samples)[0],
        "full: weir ÷ nginx-default: 1.20, wall at most 1.00: MISSED, target at most 0.80: not yet"
    );
}
