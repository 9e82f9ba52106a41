#![expect(clippy::disallowed_types, reason = "an API for the demo to ask")]

use axum::routing::get;
use axum::{Json, Router};
use tokio::net::TcpListener;

use super::*;
use crate::observer::view::Page;
use crate::policy::Reason;
use crate::time::Timestamp;

/// A stage without nodes, before an API that knows these findings.
async fn stage(findings: Vec<Finding>) -> Stage<Vec<u8>> {
    let page = Page { items: findings, next_cursor: None, total: None };
    let router = Router::new().route("/api/v1/findings", get(async move || Json(page)));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let http = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    Stage {
        api: Api::new(http).unwrap(),
        nodes: vec![],
        opened: vec![(leak(), "f1".to_owned())],
        out: vec![],
        start: Instant::now(),
        once: true,
    }
}

fn finding(kind: &str, state: &str) -> Finding {
    Finding {
        id: "f1".to_owned(),
        kind: kind.to_owned(),
        severity: "critical".to_owned(),
        state: state.to_owned(),
        muted: None,
        muted_because: None,
        cluster: "default".to_owned(),
        vrf: "default".to_owned(),
        leaf: Some("rack1".to_owned()),
        peer: None,
        node: Some("node-3".to_owned()),
        prefix: Some("0.0.0.0/0".parse().unwrap()),
        reason: Some(Reason::DefaultRoute),
        summary: "what it does".to_owned(),
        advice: String::new(),
        evidence: vec![],
        absorbs: vec![],
        absorbs_total: 0,
        since: Timestamp::default(),
        opened: (state != "pending").then(Timestamp::default),
        resolved: None,
    }
}

fn leak() -> Expected {
    let acts = story::scenes().into_iter().flat_map(|scene| scene.acts);
    let mut expected =
        acts.filter_map(|act| if let Act::Open(expected, _) = act { Some(expected) } else { None });
    expected.find(|expected| expected.reason == Some(Reason::DefaultRoute)).unwrap()
}

fn text(stage: Stage<Vec<u8>>) -> String {
    String::from_utf8(stage.out).unwrap()
}

#[tokio::test]
async fn all_is_well_if_what_was_to_open_is_over() {
    let mut stage = stage(vec![finding("rogue_route", "resolved")]).await;
    assert!(stage.review().await.unwrap());
    assert!(text(stage).contains("1 findings opened and resolved, and no other."));
}

#[tokio::test]
async fn a_finding_that_is_not_in_the_story_is_a_negative_answer() {
    let mut stage = stage(vec![
        finding("rogue_route", "resolved"),
        Finding { id: "f2".to_owned(), ..finding("prefix_limit", "resolved") },
    ])
    .await;
    assert!(!stage.review().await.unwrap());
    assert!(text(stage).contains("not in the story: prefix_limit what it does"));
}

#[tokio::test]
async fn one_that_never_opened_says_nothing() {
    let mut stage = stage(vec![finding("peer_down", "pending")]).await;
    assert!(stage.review().await.unwrap());
}

#[tokio::test]
async fn one_that_stays_open_is_a_negative_answer() {
    let mut stage = stage(vec![finding("rogue_route", "open")]).await;
    assert!(!stage.review().await.unwrap());
    assert!(text(stage).contains("not over: rogue_route"));
}

#[tokio::test]
async fn a_finding_is_told_with_what_it_means() {
    let mut stage = stage(vec![finding("rogue_route", "open")]).await;
    assert!(stage.act(Act::Open(leak(), "all goes astray")).await.unwrap());
    let text = text(stage);
    assert!(
        text.contains("! critical rogue_route: what it does") && text.contains("traffic: all goes astray")
    );
}

#[test]
fn a_finding_is_expected_by_kind_node_prefix_and_reason() {
    let found = finding("rogue_route", "open");
    assert!(leak().is(&found));
    assert!(!leak().is(&Finding { kind: "stale_routes".to_owned(), ..found.clone() }));
    assert!(!leak().is(&Finding { node: Some("node-4".to_owned()), ..found.clone() }));
    assert!(!leak().is(&Finding { node: None, ..found.clone() }));
    assert!(!leak().is(&Finding { prefix: Some("::/0".parse().unwrap()), ..found.clone() }));
    assert!(!leak().is(&Finding { reason: Some(Reason::Martian), ..found }));
}
