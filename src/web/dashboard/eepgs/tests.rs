use super::super::tests::{HOSTILE, is_clean};
use super::*;
use crate::web::testing::controller::{COMPARED, change, eepg, plan};

fn drawn(changes: Vec<crate::eepg::view::Change>) -> String {
    let eepgs = [eepg("fabric1", "calico", "web", "prod"), eepg("fabric1", "calico", "db", "prod")];
    planned(&plan("7f3a", changes), &eepgs, 0, COMPARED).into_string()
}

#[test]
fn a_plan_is_a_diff_in_which_a_move_is_one_line() {
    let page = drawn(vec![
        change("create", "web", "10.96.0.1/32", None),
        change("delete", "db", "10.96.0.1/32", None),
        change("delete", "web", "10.96.0.2/32", Some("peer_loss")),
        change("modify", "web", "10.96.0.3/32", None),
    ]);
    let rows: Vec<_> =
        page.split("data-operation=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    assert_eq!(rows, ["move", "delete", "modify"]);
    for sign in ["+", "-", "~"] {
        let there = page.contains(&format!("<b aria-hidden=\"true\">{sign}</b>"));
        assert_eq!(there, sign != "+", "{sign}: {page}");
    }
    assert!(page.contains("db -&gt; web"), "{page}");
    assert!(
        page.contains("data-held=\"peer_loss\"")
            && page.contains("Held by <code><bdi>peer_loss</bdi></code>")
    );
    assert!(page.contains("class=\"approve\"") && page.contains("Plan: type <code>7f3a</code>"));
}

#[test]
fn what_lets_go_by_itself_is_no_alarm() {
    let held = |brake: &str| drawn(vec![change("delete", "web", "10.96.0.2/32", Some(brake))]);
    assert!(held("delete_after").contains("<p class=\"hold\">"));
    assert!(held("mass_withdraw").contains("<p class=\"hold\" data-state=\"critical\">"));
    assert!(held("of a later release").contains("<p class=\"hold\" data-state=\"critical\">"));
}

#[test]
fn nothing_to_change_is_said_and_nothing_to_approve() {
    let page = drawn(vec![]);
    assert!(page.contains("Nothing to change") && !page.contains("class=\"approve\""), "{page}");
}

#[test]
fn what_others_wrote_is_text() {
    for hostile in HOSTILE {
        let mut one = change("delete", hostile, "10.96.0.2/32", Some(hostile));
        (one.reason, one.because.node, one.because.rule) =
            (hostile.into(), Some(hostile.into()), Some(hostile.into()));
        let mut wrong = eepg("fabric1", hostile, hostile, hostile);
        wrong.trouble = vec![hostile.to_owned()];
        let page = table(&[wrong], &Query::default(), 0, COMPARED).into_string() + &drawn(vec![one]);
        assert!(is_clean(&page), "{page}");
    }
}
