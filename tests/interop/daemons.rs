//! Daemons configured as Calico configures its nodes, and the other speakers that Kubernetes uses.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::Command;

use crate::net::{Fabric, Namespace, Process};

/// Where `tests/run` unpacked `package`'s file.
pub(crate) fn unpacked(package: &str, file: &str) -> PathBuf {
    let peers = std::env::var_os("THIRDLEAF_PEERS")
        .expect("run tests/run: it unpacks the daemons and names the place");
    let path = PathBuf::from(peers).join(package).join(file);
    assert!(path.exists(), "{} is missing: run tests/run", path.display());
    path
}

/// A node as Calico makes it of BIRD 1.6: one daemon for IPv4, another for IPv6, both started with `-R`.
#[derive(Clone)]
pub(crate) struct CalicoNode {
    pub(crate) n: u8,
    pub(crate) asn: u32,
    /// Pod blocks and service prefixes, static and black-holed.
    pub(crate) statics: Vec<&'static str>,
    /// Pods of other nodes' blocks: kernel routes.
    pub(crate) borrowed: Vec<&'static str>,
    /// Lines at the head of the export filter, as a `BGPFilter` would put them.
    pub(crate) export: &'static str,
    /// Lines for the neighbour, as a password.
    pub(crate) options: String,
    /// Whether there is a `BGPPeer` that names thirdleaf.
    pub(crate) peered: bool,
    /// More peers: name, address and AS.
    pub(crate) others: Vec<(&'static str, String, u32)>,
}

impl CalicoNode {
    pub(crate) fn new(n: u8, statics: &[&'static str]) -> Self {
        Self {
            n,
            asn: 65101 + u32::from(n),
            statics: statics.to_vec(),
            borrowed: Vec::new(),
            export: "",
            options: String::new(),
            peered: true,
            others: Vec::new(),
        }
    }

    pub(crate) fn address(&self) -> String {
        format!("172.16.{}.1", self.n)
    }

    /// What `calico/node` renders, in the AS-per-node design.
    fn config(&self, v6: bool) -> String {
        let (own, hub) = if v6 {
            (format!("fd00:16:{}::1", self.n), format!("fd00:16:{}::4", self.n))
        } else {
            (self.address(), format!("172.16.{}.4", self.n))
        };
        let (pool, services) =
            if v6 { ("fd00:10:244::/48", "fd00:10:96::/112") } else { ("10.244.0.0/16", "10.96.0.0/12") };
        let mut text = format!(
            "router id 172.16.{}.1;\nlog stderr all;\n\
             protocol device {{ scan time 2; }}\n\
             protocol kernel {{ learn; persist; scan time 2; import all; export none; graceful restart; }}\n\
             protocol static {{\n",
            self.n
        );
        let mut blocks = String::new();
        for prefix in self.statics.iter().filter(|prefix| prefix.contains(':') == v6) {
            writeln!(text, "  route {prefix} blackhole;").unwrap();
            if prefix.ends_with(if v6 { "/122" } else { "/26" }) {
                writeln!(blocks, "  if net = {prefix} then accept;\n  if net ~ {prefix} then reject;")
                    .unwrap();
            }
        }
        write!(
            text,
            "}}\nfilter export_ebgp {{\n{}{blocks}  if net ~ {services} then accept;\n  if net ~ {pool} then accept;\n  reject;\n}}\n\
             template bgp tor {{\n  debug {{ states, events }};\n  local as {};\n  gateway recursive;\n  add paths on;\n  graceful restart;\n\
             \x20 connect delay time 2;\n  connect retry time 5;\n  error wait time 5,30;\n  source address {own};\n  multihop;\n\
             \x20 import all;\n  export filter export_ebgp;\n}}\n",
            if v6 { "" } else { self.export },
            self.asn,
        )
        .unwrap();
        if self.peered {
            let options = &self.options;
            writeln!(text, "protocol bgp Thirdleaf from tor {{ neighbor {hub} as 65199; {options} }}")
                .unwrap();
        }
        for (name, address, asn) in self.others.iter().filter(|(_, address, _)| address.contains(':') == v6) {
            writeln!(text, "protocol bgp {name} from tor {{ neighbor {address} as {asn}; }}").unwrap();
        }
        text
    }

    fn path(&self, fabric: &Fabric, v6: bool) -> PathBuf {
        fabric.file(&format!("node{}-{}.conf", self.n, if v6 { "v6" } else { "v4" }))
    }

    /// Writes the configuration and starts the IPv4 daemon.
    pub(crate) fn start(&self, fabric: &Fabric, node: &Namespace) -> Bird {
        for pod in &self.borrowed {
            node.ip(&["route", "replace", pod, "dev", "lo"]);
        }
        self.start_family(fabric, node, false)
    }

    /// Writes the configuration and starts the IPv6 daemon.
    pub(crate) fn start_v6(&self, fabric: &Fabric, node: &Namespace) -> Bird {
        self.start_family(fabric, node, true)
    }

    fn start_family(&self, fabric: &Fabric, node: &Namespace, v6: bool) -> Bird {
        let config = self.path(fabric, v6);
        std::fs::write(&config, self.config(v6)).unwrap();
        let program = unpacked("bird", if v6 { "usr/sbin/bird6" } else { "usr/sbin/bird" });
        let mut command = node.command(program);
        command.arg("-R").arg("-d").arg("-c").arg(&config).arg("-s").arg(config.with_extension("ctl"));
        Bird { process: Process::start(command, &config.with_extension("log")) }
    }

    /// Rewrites the IPv4 configuration and has `bird` take it up.
    pub(crate) fn reconfigure(&self, fabric: &Fabric, bird: &Bird) {
        std::fs::write(self.path(fabric, false), self.config(false)).unwrap();
        bird.process.signal("HUP");
    }

    /// What `birdc` answers for the IPv4 daemon.
    pub(crate) fn birdc(&self, fabric: &Fabric, words: &[&str]) -> String {
        let socket = self.path(fabric, false).with_extension("ctl");
        let program = unpacked("bird", "usr/sbin/birdc");
        let done = Command::new(program).arg("-s").arg(socket).args(words).output().unwrap();
        String::from_utf8_lossy(&done.stdout).into_owned()
    }
}

/// A running BIRD.
pub(crate) struct Bird {
    pub(crate) process: Process,
}

/// Starts BIRD 1.6 for IPv4 in `node` with the given configuration.
pub(crate) fn bird1(fabric: &Fabric, node: &Namespace, name: &str, config: &str) -> Process {
    plain_bird("bird", fabric, node, name, config)
}

/// Starts BIRD 2 in `node` with the given configuration.
pub(crate) fn bird2(fabric: &Fabric, node: &Namespace, name: &str, config: &str) -> Process {
    plain_bird("bird2", fabric, node, name, config)
}

fn plain_bird(package: &str, fabric: &Fabric, node: &Namespace, name: &str, config: &str) -> Process {
    let path = fabric.file(&format!("{name}.conf"));
    std::fs::write(&path, config).unwrap();
    let mut command = node.command(unpacked(package, "usr/sbin/bird"));
    command.arg("-d").arg("-c").arg(&path).arg("-s").arg(path.with_extension("ctl"));
    Process::start(command, &path.with_extension("log"))
}

/// What BIRD 2's `birdc` answers.
pub(crate) fn birdc2(fabric: &Fabric, name: &str, words: &[&str]) -> String {
    let program = unpacked("bird2", "usr/sbin/birdc");
    let socket = fabric.file(&format!("{name}.ctl"));
    let done = Command::new(program).arg("-s").arg(socket).args(words).output().unwrap();
    String::from_utf8_lossy(&done.stdout).into_owned()
}

/// Starts GoBGP in `node`.
pub(crate) fn gobgpd(fabric: &Fabric, node: &Namespace, config: &str) -> Process {
    let path = fabric.file("gobgpd.toml");
    std::fs::write(&path, config).unwrap();
    let mut command = node.command(unpacked("gobgpd", "usr/bin/gobgpd"));
    command.arg("-f").arg(&path).args(["--api-hosts", "127.0.0.1:50051"]);
    // Where it writes files without a folder.
    command.current_dir(path.parent().unwrap());
    Process::start(command, &path.with_extension("log"))
}

/// Runs GoBGP's command line in `node`; whether it succeeded.
pub(crate) fn gobgp(node: &Namespace, words: &[&str]) -> bool {
    node.command(unpacked("gobgpd", "usr/bin/gobgp")).args(words).output().unwrap().status.success()
}

/// Starts ExaBGP in `node`.
pub(crate) fn exabgp(fabric: &Fabric, node: &Namespace, config: &str) -> Process {
    let path = fabric.file("exabgp.conf");
    std::fs::write(&path, config).unwrap();
    let library = unpacked("python3-exabgp", "usr/lib/python3/dist-packages");
    let mut command = node.command("/usr/bin/env");
    command
        .arg(format!("PYTHONPATH={}", library.display()))
        .args(["exabgp.daemon.user=root", "exabgp.api.cli=false", "exabgp.log.level=INFO"])
        .args(["/usr/bin/python3", "-c", "from exabgp.application import run_exabgp; run_exabgp()"])
        .arg(&path);
    Process::start(command, &path.with_extension("log"))
}
