//! Policy groups: the three programs, programs of others, and servers that misbehave.

mod commands;
mod forwarding;
mod listener;
mod python;
mod scripted;
