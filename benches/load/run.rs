//! `load run`: makes a namespace, measures in it what was asked for, and removes it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, SystemTime};

use clap::{Args, ValueEnum};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::measure::{Bench, Figures, fed};
use crate::namespace::Namespace;
use crate::parts;
use crate::receiver::{self, Place, Subject};
use crate::results::Part;
use crate::workload::{GONE, RACK, Table};

#[derive(Debug, Clone, Args)]
#[command(args_override_self = true)]
pub(crate) struct Run {
    /// Parts to measure, with commas between; all if none is named
    #[arg(long, value_delimiter = ',')]
    only: Vec<Name>,
    /// Who is measured, with commas between; all if none is named
    #[arg(long, value_delimiter = ',')]
    daemons: Vec<Subject>,
    /// How often
    #[arg(long, default_value_t = 5)]
    runs: u32,
    /// Seconds of churn
    #[arg(long, default_value_t = 60)]
    churn: u64,
    /// Seconds of idling
    #[arg(long, default_value_t = 60)]
    idle: u64,
    /// Seconds after which a receiver has not got there
    #[arg(long, default_value_t = 120)]
    patience: u64,
    /// The program to measure
    #[arg(long, default_value = "target/release/thirdleaf")]
    thirdleaf: PathBuf,
    /// Where daemons were unpacked
    #[arg(long, default_value = "target/daemons")]
    peers: PathBuf,
    /// Where figures are written
    #[arg(long, default_value = "target/bench-results")]
    results: PathBuf,
    /// A name for this measuring: figures are compared within one only, and what another call under the same name
    /// measured is added to; a new one by itself
    #[arg(long)]
    id: Option<String>,
    /// Which commit the program was built from
    #[arg(long, default_value = "")]
    commit: String,
    /// Keep logs and configurations there
    #[arg(long)]
    keep: Option<PathBuf>,
    /// Where files of this run are, for the program that is in the namespace
    #[arg(long, hide = true)]
    inside: Option<PathBuf>,
}

/// A part of what can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Name {
    /// Learn a fabric's rack
    W1,
    /// Learn a million prefixes
    W2,
    /// Learn a million paths of few prefixes
    W3,
    /// Churn
    W4,
    /// All nodes restart
    W5,
    /// Idle
    W6,
    /// The same routes from more and more sessions
    Control,
    /// 4,800 sessions
    Racks,
}

impl Name {
    pub(crate) fn file(self) -> &'static str {
        match self {
            Self::W1 => "w1",
            Self::W2 => "w2",
            Self::W3 => "w3",
            Self::W4 => "w4",
            Self::W5 => "w5",
            Self::W6 => "w6",
            Self::Control => "control",
            Self::Racks => "racks",
        }
    }
}

impl Name {
    /// The table that it starts with.
    fn table(self) -> Table {
        match self {
            Self::W1 | Self::W4 | Self::W5 | Self::W6 => Table::Fabric,
            Self::W2 => Table::Million,
            Self::W3 => Table::Overlap,
            Self::Control => Table::Few,
            Self::Racks => Table::Racks,
        }
    }
}

/// What a part gave in one run: all figures, or some and why not all.
struct Done {
    name: Name,
    figures: Figures,
    result: io::Result<()>,
}

/// How the process in the namespace says that some runs failed, and that it was interrupted.
pub(crate) const FAILED: u8 = 3;
pub(crate) const INTERRUPTED: u8 = 130;

impl Run {
    /// Whether all runs went well.
    pub(crate) fn execute(self) -> io::Result<bool> {
        match self.inside.clone() {
            Some(directory) => self.measure(&directory),
            None => self.enclose(),
        }
    }

