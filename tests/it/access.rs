//! Who may do what over HTTP, and what a hostile client can do to others: nothing.

mod cut;
mod shown;
mod tls;

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use crate::run::{Daemon, Place, command, eventually, stderr, stdout};

/// The configuration of a place with tokens of each scope; their files are named by it.
fn with_tokens(place: &Place) -> String {
    let token = |scope: &str| {
        let file = place.write(scope, &format!("token-to-{scope}"));
        let named = format!("name = \"{scope}r\"\nscope = \"{scope}\"\n");
        format!("[[http.tokens]]\n{named}token_file = \"{}\"\n", file.display())
    };
    place.config() + &["read", "operate", "approve"].map(token).concat()
}

#[test]
fn who_asks_is_told_and_who_may_not_is_refused() {
    let place = Place::new();
    let path = place.write("thirdleaf.toml", &with_tokens(&place));
    let daemon = Daemon::start(&place, &path);
    let token = |scope: &str| path.with_file_name(scope).to_str().unwrap().to_owned();
    let refused = daemon.ask(&["reload", "--token-file", &token("read")]);
    assert_eq!(refused.status.code(), Some(2));
    let said = stderr(&refused);
    assert!(said.contains("\"readr\"") && said.contains("\"operate\""), "{said}");
    place.write("thirdleaf.toml", &format!("{}[metrics]\nrogue_routes_max = 7\n", with_tokens(&place)));
    let done = daemon.ask(&["reload", "--token-file", &token("operate")]);
    assert!(done.status.success(), "{}", stderr(&done));
    let peer = place.host(9).to_string();
    // Nobody is there to be forgotten.
    daemon.ask(&["peers", "forget", &peer, "--token-file", &token("approve")]);
    let events = daemon.items(&["events"]);
    for (kind, actor, text) in [
        ("access_refused", "readr", "POST /api/v1/reload refused: scope_too_small"),
        ("reload", "operater", "a new configuration is in force (by operater from 127."),
        ("change_refused", "approver", "is not known"),
    ] {
        let of_kind = |event: &&serde_json::Value| event["kind"] == kind;
        let event = events.iter().find(of_kind).unwrap_or_else(|| panic!("{kind}: {events:?}"));
        assert_eq!(event["actor"], actor, "{event}");
        assert!(event["text"].as_str().unwrap().contains(text), "{event}");
    }
    assert!(daemon.warnings().iter().any(|line| line.contains("scope_too_small")));
}

#[test]
fn reading_may_need_a_token_from_the_moment_of_a_reload() {
    let place = Place::new();
    let config = with_tokens(&place);
    let path = place.write("thirdleaf.toml", &config);
    let daemon = Daemon::start(&place, &path);
    assert!(daemon.ask(&["peers"]).status.success());
    place.write("thirdleaf.toml", &config.replace("[http]\n", "[http]\nread = \"token\"\n"));
    daemon.signal("HUP");
    eventually("reading is refused", || (!daemon.ask(&["peers"]).status.success()).then_some(()));
    let token = path.with_file_name("read");
    let with = daemon.ask(&["peers", "--token-file", token.to_str().unwrap()]);
    assert!(with.status.success(), "{}", stderr(&with));
    // A place that has no token has no monitoring of its health either, unless that needs none.
    assert_eq!(daemon.text("/readyz"), "ready\n");
}

#[test]
fn a_summary_is_shown_again_and_again_and_survives_the_daemon() {
    let place = Place::new();
    let path = place.write("thirdleaf.toml", &place.config());
    let daemon = Daemon::start(&place, &path);
    let mut watching = command(&["summary", "--watch", "1"])
        .env("THIRDLEAF_SERVER", place.server())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(watching.stdout.take().unwrap()).lines().map_while(Result::ok);
    let mut until = |what: &str| {
        let found = lines.by_ref().take(200).find(|line| line.contains(what));
        assert!(found.is_some(), "{what} is not shown");
    };
    until("every 1 s, now ");
    until("rack1");
    until("every 1 s, now ");
    until("rack1");
    drop(daemon);
    until("cannot reach the daemon");
    let _daemon = Daemon::start(&place, &path);
    until("rack1");
    watching.kill().unwrap();
    watching.wait().unwrap();
}

#[test]
fn lists_come_as_comma_separated_values() {
    let place = Place::new();
    let daemon = Daemon::start(&place, &place.write("thirdleaf.toml", &place.config()));
    let text = stdout(&daemon.ask(&["events", "-o", "csv"]));
    assert!(text.starts_with("ID,TIME,KIND,NODE,LEAF,PEER,PREFIX,ACTOR,TEXT\r\n1,"), "{text}");
    let bare = stdout(&daemon.ask(&["events", "-o", "csv", "--no-headers"]));
    assert!(bare.starts_with("1,"), "{bare}");
}
