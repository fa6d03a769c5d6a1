//! Two ledgers over one store: the one of a process that ends, and the one of a process that follows it.

use super::super::super::Company;
use super::*;

/// A server may have a backlog in the other ledger, which this one does not know (`semantics.md` §3.2).
#[test]
fn one_that_waits_sends_nothing_and_has_all_of_it_afterwards() {
    let mut bench = Bench::new(QueueLimits::default());
    bench.ledger.set_company(Company::Waits, seconds(0));
    let gates = bench.ledger.configure(&["a:1", "b:1", "c:1"], seconds(0));
    assert!(gates.iter().all(|gate| gate.is_closed()), "also that of a new one");
    let (mine, live) = bench.accept();
    assert!(live.is_empty(), "{live:?}");
    assert_eq!(bench.next(), Next::Nothing);
    let targets = [(A, None, seconds(0)), (B, Some(Burial::Expired), seconds(0))].into_iter().collect();
    let theirs = Sequence(mine.0 + 7);
    bench.ledger.restore(Restored { sequence: theirs, accepted: seconds(0), bytes: 100, targets });
    bench.ledger.set_company(Company::Alone, seconds(1));
    bench.now = seconds(1);
    for (server, sequence) in [(A, mine), (A, theirs), (B, mine)] {
        assert_eq!(bench.next(), Next::Deliver { server, sequence, failures: 0 });
        if server == A {
            bench.finish(sequence, server, OK);
        }
    }
    bench.finish(mine, B, OK);
    assert!(gates.iter().all(|gate| !gate.is_closed()));
    let (last, live) = bench.accept();
    assert!(last > theirs && live == [A, B], "{last} {live:?}");
}

#[test]
fn no_number_of_a_server_is_given_away_in_company() {
    let mut bench = Bench::new(QueueLimits::default());
    for (company, expected) in [(Company::Delivers, 2), (Company::Waits, 3), (Company::Alone, 0)] {
        bench.ledger.set_company(company, seconds(0));
        drop(bench.ledger.configure(&["a:1"], seconds(0)));
        let new = format!("{expected}:1");
        let gates = bench.ledger.configure(&[&new], seconds(0));
        assert_eq!(gates[0].server(), ServerId(expected), "{company:?}");
        // Nothing is kept for anybody: alone, the first number is free.
        drop(gates);
        drop(bench.ledger.configure(&[], seconds(0)));
    }
}
