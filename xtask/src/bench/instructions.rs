//! `bench instructions`: what an exchange and the codec cost in instructions, for this tree and for a commit before it.
//!
//! An instruction count does not depend on who else uses the machine, so it tells changes that no time would: half a percent is
//! seen. It says nothing of the kernel, where most of a request's time goes, and nothing of caches; the other scenarios do.
//! Each program runs twice under callgrind with different numbers of exchanges, and only the difference counts: how it
//! starts and ends is in both.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::json;

use super::answer::{self, Answer};
use super::child::{self, Running};
use super::servers::Servers;
use super::template::{self, Blanks};
use crate::packages::{self, Need};
use crate::workspace;

const NEEDS: [Need; 2] =
    [Need { program: "valgrind", package: "valgrind" }, Need { program: "nginx", package: "nginx" }];

/// The server's core; what is counted may run anywhere.
const SERVER_CORE: usize = 1;

/// Connections that are kept, each with a request on its way.
const CONNECTIONS: usize = 16;

/// Exchanges of the short and of the long run, on each connection.
const EXCHANGES: [usize; 2] = [50, 250];

/// How often the codec does its work in the short and in the long run.
const CODEC: [usize; 2] = [1_000, 11_000];

/// Beside what.
#[derive(Args)]
#[command(after_help = "Example: cargo xtask bench instructions --beside HEAD~5")]
pub(crate) struct Options {
    /// The commit that this tree is held against.
    #[arg(long, default_value = "HEAD^", value_name = "COMMIT")]
    beside: String,
    /// This tree alone.
    #[arg(long, conflicts_with = "beside")]
    alone: bool,
    /// Print the figures as JSON.
    #[arg(long)]
    json: bool,
}

/// Instructions of user code.
#[derive(Debug, Clone, Copy)]
struct Counts {
    /// For one request and its answer through the whole proxy.
    exchange: f64,
    /// For parsing both heads, deciding where both bodies end, and writing both heads; `None` where there is no such program.
    codec: Option<f64>,
}

/// Counts, and prints what came out.
///
/// # Errors
/// When something can't be built, started or understood.
pub(crate) fn run(options: &Options) -> Result<bool> {
    child::end_all_on_signal()?;
    packages::ensure(&NEEDS)?;
    let directory = workspace::target_directory().join("bench");
    fs::create_dir_all(&directory).with_context(|| format!("cannot make `{}`", directory.display()))?;
    let before = match options.alone {
        true => None,
        false => Some(before(&options.beside, &directory)?),
    };
    eprintln!("this tree");
    let now = counts(workspace::root(), &workspace::target_directory(), &directory)?;
    if options.json {
        let shown = |counts: &Counts| json!({ "exchange": counts.exchange, "codec": counts.codec });
        println!("{:#}", json!({ "now": shown(&now), "before": before.as_ref().map(shown) }));
    } else {
        print(options, now, before);
    }
    Ok(true)
}

fn print(options: &Options, now: Counts, before: Option<Counts>) {
    println!("\n| instructions of user code | {} | this tree | change |\n|---|---|---|---|", options.beside);
    let line = |name: &str, now: Option<f64>, before: Option<f64>| {
        let shown = |count: Option<f64>| count.map_or("–".to_owned(), |count| format!("{count:.0}"));
        let change = now.zip(before).map(|(now, before)| format!("{:+.1} %", (now / before - 1.0) * 100.0));
        println!("| {name} | {} | {} | {} |", shown(before), shown(now), change.unwrap_or("–".to_owned()));
    };
    line("a whole exchange", Some(now.exchange), before.map(|before| before.exchange));
    line("the codec, for one", now.codec, before.and_then(|before| before.codec));
}

/// The counts of a commit, checked out and built beside this tree.
fn before(commit: &str, directory: &Path) -> Result<Counts> {
    let tree = directory.join("before");
    let git = |arguments: &[&str]| {
        let status = Command::new("git").current_dir(workspace::root()).args(arguments).status()?;
        if !status.success() {
            bail!("`git {}` failed", arguments.join(" "));
        }
        Ok(())
    };
    let place = tree.to_string_lossy();
    if tree.exists() {
        fs::remove_dir_all(&tree).with_context(|| format!("cannot remove `{place}`"))?;
    }
    // Forced, because git may still know the tree of a run that was interrupted, or of a target directory that is gone.
    git(&["worktree", "add", "--quiet", "--force", "--detach", &place, commit])?;
    eprintln!("{commit}");
    let counts = counts(&tree, &directory.join("before-target"), directory);
    git(&["worktree", "remove", "--force", &place])?;
    counts
}

