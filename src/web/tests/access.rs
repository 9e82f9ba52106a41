//! Who may do what, and that it is told who did.

use super::*;

#[tokio::test]
async fn no_change_without_the_token() {
    for path in [
        "reload",
        "peers/reset",
        "peers/forget",
        "findings/ack",
        "maintenance",
        "maintenance/end",
        "plan/apply",
        "plan/approve",
        "eepgs/adopt",
        "eepgs/release",
        "sync/pause",
        "sync/resume",
        "alerts/test",
    ] {
        let path = format!("/api/v1/{path}");
        let without = Server::start(None).await;
        let (status, answer) = without.post(&path, json!({})).await;
        assert_eq!((status, code(&answer)), (StatusCode::FORBIDDEN, "no_token_configured"));
        assert!(answer["error"]["message"].as_str().unwrap().contains("token_file"), "{answer}");

        let with = Server::start(Some(TOKEN)).await;
        let response = with.request(Method::POST, &path).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(response.headers()["www-authenticate"], "Bearer");
        let wrong = with.request(Method::POST, &path).bearer_auth("correct horsf");
        let (status, refused) = answer_of(wrong).await;
        assert_eq!((status, code(&refused)), (StatusCode::UNAUTHORIZED, "token_wrong"));
    }
}

#[tokio::test]
async fn each_change_needs_its_scope() {
    let server = Server::start(Some(TOKEN)).await;
    let token =
        |name: &str, scope, secret: &str| Token { name: name.into(), scope, secret: Secret::new(secret) };
    server.reconfigure(|config| {
        config.http.tokens.push(token("prometheus", Scope::Read, "reads-only"));
        config.http.tokens.push(token("ci", Scope::Operate, "operates-too"));
    });
    for (path, needed) in [
        ("peers/reset", "operate"),
        ("peers/forget", "operate"),
        ("findings/ack", "operate"),
        ("maintenance", "operate"),
        ("maintenance/end", "operate"),
        ("sync/pause", "operate"),
        ("sync/resume", "operate"),
        ("plan/apply", "approve"),
        ("plan/approve", "approve"),
        ("eepgs/adopt", "approve"),
        ("eepgs/release", "approve"),
    ] {
        for (token, suffices) in [("reads-only", false), ("operates-too", needed == "operate"), (TOKEN, true)]
        {
            let request = server.request(Method::POST, &format!("/api/v1/{path}")).bearer_auth(token);
            let (status, answer) = answer_of(request.body("?")).await;
            assert_eq!(status != StatusCode::FORBIDDEN, suffices, "{path} {token} {answer}");
            if !suffices {
                assert_eq!(code(&answer), "scope_too_small");
                let message = answer["error"]["message"].as_str().unwrap();
                assert!(message.contains(&format!("{needed:?}")), "{message}");
            }
        }
    }
}

