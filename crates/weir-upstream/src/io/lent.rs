//! Heads that are lent by the thread for one exchange, with the memory of those before.
//!
//! One that is waited for has no memory yet: while hundreds of answers are on their way, the few that are just here take turns
//! with the same memory, which so stays in the caches.

use std::cell::RefCell;
use std::ops::{Deref, DerefMut};

use weir_http::head::Head;

/// Heads a thread keeps.
const KEPT: usize = 128;

thread_local! {
    // Boxed, because a pointer is lent and given back in a few instructions, a whole head is not.
    #[expect(clippy::vec_box, reason = "moving a head costs more than following a pointer")]
    static FREE: RefCell<Vec<Box<Head>>> = const { RefCell::new(Vec::new()) };
}

/// What those are taken for that nothing was written to.
static EMPTY: Head = Head::new();

/// A head that is lent when it is first written to, and goes back to the thread when it is dropped.
#[derive(Debug, Default)]
pub struct LentHead {
    head: Option<Box<Head>>,
}

impl LentHead {
    /// An empty one.
    #[inline]
    pub fn new() -> Self {
        Self::default()
    }
}

/// One of the thread's, or a new one.
#[inline(never)]
fn lend() -> Box<Head> {
    FREE.with_borrow_mut(Vec::pop).unwrap_or_default()
}

impl Deref for LentHead {
    type Target = Head;

    #[inline]
    fn deref(&self) -> &Head {
        self.head.as_deref().unwrap_or(&EMPTY)
    }
}

impl DerefMut for LentHead {
    #[inline]
    fn deref_mut(&mut self) -> &mut Head {
        if self.head.is_none() {
            self.head = Some(lend());
        }
        self.head.as_mut().expect("it has just been lent")
    }
}

impl Drop for LentHead {
    #[inline]
    fn drop(&mut self) {
        let Some(mut head) = self.head.take() else { return };
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