fn counts(tree: &Path, target: &Path, directory: &Path) -> Result<Counts> {
    build(tree, target, &["--package", "weir", "--bins"])?;
    let has_codec = tree.join("crates/weir-http/examples/codec.rs").is_file();
    let codec = match has_codec {
        true => {
            build(tree, target, &["--package", "weir-http", "--example", "codec"])?;
            Some(difference(CODEC, |count| {
                let mut program = counted(&target.join("release/examples/codec"), directory);
                finished(Running::start(program.arg(count.to_string()).stdout(Stdio::null()))?, directory)
            })?)
        }
        false => None,
    };
    let mut servers = Servers::One.start(SERVER_CORE, directory, Answer::Small)?;
    let exchange = difference(EXCHANGES, |count| {
        let listen = answer::free_address()?;
        let blanks = Blanks::of(servers.addresses());
        let listening = listen.to_string();
        let blanks = [&blanks.entries()[..], &[("@LISTEN@", &*listening)]].concat();
        let words = ["plain", "small", "one", "balance"];
        let file = template::write("weir.yaml", directory, &words, &blanks)?;
        let mut program = counted(&target.join("release/weir"), directory);
        let mut running = Running::start(program.args(["run", "-c"]).arg(file).stdout(Stdio::null()))?;
        answer::wait_until_ready("weir", listen, &mut running)?;
        exchanges(listen, count)?;
        running.stop();
        finished(running, directory)
    })? / CONNECTIONS as f64;
    servers.rest()?;
    Ok(Counts { exchange, codec })
}

fn build(tree: &Path, target: &Path, what: &[&str]) -> Result<()> {
    eprintln!("building {} (release)", what[1]);
    let status = workspace::cargo()
        .current_dir(tree)
        .env("CARGO_TARGET_DIR", target)
        .args(["build", "--quiet", "--release"])
        .args(what)
        .status()?;
    if !status.success() {
        bail!("`cargo build --release {}` failed in `{}`", what.join(" "), tree.display());
    }
    Ok(())
}

/// What one more of these costs.
fn difference(counts: [usize; 2], mut run: impl FnMut(usize) -> Result<u64>) -> Result<f64> {
    let [few, many] = [run(counts[0])?, run(counts[1])?];
    Ok(many.saturating_sub(few) as f64 / (counts[1] - counts[0]) as f64)
}

/// The program under callgrind, which writes its counts into a file when it ends.
fn counted(program: &Path, directory: &Path) -> Command {
    let mut command = Command::new("valgrind");
    let file = format!("--callgrind-out-file={}", counts_file(directory).display());
    command.args(["--quiet", "--tool=callgrind", &file]).arg(program);
    command
}

fn counts_file(directory: &Path) -> PathBuf {
    directory.join("callgrind.out")
}

/// Waits for the end of a counted program, and reads its count.
fn finished(running: Running, directory: &Path) -> Result<u64> {
    running.output()?;
    let file = counts_file(directory);
    let text = fs::read_to_string(&file).with_context(|| format!("cannot read `{}`", file.display()))?;
    fs::remove_file(&file)?;
    total(&text).with_context(|| format!("`{}` has no total", file.display()))
}

/// The instructions of all threads.
fn total(text: &str) -> Option<u64> {
    let line = text.lines().rev().find_map(|line| line.strip_prefix("totals: "))?;
    line.split(' ').next()?.parse().ok()
}

/// So many exchanges on each of the connections, which take turns.
fn exchanges(address: SocketAddr, count: usize) -> Result<()> {
    let mut connections =
        (0..CONNECTIONS).map(|_| answer::connect(address)).collect::<Result<Vec<TcpStream>>>()?;
    let body = Answer::Small.body();
    for _ in 0..count {
        for connection in &mut connections {
            connection.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
        }
        for connection in &mut connections {
            read_answer(connection, body.as_bytes())?;
        }
    }
    Ok(())
}

fn read_answer(connection: &mut impl Read, body: &[u8]) -> Result<()> {
    let (mut got, mut room) = (Vec::new(), [0; 4096]);
    loop {
        let count = connection.read(&mut room)?;
        got.extend_from_slice(&room[..count]);
        let is_whole = got.ends_with(body) && got.starts_with(b"HTTP/1.1 200 ");
        if is_whole {
            return Ok(());
        }
        if count == 0 {
            bail!("no whole answer but {:?}", String::from_utf8_lossy(&got));
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::{difference, read_answer, total};

    #[test]
    fn the_last_total_counts() {
        assert_eq!(total("events: Ir\nsummary: 5\ntotals: 123456\n"), Some(123_456));
        assert_eq!(total("totals: 7 8\n\ntotals: 9 1\n"), Some(9));
        assert_eq!(total("summary: 5\n"), None);
        assert_eq!(total("totals: x\n"), None);
    }

    #[test]
    fn what_every_run_costs_is_left_out() {
        let cost = difference([10, 60], |count| Ok(5_000 + 30 * count as u64)).unwrap();
        assert!((cost - 30.0).abs() < 1e-9);
        assert!(difference([1, 2], |_| anyhow::bail!("it failed")).is_err());
    }

    #[test]
    fn an_answer_is_read_to_its_end_and_no_other_is_taken() {
        let whole = b"HTTP/1.1 200 OK\r\n\r\nbody";
        assert!(read_answer(&mut &whole[..], b"body").is_ok());
        assert!(read_answer(&mut &whole[..20], b"body").is_err());
        assert!(read_answer(&mut &b"HTTP/1.1 502 Bad\r\n\r\nbody"[..], b"body").is_err());
    }
}
