//! External EPGs follow what real nodes announce, and hold what is there when nodes fall silent.

use std::time::{Duration, Instant};

use thirdleaf::eepg::{ANNOTATION, Mo};

use crate::apic::{Apic, URL};
use crate::daemons::CalicoNode;
use crate::net::{Fabric, eventually};
use crate::thirdleaf::{Thirdleaf, config};

/// Members of the first L3Out.
const WEB: &str = "uni/tn-k8s/out-calico/instP-web";
const GOLD: &str = "uni/tn-k8s/out-calico/instP-gold";
/// And of the second one.
const SILVER: &str = "uni/tn-k8s/out-other/instP-silver";

/// What withdrawals wait for.
const DELETE_AFTER: Duration = Duration::from_secs(4);
/// BIRD comes again after up to 30 s; a loaded machine needs longer for all.
const PATIENCE: Duration = Duration::from_mins(2);

/// What is marked is gold.
const IN_GOLD: &str = r#"name = "gold"
l3out = "calico""#;
/// The same, with another L3Out.
const IN_SILVER: &str = r#"name = "silver"
l3out = "other""#;

fn text(fabric: &Fabric, marked: &str) -> String {
    let file = |name: &str| fabric.file(name).display().to_string();
    let global =
        format!("name = \"dc1\"\nstate_dir = {:?}\n[http]\ntoken_file = {:?}", file("state"), file("token"));
    let tables = format!(
        r#"
    [[apic]]
    name = "fabric1"
    urls = ["{URL}"]
    auth = {{ user = "thirdleaf", password_file = {:?} }}
    ca_file = {:?}
    full_compare_every = "10s"
    [[eepg]]
    {marked}
    tenant = "k8s"
    match = {{ class = "service_host", community = "65102:100" }}
    [[eepg]]
    name = "web"
    tenant = "k8s"
    l3out = "calico"
    match = {{ class = "service_host" }}
    [safety]
    mode = "enforce"
    startup_grace = "2s"
    delete_after = "{}s"
    "#,
        file("password"),
        file("apic.pem"),
        DELETE_AFTER.as_secs()
    );
    config(&global, "", &tables)
}

/// Two L3Outs of one VRF, and what others have there.
fn tree() -> Mo {
    let eepg = |name: &str| Mo::new("l3extInstP").with("name", name);
    let l3out = |name: &str| {
        let vrf = Mo::new("l3extRsEctx").with("tnFvCtxName", "default");
        Mo::new("l3extOut").with("name", name).holding(vrf)
    };
    let foreign = Mo::new("l3extSubnet").with("ip", "10.9.9.0/24").with("descr", "by hand");
    let calico = l3out("calico").holding(eepg("web").with("descr", "by hand")).holding(eepg("gold"));
    let other = l3out("other").holding(eepg("silver")).holding(eepg("theirs").holding(foreign));
    let vrf = Mo::new("fvCtx").with("name", "default");
    Mo::new("polUni")
        .holding(Mo::new("fvTenant").with("name", "k8s").holding(vrf).holding(calico).holding(other))
}

/// A fabric with an APIC.
struct Site {
    fabric: Fabric,
    apic: Apic,
}

impl Site {
    fn new() -> Self {
        let fabric = Fabric::new();
        std::fs::write(fabric.file("token"), "open-sesame").unwrap();
        let apic = Apic::start(&fabric, tree());
        Self { fabric, apic }
    }

    fn start(&self) -> Thirdleaf {
        Thirdleaf::start_from(&self.fabric, &text(&self.fabric, IN_GOLD))
    }

    /// Waits until a member is there, or is not.
    fn becomes(&self, dn: &str, there: bool) {
        let what = format!("{dn} is {}", if there { "there" } else { "gone" });
        eventually(&what, PATIENCE, || (self.apic.has(dn) == there).then_some(()));
    }

