//! What is shipped for Prometheus and the runbook, as text: that nothing is missing, and that both fit each other and
//! the program. (`tests/interop` has Prometheus itself read it.)

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use thirdleaf::cli::Cli;
use thirdleaf::observer::findings::Kind;

/// Alerts of the direct push that no rule has.
const PUSHED: [&str; 2] = ["ThirdleafMoreFindings", "ThirdleafTest"];

fn deploy(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(name)
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// All files of a folder that end so, in one text.
fn all(folder: &str, end: &str) -> String {
    let entries = std::fs::read_dir(deploy(folder)).unwrap().map(|entry| entry.unwrap().path());
    let texts: Vec<_> =
        entries.filter(|path| path.to_str().unwrap().ends_with(end)).map(|path| read(&path)).collect();
    assert!(!texts.is_empty(), "nothing in {folder} ends in {end}");
    texts.concat()
}

/// The alerts of all rules: name and text.
fn rules() -> BTreeMap<String, String> {
    let text = all("prometheus", ".rules.yml");
    let mut rules = BTreeMap::new();
    for part in text.split("      - alert: ").skip(1) {
        let (name, rest) = part.split_once('\n').unwrap();
        let own = rest.split("\n      - ").next().unwrap().to_owned();
        assert!(rules.insert(name.to_owned(), own).is_none(), "two rules are called {name}");
    }
    rules
}

/// The value of a key in the text of a rule, if it stands on one line.
fn value<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.trim().strip_prefix(key)?.strip_prefix(": "))
}

/// The sections of the runbook: heading and text.
fn sections() -> BTreeMap<String, String> {
    let text = read(&deploy("runbook.md"));
    let mut sections = BTreeMap::new();
    for part in text.split("\n## ").skip(1) {
        let (heading, rest) = part.split_once('\n').unwrap();
        assert!(sections.insert(heading.to_owned(), rest.to_owned()).is_none(), "two sections are {heading}");
    }
    sections
}

/// What stands between backticks, on whichever lines.
fn quoted(text: &str) -> impl Iterator<Item = String> {
    text.split('`').skip(1).step_by(2).map(|code| code.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// The alerts that a section is about.
fn told_in(section: &str) -> BTreeSet<String> {
    let line = section.lines().find(|line| line.starts_with("Alert")).expect("a section names its alerts");
    quoted(line).filter(|code| code.starts_with("Thirdleaf")).collect()
}

#[test]
fn every_alert_says_what_it_means_and_where_to_read_on() {
    let sections = sections();
    for (name, text) in rules() {
        assert!(matches!(value(&text, "severity"), Some("critical" | "warning")), "the severity of {name}");
        for key in ["summary", "description"] {
            assert!(value(&text, key).is_some_and(|value| !value.is_empty()), "{name} has no {key}");
        }
        let (_, anchor) = value(&text, "runbook_url")
            .and_then(|url| url.split_once("/runbook.md#"))
            .unwrap_or_else(|| panic!("{name} has no runbook_url"));
        let (heading, section) = sections
            .iter()
            .find(|(heading, _)| heading.to_lowercase() == anchor)
            .unwrap_or_else(|| panic!("the runbook has no #{anchor}, to which {name} points"));
        assert!(told_in(section).contains(&name), "section {heading} does not say that it is about {name}");
        assert_eq!(value(&text, "kind"), (*heading != name).then_some(&**heading), "the kind of {name}");
    }
}

#[test]
fn every_kind_of_finding_has_an_alert_and_every_section_its_subject() {
    let (rules, sections) = (rules(), sections());
    let told: BTreeSet<_> = rules.values().filter_map(|text| value(text, "kind")).collect();
    for kind in Kind::ALL.map(Kind::name) {
        assert!(told.contains(kind), "no rule tells of {kind}");
        assert!(sections.contains_key(kind), "the runbook does not speak of {kind}");
    }
    for (heading, section) in sections {
        let known = told.contains(&*heading) || rules.contains_key(&heading) || PUSHED.contains(&&*heading);
        assert!(known, "section {heading} is about no kind and no alert");
        for name in told_in(&section) {
            assert!(rules.contains_key(&name) || PUSHED.contains(&&*name), "{heading} speaks of {name}");
        }
        for part in ["- **Means:** ", "- **See:** ", "- **Do:** ", "- **Ends** "] {
            assert!(section.contains(part), "section {heading} lacks {part}");
        }
    }
}

#[test]
fn every_rule_is_tested_where_it_fires_and_where_it_does_not() {
    let text = all("prometheus/tests", ".test.yml");
    let mut fired = BTreeSet::new();
    let mut quiet = BTreeSet::new();
    for part in text.split("        alertname: ").skip(1) {
        let mut lines = part.lines();
        let name = lines.next().unwrap();
        match lines.next().unwrap().trim() {
            "exp_alerts: []" => quiet.insert(name),
            "exp_alerts:" => fired.insert(name),
            other => panic!("a test of {name} goes on with {other:?}"),
        };
    }
    let names: BTreeSet<_> = rules().into_keys().collect();
    let names: BTreeSet<_> = names.iter().map(String::as_str).collect();
    assert_eq!(fired, names, "what fires in a test, and all alerts");
    assert_eq!(quiet, names, "what is quiet in a test, and all alerts");
    for part in all("prometheus", ".recording.yml").split("      - record: ").skip(1) {
        let name = part.lines().next().unwrap();
        assert!(text.contains(&format!("      - expr: {name}\n")), "{name} is not tested");
    }
}

/// Whoever is woken at night copies what is written: it must be what the program understands.
#[test]
fn every_command_that_is_advised_is_one_that_the_program_knows() {
    let rules = all("prometheus", ".rules.yml");
    let runbook = read(&deploy("runbook.md"));
    let mut count = 0;
    for command in quoted(&rules).chain(quoted(&runbook)).filter(|code| code.starts_with("thirdleaf ")) {
        let words =
            command.split(' ').map(|word| OsString::from(if word == "PREFIX" { "10.0.0.0/8" } else { word }));
        assert!(Cli::read(words).is_ok(), "{command}");
        count += 1;
    }
    assert!(count > 80, "only {count} commands were found");
}
