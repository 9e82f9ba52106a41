//! All of it, or an error.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use super::stub::{Heard, Reply, Stub, dn, subnet};
use super::{client, config, settings};
use crate::apic::{Client, Error, Filter, Query, Settings};
use crate::time::Clock;

fn query() -> Query {
    Query::of("uni/tn-T/out-O").subtree(&["l3extSubnet"]).page_size(10)
}

async fn names(client: &Client, query: &Query) -> Result<BTreeSet<String>, Error> {
    let read = client.read(query, BTreeSet::new, |names, mo| {
        names.insert(mo.dn().to_owned());
    });
    read.await.map(|read| read.found)
}

fn all(total: usize) -> BTreeSet<String> {
    (0..total).map(dn).collect()
}

/// Nonsense, and what of it.
async fn nonsense(answer: impl Fn(&Heard) -> Reply + Send + Sync + 'static) -> String {
    let stub = Stub::behind_login(answer).await;
    match client(&[&stub.url]).list(&query()).await {
        Err(Error::Nonsense { text }) => text,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn reads_page_after_page_until_there_is_none() {
    for (total, pages) in
        [(0, 1), (1, 1), (9, 1), (10, 1), (11, 2), (18, 2), (19, 3), (24, 3), (25, 4), (30, 5)]
    {
        let stub = Stub::behind_login(move |heard| Reply::page_of(total, heard)).await;
        let read = client(&[&stub.url]).list(&query()).await.unwrap();
        assert_eq!((read.objects, read.found.len(), read.pages), (total, total, pages), "{total}");
        assert_eq!(stub.count(|heard| !heard.is_login()), pages);
        assert_eq!(read.found.iter().map(|mo| mo.dn().to_owned()).collect::<BTreeSet<_>>(), all(total));
    }
}

#[tokio::test]
async fn pages_that_are_too_small_to_overlap_get_larger() {
    for size in [1, 2, 10] {
        let stub = Stub::behind_login(move |heard| Reply::page_of(100, heard)).await;
        assert_eq!(names(&client(&[&stub.url]), &query().page_size(size)).await, Ok(all(100)), "{size}");
    }
}

/// Between two pages the first object is deleted and one is made at the end: the total is the same, no name
/// comes twice, and yet the first object of the next page would be missed.
#[tokio::test]
async fn a_shift_that_leaves_the_total_alone_is_seen() {
    let shifted = |heard: &Heard| match heard.page() {
        0 => Reply::subnets(15, 0..10),
        _ => Reply::subnets(15, 10..16),
    };
    let answers = AtomicUsize::new(0);
    let stub = Stub::behind_login(move |heard| match answers.fetch_add(1, Relaxed) {
        0 | 1 => shifted(heard),
        _ => Reply::page_of(15, heard),
    })
    .await;
    let client = client(&[&stub.url]);
    assert_eq!(names(&client, &query()).await, Ok(all(15)));
    assert_eq!(client.stats().snapshot().retries, 1);
    let text = nonsense(shifted).await;
    assert!(text.contains("out of place"), "{text}");
}

/// An APIC that orders by the names of one class leaves those of others as they come.
#[tokio::test]
async fn classes_that_have_no_common_order_are_read_by_themselves() {
    let stub = Stub::behind_login(|heard| {
        if heard.target.contains("target-subtree-class=l3extInstP&") {
            return Reply::done();
        }
        if heard.target.contains("target-subtree-class=l3extInstP,l3extSubnet&") {
            return Reply::subnets(15, (0..10).map(|n| n + heard.page()));
        }
        Reply::page_of(15, heard)
    })
    .await;
    let query = Query::of("uni/tn-T/out-O").subtree(&["l3extInstP", "l3extSubnet"]).page_size(10);
    assert_eq!(names(&client(&[&stub.url]), &query).await, Ok(all(15)));
}

#[tokio::test]
async fn brackets_reach_the_far_end_as_they_are() {
    let stub = Stub::behind_login(|_| Reply::subnets(1, [7])).await;
    let query = Query::of(dn(7)).filter(Filter::eq("l3extSubnet", "descr", "a b"));
    client(&[&stub.url]).list(&query).await.unwrap();
    assert_eq!(
        stub.heard().last().unwrap().target,
        format!(
            "/api/mo/{}.json?query-target-filter=eq(l3extSubnet.descr,%22a%20b%22)&page=0&page-size=10000",
            dn(7)
        )
    );
}

#[tokio::test]
async fn a_storm_of_html_passes() {
    for status in [503, 405, 500, 502, 504, 429, 200] {
        let answers = AtomicUsize::new(0);
        let stub = Stub::behind_login(move |heard| match answers.fetch_add(1, Relaxed) {
            0 | 2 | 3 | 4 => Reply::html(status),
            _ => Reply::page_of(25, heard),
        })
        .await;
        let client = client(&[&stub.url]);
        assert_eq!(names(&client, &query()).await, Ok(all(25)), "{status}");
        let snapshot = client.stats().snapshot();
        assert_eq!((snapshot.throttled, snapshot.retries, snapshot.failovers), (4, 4, 0), "{status}");
    }
}

#[tokio::test]
async fn a_storm_that_stays_is_an_error_in_time() {
    let stub = Stub::behind_login(|_| Reply::html(503)).await;
    let client = client(&[&stub.url]);
    let error = client.list(&query()).await.unwrap_err();
    assert!(matches!(error, Error::Throttled { status: 503, .. }), "{error:?}");
    let patient =
        Settings { first_wait: Duration::from_hours(1), longest_wait: Duration::from_hours(1), ..settings() };
    let client = Client::with(&config(&[&stub.url]), Clock::start(), patient).unwrap();
    let error = client.list(&query().within(Duration::from_millis(300))).await.unwrap_err();
    assert!(matches!(error, Error::Throttled { status: 503, .. }), "{error:?}");
}

#[tokio::test]
async fn an_answer_that_never_comes_is_an_error_in_time() {
    let stub = Stub::behind_login(|_| Reply::Silence).await;
    let client = client(&[&stub.url]);
    let error = client.list(&query().within(Duration::from_millis(300))).await.unwrap_err();
    assert!(matches!(error, Error::Connection { .. }), "{error:?}");
}

#[tokio::test]
async fn what_is_cut_off_is_read_again() {
    let answers = AtomicUsize::new(0);
    let stub = Stub::behind_login(move |heard| match answers.fetch_add(1, Relaxed) {
        1 => Reply::Cut(br#"{"totalCount":"25","imdata":["#.to_vec()),
        2 => Reply::Close,
        _ => Reply::page_of(25, heard),
    })
    .await;
    assert_eq!(names(&client(&[&stub.url]), &query()).await, Ok(all(25)));
}

/// An object that moves from one page to another while they are read is neither missed nor seen twice.
#[tokio::test]
async fn pages_that_change_are_read_from_the_start() {
    let answers = AtomicUsize::new(0);
    let stub = Stub::behind_login(move |heard| match answers.fetch_add(1, Relaxed) {
        0 => Reply::subnets(18, 100..110),
        1 => Reply::subnets(18, 108..117),
        2 => Reply::subnets(18, 200..210),
        3 => Reply::subnets(19, 209..218),
        _ => Reply::page_of(25, heard),
    })
    .await;
    let client = client(&[&stub.url]);
    assert_eq!(names(&client, &query()).await, Ok(all(25)));
    assert_eq!(client.stats().snapshot().retries, 2);
}

#[tokio::test]
async fn totals_that_lie_make_no_sense() {
    let short = |heard: &Heard| Reply::subnets(25, if heard.page() == 0 { 0..10 } else { 9..12 });
    assert!(nonsense(short).await.contains("3 objects of 9"));
    assert!(nonsense(|_| Reply::subnets(3, 0..4)).await.contains("4 objects of 3"));
    assert!(nonsense(|_| Reply::subnets(30, 0..30)).await.contains("30 objects of 10"));
    assert!(nonsense(|_| Reply::subnets(5_000_000, 0..10)).await.contains("5000000"));
    assert!(nonsense(|_| Reply::subnets(20, 0..0)).await.contains("0 objects of 10"));
}

#[tokio::test]
async fn pages_that_do_not_advance_make_no_sense() {
    let text = nonsense(|_| Reply::subnets(30, 0..10)).await;
    assert!(text.contains("out of place"), "{text}");
    let twice = nonsense(|_| Reply::subnets(4, [0, 1, 2, 1])).await;
    assert!(twice.contains("out of place"), "{twice}");
}

#[tokio::test]
async fn what_was_not_asked_for_makes_no_sense() {
    let one = |object: &str| Reply::of(200, format!(r#"{{"totalCount":"1","imdata":[{object}]}}"#));
    for object in [
        subnet("uni/tn-Other/out-O/instP-E"),
        subnet(""),
        r#"{"fvTenant":{"attributes":{"dn":"uni/tn-T/out-O/x"}}}"#.to_owned(),
    ] {
        let text = nonsense(move |_| one(&object)).await;
        assert!(text.contains("not asked for"), "{text}");
    }
}

#[tokio::test]
async fn what_is_no_answer_makes_no_sense() {
    for body in [
        "",
        "null",
        "[]",
        "hello",
        "{}",
        r#"{"imdata":[]}"#,
        r#"{"totalCount":"0"}"#,
        r#"{"totalCount":"0","imdata":{}}"#,
        r#"{"totalCount":"0","imdata":[[]]}"#,
        r#"{"totalCount":"-1","imdata":[]}"#,
        r#"{"totalCount":"0","imdata":[],"imdata":[]}"#,
        r#"{"totalCount":"0","imdata":[]} {}"#,
        r#"{"totalCount":"0","imdata":["#,
    ] {
        nonsense(move |_| Reply::of(200, body)).await;
    }
    let deep = format!(r#"{{"totalCount":"1","imdata":[{}"#, r#"{"a":{"children":["#.repeat(10_000));
    nonsense(move |_| Reply::of(200, deep.clone())).await;
}

#[tokio::test]
async fn pages_get_smaller_where_the_apic_finds_them_too_large() {
    let too_big = "Unable to process the query, result dataset is too big";
    for status in [400, 503] {
        let stub = Stub::behind_login(move |heard| match heard.number("page-size=").unwrap() {
            0..=1300 => Reply::page_of(2500, heard),
            _ => Reply::error(status, "1", too_big),
        })
        .await;
        let query = query().page_size(5000);
        assert_eq!(names(&client(&[&stub.url]), &query).await, Ok(all(2500)));
    }
    let stub = Stub::behind_login(move |_| Reply::error(400, "1", too_big)).await;
    let error = client(&[&stub.url]).list(&query().page_size(10_000)).await.unwrap_err();
    assert_eq!(error, Error::TooLarge { text: too_big.into() });
}

#[tokio::test]
async fn no_more_of_an_answer_is_read_than_we_can_bear() {
    let stub = Stub::behind_login(|_| Reply::of(200, vec![b' '; 300_000])).await;
    let small = Settings { largest_answer: 100_000, ..settings() };
    let client = Client::with(&config(&[&stub.url]), Clock::start(), small).unwrap();
    let error = client.list(&query()).await.unwrap_err();
    assert!(matches!(&error, Error::TooLarge { text } if text.contains("100000")), "{error:?}");
}

#[tokio::test]
async fn what_is_refused_is_not_asked_again() {
    let stub = Stub::behind_login(|_| Reply::error(400, "122", "unknown managed object class x")).await;
    let error = client(&[&stub.url]).list(&query()).await.unwrap_err();
    let text = "unknown managed object class x".to_owned();
    assert_eq!(error, Error::Refused { status: 400, code: "122".into(), text });
    assert_eq!(stub.count(|heard| !heard.is_login()), 1);
}
