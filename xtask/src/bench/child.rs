//! Programs that a measurement starts: pinned to a core, timed, and ended however the measurement ends.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::process::{Child, Command};
use std::sync::Mutex;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::sys::signal::{SigSet, SigmaskHow, Signal, kill};
use nix::unistd::Pid;

/// Running programs, for [`end_all_on_signal`].
static RUNNING: Mutex<Vec<u32>> = Mutex::new(Vec::new());

/// A running program. Dropping it ends it and everything it started.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
}

impl Running {
    /// Starts a program on one core only. It inherits that from the thread that starts it.
    ///
    /// # Errors
    /// When there is no such core or the program cannot be started.
    pub(crate) fn start_on(core: usize, command: &mut Command) -> Result<Self> {
        Self::start_on_all(&[core], command)
    }

    /// Starts a program on these cores only.
    ///
    /// # Errors
    /// When one does not exist or the program cannot be started.
    pub(crate) fn start_on_all(cores: &[usize], command: &mut Command) -> Result<Self> {
        let this = Pid::from_raw(0);
        let before = sched_getaffinity(this)?;
        let mut only = CpuSet::new();
        cores.iter().try_for_each(|core| only.set(*core))?;
        sched_setaffinity(this, &only).with_context(|| format!("cannot run on cores {cores:?}"))?;
        let started = Self::start(command);
        sched_setaffinity(this, &before)?;
        started
    }

    /// Starts a program on all cores.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(crate) fn start(command: &mut Command) -> Result<Self> {
        // What this thread blocks a child would block too, and could not be asked to end.
        let mask = SigSet::empty().thread_swap_mask(SigmaskHow::SIG_SETMASK)?;
        let spawned = command.spawn();
        mask.thread_set_mask()?;
        let child =
            spawned.with_context(|| format!("cannot start `{}`", command.get_program().to_string_lossy()))?;
        if let Ok(mut running) = RUNNING.lock() {
            running.push(child.id());
        }
        Ok(Self { child })
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has ended by itself, and how.
    pub(crate) fn ended(&mut self) -> Option<String> {
        self.child.try_wait().ok().flatten().map(|status| status.to_string())
    }

    /// CPU time used so far, user and system, by all threads of the program and of the programs it started.
    ///
    /// # Errors
    /// When it has ended.
    pub(crate) fn cpu_time(&self) -> Result<Duration> {
        let mut nanoseconds = 0;
        for process in tree(self.child.id()) {
            let threads = fs::read_dir(format!("/proc/{process}/task"))
                .with_context(|| format!("process {process} has ended"))?;
            for thread in threads {
                // The first number is the time on a core in nanoseconds; /proc/PID/stat counts in steps of 10 ms.
                let text = fs::read_to_string(thread?.path().join("schedstat")).unwrap_or_default();
                nanoseconds += text.split(' ').next().and_then(|time| time.parse::<u64>().ok()).unwrap_or(0);
            }
        }
        Ok(Duration::from_nanos(nanoseconds))
    }

    /// Gives its workers a core each, in turn: where there is as much to do on every core, it would be a matter of luck.
    ///
    /// # Errors
    /// When it has ended, or has fewer workers than there are cores.
    pub(crate) fn spread(&self, cores: &[usize]) -> Result<()> {
        let mut workers = Vec::new();
        for thread in fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
            let thread = thread?;
            if fs::read_to_string(thread.path().join("comm"))?.contains("worker") {
                workers.push(thread.file_name().to_string_lossy().parse::<i32>()?);
            }
        }
        if workers.len() < cores.len() {
            bail!("{} workers and {} cores", workers.len(), cores.len());
        }
        workers.sort_unstable();
        for (worker, core) in workers.into_iter().zip(cores.iter().cycle()) {
            let mut only = CpuSet::new();
            only.set(*core)?;
            sched_setaffinity(Pid::from_raw(worker), &only)?;
        }
        Ok(())
    }

    /// Memory that the program and the programs it started have now, in bytes; what several of them share counts for each.
    pub(crate) fn resident(&self) -> u64 {
        let of = |process: u32| {
            let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
            resident(&status).unwrap_or(0)
        };
        tree(self.child.id()).into_iter().map(of).sum()
    }

    /// Waits for a line that it writes, if that is piped. At its end the line is what there is of it.
    ///
    /// # Errors
    /// When its output cannot be read.
    pub(crate) fn hear(&mut self) -> Result<String> {
        let mut line = Vec::new();
        let mut byte = [0];
        // Byte by byte, so that what comes behind the line is still there for `output`.
        while let Some(output) = &mut self.child.stdout {
            if output.read(&mut byte)? == 0 || byte[0] == b'\n' {
                break;
            }
            line.push(byte[0]);
        }
        Ok(String::from_utf8_lossy(&line).into_owned())
    }

    /// Writes a line to it, if its input is piped.
    ///
    /// # Errors
    /// When it does not read.
    pub(crate) fn tell(&mut self, line: &str) -> Result<()> {
        if let Some(input) = &mut self.child.stdin {
            writeln!(input, "{line}")?;
        }
        Ok(())
    }

    /// Asks it to end.
    pub(crate) fn stop(&self) {
        signal(&[self.child.id()], Signal::SIGTERM);
    }

    /// Waits for its end and gives back what it wrote, if that was piped.
    ///
    /// # Errors
    /// When its output cannot be read.
    pub(crate) fn output(mut self) -> Result<String> {
        let mut text = String::new();
        if let Some(output) = &mut self.child.stdout {
            output.read_to_string(&mut text)?;
        }
        self.child.wait()?;
        Ok(text)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Ok(mut running) = RUNNING.lock() {
            running.retain(|id| *id != self.child.id());
        }
        if self.ended().is_some() {
            return;
        }
        let processes = tree(self.child.id());
        signal(&processes[..1], Signal::SIGTERM);
        for _ in 0..100 {
            if self.ended().is_some() {
                break;
            }
            pause();
        }
        signal(&processes, Signal::SIGKILL);
        let _status = self.child.wait();
    }
}

