//! Items to print, and an API that answers what it is told to, for the tests of several verbs.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use ipnet::IpNet;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::observer::view::{Finding, Messages, Peer, Route, RouteCounts};
use crate::policy::Class;
use crate::time::Timestamp;

pub(crate) const NOW: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);

pub(super) fn peer(address: &str) -> Peer {
    let count = |name: &str, count| (name.to_owned(), count);
    Peer {
        leaf: "rack1".into(),
        peer: address.parse().unwrap(),
        node: Some("node1".into()),
        router_id: "192.168.1.1".parse().ok(),
        rack: "r1".into(),
        cluster: "default".into(),
        vrf: "default".into(),
        peer_as: Some(65102),
        local_as: 65101,
        state: "Established".into(),
        since: Some(NOW),
        hold_time: Some(3),
        families: vec!["ipv4".into()],
        capabilities: vec!["route refresh".into()],
        routes: RouteCounts { total: 1, accepted: 1, ..RouteCounts::default() },
        rejected_by_reason: [].into(),
        messages: Messages {
            received: [count("keepalive", 40), count("open", 1), count("update", 5)].into(),
            sent: [count("keepalive", 42), count("open", 1), count("update", 1)].into(),
        },
        resets: 0,
        last_error: None,
        maintenance: None,
    }
}

pub(crate) fn route(prefix: &str) -> Route {
    Route {
        prefix: prefix.parse::<IpNet>().unwrap(),
        leaf: "rack1".into(),
        peer: "192.168.1.1".parse().unwrap(),
        node: Some("node1".into()),
        cluster: "default".into(),
        vrf: "default".into(),
        peer_as: 65102,
        path_id: 0,
        class: Class::PodBlock,
        state: "accepted".into(),
        stale: false,
        reasons: vec![],
        as_path: "65102".into(),
        next_hop: Some("192.168.1.1".parse().unwrap()),
        communities: vec![],
        med: None,
        origin: Some("igp".into()),
        since: NOW,
        eepg: None,
    }
}

pub(crate) fn finding(id: &str) -> Finding {
    Finding {
        id: id.into(),
        kind: "rogue_route".into(),
        severity: "critical".into(),
        state: "open".into(),
        muted: None,
        muted_because: None,
        cluster: "default".into(),
        vrf: "default".into(),
        leaf: Some("rack1".into()),
        peer: "192.168.1.1".parse().ok(),
        node: Some("node1".into()),
        prefix: "0.0.0.0/0".parse().ok(),
        reason: Some(crate::policy::Reason::DefaultRoute),
        identity: crate::observer::view::Identity::new(),
        summary: "0.0.0.0/0 from node1 is rejected: traffic would go there".into(),
        advice: "look at its BGPFilter".into(),
        evidence: vec!["node1 (192.168.1.1 on rack1): AS path 65102".into()],
        absorbs: vec![],
        absorbs_total: 0,
        since: NOW,
        opened: Some(NOW),
        resolved: None,
    }
}

/// All of a list on one page.
pub(super) fn page(items: &[impl Serialize]) -> Value {
    json!({ "items": items, "next_cursor": null, "total": items.len() })
}

/// A server that answers by path alone, and notes what changes something.
pub(super) struct Stub {
    pub(super) url: String,
    posted: Arc<Mutex<Vec<String>>>,
    _runtime: Runtime,
}

impl Stub {
    #[expect(clippy::disallowed_types, reason = "serves HTTP")]
    pub(super) fn new(answers: &[(&str, Value)]) -> Self {
        let answers: BTreeMap<String, Value> =
            answers.iter().map(|(path, value)| ((*path).to_owned(), value.clone())).collect();
        let (answers, posted) = (Arc::new(answers), Arc::<Mutex<Vec<String>>>::default());
        let notes = Arc::clone(&posted);
        let answer = move |request: Request| {
            let (answers, notes) = (Arc::clone(&answers), Arc::clone(&notes));
            async move {
                let (path, is_post) = (request.uri().path().to_owned(), request.method() == "POST");
                if is_post {
                    let body = axum::body::to_bytes(request.into_body(), 1 << 20).await.unwrap();
                    notes.lock().unwrap().push(format!("{path} {}", String::from_utf8_lossy(&body)));
                    return (StatusCode::OK, json!({ "result": "done" }).to_string());
                }
                let missing = json!({ "error": { "code": "not_found", "message": path.clone() } });
                match answers.get(&path) {
                    Some(value) => (StatusCode::OK, value.to_string()),
                    None => (StatusCode::NOT_FOUND, missing.to_string()),
                }
            }
        };
        let runtime = Runtime::new().unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(answer);
        runtime.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, posted, _runtime: runtime }
    }

    /// What was posted since the last call: path and body.
    pub(super) fn posted(&self) -> Vec<String> {
        std::mem::take(&mut *self.posted.lock().unwrap())
    }
}
