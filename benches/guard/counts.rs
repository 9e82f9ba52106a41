//! Counts: recorded ones, new ones, and how they differ.

use std::collections::BTreeMap;
use std::fmt::{self, Write};
use std::process::Command;

use crate::{kernels, valgrind};

/// Where they are recorded.
const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/guard/counts.toml");
/// By how much a count may differ from the recorded one.
const BAND: f64 = 0.05;

const HEAD: &str = "\
# Instructions by kernel: in the program itself, and in libraries (malloc, memcpy and the like).
# Written by `benches/guard/run --bless`.
";

/// What was counted, and where.
#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
pub(crate) struct Counts {
    /// Release and host of the compiler: another one makes other instructions.
    pub(crate) toolchain: String,
    /// What the libraries' counts depend on.
    libc: String,
    kernels: BTreeMap<String, Count>,
}

/// Instructions of one kernel.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Count {
    /// In the program itself.
    pub(crate) program: u64,
    /// In shared libraries.
    pub(crate) libraries: u64,
}

impl Counts {
    /// What is recorded; nothing, if there is no record.
    pub(crate) fn recorded() -> Option<Self> {
        let text = std::fs::read_to_string(FILE).ok()?;
        Some(toml::from_str(&text).unwrap_or_else(|error| panic!("{FILE}: {error}")))
    }

    /// Whether nothing was counted.
    pub(crate) fn is_empty(&self) -> bool {
        self.kernels.is_empty()
    }

    /// Whether they are of the toolchain that the project is built with.
    pub(crate) fn are_of_the_pinned(&self) -> bool {
        let release = self.toolchain.split(' ').nth(1);
        release == Some(pinned().as_str())
    }

    /// Counts.
    pub(crate) fn now() -> Self {
        let kernels = valgrind::count(kernels::NAMES).into_iter();
        Self {
            toolchain: toolchain(),
            libc: said("getconf", &["GNU_LIBC_VERSION"]).trim().to_owned(),
            kernels: kernels.map(|(name, count)| (name.to_owned(), count)).collect(),
        }
    }

    /// Writes them to the record.
    pub(crate) fn record(&self) {
        let mut text =
            format!("{HEAD}toolchain = \"{}\"\nlibc = \"{}\"\n\n[kernels]\n", self.toolchain, self.libc);
        for (name, Count { program, libraries }) in &self.kernels {
            writeln!(text, "{name} = {{ program = {program}, libraries = {libraries} }}")
                .expect("a string takes everything");
        }
        std::fs::write(FILE, text).unwrap_or_else(|error| panic!("{FILE}: {error}"));
    }

    /// How `new` differs.
    pub(crate) fn differences<'a>(&'a self, new: &'a Self) -> Differences<'a> {
        Differences { old: self, new }
    }
}

/// The channel in `rust-toolchain.toml`.
pub(crate) fn pinned() -> String {
    const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/rust-toolchain.toml");
    let text = std::fs::read_to_string(FILE).unwrap_or_else(|error| panic!("{FILE}: {error}"));
    let file: toml::Table = toml::from_str(&text).unwrap_or_else(|error| panic!("{FILE}: {error}"));
    let channel = file.get("toolchain").and_then(|toolchain| toolchain.get("channel")?.as_str());
    channel.unwrap_or_else(|| panic!("{FILE} pins no channel")).to_owned()
}

fn toolchain() -> String {
    let version = said("rustc", &["-vV"]);
    let field = |name: &str| version.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
    format!("rustc {} for {}", field("release: "), field("host: "))
}

fn said(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}"));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Two sets of counts, side by side.
pub(crate) struct Differences<'a> {
    old: &'a Counts,
    new: &'a Counts,
}

impl Differences<'_> {
    /// Whether none is out of the band. Another libc has other counts, which say nothing of us.
    pub(crate) fn are_within_band(&self) -> bool {
        self.old.kernels.len() == self.new.kernels.len()
            && self.new.kernels.iter().all(|(name, new)| {
                self.old.kernels.get(name).is_some_and(|old| {
                    within(old.program, new.program) && (!self.same_libc() || total(*old, *new))
                })
            })
    }

    fn same_libc(&self) -> bool {
        self.old.libc == self.new.libc
    }
}

/// Of what little goes on in libraries a little more is much: it is judged together with the rest.
fn total(old: Count, new: Count) -> bool {
    within(old.program + old.libraries, new.program + new.libraries)
}

fn within(old: u64, new: u64) -> bool {
    change(old, new).abs() <= BAND
}

#[expect(clippy::cast_precision_loss, reason = "it is for people")]
fn change(old: u64, new: u64) -> f64 {
    if old == new { 0.0 } else { new as f64 / old as f64 - 1.0 }
}

impl fmt::Display for Differences<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<24} {:>26} {:>26}", "kernel", "program", "libraries")?;
        for (name, new) in &self.new.kernels {
            let Some(old) = self.old.kernels.get(name) else {
                writeln!(
                    f,
                    "{name:<24} {:>13} {:>12} {:>13} {:>12}",
                    new.program, "new", new.libraries, "new"
                )?;
                continue;
            };
            let [program, libraries] = [(old.program, new.program), (old.libraries, new.libraries)]
                .map(|(old, new)| format!("{new:>13} {:>+10.2} %", change(old, new) * 100.0));
            let mark = if !within(old.program, new.program) || self.same_libc() && !total(*old, *new) {
                "  <- out of the band"
            } else {
                ""
            };
            writeln!(f, "{name:<24} {program} {libraries}{mark}")?;
        }
        for name in self.old.kernels.keys().filter(|name| !self.new.kernels.contains_key(*name)) {
            writeln!(f, "{name:<24} is recorded, but there is no such kernel")?;
        }
        if !self.same_libc() && !self.old.libc.is_empty() {
            writeln!(
                f,
                "recorded with {}: its counts are not compared with those of {}",
                self.old.libc, self.new.libc
            )?;
        }
        Ok(())
    }
}
