//! What is told, to whom, and when, under virtual time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::board::{Board, Entry, MOST, TOLD};
use super::book::{Book, Change, Event};
use super::ledger::Ledger;
use super::message::{self, Delivery, Terms};
use super::notice::Notice;
use super::queue::{self, Queue};
use crate::config::{self, Machine};
use crate::observer::view::Finding;
use crate::policy::Reason;
use crate::time::Timestamp;

const START: Timestamp = Timestamp::from_micros(1_763_760_000_000_000);

fn at(seconds: u64) -> Timestamp {
    START.after(Duration::from_secs(seconds))
}

/// An open finding about the block with this number.
fn finding(number: u32, opened: u64) -> Finding {
    let prefix = format!("10.{}.{}.0/26", number / 256, number % 256);
    Finding {
        id: format!("duplicate_pod_block-{number}"),
        kind: "duplicate_pod_block".into(),
        severity: "critical".into(),
        identity: [("cluster".into(), "default".into()), ("prefix".into(), prefix.as_str().into())].into(),
        prefix: prefix.parse().ok(),
        summary: format!("{prefix} is announced by two nodes"),
        advice: "look".into(),
        evidence: vec!["node1 (192.168.1.1 on rack1): AS path 65102".into()],
        since: at(opened),
        opened: Some(at(opened)),
        ..Notice::test(at(opened)).finding
    }
}

fn warning(number: u32, opened: u64) -> Finding {
    Finding { severity: "warning".into(), ..finding(number, opened) }
}

fn resolved(number: u32, opened: u64, over: u64) -> Finding {
    Finding { state: "resolved".into(), resolved: Some(at(over)), ..finding(number, opened) }
}

fn muted(number: u32, opened: u64) -> Finding {
    Finding { muted: Some("acknowledged".into()), ..finding(number, opened) }
}

/// `firing ID SECONDS`.
fn brief(changes: &[Change]) -> Vec<String> {
    let line = |change: &Change| {
        let number = change.notice.finding.id.rsplit('-').next().unwrap();
        format!("{} {number} {}", change.event.name(), change.at.since(START).as_secs())
    };
    changes.iter().map(line).collect()
}

#[test]
fn what_opens_is_told_once_and_so_is_its_end() {
    let mut book = Book::default();
    let pending = Finding { state: "pending".into(), opened: None, ..finding(9, 0) };
    assert_eq!(brief(&book.take(&[finding(1, 3), pending.clone()], at(5))), ["firing 1 3"]);
    assert_eq!(brief(&book.take(&[finding(1, 3), pending], at(6))), Vec::<String>::new());
    let told = book.take(&[resolved(1, 3, 7), finding(2, 7)], at(8));
    assert_eq!(brief(&told), ["firing 2 7", "resolved 1 7"]);
    assert_eq!(told[1].notice.finding.state, "resolved", "the end says how it ended");
    assert_eq!(told[1].notice.fired, at(3));
    assert_eq!(brief(&book.take(&[resolved(1, 3, 7), finding(2, 7)], at(9))), Vec::<String>::new());
    // A list that lacks what was in it says that it is over, too.
    assert_eq!(brief(&book.take(&[], at(10))), ["resolved 2 10"]);
}

#[test]
fn what_opened_and_ended_between_two_looks_is_told_and_what_ended_before_the_first_is_not() {
    let mut book = Book::default();
    assert_eq!(brief(&book.take(&[resolved(1, 1, 2)], at(5))), Vec::<String>::new());
    let told = book.take(&[resolved(1, 1, 2), resolved(2, 6, 7)], at(8));
    assert_eq!(brief(&told), ["firing 2 6", "resolved 2 7"]);
    assert_eq!(brief(&book.take(&[resolved(1, 1, 2), resolved(2, 6, 7)], at(9))), Vec::<String>::new());
}

