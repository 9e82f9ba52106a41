//! Alerts on their way: a node leaks, and receivers of all sorts are told, or should be.

mod stub;

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use thirdleaf::lab::node::{Node, Route};

use crate::daemon::node;
use crate::run::{Daemon, Place, eventually, stderr, stdout};
use stub::{Answer, Request, Stub};

const LEAK: &str = "203.0.113.0/24";
const KEY: &str = "key of the pager";

/// The file of a daemon that tells of findings at once; `alerts` is what it says of receivers.
fn config(place: &Place, alerts: &str) -> String {
    let token = place.write("token", "open-sesame\n");
    place.write("key", KEY);
    let head = format!(
        "[global]\nname = \"leaf3\"\nstate_dir = \"state\"\n[http]\ntoken_file = \"{}\"",
        token.display()
    );
    let findings = "[findings.open_after]\nrogue_route = \"0s\"\nalerts_failing = \"1s\"\n";
    format!("{}{findings}{alerts}", place.config().replace("[http]", &head))
}

fn start(place: &Place, alerts: &str) -> Daemon {
    Daemon::start(place, &place.write("thirdleaf.toml", &config(place, alerts)))
}

fn alertmanager(urls: &[String]) -> String {
    format!("[alerts.alertmanager]\nurls = {urls:?}\nresend = \"1s\"\nlabels = {{ site = \"dc1\" }}\n")
}

fn webhook(name: &str, url: &str) -> String {
    format!(
        "[[alerts.webhooks]]\nname = \"{name}\"\nurl = \"{url}/hook\"\nsecret_file = \"key\"\nkinds = [\"rogue_route\"]\n"
    )
}

async fn leak(place: &Place) -> Node {
    let node = node(place, 1);
    node.established().await;
    node.announce([Route::kernel(LEAK.parse().unwrap())]).await;
    node
}

/// The alerts of this name that were posted, each as it was.
fn alerts(stub: &Stub, name: &str) -> Vec<Value> {
    let posted = stub.requests().into_iter().flat_map(|request| request.json().as_array().cloned().unwrap());
    posted.filter(|alert| alert["labels"]["alertname"] == name).collect()
}

fn event(request: &Request) -> String {
    request.json()["event"].as_str().unwrap().to_owned()
}

