use serde_json::Value;
use tokio::runtime::Runtime;

use crate::cli::testing::finding;
use crate::cli::tests::{ask, run};
use crate::journal::Journal;
use crate::journal::testing::{Book, route};
use crate::policy::Reason;
use crate::web::testing::Server;

/// One of everything that may differ, between 100 s and 200 s after the epoch; thirdleaf stopped for a while.
fn book() -> Book {
    let book = Book::new();
    let second = |n: i64| n * 1_000_000;
    book.run(second(10), second(150), Some(second(150)));
    book.run(second(160), second(300), Some(second(300)));
    let mut leak = route("0.0.0.0/0", "192.168.1.2");
    (leak.class, leak.state) = (crate::policy::Class::Other, "rejected".into());
    (leak.reasons, leak.node) = (vec![Reason::DefaultRoute], Some("node\u{1b}[2J".into()));
    book.announce(&leak, second(120));
    let block = route("10.244.0.0/26", "192.168.1.1");
    book.announce(&block, second(50));
    book.withdraw(&block, second(120));
    let mut moved = route("10.244.0.64/26", "192.168.1.1");
    book.announce(&moved, second(50));
    moved.communities = vec!["65102:1".into()];
    moved.med = Some(5);
    book.announce(&moved, second(120));
    let mut judged = route("10.244.0.128/26", "192.168.1.1");
    book.announce(&judged, second(50));
    (judged.state, judged.reasons) = ("rejected".into(), vec![Reason::TooSpecific, Reason::Limit]);
    book.announce(&judged, second(120));
    book.finding(&finding("f7"), second(125), None);
    book.member("fabric1", "uni/tn-a/out-b/instP-c", "10.244.1.7/32", second(130), None);
    book
}

const TEXT: &str = "\
Routes: 1 new, 1 gone, 1 changed
+  0.0.0.0/0       node\\u{1b}[2J  rack1  192.168.1.2  rejected: default_route, AS path 65102
-  10.244.0.0/26   node1          rack1  192.168.1.1  was accepted as pod_block, AS path 65102
~  10.244.0.64/26  node1          rack1  192.168.1.1  communities none -> 65102:1; MED none -> 5

Verdicts: 1 changed
~  10.244.0.128/26  node1  rack1  192.168.1.1  accepted as pod_block -> rejected: too_specific,limit

Findings: 1 new
+  critical  rogue_route  f7  0.0.0.0/0 from node1 is rejected: traffic would go there

Members: 1 new
+  10.244.1.7/32  fabric1  uni/tn-a/out-b/instP-c

3 routes, 1 verdict, 1 finding and 1 member differ between 1970-01-01T00:01:40.000Z and 1970-01-01T00:03:20.000Z
";

#[test]
fn prints_what_an_operator_wants_to_see() {
    let book = book();
    let (runtime, file) = (Runtime::new().unwrap(), book.path.to_str().unwrap().to_owned());
    let server = runtime.block_on(Server::start_on(Journal::new(book.path.clone())));
    let times = ["1970-01-01T00:01:40Z", "1970-01-01T00:03:20Z"];
    let of_file = run(&["compare", times[0], times[1], "--journal", &file]);
    assert_eq!(of_file, (1, TEXT.to_owned()));
    assert_eq!(ask(&server.url, &["compare", times[0], times[1]]), of_file);

    let (code, text) = run(&["compare", times[0], times[1], "--journal", &file, "-o", "json"]);
    let whole: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((code, whole["items"].as_array().unwrap().len()), (1, 6));
    assert_eq!(whole["counts"]["routes"]["gone"], 1);
    assert_eq!(
        whole["gaps"][0]["text"],
        "thirdleaf did not run from 1970-01-01T00:02:30.000Z to 1970-01-01T00:02:40.000Z"
    );
    let (code, text) = ask(&server.url, &["compare", times[0], times[1], "-o", "jsonl"]);
    assert_eq!((code, text.lines().count()), (1, 6));
    assert!(
        text.lines().all(|line| serde_json::from_str::<Value>(line).unwrap()["change"].is_string()),
        "{text}"
    );

    let (code, text) = run(&["compare", times[0], times[0], "--journal", &file]);
    assert_eq!(
        (code, text.as_str()),
        (0, "nothing differs between 1970-01-01T00:01:40.000Z and 1970-01-01T00:01:40.000Z\n")
    );
    let (code, text) =
        run(&["compare", times[0], times[1], "--prefix", "10.244.0.65", "--journal", &file, "--no-headers"]);
    assert_eq!(code, 1);
    assert!(text.starts_with("+  0.0.0.0/0 ") && text.contains("\n~  10.244.0.64/26 "), "{text}");
    assert!(text.contains("\n2 routes and 1 finding differ between "), "{text}");
    let (code, text) = run(&["compare", times[1], times[0], "--journal", &file]);
    assert!(code == 2 && text.contains(" is later than "), "{text}");
    let (code, text) = run(&["compare", "1h", "--journal", "/nonexistent/journal.db"]);
    assert_eq!((code, text.as_str()), (2, "there is no journal at /nonexistent/journal.db"));
    drop((server, runtime));
}

#[test]
fn routes_of_a_time_are_shown_as_they_were() {
    let book = book();
    let (runtime, file) = (Runtime::new().unwrap(), book.path.to_str().unwrap().to_owned());
    let server = runtime.block_on(Server::start_on(Journal::new(book.path.clone())));
    let at = "1970-01-01T00:01:50Z";
    let expected = "\
PREFIX           CLASS      NODE   LEAF   PEER         AS-PATH       AGE  STATE     REASON
10.244.0.0/26    pod_block  node1  rack1  192.168.1.1  65102    00:01:00  accepted  -
10.244.0.64/26   pod_block  node1  rack1  192.168.1.1  65102    00:01:00  accepted  -
10.244.0.128/26  pod_block  node1  rack1  192.168.1.1  65102    00:01:00  accepted  -
";
    assert_eq!(run(&["routes", "--at", at, "--journal", &file]), (0, expected.to_owned()));
    assert_eq!(ask(&server.url, &["routes", "--at", at]), (0, expected.to_owned()));
    let lines = expected.lines().take(2).fold(String::new(), |text, line| text + line + "\n");
    let first = lines
        .replace("10.244.0.0/26    pod", "10.244.0.0/26  pod")
        .replace("PREFIX           CLASS", "PREFIX         CLASS");
    assert_eq!(ask(&server.url, &["routes", "10.244.0.9", "--at", at]), (0, first.clone()));
    assert_eq!(ask(&server.url, &["routes", "--limit", "1", "--at", at]), (0, first));
    let (code, text) = run(&["routes", "--rejected", "--at", at, "--journal", &file, "-o", "json"]);
    assert_eq!((code, text.as_str()), (1, "[]\n"));
    let (code, text) = ask(&server.url, &["routes", "10.244.0.64/26", "--history"]);
    assert_eq!(code, 0);
    let lines: Vec<Vec<_>> = text.lines().map(|line| line.split_whitespace().take(3).collect()).collect();
    assert_eq!(
        lines[1..],
        [
            ["1970-01-01T00:00:50.000Z", "1970-01-01T00:02:00.000Z", "10.244.0.64/26"],
            ["1970-01-01T00:02:00.000Z", "-", "10.244.0.64/26"],
        ]
    );
    let (code, text) = run(&["routes", "--journal", &file]);
    assert!(code == 2 && text.contains("--at"), "{text}");
    drop((server, runtime));
}
