//! The demo, from its first line to its exit code.

use crate::run::{command, quiet, stderr, stdout};

/// Lines of the story, in their order.
const KEY_LINES: [&str; 19] = [
    "thirdleaf demo: three racks, eight nodes, two clusters",
    "THIRDLEAF_TOKEN_FILE=",
    "1. The nodes come up",
    "! critical rogue_route: 0.0.0.0/0",
    "resolved: missing_service_cidr",
    "9. Contracts follow the application",
    "seen in the APIC: pods-rack1 has the member 10.244.3.9/32",
    "$ thirdleaf eepg list",
    "seen in the APIC: pods-rack2 has the member 10.244.3.9/32",
    "seen in the APIC: web has no member 10.96.10.30/32",
    "10. A rack goes dark",
    "! critical hold_down:",
    "$ thirdleaf eepg plan",
    "peer_loss",
    "$ thirdleaf eepg approve ",
    "seen in the APIC: web has no member 10.96.10.43/32",
    "resolved: rack_down",
    "11. Somebody tidies up in the APIC",
    "findings opened and resolved, and no other.",
];

#[test]
fn it_goes_as_told_and_leaves_nothing_behind() {
    let _quiet = quiet();
    let output = command(&["demo", "--once"]).output().unwrap();
    let text = stdout(&output);
    assert_eq!(output.status.code(), Some(0), "{text}{}", stderr(&output));
    let mut rest = text.as_str();
    for line in KEY_LINES {
        let (_, after) =
            rest.split_once(line).unwrap_or_else(|| panic!("{line:?} is missing in: {rest}\nall: {text}"));
        rest = after;
    }
    let (_, token) = text.split_once("THIRDLEAF_TOKEN_FILE=").unwrap();
    let token = std::path::Path::new(token.lines().next().unwrap());
    assert!(token.is_absolute() && !token.parent().unwrap().exists(), "{}", token.display());
}

#[test]
fn one_that_is_terminated_takes_its_secrets_with_it() {
    use std::io::{BufRead, BufReader};
    use std::process::Stdio;

    let mut demo = command(&["demo"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(demo.stdout.take().unwrap()).lines().map(Result::unwrap);
    let token = lines.find_map(|line| Some(line.split_once("THIRDLEAF_TOKEN_FILE=")?.1.to_owned())).unwrap();
    assert!(std::path::Path::new(&token).exists());
    // The story has begun, and whoever began it listens.
    lines.find(|line| line.starts_with("1. ")).unwrap();
    let pid = demo.id().to_string();
    assert!(std::process::Command::new("kill").args(["-s", "TERM", &pid]).status().unwrap().success());
    // What it still says must be read, or it would stand still.
    lines.for_each(drop);
    assert_eq!(demo.wait().unwrap().code(), Some(0));
    assert!(!std::path::Path::new(&token).parent().unwrap().exists());
}
