//! The data plane: exchanges from a client's bytes to a server's answer and back.

pub mod access_log;
