//! GoBGP.

use std::fmt::Write;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::process::Command;

use super::{Held, Place, Receiver};
use crate::process::{Process, bound};
use crate::workload::{LEAF_AS, Table};

pub(super) struct Gobgp {
    process: Process,
    client: PathBuf,
}

impl Gobgp {
    pub(super) fn start(table: Table, place: &Place) -> io::Result<Self> {
        let programs = place.peers.join("gobgpd/usr/bin");
        let config = place.directory.join("gobgpd.toml");
        fs::write(&config, configuration(table))?;
        let mut command = bound(programs.join("gobgpd"));
        command.args(["--log-level", "error", "--disable-stdlog", "-f"]).arg(&config);
        let process = Process::start(command, &place.directory.join("gobgpd.log"))?;
        Ok(Self { process, client: programs.join("gobgp") })
    }
}

impl Receiver for Gobgp {
    fn processes(&self) -> Vec<u32> {
        vec![self.process.id()]
    }

    fn has_ended(&mut self) -> bool {
        self.process.has_ended()
    }

    fn held(&mut self) -> io::Result<Option<Held>> {
        let output = Command::new(&self.client).args(["global", "rib", "summary"]).output()?;
        // "Destination: 59601, Path: 128000"
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let count = text.split("Path: ").nth(1).and_then(|rest| rest.split_whitespace().next()?.parse().ok());
        Ok(Some(Held::all(count.unwrap_or(0))))
    }
}

fn configuration(table: Table) -> String {
    let leaves: Vec<String> = table.leaves().map(|leaf| format!("\"{leaf}\"")).collect();
    let mut text = format!(
        "[global.config]\nas = {LEAF_AS}\nrouter-id = \"192.168.255.254\"\nport = 179\nlocal-address-list = [{}]\n\
         [global.apply-policy.config]\ndefault-export-policy = \"reject-route\"\n",
        leaves.join(", ")
    );
    for node in table.nodes() {
        let _ = write!(
            text,
            "[[neighbors]]\n[neighbors.config]\nneighbor-address = \"{}\"\npeer-as = {}\n\
             [neighbors.transport.config]\npassive-mode = true\nlocal-address = \"{}\"\n\
             [neighbors.timers.config]\nhold-time = 3\nkeepalive-interval = 1\n\
             [neighbors.graceful-restart.config]\nenabled = true\nrestart-time = 120\n\
             [[neighbors.afi-safis]]\n[neighbors.afi-safis.config]\nafi-safi-name = \"ipv4-unicast\"\n\
             [neighbors.afi-safis.mp-graceful-restart.config]\nenabled = true\n",
            node.address(),
            node.asn(),
            node.leaf(),
        );
    }
    text
}
