use clap::CommandFactory;
use tokio::runtime::Runtime;

use super::*;
use crate::observer::view;
use crate::web::Control;
use crate::web::testing::{Server, TOKEN};

/// What a command that asks a server prints, and the code it exits with.
pub(super) fn ask(server: &str, arguments: &[&str]) -> (u8, String) {
    run(&[&["--server", server], arguments].concat())
}

/// What a command prints, and the code it exits with.
pub(super) fn run(arguments: &[&str]) -> (u8, String) {
    let cli = Cli::try_parse_from([&["thirdleaf"], arguments].concat()).unwrap();
    let mut out = Vec::new();
    let code = match cli.verb.execute(&cli.options, &mut out) {
        Ok(exit) => exit.0,
        Err(error) => {
            out.extend(error.to_string().into_bytes());
            error.exit()
        }
    };
    (code, String::from_utf8(out).unwrap())
}

/// A server, and the runtime that it lives in.
fn serve(token: Option<&str>) -> (Runtime, Server) {
    let runtime = Runtime::new().unwrap();
    let server = runtime.block_on(Server::start(token));
    (runtime, server)
}

#[test]
fn the_grammar_holds_together() {
    Cli::command().debug_assert();
}

#[test]
fn options_may_stand_after_the_verb() {
    let cli = Cli::try_parse_from(["thirdleaf", "routes", "10.0.0.0/8", "--longer", "-o", "jsonl"]).unwrap();
    assert_eq!(cli.options.output, Format::Jsonl);
}

#[test]
fn what_makes_no_sense_is_usage() {
    for arguments in [
        &["routes", "10.0.0.0/8", "--longer", "--exact"][..],
        &["routes", "--longer"],
        &["routes", "10.0.0.0/33"],
        &["routes", "--rejected", "--stale"],
        &["routes", "--limit", "0"],
        &["routes", "--class", "pods"],
        &["routes", "--reason", "because"],
        &["why"],
        &["findings", "--kind", "rouge_route"],
        &["peers", "reset", "node1"],
        &["findings", "ack", "f1"],
        &["findings", "f1", "--state", "open"],
        &["maintenance", "start", "rack1"],
        &["maintenance", "start", "rack1", "--for", "long", "--reason", "disks"],
        &["maintenance", "end", "rack1", "--rack", "--node"],
        &["eepg", "show"],
        &["eepg", "pause", "new spines"],
        &["eepg", "pause", "--for", "long", "new spines"],
        &["eepg", "pause", "--for", "2h"],
        &["eepg", "plan", "--operation", "move"],
        &["eepg", "plan", "--requests", "--held"],
        &["events", "--since", "yesterday"],
        &["conquer"],
    ] {
        let error = Cli::try_parse_from([&["thirdleaf"], arguments].concat()).unwrap_err();
        assert_eq!(error.exit_code(), 2, "{arguments:?}");
    }
}

#[test]
fn a_daemon_that_is_not_there() {
    let nobody = "http://127.0.0.1:9";
    for verb in ["summary", "peers", "routes", "findings", "events", "reload", "maintenance", "eepg"] {
        let (code, text) = run(&["--server", nobody, verb]);
        assert_eq!(code, 3, "{verb}: {text}");
        assert!(text.starts_with("cannot reach the daemon at http://127.0.0.1:9/: "), "{text}");
    }
    let (code, line) = run(&["--server", nobody, "check-health"]);
    assert_eq!(code, 3);
    assert!(line.starts_with("THIRDLEAF UNKNOWN - cannot reach the daemon"), "{line}");
}

#[test]
fn nothing_found_is_a_negative_answer() {
    let (_runtime, server) = serve(None);
    let (code, text) = run(&["--server", &server.url, "routes", "-o", "json"]);
    assert_eq!((code, text.as_str()), (1, "[]\n"));
    let (code, text) = run(&["--server", &server.url, "why", "10.0.0.0/8"]);
    assert_eq!((code, text.as_str()), (1, "no peer announces 10.0.0.0/8\n"));
    let (code, text) = run(&["--server", &server.url, "why", "10.0.0.9"]);
    assert_eq!((code, text.as_str()), (1, "no peer announces 10.0.0.9/32\n"));
    let (code, text) = run(&["--server", &server.url, "findings", "--no-headers"]);
    assert_eq!((code, text.as_str()), (0, ""));
}

#[test]
fn filters_that_the_daemon_does_not_know_are_usage() {
    let (_runtime, server) = serve(None);
    let (code, text) = run(&["--server", &server.url, "peers", "--state", "sideways"]);
    assert_eq!(code, 2);
    assert!(text.contains("established"), "{text}");
}

