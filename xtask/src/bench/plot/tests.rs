//! What is drawn of made-up rounds.

#![allow(clippy::unwrap_used)]

use super::super::load::Load;
use super::super::table::named;
use super::{Peer, Sample, charts, svg};

fn sample(line: &'static str, peer: Peer, cpu_us: f64, held: Option<f64>) -> Sample {
    let load =
        Load { done: 1, per_second: 1.0, median_us: 1.0, p99_us: 1.0, in_commit: None, troubles: Vec::new() };
    Sample { peer, line, round: 1, cpu_us, core_share: 1.0, resident: 1, held, asked: None, load }
}

fn kept_alive(peer: Peer, cpu_us: f64) -> Sample {
    sample("kept alive", peer, cpu_us, None)
}

#[test]
fn walls_of_several_peers_stand_in_one_measure() {
    let samples = [
        kept_alive(Peer::Relay, 5.0),
        kept_alive(Peer::Weir, 9.0),
        kept_alive(Peer::Nginx, 10.0),
        kept_alive(Peer::NginxDefault, 35.0),
        kept_alive(Peer::Haproxy, 20.0),
    ];
    let charts = charts(named("small").unwrap(), &samples);
    let [chart] = charts.as_slice() else { panic!("{charts:?}") };
    assert_eq!(chart.title, "small · kept alive · CPU time, nginx is 1");
    assert_eq!(chart.bars.iter().map(|bar| bar.length).collect::<Vec<_>>(), [0.9, 0.5, 1.0, 3.5, 2.0]);
    assert_eq!(chart.walls, [0.85, 1.5], "three quarters of what is twice as much");
    assert_eq!(chart.words[2], ("target ≤ 1.15 × relay: not yet".to_owned(), false), "no wall");
}

#[test]
fn what_counts_for_nothing_says_so() {
    let mut samples = [kept_alive(Peer::Weir, 9.0), kept_alive(Peer::Nginx, 10.0)];
    samples[1].load.troubles.push("Socket errors".to_owned());
    let title = &charts(named("small").unwrap(), &samples)[0].title;
    assert!(title.ends_with(": NOT VALID"), "{title}");
}

#[test]
fn a_figure_by_itself_is_drawn_beside_its_wall() {
    let silent = |peer, held| sample("silent", peer, 1.0, Some(held));
    let samples = [silent(Peer::Weir, 4.5), silent(Peer::Haproxy, 1.5)];
    let charts = charts(named("idle").unwrap(), &samples);
    assert_eq!(charts[0].title, "idle · silent · KiB held for each connection");
    assert_eq!((charts[0].bars[0].length, charts[0].walls[0]), (1.5, 1.0));
    assert_eq!(charts[0].bars[0].label, "4.50");
    assert_eq!(charts[0].words[0], ("wall ≤ 3.00: missed".to_owned(), true));
    assert_eq!(charts[0].words[1], ("target ≤ 1.00 × haproxy: not yet".to_owned(), false));
}

#[test]
fn a_number_is_not_crossed_by_a_wall() {
    let bar = super::Bar { peer: Peer::Weir, length: 0.5, label: "0.50".to_owned() };
    let at = |walls: &[f64]| {
        let label = bar.draw(0.0, walls).pop().unwrap();
        label.split('"').nth(1).unwrap().parse::<f64>().unwrap()
    };
    let pixels = |pixels: f64| 0.5 + pixels / super::UNIT;
    let free = at(&[]);
    assert!((at(&[0.2, pixels(100.0)]) - free).abs() < 0.2, "before the end, and far behind it");
    assert!((at(&[pixels(30.0)]) - free - 30.0).abs() < 0.2);
    assert!((at(&[pixels(60.0), pixels(30.0)]) - free - 60.0).abs() < 0.2, "one behind the other");
}

#[test]
fn the_drawing_is_well_formed_and_nothing_runs_over_its_edge() {
    let samples =
        [kept_alive(Peer::Weir, 90.0), kept_alive(Peer::Nginx, 10.0), kept_alive(Peer::Haproxy, 9.0)];
    let svg = svg(&charts(named("small").unwrap(), &samples), "a < machine & its kernel");
    assert!(svg.contains("a &lt; machine &amp; its kernel"));
    assert_eq!(svg.matches("<text").count(), svg.matches("</text>").count());
    assert!(svg.contains(">9.00<"), "a bar that is cut says how long it is");
    let widths =
        svg.split(" width=\"").skip(2).filter_map(|rest| rest.split('"').next()?.parse::<f64>().ok());
    assert!(widths.filter(|width| *width < super::WIDTH).all(|width| width <= super::MOST * super::UNIT));
}
