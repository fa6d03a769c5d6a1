//! The program as a child process, and what it prints.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

use nix::pty::openpty;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// After this a test gives up on a line. Far more than a loaded machine needs.
const PATIENCE: Duration = Duration::from_secs(30);

/// Lines that may wait for a test to look at them.
const LINES_KEPT: usize = 10_000;

/// Another build of the program, for tests of which only the whole of a release tells something.
const OTHER_BUILD: &str = "WEIR_TEST_PROGRAM";

/// Whether the tests run another build.
pub(crate) fn is_other_build() -> bool {
    std::env::var_os(OTHER_BUILD).is_some()
}

/// The program with these arguments and a clean environment.
fn command(arguments: &[&str]) -> Command {
    let built = || env!("CARGO_BIN_EXE_weir").into();
    let mut command = Command::new(std::env::var_os(OTHER_BUILD).unwrap_or_else(built));
    command.args(arguments).env_clear().stdin(Stdio::null()).current_dir(env!("CARGO_TARGET_TMPDIR"));
    command
}

/// Runs it to its end.
pub(crate) fn run(arguments: &[&str]) -> Output {
    command(arguments).output().unwrap()
}

/// Runs it to its end, demands this exit code, and gives stdout and stderr.
pub(crate) fn finished(arguments: &[&str], code: i32) -> (String, String) {
    checked(run(arguments), arguments, code)
}

/// The same for somebody who sits at a terminal and types this.
pub(crate) fn finished_at_terminal(arguments: &[&str], typed: &str, code: i32) -> (String, String) {
    let terminal = openpty(None, None).unwrap();
    // The system keeps it until it is read.
    File::from(terminal.master.try_clone().unwrap()).write_all(typed.as_bytes()).unwrap();
    checked(command(arguments).stdin(terminal.slave).output().unwrap(), arguments, code)
}

fn checked(output: Output, arguments: &[&str], code: i32) -> (String, String) {
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let (stdout, stderr) = (text(output.stdout), text(output.stderr));
    assert_eq!(output.status.code(), Some(code), "{arguments:?}\n{stdout}\n{stderr}");
    (stdout, stderr)
}

/// A running program. It is killed when a test fails before its end.
pub(crate) struct Running {
    child: Child,
    lines: Receiver<String>,
    seen: Vec<String>,
}

