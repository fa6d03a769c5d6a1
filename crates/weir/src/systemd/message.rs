//! What is said to a service manager (`sd_notify(3)`): lines of `NAME=value`, and sentences for whoever asks `systemctl status`.

use std::time::Duration;

/// Bytes of a sentence. A manager takes 4096 for the whole message.
const STATUS_BYTES_MAX: usize = 1 << 10;

/// Addresses that are named; others are counted.
const ADDRESSES_MAX: usize = 4;

/// It serves.
pub(super) fn ready(status: &str) -> String {
    format!("READY=1\nSTATUS={}", line(status))
}

/// It reads its configuration again, since then: what came before is not meant.
pub(super) fn reloading(since_boot: Duration) -> String {
    let sentence = "reads the configuration again";
    format!("RELOADING=1\nMONOTONIC_USEC={}\nSTATUS={sentence}", since_boot.as_micros())
}

/// Another process is the service from now on.
pub(super) fn main_process(pid: u32) -> String {
    format!("MAINPID={pid}")
}

/// The process that says so is the service from now on, and serves.
pub(super) fn in_charge(pid: u32, status: &str) -> String {
    format!("{}\n{}", main_process(pid), ready(status))
}

/// It ends, and takes so long at most.
pub(super) fn stopping(time: Duration, status: &str) -> String {
    format!("STOPPING=1\nEXTEND_TIMEOUT_USEC={}\nSTATUS={}", time.as_micros(), line(status))
}

/// How things stand.
pub(super) fn status(status: &str) -> String {
    format!("STATUS={}", line(status))
}

/// All of it goes on.
pub(super) const ALIVE: &str = "WATCHDOG=1";

/// One line of it, and not too long: a line feed would begin another word.
fn line(text: &str) -> String {
    let end = text.floor_char_boundary(STATUS_BYTES_MAX);
    text[..end].replace(|c: char| c.is_control(), " ")
}

/// What a process does that serves.
pub(super) fn serving(addresses: &[String], services: usize) -> String {
    let services = match services {
        1 => "one service".to_owned(),
        count => format!("{count} services"),
    };
    let (named, others) = addresses.split_at(addresses.len().min(ADDRESSES_MAX));
    let more = if others.is_empty() { String::new() } else { format!(" and {} more", others.len()) };
    format!("serves {services} on {}{more}", named.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_message_is_what_the_manager_reads() {
        let hour = Duration::from_secs(3600);
        assert_eq!(ready("well"), "READY=1\nSTATUS=well");
        assert_eq!(
            reloading(hour),
            "RELOADING=1\nMONOTONIC_USEC=3600000000\nSTATUS=reads the configuration again"
        );
        assert_eq!(in_charge(7, "well"), "MAINPID=7\nREADY=1\nSTATUS=well");
        assert_eq!(stopping(hour, "ends"), "STOPPING=1\nEXTEND_TIMEOUT_USEC=3600000000\nSTATUS=ends");
        assert_eq!(status("so"), "STATUS=so");
    }

    /// Reasons come from files and from other programs.
    #[test]
    fn a_sentence_says_nothing_but_itself() {
        assert_eq!(ready("no\nREADY=0\r\n\0"), "READY=1\nSTATUS=no READY=0   ");
        let long = status(&"ä".repeat(STATUS_BYTES_MAX));
        assert_eq!(long.len(), "STATUS=".len() + STATUS_BYTES_MAX);
        let odd = status(&format!("x{}", "ä".repeat(STATUS_BYTES_MAX)));
        assert_eq!(odd.len(), "STATUS=".len() + STATUS_BYTES_MAX - 1);
    }

    #[test]
    fn few_addresses_are_named() {
        let addresses: Vec<String> = (1..=6).map(|port| format!(":{port}")).collect();
        assert_eq!(serving(&addresses[..1], 1), "serves one service on :1");
        assert_eq!(serving(&addresses[..4], 2), "serves 2 services on :1, :2, :3, :4");
        assert_eq!(serving(&addresses, 10_000), "serves 10000 services on :1, :2, :3, :4 and 2 more");
    }
}
