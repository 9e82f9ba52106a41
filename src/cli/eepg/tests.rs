use serde_json::{Value, json};

use crate::cli::testing::{NOW, Stub, page};
use crate::cli::tests::{ask, run};
use crate::eepg::view::{Change, Pause, Plan, Request};
use crate::eepg::{Mo, view};
use crate::web::testing::TOKEN;
use crate::web::testing::controller::{self, Fabric, change, eepg, member, plan, policy};

fn whole(plan: &Plan) -> Value {
    serde_json::to_value(crate::web::Plan { plan: plan.clone(), next_cursor: None }).unwrap()
}

fn stub(plan: &Plan) -> Stub {
    let eepgs = [
        eepg("fabric1", "calico", "web", "prod"),
        eepg("fabric1", "calico", "db", "prod"),
        eepg("fabric1", "other", "web", "prod"),
        eepg("fabric1", "blue", "blue", "blue"),
        policy("fabric1", "fw"),
        policy("fabric1", "ids"),
    ];
    Stub::new(&[
        ("/api/v1/plan", whole(plan)),
        ("/api/v1/eepgs", page(&eepgs)),
        ("/api/v1/eepgs/members", page(&[member("10.96.0.1/32")])),
    ])
}

/// The lines of a table without the columns that depend on the clock, blanks squeezed.
fn words(text: &str) -> Vec<String> {
    text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

fn at(mut change: Change, dn: &str) -> Change {
    change.dn = dn.to_owned();
    change
}

#[test]
fn eepgs_in_a_table() {
    let mut broken = eepg("fabric1", "calico", "db", "prod");
    (broken.state, broken.compared) = ("missing".into(), None);
    broken.trouble = vec!["uni/tn-k8s/out-calico is not there".into(), "x".into()];
    let stub = Stub::new(&[("/api/v1/eepgs", page(&[eepg("fabric1", "calico", "web", "prod"), broken]))]);
    let expected = "\
        NAME  TENANT  L3OUT   VRF   STATE    DESIRED  OBSERVED  FOREIGN  PENDING  HELD  TROUBLE\n\
        web   k8s     calico  prod  present        3         2        1        2     1  -\n\
        db    k8s     calico  prod  missing        3         2        1        2     1  uni/tn-k8s/out-calico is not there; x\n";
    for arguments in
        [&["eepg"][..], &["eepg", "list"], &["eepg", "list", "--vrf", "prod", "--apic", "fabric1"]]
    {
        assert_eq!(ask(&stub.url, arguments), (0, expected.to_owned()), "{arguments:?}");
    }
    let (code, text) = ask(&stub.url, &["eepg", "list", "-o", "jsonl"]);
    let first: view::Eepg = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    assert_eq!((code, first), (0, eepg("fabric1", "calico", "web", "prod")));
    let (_, wide) = ask(&stub.url, &["eepg", "-o", "wide", "--no-headers"]);
    assert!(wide.contains("uni/tn-k8s/out-calico/instP-db") && wide.contains(" 20000 "), "{wide}");
}

#[test]
fn one_eepg_is_shown_with_its_members() {
    let mut kept = member("10.96.0.2/32");
    (kept.wanted, kept.note) = (false, Some("node2 is silent".into()));
    kept.nodes = vec!["node2".into(), "node3".into()];
    let mut sick = eepg("fabric1", "calico", "web", "prod");
    (sick.compared, sick.trouble) = (None, vec!["80 % of its cap".into()]);
    let other = eepg("fabric1", "other", "web", "prod");
    let stub = Stub::new(&[
        ("/api/v1/eepgs", page(&[sick.clone(), other, policy("fabric1", "fw")])),
        ("/api/v1/eepgs/members", page(&[member("10.96.0.1/32"), kept])),
    ]);
    let dn = "uni/tn-k8s/out-calico/instP-web";
    let (code, text) = ask(&stub.url, &["eepg", "show", dn]);
    assert_eq!(
        (code, text.as_str()),
        (
            0,
            "EEPG web on fabric1, VRF prod, present: uni/tn-k8s/out-calico/instP-web\n\
             3 members desired, 2 observed, 1 of others, at most 20000; 2 changes to come, 1 held back; not compared yet\n\
             ! 80 % of its cap\n\
             \n\
             PREFIX        STATE  WANTED  NODES        RULE  NOTE\n\
             10.96.0.1/32  ours   yes     node1        web   -\n\
             10.96.0.2/32  ours   no      node2 node3  web   node2 is silent\n"
        )
    );
    let (code, text) = ask(&stub.url, &["eepg", "show", "fw"]);
    assert!(
        code == 0 && text.starts_with("Redirect policy fw on fabric1, VRF prod, present: uni/tn-k8s/svcCont"),
        "{text}"
    );
    let (code, text) = ask(&stub.url, &["eepg", "show", "web"]);
    assert!(
        code == 2 && text.contains("out-calico/instP-web on fabric1, uni/tn-k8s/out-other/instP-web"),
        "{text}"
    );
    let (code, text) = ask(&stub.url, &["eepg", "show", "nothing"]);
    assert!(code == 2 && text.contains("no EEPG or redirect policy \"nothing\""), "{text}");
    let (_, text) = ask(&stub.url, &["eepg", "show", dn, "-o", "json"]);
    let shown: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(shown["eepg"], serde_json::to_value(&sick).unwrap());
    assert_eq!(shown["members"][1]["note"], "node2 is silent");
}

#[test]
fn an_empty_plan_is_fine_and_another_is_not() {
    let (code, text) = ask(&stub(&plan("7f3a", vec![])).url, &["eepg", "plan"]);
    assert_eq!(code, 0);
    assert!(text.starts_with("Nothing to change; compared with the APIC "), "{text}");
    assert!(text.ends_with("safety.mode is \"observe\": nothing is written\n"), "{text}");

    let never = Plan { compared: None, mode: "enforce".into(), ..plan("7f3a", vec![]) };
    let (code, text) = ask(&stub(&never).url, &["eepg", "plan"]);
    assert_eq!((code, text.as_str()), (0, "Nothing to change; not compared with the APIC yet\n"));

    let some = stub(&plan("7f3a", vec![change("create", "web", "10.96.0.1/32", None)]));
    for format in ["table", "wide", "json", "jsonl"] {
        assert_eq!(ask(&some.url, &["eepg", "plan", "-o", format]).0, 1, "{format}");
    }
    assert_eq!(ask(&some.url, &["eepg", "plan", "--requests"]).0, 1);
}

#[test]
fn a_plan_reads_as_plus_tilde_and_minus() {
    let mut gone = change("delete", "web", "10.96.0.2/32", Some("peer_loss"));
    gone.because.node = None;
    gone.reason = "node1 is silent".into();
    let mut made = change("create", "new", "10.96.0.9/32", None);
    (made.prefix, made.dn) = (None, "uni/tn-k8s/out-calico/instP-new".into());
    let plan = Plan {
        paused: Some(Pause { until: NOW, reason: "new spines".into() }),
        mode: "enforce".into(),
        ..plan(
            "7f3a",
            vec![
                made,
                change("create", "web", "10.96.0.1/32", None),
                gone,
                change("modify", "db", "10.96.0.3/32", None),
                change("delete", "web", "10.96.0.4/32", None),
                change("create", "db", "10.96.0.4/32", None),
            ],
        )
    };
    let (code, text) = ask(&stub(&plan).url, &["eepg", "plan"]);
    let all = words(&text);
    assert_eq!(code, 1);
    assert_eq!(
        all[..7],
        [
            "OP PREFIX EEPG RULE PEER NODE HELD-BY LEFT WHY",
            "+ (EEPG) new new 192.168.1.1 node1 - - node1 announces 10.96.0.9/32",
            "+ 10.96.0.1/32 web web 192.168.1.1 node1 - - node1 announces 10.96.0.1/32",
            "- 10.96.0.2/32 web web 192.168.1.1 - peer_loss 00:00:00 node1 is silent",
            "~ 10.96.0.3/32 db db 192.168.1.1 node1 - - node1 announces 10.96.0.3/32",
            "~ 10.96.0.4/32 web -> db db 192.168.1.1 node1 - - node1 announces 10.96.0.4/32",
            "",
        ]
    );
    assert!(
        all[7].starts_with(
            "Plan 7f3a: 2 to create, 1 to move, 1 to modify, 1 to delete; 1 held back; compared with the APIC "
        ),
        "{text}"
    );
    assert_eq!(
        all[8..],
        [
            "Held by peer_loss until 2023-11-14T22:13:20.000Z: uni/tn-k8s/out-calico on fabric1, 1 changes: node1 is silent",
            "`thirdleaf eepg approve 7f3a` lets what is held through",
            "Paused until 2023-11-14T22:13:20.000Z: new spines",
        ]
    );
    let (_, wide) = ask(&stub(&plan).url, &["eepg", "plan", "-o", "wide", "--no-headers"]);
    assert!(wide.starts_with("+  (EEPG) ") && wide.contains("  uni/tn-k8s/out-calico/instP-new  "), "{wide}");
}

#[test]
fn only_what_stays_in_its_vrf_moves() {
    let destination =
        |policy: &str| format!("uni/tn-k8s/svcCont/svcRedirectPol-{policy}/RedirectDest_ip-[10.96.0.3]");
    let (blue, other) = ("uni/tn-k8s/out-blue/instP-blue", "uni/tn-k8s/out-other/instP-web");
    let plan = plan(
        "1",
        vec![
            // The same prefix in two VRFs.
            change("delete", "web", "10.96.0.1/32", None),
            at(change("create", "blue", "10.96.0.1/32", None), &format!("{blue}/extsubnet-[10.96.0.1/32]")),
            // Between EEPGs of one name.
            change("delete", "web", "10.96.0.2/32", None),
            at(change("create", "web", "10.96.0.2/32", None), &format!("{other}/extsubnet-[10.96.0.2/32]")),
            // A destination belongs to its policy.
            at(change("delete", "fw", "10.96.0.3/32", None), &destination("fw")),
            at(change("create", "ids", "10.96.0.3/32", None), &destination("ids")),
            // What is held stays, whatever else happens to the prefix.
            change("delete", "web", "10.96.0.4/32", Some("peer_loss")),
            change("create", "db", "10.96.0.4/32", None),
        ],
    );
    let (_, text) = ask(&stub(&plan).url, &["eepg", "plan", "--no-headers"]);
    let starts: Vec<_> = words(&text)
        .iter()
        .take_while(|line| !line.is_empty())
        .map(|line| line.split(" 192.").next().unwrap().to_owned())
        .collect();
    assert_eq!(
        starts,
        [
            "- 10.96.0.1/32 web web",
            "+ 10.96.0.1/32 blue blue",
            "~ 10.96.0.2/32 k8s/calico/web -> k8s/other/web web",
            "- 10.96.0.3/32 fw fw",
            "+ 10.96.0.3/32 ids ids",
            "- 10.96.0.4/32 web web",
            "+ 10.96.0.4/32 db db",
        ]
    );
    assert!(text.contains(": 3 to create, 1 to move, 0 to modify, 3 to delete; 1 held back"), "{text}");
}

#[test]
fn requests_are_printed_as_they_would_be_sent() {
    let body = Mo::new("l3extOut").holding(Mo::new("l3extInstP").with("name", "web"));
    let dn = "uni/tn-k8s/out-calico".to_owned();
    let plan = Plan {
        requests: vec![Request { apic: "fabric1".into(), dn, body: body.clone() }],
        ..plan("1", vec![change("create", "web", "10.96.0.1/32", None)])
    };
    let stub = stub(&plan);
    assert_eq!(
        ask(&stub.url, &["eepg", "plan", "--requests"]),
        (1, format!("POST fabric1 /api/mo/uni/tn-k8s/out-calico.json\n{body}\n"))
    );
    for format in ["json", "jsonl"] {
        let (_, text) = ask(&stub.url, &["eepg", "plan", "--requests", "-o", format]);
        let text = if format == "jsonl" { format!("[{text}]") } else { text };
        assert_eq!(serde_json::from_str::<Vec<Request>>(&text).unwrap(), plan.requests);
        // Attributes stand before children in the text as well.
        assert!(text.find("attributes").unwrap() < text.find("children").unwrap(), "{text}");
    }
}

#[test]
fn what_is_asked_for_is_posted() {
    let stub = Stub::new(&[]);
    for arguments in [
        &["apply", "--yes"][..],
        &["approve", "7f3a"],
        &["adopt", "uni/tn-k8s/out-calico/instP-web"],
        &["pause", "--for", "2h", "new spines"],
        &["resume"],
        &["release", "--yes"],
        &["release", "web", "--yes"],
    ] {
        let answer = ask(&stub.url, &[&["eepg"], arguments].concat());
        assert_eq!(answer, (0, "done\n".to_owned()), "{arguments:?}");
    }
    assert_eq!(
        stub.posted(),
        [
            "/api/v1/plan/apply {}",
            r#"/api/v1/plan/approve {"id":"7f3a"}"#,
            r#"/api/v1/eepgs/adopt {"dn":"uni/tn-k8s/out-calico/instP-web"}"#,
            r#"/api/v1/sync/pause {"for":"2h","reason":"new spines"}"#,
            "/api/v1/sync/resume {}",
            "/api/v1/eepgs/release {}",
            r#"/api/v1/eepgs/release {"eepg":"web"}"#,
        ]
    );
    for arguments in [&["apply"][..], &["release"], &["release", "web"]] {
        let (code, text) = ask(&stub.url, &[&["eepg"], arguments].concat());
        assert!(code == 2 && text.ends_with("; then say --yes"), "{text}");
    }
    assert!(stub.posted().is_empty(), "nothing without --yes");
}

/// A whole server, of which the controller answers so.
fn served(fabric: Fabric) -> (tokio::runtime::Runtime, crate::web::testing::Server, controller::Notes) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (server, notes) = runtime.block_on(async {
        let (sync, notes) = fabric.serve();
        (crate::web::testing::Server::start_with(Some(TOKEN), Some(sync)).await, notes)
    });
    (runtime, server, notes)
}

