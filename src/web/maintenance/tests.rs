use axum::http::StatusCode;
use reqwest::Method;
use serde_json::{Value, json};

use crate::web::testing::{Server, TOKEN};

#[tokio::test]
async fn what_is_begun_shows_everywhere_until_it_is_ended() {
    let server = Server::start(Some(TOKEN)).await;
    for (scope, name) in [("node", "node1"), ("rack", "rack2"), ("cluster", "default")] {
        let body = json!({"scope": {scope: name}, "for": "2h", "reason": "  new disks "});
        let (status, answer) = server.post("/api/v1/maintenance", body).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        let result = answer["result"].as_str().unwrap();
        assert!(result.starts_with(&format!("maintenance of {scope} {name} until 2")), "{result}");
        assert!(result.ends_with("Z: new disks"), "{result}");
    }
    let (_, page) = server.get("/api/v1/maintenance?limit=2").await;
    let scopes = |page: &Value| {
        let items = page["items"].as_array().unwrap();
        items.iter().map(|item| item["scope"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(scopes(&page), [json!({"cluster": "default"}), json!({"node": "node1"})]);
    assert_eq!(page["total"], 3);
    let cursor = page["next_cursor"].as_str().unwrap();
    let (_, rest) = server.get(&format!("/api/v1/maintenance?cursor={cursor}")).await;
    assert_eq!(scopes(&rest), [json!({"rack": "rack2"})]);
    let (_, summary) = server.get("/api/v1/summary").await;
    assert_eq!(summary["maintenance"].as_array().unwrap().len(), 3);
    let text = server.request(Method::GET, "/metrics").send().await.unwrap().text().await.unwrap();
    let series = r#"thirdleaf_maintenance_until_timestamp_seconds{name="rack2",scope="rack"} "#;
    assert!(text.contains(series), "{text}");

    for scope in [json!({"cluster": "default"}), json!({"rack": "rack2"})] {
        let (status, _) = server.post("/api/v1/maintenance/end", json!({"scope": scope})).await;
        assert_eq!(status, StatusCode::OK);
    }
    let (_, peers) = server.get("/api/v1/peers").await;
    assert_eq!(peers["items"][0]["maintenance"]["reason"], "new disks");
    let (status, answer) = server.post("/api/v1/maintenance/end", json!({"scope": {"node": "node1"}})).await;
    assert_eq!((status, &answer["result"]), (StatusCode::OK, &json!("maintenance of node node1 ended")));
    let (_, peers) = server.get("/api/v1/peers").await;
    assert_eq!(peers["items"][0]["maintenance"], Value::Null);
    let (_, events) = server.get("/api/v1/events").await;
    let kinds = events["items"].as_array().unwrap().iter().map(|event| event["kind"].as_str().unwrap());
    let count = |kind: &str| kinds.clone().filter(|given| *given == kind).count();
    assert_eq!((count("maintenance_started"), count("maintenance_ended")), (3, 3));
}

#[tokio::test]
async fn what_cannot_be_begun_or_ended_says_why() {
    let server = Server::start(Some(TOKEN)).await;
    let begin =
        |scope: Value, time: &str, reason: &str| json!({"scope": scope, "for": time, "reason": reason});
    let rack = || json!({"rack": "rack1"});
    for (path, body, status, expected) in [
        ("", begin(json!({"rack": "rack3"}), "2h", "x"), 404, "no rack rack3; did you mean \"rack1\"?"),
        ("", begin(json!({"node": "somebody"}), "2h", "x"), 404, "there is no node somebody"),
        ("", begin(json!({"leaf": "rack1"}), "2h", "x"), 400, "leaf"),
        ("", begin(json!({"rack": "rack1", "node": "node1"}), "2h", "x"), 400, "exactly one of"),
        ("", begin(json!({}), "2h", "x"), 400, "exactly one of"),
        ("/end", json!({"scope": {}}), 400, "exactly one of"),
        ("", begin(rack(), "31d", "x"), 400, "\"30d\""),
        ("", begin(rack(), "999ms", "x"), 400, "\"1s\""),
        ("", begin(rack(), "a while", "x"), 400, "\"a while\""),
        ("", begin(rack(), "2h", ""), 400, "not empty"),
        ("", json!({"scope": {"rack": "rack1"}, "for": "2h"}), 400, "reason"),
        ("/end", json!({"scope": {"rack": "rack1"}}), 404, "no maintenance of rack rack1"),
        ("/end", json!({"scope": "rack1"}), 400, "body"),
    ] {
        let (given, answer) = server.post(&format!("/api/v1/maintenance{path}"), body).await;
        assert_eq!(given.as_u16(), status, "{path}: {answer}");
        assert!(answer["error"]["message"].as_str().unwrap().contains(expected), "{path}: {answer}");
    }
    let (_, page) = server.get("/api/v1/maintenance").await;
    assert_eq!(page["total"], 0);
}
