//! The servers behind every peer, and how often they were asked.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use super::answer::{self, Answer};
use super::child::{Running, pause};
use super::counter;
use super::peer;
use super::template::{self, Blanks};

/// So many [`pause`]s without a new copy are longer than the `timeout` of the mirror in `bench/peers/weir.yaml`.
const QUIET: usize = 120;

/// Servers of the scenario `checks`.
pub(crate) const MANY: u32 = 1000;

/// Who answers behind the peers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Servers {
    /// nginx.
    One,
    /// nginx at two addresses.
    Two,
    /// nginx at three addresses: three servers that are equally fast.
    Three,
    /// nginx at five addresses.
    Five,
    /// nginx at every address of this machine, a thousand of which are servers.
    Many,
    /// Three servers that are slow now and then.
    Laggards,
    /// One that reads whatever it is sent before it answers.
    Sink,
    /// nginx, and beside it one that never reads, for copies.
    Deaf,
}

impl Servers {
    /// How many there are that answer.
    pub(crate) fn count(self) -> u32 {
        match self {
            Self::One | Self::Sink | Self::Deaf => 1,
            Self::Two => 2,
            Self::Three | Self::Laggards => 3,
            Self::Five => 5,
            Self::Many => MANY,
        }
    }

    /// The word before those lines of the configurations that are for as many.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::One | Self::Sink | Self::Deaf => "one",
            Self::Two => "two",
            Self::Three | Self::Laggards => "three",
            Self::Five => "five",
            Self::Many => "many",
        }
    }

    /// The package of this project that they are, if they are one.
    pub(crate) fn package(self) -> Option<&'static str> {
        match self {
            Self::One | Self::Two | Self::Three | Self::Five | Self::Many => None,
            Self::Laggards | Self::Sink | Self::Deaf => Some("xtask"),
        }
    }

    /// Starts them on one core.
    ///
    /// # Errors
    /// When they do not start or do not answer.
    pub(crate) fn start(self, core: usize, directory: &Path, answer: Answer) -> Result<Started> {
        let mut addresses = match self {
            Self::Many => many(&answer::free_addresses(2)?),
            _ => answer::free_addresses(self.count() + 1)?,
        };
        let beside = addresses.pop();
        let mut running = match self {
            Self::One | Self::Two | Self::Three | Self::Five | Self::Many | Self::Deaf => {
                Running::start_on(core, &mut self.nginx(directory, answer, &addresses)?)?
            }
            Self::Laggards => {
                let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
                start_own(core, &[&["laggards".to_owned(), answer.body()][..], &addresses].concat())?
            }
            Self::Sink => {
                let addresses = addresses.iter().map(ToString::to_string);
                let arguments: Vec<String> =
                    ["sink".to_owned(), answer.body()].into_iter().chain(addresses).collect();
                start_own(core, &arguments)?
            }
        };
        // Where there are many, the first one is as good as the others.
        for address in addresses.iter().take(5) {
            answer::wait_until_ready("the server", *address, &mut running)?;
            answer::check("the server", answer::connect(*address)?, answer)?;
        }
        let mut deaf = None;
        if let (Self::Deaf, Some(address)) = (self, beside) {
            let mut running = start_own(core, &["deaf".to_owned(), address.to_string()])?;
            answer::wait_until_ready("the mirror", address, &mut running)?;
            deaf = Some(running);
            addresses.push(address);
        }
        Ok(Started { running, deaf, servers: self, addresses })
    }

    fn nginx(self, directory: &Path, answer: Answer, addresses: &[SocketAddr]) -> Result<Command> {
        answer.write(directory)?;
        let body = answer.body();
        let addresses = Blanks::of(addresses);
        let blanks = [&addresses.entries()[..], &[("@BODY@", &*body)]].concat();
        let file =
            template::write("server.conf", directory, &[answer.words(), &[self.word()]].concat(), &blanks)?;
        Ok(peer::nginx(directory, &file))
    }
}

/// Starts a program of this one on a core, to be spoken with.
fn start_own(core: usize, arguments: &[String]) -> Result<Running> {
    let mut program = Command::new(peer::release("xtask"));
    Running::start_on(core, program.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()))
}

/// Servers that listen.
#[derive(Debug)]
pub(crate) struct Started {
    running: Running,
    deaf: Option<Running>,
    servers: Servers,
    addresses: Vec<SocketAddr>,
}

impl Started {
    /// Waits until the mirror has got nothing for longer than a copy may wait and take, so that none is begun while another peer
    /// is measured.
    ///
    /// # Errors
    /// When it does not say.
    pub(crate) fn rest(&mut self) -> Result<()> {
        let Some(deaf) = &mut self.deaf else { return Ok(()) };
        let mut before = counter::ask(deaf)?;
        let mut quiet = 0;
        while quiet < QUIET {
            pause();
            let now = counter::ask(deaf)?;
            quiet = if now == before { quiet + 1 } else { 0 };
            before = now;
        }
        Ok(())
    }

    /// Where they listen; the one for copies comes last.
    pub(crate) fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// How many requests they have got since they started, if somebody counts; asking may add one. Beside a server that never
    /// reads, how many connections that one has got, each for one copy.
    ///
    /// # Errors
    /// When they do not say.
    pub(crate) fn requests(&mut self) -> Result<Option<u64>> {
        match (self.servers, self.addresses.as_slice()) {
            (Servers::Two | Servers::Three | Servers::Five, [first, ..]) => {
                let mut connection = answer::connect(*first)?;
                write!(connection, "GET /count HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
                let mut status = String::new();
                connection.read_to_string(&mut status)?;
                stub_status(&status, 2)
                    .with_context(|| format!("the server counts nothing: {status}"))
                    .map(Some)
            }
            (Servers::Laggards, _) => counter::ask(&mut self.running).map(Some),
            (Servers::Deaf, _) => self.deaf.as_mut().map(counter::ask).transpose(),
            (
                Servers::One | Servers::Two | Servers::Three | Servers::Five | Servers::Many | Servers::Sink,
                _,
            ) => Ok(None),
        }
    }
}

/// So many servers at the port of the first of these, and the second one.
fn many(free: &[SocketAddr]) -> Vec<SocketAddr> {
    let port = free.first().map_or(0, SocketAddr::port);
    let address = |number: u32| {
        let [_, _, high, low] = number.to_be_bytes();
        SocketAddr::from(([127, 1, high, low], port))
    };
    (1..=MANY).map(address).chain(free.get(1).copied()).collect()
}

/// One of the three numbers that nginx writes behind their names: accepted, handled, requests.
pub(crate) fn stub_status(text: &str, place: usize) -> Option<u64> {
    let (_, behind) = text.split_once("server accepts handled requests")?;
    behind.split_whitespace().nth(place)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::stub_status;

    #[test]
    fn the_count_of_requests_is_read() {
        let status = "HTTP/1.1 200 OK\r\n\r\nActive connections: 65 \nserver accepts handled requests\n 80 80 3141 \n\
                      Reading: 0 Writing: 65 Waiting: 0 \n";
        assert_eq!((stub_status(status, 0), stub_status(status, 2)), (Some(80), Some(3141)));
        assert_eq!(stub_status("HTTP/1.1 404 Not Found\r\n\r\n", 2), None);
    }
}
