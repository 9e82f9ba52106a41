//! Who is told, and of what: by real Prometheus and real Alertmanager.

use std::time::Duration;

use serde_json::json;

use crate::monitoring::{Alertmanager, Prometheus, Receiver, amtool, promtool, said};
use crate::net::{Fabric, eventually};
use crate::thirdleaf::Thirdleaf;

/// The harness itself: what is scraped, and what becomes of an alert.
#[test]
fn prometheus_scrapes_and_alertmanager_tells() {
    let fabric = Fabric::new();
    let thirdleaf = Thirdleaf::start(&fabric, "");
    let receiver = Receiver::start(&fabric);
    let config = fabric.file("alertmanager.yml");
    std::fs::write(
        &config,
        "route: {receiver: all, group_wait: 0s}\nreceivers: [{name: all, webhook_configs: [{url: http://127.0.0.1:9095/}]}]\n",
    )
    .unwrap();
    let (well, words) = said(&amtool().arg("check-config").arg(&config).output().unwrap());
    assert!(well, "{words}");
    let alertmanager = Alertmanager::start(&fabric, &config);
    alertmanager.post(&json!([{"labels": {"alertname": "Test"}, "annotations": {"summary": "a test"}}]));
    eventually("the receiver is told", Duration::from_secs(20), || {
        receiver.alerts().iter().any(|alert| alert["annotations"]["summary"] == "a test").then_some(())
    });
    assert_eq!(alertmanager.alerts().len(), 1);

    let config = fabric.file("prometheus.yml");
    std::fs::write(
        &config,
        "scrape_configs: [{job_name: thirdleaf, scrape_interval: 1s, static_configs: [{targets: ['127.0.0.1:9179']}]}]\n",
    )
    .unwrap();
    let (well, words) = said(&promtool().args(["check", "config"]).arg(&config).output().unwrap());
    assert!(well, "{words}");
    let prometheus = Prometheus::start(&fabric, &config);
    eventually("thirdleaf is scraped", Duration::from_secs(20), || {
        prometheus.targets().iter().any(|target| target["health"] == "up").then_some(())
    });
    assert_eq!(prometheus.alerts(), Vec::<serde_json::Value>::new());
    thirdleaf.stop();
}