#[test]
fn what_somebody_mutes_is_over_and_fires_anew_when_it_is_no_longer() {
    let mut book = Book::default();
    assert_eq!(brief(&book.take(&[finding(1, 3), muted(2, 3)], at(5))), ["firing 1 3"]);
    let told = book.take(&[muted(1, 3), muted(2, 3)], at(10));
    assert_eq!(brief(&told), ["resolved 1 10"]);
    assert_eq!(told[0].notice.finding.muted.as_deref(), Some("acknowledged"), "the end says why");
    let told = book.take(&[finding(1, 3), muted(2, 3)], at(20));
    assert_eq!((brief(&told), told[0].notice.fired), (vec!["firing 1 20".to_owned()], at(20)));
}

/// Labels and annotations of an alert, ends of all.
fn posted(entries: &[Entry], now: Timestamp) -> Vec<Value> {
    let labels = BTreeMap::from([("site".into(), "dc1".into())]);
    let body = message::alerts(entries, &terms(), &labels, now, Duration::from_mins(4), |at| at);
    serde_json::from_slice(&body).unwrap()
}

fn terms() -> Terms {
    let file = include_str!("../../deploy/thirdleaf.toml");
    let mut config = config::parse(file, "t.toml".as_ref(), &Machine).unwrap();
    config.global.name = Some("leaf3".into());
    config.alerts.external_url = Some("https://leaf3.example.net".into());
    Terms::of(&config)
}

fn board_of(findings: Vec<Finding>, now: Timestamp) -> Board {
    let mut board = Board::default();
    set(&mut board, findings, now);
    board
}

fn set(board: &mut Board, findings: Vec<Finding>, now: Timestamp) {
    let notices: Vec<_> = findings
        .into_iter()
        .map(|finding| {
            let fired = finding.opened.unwrap();
            Arc::new(Notice::of(finding, fired))
        })
        .collect();
    board.set(notices.iter(), now);
}

#[test]
fn an_alert_is_its_labels_and_says_the_rest_beside_them() {
    let rogue = Finding {
        kind: "rogue_route".into(),
        reason: Some(Reason::AsPathTooLong),
        leaf: Some("rack1".into()),
        peer: "192.168.1.1".parse().ok(),
        node: Some("no\u{202e}de\n1".into()),
        summary: "<script>\u{7}".into(),
        evidence: vec!["one".into(), "two\nlines".into()],
        ..finding(1, 3)
    };
    let entries = board_of(vec![rogue], at(5)).entries();
    let expected = serde_json::json!([{
        "labels": {
            "alertname": "ThirdleafAsPathTooLong", "cluster": "default", "instance": "leaf3",
            "kind": "rogue_route", "prefix": "10.0.1.0/26", "severity": "critical", "site": "dc1",
            "source": "push",
        },
        "annotations": {
            "advice": "look", "description": "one\ntwo lines", "finding": "duplicate_pod_block-1",
            "leaf": "rack1", "node": "no de 1", "peer": "192.168.1.1", "runbook_url": "runbook.md#rogue_route",
            "since": at(3).to_string(), "summary": "<script> ",
        },
        "startsAt": at(3).to_string(),
        "endsAt": at(5 + 240).to_string(),
        "generatorURL": "https://leaf3.example.net",
    }]);
    assert_eq!(Value::from(posted(&entries, at(5))), expected);
}

#[test]
fn a_label_is_cut_and_still_tells_apart() {
    let of = |tail: &str| {
        let object = format!("uni/{}{tail}", "x".repeat(5_000));
        let mut long = finding(1, 0);
        long.identity.insert("object".into(), object.into());
        Notice::of(long, START).labels["object"].clone()
    };
    assert!(of("a").len() < 150 && of("a") == of("a") && of("a") != of("b"), "{}", of("a"));
}

#[test]
fn near_a_limit_and_above_it_are_alerts_of_their_own() {
    let limit = |object: &str| {
        let mut limit = Finding { kind: "prefix_limit".into(), ..finding(1, 0) };
        limit.identity = [("object".into(), object.into())].into();
        super::name::of(&limit)
    };
    assert_eq!([limit("near"), limit("above")], ["ThirdleafPrefixLimitNear", "ThirdleafPrefixLimitHit"]);
}

