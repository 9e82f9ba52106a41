//! FRR's bgpd alone, without zebra.

use std::fmt::Write as _;
use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use super::{Held, Place, Receiver};
use crate::process::{Process, bound};
use crate::workload::{LEAF_AS, Table};

pub(super) struct Frr {
    process: Process,
    sockets: PathBuf,
}

pub(super) fn program(root: &Path) -> PathBuf {
    root.join("usr/lib/frr/bgpd")
}

/// Where its libraries are.
pub(super) fn libraries(root: &Path) -> PathBuf {
    root.join("usr/lib/x86_64-linux-gnu/frr")
}

impl Frr {
    pub(super) fn start(table: Table, place: &Place) -> io::Result<Self> {
        let root = place.peers.join("frr");
        let config = place.directory.join("frr.conf");
        fs::write(&config, configuration(table))?;
        let mut command = bound(program(&root));
        command.env("LD_LIBRARY_PATH", libraries(&root));
        command.args(["-S", "-Z", "-n", "-P", "0", "-p", "179", "--log", "stdout", "--log-level", "alerts"]);
        command.arg("--moduledir").arg(libraries(&root).join("modules"));
        for leaf in table.leaves() {
            command.arg("-l").arg(leaf.to_string());
        }
        command.arg("-f").arg(&config).arg("-i").arg(place.directory.join("frr.pid"));
        command.arg("--vty_socket").arg(&place.directory);
        let process = Process::start(command, &place.directory.join("frr.log"))?;
        Ok(Self { process, sockets: place.directory.clone() })
    }
}

impl Frr {
    /// What bgpd answers on the socket that its shell uses: a command ends with a zero, an answer with three and
    /// a status.
    fn ask(&self, command: &str) -> io::Result<Vec<u8>> {
        let mut stream = UnixStream::connect(self.sockets.join("bgpd.vty"))?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        let mut answer = Vec::new();
        for command in ["enable", command] {
            answer.clear();
            write!(stream, "{command}\0")?;
            while !answer.ends_with(&[0, 0, 0, 0]) {
                let mut piece = [0; 4_096];
                match stream.read(&mut piece)? {
                    0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                    length => answer.extend_from_slice(&piece[..length]),
                }
            }
        }
        answer.truncate(answer.len() - 4);
        Ok(answer)
    }
}

impl Receiver for Frr {
    fn processes(&self) -> Vec<u32> {
        vec![self.process.id()]
    }

    fn has_ended(&mut self) -> bool {
        self.process.has_ended()
    }

    fn held(&mut self) -> io::Result<Option<Held>> {
        let answer = self.ask("show bgp ipv4 unicast summary json").unwrap_or_default();
        let summary: Value = serde_json::from_slice(&answer).unwrap_or_default();
        let peers = summary["peers"].as_object().into_iter().flat_map(|peers| peers.values());
        Ok(Some(Held::all(peers.filter_map(|peer| peer["pfxRcd"].as_u64()).sum())))
    }
}

fn configuration(table: Table) -> String {
    let mut text = format!(
        "frr defaults traditional\nhostname bench\nrouter bgp {LEAF_AS}\n bgp router-id 192.168.255.254\n \
         no bgp ebgp-requires-policy\n no bgp network import-check\n timers bgp 1 3\n neighbor nodes peer-group\n \
         neighbor nodes passive\n neighbor nodes disable-connected-check\n"
    );
    for node in table.nodes() {
        let (address, asn) = (node.address(), node.asn());
        let _ = write!(text, " neighbor {address} remote-as {asn}\n neighbor {address} peer-group nodes\n");
    }
    text += " address-family ipv4 unicast\n  neighbor nodes route-map nothing out\n exit-address-family\nexit\n\
             route-map nothing deny 10\nexit\n";
    text
}
