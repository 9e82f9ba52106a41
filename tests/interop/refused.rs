//! Nodes that want to peer and do not get in, as real daemons try it.

use std::time::Duration;

use serde_json::Value;

use crate::daemons::{CalicoNode, bird1};
use crate::net::{Fabric, eventually};
use crate::thirdleaf::Thirdleaf;

const AT_ONCE: &str = "[findings.open_after]\npeer_refused = \"0s\"";
/// BIRD comes again after 5 to 30 seconds.
const PATIENCE: Duration = Duration::from_mins(2);

/// The evidence of open findings on who is refused, their leaf, and the sentence.
fn refused(thirdleaf: &Thirdleaf) -> Vec<(Vec<String>, Value, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let found = thirdleaf.items(&["findings"]);
    let open = found.iter().filter(|item| item["kind"] == "peer_refused" && item["state"] == "open");
    open.map(|item| {
        let evidence = item["evidence"].as_array().unwrap().iter().map(text).collect();
        (evidence, item["leaf"].clone(), text(&item["summary"]))
    })
    .collect()
}

/// The kernel drops what is signed with another password without a word to anybody. It counts.
#[test]
fn a_wrong_password_is_told_although_the_kernel_names_nobody() {
    let mut fabric = Fabric::new();
    let wires = (fabric.node(1), fabric.node(2));
    let secret = fabric.file("secret");
    std::fs::write(&secret, "third leaf").unwrap();
    let password = format!("password_file = \"{}\"", secret.display());
    let thirdleaf = Thirdleaf::start_with(&fabric, &password, AT_ONCE);
    let mut right = CalicoNode::new(1, &["10.244.1.0/26"]);
    right.options = "password \"third leaf\";".to_owned();
    let _right = right.start(&fabric, &wires.0);
    thirdleaf.wait_established(&["172.16.1.1"]);
    let failures = |kind: &str| {
        let metrics = thirdleaf.metrics();
        let name = format!("thirdleaf_tcp_md5_failures_total{{kind=\"{kind}\"}} ");
        metrics.lines().find_map(|line| line.strip_prefix(&name)?.parse::<u64>().ok()).unwrap()
    };
    assert_eq!(["missing", "unexpected", "wrong"].map(failures), [0; 3]);

    let mut wrong = CalicoNode::new(2, &["10.244.2.0/26"]);
    wrong.options = "password \"fourth leaf\";".to_owned();
    let _wrong = wrong.start(&fabric, &wires.1);
    let (found, after) = eventually("it is told", PATIENCE, || {
        let found = refused(&thirdleaf);
        (!found.is_empty()).then_some(found)
    });
    let [(evidence, leaf, summary)] = &found[..] else { panic!("{found:?}") };
    assert!(evidence.len() == 1 && evidence[0].ends_with("(TCPMD5Failure)"), "{evidence:?}");
    assert_eq!(leaf, "rack1");
    assert!(summary.contains("who it is the kernel does not say"), "{summary}");
    assert!(failures("wrong") >= 3);
    println!("a wrong password: told {after:?} after BIRD began to try");
    thirdleaf.stop();
}

/// One that has another AS, one that expects another AS of us, and one that nobody entered.
#[test]
fn whoever_is_refused_is_told_with_the_reason() {
    let mut fabric = Fabric::new();
    let wires = [1, 2, 3].map(|n| fabric.node(n));
    let thirdleaf = Thirdleaf::start_with(&fabric, "", AT_ONCE);
    let mut other_as = CalicoNode::new(1, &["10.244.1.0/26"]);
    other_as.asn = 65300;
    let _one = other_as.start(&fabric, &wires[0]);
    let mut expects = CalicoNode::new(2, &["10.244.2.0/26"]);
    expects.peered = false;
    expects.others = vec![("Expects", "172.16.2.4".to_owned(), 65198)];
    let _two = expects.start(&fabric, &wires[1]);
    fabric.hub().ip(&["addr", "add", "172.17.3.4/29", "dev", "node3"]);
    wires[2].ip(&["addr", "add", "172.17.3.1/29", "dev", "eth0"]);
    let _three = bird1(
        &fabric,
        &wires[2],
        "stranger",
        "router id 172.17.3.1;\nprotocol device {}\nprotocol bgp Leaf {\n  local 172.17.3.1 as 65104;\n  \
         neighbor 172.17.3.4 as 65199;\n  connect delay time 2;\n  error wait time 5,30;\n}\n",
    );
    let lines = [
        "172.16.1.1 on rack1: AS 65300 offered, AS 65102-65150, 4200065102-4200065150 expected, ",
        "172.16.2.1 on rack1: AS 65103 offered, answers the OPEN of AS 65199 with NOTIFICATION 2/2 (OPEN message error: bad peer AS)",
        "172.17.3.1 on rack1: AS 65104 offered, an address in 172.16.0.0/16 expected, ",
    ];
    let ((), after) = eventually("all three are told", PATIENCE, || {
        let found = refused(&thirdleaf);
        let told =
            |line: &&str| found.iter().any(|(evidence, ..)| evidence.iter().any(|it| it.starts_with(line)));
        (found.len() == 3 && lines.iter().all(told)).then_some(())
    });
    println!("refused: told {after:?} after BIRD began to try");
    thirdleaf.stop();
}
