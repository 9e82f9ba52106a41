//! A daemon that may have few open files.

use std::process::Command;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use super::{Attack, Scene, run};
use crate::peer::Peer;
use crate::run::{Place, QUIET, eventually};

/// A daemon whose shell set this limit before.
fn limited(ulimit: &str) -> Scene {
    Scene::spawn(Place::config, |file| {
        let mut command = Command::new("sh");
        let program = env!("CARGO_BIN_EXE_thirdleaf");
        command.args(["-c", &format!("ulimit {ulimit} && exec '{program}' run -c '{file}'")]);
        command
    })
}

#[test]
fn few_open_files() {
    let _quiet = QUIET.write().unwrap_or_else(PoisonError::into_inner);
    run(
        "Few open files",
        &limited("-n 100"),
        &[Attack {
            what: "200 half-open connections where 100 files may be open",
            counted: ("thirdleaf_bgp_connections_rejected_total", r#"reason="resources""#),
            run: exhaust,
        }],
    );
}

fn exhaust(scene: &Scene) -> String {
    let silent: Vec<Peer> = (30..230).map(|host| scene.connect(host)).collect();
    let start = Instant::now();
    let node = scene.establish(20);
    let took = start.elapsed();
    // The silent ones would keep it out for ten seconds.
    assert!(took < Duration::from_secs(5), "{took:?}");
    node.close();
    drop(silent);
    let took_after = eventually("it recovers", || {
        let took = scene.handshake(21);
        (took < Duration::from_secs(1)).then_some(took)
    });
    format!("a node is up {took:.1?} after the last of them connected, {took_after:.1?} once they are gone")
}

#[test]
fn the_soft_limit_of_open_files_is_raised_to_the_hard_one() {
    let scene = limited("-S -n 256");
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", scene.daemon.pid())).unwrap();
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    let limits: Vec<&str> = line.split_whitespace().skip(3).collect();
    assert_ne!(limits[0], "256");
    assert_eq!(limits[0], limits[1], "soft and hard");
}