#[test]
fn the_worst_and_the_oldest_are_pushed_and_one_says_how_many_more_there_are() {
    let most = u32::try_from(MOST).unwrap();
    let mut findings: Vec<_> = (0..most + 3).map(|number| warning(number, u64::from(number))).collect();
    let mut board = board_of(findings.clone(), at(300));
    let names = |board: &Board| -> Vec<String> {
        board.firing().map(|alert| alert.labels["alertname"].clone()).collect()
    };
    assert_eq!(board.firing().count(), MOST + 1);
    let more = |board: &Board| {
        let more = board.firing().find(|alert| alert.kind == "more_findings").cloned()?;
        Some((more.annotations["summary"].clone(), more.labels["severity"].clone(), more.starts))
    };
    let (summary, severity, since) = more(&board).unwrap();
    assert!(summary.starts_with("and 3 more findings"), "{summary}");
    assert_eq!((severity.as_str(), since), ("warning", at(300)));
    assert!(names(&board).contains(&"ThirdleafMoreFindings".to_owned()));

    // What is worse displaces the youngest, which is not over, and is not said to be.
    findings.push(finding(900, 301));
    set(&mut board, findings.clone(), at(302));
    assert_eq!(more(&board).unwrap().0.split(' ').nth(1), Some("4"));
    assert!(board.firing().any(|alert| alert.labels["prefix"] == "10.3.132.0/26"), "the worst is there");
    assert!(board.entries().iter().all(|entry| entry.over.is_none()));

    findings.truncate(MOST);
    set(&mut board, findings, at(310));
    assert_eq!((more(&board), board.firing().count()), (None, MOST));
    let over: Vec<_> = board.entries().iter().filter_map(|entry| entry.over).collect();
    assert_eq!(over, [at(310); 2], "the worst, and that there is more");
}

#[test]
fn what_is_over_is_told_for_five_minutes_unless_it_fires_again() {
    let mut board = board_of(vec![finding(1, 0), finding(2, 0)], at(1));
    set(&mut board, vec![], at(10));
    let ends = |board: &Board| board.entries().iter().map(|entry| entry.over).collect::<Vec<_>>();
    assert_eq!(ends(&board), [Some(at(10)); 2]);
    assert_eq!(posted(&board.entries(), at(60))[0]["endsAt"], at(10).to_string());
    set(&mut board, vec![finding(1, 20)], at(20));
    assert_eq!(ends(&board), [None, Some(at(10))]);
    assert!(!board.expire(at(10 + TOLD.as_secs() - 1)));
    assert!(board.expire(at(10 + TOLD.as_secs())));
    assert_eq!(ends(&board), [None]);
}

#[test]
fn an_end_before_the_beginning_is_never_sent() {
    let mut board = board_of(vec![finding(1, 50)], at(50));
    set(&mut board, vec![], at(10));
    assert_eq!(posted(&board.entries(), at(60))[0]["endsAt"], at(50).to_string());
}

#[test]
fn an_alertmanager_is_told_by_its_own_clock_what_is_over() {
    let board = board_of(vec![finding(1, 50)], at(60));
    // The wall clock was set after the start, by an hour.
    let body =
        message::alerts(&board.entries(), &terms(), &BTreeMap::new(), at(60), Duration::from_mins(4), |at| {
            at.after(Duration::from_hours(1))
        });
    let posted: Value = serde_json::from_slice(&body).unwrap();
    let expected = [at(3_650), at(3_600 + 60 + 240)].map(|at| Value::from(at.to_string()));
    assert_eq!([&posted[0]["startsAt"], &posted[0]["endsAt"]], [&expected[0], &expected[1]]);
}

