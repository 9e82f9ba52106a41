//! One login for all, renewed in time, and no more than that.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use futures_util::future::join_all;

use super::stub::{Heard, Reply, Stub};
use super::{PASSWORD, client, config, pass, settings};
use crate::apic::{Client, Error, Operation, Query};
use crate::eepg::Mo;
use crate::time::Clock;

/// Logins and refreshes give tokens with rising numbers; the others are answered by `answer`.
async fn stub(answer: impl Fn(&Heard) -> Reply + Send + Sync + 'static) -> Stub {
    let number = AtomicUsize::new(0);
    Stub::start(move |heard| {
        if heard.is_login() || heard.is_refresh() {
            Reply::token(&format!("token-{}", number.fetch_add(1, Relaxed) + 1))
        } else {
            answer(heard)
        }
    })
    .await
}

fn query() -> Query {
    Query::class("l3extSubnet")
}

#[tokio::test]
async fn fifty_requests_share_one_login() {
    let stub = stub(|heard| Reply::page_of(1, heard)).await;
    let client = client(&[&stub.url]);
    let reads = join_all((0..50).map(|_| async { client.list(&query()).await })).await;
    assert!(reads.iter().all(Result::is_ok));
    assert_eq!(stub.count(Heard::is_login), 1);
    assert_eq!(stub.count(|heard| heard.token() == "token-1"), 50);
}

