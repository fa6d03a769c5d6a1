//! A store and those who wait for it, on one thread.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use super::store::{Asking, Fed, Store};
use super::waiters::Waiters;

/// A store and those who wait for it.
pub(super) struct Feed {
    pub(super) store: RefCell<Store>,
    waiters: Arc<Waiters>,
    /// Wakes all of them: whoever asked the source last may be gone, or look elsewhere, when it has something.
    waker: Waker,
    /// How many wait for the source.
    waiting: Cell<usize>,
}

impl Feed {
    pub(super) fn new(store: Store) -> Rc<Self> {
        let waiters = Arc::<Waiters>::default();
        let waker = Waker::from(Arc::clone(&waiters));
        Rc::new(Self { store: RefCell::new(store), waiters, waker, waiting: Cell::new(0) })
    }

    /// See [`Store::poll_feed`]; what comes of it is told to all who wait.
    pub(super) fn poll_more(&self, cx: &mut Context<'_>, asking: Asking) -> Poll<Fed> {
        // First, because a file's thread may be done at any moment.
        self.waiters.register(cx.waker());
        let fed = self.store.borrow_mut().poll_feed(&mut Context::from_waker(&self.waker), asking);
        if fed.is_ready() {
            self.waiters.wake_others(Some(cx.waker()));
        }
        fed
    }

    /// Tells all who wait that something has changed.
    pub(super) fn wake_all(&self) {
        self.waiters.wake_others(None);
    }

    /// Notes that one more, or one less, waits for the source. When nobody does, its deadline does not run.
    pub(super) fn set_waits(&self, waits: bool) {
        let waiting = if waits { self.waiting.get() + 1 } else { self.waiting.get().saturating_sub(1) };
        self.waiting.set(waiting);
        if waiting == 0 {
            self.store.borrow().pause();
        }
    }
}