#[test]
fn the_summary_has_a_block_for_every_leaf() {
    let (_runtime, server) = serve(None);
    let (code, text) = run(&["--server", &server.url, "summary"]);
    assert_eq!(code, 0, "{text}");
    for line in [
        "BGP summary information for leaf rack1, rack rack1, cluster default, VRF default\n",
        "BGP router identifier 10.0.0.102, local AS number 65201\n",
    ] {
        assert!(text.contains(line), "{text}");
    }
    let (code, text) = run(&["--server", &server.url, "summary", "--leaf", "rack9"]);
    assert_eq!((code, text.as_str()), (2, "there is no leaf \"rack9\""));
}

#[test]
fn a_reload_needs_the_token_and_prints_what_came_of_it() {
    let (runtime, server) = serve(None);
    let (code, text) = run(&["--server", &server.url, "reload"]);
    assert_eq!(code, 2);
    assert!(text.contains("http.token_file"), "{text}");
    drop((runtime, server));

    let (runtime, mut server) = serve(Some(TOKEN));
    let file = std::env::temp_dir().join(format!("thirdleaf-token-{}", std::process::id()));
    std::fs::write(&file, format!("{TOKEN}\n")).unwrap();
    let url = server.url.clone();
    let daemon = runtime.spawn(async move {
        let Some(Control::Reload(_, reply)) = server.control.recv().await else { panic!("no reload") };
        reply.send(Ok("nothing changed".to_owned())).unwrap();
        server
    });
    let answer = run(&["--server", &url, "--token-file", file.to_str().unwrap(), "reload"]);
    std::fs::remove_file(file).unwrap();
    assert_eq!(answer, (0, "nothing changed\n".to_owned()));
    drop(runtime.block_on(daemon));
}

#[test]
fn completions_exist_for_every_shell() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let (code, script) = run(&["completions", shell]);
        assert!(code == 0 && script.contains("check-health"), "{shell}");
    }
}

#[test]
fn a_reader_may_stop_reading() {
    struct Full;
    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let (_runtime, server) = serve(None);
    for verb in [&["man"][..], &["completions", "bash"], &["peers"], &["summary"], &["check-health"]] {
        let cli = Cli::try_parse_from([&["thirdleaf", "--server", &server.url], verb].concat()).unwrap();
        let error = cli.verb.execute(&cli.options, &mut Full).unwrap_err();
        assert_eq!(error.exit(), 0, "{verb:?}: {error}");
    }
}

/// A fabric with two rules.
const FABRIC: &str = r#"
[global]
name = "dc1"
[[apic]]
name = "fabric1"
urls = "https://10.0.0.1"
auth = { user = "thirdleaf", password_file = "password" }
[[eepg]]
name = "blocks"
tenant = "k8s"
l3out = "calico"
vrf = "default"
match.class = "pod_block"
[[eepg]]
name = "pods"
tenant = "k8s"
l3out = "calico"
vrf = "default"
[safety]
mode = "enforce"
"#;

