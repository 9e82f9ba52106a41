use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::eepg::Refusal;
use crate::eepg::view::Counts;
use crate::sync::Controller;
use crate::web::Summary;
use crate::web::testing::controller::{COMPARED, Fabric, Notes, eepg};
use crate::web::testing::{Server, TOKEN};

async fn start(fabric: Fabric) -> (Server, Notes) {
    let (sync, notes) = fabric.serve();
    (Server::start_with(Some(TOKEN), Some(sync)).await, notes)
}

fn column<'a>(page: &'a Value, name: &str) -> Vec<&'a str> {
    page["items"].as_array().unwrap().iter().map(|item| item[name].as_str().unwrap()).collect()
}

fn code(answer: &Value) -> &str {
    answer["error"]["code"].as_str().unwrap_or_default()
}

#[tokio::test]
async fn eepgs_are_filtered_and_paged() {
    let (server, _) = start(Fabric::new()).await;
    for (query, expected) in [
        ("", &["db", "web", "fw", "batch"][..]),
        ("?apic=fabric1", &["db", "web", "fw"]),
        ("?apic=fabric1&l3out=calico", &["db", "web"]),
        ("?vrf=default", &["batch"]),
        ("?name=fw&tenant=k8s", &["fw"]),
        ("?tenant=other", &[]),
        ("?limit=2", &["db", "web"]),
    ] {
        let (status, page) = server.get(&format!("/api/v1/eepgs{query}")).await;
        assert_eq!((status, &column(&page, "name")[..]), (StatusCode::OK, expected), "{query}");
    }
    let (_, first) = server.get("/api/v1/eepgs?limit=3").await;
    assert_eq!(first["total"], 4);
    let cursor = first["next_cursor"].as_str().unwrap();
    let next = server.request(reqwest::Method::GET, "/api/v1/eepgs").query(&[("cursor", cursor)]);
    let (_, second) = crate::web::testing::answer_of(next).await;
    assert_eq!((column(&second, "name"), &second["next_cursor"]), (vec!["batch"], &Value::Null));
    let (_, one) = server.get("/api/v1/eepgs?name=web").await;
    assert_eq!(
        one["items"][0],
        json!({
            "apic": "fabric1", "kind": "eepg", "dn": "uni/tn-k8s/out-calico/instP-web", "tenant": "k8s",
            "l3out": "calico", "name": "web", "vrf": "prod", "state": "present", "desired": 3, "observed": 2,
            "foreign": 1, "pending": 2, "held": 1, "cap": 20_000, "compared": COMPARED, "trouble": [],
        })
    );
    for wrong in ["eepgs?node=a", "eepgs?cursor=a", "eepgs/members", "eepgs/members?dn=x&cursor=10.0.0.1"] {
        let (status, answer) = server.get(&format!("/api/v1/{wrong}")).await;
        assert_eq!((status, code(&answer)), (StatusCode::BAD_REQUEST, "bad_request"), "{wrong}");
    }
}

#[tokio::test]
async fn members_come_page_by_page() {
    let (server, _) = start(Fabric::new()).await;
    let list = "/api/v1/eepgs/members?dn=uni/tn-k8s/out-calico/instP-web";
    let (status, first) = server.get(&format!("{list}&limit=2")).await;
    assert_eq!((status, column(&first, "prefix")), (StatusCode::OK, vec!["10.96.0.1/32", "10.96.0.2/32"]));
    assert_eq!((&first["next_cursor"], &first["total"]), (&json!("10.96.0.2/32"), &Value::Null));
    let (_, second) = server.get(&format!("{list}&limit=2&cursor=10.96.0.2/32")).await;
    assert_eq!((column(&second, "prefix"), &second["next_cursor"]), (vec!["10.96.0.10/32"], &Value::Null));
    let (_, exact) = server.get(&format!("{list}&limit=3")).await;
    assert_eq!(exact["next_cursor"], Value::Null, "there is nothing after the last");
    let (status, answer) = server.get("/api/v1/eepgs/members?dn=uni/tn-k8s/out-calico/instP-wep").await;
    assert_eq!((status, code(&answer)), (StatusCode::NOT_FOUND, "not_found"));
}

