//! Harness, scripted servers and clients, and the one integration test binary.
