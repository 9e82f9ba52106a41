use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{PART, Plan};
use crate::web::testing::controller::{Fabric, change, plan};
use crate::web::testing::{Server, answer_of};

async fn start(changes: Vec<crate::eepg::view::Change>) -> Server {
    let (sync, _) = Fabric { plan: plan("7f3a", changes), ..Fabric::new() }.serve();
    Server::start_with(None, Some(sync)).await
}

/// Every page of a list of changes, and the dns on all of them.
async fn pages(server: &Server, query: &[(&str, &str)]) -> (usize, Vec<String>) {
    let (mut count, mut dns, mut cursor) = (0, Vec::new(), None);
    loop {
        let mut request = server.request(Method::GET, "/api/v1/plan").query(query);
        if let Some(cursor) = cursor {
            request = request.query(&[("cursor", cursor)]);
        }
        let (status, page) = answer_of(request).await;
        assert_eq!((status, &page["id"]), (StatusCode::OK, &json!("7f3a")), "{page}");
        count += 1;
        let changes = page["changes"].as_array().unwrap();
        dns.extend(changes.iter().map(|change| change["dn"].as_str().unwrap().to_owned()));
        cursor = page["next_cursor"].as_str().map(str::to_owned);
        if cursor.is_none() {
            return (count, dns);
        }
    }
}

#[tokio::test]
async fn a_plan_is_read_page_by_page() {
    let changes: Vec<_> =
        (0..5).map(|at| change("create", "web", &format!("10.96.0.{at}/32"), None)).collect();
    let all: Vec<_> = changes.iter().map(|change| change.dn.clone()).collect();
    let server = start(changes).await;
    assert_eq!(pages(&server, &[("limit", "2")]).await, (3, all.clone()));
    assert_eq!(pages(&server, &[("limit", "5")]).await, (1, all.clone()));
    assert_eq!(pages(&server, &[]).await, (1, all));
    let (_, page) = server.get("/api/v1/plan?limit=1&cursor=4").await;
    assert_eq!((&page["total"], &page["mode"]), (&json!(5), &json!("observe")));
    assert_eq!(
        page["changes"][0],
        json!({
            "operation": "create", "apic": "fabric1",
            "dn": "uni/tn-k8s/out-calico/instP-web/extsubnet-[10.96.0.4/32]", "eepg": "web",
            "prefix": "10.96.0.4/32", "because": { "peer": "192.168.1.1", "node": "node1", "rule": "web" },
            "reason": "node1 announces 10.96.0.4/32", "held_by": null, "until": null,
        })
    );
    let (_, beyond) = server.get("/api/v1/plan?cursor=99").await;
    assert_eq!((&beyond["changes"], &beyond["next_cursor"]), (&json!([]), &Value::Null));
}

#[tokio::test]
async fn filters_find_what_they_look_for_however_far_apart() {
    let mut changes = vec![change("delete", "web", "10.96.0.1/32", Some("peer_loss"))];
    let filler = |at: usize| change("create", "web", &format!("10.97.{}.{}/32", at / 256, at % 256), None);
    changes.extend((0..PART + 5).map(filler));
    changes.push(change("delete", "db", "10.96.0.2/32", Some("delete_after")));
    changes.push(change("modify", "db", "10.96.0.3/32", None));
    let server = start(changes).await;
    let member = |eepg: &str, at| format!("uni/tn-k8s/out-calico/instP-{eepg}/extsubnet-[10.96.0.{at}/32]");
    let deletes = vec![member("web", 1), member("db", 2)];
    assert_eq!(pages(&server, &[("operation", "delete")]).await.1, deletes);
    assert_eq!(pages(&server, &[("operation", "delete"), ("limit", "1")]).await.1, deletes);
    assert_eq!(pages(&server, &[("held", "true")]).await.1, deletes);
    assert_eq!(pages(&server, &[("held", "peer_loss")]).await.1, deletes[..1]);
    assert_eq!(pages(&server, &[("held", "false"), ("operation", "modify")]).await.1, [member("db", 3)]);
    assert_eq!(pages(&server, &[("held", "cap")]).await.1, [""; 0]);
}

#[tokio::test]
async fn requests_are_those_of_the_changes_on_the_page() {
    let server = start(vec![
        change("create", "web", "10.96.0.1/32", None),
        change("create", "db", "10.96.0.2/32", None),
    ])
    .await;
    let (_, page) = server.get("/api/v1/plan?requests=true&limit=1").await;
    assert_eq!(
        page["requests"],
        json!([{
            "apic": "fabric1", "dn": "uni/tn-k8s/out-calico",
            "body": { "l3extOut": { "attributes": { "descr": "web" } } },
        }])
    );
    let read: Plan = serde_json::from_value(page).unwrap();
    assert_eq!(read.plan.requests[0].body.to_string(), r#"{"l3extOut":{"attributes":{"descr":"web"}}}"#);
    let (_, without) = server.get("/api/v1/plan?requests=false").await;
    assert!(without.get("requests").is_none(), "{without}");
}

#[tokio::test]
async fn what_is_not_understood_is_refused() {
    let server = start(vec![]).await;
    for (query, named) in [
        ("operation=move", "one of create, modify, delete"),
        ("held=maybe", "true, false, paused, foreign_instance"),
        ("requests=yes", "true, false"),
        ("requests=true&held=true", "without"),
        ("cursor=x", "cursor"),
        ("limit=1001", "1 to 1000"),
        ("eepg=web", "\"eepg\""),
    ] {
        let (status, answer) = server.get(&format!("/api/v1/plan?{query}")).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{query}");
        assert!(answer["error"]["message"].as_str().unwrap().contains(named), "{query}: {answer}");
    }
}
