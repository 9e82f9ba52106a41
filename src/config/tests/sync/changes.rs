//! What a reload does to fabrics, rules and brakes.

use super::super::super::{Changes, Effect, diff};
use super::super::{Config, read_in};
use super::{auth, fabric, good, machine, rule, whole_files};

/// The changes, all of which take effect at once.
fn lines(changes: &Changes) -> Vec<String> {
    assert!(changes.iter().all(|change| change.effect == Effect::Apply), "{changes:?}");
    changes.iter().map(ToString::to_string).collect()
}

fn between(old: &str, new: &str) -> Vec<String> {
    lines(&diff(&good(old), &good(new)))
}

#[test]
fn the_same_file_changes_nothing() {
    for text in whole_files() {
        assert!(diff(&good(&text), &good(&text)).is_empty());
    }
}

#[test]
fn fabrics() {
    let (with, without) = (fabric(""), super::super::and("[global]\nname = \"dc1\"\n"));
    assert_eq!(between(&without, &with), ["apic `fabric1` is added"]);
    assert_eq!(between(&with, &without), ["apic `fabric1` is removed: what was written there stays"]);
    assert_eq!(
        between(&with, &fabric("burst = 30\nca_file = \"/ca\"\n")),
        ["apic `fabric1`: burst 20 -> 30", "apic `fabric1`: other authorities (ca)"]
    );
    let machine = machine().file("/ca2", super::CERTIFICATE.replace("abc", "abd"));
    let of = |file: &str| read_in(&fabric(&format!("ca_file = \"{file}\"\n")), &machine).unwrap();
    assert_eq!(lines(&diff(&of("/ca"), &of("/ca2"))), ["apic `fabric1`: other authorities (ca)"]);
}

#[test]
fn other_secrets_are_seen_and_not_shown() {
    let of = |line: &str, name: &'static str, secret: &str| -> Config {
        read_in(&auth(line), &machine().file(name, secret)).unwrap()
    };
    let password = |secret: &str| of("auth = { user = \"u\", password_file = \"/p\" }", "/p", secret);
    let key = |secret: &str| {
        let text = super::KEY.replace("hunter2", secret);
        of("auth = { user = \"u\", key_file = \"/k\" }", "/k", &text)
    };
    assert_eq!(
        lines(&diff(&password("hunter2"), &password("hunter3"))),
        ["apic `fabric1`: another password"]
    );
    assert_eq!(lines(&diff(&key("hunter2"), &key("hunter3"))), ["apic `fabric1`: another private key"]);
    assert_eq!(
        lines(&diff(&password("hunter2"), &key("hunter2"))),
        [
            "apic `fabric1`: auth.cert_name none -> \"u\"",
            "apic `fabric1`: auth.key none -> \"********\"",
            "apic `fabric1`: auth.password \"********\" -> none",
        ]
    );
}

#[test]
fn rules() {
    let named = |name: &str, lines: &str| rule(lines).replace("web", name);
    let (web, db) = (named("web", "match.class = \"pod_host\""), named("db", "match.rack = \"rack1\""));
    let both = fabric(&format!("{web}{db}"));
    assert_eq!(
        between(&both, &fabric(&format!("{db}{web}"))),
        ["eepg rules stand in another order: the first that matches wins"]
    );
    assert_eq!(
        between(&both, &fabric(&format!("{}{web}{db}", named("dns", "match.prefix = \"10.96.0.10/32\"")))),
        ["eepg rule 1 (dns) is added"]
    );
    assert_eq!(
        between(&both, &fabric(&db)),
        ["eepg rule 1 (web) is removed: members that no other rule wants are deleted, within the brakes"]
    );
    let changed = named("db", "match.node = \"10.0.0.1\"\nmanage = \"never\"");
    assert_eq!(
        between(&both, &fabric(&format!("{web}{changed}"))),
        [
            "eepg rule 2 (db): manage \"always\" -> \"never\"",
            "eepg rule 2 (db): match.node [] -> [\"10.0.0.1\"]",
            "eepg rule 2 (db): match.rack [\"rack1\"] -> []",
        ]
    );
    // Of two rules for one EEPG the one that is equal stays what it is.
    let again = named("web", "match.class = \"service_host\"");
    assert_eq!(
        between(&fabric(&format!("{web}{again}")), &fabric(&again)),
        ["eepg rule 1 (web) is removed: members that no other rule wants are deleted, within the brakes"]
    );
}

#[test]
fn redirects() {
    let redirect = |lines: &str| fabric(&format!("[[redirect]]\npolicy = \"fw\"\ntenant = \"k8s\"\n{lines}"));
    assert_eq!(between(&fabric(""), &redirect("")), ["redirect fw is added"]);
    assert_eq!(
        between(&redirect(""), &fabric("")),
        ["redirect fw is removed: its destinations are deleted, within the brakes"]
    );
    assert_eq!(
        between(&redirect(""), &redirect("min_destinations = 2\n")),
        ["redirect fw: min_destinations 1 -> 2"]
    );
}

#[test]
fn brakes() {
    let safety = |lines: &str| fabric(&format!("[safety]\n{lines}\n"));
    let enforced = safety("mode = \"enforce\"\nmass_withdraw.count = 5");
    assert_eq!(
        between(&safety(""), &enforced),
        [
            "safety.mass_withdraw.count 20 -> 5",
            "safety.mode \"observe\" -> \"enforce\": from now on the plan is carried out",
        ]
    );
    assert_eq!(
        between(&enforced, &safety("mass_withdraw.count = 5")),
        ["safety.mode \"enforce\" -> \"observe\": from now on nothing is written"]
    );
}

#[test]
fn our_name_needs_a_restart() {
    let changes = diff(&good(&fabric("")), &good(&fabric("").replace("dc1", "dc2")));
    let refused: Vec<String> = changes.refused().map(ToString::to_string).collect();
    assert_eq!(refused, ["global.name \"dc1\" -> \"dc2\" (needs a restart)"]);
}