    /// What others made is as they made it.
    fn leaves_others_alone(&self) {
        let tree = self.apic.now();
        for (dn, descr) in
            [(WEB, "by hand"), ("uni/tn-k8s/out-other/instP-theirs/extsubnet-[10.9.9.0/24]", "by hand")]
        {
            assert_eq!(tree.value(dn, "descr").as_deref(), Some(descr), "{dn}");
            assert_ne!(tree.value(dn, "annotation").as_deref(), Some(ANNOTATION), "{dn}");
        }
    }
}

fn member(eepg: &str, prefix: &str) -> String {
    format!("{eepg}/extsubnet-[{prefix}]")
}

/// When everything was last compared.
fn compared(thirdleaf: &Thirdleaf) -> f64 {
    let name = "thirdleaf_apic_last_reconcile_timestamp_seconds{apic=\"fabric1\"} ";
    thirdleaf.metrics().lines().find_map(|line| line.strip_prefix(name)?.parse().ok()).unwrap_or_default()
}

/// Waits until everything was compared anew: once all that a withdrawal would have deleted by now is due.
fn looks_again(thirdleaf: &Thirdleaf) {
    std::thread::sleep(DELETE_AFTER + Duration::from_secs(1));
    for _ in 0..2 {
        let before = compared(thirdleaf);
        eventually("everything was compared", PATIENCE, || (compared(thirdleaf) > before).then_some(()));
    }
}

/// `uni/tn-k8s` of an address there.
fn parent(dn: &str) -> &str {
    dn.rsplit_once('/').unwrap().0
}

#[test]
fn a_service_address_is_in_one_eepg_at_a_time_from_its_announcement_to_its_withdrawal() {
    let mut site = Site::new();
    let wire = site.fabric.node(1);
    let thirdleaf = site.start();
    let service = "10.96.10.20/32";
    let mut node = CalicoNode::new(1, &["10.244.1.0/26", "10.96.0.0/12", service]);
    let bird = node.start(&site.fabric, &wire);
    let dn = member(WEB, service);
    site.becomes(&dn, true);
    let tree = site.apic.now();
    assert_eq!(tree.value(&dn, "annotation").unwrap(), ANNOTATION);
    let mark = tree.value(&format!("{dn}/annotationKey-[thirdleaf-owner]"), "value").unwrap();
    assert!(mark.starts_with("1;dc1;"), "{mark}");
    // Blocks and ranges are nobody's members unless a rule says so.
    assert_eq!(tree.of_class("l3extSubnet").count(), 2);

    // The node marks it otherwise.
    let watcher = site.apic.watched(&site.fabric);
    node.export = "  if net = 10.96.10.20/32 then { bgp_community.add((65102,100)); accept; }\n";
    node.reconfigure(&site.fabric, &bird);
    site.becomes(&member(GOLD, service), true);
    // The rules do: the other L3Out.
    thirdleaf.reload(&site.fabric, &text(&site.fabric, IN_SILVER));
    site.becomes(&member(SILVER, service), true);
    let (saw, looks) = watcher.saw(service);
    assert_eq!(saw, ["web", "gold", "silver"]);
    assert_eq!(site.apic.stations(service), ["web", "gold", "silver"]);
    // Each move is one request, at what both EEPGs are below.
    let touches = |mo: &Mo| mo.to_string().contains(service);
    let moves: Vec<_> = site.apic.writes().into_iter().filter(|(_, mo)| touches(mo)).collect();
    let places: Vec<_> = moves.iter().skip(1).map(|(dn, _)| dn.as_str()).collect();
    let calico = parent(WEB);
    assert_eq!(places, [calico, parent(calico)], "{moves:?}");

    // Withdrawn: its session lives, so that is meant.
    node.statics.retain(|prefix| *prefix != service);
    let withdrawn = Instant::now();
    node.reconfigure(&site.fabric, &bird);
    site.becomes(&member(SILVER, service), false);
    let after = withdrawn.elapsed();
    assert!(after >= DELETE_AFTER, "{after:?}");
    println!(
        "two moves, {looks} looks at the APIC meanwhile; deleted {after:?} after BIRD was told to withdraw"
    );
    assert_eq!(site.apic.now().of_class("l3extSubnet").count(), 1);
    site.leaves_others_alone();
    thirdleaf.stop();
}

