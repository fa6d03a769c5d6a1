//! The servers behind every peer, and how often they were asked.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use super::answer::{self, Answer};
use super::child::Running;
use super::laggard;
use super::peer;
use super::template::{self, Blanks};

/// Who answers behind the peers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Servers {
    /// nginx.
    One,
    /// nginx at three addresses: three servers that are equally fast.
    Three,
    /// Three servers that are slow now and then.
    Laggards,
}

impl Servers {
    /// How many there are.
    pub(crate) fn count(self) -> u32 {
        match self {
            Self::One => 1,
            Self::Three | Self::Laggards => 3,
        }
    }

    /// The word before those lines of the configurations that are for as many.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::One => "one",
            Self::Three | Self::Laggards => "three",
        }
    }

    /// The package of this project that they are, if they are one.
    pub(crate) fn package(self) -> Option<&'static str> {
        match self {
            Self::One | Self::Three => None,
            Self::Laggards => Some("xtask"),
        }
    }

    /// Starts them on one core.
    ///
    /// # Errors
    /// When they do not start or do not answer.
    pub(crate) fn start(self, core: usize, directory: &Path, answer: Answer) -> Result<Started> {
        let addresses = answer::free_addresses(self.count())?;
        let mut running = match self {
            Self::One | Self::Three => {
                Running::start_on(core, &mut self.nginx(directory, answer, &addresses)?)?
            }
            Self::Laggards => {
                let mut program = Command::new(peer::release("xtask"));
                program.arg("laggards").arg(answer.body()).args(addresses.iter().map(ToString::to_string));
                Running::start_on(core, program.stdin(Stdio::piped()).stdout(Stdio::piped()))?
            }
        };
        for address in &addresses {
            answer::wait_until_ready("the server", *address, &mut running)?;
            answer::check("the server", answer::connect(*address)?, answer)?;
        }
        Ok(Started { running, servers: self, addresses })
    }

    fn nginx(self, directory: &Path, answer: Answer, addresses: &[SocketAddr]) -> Result<Command> {
        answer.write(directory)?;
        let body = answer.body();
        let addresses = Blanks::of(addresses);
        let blanks = [&addresses.entries()[..], &[("@BODY@", &*body)]].concat();
        let file = template::write("server.conf", directory, &[answer.word(), self.word()], &blanks)?;
        Ok(peer::nginx(directory, &file))
    }
}

/// Servers that listen.
#[derive(Debug)]
pub(crate) struct Started {
    running: Running,
    servers: Servers,
    addresses: Vec<SocketAddr>,
}

impl Started {
    /// Where they listen.
    pub(crate) fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// How many requests they have got since they started, if somebody counts; asking may add one.
    ///
    /// # Errors
    /// When they do not say.
    pub(crate) fn requests(&mut self) -> Result<Option<u64>> {
        match (self.servers, self.addresses.as_slice()) {
            (Servers::Three, [first, ..]) => {
                let mut connection = answer::connect(*first)?;
                write!(connection, "GET /count HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
                let mut status = String::new();
                connection.read_to_string(&mut status)?;
                stub_status(&status).with_context(|| format!("the server counts nothing: {status}")).map(Some)
            }
            (Servers::Laggards, _) => {
                self.running.tell(laggard::COUNT)?;
                let count = self.running.hear()?;
                count.parse().map(Some).with_context(|| format!("the servers said `{count}` and no count"))
            }
            (Servers::One | Servers::Three, _) => Ok(None),
        }
    }
}

/// The third of the three numbers that nginx writes behind their names: accepted, handled, requests.
fn stub_status(text: &str) -> Option<u64> {
    let (_, behind) = text.split_once("server accepts handled requests")?;
    behind.split_whitespace().nth(2)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::stub_status;

    #[test]
    fn the_count_of_requests_is_read() {
        let status = "HTTP/1.1 200 OK\r\n\r\nActive connections: 65 \nserver accepts handled requests\n 80 80 3141 \n\
                      Reading: 0 Writing: 65 Waiting: 0 \n";
        assert_eq!(stub_status(status), Some(3141));
        assert_eq!(stub_status("HTTP/1.1 404 Not Found\r\n\r\n"), None);
    }
}
