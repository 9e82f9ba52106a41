//! A bad day: everything between us and the APIC fails in turn. In each case the end is right, the operator is told, and
//! no BGP session notices.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use thirdleaf::lab::apic::{Dose, Refusal, Refuse, Trouble};

use super::*;
use crate::peer::{Heard, Peer};
use crate::wire::{KEEPALIVE, Open, four_octet_as, multiprotocol};

/// Hosts of the sessions that listen.
const LISTENERS: std::ops::Range<u8> = 100..116;
/// What listeners hear before anything fails.
const HEALTHY: Duration = Duration::from_secs(12);

/// Sessions that measure the time between two KEEPALIVEs of ours.
struct Pulse {
    gaps: Arc<Mutex<Vec<Duration>>>,
    over: Arc<AtomicBool>,
    listeners: Vec<JoinHandle<()>>,
}

impl Pulse {
    fn start(place: &Place) -> Self {
        let (gaps, over) = (Arc::<Mutex<Vec<Duration>>>::default(), Arc::<AtomicBool>::default());
        let listener = |host| {
            let address = place.host(host);
            let open = Open::new(65150, address, &[multiprotocol(1, 1), four_octet_as(65150)]);
            let mut peer = Peer::establish(address, place.host(4), &open);
            let (gaps, over) = (Arc::clone(&gaps), Arc::clone(&over));
            std::thread::spawn(move || {
                let mut last = None;
                while !over.load(Ordering::Relaxed) {
                    match peer.hear(Duration::from_millis(200)) {
                        Heard::Message(KEEPALIVE, _) => {
                            let now = Instant::now();
                            if let Some(last) = last.replace(now) {
                                gaps.lock().unwrap().push(now - last);
                            }
                        }
                        Heard::Message(..) | Heard::Nothing => {}
                        end => panic!("a session ended: {end:?}"),
                    }
                }
            })
        };
        Self { listeners: LISTENERS.map(listener).collect(), gaps, over }
    }

    /// How many there were since this was last asked, and the 99th percentile of the time between them.
    fn take(&self) -> (usize, Duration) {
        let mut gaps = std::mem::take(&mut *self.gaps.lock().unwrap());
        gaps.sort_unstable();
        let p99 = gaps.get((gaps.len() * 99).div_ceil(100).saturating_sub(1));
        (gaps.len(), p99.copied().unwrap_or_default())
    }

    /// Panics if any session has ended.
    fn end(self) {
        self.over.store(true, Ordering::Relaxed);
        for listener in self.listeners {
            listener.join().expect("every session is up all the time");
        }
    }
}

/// The day, and what it showed.
struct Day {
    site: Site,
    daemon: Daemon,
    node: Node,
    pulse: Pulse,
    /// The last service.
    last: u8,
    healthy: Duration,
    worst: Duration,
}

impl Day {
    async fn dawns() -> Self {
        let site = Site::new(3).await;
        let daemon = site.start();
        let node = site.node(1).await;
        let pulse = Pulse::start(&site.place);
        let mut day =
            Self { site, daemon, node, pulse, last: 0, healthy: Duration::ZERO, worst: Duration::ZERO };
        let service = day.announces().await;
        day.site.becomes(&service, true);
        day.pulse.take();
        tokio::time::sleep(HEALTHY).await;
        let (count, healthy) = day.pulse.take();
        println!("healthy: {count} gaps between KEEPALIVEs, p99 {healthy:?}");
        day.healthy = healthy;
        day
    }

    /// Another service.
    async fn announces(&mut self) -> String {
        self.last += 1;
        let service = IpAddr::from([10, 96, 7, self.last]);
        self.node.serve(service).await;
        format!("{service}/32")
    }

    /// One of the fault's own begins: what was before counts no more.
    fn begins(&self) {
        self.pulse.take();
        self.daemon.warnings();
    }

    /// The end of a case.
    fn over(&mut self, what: &str) {
        let (count, p99) = self.pulse.take();
        let share = p99.as_secs_f64() / self.healthy.as_secs_f64();
        println!("{what}: {count} gaps between KEEPALIVEs, p99 {p99:?}, {share:.2} of the healthy one");
        self.worst = self.worst.max(p99);
    }

