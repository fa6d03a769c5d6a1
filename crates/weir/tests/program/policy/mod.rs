//! Policy groups: the three programs, programs of others, and servers that misbehave.

mod changes;
mod commands;
mod forwarding;
mod limits;
mod listener;
mod python;
mod scripted;
mod seen;
mod succession;
