use super::super::tests::{HOSTILE, is_clean};
use super::*;
use crate::cli::testing;
use crate::eepg::view::Counts;

fn told(kind: &str, severity: &str, state: &str, muted: Option<&str>) -> Finding {
    Finding {
        kind: kind.into(),
        severity: severity.into(),
        state: state.into(),
        muted: muted.map(str::to_owned),
        ..testing::finding("f1")
    }
}

fn glance(findings: &[Finding]) -> Glance {
    let mut glance = Glance { name: "rack1".into(), now: testing::NOW, ..Glance::default() };
    (glance.summary.observed.peers.known, glance.summary.observed.peers.established) = (8, 8);
    glance.summary.observed.mode = "enforce".into();
    glance.count(findings);
    glance
}

fn tile<'a>(drawn: &'a str, name: &str) -> &'a str {
    let start = drawn.find(&format!("data-tile=\"{name}\"")).unwrap();
    drawn[start..].split("</li>").next().unwrap()
}

#[test]
fn the_worst_that_somebody_is_told_of_says_how_it_stands() {
    let critical = told("rogue_route", "critical", "open", None);
    let warning = told("missing_service_cidr", "warning", "open", None);
    let quiet = [
        told("rogue_route", "critical", "pending", None),
        told("rogue_route", "critical", "resolved", None),
        told("rogue_route", "critical", "open", Some("acknowledged")),
    ];
    for (findings, level, title) in [
        (&quiet[..], Level::Ok, "ok - rack1 - thirdleaf"),
        (std::slice::from_ref(&warning), Level::Warning, "1 warning - rack1 - thirdleaf"),
        (
            &[critical.clone(), warning.clone(), critical],
            Level::Critical,
            "2 critical, 1 warning - rack1 - thirdleaf",
        ),
    ] {
        let glance = glance(findings);
        assert_eq!((glance.worst(), glance.title().as_str()), (level, title));
        let drawn = glance.render().into_string();
        assert!(
            drawn.starts_with(&format!("<header id=\"glance\" data-state=\"{}\"", level.name())),
            "{drawn}"
        );
    }
}

#[test]
fn each_tile_has_its_kinds() {
    for (kind, severity, name) in [
        ("peer_down", "warning", "sessions"),
        ("rack_down", "critical", "sessions"),
        ("rogue_route", "critical", "rogue"),
        ("duplicate_pod_block", "critical", "conflicts"),
        ("eepg_conflict", "critical", "conflicts"),
        ("missing_service_cidr", "warning", "missing"),
        ("eepg_drift", "warning", "drift"),
        ("hold_down", "critical", "mode"),
    ] {
        let mut glance = glance(&[told(kind, severity, "open", None)]);
        glance.summary.apics = vec![Apic { name: "fabric1".into(), up: Some(true), ..Apic::default() }];
        let drawn = glance.render().into_string();
        let tiles = drawn.matches("<li data-tile=").count();
        let coloured: Vec<_> = drawn
            .split("<li data-tile=\"")
            .skip(1)
            .filter(|tile| !tile.contains("data-state=\"ok\">"))
            .collect();
        assert_eq!((tiles, coloured.len()), (7, 1), "{kind}: {drawn}");
        assert!(coloured[0].starts_with(name), "{kind} is told by {name}: {}", coloured[0]);
        assert!(tile(&drawn, name).contains(&format!("data-state=\"{severity}\"")), "{drawn}");
    }
}

#[test]
fn the_fabric_is_told_in_numbers_and_times() {
    let mut glance = glance(&[]);
    let drawn = glance.render().into_string();
    assert!(tile(&drawn, "apic").contains("no [[apic]] is configured"));
    glance.summary.eepgs = Some(Counts { total: 2, desired: 1_200, observed: 1_180, pending: 20, held: 4 });
    glance.summary.apics = vec![
        Apic { name: "a".into(), up: Some(true), compared: Some(testing::NOW), drift: 3 },
        Apic { name: "b".into(), up: Some(false), compared: None, drift: 0 },
    ];
    glance.held = vec![Held {
        brake: "peer_loss".into(),
        apic: "a".into(),
        scope: String::new(),
        until: Some(testing::NOW.after(Duration::from_mins(1))),
        reason: "silence".into(),
        changes: 4,
    }];
    let drawn = glance.render().into_string();
    assert!(tile(&drawn, "apic").contains("1/2 up") && tile(&drawn, "apic").contains("not compared yet"));
    assert!(tile(&drawn, "drift").contains(">3<") && tile(&drawn, "drift").contains("4 held back"));
    let mode = tile(&drawn, "mode");
    assert!(mode.contains("4 changes held, ") && mode.contains(">00:01:00</time> left"), "{mode}");
    glance.summary.observed.peers.established = 5;
    glance.summary.eepgs = Some(Counts { held: 0, desired: 1_200, observed: 1_180, ..Counts::default() });
    let drawn = glance.render().into_string();
    assert!(
        tile(&drawn, "sessions").contains("data-state=\"warning\"") && drawn.contains("3 down"),
        "{drawn}"
    );
    assert!(tile(&drawn, "drift").contains("1,200 desired, 1,180 observed"));
    glance.paused = Some(Pause { until: testing::NOW, reason: "<b>".into() });
    let drawn = glance.render().into_string();
    assert!(tile(&drawn, "mode").contains("paused") && tile(&drawn, "mode").contains("&lt;b&gt;"));
}

#[test]
fn names_and_reasons_are_text() {
    for hostile in HOSTILE {
        let mut glance = glance(&[]);
        glance.name = hostile.to_owned();
        glance.paused = Some(Pause { until: testing::NOW, reason: hostile.to_owned() });
        assert!(is_clean(&glance.render().into_string()));
        assert!(is_clean(&blind(&Problem::unavailable(hostile)).into_string()));
    }
}
