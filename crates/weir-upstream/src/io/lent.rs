//! Heads that are lent by the thread for one exchange, with the memory of those before.

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

/// An empty head that goes back to the thread when it is dropped.
#[derive(Debug)]
pub struct LentHead {
    /// `None` only while it is dropped.
    head: Option<Box<Head>>,
}

impl LentHead {
    /// One of the thread's, or a new one.
    #[inline]
    pub fn new() -> Self {
        Self { head: Some(FREE.with_borrow_mut(Vec::pop).unwrap_or_default()) }
    }
}

impl Default for LentHead {
    fn default() -> Self {
        Self::new()
    }
}

impl Deref for LentHead {
    type Target = Head;

    #[inline]
    fn deref(&self) -> &Head {
        self.head.as_ref().expect("it is lent until it is dropped")
    }
}

impl DerefMut for LentHead {
    #[inline]
    fn deref_mut(&mut self) -> &mut Head {
        self.head.as_mut().expect("it is lent until it is dropped")
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
