//! What must hold for every entry, and how rounds are judged.

use super::{Bound, Figure, Generator, Mode, Peer, Protocol, SCENARIOS, Servers, named};

#[test]
fn the_table_holds_together() {
    for scenario in &SCENARIOS {
        assert!(named(scenario.name).is_some_and(|found| std::ptr::eq(found, scenario)));
        assert!(!scenario.lines.is_empty(), "{}", scenario.name);
        for line in scenario.lines {
            let ours = |peer: &Peer| matches!(peer, Peer::Weir | Peer::Store);
            assert!(line.peers.iter().any(ours), "{}: {}", scenario.name, line.name);
            let listen = !matches!(line.generator, Generator::Writes(_));
            assert!(line.peers.iter().all(|peer| peer.listens() == listen), "{}", line.name);
            let same = scenario.lines.iter().filter(|other| other.name == line.name).count();
            assert_eq!(same, 1, "the report tells lines apart by name: {}", line.name);
            for goal in line.goals {
                assert!(line.peers.contains(&goal.ours) && ours(&goal.ours));
                let Some(peer) = goal.peer else { continue };
                assert!(line.peers.contains(&peer) && !ours(&peer));
                let strict = [goal.wall, goal.target]
                    .into_iter()
                    .flatten()
                    .any(|bound| matches!(bound, Bound::AtMost(bound) if bound < 1.0));
                let own = matches!(peer, Peer::Balance | Peer::Sqlite | Peer::Relay) || goal.wall.is_none();
                assert!(strict || own, "others are beaten: {}", scenario.name);
                assert!(goal.wall.is_some() || goal.target.is_some(), "{}", scenario.name);
                assert!(goal.figure != Figure::Asked || scenario.servers != Servers::One, "nobody counts");
            }
            let others = [Peer::Relay, Peer::Nginx, Peer::Haproxy];
            let alone = !line.peers.iter().any(|peer| others.contains(peer));
            assert!(
                alone || matches!(scenario.servers, Servers::One | Servers::Sink),
                "the others are told of one server"
            );
            let beside_itself = !matches!(scenario.mode, Mode::Balance | Mode::Durable | Mode::Checks);
            assert_eq!(line.peers.contains(&Peer::Balance), beside_itself);
            let tls = scenario.protocol == Protocol::Tls;
            assert!(
                tls || !matches!(line.generator, Generator::Handshakes(_)),
                "a handshake needs TLS: {}",
                scenario.name
            );
            assert!(!tls || !line.peers.contains(&Peer::Relay), "{}", scenario.name);
        }
    }
    assert!(named("tls").is_none());
}

#[test]
fn requests_at_the_servers_are_as_many_as_the_mode_says() {
    let right = |name: &str, peer, asked| {
        named(name).is_some_and(|scenario| scenario.trouble_with(peer, asked).is_none())
    };
    assert!(right("race3", Peer::Weir, 2.98) && !right("race3", Peer::Weir, 2.9));
    assert!(right("race3", Peer::Balance, 1.0) && !right("race3", Peer::Balance, 3.0));
    assert!(right("durable", Peer::Weir, 2.0) && !right("durable", Peer::Weir, 1.0));
    assert!(right("hedge", Peer::Weir, 1.5));
    assert!(right("mirror", Peer::Weir, 0.01) && !right("mirror", Peer::Weir, 0.0), "no copies");
    assert!(right("mirror", Peer::Balance, 0.0) && !right("mirror", Peer::Balance, 0.01));
}