impl Running {
    /// Starts it.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        Self::start_to(arguments, Stdio::null())
    }

    /// Starts it where it may have so many descriptors.
    pub(crate) fn start_with_descriptors(arguments: &[&str], most: usize) -> Self {
        let program = command(&[]).get_program().to_owned();
        let mut limited = Command::new("sh");
        limited.arg("-c").arg(format!("ulimit -n {most}; exec \"$0\" \"$@\"")).arg(program).args(arguments);
        limited
            .env_clear()
            .stdin(Stdio::null())
            .current_dir(env!("CARGO_TARGET_TMPDIR"))
            .stdout(Stdio::null());
        Self::spawn(&mut limited)
    }

    /// Starts another program, or this one by another path.
    pub(crate) fn start_program(program: &str, arguments: &[&str]) -> Self {
        let mut other = Command::new(program);
        other.args(arguments).env_clear().stdin(Stdio::null()).stdout(Stdio::null());
        Self::spawn(other.env("PATH", std::env::var_os("PATH").unwrap_or_default()))
    }

    /// Starts it with these variables in its environment.
    pub(crate) fn start_with(variables: &[(&str, &str)], arguments: &[&str]) -> Self {
        let mut started = command(arguments);
        Self::spawn(started.envs(variables.iter().copied()).stdout(Stdio::null()))
    }

    /// Starts it by another program, which gets these arguments and then the program with its own.
    pub(crate) fn start_by(
        launcher: &str,
        words: &[&str],
        variables: &[(&str, &str)],
        arguments: &[&str],
    ) -> Self {
        Self::start_from(launcher, words, variables, arguments, Stdio::null())
    }

    /// The same with this as its stdin.
    pub(crate) fn start_from(
        launcher: &str,
        words: &[&str],
        variables: &[(&str, &str)],
        arguments: &[&str],
        stdin: impl Into<Stdio>,
    ) -> Self {
        let program = command(&[]).get_program().to_owned();
        let mut started = Command::new(launcher);
        started.args(words).arg(program).args(arguments);
        // A launcher may be found only by whoever knows these.
        started.env_clear().envs(std::env::vars_os().filter(|(name, _)| name == "PATH" || name == "HOME"));
        started.envs(variables.iter().copied()).stdin(stdin).stdout(Stdio::null());
        Self::spawn(started.current_dir(env!("CARGO_TARGET_TMPDIR")))
    }

    /// Starts it with its stdout there.
    pub(crate) fn start_to(arguments: &[&str], stdout: impl Into<Stdio>) -> Self {
        Self::spawn(command(arguments).stdout(stdout))
    }

    fn spawn(command: &mut Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (sender, lines) = sync_channel(LINES_KEPT);
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                // The test may have ended.
                let _ = sender.send(line);
            }
        });
        Self { child, lines, seen: Vec::new() }
    }

    /// Starts a proxy and waits for its first address.
    pub(crate) fn proxy(arguments: &[&str]) -> (Self, SocketAddr) {
        let mut running = Self::start(arguments);
        let address = running.address(" listening address=");
        running.line("started");
        (running, address)
    }

    /// Waits for a line that holds this.
    pub(crate) fn line(&mut self, part: &str) -> String {
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) if line.contains(part) => return line,
                Ok(line) => self.seen.push(line),
                Err(error) => panic!("no line with `{part}`: {error}\n{}", self.seen.join("\n")),
            }
        }
    }

    /// Waits for lines that hold these, in any order.
    pub(crate) fn lines(&mut self, parts: &[&str]) {
        let mut missing = parts.to_vec();
        while !missing.is_empty() {
            let line = self.line("");
            missing.retain(|part| !line.contains(part));
            self.seen.push(line);
        }
    }

    /// Waits for a line that holds this, and reads the address behind it.
    pub(crate) fn address(&mut self, before: &str) -> SocketAddr {
        let line = self.line(before);
        let (_, rest) = line.split_once(before).unwrap();
        rest.split_whitespace().next().unwrap().parse().unwrap()
    }

    /// Where it accepts clients, and where the admin listener is; it has started then.
    pub(crate) fn addresses(&mut self) -> (SocketAddr, SocketAddr) {
        let clients = self.address(" listening address=");
        let admin = self.address("admin listening address=");
        self.line("started");
        (clients, admin)
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.id().try_into().unwrap()), signal).unwrap();
    }

    /// Waits for its end: the exit code, and every line that no call has asked for.
    pub(crate) fn end(mut self) -> (Option<i32>, Vec<String>) {
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) => self.seen.push(line),
                // Stderr was closed: the process ends.
                Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => break,
                Err(error) => panic!("it does not end: {error}\n{}", self.seen.join("\n")),
            }
        }
        let code = self.child.wait().unwrap().code();
        (code, std::mem::take(&mut self.seen))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It has usually ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A connection that has sent a GET request for this path and host.
pub(crate) fn ask(address: SocketAddr, host: &str, path: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").unwrap();
    stream
}

/// The same with this method and body.
pub(crate) fn send(address: SocketAddr, method: &str, path: &str, body: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let length = body.len();
    let head = format!("{method} {path} HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n");
    write!(stream, "{head}Content-Length: {length}\r\n\r\n{body}").unwrap();
    stream
}

/// A request as a server gets it, of which the body has this many bytes.
pub(crate) fn received(stream: &TcpStream, body_bytes: usize) -> String {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut reader = BufReader::new(stream);
    let mut request = String::new();
    while !request.ends_with("\r\n\r\n") {
        assert_ne!(reader.read_line(&mut request).unwrap(), 0, "{request}");
    }
    let mut body = vec![0; body_bytes];
    reader.read_exact(&mut body).unwrap();
    request + &String::from_utf8(body).unwrap()
}

/// A whole answer, read to the end of the connection.
pub(crate) fn answer(mut stream: TcpStream) -> String {
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8(answer).unwrap()
}
