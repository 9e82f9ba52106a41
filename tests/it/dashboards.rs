//! What is shipped for Grafana and Prometheus asks for what there is: every metric, label and value that a query, a
//! variable, a legend or a rule names is in scrapes of the program, in which every family has series.

mod files;
mod known;
mod promql;
mod rules;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::process::{Child, Stdio};
use std::time::Duration;

use serde_json::Value as Json;
use thirdleaf::lab::node::Route;
use thirdleaf::observer::findings::Kind;
use thirdleaf::policy::{Class, Reason};

use crate::daemon::node;
use crate::peer::Peer;
use crate::run::{Daemon, Place, command, in_time, quiet};
use files::{dashboards, files, holding};
use known::Known;
use promql::Value;
use rules::{Rule, rules};

/// One scrape with every family, as it should be written.
const EXPECTED: &str = include_str!("../../src/metrics/expected.txt");

/// What panels may be made of: nothing that needs Angular or is deprecated.
const PANELS: [&str; 5] = ["row", "stat", "state-timeline", "table", "timeseries"];

/// What a table may show beside labels.
const FIELDS: [&str; 3] = ["Time", "Value", "__name__"];

#[test]
fn every_query_is_about_what_there_is() {
    let _quiet = quiet();
    let mut known = Known::new();
    scrape_demo(&mut known);
    scrape_the_rest(&mut known);
    let families = EXPECTED.lines().filter_map(|line| line.strip_prefix("# TYPE ")).map(|line| {
        let (name, kind) = line.split_once(' ').unwrap();
        if kind == "histogram" { format!("{name}_bucket") } else { name.to_owned() }
    });
    let absent: Vec<_> = families.filter(|name| !known.has(name)).collect();
    assert!(
        absent.is_empty(),
        "no series of {absent:?}: let one come here, or nothing about it can be checked"
    );
    let reasons = || Reason::ALL.iter().map(|reason| reason.name().to_owned());
    known.values("thirdleaf_findings", "kind", Kind::ALL.iter().map(|kind| kind.name().to_owned()));
    known.values("thirdleaf_findings", "state", ["muted", "open", "pending"].map(str::to_owned).into_iter());
    known.values("thirdleaf_bgp_rejected_routes", "reason", reasons());
    known.values("thirdleaf_rogue_route_info", "reason", reasons());
    known.values("thirdleaf_bgp_routes", "class", Class::ALL.iter().map(|class| class.name().to_owned()));
    let missing = ["service_cidr", "node_subnet"].map(str::to_owned);
    known.values("thirdleaf_rib_missing_expected", "kind", missing.into_iter());

    let mut wrong = Vec::new();
    check_rules(&mut known, &mut wrong);
    let mut queries = 0;
    for (path, dashboard) in dashboards() {
        let name = path.file_name().unwrap().to_string_lossy();
        known.variables = names_of_variables(&dashboard);
        for query in holding(&dashboard, "expr") {
            queries += 1;
            check_query(query, &known).unwrap_or_else(|error| wrong.push(format!("{name}: {error}")));
        }
        for variable in holding(&dashboard, "definition") {
            check_variable(variable, &known).unwrap_or_else(|error| wrong.push(format!("{name}: {error}")));
        }
        for panel in dashboard["panels"].as_array().unwrap() {
            check_columns(panel, &known).unwrap_or_else(|error| wrong.push(format!("{name}: {error}")));
        }
    }
    assert!(queries > 100, "{queries}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The whole story of the demo, looked at all the time.
fn scrape_demo(known: &mut Known) {
    let mut demo = Ended(command(&["demo", "--once"]).stdout(Stdio::piped()).spawn().unwrap());
    let mut lines = BufReader::new(demo.0.stdout.take().unwrap()).lines().map(Result::unwrap);
    let authority =
        lines.find_map(|line| Some(line.trim().strip_prefix("http://")?.strip_suffix('/')?.to_owned()));
    let authority = authority.unwrap();
    // What it says must be read, or it would stand still.
    let story = std::thread::spawn(move || lines.collect::<Vec<_>>().join("\n"));
    while demo.0.try_wait().unwrap().is_none() {
        if let Ok(text) = scrape(&authority) {
            known.scrape(&text);
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    let code = demo.0.wait().unwrap().code();
    assert_eq!(code, Some(0), "{}", story.join().unwrap());
}

struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What is served there, if that is a scrape.
fn scrape(authority: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(authority)?;
    write!(stream, "GET /metrics HTTP/1.0\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
    if head.contains(" 200 ") { Ok(body.to_owned()) } else { Err(std::io::Error::other(head.to_owned())) }
}

/// What does not come to pass in the demo.
fn scrape_the_rest(known: &mut Known) {
    let place = Place::new();
    let token = place.write("token", "open-sesame");
    let head = format!(
        "[global]\nstate_dir = \"state\"\n[policy]\ntransit = \"note\"\n[http]\ntoken_file = \"{}\"",
        token.display()
    );
    let config = place.config().replace("[http]", &head)
        + &place.range_of_cases("limits = { rejected_kept = 2 }")
        + "[journal]\nmrt = { dir = \"mrt\", table_every = \"1m\" }\n[[alerts.webhooks]]\nname = \"nobody\"\nurl = \"http://127.0.0.1:9/\"\n";
    let daemon = Daemon::start_with(&place, &place.write("thirdleaf.toml", &config), &["--record"]);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let nodes = runtime.block_on(async {
        let (leaking, between) = (node(&place, 1), node(&place, 2));
        let rogues = (0..5).map(|at| Route::fixed(format!("192.0.2.{at}/32").parse().unwrap()));
        leaking.announce(rogues).await;
        let transit = (100..210).map(|at| {
            // The leaf's AS stands in the path: the node had it from the fabric.
            Route::learned(format!("10.244.{at}.0/26").parse().unwrap(), &[65101, 65101])
        });
        between.announce(transit).await;
        [leaking, between]
    });
    drop(Peer::try_connect(Ipv4Addr::LOCALHOST, place.host(4)));
    let body = r#"{"scope": {"rack": "rack1"}, "for": "1h", "reason": "new disks"}"#;
    assert_eq!(daemon.post("/api/v1/maintenance", "open-sesame", body), 200);
    for family in [
        "alert_notifications_total",
        "alert_receiver_up",
        "mrt_last_table_timestamp_seconds",
        "mrt_messages_written_total",
        "bgp_connections_rejected_total",
        "bgp_noted_routes",
        "bgp_noted_routes_not_kept",
        "bgp_rejected_routes_not_kept",
        "maintenance_until_timestamp_seconds",
        "trace_lost_total",
    ] {
        // A table is written once a minute.
        in_time(100, family, || {
            known.scrape(&scrape(place.server().strip_prefix("http://").unwrap()).unwrap());
            known.has(&format!("thirdleaf_{family}")).then_some(())
        });
    }
    drop(nodes);
}

fn check_rules(known: &mut Known, wrong: &mut Vec<String>) {
    let files: Vec<_> = files("deploy/prometheus", &["yml", "yaml"])
        .into_iter()
        .filter(|(_, text)| text.lines().any(|line| line.trim_end() == "groups:"))
        .map(|(path, text)| (path, rules(&text)))
        .collect();
    for (_, rules) in &files {
        known.record(rules.clone());
    }
    for (path, rule) in files.iter().flat_map(|(path, rules)| rules.iter().map(move |rule| (path, rule))) {
        if let Err(error) = check_rule(rule, known) {
            let name = rule.alert.as_ref().or(rule.record.as_ref());
            wrong.push(format!("{}: {name:?}: {error}", path.display()));
        }
    }
}

fn check_rule(rule: &Rule, known: &Known) -> Result<(), String> {
    let Value::Vector(labels) = promql::check(&rule.expr, known)? else {
        return Err("a number is no alert".to_owned());
    };
    for named in rule.annotations.split("abels.").skip(1) {
        let end =
            named.find(|letter: char| !letter.is_alphanumeric() && letter != '_').unwrap_or(named.len());
        let label = &named[..end];
        if !labels.contains(label) && !rule.labels.iter().any(|own| own == label) {
            return Err(format!("it is told of a label {label}, and there is none among {labels:?}"));
        }
    }
    Ok(())
}

/// A query, and the labels that its legend names.
fn check_query(query: &Json, known: &Known) -> Result<(), String> {
    let text = query["expr"].as_str().unwrap();
    let labels = match promql::check(text, known).map_err(|error| format!("{text}: {error}"))? {
        Value::Vector(labels) => labels,
        Value::Scalar | Value::Itself => BTreeSet::new(),
    };
    for key in ["legendFormat", "textFormat"] {
        for part in query[key].as_str().unwrap_or_default().split("{{").skip(1) {
            let label = part.split_once("}}").map_or(part, |(label, _)| label).trim();
            if !labels.contains(label) {
                return Err(format!("{text}: the legend names {label}, and there is none among {labels:?}"));
            }
        }
    }
    Ok(())
}

/// A variable whose values are those of a label.
fn check_variable(variable: &Json, known: &Known) -> Result<(), String> {
    let text = variable["definition"].as_str().unwrap();
    assert_eq!(variable["query"]["query"], text, "Grafana asks the one and shows the other");
    let inner = text.strip_prefix("label_values(").and_then(|rest| rest.strip_suffix(')'));
    let (selector, label) =
        inner.and_then(|inner| inner.rsplit_once(", ")).ok_or(format!("what is {text}?"))?;
    match promql::check(selector, known).map_err(|error| format!("{text}: {error}"))? {
        Value::Vector(labels) if labels.contains(label) => Ok(()),
        other => Err(format!("{text}: there is no {label} among {other:?}")),
    }
}

/// The columns of a table that are renamed, put in order or hidden.
fn check_columns(panel: &Json, known: &Known) -> Result<(), String> {
    let mut fields: BTreeSet<String> = FIELDS.map(str::to_owned).into();
    for query in panel["targets"].as_array().into_iter().flatten() {
        fields.insert(format!("Value #{}", query["refId"].as_str().unwrap()));
        if let Ok(Value::Vector(labels)) = promql::check(query["expr"].as_str().unwrap(), known) {
            fields.extend(labels);
        }
    }
    for key in ["excludeByName", "indexByName", "renameByName"] {
        for holder in holding(panel, key) {
            if let Some(field) = holder[key].as_object().unwrap().keys().find(|key| !fields.contains(*key)) {
                return Err(format!("{}: there is no column {field} among {fields:?}", panel["title"]));
            }
        }
    }
    Ok(())
}

fn names_of_variables(dashboard: &Json) -> BTreeSet<String> {
    let list = dashboard["templating"]["list"].as_array().unwrap();
    list.iter().map(|variable| variable["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn dashboards_hang_together() {
    let all = dashboards();
    let boards: BTreeMap<&str, &Json> =
        all.iter().map(|(_, board)| (board["uid"].as_str().unwrap(), board)).collect();
    assert_eq!(
        boards.keys().copied().collect::<Vec<_>>(),
        ["thirdleaf-eepg", "thirdleaf-fleet", "thirdleaf-node", "thirdleaf-rack"]
    );
    for (uid, board) in &boards {
        let panels = board["panels"].as_array().unwrap();
        let ids: BTreeSet<_> = panels.iter().map(|panel| panel["id"].as_u64().unwrap()).collect();
        assert_eq!(ids.len(), panels.len(), "{uid}: identities");
        let mut taken = BTreeSet::new();
        for panel in panels {
            let (title, sort) = (&panel["title"], panel["type"].as_str().unwrap());
            assert!(PANELS.contains(&sort), "{uid}: {title} is a {sort}");
            let [x, y, w, h] = ["x", "y", "w", "h"].map(|key| panel["gridPos"][key].as_u64().unwrap());
            assert!(w > 0 && x + w <= 24, "{uid}: {title} is too wide");
            for place in (x..x + w).flat_map(|x| (y..y + h).map(move |y| (x, y))) {
                assert!(taken.insert(place), "{uid}: {title} lies on another");
            }
            let is_told = panel["description"].as_str().is_some_and(|text| !text.is_empty());
            assert!(sort == "row" || is_told, "{uid}: {title} does not say what it shows");
            assert!(sort == "row" || panel["datasource"]["uid"] == "${datasource}", "{uid}: {title}");
        }
        assert!(
            board["tags"].as_array().unwrap().contains(&"thirdleaf".into()),
            "the others are found by it"
        );
        let variables = names_of_variables(board);
        assert!(variables.contains("datasource") && variables.contains("instance"), "{uid}");
        for url in holding(board, "url").into_iter().filter_map(|link| link["url"].as_str()) {
            check_link(url, &variables, &boards);
        }
    }
}

/// A link leads to a dashboard that there is, and sets variables that it has.
fn check_link(url: &str, own: &BTreeSet<String>, boards: &BTreeMap<&str, &Json>) {
    let Some((uid, query)) = url.strip_prefix("/d/").and_then(|rest| rest.split_once('?')) else {
        return assert_eq!(url, "", "a link out of here");
    };
    let there = names_of_variables(boards.get(uid).unwrap_or_else(|| panic!("{url} leads nowhere")));
    for part in query.split('&') {
        if let Some((name, _)) = part.strip_prefix("var-").and_then(|part| part.split_once('=')) {
            assert!(there.contains(name), "{url}: {name}");
        } else if let Some(name) = part.strip_prefix("${").and_then(|part| part.strip_suffix(":queryparam}"))
        {
            assert!(there.contains(name) && own.contains(name), "{url}: {name}");
        } else {
            assert_eq!(part, "${__url_time_range}", "{url}");
        }
    }
}

#[test]
fn what_is_mistyped_is_found() {
    let mut known = Known::new();
    known.scrape(
        "# HELP a b\na_total{leaf=\"l1\",kind=\"x\"} 1\na_total{leaf=\"l2, \\\"q\\\"\",kind=\"y\"} 1\n\
         b{leaf=\"l1\",peer=\"p\"} 1\ninfo{leaf=\"l1\",peer=\"p\",node=\"n\"} 1\nh_bucket{le=\"1\"} 2\nplain 3\n",
    );
    known.variables = BTreeSet::from(["leaf".to_owned()]);
    let rules = rules(
        "groups:\n- name: x\n  rules:\n  - record: leaf:a:sum\n    expr: |\n      sum by (leaf)\n        (a_total)\n      or leaf:a:sum and on (leaf) b\n\
         \x20   labels:\n      extra: 1\n  - alert: A\n    expr: 'b{leaf=\"l1\"} > 1'\n    annotations:\n      summary: x\n",
    );
    assert_eq!((rules.len(), rules[0].labels.as_slice()), (2, ["extra".to_owned()].as_slice()));
    assert_eq!(rules[1].expr, "b{leaf=\"l1\"} > 1");
    known.record(rules);
    for (right, labels) in [
        ("sum by (leaf) (rate(a_total{kind=\"x\", leaf=~\"$leaf\"}[$__rate_interval])) > 0", "leaf"),
        ("sum(a_total) by (kind) or 0 * max(plain) # why", "kind"),
        ("b * on (leaf, peer) group_left (node) info", "instance job leaf node peer"),
        ("1 - b == bool 0 and on (leaf) a_total{kind=~\"x|y\"} offset 5m", "instance job leaf peer"),
        ("histogram_quantile(0.9, sum by (le, job) (rate(h_bucket[5m:1m])))", "job"),
        ("topk(3, -leaf:a:sum{extra=\"\"} / ignoring (extra) leaf:a:sum)", "leaf"),
        ("time() - (plain > 0)", "instance job"),
        ("sum without (leaf) (a_total)", "instance job kind"),
        ("label_replace(b, \"x\", \"$1\", \"leaf\", \"(.*)\")", "instance job leaf peer x"),
        ("up{job=\"anything\"} == 0", "instance job"),
    ] {
        let expected = labels.split(' ').map(str::to_owned).collect();
        assert_eq!(promql::check(right, &known), Ok(Value::Vector(expected)), "{right}");
    }
    for wrong in [
        "a_totl",
        "sum by (laef) (a_total)",
        "sum without (laef) (a_total)",
        "a_total{laef=\"l1\"}",
        "a_total{kind=\"z\"}",
        "a_total{kind!~\"x|z\"}",
        "a_total{leaf=~\"$laef\"}",
        "leaf:a:sum{leaf=\"l3\"}",
        "leaf:a:sum{kind=\"x\"}",
        "b * on (leaf, peer) group_left (rack) info",
        "b * on (leaf, peer, node) info",
        "sum by (leaf) (b) / sum by (peer) (b)",
        "histogram_quantile(0.9, b)",
        "label_replace(b, \"x\", \"$1\", \"laef\", \"(.*)\")",
        "sum by (leaf) (b",
        "b}",
    ] {
        assert!(promql::check(wrong, &known).is_err(), "{wrong}");
    }
    let query = |legend: &str| serde_json::json!({"expr": "sum by (leaf) (b)", "legendFormat": legend});
    assert!(check_query(&query("of {{leaf}}"), &known).is_ok());
    assert!(check_query(&query("of {{peer}}"), &known).is_err());
}
