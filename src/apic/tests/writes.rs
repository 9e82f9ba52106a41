//! One request, sent once.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use super::stub::{Reply, Stub};
use super::{client, config, settings};
use crate::apic::{Client, Error, Settings};
use crate::eepg::Mo;
use crate::time::{Clock, Timestamp};

fn body() -> Mo {
    Mo::new("l3extOut").holding(Mo::new("l3extInstP").with("name", "web"))
}

async fn post(answer: impl Fn() -> Reply + Send + Sync + 'static) -> (Result<(), Error>, usize) {
    let stub = Stub::behind_login(move |_| answer()).await;
    let quick = Settings { write_timeout: Duration::from_millis(300), ..settings() };
    let client = Client::with(&config(&[&stub.url]), Clock::start(), quick).unwrap();
    let outcome = client.post("uni/tn-T/out-O", &body()).await;
    (outcome, stub.count(|heard| !heard.is_login()))
}

#[tokio::test]
async fn success_is_success() {
    for status in [200, 202] {
        assert_eq!(post(move || Reply::of(status, r#"{"totalCount":"0","imdata":[]}"#)).await, (Ok(()), 1));
    }
    assert_eq!(post(|| Reply::of(202, "")).await, (Ok(()), 1));
}

/// Who sends a batch knows whether to send it again.
#[tokio::test]
async fn nothing_that_may_have_arrived_is_sent_twice() {
    for reply in [Reply::Close, Reply::Silence, Reply::Cut(b"{".to_vec())] {
        let (outcome, sent) = post(move || reply.clone()).await;
        assert!(matches!(outcome, Err(Error::Connection { outcome_unknown: true, .. })), "{outcome:?}");
        assert_eq!(sent, 1);
    }
    for status in [405, 429, 500, 503] {
        let (outcome, sent) = post(move || Reply::html(status)).await;
        assert!(matches!(outcome, Err(Error::Throttled { .. })), "{outcome:?}");
        assert_eq!(sent, 1);
    }
    let (outcome, sent) = post(|| Reply::error(400, "801", "no")).await;
    assert_eq!((outcome.unwrap_err().is_permanent(), sent), (true, 1));
    let (outcome, sent) = post(|| Reply::of(200, "well done")).await;
    assert!(matches!(outcome, Err(Error::Nonsense { .. })), "{outcome:?}");
    assert_eq!(sent, 1);
}

/// Nobody listens there: nothing was sent, and that is said.
#[tokio::test]
async fn what_was_not_sent_is_tried_again_and_then_said() {
    let stub = Stub::start(|_| Reply::done()).await;
    let url = stub.url.clone();
    drop(stub);
    let client = client(&[&url]);
    let outcome = client.post("uni/tn-T", &body()).await;
    assert!(matches!(outcome, Err(Error::Connection { outcome_unknown: false, .. })), "{outcome:?}");
    assert_eq!(client.stats().snapshot().retries, 3);
}

#[tokio::test]
async fn a_name_that_no_url_carries_is_not_sent() {
    let stub = Stub::behind_login(|_| Reply::done()).await;
    let outcome = client(&[&stub.url]).post("uni/../aaaLogout", &body()).await;
    assert!(matches!(outcome, Err(Error::Target { .. })), "{outcome:?}");
    assert_eq!(stub.count(|heard| !heard.is_login()), 0);
}

#[tokio::test]
async fn who_asks_us_to_wait_is_not_asked_anything_meanwhile() {
    let answers = AtomicUsize::new(0);
    let stub = Stub::behind_login(move |_| match answers.fetch_add(1, Relaxed) {
        0 => Reply::html(503).header("Retry-After", "30"),
        _ => Reply::done(),
    })
    .await;
    let clock = Clock::start();
    let client = Client::with(&config(&[&stub.url]), clock, settings()).unwrap();
    let outcome = client.post("uni/tn-T", &body()).await;
    let asked = Some(Duration::from_secs(30));
    assert!(
        matches!(outcome, Err(Error::Throttled { retry_after, .. }) if retry_after == asked),
        "{outcome:?}"
    );
    let mut turn = Box::pin(client.inner.turn(crate::apic::Operation::Write));
    assert!(futures_util::FutureExt::now_or_never(&mut turn).is_none());
    let answered: Timestamp = clock.now();
    drop(turn);
    super::pass(Duration::from_secs(30)).await;
    client.post("uni/tn-T", &body()).await.unwrap();
    assert!(clock.now().since(answered) >= Duration::from_secs(29));
}

/// What a write follows from may be over by the time that it could leave.
#[tokio::test]
async fn what_is_taken_back_while_it_waits_is_not_sent() {
    let stub = Stub::behind_login(|_| Reply::html(503).header("Retry-After", "30")).await;
    let client = Client::with(&config(&[&stub.url]), Clock::start(), settings()).unwrap();
    client.post("uni/tn-T", &body()).await.unwrap_err();
    let up = client.stats().snapshot().up;
    let wanted = AtomicBool::new(true);
    let (body, may) = (body(), || wanted.load(Relaxed));
    let mut late = Box::pin(client.post_if("uni/tn-T", &body, &may));
    assert!(futures_util::FutureExt::now_or_never(&mut late).is_none(), "it waits");
    wanted.store(false, Relaxed);
    super::pass(Duration::from_secs(30)).await;
    assert_eq!(late.await, Err(Error::TakenBack));
    assert_eq!(stub.count(|heard| !heard.is_login()), 1, "the first alone");
    assert_eq!(client.stats().snapshot().up, up, "it says nothing of the APIC");
}
