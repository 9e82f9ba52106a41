use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::journal::Journal;
use crate::journal::testing::{Book, route};
use crate::observer::view::Event;
use crate::time::{Clock, Timestamp};
use crate::web::testing::Server;

const HOUR: i64 = 3_600_000_000;

/// A journal of what happened in the last hours: two hours ago a route came, one hour ago it went.
fn book(now: Timestamp) -> Book {
    let book = Book::new();
    let now = i64::try_from(now.as_micros()).unwrap();
    book.run(now - 3 * HOUR, now, None);
    let block = route("10.244.0.0/26", "192.168.1.1");
    book.announce(&block, now - 2 * HOUR);
    book.withdraw(&block, now - HOUR);
    for (ago, kind, prefix) in
        [(2, "route_accepted", "10.244.0.0/26"), (1, "route_withdrawn", "10.244.0.0/26")]
    {
        book.event(&Event {
            at: Timestamp::from_micros(u64::try_from(now - ago * HOUR).unwrap()),
            kind: kind.to_owned(),
            prefix: prefix.parse().ok(),
            text: "<script>\u{1b}".to_owned(),
            ..Event::default()
        });
    }
    book
}

async fn server() -> (Book, Server) {
    let book = book(Clock::start().now());
    let server = Server::start_on(Journal::new(book.path.clone())).await;
    (book, server)
}

fn prefixes(page: &Value) -> Vec<&str> {
    let items = page["items"].as_array().unwrap().iter();
    items
        .map(|item| item["prefix"].as_str().or(item["after"]["prefix"].as_str()).unwrap_or_default())
        .collect()
}

