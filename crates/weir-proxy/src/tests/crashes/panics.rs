//! Panics of this thread, whoever catches them. Most assertions of the simulation are made inside of tasks that nobody waits for
//! any more when the process dies, or below the product's own guard against panics: each is seen here all the same.

use std::cell::Cell;
use std::panic;
use std::sync::Once;

thread_local! {
    static SEEN: Cell<usize> = const { Cell::new(0) };
}

/// Panics of this thread from now on are counted.
pub(super) fn watch() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            SEEN.set(SEEN.get() + 1);
            usual(panic);
        }));
    });
    SEEN.set(0);
}

/// How many there were.
pub(super) fn seen() -> usize {
    SEEN.get()
}

#[test]
fn what_is_caught_is_seen() {
    watch();
    let caught = panic::catch_unwind(|| panic!("as a task does"));
    assert!(caught.is_err());
    assert_eq!(seen(), 1);
    watch();
    assert_eq!(seen(), 0);
}