/// From now on, Ctrl-C and TERM end every program that runs, then this one. Call before any thread is started.
///
/// # Errors
/// When the signals cannot be blocked.
pub(crate) fn end_all_on_signal() -> Result<()> {
    let mut signals = SigSet::empty();
    signals.add(Signal::SIGINT);
    signals.add(Signal::SIGTERM);
    signals.thread_block()?;
    std::thread::spawn(move || {
        if signals.wait().is_ok() {
            let running = RUNNING.lock().map(|running| running.clone()).unwrap_or_default();
            for process in running {
                signal(&tree(process), Signal::SIGKILL);
            }
            eprintln!("interrupted: all programs of the measurement are ended");
            leave();
        }
    });
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "interrupted by the user, and everything we started is ended")]
fn leave() -> ! {
    std::process::exit(130)
}

/// A breath while waiting for another program.
#[expect(clippy::disallowed_methods, reason = "no event tells that another program listens or ends")]
pub(crate) fn pause() {
    std::thread::sleep(Duration::from_millis(20));
}

fn signal(processes: &[u32], signal: Signal) {
    for process in processes {
        // One that is gone already is what we want.
        let _gone = kill(Pid::from_raw(process.cast_signed()), signal);
    }
}

/// What stands in the status of a process, in bytes.
fn resident(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix(" kB")?.parse::<u64>().ok().map(|kib| kib * 1024)
}

/// A process and all below it.
fn tree(root: u32) -> Vec<u32> {
    let mut all = vec![root];
    let mut next = 0;
    while let Some(process) = all.get(next).copied() {
        next += 1;
        let children = match fs::read_to_string(format!("/proc/{process}/task/{process}/children")) {
            Ok(children) => children,
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(_) => continue,
        };
        all.extend(children.split_whitespace().filter_map(|id| id.parse::<u32>().ok()));
    }
    all
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::path::Path;
    use std::process::{Command, Stdio};

    use super::Running;

    #[test]
    fn a_program_is_spoken_with_before_it_ends() {
        let mut shell = Command::new("sh");
        shell.args(["-c", "echo ready; read word; echo $word; echo end"]);
        let mut running = Running::start_on(0, shell.stdin(Stdio::piped()).stdout(Stdio::piped())).unwrap();
        assert_eq!(running.hear().unwrap(), "ready");
        running.tell("go").unwrap();
        assert_eq!(running.output().unwrap(), "go\nend\n");
    }

    #[test]
    fn memory_is_told_in_kibibytes() {
        let status = "Name:\tsh\nVmPeak:\t    9000 kB\nVmRSS:\t    1536 kB\nThreads:\t1\n";
        assert_eq!(super::resident(status), Some(1_572_864));
        assert_eq!(super::resident("Name:\tsh\nState:\tZ (zombie)\n"), None);
    }

    #[test]
    fn a_program_is_pinned_timed_and_ended_with_what_it_started() {
        let mut shell = Command::new("sh");
        shell.args(["-c", "sleep 600 & while :; do :; done"]);
        let mut running = Running::start_on(0, &mut shell).unwrap();
        let id = running.id();
        while running.cpu_time().unwrap().is_zero() || super::tree(id).len() < 2 {
            assert_eq!(running.ended(), None);
        }
        assert!(running.resident() > 0);
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
        assert!(status.lines().any(|line| line == "Cpus_allowed_list:\t0"), "{status}");
        let below = super::tree(id)[1];
        drop(running);
        assert!(!Path::new(&format!("/proc/{id}")).exists());
        // A killed program is gone when the kernel gets round to it, and a zombie until its new parent looks.
        let state = || std::fs::read_to_string(format!("/proc/{below}/stat")).unwrap_or_default();
        while !state().is_empty() && !state().contains(") Z ") {
            super::pause();
        }
    }
}