#[tokio::test]
async fn without_an_apic_lists_are_empty_and_nothing_can_be_changed() {
    let server = Server::start(Some(TOKEN)).await;
    let (status, page) = server.get("/api/v1/eepgs").await;
    assert_eq!((status, page), (StatusCode::OK, json!({ "items": [], "next_cursor": null, "total": 0 })));
    let (status, plan) = server.get("/api/v1/plan").await;
    assert_eq!(
        (status, &plan["changes"], &plan["total"], &plan["mode"]),
        (StatusCode::OK, &json!([]), &json!(0), &json!("observe"))
    );
    assert_eq!(server.get("/api/v1/eepgs/members?dn=uni").await.0, StatusCode::NOT_FOUND);
    for (path, body) in [
        ("plan/apply", json!({})),
        ("plan/approve", json!({ "id": "1" })),
        ("eepgs/adopt", json!({ "dn": "uni" })),
        ("eepgs/release", json!({})),
        ("sync/pause", json!({ "for": "1h", "reason": "a test" })),
        ("sync/resume", json!({})),
    ] {
        let (status, answer) = server.post(&format!("/api/v1/{path}"), body).await;
        assert_eq!((status, code(&answer)), (StatusCode::NOT_FOUND, "not_found"), "{path}");
        assert!(answer["error"]["message"].as_str().unwrap().starts_with("no [[apic]]"), "{answer}");
    }
    let (_, summary) = server.get("/api/v1/summary").await;
    assert_eq!(
        (&summary["eepgs"], &summary["apics"], &summary["mode"]),
        (&Value::Null, &json!([]), &json!("observe"))
    );
}

/// The controller is there all the same: a reload may bring an APIC.
#[tokio::test]
async fn a_controller_without_an_apic_is_asked_nothing() {
    let (sync, notes) = Fabric::new().serve();
    let server = Server::start_with(Some(TOKEN), Some(sync)).await;
    server.reconfigure(|config| config.apics.clear());
    server.announce("192.168.1.1", &["10.244.9.9/32"]).await;
    let (_, why) = server.get("/api/v1/routes/why?prefix=10.244.9.9/32").await;
    assert_eq!(why["items"][0]["eepg"], "no EEPG rules are configured");
    assert_eq!(server.get("/api/v1/summary").await.1["apics"], json!([]));
    let text = server.request(reqwest::Method::GET, "/metrics").send().await.unwrap().text().await.unwrap();
    assert!(!text.contains("thirdleaf_apic") && !text.contains("thirdleaf_dry_run"), "{text}");
    assert_eq!(server.post("/api/v1/plan/apply", json!({})).await.0, StatusCode::NOT_FOUND);
    assert_eq!(notes.take(), [""; 0]);
}

#[tokio::test]
async fn what_is_asked_for_reaches_the_controller() {
    let (server, notes) = start(Fabric::new()).await;
    let longest = "a".repeat(500);
    for (path, body, noted) in [
        ("plan/apply", json!({}), "apply"),
        ("plan/approve", json!({ "id": "7f3a" }), "approve 7f3a"),
        (
            "eepgs/adopt",
            json!({ "dn": "uni/tn-k8s/out-calico/instP-web" }),
            "adopt uni/tn-k8s/out-calico/instP-web",
        ),
        ("eepgs/release", json!({}), "release all"),
        ("eepgs/release", json!({ "eepg": "web" }), "release uni/tn-k8s/out-calico/instP-web"),
        (
            "eepgs/release",
            json!({ "eepg": "uni/tn-k8s/svcCont/svcRedirectPol-fw" }),
            "release uni/tn-k8s/svcCont/svcRedirectPol-fw",
        ),
        ("sync/pause", json!({ "for": "2h", "reason": " new spines " }), "pause 120 min: new spines"),
        ("sync/pause", json!({ "for": "7d", "reason": longest }), &format!("pause 10080 min: {longest}")),
        ("sync/resume", json!({}), "resume"),
    ] {
        let (status, answer) = server.post(&format!("/api/v1/{path}"), body).await;
        assert_eq!((status, answer), (StatusCode::OK, json!({ "result": "done" })), "{path}");
        assert_eq!(notes.take(), [noted], "{path}");
    }
}

#[tokio::test]
async fn what_makes_no_sense_reaches_nobody() {
    let mut fabric = Fabric::new();
    fabric.eepgs.push(eepg("fabric1", "other", "web", "prod"));
    let (server, notes) = start(fabric).await;
    for (path, body, status, expected) in [
        ("plan/approve", json!({}), 400, "id"),
        ("plan/apply", json!({ "yes": true }), 400, "yes"),
        ("eepgs/adopt", json!({}), 400, "dn"),
        ("eepgs/release", json!({ "eepg": "dd" }), 404, "did you mean \"db\"?"),
        (
            "eepgs/release",
            json!({ "eepg": "web" }),
            400,
            "uni/tn-k8s/out-calico/instP-web or uni/tn-k8s/out-other/instP-web",
        ),
        ("eepgs/release", json!({ "name": "web" }), 400, "name"),
        ("sync/pause", json!({ "for": "8d", "reason": "x" }), 400, "\"7d\""),
        ("sync/pause", json!({ "for": "0s", "reason": "x" }), 400, "\"1s\""),
        ("sync/pause", json!({ "for": "1h", "reason": " " }), 400, "reason"),
        ("sync/pause", json!({ "for": "1h" }), 400, "reason"),
        ("sync/pause", json!({ "reason": "x" }), 400, "for"),
        ("sync/resume", json!({ "now": 1 }), 400, "now"),
    ] {
        let (given, answer) = server.post(&format!("/api/v1/{path}"), body).await;
        assert_eq!(given.as_u16(), status, "{path}: {answer}");
        assert!(answer["error"]["message"].as_str().unwrap().contains(expected), "{path}: {answer}");
    }
    assert_eq!(notes.take(), [""; 0]);
}