    /// The value of a series; 0 if there is none.
    fn metric(&self, series: &str) -> f64 {
        let text = self.daemon.text("/metrics");
        let line = text.lines().find_map(|line| line.strip_prefix(series)?.trim().parse().ok());
        line.unwrap_or_default()
    }

    /// Waits until a finding says so, and a line of the log.
    fn is_told(&self, kind: &str, word: &str) {
        let found = within(60, &format!("{kind} is found"), || findings(&self.daemon, kind).pop());
        assert!(found.to_string().contains(word), "{found}");
        let mut lines = Vec::new();
        within(60, &format!("a line says {word}"), || {
            lines.extend(self.daemon.warnings());
            lines.iter().any(|line: &String| line.contains(word)).then_some(())
        });
    }

    /// Waits until nothing of a kind is wrong any more.
    fn is_well(&self, kind: &str) {
        within(120, &format!("{kind} is over"), || findings(&self.daemon, kind).is_empty().then_some(()));
    }

    async fn a_storm(&mut self, status: u16, series: &str) {
        self.begins();
        self.site.apic.trouble(Dose::of(Trouble::Status(status)));
        let (began, before) = (Instant::now(), self.metric(series));
        let service = self.announces().await;
        self.is_told("apic_down", &status.to_string());
        tokio::time::sleep(storm().saturating_sub(began.elapsed())).await;
        assert!(self.metric(series) > before, "{series}");
        assert!(self.metric("thirdleaf_apic_up{apic=\"fabric1\"}") < 1.0);
        assert!(!self.site.has(&service));
        self.site.apic.calm();
        within(180, "the member is there", || self.site.has(&service).then_some(()));
        self.is_well("apic_down");
        self.over(&format!("{status} with a page of HTML for {:?}", began.elapsed()));
    }

    /// One of three controllers, the one that we speak to.
    async fn loses_a_controller(&mut self) {
        self.begins();
        let broken = "thirdleaf_apic_requests_total{apic=\"fabric1\",code=\"error\"";
        self.site.apic.kill(1).await;
        let service = self.announces().await;
        within(120, "another controller takes it", || self.site.has(&service).then_some(()));
        let errors = self
            .daemon
            .text("/metrics")
            .lines()
            .filter(|line| line.starts_with(broken))
            .map(str::to_owned)
            .collect::<Vec<_>>();
        assert!(errors.iter().any(|line| !line.ends_with(" 0")), "{errors:?}");
        self.is_well("apic_down");
        self.over("a controller of three killed");
        self.site.apic.restart(1).await.unwrap();
    }

    /// All tokens end before their time.
    async fn loses_its_tokens(&mut self) {
        self.begins();
        let logins = "thirdleaf_apic_requests_total{apic=\"fabric1\",code=\"2xx\",operation=\"login\"}";
        let before = self.metric(logins);
        self.site.apic.drop_tokens();
        let service = self.announces().await;
        self.site.becomes(&service, true);
        assert!(self.metric(logins) > before);
        self.over("tokens expired");
    }

    /// Another certificate than the one that we were told of.
    async fn sees_another_certificate(&mut self) {
        self.begins();
        let right =
            std::mem::replace(&mut self.site.trust, format!("pin_sha256 = [\"{}\"]", "ab".repeat(32)));
        self.site.config();
        self.daemon.signal("HUP");
        let service = self.announces().await;
        self.is_told("aci_config", "certificate");
        assert!(self.metric("thirdleaf_apic_up{apic=\"fabric1\"}") < 1.0);
        assert!(!self.site.has(&service));
        self.site.trust = right;
        self.site.config();
        self.daemon.signal("HUP");
        self.site.becomes(&service, true);
        self.is_well("aci_config");
        self.over("a wrong certificate");
    }

    /// Slow as an APIC that is being upgraded.
    async fn waits(&mut self) {
        self.begins();
        let slow = "thirdleaf_apic_request_duration_seconds_sum{apic=\"fabric1\",operation=\"write\"}";
        let before = self.metric(slow);
        self.site.apic.set_latency(Duration::from_secs(5));
        let service = self.announces().await;
        within(120, "the member is there", || self.site.has(&service).then_some(()));
        within(60, "the metric says how slow it is", || (self.metric(slow) >= before + 5.0).then_some(()));
        self.site.apic.set_latency(Duration::ZERO);
        self.over("5 s of latency");
    }

