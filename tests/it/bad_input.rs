//! Wrong files, wrong words, nobody there: one clear answer, the right exit code, nothing started.

use std::net::TcpListener;
use std::process::Command;

use crate::run::{Place, stderr, stdout, thirdleaf};

/// Runs `check` and `run` on the same wrong file; both must refuse it alike.
fn refused(config: &str) -> String {
    let place = Place::new();
    let path = place.write("thirdleaf.toml", config);
    let path = path.to_str().unwrap();
    let check = thirdleaf(&["check", path]);
    let run = thirdleaf(&["run", "-c", path]);
    assert_eq!((check.status.code(), run.status.code()), (Some(2), Some(2)), "{}", stderr(&check));
    assert!(stderr(&run).contains(stderr(&check).trim()), "{}\n{}", stderr(&run), stderr(&check));
    stderr(&check)
}

#[test]
fn an_unknown_key_is_pointed_at_and_the_nearest_one_named() {
    let said = refused(&Place::new().config().replace("peer_as =", "peer_ass ="));
    assert!(said.contains("peer_ass = [\"65102-65199\"]") && said.contains("^^^^^^^^"), "{said}");
    assert!(said.contains("`peer_as`"), "{said}");
}

#[test]
fn an_unknown_leaf_is_pointed_at() {
    let said = refused(&Place::new().config().replace("leaf = \"rack1\"\nrange", "leaf = \"rack2\"\nrange"));
    assert!(said.contains("rack2") && said.contains("^^^^^^^") && said.contains("rack1"), "{said}");
}

#[test]
fn an_unreadable_secret_is_one_clear_line() {
    let config =
        Place::new().config().replace("peer_as =", "password_file = \"/nonexistent/key\"\npeer_as =");
    let said = refused(&config);
    assert!(said.contains("/nonexistent/key") && said.contains("No such file"), "{said}");
}

#[test]
fn brakes_for_no_fabric_are_refused() {
    let said = refused(&format!("{}[safety]\nmode = \"enforce\"\n", Place::new().config()));
    assert!(said.contains("mode = \"enforce\"") && said.contains("[[apic]]"), "{said}");
}

#[test]
fn a_port_in_use_is_one_clear_line_and_nothing_is_left_running() {
    let place = Place::new();
    let path = place.write("thirdleaf.toml", &place.config());
    let _taken = TcpListener::bind((place.host(4), 1790)).unwrap();
    let run = thirdleaf(&["run", "-c", path.to_str().unwrap()]);
    assert_eq!(run.status.code(), Some(2), "{}", stderr(&run));
    let said = stderr(&run);
    assert!(said.contains(&format!("{}:1790", place.host(4))) && said.contains("in use"), "{said}");
}

#[test]
fn a_good_file_is_told_so() {
    let place = Place::new();
    let path = place.write("thirdleaf.toml", &place.config());
    let check = thirdleaf(&["check", path.to_str().unwrap()]);
    assert_eq!(check.status.code(), Some(0), "{}", stderr(&check));
    assert!(stdout(&check).contains("rack1") || stdout(&check).contains("1 leaf"), "{}", stdout(&check));
}

#[test]
fn a_daemon_that_is_not_there_is_exit_code_3() {
    let server = format!("http://{}:9", Place::new().host(9));
    for verb in [&["summary"][..], &["routes"], &["why", "10.0.0.0/8"], &["findings"], &["reload"]] {
        let output = thirdleaf(&[verb, &["--server", &server]].concat());
        assert_eq!(output.status.code(), Some(3), "{verb:?}: {}", stderr(&output));
        assert!(stderr(&output).contains(&server), "{verb:?}: {}", stderr(&output));
    }
    let health = thirdleaf(&["check-health", "--server", &server]);
    assert_eq!(health.status.code(), Some(3));
    assert!(stdout(&health).starts_with("THIRDLEAF UNKNOWN"), "{}", stdout(&health));
}

#[test]
fn wrong_words_are_no_alarm_of_check_health() {
    let health = thirdleaf(&["check-health", "--warning-peers", "some"]);
    assert_eq!(health.status.code(), Some(3), "UNKNOWN, for 2 would be CRITICAL");
    assert!(stdout(&health).starts_with("THIRDLEAF UNKNOWN - invalid value"), "{}", stdout(&health));
    assert_eq!(stdout(&health).lines().count(), 1, "{}", stdout(&health));
    assert_eq!(thirdleaf(&["check-health", "--help"]).status.code(), Some(0));
}

#[test]
fn a_demo_whose_reader_leaves_ends_without_a_word() {
    let shell = format!("{} demo | head -n 1", env!("CARGO_BIN_EXE_thirdleaf"));
    let output = Command::new("sh").args(["-c", &shell]).output().unwrap();
    assert!(stdout(&output).starts_with("thirdleaf demo"), "{}", stdout(&output));
    assert!(output.stderr.is_empty(), "{}", stderr(&output));
}

#[test]
fn wrong_words_are_exit_code_2() {
    for words in [&["sumary"][..], &["routes", "10.0.0.0/33"], &["routes", "--class", "pods"], &["why"]] {
        assert_eq!(thirdleaf(words).status.code(), Some(2), "{words:?}");
    }
}