#[test]
fn an_alertmanager_is_sent_what_it_does_not_hold_and_everything_again_in_time() {
    let mut ledger = Ledger::new(Duration::from_mins(1));
    let mut board = board_of(vec![finding(1, 0), finding(2, 0)], at(1));
    let send = |ledger: &mut Ledger, board: &Board, now: Timestamp| {
        let entries = board.entries();
        ledger.keep(&entries);
        let due = ledger.due(&entries, 100, now);
        ledger.note(&due, now);
        due.len()
    };
    assert_eq!(ledger.owed(&board.entries()), 2);
    assert_eq!(send(&mut ledger, &board, at(1)), 2);
    assert_eq!((send(&mut ledger, &board, at(2)), ledger.owed(&board.entries())), (0, 0));
    set(&mut board, vec![finding(1, 0), finding(2, 0), finding(3, 5)], at(5));
    assert_eq!(send(&mut ledger, &board, at(5)), 1, "what is new");
    assert_eq!(ledger.next(&board.entries()), Some(at(61)));
    assert_eq!(send(&mut ledger, &board, at(61)), 2, "what was sent a minute ago");
    let mut longer = finding(1, 0);
    longer.evidence.push("another".into());
    set(&mut board, vec![longer, finding(2, 0)], at(62));
    assert_eq!(
        send(&mut ledger, &board, at(62)),
        1,
        "that one is over: another text alone waits for its turn"
    );
    assert_eq!(send(&mut ledger, &board, at(121)), 2);
    assert_eq!(send(&mut ledger, &board, at(122)), 1, "what is over is sent again, too");
    set(&mut board, vec![], at(130));
    board.expire(at(1_000));
    assert_eq!((send(&mut ledger, &board, at(1_000)), ledger.next(&board.entries())), (0, None));
}

fn delivery(change: &Change) -> (Delivery, Value) {
    let delivery = message::change(change, &terms(), 7);
    let body = serde_json::from_slice(&delivery.body).unwrap();
    (delivery, body)
}

#[test]
fn a_notification_has_one_identity_whoever_tells_it_when() {
    let first = Book::default().take(&[finding(1, 3)], at(5));
    // After a restart the finding is known with its identity and when it opened.
    let again = Book::default().take(&[finding(1, 3)], at(900));
    assert_eq!(delivery(&first[0]).0.id, delivery(&again[0]).0.id);
    let mut book = Book::default();
    book.take(&[finding(1, 3)], at(5));
    let end = book.take(&[muted(1, 3)], at(9));
    let anew = book.take(&[finding(1, 3)], at(20));
    let ids: std::collections::BTreeSet<_> =
        [&first[0], &end[0], &anew[0]].map(|change| delivery(change).0.id).into();
    assert_eq!(ids.len(), 3, "what is told anew is another");
}

#[test]
fn a_notification_says_all_that_is_known() {
    let change = &Book::default().take(&[finding(1, 3)], at(5))[0];
    let (delivery, body) = delivery(change);
    assert_eq!((change.event, delivery.event), (Event::Firing, "firing"));
    assert_eq!(body["id"], delivery.id);
    assert_eq!(body["finding"], serde_json::to_value(finding(1, 3)).unwrap());
    assert_eq!(body["labels"]["prefix"], "10.0.1.0/26");
    let rest =
        ["version", "sequence", "event", "time", "instance", "alertname", "runbook_url", "external_url"];
    let rest: Vec<_> = rest.iter().map(|key| body[key].clone()).collect();
    let expected = serde_json::json!([
        "1",
        7,
        "firing",
        at(3).to_string(),
        "leaf3",
        "ThirdleafDuplicatePodBlock",
        "runbook.md#duplicate_pod_block",
        "https://leaf3.example.net",
    ]);
    assert_eq!(Value::from(rest), expected);
}

#[test]
fn where_there_is_no_room_the_oldest_go_and_are_counted() {
    let queue = Queue::default();
    let make =
        |sequence: u64| Delivery { id: sequence.to_string(), event: "firing", body: bytes::Bytes::new() };
    for _ in 0..queue::MOST {
        queue.push(make);
    }
    let first = queue.front().unwrap();
    queue.push(make);
    assert_eq!((queue.len(), queue.dropped()), (queue::MOST, 1));
    // What was dropped while it was on its way is not taken for the next one.
    queue.done(&first);
    assert_eq!((queue.len(), queue.front().unwrap().id.as_str()), (queue::MOST, "2"));
    queue.drop_front(&queue.front().unwrap());
    assert_eq!((queue.len(), queue.dropped(), queue.front().unwrap().id.as_str()), (queue::MOST - 1, 2, "3"));
}
