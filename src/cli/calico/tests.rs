use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::cli::testing::Stub;
use crate::cli::tests::{ask, run};

/// Without what is only said.
fn bare(yaml: &str) -> String {
    let lines = yaml.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| line.split(" # ").next().unwrap().trim_end().to_owned() + "\n").collect()
}

fn write(text: &str, more: &[&str]) -> (u8, String) {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let directory = std::env::temp_dir().join(format!("thirdleaf-calico-{}-{count}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let path = directory.join("thirdleaf.toml");
    std::fs::write(&path, text).unwrap();
    std::fs::write(directory.join("PASSWORD"), "correct-horse").unwrap();
    let answer = run(&[&["calico", path.to_str().unwrap()], more].concat());
    std::fs::remove_dir_all(directory).unwrap();
    answer
}

#[test]
fn what_is_shipped_is_what_the_reference_configuration_asks_for() {
    let shipped = |name| Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(name);
    let (code, text) = run(&["calico", shipped("thirdleaf.toml").to_str().unwrap()]);
    assert_eq!(code, 0, "{text}");
    let expected = std::fs::read_to_string(shipped("kubernetes/calico.yaml")).unwrap();
    assert_eq!(bare(&text), bare(&expected));
}

#[test]
fn the_daemons_configuration_gives_the_same_as_its_file() {
    let config = serde_json::to_value(
        crate::config::parse(crate::web::testing::CONFIG, "x".as_ref(), &crate::config::Machine).unwrap(),
    );
    let stub = Stub::new(&[("/api/v1/config", config.unwrap())]);
    assert_eq!(ask(&stub.url, &["calico"]), write(crate::web::testing::CONFIG, &[]));
    assert_eq!(ask(&stub.url, &["calico", "-o", "json"]).0, 2);
}

/// Two clusters behind one leaf, two leaves in one rack, both families, a password.
const TWO: &str = r#"
version = 1
[[leaf]]
name = "Rack 1/a"
rack = "o'rack"
local_as = 65101
router_id = "10.0.0.101"
listen = ["0.0.0.0:1790", "[fd00::101]:1790"]
[[leaf]]
name = "rack1-b"
rack = "o'rack"
local_as = 4200000101
router_id = "10.0.0.102"
listen = ["0.0.0.0:1791", "10.0.0.102:1792", "[::]:1793"]
[[neighbors]]
leaf = "Rack 1/a"
cluster = "blue"
range = "192.168.1.0/26"
peer_as = [65102]
password_file = "PASSWORD"
[[neighbors]]
leaf = "Rack 1/a"
cluster = "blue"
range = "fd00:1::/64"
peer_as = [65102]
[[neighbors]]
leaf = "rack1-b"
cluster = "blue"
range = "192.168.1.0/26"
peer_as = [65102]
[[neighbors]]
leaf = "rack1-b"
cluster = "green"
range = "fd00:2::/64"
peer_as = [65102]
"#;

#[test]
fn every_cluster_gets_what_is_its_own() {
    assert!(!write(TWO, &[]).1.contains("correct-horse"));
    let (code, text) = write(TWO, &["--cluster", "blue", "--label", "topology/rack", "--secret", "keys"]);
    assert_eq!(code, 0, "{text}");
    let (peers, _) = text.split_once("kind: BGPFilter").unwrap();
    assert_eq!(
        bare(peers),
        r#"apiVersion: projectcalico.org/v3
kind: BGPPeer
metadata:
  name: thirdleaf-rack-1-a
spec:
  nodeSelector: "topology/rack == \"o'rack\""
  peerIP: 10.0.0.101:1790
  asNumber: 65101
  password:
    secretKeyRef:
      name: keys
      key: rack-1-a
  filters:
    - thirdleaf
---
apiVersion: projectcalico.org/v3
kind: BGPPeer
metadata:
  name: thirdleaf-rack-1-a-v6
spec:
  nodeSelector: "topology/rack == \"o'rack\""
  peerIP: "[fd00::101]:1790"
  asNumber: 65101
  filters:
    - thirdleaf
---
apiVersion: projectcalico.org/v3
kind: BGPPeer
metadata:
  name: thirdleaf-rack1-b
spec:
  nodeSelector: "topology/rack == \"o'rack\""
  peerIP: 10.0.0.102:1792
  asNumber: 4200000101
  filters:
    - thirdleaf
---
apiVersion: projectcalico.org/v3
"#
    );
    assert!(text.contains("\n# Rack o'rack has other leaves, too (rack1-b): "), "{text}");

    let (_, all) = write(TWO, &[]);
    let (blue, green) = all.split_once("\n...\n---\n").unwrap();
    assert!(blue.starts_with("# Cluster blue: ") && green.starts_with("# Cluster green: "), "{all}");
    // `[::]` is no address that a node could be told.
    assert!(green.contains("\n# Leaf rack1-b has IPv6 neighbors but no address in `listen`"), "{green}");
    assert!(!green.contains("kind: BGPPeer") && green.contains("kind: BGPFilter"), "{green}");
    assert_eq!(write(TWO, &["--cluster", "red"]).0, 2);
}

#[test]
fn a_label_is_one_of_kubernetes() {
    assert_eq!(super::label("topology.example.com/rack"), Ok("topology.example.com/rack".to_owned()));
    for label in ["a b", "rack\nx: y", "", "a/b/c", "-a", "a/"] {
        assert!(super::label(label).is_err(), "{label:?}");
    }
}
