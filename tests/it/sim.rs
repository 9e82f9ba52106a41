//! `thirdleaf sim node` against a daemon: what simulated nodes do, and how it looks from the leaf.

use std::process::{Child, Command, Stdio};

use crate::run::{Daemon, Place, command, eventually, quiet};

/// A running simulation, ended when dropped.
struct Simulation(Child);

impl Simulation {
    fn start(place: &Place, more: &[&str]) -> Self {
        let (leaf, own) = (format!("{}:1790", place.host(4)), place.host(8).to_string());
        let mut command = command(&["sim", "node", &leaf, "--address", &own, "--faster", "20"]);
        Self(command.args(more).stdout(Stdio::null()).spawn().unwrap())
    }

    /// Ctrl-C.
    fn interrupt(&mut self) {
        assert!(
            Command::new("kill").args(["-s", "INT", &self.0.id().to_string()]).status().unwrap().success()
        );
        assert!(self.0.wait().unwrap().success());
    }
}

impl Drop for Simulation {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Prefix and state of every route.
fn routes(daemon: &Daemon) -> Vec<String> {
    let mut routes: Vec<_> = daemon
        .items(&["routes"])
        .iter()
        .map(|route| {
            let [prefix, state] = ["prefix", "state"].map(|key| route[key].as_str().unwrap());
            format!("{prefix} {state}{}", if route["stale"] == true { " stale" } else { "" })
        })
        .collect();
    routes.sort();
    routes
}

#[test]
fn nodes_leak_are_drained_die_and_come_back() {
    let _quiet = quiet();
    let place = Place::new();
    let daemon = Daemon::start(&place, &place.write("thirdleaf.toml", &place.config()));
    let leak = ["--leak", "0.0.0.0/0", "--leak", "10.244.9.0/26", "--behind", "65103"];
    let life = ["--service-host", "10.96.0.10", "--hosts", "1", "--drain-after", "4s", "--crash-every", "7s"];
    let mut nodes = Simulation::start(&place, &[&leak[..], &life].concat());
    let come_to = |what: &str, expected: &[&str]| {
        eventually(what, || (routes(&daemon) == expected).then_some(()));
    };
    let all = [
        "0.0.0.0/0 rejected",
        "10.244.0.0/26 accepted",
        "10.244.0.64/32 accepted",
        "10.244.9.0/26 rejected",
        "10.96.0.0/12 accepted",
        "10.96.0.10/32 accepted",
    ];
    come_to("everything is announced", &all);
    let why = daemon.items(&["routes", "10.244.9.0/26"]);
    assert_eq!(why[0]["as_path"], "65102 65103");
    let left = [all[0], all[1], all[3], all[4]];
    come_to("pods and services have left", &left);
    come_to("the daemon is gone", &left.map(|route| format!("{route} stale")).each_ref().map(String::as_str));
    come_to("it is back", &left);
    nodes.interrupt();
    come_to("it said goodbye", &[]);
}