#[tokio::test]
async fn reading_may_need_a_token_and_health_never_does() {
    let server = Server::start(Some(TOKEN)).await;
    server.reconfigure(|config| config.http.read = Reading::Token);
    for path in ["/", "/metrics", "/api/v1/summary", "/api/v1/stream", "/api/v1/config"] {
        let without = server.request(Method::GET, path).send().await.unwrap();
        assert_eq!(without.status(), StatusCode::UNAUTHORIZED, "{path}");
        let challenges: Vec<_> = without.headers().get_all("www-authenticate").iter().collect();
        assert_eq!(challenges, ["Bearer", "Basic realm=\"thirdleaf\", charset=\"UTF-8\""]);
        let with = server.request(Method::GET, path).bearer_auth(TOKEN).send().await.unwrap();
        assert_eq!(with.status(), StatusCode::OK, "{path}");
        let browser = server.request(Method::GET, path).basic_auth("me", Some(TOKEN)).send().await.unwrap();
        assert_eq!(browser.status(), StatusCode::OK, "{path}");
    }
    for path in ["/healthz", "/readyz"] {
        assert_eq!(server.get(path).await.0, StatusCode::OK, "{path}");
    }
    // A browser sends it whether its user wants that or not.
    let request = server.request(Method::POST, "/api/v1/reload").basic_auth("me", Some(TOKEN));
    assert_eq!(answer_of(request).await.0, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn pages_of_other_sites_neither_read_nor_change() {
    let server = Server::start(Some(TOKEN)).await;
    let renamed = server.request(Method::GET, "/api/v1/routes").header("host", "evil.example");
    let (status, answer) = answer_of(renamed).await;
    assert_eq!((status, code(&answer)), (StatusCode::MISDIRECTED_REQUEST, "host_unknown"));
    let request = server.request(Method::POST, "/api/v1/sync/resume").bearer_auth(TOKEN);
    let (status, answer) = answer_of(request.header("origin", "http://evil.example")).await;
    assert_eq!((status, code(&answer)), (StatusCode::FORBIDDEN, "cross_site"));
}

#[tokio::test]
async fn nobody_goes_on_in_the_clear_once_there_is_tls() {
    let server = Server::start(None).await;
    let mut stream = server.request(Method::GET, "/api/v1/stream").send().await.unwrap();
    let mut idle = TcpStream::connect(server.url.trim_start_matches("http://")).await.unwrap();
    idle.write_all(b"GET /readyz HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    assert!(idle.read(&mut [0; 1024]).await.unwrap() > 0);
    server.reconfigure(|config| {
        config.http.tls = Some(Tls { cert: "a".into(), key: Secret::new("b"), client_ca: None });
    });
    assert_eq!(timeout(PATIENCE, idle.read(&mut [0])).await.expect("it is closed").unwrap(), 0);
    assert_eq!(timeout(PATIENCE, stream.chunk()).await.expect("it ends").unwrap(), None);
}

#[tokio::test]
async fn who_changes_something_stands_in_the_events() {
    let server = Server::start_with(Some(TOKEN), Some(Fabric::new().serve().0)).await;
    // Forgotten, but for the one that is pinned.
    server.announce("192.168.1.7", &["10.244.0.0/26"]).await;
    server.end(1).await;
    for (path, body, kind, text) in [
        (
            "peers/reset",
            json!({"peer": "fd00::2"}),
            "peer_reset",
            "the session with fd00::2 on rack2 was reset",
        ),
        ("peers/forget", json!({"peer": "192.168.1.7"}), "peer_forgotten", "192.168.1.7 forgotten"),
        (
            "maintenance",
            json!({"scope": {"rack": "rack1"}, "for": "1h", "reason": "power"}),
            "maintenance_started",
            "maintenance of rack rack1 until",
        ),
        ("maintenance/end", json!({"scope": {"rack": "rack1"}}), "maintenance_ended", "is over: power"),
        ("plan/apply", json!({}), "plan_applied", "done"),
        ("plan/approve", json!({"id": "a1"}), "plan_approved", "done"),
        ("eepgs/adopt", json!({"dn": "uni/tn-a"}), "eepg_adopted", "done"),
        ("eepgs/release", json!({}), "eepg_released", "done"),
        ("sync/pause", json!({"for": "1h", "reason": "lunch"}), "sync_paused", "done"),
        ("sync/resume", json!({}), "sync_resumed", "done"),
    ] {
        let (status, answer) = server.post(&format!("/api/v1/{path}"), body).await;
        assert_eq!(status, StatusCode::OK, "{path}: {answer}");
        // What the observer tells, it tells when its turn is over.
        let event = loop {
            if let Some(event) = pages(&server, &format!("events?kind={kind}")).await.pop() {
                break event;
            }
            tokio::task::yield_now().await;
        };
        let told = event["text"].as_str().unwrap();
        assert!(told.contains(text) && told.ends_with(" (by admin from 127.0.0.1)"), "{told}");
        assert_eq!(event["actor"], "admin", "{event}");
    }
    let reset = pages(&server, "events?kind=peer_reset").await;
    assert_eq!((&reset[0]["leaf"], &reset[0]["peer"]), (&json!("rack2"), &json!("fd00::2")));
}

#[tokio::test]
async fn who_leaves_before_the_answer_stands_in_the_events() {
    let server = Server::start_with(Some(TOKEN), Some(Fabric::new().serve().0)).await;
    let mut stream = TcpStream::connect(server.url.trim_start_matches("http://")).await.unwrap();
    let head = "POST /api/v1/plan/apply HTTP/1.1\r\nhost: localhost\r\n";
    let request = format!("{head}authorization: Bearer {TOKEN}\r\ncontent-length: 2\r\n\r\n{{}}");
    stream.write_all(request.as_bytes()).await.unwrap();
    drop(stream);
    let told = async {
        while pages(&server, "events?kind=plan_applied").await.is_empty() {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, told).await.expect("it is told");
}

#[tokio::test]
async fn who_is_refused_stands_in_the_events() {
    let server = Server::start(Some(TOKEN)).await;
    let ci = Token { name: "ci".into(), scope: Scope::Operate, secret: Secret::new("operates-too") };
    server.reconfigure(|config| config.http.tokens.push(ci));
    let post = |path: &str| server.request(Method::POST, &format!("/api/v1/{path}"));
    for (request, kind, actor, text) in [
        (post("reload"), "access_refused", Value::Null, "POST /api/v1/reload refused: token_missing: "),
        (
            post("reload").bearer_auth("guessed-it"),
            "access_refused",
            Value::Null,
            "POST /api/v1/reload refused: token_wrong: ",
        ),
        (
            post("plan/approve").bearer_auth("operates-too"),
            "access_refused",
            json!("ci"),
            "POST /api/v1/plan/approve refused: scope_too_small: ",
        ),
        (
            post("sync/resume").bearer_auth(TOKEN),
            "change_refused",
            json!("admin"),
            "POST /api/v1/sync/resume refused: not_found: ",
        ),
    ] {
        let (status, _) = answer_of(request).await;
        assert!(status.is_client_error());
        let event = pages(&server, "events").await.pop().unwrap();
        assert_eq!((&event["kind"], &event["actor"]), (&json!(kind), &actor), "{event}");
        let told = event["text"].as_str().unwrap();
        assert!(told.starts_with(text) && told.contains("from 127.0.0.1)"), "{told}");
        assert!(!told.contains("guessed-it") && !told.contains("operates-too"), "{told}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_knocks_all_day_fills_nothing() {
    let server = Server::start(Some(TOKEN)).await;
    for _ in 0..200 {
        server.request(Method::POST, "/api/v1/reload").send().await.unwrap();
    }
    let told = pages(&server, "events?kind=access_refused").await;
    assert_eq!(told.len(), 10);
    let told = loop {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let told = pages(&server, "events?kind=access_refused").await;
        if told.len() > 10 {
            break told;
        }
    };
    assert_eq!(told[10]["text"], "190 more changes were refused within a minute");
    // Who has a token is told of, however many others knock.
    let ci = Token { name: "ci".into(), scope: Scope::Read, secret: Secret::new("reads-only") };
    server.reconfigure(|config| config.http.tokens.push(ci));
    for token in [&["guessed-it"; 20][..], &["reads-only"]].concat() {
        server.request(Method::POST, "/api/v1/reload").bearer_auth(token).send().await.unwrap();
    }
    let told = pages(&server, "events?actor=ci").await;
    assert_eq!(told.len(), 1, "{told:?}");
}
