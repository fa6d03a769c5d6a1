//! What a running Weir is and what is wrong with it, on a few lines.

use weir_tools::top::amount::{long_span, number};
use weir_tools::top::report::Report;

use super::findings::{Finding, Weight, usable};
use crate::output::Paint;

/// One line of what it is, one of what it does, one for each finding, and the commands that show more, for whoever asked the listener
/// at this address.
pub(crate) fn shown(report: &Report, found: &[Finding], admin: &str, color: bool) -> String {
    let ready = match report.is_ready {
        true => Paint::Good.on(color, "ready"),
        false => Paint::Bad.on(color, "not ready"),
    };
    let name = Paint::Strong.on(color, format!("weir {}", report.version));
    let mut text = format!("{name}, up {}, {ready}\n", long_span(report.uptime));
    let servers: usize = report.pools.iter().map(|pool| pool.servers.len()).sum();
    let usable: usize = report.pools.iter().map(usable).sum();
    text.push_str(&format!(
        "requests: {}, answered with 5xx: {}, in flight: {}; connections: {}; servers usable: {usable} of {servers}\n\n",
        number(report.requests_total),
        number(report.server_errors_total),
        number(report.in_flight),
        number(report.connections),
    ));
    if found.is_empty() {
        text.push_str("nothing is wrong\n");
        return text;
    }
    let mut commands = Vec::new();
    for finding in found {
        let label = match finding.weight {
            Weight::Bad => Paint::Bad.on(color, "bad "),
            Weight::Warning => Paint::Hint.on(color, "look"),
        };
        text.push_str(&format!("{label}  {}\n", finding.text));
        let command = format!("`{}`", finding.next.command(admin));
        if !commands.contains(&command) {
            commands.push(command);
        }
    }
    let more = Paint::Faint.on(color, format!("more: {}", commands.join(", ")));
    text.push_str(&format!("\n{more}\n"));
    text
}
