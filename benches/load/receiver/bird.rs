//! BIRD, with a protocol for each node.

use std::fmt::Write;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::process::Command;

use super::{Held, Place, Receiver};
use crate::process::{Process, bound};
use crate::workload::{LEAF_AS, Table};

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    One,
    Two,
}

impl Version {
    fn package(self) -> &'static str {
        match self {
            Self::One => "bird",
            Self::Two => "bird2",
        }
    }
}

pub(super) struct Bird {
    process: Process,
    client: PathBuf,
    socket: PathBuf,
}

impl Bird {
    pub(super) fn start(version: Version, table: Table, place: &Place) -> io::Result<Self> {
        let programs = place.peers.join(version.package()).join("usr/sbin");
        let (config, socket) = (place.directory.join("bird.conf"), place.directory.join("bird.ctl"));
        fs::write(&config, configuration(version, table))?;
        let mut command = bound(programs.join("bird"));
        command.arg("-f").arg("-c").arg(&config).arg("-s").arg(&socket);
        command.arg("-P").arg(place.directory.join("bird.pid"));
        let process = Process::start(command, &place.directory.join("bird.log"))?;
        Ok(Self { process, client: programs.join("birdc"), socket })
    }
}

impl Receiver for Bird {
    fn processes(&self) -> Vec<u32> {
        vec![self.process.id()]
    }

    fn has_ended(&mut self) -> bool {
        self.process.has_ended()
    }

    fn held(&mut self) -> io::Result<Option<Held>> {
        let mut command = Command::new(&self.client);
        let output = command.arg("-s").arg(&self.socket).args(["show", "route", "count"]).output()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        // "128000 of 128000 routes for 59601 networks", of BIRD 2 for each table.
        let counts = text.lines().filter(|line| line.contains(" routes for ")).filter_map(|line| {
            let (count, _) = line.trim_start_matches("1007-").trim().split_once(" of ")?;
            count.parse::<u64>().ok()
        });
        Ok(Some(Held::all(counts.sum())))
    }
}

fn configuration(version: Version, table: Table) -> String {
    let mut text =
        "router id 192.168.255.254;\nlog stderr { warning, error, fatal, bug };\nprotocol device { }\n"
            .to_owned();
    let channel = match version {
        Version::One => "import all; export none;",
        Version::Two => "ipv4 { import all; export none; };",
    };
    for node in table.nodes() {
        let _ = writeln!(
            text,
            "protocol bgp node{} {{ local {} as {LEAF_AS}; neighbor {} as {}; passive; hold time 3; \
             keepalive time 1; graceful restart on; {channel} }}",
            node.0,
            node.leaf(),
            node.address(),
            node.asn(),
        );
    }
    text
}
