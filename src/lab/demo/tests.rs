#![expect(clippy::disallowed_types, reason = "an API for the demo to ask")]

use axum::routing::get;
use axum::{Json, Router};
use tokio::net::TcpListener;

use super::*;
use crate::eepg::view::{Change, Plan};
use crate::observer::view::Page;
use crate::policy::Reason;
use crate::time::Timestamp;

/// A stage without nodes, before an API that knows these findings.
async fn stage(findings: Vec<Finding>) -> Stage<Vec<u8>> {
    let page = Page { items: findings, next_cursor: None, total: None };
    stage_before(Router::new().route("/api/v1/findings", get(async move || Json(page)))).await
}

async fn stage_before(router: Router) -> Stage<Vec<u8>> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let http = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    Stage {
        api: Api::new(http).unwrap(),
        aci: Arc::new(Aci::start().await.unwrap()),
        http,
        terminal: |words| Ok(format!("one\n{}\n", words.join(" "))),
        nodes: vec![],
        opened: vec![(leak(), "f1".to_owned())],
        observer: None,
        clock: Clock::start(),
        said: vec![],
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
        identity: crate::observer::view::Identity::new(),
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

/// A stage before an API whose plan has these deletes, each with the brake that holds it.
async fn held(brakes: &[Option<&str>]) -> Stage<Vec<u8>> {
    let change = |brake: Option<&str>| Change {
        operation: "delete".to_owned(),
        apic: "fabric1".to_owned(),
        dn: String::new(),
        eepg: "web".to_owned(),
        prefix: None,
        because: crate::eepg::view::Because::default(),
        reason: String::new(),
        held_by: brake.map(str::to_owned),
        until: None,
    };
    let plan = Plan {
        id: "p7".to_owned(),
        changes: brakes.iter().copied().map(change).collect(),
        ..Plan::default()
    };
    stage_before(Router::new().route("/api/v1/plan", get(async move || Json(plan)))).await
}

#[tokio::test]
async fn what_is_typed_is_shown_with_what_it_prints() {
    let mut stage = stage(vec![]).await;
    assert!(stage.act(Act::Type("eepg show web")).await.unwrap());
    let (http, token) = (stage.http, stage.aci.token_file());
    let text = text(stage);
    assert!(text.contains(" s  $ thirdleaf eepg show web\n             one\n"), "{text}");
    let typed = format!("thirdleaf --server http://{http} --token-file {} eepg show web\n", token.display());
    assert!(text.ends_with(&typed), "{text}");
}

#[tokio::test]
async fn what_cannot_be_typed_ends_the_story() {
    let mut stage = stage(vec![]).await;
    stage.terminal = |_| Err("no such thing".to_owned());
    assert!(!stage.act(Act::Type("eepg shew")).await.unwrap());
    assert!(text(stage).contains("in vain: no such thing"));
}

#[tokio::test]
async fn an_approval_is_of_the_plan_as_it_is() {
    let mut stage = held(&[Some("peer_loss")]).await;
    assert!(stage.act(Act::Approve).await.unwrap());
    let text = text(stage);
    assert!(text.contains("$ thirdleaf eepg approve p7\n") && text.ends_with(" eepg approve p7\n"), "{text}");
}

#[tokio::test]
async fn a_plan_is_held_if_all_of_it_is_and_by_that_brake() {
    let sight = story::Sight::Held("peer_loss", 2);
    let all = [Some("peer_loss"), Some("peer_loss")];
    assert!(held(&all).await.api.sees(&sight).await.unwrap());
    for other in [&all[..1], &[Some("peer_loss"), None], &[Some("peer_loss"), Some("delete_after")]] {
        assert!(!held(other).await.api.sees(&sight).await.unwrap(), "{other:?}");
    }
}

#[tokio::test]
async fn members_are_looked_for_in_the_apic() {
    let mut stage = stage(vec![]).await;
    let prefix = "10.96.10.20/32".parse().unwrap();
    assert!(stage.act(Act::NoMember("web", prefix)).await.unwrap());
    assert!(!stage.act(Act::Tamper("web", prefix)).await.unwrap(), "there is nothing to delete");
    let text = text(stage);
    assert!(text.contains("seen in the APIC: web has no member 10.96.10.20/32"), "{text}");
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
