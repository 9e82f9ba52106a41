//! Processes: started, ended by their ids, and what the kernel knows of them.

use std::collections::HashMap;
use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use serde_json::Value;

/// A command that ends with the process that started it.
pub(crate) fn bound(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--"]).arg(program);
    command
}

/// A process that ends when it is dropped.
pub(crate) struct Process {
    child: Child,
}

impl Process {
    pub(crate) fn start(mut command: Command, log: &Path) -> io::Result<Self> {
        let log = fs::File::options().create(true).append(true).open(log)?;
        let child = command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).spawn()?;
        Ok(Self { child })
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Those who have children end them when they are asked to.
        let _ = Command::new("kill").arg(self.child.id().to_string()).stderr(Stdio::null()).status();
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(5) {
            if self.has_ended() {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A process that obeys lines and answers with lines of JSON; it ends when its input does.
pub(crate) struct Servant {
    child: Child,
    input: Option<ChildStdin>,
    answers: Receiver<Value>,
    kept: Vec<Value>,
}

impl Servant {
    pub(crate) fn start(mut command: Command) -> io::Result<Self> {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let (sender, answers) = channel();
        let out = BufReader::new(child.stdout.take().expect("piped"));
        std::thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                if let Ok(value) = serde_json::from_str(&line) {
                    let _ = sender.send(value);
                }
            }
        });
        let input = child.stdin.take();
        Ok(Self { child, input, answers, kept: Vec::new() })
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    pub(crate) fn tell(&mut self, line: &str) -> io::Result<()> {
        let input = self.input.as_mut().expect("open until it is dropped");
        writeln!(input, "{line}").and_then(|()| input.flush())
    }

    /// The next answer of this kind, if it comes in time.
    pub(crate) fn answer(&mut self, kind: &str, limit: Duration) -> io::Result<Option<Value>> {
        let until = Instant::now() + limit;
        if let Some(at) = self.kept.iter().position(|value| value["re"] == kind) {
            return Ok(Some(self.kept.remove(at)));
        }
        loop {
            match self.answers.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(value) if value["re"] == kind => return Ok(Some(value)),
                Ok(value) => self.kept.push(value),
                Err(RecvTimeoutError::Timeout) => return Ok(None),
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(io::Error::other(format!("a servant ended; it owed us {kind}")));
                }
            }
        }
    }
}

impl Drop for Servant {
    fn drop(&mut self) {
        drop(self.input.take());
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The CPU that processes have used, by the scheduler's own count.
#[derive(Default)]
pub(crate) struct Cpu {
    /// Nanoseconds of each thread, those that ended included.
    threads: HashMap<(u32, u32), u64>,
}

impl Cpu {
    /// The seconds that the processes and all their threads have used so far.
    pub(crate) fn of(&mut self, processes: &[u32]) -> f64 {
        for process in processes {
            let Ok(threads) = fs::read_dir(format!("/proc/{process}/task")) else { continue };
            for thread in threads.flatten() {
                let number = thread.file_name().to_str().and_then(|name| name.parse().ok());
                let text = fs::read_to_string(thread.path().join("schedstat")).unwrap_or_default();
                let nanoseconds = text.split(' ').next().and_then(|first| first.parse().ok());
                if let (Some(number), Some(nanoseconds)) = (number, nanoseconds) {
                    self.threads.insert((*process, number), nanoseconds);
                }
            }
        }
        Duration::from_nanos(self.threads.values().sum()).as_secs_f64()
    }
}

/// Resident memory of processes together, in octets, what they share counted once.
pub(crate) fn resident(processes: &[u32]) -> u64 {
    match processes {
        [one] => kilobytes(&format!("/proc/{one}/status"), "VmRSS:"),
        several => several.iter().map(|id| kilobytes(&format!("/proc/{id}/smaps_rollup"), "Pss:")).sum(),
    }
}

fn kilobytes(file: &str, key: &str) -> u64 {
    let text = fs::read_to_string(file).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(key));
    let number = line.and_then(|line| line.trim().split(' ').next()?.parse::<u64>().ok());
    number.unwrap_or(0) * 1_024
}

/// A process and all that descend from it.
pub(crate) fn family(first: u32) -> Vec<u32> {
    let mut parents = Vec::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(id) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        let text = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        let parent = text.rsplit(')').next().and_then(|rest| rest.split(' ').nth(2)?.parse::<u32>().ok());
        parents.extend(parent.map(|parent| (id, parent)));
    }
    let mut family = vec![first];
    let mut at = 0;
    while let Some(parent) = family.get(at).copied() {
        family.extend(parents.iter().filter(|(_, theirs)| *theirs == parent).map(|(id, _)| *id));
        at += 1;
    }
    family
}