#[test]
fn nothing_is_deleted_because_nodes_fell_silent_until_they_say_what_they_have() {
    let mut site = Site::new();
    let wires = [site.fabric.node(1), site.fabric.node(2)];
    let thirdleaf = site.start();
    let (first, second, third) = ("10.96.10.20/32", "10.96.10.21/32", "10.96.10.22/32");
    let mut one = CalicoNode::new(1, &["10.244.1.0/26", "10.96.0.0/12", first]);
    let mut two = CalicoNode::new(2, &["10.244.2.0/26", "10.96.0.0/12", second, third]);
    let birds = (one.start(&site.fabric, &wires[0]), two.start(&site.fabric, &wires[1]));
    for prefix in [first, second, third] {
        site.becomes(&member(WEB, prefix), true);
    }

    // One node dies with its link: nobody says a word, the hold timer ends its session and its routes.
    wires[0].ip(&["link", "set", "eth0", "down"]);
    birds.0.process.kill();
    eventually("node 1 is down", PATIENCE, || {
        (thirdleaf.state_of("172.16.1.1") != "Established").then_some(())
    });
    eventually("its routes are gone", PATIENCE, || (thirdleaf.routes().len() == 4).then_some(()));
    // The other one withdraws after that: what is withdrawn goes, what fell silent before it stays.
    two.statics.retain(|prefix| *prefix != third);
    two.reconfigure(&site.fabric, &birds.1);
    site.becomes(&member(WEB, third), false);
    assert!(site.apic.has(&member(WEB, first)));

    // All nodes are dark.
    birds.1.process.kill();
    eventually("node 2 is down", PATIENCE, || {
        (thirdleaf.state_of("172.16.2.1") != "Established").then_some(())
    });
    looks_again(&thirdleaf);
    let stay = |when: &str| {
        for prefix in [first, second] {
            assert!(site.apic.has(&member(WEB, prefix)), "{prefix} {when}");
        }
    };
    stay("with all nodes dark");
    let found = thirdleaf.items(&["findings"]);
    let held = found.iter().find(|found| found["kind"] == "hold_down").unwrap_or_else(|| panic!("{found:?}"));
    assert_eq!(held["state"], "open", "{held}");
    let active = "thirdleaf_hold_down_active{apic=\"fabric1\",reason=\"peer_loss\",scope=\"k8s/calico\"} 1";
    let metrics = thirdleaf.metrics();
    assert!(metrics.lines().any(|line| line == active), "{metrics}");

    // It starts anew and remembers nothing.
    thirdleaf.kill();
    std::fs::remove_dir_all(site.fabric.file("state")).unwrap();
    let thirdleaf = site.start();
    eventually("everything was compared", PATIENCE, || (compared(&thirdleaf) > 0.0).then_some(()));
    looks_again(&thirdleaf);
    stay("after a start without state");

    // One is back, and has it no more: that is as good as withdrawn.
    one.statics.retain(|prefix| *prefix != first);
    wires[0].ip(&["link", "set", "eth0", "up"]);
    let back = Instant::now();
    let _one = one.start(&site.fabric, &wires[0]);
    site.becomes(&member(WEB, first), false);
    assert!(back.elapsed() >= DELETE_AFTER, "{:?}", back.elapsed());
    assert!(site.apic.has(&member(WEB, second)), "its node is dark");
    let _two = two.start(&site.fabric, &wires[1]);
    thirdleaf.wait_established(&["172.16.2.1"]);
    looks_again(&thirdleaf);
    assert!(site.apic.has(&member(WEB, second)));
    site.leaves_others_alone();
    thirdleaf.stop();
}
