//! Who is measured: each is started with a configuration that lets all nodes of a workload in and announces
//! nothing, and is asked how many paths it holds.

mod bird;
mod floor;
mod frr;
mod gobgp;
mod openbgpd;
mod thirdleaf;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::http::Http;
use crate::workload::Table;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Subject {
    Thirdleaf,
    Bird2,
    Bird1,
    Openbgpd,
    Frr,
    Gobgp,
    /// A hash table and nothing else
    Floor,
    /// Reads and drops
    Drop,
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Thirdleaf => "thirdleaf",
            Self::Bird2 => "bird2",
            Self::Bird1 => "bird 1.6",
            Self::Openbgpd => "openbgpd",
            Self::Frr => "frr bgpd",
            Self::Gobgp => "gobgpd",
            Self::Floor => "floor",
            Self::Drop => "read and drop",
        })
    }
}

/// What is needed to start one.
#[derive(Debug)]
pub(crate) struct Place {
    /// A directory of this run's own.
    pub(crate) directory: PathBuf,
    /// Where daemons were unpacked.
    pub(crate) peers: PathBuf,
    /// The program to measure.
    pub(crate) thirdleaf: PathBuf,
}

/// What a receiver holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) paths: u64,
    /// Paths that it holds and would not use.
    pub(crate) rejected: u64,
    /// Paths of sessions that ended.
    pub(crate) stale: u64,
}

impl Held {
    pub(crate) fn all(paths: u64) -> Self {
        Self { paths, ..Self::default() }
    }
}

pub(crate) trait Receiver {
    /// Its processes.
    fn processes(&self) -> Vec<u32>;

    /// Whether it has ended, which it never should.
    fn has_ended(&mut self) -> bool;

    /// What it holds; nothing if it keeps nothing. No answer is an error, never a table that is right.
    fn held(&mut self) -> io::Result<Option<Held>>;

    /// Its API, if it has one that shows a route.
    fn http(&self) -> Option<io::Result<Http>> {
        None
    }
}

/// Starts a receiver for a table's nodes.
pub(crate) fn start(subject: Subject, table: Table, place: &Place) -> io::Result<Box<dyn Receiver>> {
    Ok(match subject {
        Subject::Thirdleaf => Box::new(thirdleaf::Thirdleaf::start(table, place)?),
        Subject::Bird2 => Box::new(bird::Bird::start(bird::Version::Two, table, place)?),
        Subject::Bird1 => Box::new(bird::Bird::start(bird::Version::One, table, place)?),
        Subject::Openbgpd => Box::new(openbgpd::Openbgpd::start(table, place)?),
        Subject::Frr => Box::new(frr::Frr::start(table, place)?),
        Subject::Gobgp => Box::new(gobgp::Gobgp::start(table, place)?),
        Subject::Floor => Box::new(floor::Floor::start(table, "table")?),
        Subject::Drop => Box::new(floor::Floor::start(table, "nothing")?),
    })
}

/// Its version; nothing if it cannot be had.
pub(crate) fn version(subject: Subject, place: &Place) -> Option<String> {
    let says = |program: &Path, argument: &str| {
        let libraries = frr::libraries(&place.peers.join("frr"));
        let output = Command::new(program).arg(argument).env("LD_LIBRARY_PATH", libraries).output().ok()?;
        let text =
            String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        text.split_whitespace().find(|word| word.starts_with(|c: char| c.is_ascii_digit())).map(str::to_owned)
    };
    match subject {
        Subject::Thirdleaf => says(&place.thirdleaf, "--version"),
        Subject::Bird2 => says(&place.peers.join("bird2/usr/sbin/bird"), "--version"),
        Subject::Bird1 => says(&place.peers.join("bird/usr/sbin/bird"), "--version"),
        Subject::Openbgpd => says(&place.peers.join("openbgpd/usr/sbin/bgpd"), "-V"),
        Subject::Frr => says(&frr::program(&place.peers.join("frr")), "--version"),
        Subject::Gobgp => says(&place.peers.join("gobgpd/usr/bin/gobgpd"), "--version"),
        Subject::Floor | Subject::Drop => Some(String::new()),
    }
}