#[tokio::test]
async fn refusals_have_a_status_of_their_own() {
    for (refusal, status, expected, message) in [
        (Refusal::Held("safety.mode is observe".into()), 409, "held", "safety.mode is observe"),
        (
            Refusal::Changed("9c1".into()),
            409,
            "changed",
            "the plan is another by now; look at it again, it is 9c1",
        ),
        (Refusal::Unknown("there is no such object".into()), 404, "not_found", "there is no such object"),
    ] {
        let (server, _) = start(Fabric { answer: Err(refusal), ..Fabric::new() }).await;
        let (given, answer) = server.post("/api/v1/plan/approve", json!({ "id": "1" })).await;
        assert_eq!(given.as_u16(), status);
        assert_eq!(answer, json!({ "error": { "code": expected, "message": message } }));
    }
}

#[tokio::test]
async fn routes_name_the_eepgs_that_hold_them() {
    let (server, notes) = start(Fabric::new()).await;
    server.announce("192.168.1.1", &["10.244.0.0/26", "10.244.9.9/32", "0.0.0.0/0"]).await;
    notes.take();
    let (_, page) = server.get("/api/v1/routes").await;
    let mut held: Vec<_> = page["items"].as_array().unwrap().iter().collect();
    held.sort_unstable_by_key(|route| route["prefix"].as_str().unwrap().to_owned());
    let held: Vec<_> = held.iter().map(|route| (&route["prefix"], &route["eepg"])).collect();
    let web = json!("uni/tn-default/out-calico/instP-web");
    assert_eq!(
        held,
        [
            (&json!("0.0.0.0/0"), &Value::Null),
            (&json!("10.244.0.0/26"), &Value::Null),
            (&json!("10.244.9.9/32"), &web),
        ]
    );
    assert_eq!(notes.take(), ["holders 2"], "one request, for accepted routes alone");
    let (_, why) = server.get("/api/v1/routes/why?prefix=10.244.9.9/32").await;
    assert_eq!(why["items"][0]["eepg"], "rule web takes 10.244.9.9/32 of default");
    assert_eq!(why["items"][0]["route"]["eepg"], web);
    let (_, why) = server.get("/api/v1/routes/why?prefix=0.0.0.0/0").await;
    assert_eq!(why["items"][0]["eepg"], "a route that is rejected is no member of any");
}

#[tokio::test]
async fn the_summary_has_members_and_apics() {
    let (server, _) = start(Fabric::new()).await;
    let (_, summary) = server.get("/api/v1/summary").await;
    assert_eq!(summary["mode"], "enforce");
    assert_eq!(
        summary["eepgs"],
        json!({ "total": 4, "desired": 12, "observed": 8, "pending": 8, "held": 4 })
    );
    assert_eq!(
        summary["apics"],
        json!([{ "name": "fabric1", "up": true, "compared": COMPARED, "drift": 3 }])
    );
    let read: Summary = serde_json::from_value(summary).unwrap();
    assert_eq!(read.eepgs, Some(Counts { total: 4, desired: 12, observed: 8, pending: 8, held: 4 }));
    let text = server.request(reqwest::Method::GET, "/metrics").send().await.unwrap().text().await.unwrap();
    assert!(text.contains("\nthirdleaf_apic_up{apic=\"fabric1\"} 1\n"), "{text}");
}

#[tokio::test]
async fn a_controller_that_does_not_answer_is_left_out() {
    let (sender, requests) = mpsc::channel(64);
    let server = Server::start_with(None, Some(Controller::of(sender))).await;
    server.announce("192.168.1.1", &["10.244.9.9/32"]).await;
    let (status, page) = server.get("/api/v1/routes").await;
    assert_eq!((status, &page["items"][0]["eepg"]), (StatusCode::OK, &Value::Null));
    let (_, why) = server.get("/api/v1/routes/why?prefix=10.244.9.9/32").await;
    assert_eq!(why["items"][0]["eepg"], "the EEPG controller does not answer");
    let (status, summary) = server.get("/api/v1/summary").await;
    assert_eq!((status, &summary["eepgs"]), (StatusCode::OK, &Value::Null));
    assert_eq!(summary["apics"], json!([{ "name": "fabric1", "up": null, "compared": null, "drift": 0 }]));
    let metrics = server.request(reqwest::Method::GET, "/metrics").send().await.unwrap();
    assert_eq!(metrics.status(), StatusCode::OK);
    drop(requests);
    let (status, answer) = server.get("/api/v1/eepgs").await;
    assert_eq!((status, code(&answer)), (StatusCode::SERVICE_UNAVAILABLE, "unavailable"));
}
