//! What happens, as it is streamed.

use super::*;

#[tokio::test]
async fn streams_are_limited_and_give_their_place_back() {
    let server = Server::start(None).await;
    let mut streams = Vec::new();
    for _ in 0..stream::MAX {
        let response = server.request(Method::GET, "/api/v1/stream").send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        streams.push(response);
    }
    let (status, answer) = server.get("/api/v1/stream").await;
    assert_eq!((status, code(&answer)), (StatusCode::SERVICE_UNAVAILABLE, "unavailable"));
    streams.pop();
    while server.request(Method::GET, "/api/v1/stream").send().await.unwrap().status() != StatusCode::OK {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_client_is_told_many_things_in_few_pieces() {
    let server = Server::start(None).await;
    let mut stream = server.request(Method::GET, "/api/v1/stream").send().await.unwrap();
    // One node after another is told of, one by one: far more often than a client is to be disturbed.
    let start = tokio::time::Instant::now();
    let telling = async {
        for at in 1..=60_u8 {
            server.announce(&format!("192.168.1.{at}"), &[&format!("10.244.{at}.0/26")]).await;
        }
    };
    let (mut text, mut pieces) = (String::new(), 0_u128);
    let reading = async {
        while !text.contains("192.168.1.60 ") {
            text.push_str(std::str::from_utf8(&stream.chunk().await.unwrap().unwrap()).unwrap());
            pieces += 1;
        }
    };
    tokio::join!(telling, reading);
    let events = text.matches("\nevent: ").count();
    // Ten times a second, and the network may cut what was sent in two.
    let most = 2 * (2 + start.elapsed().as_millis() / 100);
    assert!(events >= 60 && pieces <= most, "{events} events in {pieces} pieces, at most {most}");
}

#[tokio::test]
async fn a_place_of_an_earlier_run_is_told_to_start_again() {
    let server = Server::start(None).await;
    let request = server.request(Method::GET, "/api/v1/stream").header("last-event-id", "1000000");
    let mut response = request.send().await.unwrap();
    let mut text = String::new();
    while !text.contains("\n\n") {
        let chunk = response.chunk().await.unwrap().unwrap();
        text.push_str(std::str::from_utf8(&chunk).unwrap());
    }
    assert!(text.starts_with("id: 0\nevent: resync\ndata: {\"after\":0}\n\n"), "{text}");
    let bad = server.request(Method::GET, "/api/v1/stream").header("last-event-id", "x");
    assert_eq!(answer_of(bad).await.0, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn stopping_ends_streams() {
    let server = Server::start(None).await;
    let mut stream = server.request(Method::GET, "/api/v1/stream").send().await.unwrap();
    server.stop.send(true).unwrap();
    while let Ok(Some(_)) = stream.chunk().await {}
    server.done.await.unwrap();
}

#[tokio::test]
async fn a_stream_ends_when_its_token_is_taken_away() {
    let server = Server::start(Some(TOKEN)).await;
    let ci = Token { name: "ci".into(), scope: Scope::Read, secret: Secret::new("reads-only") };
    server.reconfigure(|config| {
        config.http.read = Reading::Token;
        config.http.tokens.push(ci);
    });
    let open = |token| server.request(Method::GET, "/api/v1/stream").bearer_auth(token).send();
    let (mut taken, mut kept) = (open("reads-only").await.unwrap(), open(TOKEN).await.unwrap());
    // A reload that takes nothing away ends nothing.
    server.reconfigure(|config| config.http.hosts.push("tl.example".into()));
    let few = Duration::from_millis(300);
    assert!(timeout(few, taken.chunk()).await.is_err());
    server.reconfigure(|config| config.http.tokens.truncate(1));
    assert_eq!(timeout(PATIENCE, taken.chunk()).await.expect("it ends").unwrap(), None);
    assert!(timeout(few, kept.chunk()).await.is_err());
}

#[tokio::test]
async fn a_stream_repeats_what_was_missed_and_goes_on() {
    let server = Server::start(None).await;
    server.announce("192.168.1.1", &["10.244.0.0/26"]).await;
    let request = server.request(Method::GET, "/api/v1/stream").header("last-event-id", "0");
    let mut response = request.send().await.unwrap();
    let (mut text, mut second) = (String::new(), false);
    while !(text.contains("192.168.1.2") && text.ends_with("\n\n")) {
        let chunk = response.chunk().await.unwrap().unwrap();
        text.push_str(std::str::from_utf8(&chunk).unwrap());
        if !second {
            second = true;
            server.announce("192.168.1.2", &["10.244.1.0/26"]).await;
        }
    }
    let ids: Vec<u64> =
        text.lines().filter_map(|line| line.strip_prefix("id: ")).map(|id| id.parse().unwrap()).collect();
    assert_eq!(ids, (1..=ids.len() as u64).collect::<Vec<_>>(), "{text}");
    assert!(text.contains("event: peer_up\n"), "{text}");
    let listed = pages(&server, "events").await;
    assert!(listed.len() >= ids.len());
    let after: Vec<_> = pages(&server, "events?after=1").await;
    assert_eq!(after[0]["id"], 2);
}
