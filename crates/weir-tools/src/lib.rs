//! Programs that talk to a proxy from outside: the mock server.
