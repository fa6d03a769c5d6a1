//! Who the client is, when trusted proxies stand before us.
