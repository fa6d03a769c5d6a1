//! HTTP messages and the HTTP/1.1 codec: bytes in, bytes out; no socket, no clock.