#[test]
fn files_are_checked_and_compared() {
    let directory = std::env::temp_dir().join(format!("thirdleaf-files-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let file = |name: &str, text: &str| {
        let path = directory.join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let valid = file("fine.toml", crate::web::testing::CONFIG);
    let longer = file("longer.toml", &crate::web::testing::CONFIG.replace("[26, 32]", "[26, 28, 32]"));
    let wrong = file("wrong.toml", &crate::web::testing::CONFIG.replace("local_as", "locl_as"));
    let nobody = "--server=http://127.0.0.1:9";
    std::fs::write(directory.join("password"), "sesame").unwrap();
    let fabric = file("fabric.toml", &format!("{}{FABRIC}", crate::web::testing::CONFIG));
    let answers = [
        &["check", &valid][..],
        &["check", &fabric],
        &["diff", &valid, &valid, nobody],
        &["diff", &longer, &valid, nobody],
        &["check", &wrong],
    ]
    .map(run);
    std::fs::remove_dir_all(&directory).unwrap();
    let [checked, synced, same, changed, refused] = answers;
    assert_eq!(
        checked,
        (0, format!("{valid} is fine: 2 leaves, 2 ranges of neighbors, 1 pinned node, 1 allowed prefix\n"))
    );
    assert!(
        synced.0 == 0
            && synced
                .1
                .ends_with(", 1 allowed prefix, 1 fabric, 2 EEPG rules, 0 redirect policies, mode enforce\n"),
        "{synced:?}"
    );
    assert_eq!(same, (0, "nothing changes\n".to_owned()));
    assert!(changed.0 == 1 && changed.1.starts_with("EFFECT  CHANGE\napply "), "{changed:?}");
    assert!(refused.0 == 2 && refused.1.contains("^^^^^^^") && refused.1.contains("local_as"), "{refused:?}");
}

#[test]
fn what_a_node_announces_can_be_read() {
    let (runtime, server) = serve(None);
    runtime.block_on(server.announce("192.168.1.1", &["10.244.0.0/26", "0.0.0.0/0"]));
    let run = |arguments: &[&str]| run(&[&["--server", &server.url], arguments].concat());

    let (code, text) = run(&["summary", "--leaf", "rack1"]);
    let line = text.lines().find(|line| line.starts_with("192.168.1.1")).unwrap();
    let words: Vec<_> = line.split_whitespace().collect();
    // Neighbor, V, AS; State/PfxRcd, Rej, Node
    assert_eq!(
        (code, &words[..3], &words[8..]),
        (0, &["192.168.1.1", "4", "65102"][..], &["1", "1", "node1"][..])
    );

    let (code, text) = run(&["summary", "--cluster", "blue"]);
    assert_eq!((code, text.as_str()), (0, "No findings\n"));
    let (_, text) = run(&["summary", "--vrf", "default"]);
    assert!(text.contains("leaf rack1") && !text.contains("leaf rack2"), "{text}");
    for verb in ["peers", "routes", "findings"] {
        let (_, text) = run(&[verb, "--cluster", "default", "--vrf", "prod", "--no-headers"]);
        assert_eq!(text, "", "{verb}");
    }
    let (code, text) = run(&["why", "10.244.0.9", "--vrf", "prod"]);
    assert_eq!((code, text.as_str()), (1, "no peer announces 10.244.0.9/32\n"));

    let (code, text) = run(&["routes", "--rejected", "--no-headers"]);
    assert!(code == 0 && text.starts_with("0.0.0.0/0  ") && text.lines().count() == 1, "{text}");

    let (code, text) = run(&["why", "10.244.0.9"]);
    assert_eq!(code, 0);
    assert!(
        text.starts_with("10.244.0.0/26 from 192.168.1.1 (node1) on rack1, cluster default, VRF default, AS path 65102: accepted\n"),
        "{text}"
    );
    let (_, text) = run(&["why", "0.0.0.0/0"]);
    assert!(text.contains("\n  NO  default_route "), "{text}");

    while runtime.block_on(server.held()).1 == 0 {}
    let (code, text) = run(&["findings"]);
    assert!(code == 1 && text.contains("rogue_route"), "{text}");
    let (code, line) = run(&["check-health"]);
    assert_eq!(code, 2);
    assert!(line.starts_with("THIRDLEAF CRITICAL - 1/1 peers up, 1 rogue routes, 1 critical"), "{line}");

    let (code, text) = run(&["events", "-o", "jsonl"]);
    let first: view::Event = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    assert_eq!((code, first.id), (0, 1));
}

#[test]
fn events_can_be_followed() {
    /// Takes lines until it has seen enough.
    struct Until(Vec<u8>);
    impl Write for Until {
        fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
            self.0.extend_from_slice(octets);
            Ok(octets.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            let enough = String::from_utf8_lossy(&self.0).contains("192.168.1.2");
            if enough { Err(io::ErrorKind::BrokenPipe.into()) } else { Ok(()) }
        }
    }
    let (runtime, server) = serve(None);
    runtime.block_on(server.announce("192.168.1.1", &["10.244.0.0/26"]));
    let arguments = ["thirdleaf", "--server", &server.url, "events", "--follow", "--kind", "peer_up"];
    let cli = Cli::try_parse_from(arguments).unwrap();
    let mut out = Until(Vec::new());
    let error = std::thread::scope(|threads| {
        let follower = threads.spawn(|| cli.verb.execute(&cli.options, &mut out).unwrap_err());
        runtime.block_on(server.announce("192.168.1.2", &["10.244.1.0/26"]));
        follower.join().unwrap()
    });
    assert_eq!(error.exit(), 0, "{error}");
    let text = String::from_utf8(out.0).unwrap();
    assert_eq!(text.lines().filter(|line| line.contains("peer_up")).count(), 2, "{text}");
}

#[test]
fn maintenance_is_begun_by_name_listed_and_ended() {
    let mut peers = [testing::peer("192.168.1.1"), testing::peer("192.168.1.2")];
    (peers[1].node, peers[1].cluster) = (Some("node2".into()), "r1".into());
    let until = testing::NOW.after(std::time::Duration::from_hours(2));
    let window = |scope| serde_json::json!({ "scope": scope, "since": testing::NOW, "until": until, "reason": "disks" });
    let windows = [window(serde_json::json!({ "node": "gone" }))];
    let stub = testing::Stub::new(&[
        ("/api/v1/peers", testing::page(&peers)),
        ("/api/v1/maintenance", testing::page(&windows)),
    ]);
    let ask = |arguments: &[&str]| ask(&stub.url, arguments);
    let start = |name, more: &[&str]| {
        ask(&[&["maintenance", "start", name, "--for", "2h", "--reason", "disks"], more].concat())
    };

    assert_eq!(start("node2", &[]), (0, "done\n".to_owned()));
    assert_eq!(start("default", &[]), (0, "done\n".to_owned()));
    let (code, text) = start("r1", &[]);
    assert!(code == 2 && text.ends_with("say --rack or --cluster"), "{text}");
    assert_eq!(start("r1", &["--rack"]).0, 0);
    assert_eq!(start("rack9", &[]).0, 2);
    assert_eq!(ask(&["maintenance", "end", "gone"]).0, 0);
    assert_eq!(ask(&["maintenance", "end", "node1"]).0, 2);
    assert_eq!(
        stub.posted(),
        [
            r#"/api/v1/maintenance {"scope":{"node":"node2"},"for":"2h","reason":"disks"}"#,
            r#"/api/v1/maintenance {"scope":{"cluster":"default"},"for":"2h","reason":"disks"}"#,
            r#"/api/v1/maintenance {"scope":{"rack":"r1"},"for":"2h","reason":"disks"}"#,
            r#"/api/v1/maintenance/end {"scope":{"node":"gone"}}"#,
        ]
    );
    let (code, text) = ask(&["maintenance", "--no-headers"]);
    assert!(code == 0 && text.starts_with("node  gone  ") && text.ends_with("  disks\n"), "{text}");
}

#[test]
fn peers_are_forgotten_by_node_or_by_address() {
    let stub = testing::Stub::new(&[]);
    for arguments in [
        &["node1"][..],
        &["192.168.1.1"],
        &["fd00::1", "--leaf", "rack1"],
        &["10.0.0.999", "--cluster", "blue"],
    ] {
        let answer = ask(&stub.url, &[&["peers", "forget"], arguments].concat());
        assert_eq!(answer, (0, "done\n".to_owned()));
    }
    assert_eq!(ask(&stub.url, &["peers", "forget", "node1", "--leaf", "rack1"]).0, 2);
    assert_eq!(ask(&stub.url, &["peers", "forget", "192.168.1.1", "--cluster", "blue"]).0, 2);
    assert_eq!(
        stub.posted(),
        [
            r#"/api/v1/peers/forget {"node":"node1"}"#,
            r#"/api/v1/peers/forget {"peer":"192.168.1.1"}"#,
            r#"/api/v1/peers/forget {"peer":"fd00::1","leaf":"rack1"}"#,
            r#"/api/v1/peers/forget {"node":"10.0.0.999","cluster":"blue"}"#,
        ]
    );
}

#[test]
fn health_and_summary_tell_what_is_muted() {
    let muted = view::Finding { muted: Some("maintenance".into()), ..testing::finding("f1") };
    let mut down = testing::peer("192.168.1.2");
    down.state = "Idle".into();
    let window = serde_json::json!({
        "scope": { "rack": "r1" }, "since": testing::NOW, "until": testing::NOW, "reason": "disks"
    });
    let summary = serde_json::json!({
        "peers": { "known": 2, "established": 1 },
        "routes": view::RouteCounts { rejected: 1, ..view::RouteCounts::default() },
        "findings": view::FindingCounts { muted: 1, ..view::FindingCounts::default() },
        "mode": "observe",
        "maintenance": [window],
    });
    let stub = testing::Stub::new(&[
        ("/api/v1/summary", summary),
        ("/api/v1/findings", testing::page(&[muted])),
        ("/api/v1/peers", testing::page(&[down])),
        ("/api/v1/config", serde_json::json!({ "leaf": [] })),
    ]);
    let (code, line) = ask(&stub.url, &["check-health"]);
    assert_eq!(code, 0, "{line}");
    assert!(line.contains(", 1 peers down in maintenance, 1 findings muted | "), "{line}");
    let (code, text) = ask(&stub.url, &["summary"]);
    assert_eq!(
        (code, text.as_str()),
        (0, "Findings: 0 open, 0 pending, 1 muted\nMaintenance: rack r1, 00:00:00 left: disks\n")
    );
}