#[tokio::test]
async fn logs_in_as_the_apic_wants_it_and_sends_one_cookie() {
    let stub = stub(|_| Reply::done()).await;
    let client = client(&[&stub.url]);
    client.post("uni/tn-T", &Mo::new("fvTenant")).await.unwrap();
    let heard = stub.heard();
    assert_eq!((&*heard[0].method, &*heard[0].target), ("POST", "/api/aaaLogin.json"));
    assert_eq!(
        heard[0].body,
        format!(r#"{{"aaaUser":{{"attributes":{{"name":"tl","pwd":"{PASSWORD}"}}}}}}"#)
    );
    assert_eq!(heard[0].cookies, Vec::<String>::new());
    assert_eq!((&*heard[1].method, &*heard[1].target), ("POST", "/api/mo/uni/tn-T.json"));
    assert_eq!(heard[1].cookies, ["APIC-cookie=token-1"]);
    assert_eq!(heard[1].body, r#"{"fvTenant":{"attributes":{}}}"#);
}

#[tokio::test]
async fn says_what_we_may_write() {
    let stub = stub(|_| Reply::done()).await;
    let roles = client(&[&stub.url]).login().await.unwrap();
    assert_eq!(roles.write().collect::<Vec<_>>(), ["ops"]);
    assert_eq!(roles.missing(["tagAnnotation", "l3extSubnet"]).len(), 1);
}

#[tokio::test]
async fn refreshes_at_half_life_and_not_before() {
    let stub = stub(|heard| Reply::page_of(1, heard)).await;
    let client = client(&[&stub.url]);
    client.list(&query()).await.unwrap();
    pass(Duration::from_secs(280)).await;
    client.list(&query()).await.unwrap();
    assert_eq!(stub.count(Heard::is_refresh), 0);
    pass(Duration::from_secs(30)).await;
    client.list(&query()).await.unwrap();
    let heard = stub.heard();
    let refresh = heard.iter().find(|heard| heard.is_refresh()).unwrap();
    assert_eq!((&*refresh.method, refresh.token()), ("GET", "token-1"));
    assert_eq!(heard.last().unwrap().token(), "token-2");
    assert_eq!(stub.count(Heard::is_login), 1);
    let snapshot = client.stats().snapshot();
    assert_eq!(
        snapshot.token_expires.unwrap().since(snapshot.token_issued.unwrap()),
        Duration::from_mins(10)
    );
}

#[tokio::test]
async fn an_idle_night_ends_with_a_login() {
    let stub = stub(|heard| Reply::page_of(1, heard)).await;
    let client = client(&[&stub.url]);
    client.list(&query()).await.unwrap();
    pass(Duration::from_hours(8)).await;
    client.list(&query()).await.unwrap();
    assert_eq!((stub.count(Heard::is_login), stub.count(Heard::is_refresh)), (2, 0));
    assert_eq!(stub.heard().last().unwrap().token(), "token-2");
}

/// A day of refreshes does not reach the end of the session's lifetime.
#[tokio::test]
async fn logs_in_anew_before_the_lifetime_ends() {
    let stub = stub(|heard| Reply::page_of(1, heard)).await;
    let client = client(&[&stub.url]);
    for _ in 0..(86_400 / 310) {
        client.list(&query()).await.unwrap();
        pass(Duration::from_secs(310)).await;
    }
    assert_eq!(stub.count(Heard::is_login), 2);
}

#[tokio::test]
async fn a_refresh_that_fails_leaves_the_token_that_serves() {
    let stub = Stub::start(|heard| match heard {
        _ if heard.is_login() => Reply::token("token-1"),
        _ if heard.is_refresh() => Reply::html(503),
        _ => Reply::page_of(1, heard),
    })
    .await;
    let client = client(&[&stub.url]);
    client.list(&query()).await.unwrap();
    pass(Duration::from_secs(310)).await;
    for _ in 0..5 {
        client.list(&query()).await.unwrap();
    }
    assert_eq!((stub.count(Heard::is_login), stub.count(Heard::is_refresh)), (1, 1));
}

#[tokio::test]
async fn a_token_that_was_forgotten_leads_to_one_login_and_the_same_request_again() {
    let stub = stub(|heard| match heard.token() {
        "token-1" => Reply::error(403, "403", "Token was invalid (Error: Token timeout)"),
        _ => Reply::done(),
    })
    .await;
    let client = client(&[&stub.url]);
    let body = Mo::new("fvTenant").with("descr", "x");
    let posts = join_all((0..20).map(|_| async { client.post("uni/tn-T", &body).await })).await;
    assert!(posts.iter().all(Result::is_ok));
    assert_eq!(stub.count(Heard::is_login), 2);
    assert_eq!(stub.count(|heard| heard.body == body.to_string() && heard.token() == "token-2"), 20);
}

#[tokio::test]
async fn what_is_denied_after_a_login_is_denied() {
    let stub = stub(|_| Reply::error(403, "403", "Token was invalid, or so")).await;
    let client = client(&[&stub.url]);
    let denied = client.post("uni/tn-T", &Mo::new("fvTenant")).await;
    assert_eq!(denied, Err(Error::Denied { text: "Token was invalid, or so".into() }));
    assert_eq!(stub.count(Heard::is_login), 2);
    assert_eq!(stub.count(|heard| heard.target.contains("tn-T")), 2);
}

/// Roles are not mended by logins.
#[tokio::test]
async fn roles_cause_no_storm_of_logins() {
    let stub = stub(|_| Reply::error(403, "403", "User is not authorized")).await;
    let client = client(&[&stub.url]);
    for _ in 0..20 {
        let denied = client.list(&query()).await;
        assert!(matches!(denied, Err(Error::Denied { .. })), "{denied:?}");
    }
    assert_eq!(stub.count(Heard::is_login), 1);
    pass(Duration::from_secs(61)).await;
    client.list(&query()).await.unwrap_err();
    assert_eq!(stub.count(Heard::is_login), 2);
}

#[tokio::test]
async fn wrong_credentials_are_not_tried_again_at_once() {
    let text = "Username or password is incorrect - FAILED local authentication";
    let stub = Stub::start(move |_| Reply::error(401, "401", text)).await;
    let client = client(&[&stub.url]);
    let mut asked = Vec::new();
    for minute in 0..60 {
        let before = stub.heard().len();
        let refused = join_all((0..5).map(|_| async { client.list(&query()).await })).await;
        for refused in refused {
            let Err(Error::BadCredentials { text: said, again_in }) = refused else { panic!("{refused:?}") };
            assert_eq!(said, text);
            assert!(again_in <= Duration::from_mins(10) && again_in > Duration::ZERO, "{again_in:?}");
        }
        let tried = stub.heard().len() - before;
        assert!(tried <= 1, "{tried}");
        if tried == 1 {
            asked.push(minute);
        }
        pass(Duration::from_mins(1)).await;
    }
    assert_eq!(asked, [0, 1, 3, 7, 15, 25, 35, 45, 55]);
}

#[tokio::test]
async fn credentials_that_are_right_again_end_the_wait() {
    let tries = AtomicUsize::new(0);
    let stub = Stub::start(move |heard| match heard {
        _ if !heard.is_login() => Reply::page_of(1, heard),
        _ if tries.fetch_add(1, Relaxed) == 0 => Reply::error(401, "401", "locked"),
        _ => Reply::token("token-1"),
    })
    .await;
    let client = client(&[&stub.url]);
    client.list(&query()).await.unwrap_err();
    pass(Duration::from_secs(61)).await;
    client.list(&query()).await.unwrap();
    assert!(client.stats().snapshot().up);
}

/// Whoever waited for a login that failed does not try the same again, one after the other.
#[tokio::test]
async fn those_who_wait_for_a_login_share_its_failure() {
    let stub = Stub::start(|_| Reply::Close).await;
    let client = client(&[&stub.url]);
    let body = Mo::new("fvTenant");
    let posts = join_all((0..50).map(|_| async { client.post("uni/tn-T", &body).await })).await;
    assert!(posts.iter().all(|post| matches!(post, Err(Error::Connection { outcome_unknown: false, .. }))));
    assert!(stub.heard().len() <= 8, "{}", stub.heard().len());
}

#[tokio::test(start_paused = true)]
async fn all_requests_share_one_rate_in_the_order_in_which_they_came() {
    let mut config = config(&["https://192.0.2.1"]);
    (config.requests_per_second, config.burst) = (10, 20);
    let clock = Clock::start();
    let client = Client::with(&config, clock, settings()).unwrap();
    let started = clock.now();
    let order = std::sync::Mutex::new(Vec::new());
    join_all((0..120).map(|number| {
        let (client, order) = (&client, &order);
        async move {
            client.inner.turn(Operation::Write).await;
            order.lock().unwrap().push(number);
        }
    }))
    .await;
    let took = clock.now().since(started);
    assert!(took >= Duration::from_secs(10) && took < Duration::from_millis(10_200), "{took:?}");
    assert!(order.into_inner().unwrap().is_sorted());
    assert_eq!(client.stats().snapshot().waiting, 0);
}

#[tokio::test(start_paused = true)]
async fn logins_stay_below_what_the_apic_takes() {
    let clock = Clock::start();
    let client = Client::with(&config(&["https://192.0.2.1"]), clock, settings()).unwrap();
    let started = clock.now();
    for _ in 0..10 {
        client.inner.turn(Operation::Login).await;
    }
    assert!(clock.now().since(started) >= Duration::from_secs(9));
}
