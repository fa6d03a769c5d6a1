//! A server that never reads: it takes connections, and that is all it does with them.
//!
//! A program of its own, so that it can be given a core. What is sent to it lies in the system until whoever sends gives up.

use std::collections::VecDeque;
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::Ordering::Relaxed;

use anyhow::{Context, Result};

use super::counter;

/// Connections that are kept. Far more than a mirror has at a time, so the oldest one was given up long ago.
const KEPT: usize = 512;

/// The program itself: takes connections until it is ended, and says how many when it is asked.
///
/// # Errors
/// When the address cannot be listened on.
pub(crate) fn serve(listen: SocketAddr) -> Result<()> {
    let listener = TcpListener::bind(listen).with_context(|| format!("cannot listen on `{listen}`"))?;
    let all = counter::answer();
    let mut kept = VecDeque::with_capacity(KEPT);
    loop {
        let (connection, _) = listener.accept()?;
        all.fetch_add(1, Relaxed);
        if kept.len() == KEPT {
            kept.pop_front();
        }
        kept.push_back(connection);
    }
}