#[test]
fn a_brake_or_observe_mode_is_exit_4() {
    use crate::eepg::Refusal;
    let file = std::env::temp_dir().join(format!("thirdleaf-eepg-token-{}", std::process::id()));
    std::fs::write(&file, TOKEN).unwrap();
    let token = file.to_str().unwrap().to_owned();
    let approve = |refusal: Refusal| {
        let (_runtime, server, notes) = served(Fabric { answer: Err(refusal), ..Fabric::new() });
        let answer = run(&["--server", &server.url, "--token-file", &token, "eepg", "approve", "7f3a"]);
        assert_eq!(notes.take(), ["approve 7f3a"]);
        answer
    };
    let held = approve(Refusal::Held("safety.mode is observe".into()));
    let changed = approve(Refusal::Changed("9c1".into()));
    let unknown = approve(Refusal::Unknown("there is no plan 7f3a".into()));
    let (_runtime, server, notes) = served(Fabric::new());
    let without = run(&["--server", &server.url, "eepg", "resume"]);
    std::fs::remove_file(file).unwrap();
    assert_eq!(held, (4, "safety.mode is observe".to_owned()));
    assert_eq!(changed, (4, "the plan is another by now; look at it again, it is 9c1".to_owned()));
    assert_eq!(unknown, (2, "there is no plan 7f3a".to_owned()));
    assert_eq!((without.0, notes.take()), (2, vec![]), "{}", without.1);
}

