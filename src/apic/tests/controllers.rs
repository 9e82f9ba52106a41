//! Another controller, when one does not work.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};

use super::client;
use super::stub::{Heard, Reply, Stub};
use crate::apic::{Error, Query};
use crate::eepg::Mo;

fn query() -> Query {
    Query::class("l3extSubnet").page_size(10)
}

#[tokio::test]
async fn three_failures_of_the_connection_lead_to_the_next_where_it_stays() {
    let first = Stub::behind_login(|heard| Reply::page_of(5, heard)).await;
    let second = Stub::behind_login(|heard| Reply::page_of(5, heard)).await;
    let client = client(&[&first.url, &second.url]);
    client.list(&query()).await.unwrap();
    assert_eq!(*client.stats().snapshot().controller, *first.url);
    drop(first);
    client.list(&query()).await.unwrap();
    let snapshot = client.stats().snapshot();
    assert_eq!((&*snapshot.controller, snapshot.failovers, snapshot.retries), (&*second.url, 1, 3));
    client.list(&query()).await.unwrap();
    assert_eq!(second.count(Heard::is_login), 1);
    assert_eq!(client.stats().snapshot().retries, 3);
}

#[tokio::test]
async fn a_write_that_was_not_sent_goes_to_the_next() {
    let first = Stub::behind_login(|_| Reply::done()).await;
    let second = Stub::behind_login(|_| Reply::done()).await;
    let client = client(&[&first.url, &second.url]);
    drop(first);
    client.post("uni/tn-T", &Mo::new("fvTenant")).await.unwrap();
    assert_eq!(second.count(|heard| !heard.is_login()), 1);
}

#[tokio::test]
async fn a_storm_is_no_reason_to_go() {
    let answers = AtomicUsize::new(0);
    let first = Stub::behind_login(move |heard| match answers.fetch_add(1, Relaxed) {
        0..=7 => Reply::html(503),
        _ => Reply::page_of(5, heard),
    })
    .await;
    let second = Stub::behind_login(|heard| Reply::page_of(5, heard)).await;
    let client = client(&[&first.url, &second.url]);
    client.list(&query()).await.unwrap();
    assert!(second.heard().is_empty());
}

/// Failures count only in a row.
#[tokio::test]
async fn an_answer_now_and_then_is_enough_to_stay() {
    let answers = AtomicUsize::new(0);
    let first = Stub::behind_login(move |heard| match answers.fetch_add(1, Relaxed) % 3 {
        0 | 1 => Reply::Close,
        _ => Reply::page_of(5, heard),
    })
    .await;
    let second = Stub::behind_login(|heard| Reply::page_of(5, heard)).await;
    let client = client(&[&first.url, &second.url]);
    for _ in 0..4 {
        client.list(&query()).await.unwrap();
    }
    assert!(second.heard().is_empty());
}

/// Two controllers may be of two minds for a moment.
#[tokio::test]
async fn no_read_is_put_together_from_two_controllers() {
    let first = Stub::behind_login(|heard| match heard.page() {
        0 => Reply::page_of(15, heard),
        _ => Reply::Close,
    })
    .await;
    let second = Stub::behind_login(|heard| Reply::page_of(15, heard)).await;
    let client = client(&[&first.url, &second.url]);
    assert_eq!(client.list(&query()).await.unwrap().objects, 15);
    let pages: Vec<_> = second.heard().iter().filter(|heard| !heard.is_login()).map(Heard::page).collect();
    assert_eq!(pages, [1, 0, 1]);
}

#[tokio::test]
async fn with_all_of_them_gone_it_says_so_and_comes_back() {
    let gone = Arc::new(AtomicBool::new(true));
    let answering = |gone: Arc<AtomicBool>| {
        move |heard: &Heard| match heard {
            _ if gone.load(Relaxed) => Reply::Close,
            _ if heard.is_login() => Reply::token("token-1"),
            _ => Reply::page_of(5, heard),
        }
    };
    let first = Stub::start(answering(gone.clone())).await;
    let second = Stub::start(answering(gone.clone())).await;
    let client = client(&[&first.url, &second.url]);
    let query = query().within(std::time::Duration::from_secs(4));
    let error = client.list(&query).await.unwrap_err();
    assert!(matches!(error, Error::Connection { .. }), "{error:?}");
    assert!(!client.stats().snapshot().up);
    assert!(!first.heard().is_empty() && !second.heard().is_empty());
    gone.store(false, Relaxed);
    client.list(&query).await.unwrap();
    assert!(client.stats().snapshot().up);
}
