use super::*;
use crate::cli::testing::Stub;
use crate::cli::testing::{NOW, finding, page as list};
use crate::cli::tests::ask;

fn absorbed(id: &str, by: &str) -> Finding {
    Finding {
        state: "pending".into(),
        muted: Some(format!("absorbed:{by}")),
        kind: "peer_down".into(),
        summary: format!("{id} is down"),
        opened: None,
        ..finding(id)
    }
}

fn table(findings: Vec<Finding>, most: usize) -> String {
    let style = Style { format: Format::Table, headings: false, colour: false, now: NOW };
    let mut out = Vec::new();
    let mut printer = Printer::new::<Line>(&style, &mut out);
    printer.page(&tree::arrange(findings, most)).unwrap();
    printer.finish().unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn what_is_explained_stands_beneath_what_explains_it() {
    let rack = Finding {
        kind: "rack_down".into(),
        summary: "rack1 is down".into(),
        absorbs: vec!["p1".into(), "p2".into()],
        absorbs_total: 2,
        ..finding("r1")
    };
    let findings =
        vec![absorbed("p1", "r1"), finding("f1"), rack, absorbed("p2", "r1"), absorbed("p3", "p2")];
    assert_eq!(
        table(findings, 8),
        "critical      open           rogue_route  00:00:00  0.0.0.0/0 from node1 is rejected: traffic would go there\n\
         critical      open           rack_down    00:00:00  rack1 is down [explains 2 findings]\n\
         \x20 critical    pending,muted  peer_down    00:00:00  p1 is down\n\
         \x20 critical    pending,muted  peer_down    00:00:00  p2 is down [explains 1 finding]\n\
         \x20   critical  pending,muted  peer_down    00:00:00  p3 is down\n"
    );
}

#[test]
fn of_many_the_first_are_shown_and_nothing_that_is_hidden_comes_back() {
    let rack = Finding { absorbs_total: 60, summary: "rack1 is down".into(), ..finding("r1") };
    let findings =
        vec![rack, absorbed("p1", "r1"), absorbed("p2", "r1"), absorbed("p3", "p2"), absorbed("p4", "p3")];
    let text = table(findings, 1);
    assert!(text.contains("rack1 is down [explains 60 findings, 1 of them beneath]"), "{text}");
    assert_eq!(text.lines().count(), 2, "{text}");
}

#[test]
fn what_is_muted_says_why_and_nothing_is_lost() {
    let muted = Finding {
        muted: Some("maintenance".into()),
        muted_because: Some("new disks".into()),
        ..finding("f1")
    };
    // One that explains it is of another kind than was asked for; two that explain each other.
    let text = table(vec![muted, absorbed("p1", "r1"), absorbed("a", "b"), absorbed("b", "a")], 8);
    assert!(text.contains("go there [muted, maintenance: new disks]"), "{text}");
    assert!(text.contains("p1 is down [muted, explained by r1]"), "{text}");
    assert_eq!(text.lines().count(), 4, "{text}");
}

#[test]
fn a_page_for_somebody_who_was_woken() {
    let found = Finding { muted: Some("acknowledged".into()), absorbs_total: 3, ..finding("f1") };
    let mut out = Vec::new();
    page::print(&found, &[absorbed("p1", "f1")], NOW, &mut out).unwrap();
    assert_eq!(
        String::from_utf8(out).unwrap(),
        "critical rogue_route, open\n\
         \n\
         0.0.0.0/0 from node1 is rejected: traffic would go there\n\
         \n\
         since     2023-11-14T22:13:20.000Z (00:00:00)\n\
         opened    2023-11-14T22:13:20.000Z\n\
         muted     acknowledged\n\
         cluster   default\n\
         VRF       default\n\
         leaf      rack1\n\
         node      node1\n\
         peer      192.168.1.1\n\
         prefix    0.0.0.0/0\n\
         reason    default_route\n\
         identity  f1\n\
         \n\
         What to do:\n\
         \x20 look at its BGPFilter\n\
         \n\
         What shows it:\n\
         \x20 node1 (192.168.1.1 on rack1): AS path 65102\n\
         \n\
         It explains 3 findings:\n\
         \x20 p1  p1 is down\n\
         \x20 and 2 more\n"
    );
}

#[test]
fn long_sentences_are_cut_into_lines() {
    let found = Finding { summary: "word ".repeat(60), ..finding("f1") };
    let mut out = Vec::new();
    page::print(&found, &[], NOW, &mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    assert_eq!(text.matches("word").count(), 60);
    assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
}

#[test]
fn only_an_open_one_that_is_not_muted_is_a_negative_answer() {
    let muted = Finding { muted: Some("acknowledged".into()), ..finding("f1") };
    let pending = Finding { state: "pending".into(), ..finding("f2") };
    let quiet = Stub::new(&[("/api/v1/findings", list(&[muted.clone(), pending]))]);
    let loud = Stub::new(&[("/api/v1/findings", list(&[muted, finding("f3")]))]);
    for format in ["table", "wide", "json", "jsonl"] {
        assert_eq!(ask(&quiet.url, &["findings", "-o", format]).0, 0, "{format}");
        assert_eq!(ask(&loud.url, &["findings", "-o", format]).0, 1, "{format}");
    }
}

#[test]
fn one_is_shown_by_its_identity() {
    let stub = Stub::new(&[("/api/v1/findings", list(&[finding("f1"), absorbed("p1", "f1")]))]);
    for arguments in [&["findings", "f1"][..], &["findings", "show", "f1"]] {
        let (code, text) = ask(&stub.url, arguments);
        assert!(code == 0 && text.starts_with("critical rogue_route, open\n"), "{text}");
        assert!(text.ends_with("It explains 1 finding:\n  p1  p1 is down\n"), "{text}");
    }
    let none = ask(&stub.url, &["findings", "f2"]);
    assert_eq!(none, (1, "no finding has the identity f2\n".to_owned()));
    let (_, json) = ask(&stub.url, &["findings", "show", "f1", "-o", "json"]);
    assert_eq!(serde_json::from_str::<Finding>(&json).unwrap(), finding("f1"));
}

#[test]
fn somebody_knows() {
    let stub = Stub::new(&[]);
    let answer = ask(&stub.url, &["findings", "ack", "f1", "--reason", "ticket 12"]);
    assert_eq!(answer, (0, "done\n".to_owned()));
    assert_eq!(stub.posted(), [r#"/api/v1/findings/ack {"id":"f1","reason":"ticket 12"}"#]);
}
