//! What a hostile peer says is shown everywhere, and obeyed nowhere.

use crate::conformance::NODE_AS;
use crate::peer::Peer;
use crate::run::{Daemon, Place, eventually, stdout};
use crate::wire::{Open, capability, four_octet_as, multiprotocol, notification};

/// A terminal would clear itself, text would run backwards, a spreadsheet would call, a label would end, a line would
/// begin.
const EVIL: &str = "=cmd|'/c calc'!A1\x1b[2J\u{202e}gpj\u{2066}\u{200b}\u{61c}\"} 1\r\nforged{x=\"";

/// Whether nothing in `text` is more than text, its own line ends aside.
fn is_harmless(text: &str) -> bool {
    let evil =
        |c: char| (c.is_control() && !"\r\n".contains(c)) || "\u{202e}\u{2066}\u{200b}\u{61c}".contains(c);
    !text.contains(evil) && !text.lines().any(|line| line.starts_with("forged"))
}

fn counted(text: &str) -> Vec<u8> {
    let mut octets = vec![u8::try_from(text.len()).unwrap()];
    octets.extend(text.as_bytes());
    octets
}

#[test]
fn words_of_a_peer_are_words_everywhere() {
    for format in ["text", "json"] {
        let place = Place::new();
        let config =
            format!("{}[global]\nlog = {{ format = \"{format}\", level = \"debug\" }}\n", place.config());
        let path = place.write("thirdleaf.toml", &config);
        let file = path.with_file_name("log");
        let program = crate::run::command(&[]).get_program().to_owned();
        let tee = format!("exec \"$@\" 2> >(tee {} >&2)", file.display());
        let mut command = std::process::Command::new("bash");
        command.args(["-c", &tee, "bash"]).arg(program).args(["run", "-c"]).arg(&path);
        let daemon = Daemon::spawn(&place, command);

        let name = [counted(EVIL), counted(EVIL)].concat();
        let capabilities = [
            multiprotocol(1, 1),
            four_octet_as(NODE_AS.into()),
            capability(73, &name),
            capability(75, &counted(EVIL)),
        ];
        let address = place.host(9);
        let mut peer = Peer::establish(address, place.host(4), &Open::new(NODE_AS, address, &capabilities));
        eventually("it is up", || (daemon.get("/api/v1/summary")["peers"]["established"] == 1).then_some(()));
        peer.send(&notification(6, 2, &counted(EVIL)));
        peer.expect_silent_close();
        eventually("it is down", || {
            (daemon.get("/api/v1/summary")["peers"]["established"] == 0).then_some(())
        });

        for verb in ["peers", "events", "findings", "summary"] {
            for output in ["table", "wide", "json", "jsonl", "csv"] {
                let text = stdout(&daemon.ask(&[verb, "-o", output]));
                assert!(is_harmless(&text), "{verb} -o {output}: {text:?}");
                if output == "csv" && verb != "summary" {
                    let formula = |field: &str| field.starts_with('=') || field.starts_with("\"=");
                    assert!(!text.lines().any(|line| line.split(',').any(formula)), "{text}");
                }
            }
        }
        let said = stdout(&daemon.ask(&["peers", "-o", "json"]));
        assert!(said.contains("=cmd|"), "what it said is shown: {said}");
        for path in ["/metrics", "/api/v1/events", "/api/v1/peers", "/api/v1/findings?state=all"] {
            let text = daemon.text(path);
            assert!(is_harmless(&text), "{path}: {text:?}");
        }
        let log = eventually("it is logged", || {
            let log = std::fs::read_to_string(&file).unwrap();
            log.contains("=cmd|").then_some(log)
        });
        for line in log.lines() {
            assert!(is_harmless(line), "{line:?}");
            if format == "json" {
                serde_json::from_str::<serde_json::Value>(line).unwrap();
            }
        }
    }
}
