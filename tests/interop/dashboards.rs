//! The queries of the dashboards, read by Prometheus itself.

#[path = "../it/dashboards/files.rs"]
mod files;

use std::fmt::Write as _;
use std::process::Command;

use crate::daemons::unpacked;
use files::{dashboards, holding};

#[test]
fn promtool_reads_every_query_of_the_dashboards() {
    let mut rules = String::from("groups:\n- name: dashboards\n  rules:\n");
    let mut count = 0;
    for (_, dashboard) in dashboards() {
        for query in holding(&dashboard, "expr") {
            count += 1;
            // What Grafana puts in place of its durations; other variables stand in texts.
            let text =
                query["expr"].as_str().unwrap().replace("$__rate_interval", "5m").replace("$__range", "1h");
            // A text of JSON is one of YAML.
            let text = serde_json::Value::from(text);
            writeln!(rules, "  - record: query{count}\n    expr: {text}").unwrap();
        }
    }
    assert!(count > 100, "{count}");
    let file = std::env::temp_dir().join(format!("thirdleaf-dashboards-{}.yml", std::process::id()));
    std::fs::write(&file, rules).unwrap();
    let mut promtool = Command::new(unpacked("prometheus", "usr/bin/promtool"));
    let done = promtool.args(["check", "rules"]).arg(&file).output().unwrap();
    std::fs::remove_file(&file).unwrap();
    let [out, err] = [&done.stdout, &done.stderr].map(|octets| String::from_utf8_lossy(octets));
    assert!(done.status.success() && out.contains(&format!("{count} rules found")), "{out}{err}");
}