#[tokio::test]
async fn the_past_is_what_the_journal_says() {
    let (_book, server) = server().await;
    let get = async |path: &str| {
        let (status, answer) = server.get(path).await;
        assert_eq!(status, StatusCode::OK, "{path}: {answer}");
        answer
    };
    let page = get("/api/v1/routes?at=90min&prefix=10.244.0.0/16&match=longer&node=node1").await;
    assert_eq!((prefixes(&page), &page["gaps"]), (vec!["10.244.0.0/26"], &json!([])));
    assert!(page["at"].is_string(), "{page}");
    assert_eq!(prefixes(&get("/api/v1/routes?at=30min").await), Vec::<&str>::new());
    assert_eq!(prefixes(&get("/api/v1/routes").await), Vec::<&str>::new());
    let before = get("/api/v1/routes?at=4h").await;
    assert!(before["gaps"][0]["text"].as_str().unwrap().starts_with("the journal begins at "), "{before}");

    // By a clock that is ahead of ours.
    let soon = Clock::start().now().after(std::time::Duration::from_secs(30)).to_string();
    let now = get(&format!("/api/v1/routes?at={soon}")).await;
    assert!(now["at"].as_str().unwrap() < soon.as_str() && now["gaps"] == json!([]), "{now}");
    assert!(get(&format!("/api/v1/compare?from={soon}")).await["gaps"] == json!([]));

    let history = get("/api/v1/routes/history?prefix=10.244.0.9/32&match=covering").await;
    assert_eq!(prefixes(&history), ["10.244.0.0/26"]);
    assert!(history["items"][0]["since"].as_str() < history["items"][0]["until"].as_str(), "{history}");
    let later = get("/api/v1/routes/history?prefix=10.244.0.0/26&since=30min").await;
    assert_eq!(prefixes(&later), Vec::<&str>::new());

    let gone = get("/api/v1/compare?from=90min").await;
    assert_eq!(gone["counts"]["routes"], json!({"new": 0, "gone": 1, "changed": 0}));
    assert_eq!((&gone["items"][0]["what"], &gone["items"][0]["change"]), (&json!("route"), &json!("gone")));
    let new = get("/api/v1/compare?from=150min&to=90min").await;
    assert_eq!(prefixes(&new), ["10.244.0.0/26"]);
    let same = get("/api/v1/compare?from=150min&to=30min").await;
    assert_eq!((prefixes(&same), same["counts"]["routes"]["new"].as_u64()), (vec![], Some(0)));
    let (status, answer) = server.get("/api/v1/compare?from=1h&to=2h").await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(answer["error"]["message"].as_str().unwrap().contains(" is later than "), "{answer}");
    let (status, _) = server.get("/api/v1/routes?at=1h&state=stale").await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn events_are_those_of_the_journal_or_those_since_the_start() {
    let (_book, server) = server().await;
    let ids = |page: &Value| -> Vec<u64> {
        page["items"].as_array().unwrap().iter().map(|event| event["id"].as_u64().unwrap()).collect()
    };
    for (query, expected) in [
        ("", &[1, 2][..]),
        ("?after=1", &[2]),
        ("?order=newest", &[2, 1]),
        ("?since=90min", &[2]),
        ("?until=90min", &[1]),
        ("?kind=route", &[1, 2]),
        ("?kind=route_a*", &[1]),
        ("?prefix=10.244.0.0/16&match=longer", &[1, 2]),
        ("?prefix=10.244.0.0/16", &[]),
        ("?node=node1", &[]),
    ] {
        let (status, page) = server.get(&format!("/api/v1/events{query}")).await;
        assert_eq!((status, ids(&page)), (StatusCode::OK, expected.to_vec()), "{query}: {page}");
        assert_eq!((&page["source"], &page["last"]), (&json!("journal"), &json!(2)));
    }

    let (_, page) = server.get("/api/v1/events?source=memory").await;
    assert_eq!((&page["source"], &page["items"][0]["kind"]), (&json!("memory"), &json!("started")));

    let without = Server::start(None).await;
    let (status, _) = without.get("/api/v1/events?source=journal").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    without.announce("192.168.1.1", &["10.244.0.0/26", "10.244.0.64/26"]).await;
    let all = |page: &Value| -> Vec<(u64, String)> {
        let items = page["items"].as_array().unwrap().iter();
        items
            .map(|event| (event["id"].as_u64().unwrap(), event["kind"].as_str().unwrap().to_owned()))
            .collect()
    };
    for order in ["oldest", "newest"] {
        let (_, whole) = without.get(&format!("/api/v1/events?order={order}")).await;
        assert_eq!(whole["source"], json!("memory"));
        let (mut cursor, mut paged) = (String::new(), Vec::new());
        loop {
            let (_, page) = without.get(&format!("/api/v1/events?order={order}&limit=1{cursor}")).await;
            paged.extend(all(&page));
            let Some(next) = page["next_cursor"].as_str() else { break };
            cursor = format!("&cursor={next}");
        }
        assert_eq!(paged, all(&whole));
        assert!(paged.len() >= 4 && paged.is_sorted() == (order == "oldest"), "{paged:?}");
    }
    let (_, routes) =
        without.get("/api/v1/events?prefix=10.244.0.64/32&match=covering&kind=route,peer").await;
    assert_eq!(routes["items"].as_array().unwrap().len(), 1, "{routes}");
}

#[tokio::test]
async fn without_a_journal_there_is_no_past() {
    let server = Server::start(None).await;
    for path in ["routes?at=1h", "routes/history?prefix=10.0.0.0/8", "compare?from=1h"] {
        let (status, answer) = server.get(&format!("/api/v1/{path}")).await;
        assert_eq!(
            (status, &answer["error"]["code"]),
            (StatusCode::NOT_FOUND, &json!("no_journal")),
            "{path}"
        );
        assert!(answer["error"]["message"].as_str().unwrap().contains("state_dir"), "{answer}");
    }
}

#[tokio::test]
async fn a_journal_that_cannot_be_read_costs_nothing_else() {
    let book = Book::new();
    let missing = book.path.with_file_name("nothing.db");
    let server = Server::start_on(Journal::new(missing)).await;
    for path in ["events", "routes?at=1s", "routes/history?prefix=10.0.0.0/8", "compare?from=1s"] {
        let (status, answer) = server.get(&format!("/api/v1/{path}")).await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{path}: {answer}");
        assert!(
            answer["error"]["message"].as_str().unwrap().starts_with("there is no journal at "),
            "{answer}"
        );
    }
    assert_eq!(server.get("/api/v1/routes").await.0, StatusCode::OK);
}