#[test]
fn a_long_plan_is_read_to_its_end() {
    let changes: Vec<_> = (0..1_200_u32)
        .map(|at| change("create", "web", &format!("10.96.{}.{}/32", at / 256, at % 256), None))
        .collect();
    let (_runtime, server, _) = served(Fabric { plan: plan("7f3a", changes), ..Fabric::new() });
    let (code, text) = run(&["--server", &server.url, "eepg", "plan", "-o", "jsonl"]);
    assert_eq!((code, text.lines().count()), (1, 1_200));
    let last: Change = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    assert_eq!(last.prefix, "10.96.4.175/32".parse().ok());
    let (code, _) = run(&["--server", &server.url, "eepg", "plan", "--held"]);
    assert_eq!(code, 0, "nothing is held");
    let (code, text) = run(&["--server", &server.url, "eepg", "plan", "--operation", "create", "-o", "json"]);
    let plan: Plan = serde_json::from_str(&text).unwrap();
    assert_eq!((code, plan.changes.len(), plan.total), (1, 1_200, 1_200));
}

#[test]
fn summary_and_health_tell_of_the_fabric() {
    let summary = |up: Option<bool>, drift: u64| {
        let mut summary = serde_json::to_value(crate::web::Summary::default()).unwrap();
        summary["mode"] = json!("enforce");
        summary["eepgs"] = json!({ "total": 2, "desired": 5, "observed": 4, "pending": 3, "held": 1 });
        summary["apics"] = json!([{ "name": "fabric1", "up": up, "compared": null, "drift": drift }]);
        summary
    };
    let served = |summary: Value, findings: Value| {
        Stub::new(&[
            ("/api/v1/summary", summary),
            ("/api/v1/config", json!({ "leaf": [] })),
            ("/api/v1/findings", findings),
        ])
    };
    let none = page(&[] as &[u8]);
    let stub = served(summary(Some(true), 0), none.clone());
    let (_, text) = ask(&stub.url, &["summary"]);
    assert_eq!(
        text,
        "No findings\n\
         EEPGs: 2, 5 members desired, 4 observed; 3 changes to come, 1 held back; mode enforce\n\
         APIC fabric1: up, not compared yet\n"
    );
    let check = |up, drift, arguments: &[&str]| {
        let stub = served(summary(up, drift), none.clone());
        ask(&stub.url, &[&["check-health"], arguments].concat())
    };
    let (code, line) = check(Some(true), 0, &[]);
    assert_eq!(code, 0);
    assert!(line.contains(" 0 rogue routes, 1/1 APICs up, 0 drifted, 0 critical"), "{line}");
    assert!(line.ends_with(" findings_muted=0;;;0 apics_up=1;;1:;0;1 drift=0;0;;0\n"), "{line}");
    assert_eq!(check(Some(true), 3, &[]).0, 1);
    assert_eq!(check(Some(true), 3, &["--drift", "3"]).0, 0);
    assert_eq!(check(Some(false), 0, &[]).0, 2);
    assert_eq!(check(None, 0, &[]).0, 2, "what nobody knows of is not up");
    let mut muted = summary(Some(false), 3);
    muted["findings"]["muted"] = json!(1);
    let finding = crate::observer::view::Finding {
        muted: Some("acknowledged".into()),
        ..crate::cli::testing::finding("f1")
    };
    let stub = served(muted, page(&[finding]));
    assert_eq!(ask(&stub.url, &["check-health"]).0, 0, "somebody knows");
}
