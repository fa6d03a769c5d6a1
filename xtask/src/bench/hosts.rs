//! Ten thousand hosts with ten routes each, for Weir alone.
//!
//! Requests go to all of them, so that what is looked up is never what was looked up last. `bench/peers/hosts.lua` makes these
//! requests, and must name the hosts and routes as this does.

use std::fmt::Write as _;

/// How many.
pub(crate) const HOSTS: u32 = 10_000;
/// Of each.
pub(crate) const ROUTES: u32 = 10;

/// The entries of `services` in Weir's file, from the second line on with their indent.
pub(crate) fn services() -> String {
    let mut text = String::new();
    for host in 0..HOSTS {
        let indent = if host == 0 { "" } else { "  " };
        let routes: Vec<String> =
            (0..ROUTES).map(|route| format!("{{path: /route{route}/, upstream: server}}")).collect();
        // A string takes what is written into it.
        let _always =
            writeln!(text, "{indent}- {{host: host{host}.example.com, routes: [{}]}}", routes.join(", "));
    }
    text.truncate(text.trim_end().len());
    text
}

#[cfg(test)]
mod tests {
    use super::services;

    #[test]
    fn every_host_is_a_line_with_all_routes() {
        let text = services();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 10_000);
        assert!(
            lines[0].starts_with("- {host: host0.example.com, routes: [{path: /route0/, upstream: server}, ")
        );
        assert!(lines[9999].starts_with("  - {host: host9999.example.com, "));
        assert!(lines.iter().all(|line| line.matches("path: /route").count() == 10));
    }
}
