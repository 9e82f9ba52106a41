mod access;
mod streams;

use std::io::Read;

use axum::http::StatusCode;
use flate2::read::GzDecoder;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::testing::controller::Fabric;
use super::testing::{Server, TOKEN, answer_of};
use super::*;
use crate::config::model::{Reading, Scope, Secret, Tls, Token};
use crate::time::Clock;

fn code(answer: &Value) -> &str {
    answer["error"]["code"].as_str().unwrap_or_default()
}

#[tokio::test]
async fn every_list_answers() {
    let server = Server::start(None).await;
    for path in
        ["peers", "routes", "routes/why?prefix=10.0.0.0/8", "findings", "events", "maintenance", "eepgs"]
    {
        let (status, page) = server.get(&format!("/api/v1/{path}")).await;
        assert_eq!(status, StatusCode::OK, "{path}: {page}");
        assert!(page["items"].is_array() && page["next_cursor"].is_null(), "{path}: {page}");
    }
    let (status, summary) = server.get("/api/v1/summary").await;
    assert_eq!((status, &summary["peers"]["established"]), (StatusCode::OK, &json!(0)));
    let (_, version) = server.get("/api/v1/version").await;
    assert_eq!(version["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(version["config_file"], "/etc/thirdleaf.toml");
}

#[tokio::test]
async fn what_is_not_understood_is_named() {
    let server = Server::start(None).await;
    for (path, named) in [
        ("routes?prefx=10.0.0.0/8", "\"prefx\""),
        ("routes?prefix=10.0.0.0", "\"10.0.0.0\""),
        ("routes?prefix=10.0.0.0/8&prefix=10.0.0.0/8", "more than once"),
        ("routes?match=exact", "needs parameter \"prefix\""),
        ("findings?kind=rouge_route", "not one of rogue_route, duplicate_pod_block"),
        ("routes?prefix=10.0.0.0/8&match=shorter", "one of exact, longer, covering"),
        ("routes?class=pods", "pod_block"),
        ("routes?state=up", "accepted, rejected, stale"),
        ("routes?reason=because", "as_path_too_long"),
        ("routes?peer=node1", "\"node1\""),
        ("routes?limit=0", "1 to 1000"),
        ("routes?limit=1001", "1 to 1000"),
        ("routes?cursor=17", "cursor"),
        ("routes/why", "\"prefix\" is missing"),
        ("peers?state=sideways", "established"),
        ("peers?cursor=17", "cursor"),
        ("findings?state=closed", "resolved"),
        ("findings?severity=bad", "critical"),
        ("findings?cursor=x", "cursor"),
        ("events?since=yesterday", "\"yesterday\""),
        ("events?cursor=x", "cursor"),
        ("events?since=17", "not a time"),
        ("events?after=1h", "the number of an event"),
        ("events?kind=Peer", "a list of kinds"),
        ("events?match=longer", "needs parameter \"prefix\""),
        ("events?order=random", "oldest, newest"),
        ("routes?at=soon", "not a time"),
        ("routes?at=2999-01-01T00:00:00Z", "has not come yet"),
        ("routes?at=1h&cursor=x", "cursor"),
        ("routes/history", "\"prefix\" is missing"),
        ("compare", "\"from\" is missing"),
        ("compare?from=1h&to=2999-01-01T00:00:00Z", "has not come yet"),
        ("compare?from=1h&class=other", "\"class\""),
        ("maintenance?cursor=x", "cursor"),
        ("stream?since=-1", "\"-1\""),
        ("summary?leaf=rack1", "\"leaf\""),
        ("config?x=1", "\"x\""),
        ("version?x", "\"x\""),
    ] {
        let (status, answer) = server.get(&format!("/api/v1/{path}")).await;
        assert_eq!((status, code(&answer)), (StatusCode::BAD_REQUEST, "bad_request"), "{path}: {answer}");
        let message = answer["error"]["message"].as_str().unwrap();
        assert!(message.contains(named), "{path}: {message}");
    }
}

#[tokio::test]
async fn host_bits_of_a_prefix_do_not_matter() {
    let server = Server::start(None).await;
    let (status, _) = server.get("/api/v1/routes?prefix=10.244.0.9/26&match=longer").await;
    assert_eq!(status, StatusCode::OK);
}

#[tokio::test]
async fn a_reload_is_the_daemons_to_make() {
    let mut server = Server::start(Some(TOKEN)).await;
    for (verdict, expected) in [
        (Ok("2 sessions reset".to_owned()), (StatusCode::OK, json!({"result": "2 sessions reset"}))),
        (
            Err("line 3: unknown key".to_owned()),
            (
                StatusCode::BAD_REQUEST,
                json!({"error": {"code": "invalid_config", "message": "line 3: unknown key"}}),
            ),
        ),
    ] {
        let request = server.request(Method::POST, "/api/v1/reload").bearer_auth(TOKEN);
        let (answer, ()) = tokio::join!(answer_of(request), async {
            let Some(Control::Reload(Some(actor), reply)) = server.control.recv().await else {
                panic!("no reload")
            };
            assert_eq!(actor.to_string(), "admin from 127.0.0.1");
            reply.send(verdict).unwrap();
        });
        assert_eq!(answer, expected);
    }
}

#[tokio::test]
async fn a_reset_goes_to_every_leaf_or_to_the_one_that_is_named() {
    let server = Server::start(Some(TOKEN)).await;
    for (body, status, asked) in [
        (
            json!({"peer": "192.168.1.1"}),
            StatusCode::OK,
            &["reset 192.168.1.1 on rack1", "reset 192.168.1.1 on rack2"][..],
        ),
        (json!({"peer": "fd00::2", "leaf": "rack2"}), StatusCode::OK, &["reset fd00::2 on rack2"]),
        (json!({"peer": "fd00::2", "leaf": "rack1"}), StatusCode::NOT_FOUND, &["reset fd00::2 on rack1"]),
    ] {
        let (given, answer) = server.post("/api/v1/peers/reset", body).await;
        assert_eq!(given, status, "{answer}");
        assert_eq!(server.sessions.take(), asked);
        if status == StatusCode::OK {
            let peer = asked[0].split(' ').nth(1).unwrap();
            assert_eq!(answer, json!({"result": format!("session with {peer} reset")}));
        }
    }
}

#[tokio::test]
async fn changes_that_cannot_be_made_say_why() {
    let server = Server::start(Some(TOKEN)).await;
    for (path, body, status, expected) in [
        ("peers/reset", json!({}), 400, "peer"),
        ("peers/reset", json!({"peer": "node1"}), 400, "body"),
        ("peers/reset", json!({"peer": "10.0.0.1", "why": 1}), 400, "why"),
        ("peers/reset", json!({"peer": "10.0.0.1", "leaf": "rack9"}), 404, "rack9"),
        ("peers/forget", json!({"peer": "10.0.0.1"}), 404, "10.0.0.1 is not known"),
        ("peers/forget", json!({"node": "nodel"}), 404, "no node \"nodel\"; did you mean \"node1\"?"),
        ("peers/forget", json!({"node": "node1", "cluster": "red"}), 404, "no node \"node1\""),
        ("peers/forget", json!({"node": "node1"}), 409, "node1 is pinned: take it out of [[nodes]]"),
        ("peers/forget", json!({"node": "node1", "leaf": "rack1"}), 400, "a \"node\""),
        ("peers/forget", json!({"node": "node1", "peer": "10.0.0.1"}), 400, "a \"node\""),
        ("peers/forget", json!({}), 400, "a \"node\""),
        ("findings/ack", json!({"id": "rogue_route-1", "reason": "known"}), 404, "rogue_route-1"),
        ("findings/ack", json!({"id": "rogue_route-1"}), 400, "reason"),
        ("findings/ack", json!({"id": "rogue_route-1", "reason": " "}), 400, "not empty"),
        ("findings/ack", json!({"id": "rogue_route-1", "reason": "a\u{1b}[2J"}), 400, "one line"),
        ("findings/ack", json!({"id": "rogue_route-1", "reason": "x".repeat(501)}), 400, "500 octets"),
        ("reload", json!({"file": "x"}), 400, "file"),
        ("reload?now=1", json!({}), 400, "now"),
    ] {
        let (given, answer) = server.post(&format!("/api/v1/{path}"), body).await;
        assert_eq!(given.as_u16(), status, "{path}: {answer}");
        assert!(answer["error"]["message"].as_str().unwrap().contains(expected), "{path}: {answer}");
    }
    let large = "x".repeat(MAX_BODY + 1);
    let request = server.request(Method::POST, "/api/v1/reload").bearer_auth(TOKEN).body(large);
    let (status, refused) = answer_of(request).await;
    assert_eq!((status, code(&refused)), (StatusCode::PAYLOAD_TOO_LARGE, "too_large"));
}

#[tokio::test]
async fn paths_and_methods_that_do_not_exist() {
    let server = Server::start(None).await;
    for path in ["/nothing", "/api/v1/nothing", "/api/v2/summary"] {
        let (status, answer) = server.get(path).await;
        assert_eq!((status, code(&answer)), (StatusCode::NOT_FOUND, "not_found"), "{path}");
    }
    for (method, path, allowed) in
        [(Method::DELETE, "/api/v1/peers", "GET,HEAD"), (Method::GET, "/api/v1/reload", "POST")]
    {
        let response = server.request(method, path).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(response.headers()["allow"], allowed);
        assert_eq!(code(&response.json().await.unwrap()), "method_not_allowed");
    }
    let head = server.request(Method::HEAD, "/api/v1/summary").send().await.unwrap();
    assert_eq!((head.status(), head.bytes().await.unwrap().len()), (StatusCode::OK, 0));
}

#[tokio::test]
async fn secrets_never_leave() {
    let server = Server::start(Some(TOKEN)).await;
    let (_, config) = server.get("/api/v1/config").await;
    assert_eq!(config["http"]["tokens"][0]["token"], "********");
    assert_eq!(config["leaf"][0]["name"], "rack1");
    assert!(!config.to_string().contains(TOKEN));
}

#[tokio::test]
async fn a_scrape_shows_leaves_and_refusals() {
    let server = Server::start(None).await;
    let response = server.request(Method::GET, "/metrics").send().await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    let text = response.text().await.unwrap();
    for line in [
        "thirdleaf_bgp_peers{leaf=\"rack2\",state=\"Established\"} 0\n",
        "thirdleaf_bgp_connections_rejected_total{leaf=\"rack1\",reason=\"not_in_range\"} 3\n",
        "thirdleaf_config_last_reload_successful 1\n",
    ] {
        assert!(text.contains(line), "{line} is not in {text}");
    }
}

#[tokio::test]
async fn a_scrape_comes_packed_to_those_who_take_it_so() {
    let server = Server::start(None).await;
    server.announce("192.168.1.1", &ANNOUNCED).await;
    let scrape = |accept: &str| {
        let request = server.request(Method::GET, "/metrics").header("accept-encoding", accept);
        async { request.send().await.unwrap() }
    };
    let packed = scrape("gzip").await;
    assert_eq!(packed.headers()["content-encoding"], "gzip");
    assert_eq!(packed.headers()["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    let mut text = String::new();
    GzDecoder::new(&packed.bytes().await.unwrap()[..]).read_to_string(&mut text).unwrap();
    let plain = scrape("identity").await;
    assert!(!plain.headers().contains_key("content-encoding"));
    // The same series; values of the process and the clock may differ.
    let series = |text: &str| -> Vec<String> {
        let series = text.lines().map(|line| line.rsplit_once(' ').map_or(line, |(series, _)| series));
        series.map(str::to_owned).collect()
    };
    assert_eq!(series(&text), series(&plain.text().await.unwrap()));
    assert!(text.contains("\nthirdleaf_bgp_session_up{") && text.ends_with('\n'));
}

#[tokio::test]
async fn health_is_the_observers_and_readiness_the_daemons() {
    let mut server = Server::start(None).await;
    assert_eq!(server.get("/healthz").await.0, StatusCode::OK);
    assert_eq!(server.get("/readyz").await.0, StatusCode::OK);
    server.status.send_modify(|status| status.ready = false);
    assert_eq!(server.get("/readyz").await.0, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(server.get("/healthz").await.0, StatusCode::OK);
    drop(server.events.take());
    while server.get("/healthz").await.0 == StatusCode::OK {
        tokio::task::yield_now().await;
    }
    let (status, answer) = server.get("/api/v1/peers").await;
    assert_eq!((status, code(&answer)), (StatusCode::SERVICE_UNAVAILABLE, "unavailable"));
}

#[tokio::test]
async fn an_address_in_use_is_named() {
    let first = Web::bind(&["127.0.0.1:0".parse().unwrap()]).unwrap();
    let error = Web::bind(&first.addresses()).unwrap_err();
    let expected = format!("http.listen: cannot listen on {}: ", first.addresses()[0]);
    assert!(error.to_string().starts_with(&expected), "{error}");
}

#[tokio::test]
async fn both_families_may_share_a_port() {
    let first = Web::bind(&["0.0.0.0:0".parse().unwrap()]).unwrap();
    let port = first.addresses()[0].port();
    Web::bind(&[format!("[::]:{port}").parse().unwrap()]).unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_silent_connection_is_closed_and_nonsense_refused() {
    let server = Server::start(None).await;
    let address = server.url.trim_start_matches("http://");
    let clock = Clock::start();
    for (request, expected, patience) in [
        ("GET / HTTP/1.1\r\nhost:", "", serve::HEAD),
        ("Good morning!\r\n\r\n", "HTTP/1.1 400 ", Duration::ZERO),
    ] {
        let (mut stream, start) = (TcpStream::connect(address).await.unwrap(), clock.now());
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        _ = stream.read_to_string(&mut answer).await;
        assert!(answer.starts_with(expected) && answer.is_empty() == expected.is_empty(), "{answer}");
        assert!(clock.now().since(start) >= patience);
    }
}

const ANNOUNCED: [&str; 5] =
    ["10.244.0.0/26", "10.244.0.64/26", "10.244.9.9/32", "0.0.0.0/0", "172.16.0.0/12"];

/// All items of a list, from pages of two.
async fn pages(server: &Server, list: &str) -> Vec<Value> {
    let (mut items, mut cursor) = (Vec::new(), None);
    loop {
        let mut request = server.request(Method::GET, &format!("/api/v1/{list}")).query(&[("limit", "2")]);
        if let Some(cursor) = cursor {
            request = request.query(&[("cursor", cursor)]);
        }
        let (status, page) = answer_of(request).await;
        assert_eq!(status, StatusCode::OK, "{page}");
        let new = page["items"].as_array().unwrap();
        assert!(new.len() <= 2);
        items.extend(new.iter().cloned());
        cursor = page["next_cursor"].as_str().map(str::to_owned);
        if cursor.is_none() {
            return items;
        }
    }
}

fn column<'a>(items: &'a [Value], name: &str) -> Vec<&'a str> {
    items.iter().map(|item| item[name].as_str().unwrap()).collect()
}

#[tokio::test]
async fn routes_page_by_page_with_and_without_filters() {
    let server = Server::start(None).await;
    server.announce("192.168.1.1", &ANNOUNCED).await;
    let all = pages(&server, "routes").await;
    let mut prefixes = column(&all, "prefix");
    prefixes.sort_unstable();
    let mut announced = ANNOUNCED;
    announced.sort_unstable();
    assert_eq!(prefixes, announced);
    for (query, expected) in [
        ("routes?class=pod_host", vec!["10.244.9.9/32"]),
        ("routes?state=rejected", vec!["0.0.0.0/0", "172.16.0.0/12"]),
        ("routes?reason=default_route", vec!["0.0.0.0/0"]),
        ("routes?prefix=10.244.0.0/24&match=longer", vec!["10.244.0.0/26", "10.244.0.64/26"]),
        ("routes?prefix=10.244.0.65/32&match=covering", vec!["0.0.0.0/0", "10.244.0.64/26"]),
        ("routes?prefix=10.244.0.0/26", vec!["10.244.0.0/26"]),
        (
            "routes?node=node1&leaf=rack1&peer=192.168.1.1&cluster=default&class=pod_host",
            vec!["10.244.9.9/32"],
        ),
        ("routes?leaf=rack2", vec![]),
    ] {
        let items = pages(&server, query).await;
        assert_eq!(column(&items, "prefix"), expected, "{query}");
    }
    let (_, why) = server.get("/api/v1/routes/why?prefix=0.0.0.0/0").await;
    assert_eq!(why["items"][0]["verdict"], "rejected");
    let steps = why["items"][0]["steps"].as_array().unwrap();
    let failed: Vec<_> = steps.iter().filter(|step| step["passed"] == false).collect();
    assert_eq!(failed[0]["check"], "default_route", "{why}");
}

#[tokio::test]
async fn every_list_can_be_asked_for_one_cluster_or_vrf() {
    let server = Server::start(None).await;
    let shared = ["10.244.0.0/26", "0.0.0.0/0"];
    server.announce("192.168.1.1", &shared).await;
    server.announce("192.168.1.33", &shared).await;
    while server.held().await.1 < 2 {
        tokio::task::yield_now().await;
    }
    for (scope, expected) in [
        ("cluster=default", &["192.168.1.1"][..]),
        ("vrf=default", &["192.168.1.1"]),
        ("cluster=blue", &["192.168.1.33"]),
        ("vrf=prod", &["192.168.1.33"]),
        ("cluster=blue&vrf=default", &[]),
    ] {
        for list in ["peers?state=up", "routes?prefix=0.0.0.0/0", "findings?kind=rogue_route"] {
            let items = pages(&server, &format!("{list}&{scope}")).await;
            assert_eq!(column(&items, "peer"), expected, "{list} {scope}");
        }
        let (_, why) = server.get(&format!("/api/v1/routes/why?prefix=10.244.0.0/26&{scope}")).await;
        let peers =
            why["items"].as_array().unwrap().iter().map(|item| item["route"]["peer"].as_str().unwrap());
        assert_eq!(peers.collect::<Vec<_>>(), expected, "why {scope}");
    }
    let routes = pages(&server, "routes?vrf=prod&state=accepted").await;
    assert_eq!((&routes[0]["cluster"], &routes[0]["vrf"]), (&json!("blue"), &json!("prod")));
}

#[tokio::test]
async fn peers_and_findings_page_by_page() {
    let server = Server::start(Some(TOKEN)).await;
    for (at, address) in ["192.168.1.3", "192.168.1.1", "192.168.1.2"].into_iter().enumerate() {
        server.announce(address, &[&format!("10.{at}.0.0/26")]).await;
    }
    let peers = pages(&server, "peers?state=up").await;
    assert_eq!(column(&peers, "peer"), ["192.168.1.1", "192.168.1.2", "192.168.1.3"]);
    assert_eq!((&peers[0]["node"], &peers[0]["routes"]["rejected"]), (&json!("node1"), &json!(1)));
    assert!(pages(&server, "peers?state=down&leaf=rack1").await.is_empty());
    while server.held().await.1 < 3 {
        tokio::task::yield_now().await;
    }
    let findings = pages(&server, "findings?kind=rogue_route&state=open").await;
    let mut prefixes = column(&findings, "prefix");
    prefixes.sort_unstable();
    assert_eq!(prefixes, ["10.0.0.0/26", "10.1.0.0/26", "10.2.0.0/26"]);
    assert!(pages(&server, "findings?state=resolved").await.is_empty());

    let (status, answer) = server.post("/api/v1/peers/forget", json!({"peer": "192.168.1.2"})).await;
    assert_eq!((status, code(&answer)), (StatusCode::CONFLICT, "still_known"));
    assert!(server.sessions.take().is_empty());
}

#[tokio::test]
async fn a_node_is_forgotten_by_its_name() {
    let server = Server::start(Some(TOKEN)).await;
    // By their BGP identifier they are one node: the pinned one.
    server.announce("192.168.1.7", &["10.244.0.0/26"]).await;
    server.end(1).await;
    let (status, answer) = server.post("/api/v1/peers/forget", json!({"node": "192.168.1.1"})).await;
    assert_eq!((status, &answer["result"]), (StatusCode::OK, &json!("192.168.1.1 forgotten")));
    assert_eq!(column(&pages(&server, "peers").await, "peer"), ["192.168.1.1"], "it is pinned");
}

#[tokio::test]
async fn a_finding_is_acknowledged_by_its_identity() {
    let server = Server::start(Some(TOKEN)).await;
    server.announce("192.168.1.1", &["10.0.0.0/26"]).await;
    while server.held().await.1 < 1 {
        tokio::task::yield_now().await;
    }
    let findings = pages(&server, "findings?kind=rogue_route").await;
    let id = findings[0]["id"].as_str().unwrap();
    let body = json!({"id": id, "reason": " a lab "});
    let (status, answer) = server.post("/api/v1/findings/ack", body).await;
    assert_eq!((status, &answer["result"]), (StatusCode::OK, &json!(format!("{id} acknowledged: a lab"))));
    let events = pages(&server, "events?kind=finding_acknowledged").await;
    assert_eq!(events[0]["text"], format!("{id} is acknowledged: a lab (by admin from 127.0.0.1)"));
    assert_eq!(events[0]["actor"], "admin");
}

#[tokio::test]
async fn a_scrape_shows_what_was_announced() {
    let server = Server::start(None).await;
    server.announce("192.168.1.1", &ANNOUNCED).await;
    let text = server.request(Method::GET, "/metrics").send().await.unwrap().text().await.unwrap();
    for line in [
        r#"bgp_session_up{leaf="rack1",peer="192.168.1.1"} 1"#,
        r#"bgp_routes{afi="ipv4",class="pod_block",leaf="rack1",peer="192.168.1.1"} 2"#,
        r#"bgp_rejected_routes{afi="ipv4",leaf="rack1",peer="192.168.1.1",reason="default_route"} 1"#,
        r#"rogue_route_info{leaf="rack1",peer="192.168.1.1",prefix="0.0.0.0/0",reason="default_route"} 1"#,
        "rogue_routes_omitted 0",
        r#"rib_prefixes{afi="ipv4"} 5"#,
    ] {
        assert!(text.contains(&format!("\nthirdleaf_{line}\n")), "{line} is not in {text}");
    }
}
