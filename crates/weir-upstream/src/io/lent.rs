//! Heads that are lent by the thread for one exchange, with the memory of those before.

use std::cell::RefCell;
use std::ops::{Deref, DerefMut};

use weir_http::head::Head;

/// Heads a thread keeps.
const KEPT: usize = 128;

thread_local! {
    static FREE: RefCell<Vec<Head>> = const { RefCell::new(Vec::new()) };
}

/// An empty head that goes back to the thread when it is dropped.
#[derive(Debug)]
pub struct LentHead {
    head: Head,
}

impl LentHead {
    /// One of the thread's, or a new one.
    pub fn new() -> Self {
        Self { head: FREE.with_borrow_mut(Vec::pop).unwrap_or_default() }
    }
}

impl Default for LentHead {
    fn default() -> Self {
        Self::new()
    }
}

impl Deref for LentHead {
    type Target = Head;

    fn deref(&self) -> &Head {
        &self.head
    }
}

impl DerefMut for LentHead {
    fn deref_mut(&mut self) -> &mut Head {
        &mut self.head
    }
}

impl Drop for LentHead {
    fn drop(&mut self) {
        let mut head = std::mem::take(&mut self.head);
        head.clear();
        // While a thread ends its list may be gone already; then the memory is simply freed.
        let _ = FREE.try_with(|free| {
            let mut free = free.borrow_mut();
            if free.len() < KEPT {
                free.push(head);
            }
        });
    }
}
