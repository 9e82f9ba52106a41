use super::super::tests::{HOSTILE, is_clean};
use super::*;
use crate::cli::testing::{NOW, finding};

fn of(id: &str, severity: &str, state: &str, muted: Option<&str>) -> Finding {
    Finding {
        severity: severity.into(),
        state: state.into(),
        muted: muted.map(str::to_owned),
        resolved: (state == "resolved").then_some(NOW),
        ..finding(id)
    }
}

fn query(pairs: &[(&str, &str)]) -> Query {
    Query::new(Params::of(
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
    ))
}

fn drawn(all: &[Finding], pairs: &[(&str, &str)]) -> String {
    page(all, &query(pairs), NOW).unwrap().into_string()
}

fn order(page: &str) -> Vec<&str> {
    page.split("id=\"finding-").skip(1).filter_map(|rest| rest.split('"').next()).collect()
}

#[test]
fn the_worst_stands_first_and_what_nobody_is_told_of_apart() {
    let all = [
        of("old", "warning", "resolved", None),
        of("w", "warning", "open", None),
        of("m", "critical", "open", Some("absorbed:c")),
        of("c", "critical", "open", None),
    ];
    let page = drawn(&all, &[]);
    assert_eq!(order(&page), ["c", "w", "m", "old"]);
    let (loud, quiet) = page.split_once("<details class=\"aside\" id=\"muted\">").unwrap();
    assert_eq!(order(loud), ["c", "w"]);
    let (muted, resolved) = quiet.split_once("<details class=\"aside\" id=\"resolved\">").unwrap();
    assert_eq!((order(muted), order(resolved)), (vec!["m"], vec!["old"]));
    assert!(muted.contains("explained by <a href=\"finding?id=c\">"));
    assert!(loud.contains("data-severity=\"critical\"") && loud.contains("✕"), "a sign, a word and a colour");
}

#[test]
fn many_are_paged_and_weigh_no_more() {
    let all: Vec<_> = (0..1_000).map(|at| of(&format!("f{at:04}"), "critical", "open", None)).collect();
    let first = drawn(&all, &[]);
    assert_eq!(order(&first).len(), 20);
    assert!(first.len() < 30_000, "{}", first.len());
    assert!(first.contains("1,000 findings in all"));
    let next =
        first.split("class=\"next\" href=\"findings?cursor=").nth(1).unwrap().split('"').next().unwrap();
    let second = drawn(&all, &[("cursor", next)]);
    assert_eq!((order(&second)[0], order(&second).len()), ("f0020", 20));
    assert!(second.contains("first page"));
}

#[test]
fn what_is_worked_on_is_said() {
    let scope = crate::observer::maintenance::Whom::Rack("<b>rack1".into());
    let until = NOW.after(std::time::Duration::from_mins(90));
    let window = Window { scope, since: NOW, until, reason: "new <i>disks".into() };
    let drawn = windows(&vec![window; 7], NOW).into_string();
    assert!(drawn.contains("maintenance of rack <b><bdi>&lt;b&gt;rack1</bdi></b> until"), "{drawn}");
    assert!(drawn.contains("01:30:00</time> left): <bdi>new &lt;i&gt;disks</bdi>"), "{drawn}");
    assert!(drawn.contains("and 2 more windows of maintenance"));
}

#[test]
fn nothing_wrong_is_said() {
    assert!(drawn(&[], &[]).contains("No findings"));
    let all = [of("w", "warning", "open", None)];
    assert!(drawn(&all, &[("kind", "apic_down")]).contains("No finding is like that."));
    assert!(page(&all, &query(&[("kind", "x")]), NOW).is_err());
}

#[test]
fn what_others_wrote_is_text() {
    for hostile in HOSTILE.map(str::to_owned).into_iter().chain(["x".repeat(10_000)]) {
        let wrong = Finding {
            summary: hostile.clone(),
            advice: hostile.clone(),
            evidence: vec![hostile.clone(); 8],
            node: Some(hostile.clone()),
            leaf: Some(hostile.clone()),
            cluster: hostile.clone(),
            muted_because: Some(hostile.clone()),
            ..of("f", "critical", "open", None)
        };
        let muted = Finding { muted: Some(hostile.clone()), id: "g".into(), ..wrong.clone() };
        let all = [wrong, muted];
        let page = drawn(&all, &[])
            + &whole(&all[0], &all, NOW).into_string()
            + &whole(&all[1], &all, NOW).into_string();
        assert!(is_clean(&page), "{page}");
        assert!(page.len() < 60_000, "{}", page.len());
    }
}

#[test]
fn a_finding_shows_its_proof_and_what_it_explains() {
    let cause = Finding {
        absorbs_total: 3,
        evidence: vec!["one".into(), "two".into()],
        ..of("c", "critical", "open", None)
    };
    let all = [cause.clone(), of("m", "warning", "open", Some("absorbed:c"))];
    let page = whole(&cause, &all, NOW).into_string();
    assert!(page.contains("<li><bdi>one</bdi></li>") && page.contains("It explains 3 findings"), "{page}");
    assert!(page.contains("finding?id=m") && page.contains("and 2 more"));
}
