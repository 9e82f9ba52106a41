//! OpenBGPD: three processes.

use std::fmt::Write;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::process::Command;

use super::{Held, Place, Receiver};
use crate::process::{Process, bound, family};
use crate::workload::{LEAF_AS, Table};

pub(super) struct Openbgpd {
    process: Process,
    client: PathBuf,
    socket: PathBuf,
}

impl Openbgpd {
    pub(super) fn start(table: Table, place: &Place) -> io::Result<Self> {
        let programs = place.peers.join("openbgpd/usr/sbin");
        let (config, socket) = (place.directory.join("bgpd.conf"), place.directory.join("bgpd.sock"));
        let text = configuration(table) + &format!("socket \"{}\"\n", socket.display());
        fs::write(&config, text)?;
        // It reads no file that others may write.
        fs::set_permissions(&config, std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
        let mut command = bound(programs.join("bgpd"));
        command.arg("-d").arg("-f").arg(&config);
        let process = Process::start(command, &place.directory.join("bgpd.log"))?;
        Ok(Self { process, client: programs.join("bgpctl"), socket })
    }
}

impl Receiver for Openbgpd {
    fn processes(&self) -> Vec<u32> {
        family(self.process.id())
    }

    fn has_ended(&mut self) -> bool {
        self.process.has_ended()
    }

    fn held(&mut self) -> io::Result<Option<Held>> {
        let mut command = Command::new("timeout");
        command.arg("5").arg(&self.client).arg("-s").arg(&self.socket).arg("show");
        let text = String::from_utf8_lossy(&command.output()?.stdout).into_owned();
        // A neighbor a line; the last word is how many prefixes it announced, once it is up.
        let counts = text.lines().filter_map(|line| line.split_whitespace().last()?.parse::<u64>().ok());
        Ok(Some(Held::all(counts.sum())))
    }
}

fn configuration(table: Table) -> String {
    let mut text = format!("AS {LEAF_AS}\nrouter-id 192.168.255.254\nfib-update no\nholdtime 3\n");
    for leaf in table.leaves() {
        let _ = writeln!(text, "listen on {leaf}");
    }
    for node in table.nodes() {
        let _ = writeln!(
            text,
            "neighbor {} {{\nremote-as {}\nlocal-address {}\npassive\nholdtime 3\nannounce IPv4 unicast\n\
             announce restart yes\nexport none\n}}",
            node.address(),
            node.asn(),
            node.leaf(),
        );
    }
    text + "allow from any\n"
}