fn time(value: &Value) -> std::time::SystemTime {
    humantime::parse_rfc3339(value.as_str().unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leak_is_told_at_once_again_and_when_it_is_over_whoever_is_dead_or_silent() {
    let place = Place::new();
    let (here, hook) = (Stub::start(Answer::Status(200)), Stub::start(Answer::Status(204)));
    let silent = Stub::start(Answer::Silence);
    let dead = format!("http://{}:9", place.host(200));
    let alerts_of = alertmanager(&[here.url(), dead.clone(), silent.url()])
        + &webhook("pager", &hook.url())
        + &webhook("silent", &silent.url());
    let daemon = start(&place, &alerts_of);
    let node = leak(&place).await;

    let fired = eventually("the alert is there", || alerts(&here, "ThirdleafRogueRoute").pop());
    let labels = json!({
        "alertname": "ThirdleafRogueRoute", "cluster": "default", "instance": "leaf3", "kind": "rogue_route",
        "prefix": LEAK, "reason": "not_allowed", "severity": "critical", "site": "dc1", "source": "push",
        "vrf": "default",
    });
    assert_eq!(fired["labels"], labels);
    assert!(fired["annotations"]["description"].as_str().unwrap().contains("AS path"), "{fired}");
    assert_eq!(here.requests()[0].path, "/api/v2/alerts");
    let lifetime = time(&fired["endsAt"]).duration_since(std::time::SystemTime::now()).unwrap();
    assert!(lifetime <= Duration::from_secs(4), "{lifetime:?}");
    let again = eventually("it is sent again", || alerts(&here, "ThirdleafRogueRoute").into_iter().nth(2));
    assert_eq!((&again["startsAt"], &again["labels"]), (&fired["startsAt"], &labels));
    assert_ne!(again["endsAt"], fired["endsAt"]);

    let told = eventually("the webhook is told", || hook.requests().into_iter().next());
    let body = told.json();
    assert_eq!((event(&told).as_str(), &body["finding"]["prefix"]), ("firing", &LEAK.into()));
    assert_eq!(told.header("x-thirdleaf-delivery"), body["id"]);
    assert!(told.is_signed_with(KEY) && !told.is_signed_with("another key"));

    // Who takes nothing is known, and is a finding that others are told of.
    let failing = eventually("the dead one is known", || {
        let overview = daemon.get("/api/v1/alerts");
        let receivers = overview["receivers"].as_array().unwrap().clone();
        receivers.into_iter().find(|receiver| receiver["name"] == dead && receiver["state"] == "failing")
    });
    assert!(failing["last_error"].as_str().unwrap().len() > 5, "{failing}");
    let about = eventually("it is told of", || {
        let all = alerts(&here, "ThirdleafAlertsFailing");
        all.into_iter().find(|alert| alert["labels"]["object"] == dead)
    });
    assert_eq!(about["labels"]["severity"], "warning");
    let metrics = daemon.text("/metrics");
    for sample in [
        "thirdleaf_alerts{alertname=\"ThirdleafRogueRoute\",severity=\"critical\"} 1".to_owned(),
        format!("thirdleaf_alert_receiver_up{{integration=\"alertmanager\",receiver=\"{dead}\"}} 0"),
        format!("thirdleaf_alert_receiver_up{{integration=\"alertmanager\",receiver=\"{}\"}} 1", here.url()),
        "thirdleaf_alert_notifications_total{integration=\"webhook\",receiver=\"pager\",result=\"success\"} 1"
            .to_owned(),
    ] {
        assert!(metrics.contains(&sample), "{sample}\n{metrics}");
    }
    let listed = stdout(&daemon.ask(&["alerts"]));
    assert!(listed.contains("failing") && listed.contains("ThirdleafRogueRoute"), "{listed}");

    node.withdraw([LEAK.parse().unwrap()]).await;
    // What was sent last ends in time to come, unless it is over.
    let over = eventually("its end is there", || {
        let last = alerts(&here, "ThirdleafRogueRoute").pop();
        last.filter(|alert| time(&alert["endsAt"]) <= std::time::SystemTime::now())
    });
    assert_eq!(over["labels"], labels);
    eventually("its end is sent again", || {
        let all = alerts(&here, "ThirdleafRogueRoute");
        (all.iter().filter(|alert| alert["endsAt"] == over["endsAt"]).count() > 2).then_some(())
    });
    let end = eventually("the webhook is told of the end", || hook.requests().into_iter().nth(1));
    assert_eq!((event(&end).as_str(), &end.json()["finding"]["state"]), ("resolved", &"resolved".into()));
    assert_eq!((body["sequence"].clone(), end.json()["sequence"].clone()), (1.into(), 2.into()));
    assert_eq!(hook.requests().len(), 2, "each is told once");

    // What nobody takes holds up nobody.
    let stopping = Instant::now();
    daemon.signal("TERM");
    assert!(daemon.wait().success());
    assert!(stopping.elapsed() < Duration::from_secs(15), "{:?}", stopping.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_fails_is_tried_again_and_what_is_refused_is_not() {
    let place = Place::new();
    let again = Stub::script(&[Answer::Status(500), Answer::Status(429), Answer::Status(200)]);
    let refusing = Stub::start(Answer::Status(400));
    let elsewhere = Stub::start(Answer::Redirect(again.url()));
    let flood = Stub::start(Answer::Flood);
    let alerts = webhook("again", &again.url())
        + &webhook("refusing", &refusing.url())
        + &webhook("elsewhere", &elsewhere.url())
        + &webhook("flood", &flood.url());
    let daemon = start(&place, &alerts);
    let node = leak(&place).await;
    let tries = eventually("it is taken at last", || Some(again.requests()).filter(|all| all.len() >= 3));
    let ids: std::collections::BTreeSet<_> =
        tries.iter().map(|request| request.header("x-thirdleaf-delivery")).collect();
    assert_eq!((tries.len(), ids.len()), (3, 1), "one notification, three times");
    assert!(tries.iter().all(|request| request.is_signed_with(KEY)));

    let receiver = |name: &str| {
        let overview = daemon.get("/api/v1/alerts");
        overview["receivers"]
            .as_array()
            .unwrap()
            .iter()
            .find(|receiver| receiver["name"] == name)
            .cloned()
            .unwrap()
    };
    let refused =
        eventually("it is refused", || Some(receiver("refusing")).filter(|one| one["rejected"] == 1));
    assert_eq!((refused["queue"].clone(), refused["failed"].clone()), (0.into(), 0.into()));
    assert!(refused["last_error"].as_str().unwrap().contains("400"), "{refused}");
    let redirected = eventually("no redirect is followed", || {
        Some(receiver("elsewhere")).filter(|one| one["rejected"] == 1)
    });
    assert!(
        redirected["last_error"].as_str().unwrap().contains("redirects are not followed"),
        "{redirected}"
    );
    // An answer without an end is cut off, and counts by what it began with.
    eventually("the flood is cut off", || (receiver("flood")["succeeded"] == 1).then_some(()));

    node.withdraw([LEAK.parse().unwrap()]).await;
    eventually("the end is told in its turn", || {
        Some(again.requests()).filter(|all| all.len() == 4).map(|all| {
            assert_eq!(event(&all[3]), "resolved");
        })
    });
    eventually("the next one is refused, too", || (receiver("refusing")["rejected"] == 2).then_some(()));
    assert_eq!(refusing.requests().len(), 2, "each once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reload_adds_a_receiver_and_a_test_tells_who_takes_it() {
    let place = Place::new();
    let (first, second) = (Stub::start(Answer::Status(200)), Stub::start(Answer::Status(503)));
    let daemon = start(&place, &webhook("first", &first.url()));
    let _node = leak(&place).await;
    eventually("the first is told", || first.requests().pop());
    let token = place.write("token", "open-sesame\n");
    let token = ["--token-file", token.to_str().unwrap()];

    let more =
        webhook("first", &first.url()) + &webhook("second", &second.url()) + &alertmanager(&[first.url()]);
    place.write("thirdleaf.toml", &config(&place, &more));
    let reloaded = daemon.ask(&[&["reload"], &token[..]].concat());
    assert!(stdout(&reloaded).contains("webhook `second` is added"), "{}", stderr(&reloaded));
    let told = eventually("the second is told of what fires", || second.requests().pop());
    assert_eq!(event(&told), "firing");
    eventually("the Alertmanager, too", || {
        first.requests().into_iter().find(|request| request.path == "/api/v2/alerts")
    });
    let hooks = first.requests().into_iter().filter(|request| request.path == "/hook").count();
    assert_eq!(hooks, 1, "who was told is not told again");

    assert_eq!(daemon.ask(&["alerts", "test"]).status.code(), Some(2), "without the token");
    let one = daemon.ask(&[&["alerts", "test", "first"], &token[..]].concat());
    assert_eq!((one.status.code(), stdout(&one).lines().count()), (Some(0), 2), "{}", stdout(&one));
    let tested = eventually("the test is there", || {
        first.requests().into_iter().find(|request| request.path == "/hook" && event(request) == "test")
    });
    assert!(tested.is_signed_with(KEY));
    let all = daemon.ask(&[&["alerts", "test", "-o", "json"], &token[..]].concat());
    assert_eq!(all.status.code(), Some(1), "{}", stderr(&all));
    let outcomes: Value = serde_json::from_slice(&all.stdout).unwrap();
    let brief: Vec<_> = outcomes
        .as_array()
        .unwrap()
        .iter()
        .map(|outcome| (&outcome["receiver"], &outcome["delivered"]))
        .collect();
    assert_eq!(
        brief,
        [
            (&json!(first.url()), &true.into()),
            (&"first".into(), &true.into()),
            (&"second".into(), &false.into())
        ]
    );
    let unknown = daemon.ask(&[&["alerts", "test", "secnd"], &token[..]].concat());
    assert_eq!(unknown.status.code(), Some(2));
    assert!(stderr(&unknown).contains("did you mean"), "{}", stderr(&unknown));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_wants_to_hear_of_other_things_is_told_of_those_and_of_the_end_of_what_it_was_told() {
    let place = Place::new();
    let (was, will) = (Stub::start(Answer::Status(200)), Stub::start(Answer::Status(200)));
    let other = |text: String| text.replace("rogue_route", "peer_flapping");
    let daemon = start(&place, &(webhook("was", &was.url()) + &other(webhook("will", &will.url()))));
    let node = leak(&place).await;
    eventually("one is told", || was.requests().pop());
    assert!(will.requests().is_empty());

    let text = other(webhook("was", &was.url())) + &webhook("will", &will.url());
    place.write("thirdleaf.toml", &config(&place, &text));
    daemon.signal("HUP");
    let told = eventually("the other is told of what fires", || will.requests().pop());
    assert_eq!(event(&told), "firing");
    node.withdraw([LEAK.parse().unwrap()]).await;
    for stub in [&was, &will] {
        let end = eventually("the end is told", || stub.requests().into_iter().nth(1));
        assert_eq!(event(&end), "resolved");
    }
    assert_eq!((was.requests().len(), will.requests().len()), (2, 2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_restart_what_is_open_is_the_same_and_what_is_over_is_not_told_again() {
    let place = Place::new();
    let (here, hook) = (Stub::start(Answer::Status(200)), Stub::start(Answer::Status(200)));
    let receivers = alertmanager(&[here.url()]) + &webhook("pager", &hook.url());
    let daemon = start(&place, &receivers);
    let other: ipnet::IpNet = "198.51.100.0/24".parse().unwrap();
    let node = leak(&place).await;
    node.announce([Route::kernel(other)]).await;
    eventually("both are told", || (hook.requests().len() == 2).then_some(()));
    node.withdraw([other]).await;
    eventually("the end of one is told", || (hook.requests().len() == 3).then_some(()));
    let before = eventually("it is at the Alertmanager", || {
        alerts(&here, "ThirdleafRogueRoute").into_iter().find(|alert| alert["labels"]["prefix"] == LEAK)
    });
    daemon.signal("TERM");
    assert!(daemon.wait().success());
    here.forget();

    let daemon = start(&place, &receivers);
    let after = eventually("it is at the Alertmanager again", || alerts(&here, "ThirdleafRogueRoute").pop());
    assert_eq!((&after["labels"], &after["startsAt"]), (&before["labels"], &before["startsAt"]));
    let told = eventually("the webhook is told again", || hook.requests().into_iter().nth(3));
    let first =
        hook.requests().into_iter().find(|request| request.json()["finding"]["prefix"] == LEAK).unwrap();
    assert_eq!(
        told.header("x-thirdleaf-delivery"),
        first.header("x-thirdleaf-delivery"),
        "by which it is known"
    );
    node.withdraw([LEAK.parse().unwrap()]).await;
    let end = eventually("its end is told", || hook.requests().into_iter().nth(4));
    assert_eq!((event(&end).as_str(), &end.json()["finding"]["prefix"]), ("resolved", &LEAK.into()));
    assert!(alerts(&here, "ThirdleafRogueRoute").iter().all(|alert| alert["labels"]["prefix"] == LEAK));
    drop(daemon);
}
