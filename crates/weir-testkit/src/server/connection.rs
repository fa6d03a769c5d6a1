//! A connection as the function of a scripted server has it.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use super::state::State;
use crate::message::Message;
use crate::socket::{End, Socket};

/// A connection to a scripted server.
pub struct Connection {
    pub(super) socket: Socket,
    pub(super) state: Arc<State>,
    /// The number of this connection, from 0.
    pub number: usize,
}

impl Deref for Connection {
    type Target = Socket;

    fn deref(&self) -> &Socket {
        &self.socket
    }
}

impl DerefMut for Connection {
    fn deref_mut(&mut self) -> &mut Socket {
        &mut self.socket
    }
}

impl Connection {
    /// The next request, which is recorded; `None` when the connection ends before.
    pub fn request(&mut self) -> Option<Message> {
        let request = self.socket.request()?;
        self.state.change(|seen| seen.requests.push(request.clone()));
        Some(request)
    }

    /// The next request, which is recorded; `None` when the connection ends before its last byte. For servers to which a proxy
    /// sends of its own accord, so that it may end in the middle of a request.
    ///
    /// # Panics
    /// When it is malformed.
    pub fn whole_request(&mut self) -> Option<Message> {
        match self.socket.try_request() {
            Ok(request) => {
                self.state.change(|seen| seen.requests.push(request.clone()));
                Some(request)
            }
            Err(broken) if broken.end.is_some() => None,
            Err(broken) => panic!("no request: {broken}"),
        }
    }

    /// The next request, which must come.
    ///
    /// # Panics
    /// When it does not.
    pub fn expect_request(&mut self) -> Message {
        self.request().expect("another request on this connection")
    }

    /// The head of the next request, which is recorded.
    ///
    /// # Panics
    /// When there is none.
    pub fn request_head(&mut self) -> Message {
        let head = self.socket.request_head();
        self.state.change(|seen| seen.requests.push(head.clone()));
        head
    }

    /// Ends the connection with a reset.
    pub fn reset(self) {
        self.socket.reset();
    }

    /// Waits until the proxy ends the connection, whatever comes before.
    pub fn until_end(&mut self) -> End {
        self.socket.drain(|_| {})
    }
}