    /// Runs itself again in a namespace, until that ends or somebody interrupts.
    fn enclose(self) -> io::Result<bool> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (mut interrupt, mut terminate) = runtime.block_on(async {
            io::Result::Ok((signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?))
        })?;
        let files = std::env::temp_dir().join(format!("load-{}", std::process::id()));
        let files = self.keep.clone().unwrap_or(files);
        fs::create_dir_all(&files)?;
        let result = Self::within(&runtime, &files, &mut interrupt, &mut terminate);
        if self.keep.is_none() {
            fs::remove_dir_all(&files)?;
        }
        result
    }

    fn within(
        runtime: &tokio::runtime::Runtime,
        files: &Path,
        interrupt: &mut Signal,
        terminate: &mut Signal,
    ) -> io::Result<bool> {
        let namespace = Namespace::new()?;
        let mut command = namespace.command(std::env::current_exe()?);
        command.args(std::env::args_os().skip(1)).arg("--inside").arg(files).stdin(Stdio::piped());
        // Only its input tells it to end: with its processes, and before the namespace goes.
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut inside = command.spawn()?;
        let ended = runtime.block_on(async {
            tokio::select! {
                ended = ended(&mut inside) => Some(ended),
                _ = interrupt.recv() => None,
                _ = terminate.recv() => None,
            }
        });
        match ended.transpose()? {
            Some(status) if status.success() => Ok(true),
            Some(status) if status.code() == Some(FAILED.into()) => Ok(false),
            Some(status) => Err(io::Error::other(format!("nothing more is measured: {status}"))),
            None => {
                drop(inside.stdin.take());
                inside.wait()?;
                Err(io::Error::new(io::ErrorKind::Interrupted, "interrupted"))
            }
        }
    }

    /// Measures; it is in the namespace.
    fn measure(self, files: &Path) -> io::Result<bool> {
        std::thread::spawn(|| {
            // All that was started ends with this process.
            let _ = io::copy(&mut io::stdin(), &mut io::sink());
            std::process::exit(INTERRUPTED.into());
        });
        let only = if self.only.is_empty() { Name::value_variants().to_vec() } else { self.only.clone() };
        let subjects =
            if self.daemons.is_empty() { Subject::value_variants().to_vec() } else { self.daemons.clone() };
        let before = self.begin(&only, &subjects)?;
        let mut failed = false;
        for turn in 1..=self.runs {
            // Each is first in its turn: who comes first finds another machine than who comes last.
            let mut order = subjects.clone();
            order.rotate_left((before + turn as usize - 1) % subjects.len());
            for subject in &order {
                if receiver::version(*subject, &self.place(PathBuf::new())).is_none() {
                    eprintln!("{subject} cannot be had");
                    continue;
                }
                for names in sequences(&only) {
                    let words: Vec<&str> = names.iter().map(|name| name.file()).collect();
                    eprintln!("run {turn} of {}: {subject}, {}", self.runs, words.join(" "));
                    failed |= !self.one(*subject, &names, turn, files)?;
                }
            }
        }
        if failed {
            eprintln!("some runs failed; see above");
        }
        Ok(!failed)
    }

    /// Forgets what was measured before, under another name, of what is to be measured now; how often it was
    /// measured under this one.
    fn begin(&self, only: &[Name], subjects: &[Subject]) -> io::Result<usize> {
        let place = self.place(PathBuf::new());
        if subjects.contains(&Subject::Thirdleaf) && receiver::version(Subject::Thirdleaf, &place).is_none() {
            return Err(io::Error::other(format!("{} is no program", self.thirdleaf.display())));
        }
        let started = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_err(io::Error::other)?;
        let id = self.id.clone().unwrap_or_else(|| started.as_secs().to_string());
        let mut before = 0;
        for name in only {
            let mut part = Part::read(&self.results, name.file())?;
            parts::describe(*name, &mut part);
            for subject in subjects {
                let measured = part.subject(&subject.to_string());
                measured.stamp(&id, if *subject == Subject::Thirdleaf { &self.commit } else { "" });
                before = before.max(measured.tried);
                measured.version = receiver::version(*subject, &place);
            }
            part.write(&self.results, name.file())?;
        }
        Ok(before)
    }

    fn place(&self, directory: PathBuf) -> Place {
        Place { directory, peers: self.peers.clone(), thirdleaf: self.thirdleaf.clone() }
    }

    /// One subject, and parts that start with the same table; whether all went well.
    fn one(&self, subject: Subject, names: &[Name], turn: u32, files: &Path) -> io::Result<bool> {
        let directory = files.join(format!("{subject}-{}-{turn}", names[0].file()).replace(' ', ""));
        fs::create_dir_all(&directory)?;
        let place = self.place(directory.clone());
        let mut done: Vec<Done> = Vec::new();
        let result = self.sequence(subject, names, &place, &mut done);
        for name in names {
            let done = done.iter().find(|done| done.name == *name);
            let mut part = Part::read(&self.results, name.file())?;
            let measured = part.subject(&subject.to_string());
            measured.tried += 1;
            if let Err(error) = done.map_or(&result, |done| &done.result) {
                eprintln!("  {}: {error}", name.file());
                measured.failures.push(error.to_string());
            }
            if let Some(Done { figures, .. }) = done {
                eprintln!("  {}: {}", name.file(), line(figures));
                measured.runs.push(figures.clone());
            }
            part.write(&self.results, name.file())?;
        }
        if self.keep.is_none() {
            fs::remove_dir_all(&directory)?;
        }
        Ok(result.is_ok() && done.iter().all(|done| done.result.is_ok()))
    }

    fn sequence(
        &self,
        subject: Subject,
        names: &[Name],
        place: &Place,
        done: &mut Vec<Done>,
    ) -> io::Result<()> {
        match names[0] {
            Name::Control => {
                let mut figures = Figures::new();
                let result = self.control(subject, place, &mut figures);
                done.push(Done { name: Name::Control, figures, result });
            }
            Name::Racks => {
                let mut figures = Figures::new();
                let result = self.racks(subject, place, &mut figures);
                done.push(Done { name: Name::Racks, figures, result });
            }
            Name::W2 | Name::W3 => {
                let (_, figures) = self.learn(subject, names[0].table(), place)?;
                done.push(Done { name: names[0], figures, result: Ok(()) });
            }
            _ => self.rack(subject, names, place, done)?,
        }
        Ok(())
    }

    fn learn(&self, subject: Subject, table: Table, place: &Place) -> io::Result<(Bench, Figures)> {
        let mut figures = Figures::new();
        let mut bench = Bench::start(subject, table, place, self.patience(), &mut figures)?;
        bench.learn(&mut figures)?;
        match figures["lost"] {
            0.0 => Ok((bench, figures)),
            lost => Err(io::Error::other(format!("{lost} sessions were lost while it learned"))),
        }
    }

    fn patience(&self) -> Duration {
        Duration::from_secs(self.patience)
    }

    /// W1, and what follows it.
    fn rack(&self, subject: Subject, names: &[Name], place: &Place, done: &mut Vec<Done>) -> io::Result<()> {
        let (mut bench, figures) = self.learn(subject, Table::Fabric, place)?;
        let mut put = |name: Name, figures: Figures, result: io::Result<()>| {
            if names.contains(&name) {
                done.push(Done { name, figures, result });
            }
        };
        put(Name::W1, figures, Ok(()));
        if names.contains(&Name::W6) {
            let mut figures = Figures::new();
            bench.idle(Duration::from_secs(self.idle), &mut figures)?;
            put(Name::W6, figures, Ok(()));
        }
        if names.contains(&Name::W4) {
            let mut figures = Figures::new();
            bench.churn("", 2_000, Duration::from_secs(self.churn), &mut figures)?;
            let result = fed("", 2_000, &figures);
            put(Name::W4, figures, result);
        }
        if names.contains(&Name::W5) {
            let mut figures = Figures::new();
            let left = Table::Fabric.paths() - u64::from(GONE * RACK);
            let result = bench.restart("", 0, RACK, left, &mut figures);
            put(Name::W5, figures, result);
        }
        Ok(())
    }

    /// The same routes from 10, 400 and 4,000 sessions.
    fn control(&self, subject: Subject, place: &Place, figures: &mut Figures) -> io::Result<()> {
        let mut first = None;
        for table in [Table::Few, Table::Some, Table::Most] {
            let (_, learned) = self.learn(subject, table, place)?;
            let (sessions, cpu) = (table.sessions(), learned["cpu_s"]);
            figures.insert(format!("cpu_{sessions}_s"), cpu);
            figures.insert(format!("ratio_{sessions}"), cpu / *first.get_or_insert(cpu));
        }
        Ok(())
    }

    /// Twelve racks.
    fn racks(&self, subject: Subject, place: &Place, figures: &mut Figures) -> io::Result<()> {
        let table = Table::Racks;
        let mut bench = Bench::start(subject, table, place, self.patience(), figures)?;
        bench.learn(figures)?;
        bench.idle(Duration::from_secs(self.idle), figures)?;
        bench.churn("churn_", 2_000, Duration::from_secs(self.churn), figures)?;
        bench.churn("storm_", 20_000, Duration::from_secs(self.churn), figures)?;
        let left = |nodes: u32| table.paths() - u64::from(GONE * nodes);
        bench.restart("rack_", 0, RACK, left(RACK), figures)?;
        bench.restart("all_", 0, table.sessions(), left(table.sessions()), figures)?;
        // A feeder that is slow spoils no more than these.
        fed("churn_", 2_000, figures)?;
        fed("storm_", 20_000, figures)
    }
}

/// Parts that are measured one after the other on one receiver.
fn sequences(names: &[Name]) -> Vec<Vec<Name>> {
    let fabric = |name: &Name| name.table() == Table::Fabric;
    let mut all: Vec<Vec<Name>> = names.iter().filter(|name| !fabric(name)).map(|name| vec![*name]).collect();
    let together: Vec<Name> = names.iter().copied().filter(fabric).collect();
    if !together.is_empty() {
        all.insert(0, together);
    }
    all
}

/// Waits for a process without standing in the way.
async fn ended(child: &mut Child) -> io::Result<std::process::ExitStatus> {
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn line(figures: &Figures) -> String {
    let words: Vec<String> = figures.iter().map(|(key, value)| format!("{key} {value:.3}")).collect();
    words.join(", ")
}