    /// Every second one of a batch is refused.
    async fn is_refused_half(&mut self) {
        self.begins();
        let refusal = Refusal { status: 400, code: 801, text: "property ip failed validation".to_owned() };
        for even in (2..=40).step_by(2) {
            self.site.apic.refuse(Refuse {
                dn: format!("[10.96.8.{even}/32]"),
                refusal: refusal.clone(),
                times: None,
            });
        }
        for host in 1..=40 {
            self.node.serve(IpAddr::from([10, 96, 8, host])).await;
        }
        for host in (1..=40).step_by(2) {
            self.site.becomes(&format!("10.96.8.{host}/32"), true);
        }
        self.is_told("eepg_write_failing", "failed validation");
        let failed = "thirdleaf_eepg_changes_total{apic=\"fabric1\",eepg=\"k8s/calico/web\",operation=\"create\",result=\"error\"}";
        assert!(self.metric(failed) >= 20.0, "{}", self.metric(failed));
        assert!(!self.site.has("10.96.8.2/32"));
        self.site.apic.refuse_nothing();
        self.over("half of a batch refused");
    }

    /// Somebody puts an older backup back: what came since is gone, what went since is there again.
    async fn is_set_back(&mut self) {
        self.begins();
        let going = self.announces().await;
        self.site.becomes(&going, true);
        let older = self.site.apic.backup();
        let coming = self.announces().await;
        self.site.becomes(&coming, true);
        self.node.withdraw([going.parse().unwrap()]).await;
        self.site.becomes(&going, false);
        self.site.apic.restore(older);
        assert!(self.site.has(&going) && !self.site.has(&coming));
        self.site.becomes(&coming, true);
        self.site.becomes(&going, false);
        self.over("an older backup restored");
    }
}

fn storm() -> Duration {
    let seconds =
        std::env::var("THIRDLEAF_STORM").map_or(5, |text| text.parse().expect("a number of seconds"));
    Duration::from_secs(seconds)
}

/// `THIRDLEAF_STORM` says how many seconds storms last, 5 if it does not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_fails_the_end_is_right_it_is_told_and_no_session_notices() {
    let _quiet = crate::run::quiet();
    let mut day = Day::dawns().await;

    day.loses_a_controller().await;
    day.a_storm(503, "thirdleaf_apic_requests_total{apic=\"fabric1\",code=\"5xx\",operation=\"read\"}").await;
    day.a_storm(405, "thirdleaf_apic_requests_total{apic=\"fabric1\",code=\"4xx\",operation=\"read\"}").await;

    day.loses_its_tokens().await;
    day.sees_another_certificate().await;
    day.waits().await;
    day.is_refused_half().await;
    day.is_set_back().await;
    // What was refused is tried again after a minute.
    for host in 1..=40 {
        let prefix = format!("10.96.8.{host}/32");
        within(300, &prefix, || day.site.has(&prefix).then_some(()));
    }
    day.is_well("eepg_write_failing");

    // All that should be there is, nothing else, and nobody was lost on the way.
    let members = day.site.apic.tree(|tree, _| {
        tree.of_class("l3extSubnet").filter(|dn| dn.starts_with(WEB)).map(str::to_owned).collect::<Vec<_>>()
    });
    assert_eq!(members.len(), usize::from(day.last) - 1 + 40, "{members:?}");
    assert_eq!(day.site.value(WEB, "descr").unwrap(), "made by hand");
    assert_eq!(day.node.status()[0].sessions, 1, "one session all the time");
    let share = day.worst.as_secs_f64() / day.healthy.as_secs_f64();
    println!("worst p99 {:?}, {share:.2} of the healthy one", day.worst);
    // The goal is 1.2 on a machine of its own; here others keep it busy, too.
    assert!(day.worst < Duration::from_secs(3), "the hold time");
    assert!(share < 2.0, "{share:.2}");
    day.pulse.end();
}
