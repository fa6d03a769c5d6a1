//! What `systemctl status` shows of a Weir: one sentence, in which what somebody should look at comes first.

use weir_core::ports::reload::ReloadError;
use weir_core::ports::upgrade::UpgradeError;

use super::message;
use crate::wiring::Weir;

/// What it does that serves.
pub(crate) fn serving(weir: &Weir) -> String {
    let clients = weir.proxy.addresses().map(ToString::to_string);
    let policy = weir.policy.plane.addresses().map(|address| address.to_string());
    let addresses: Vec<String> = clients.chain(policy).collect();
    message::serving(&addresses, weir.proxy.services())
}

/// The same after it has read its configuration again.
pub(crate) fn reloaded(weir: &Weir, error: Option<&ReloadError>) -> String {
    match error {
        None => serving(weir),
        Some(error) => format!("the last reload was refused: {}; {}", reason(error), serving(weir)),
    }
}

/// The same when no upgrade was begun.
pub(crate) fn not_replaced(weir: &Weir, error: &UpgradeError) -> String {
    let text = error.to_string();
    format!("the last upgrade was refused: {}; {}", first_line(&text), serving(weir))
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

/// The first line of it; the rest is in the log.
fn reason(error: &ReloadError) -> String {
    match error {
        ReloadError::Invalid { .. } => "the configuration has errors, see the log".to_owned(),
        error => first_line(&error.to_string()).to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_one_line() {
        let refused = ReloadError::Refused("`:80` is in use already\n\nhint: stop it".to_owned());
        assert_eq!(reason(&refused), "`:80` is in use already");
        let invalid =
            ReloadError::Invalid { text: "error: 1\n --> weir.yaml".to_owned(), json: String::new() };
        assert_eq!(reason(&invalid), "the configuration has errors, see the log");
    }
}
