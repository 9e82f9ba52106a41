//! What is written is read back; what is read never does harm.

mod tree;

use std::sync::Arc;

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

use self::tree::Apic;
use super::*;
use crate::config::model::{Contracts, Redirect};
use crate::eepg::body::{Op, request, wanted_digest};
use crate::eepg::mark::{ANNOTATION, KEY};
use crate::eepg::mo::Mo;
use crate::eepg::rule::RuleId;
use crate::eepg::samples::{eepg, net, redirect, rules};
use crate::policy::Class;

const WEB: &str = "uni/tn-k8s/out-calico/instP-web";
const FW: &str = "uni/tn-k8s/svcCont/svcRedirectPol-fw";

fn container(dn: &str) -> Arc<Container> {
    Arc::new(Container::of(dn).unwrap())
}

fn l3out(dn: &str) -> L3out {
    L3out::of(dn).unwrap()
}

fn mark(nodes: &[&str]) -> Mark {
    Mark::new("prod".into(), "3f1c".into(), nodes.iter().map(|node| Arc::from(*node)).collect())
}

fn sample() -> Rules {
    let mut web = eepg("web");
    web.create = true;
    web.contracts = Contracts { provide: vec!["https".into()], consume: vec!["dns".into()] };
    let fw = Redirect {
        mac: Some("00:00:5E:00:01:AA".into()),
        health_group: Some("pods".into()),
        ip_sla: Some("ping".into()),
        ..redirect("fw")
    };
    rules(vec![web], vec![fw])
}

/// A tenant with an L3Out in the VRF `prod`, and what redirect policies need.
fn fabric() -> Apic {
    let mut apic = Apic::default();
    apic.l3out("uni/tn-k8s/out-calico", "uni/tn-k8s/ctx-prod");
    apic.put("uni/tn-k8s", Mo::new("fvTenant").with("name", "k8s"));
    let group = "uni/tn-k8s/svcCont/redirectHealthGroup-pods";
    apic.put(group, Mo::new("vnsRedirectHealthGroup").with("name", "pods"));
    apic.put("uni/tn-k8s/ipslaMonitoringPol-ping", Mo::new("fvIPSLAMonitoringPol").with("name", "ping"));
    apic
}

/// Everything that the engine would be told.
fn compared(apic: &Apic, scope: Scope, rules: &Rules) -> Comparison {
    let mut comparison = Comparison::new(scope);
    for _ in 0..4 {
        let readings = comparison.next(rules);
        if readings.is_empty() {
            return comparison;
        }
        for mo in readings.iter().flat_map(|reading| apic.answer(reading)) {
            comparison.take(mo.only(&Comparison::ATTRIBUTES));
        }
    }
    panic!("it never ends: {comparison:?}");
}

fn make(dn: &str, rule: RuleId) -> Op {
    Op::Make { container: container(dn), rule, mark: mark(&[]), is_new: true }
}

fn put(dn: &str, prefix: &str, rule: RuleId, nodes: &[&str]) -> Op {
    Op::Put {
        container: container(dn),
        prefix: net(prefix),
        class: Class::PodHost,
        rule,
        mark: mark(nodes),
        keep: Scopes::default(),
        is_new: true,
    }
}

#[test]
fn what_was_written_is_read_back() {
    let (rules, mut apic) = (sample(), fabric());
    let (web, fw) = (RuleId::Eepg(0), RuleId::Redirect(0));
    let ops = [
        make(WEB, web),
        put(WEB, "10.244.1.1/32", web, &["b", "a"]),
        put(WEB, "fd00:244::1/128", web, &["a"]),
        make(FW, fw),
        put(FW, "10.244.1.1/32", fw, &["a"]),
        put(FW, "fd00:244::1/128", fw, &["a", "c"]),
    ];
    let (dn, mo) = request(&rules, &ops);
    assert_eq!(dn, "uni/tn-k8s");
    apic.post(&mo);
    let policy = container(FW);
    let parts = [Scope::L3out(l3out(WEB)), Scope::Policy(Arc::clone(&policy))];
    let parts: Vec<_> = parts.into_iter().map(|scope| compared(&apic, scope, &rules)).collect();
    let all = compared(&apic, Scope::All, &rules);
    let members = parts.iter().flat_map(|part| &part.found.members);
    assert!(members.eq(&all.found.members));
    assert!(parts.iter().all(|part| part.odd == 0));
    assert_eq!((all.odd, all.found.members.len(), all.found.eepgs), (0, 4, Some(1)));
    for op in &ops {
        let (container, mark) = match op {
            Op::Make { container, mark, .. } => {
                let found = &all.found.containers[container];
                assert!(found.annotated);
                assert_eq!(found.mark.as_ref(), Some(mark));
                continue;
            }
            Op::Put { container, mark, .. } => (container, mark),
            other => panic!("{other:?}"),
        };
        let Op::Put { prefix, rule, .. } = op else { continue };
        let seen =
            all.found.members.iter().find(|seen| seen.container == *container && seen.prefix == *prefix);
        let seen = seen.unwrap();
        assert!(seen.annotated);
        assert_eq!(seen.mark.as_ref(), Some(mark));
        assert_eq!(seen.text, wanted_digest(&rules, Class::PodHost, *rule, mark), "{op:?}");
        let scope = if *rule == web { "import-security" } else { "" };
        assert_eq!(seen.scope.to_string(), scope);
    }
    let web = &all.found.containers[&container(WEB)];
    assert!(web.provides.contains("https") && web.consumes.contains("dns"));
    assert_eq!(all.found.containers[&policy].ip_sla.as_deref(), Some("uni/tn-k8s/ipslaMonitoringPol-ping"));
    let calico = &all.found.l3outs[&l3out(WEB)];
    assert_eq!((calico.present, calico.vrf.as_deref()), (true, Some("uni/tn-k8s/ctx-prod")));
    let present: Vec<_> = all.found.present.iter().map(String::as_str).collect();
    let group = "uni/tn-k8s/svcCont/redirectHealthGroup-pods";
    assert_eq!(present, ["uni/tn-k8s", "uni/tn-k8s/ipslaMonitoringPol-ping", group]);
    // Equal texts are there once.
    let [one, other] = &parts[0].found.members[..] else { panic!() };
    let (one, other) = (one.mark.as_ref().unwrap(), other.mark.as_ref().unwrap());
    assert!(Arc::ptr_eq(&one.owner, &other.owner) && Arc::ptr_eq(&one.nodes[0], &other.nodes[0]));
    // Without our marks it is there still.
    let release = [Op::Release { container: container(WEB), prefix: Some(net("10.244.1.1/32")) }];
    apic.post(&request(&rules, &release).1);
    let all = compared(&apic, Scope::L3out(l3out(WEB)), &rules);
    let seen = &all.found.members[0];
    assert_eq!((seen.prefix, seen.annotated, seen.mark.as_ref()), (net("10.244.1.1/32"), false, None));
}

#[test]
fn every_l3out_of_our_vrf_is_read_and_no_other() {
    let (rules, mut apic) = (rules(vec![eepg("web")], vec![]), fabric());
    apic.l3out("uni/tn-common/out-shared", "uni/tn-k8s/ctx-prod");
    apic.l3out("uni/tn-other/out-same-name", "uni/tn-other/ctx-prod");
    apic.l3out("uni/tn-k8s/out-elsewhere", "uni/tn-k8s/ctx-test");
    apic.subnet("uni/tn-common/out-shared/instP-all", "10.96.7.7/32", &[]);
    apic.subnet("uni/tn-other/out-same-name/instP-all", "10.96.7.7/32", &[]);
    apic.subnet("uni/tn-k8s/out-elsewhere/instP-all", "10.96.7.7/32", &[]);
    let names = |comparison: &Comparison| -> Vec<_> {
        comparison.found.l3outs.keys().map(ToString::to_string).collect()
    };
    let all = compared(&apic, Scope::All, &rules);
    assert_eq!(names(&all), ["uni/tn-common/out-shared", "uni/tn-k8s/out-calico"]);
    assert_eq!((all.odd, all.found.members.len(), all.found.eepgs), (0, 1, Some(3)));
    // What has our annotation is found wherever it is: a rule may have led there.
    let ours = [("annotation", ANNOTATION)];
    apic.subnet("uni/tn-k8s/out-elsewhere/instP-all", "10.96.7.8/32", &ours);
    apic.put("uni/tn-other/out-made/instP-made", Mo::new("l3extInstP").with("annotation", ANNOTATION));
    apic.put("uni/tn-x/svcCont/svcRedirectPol-p", Mo::new("vnsSvcRedirectPol"));
    let dest = Mo::new("vnsRedirectDest").with("annotation", ANNOTATION);
    apic.put("uni/tn-x/svcCont/svcRedirectPol-p/RedirectDest_ip-[10.96.7.7]", dest);
    let policy = Mo::new("vnsSvcRedirectPol").with("annotation", ANNOTATION);
    apic.put("uni/tn-x/svcCont/svcRedirectPol-q", policy);
    let all = compared(&apic, Scope::All, &rules);
    let expected = [
        "uni/tn-common/out-shared",
        "uni/tn-k8s/out-calico",
        "uni/tn-k8s/out-elsewhere",
        "uni/tn-other/out-made",
    ];
    assert_eq!(names(&all), expected);
    let policies =
        all.found.containers.keys().filter(|container| matches!(***container, Container::Policy { .. }));
    assert_eq!(policies.count(), 2);
    assert_eq!((all.odd, all.found.members.len()), (0, 4));
    assert!(!all.found.l3outs[&l3out("uni/tn-other/out-made")].present);
    // Without an L3Out of ours in it, a VRF is known by its name alone.
    let mut apic = Apic::default();
    apic.l3out("uni/tn-other/out-same-name", "uni/tn-other/ctx-prod");
    let all = compared(&apic, Scope::All, &rules);
    assert_eq!(names(&all), ["uni/tn-k8s/out-calico", "uni/tn-other/out-same-name"]);
    assert!(!all.found.l3outs[&l3out(WEB)].present);
}

#[test]
fn what_we_made_and_is_empty_is_looked_through() {
    let foreign = |more: &[(&str, Mo)]| {
        let (rules, mut apic) = (sample(), fabric());
        apic.post(&request(&rules, &[make(WEB, RuleId::Eepg(0)), make(FW, RuleId::Redirect(0))]).1);
        for (dn, mo) in more {
            apic.put(dn, mo.clone());
        }
        let all = compared(&apic, Scope::All, &rules);
        let foreign = |dn| all.found.containers[&container(dn)].foreign_children;
        (foreign(WEB), foreign(FW))
    };
    let below = |rn: &str, mo: Mo| (format!("{WEB}/{rn}"), mo);
    assert_eq!(foreign(&[]), (false, false));
    for ((dn, mo), expected) in [
        (below("rscustQosPol", Mo::new("fvRsCustQosPol").with("tnQosCustomPolName", "")), false),
        (below("rscustQosPol", Mo::new("fvRsCustQosPol").with("tnQosCustomPolName", "gold")), true),
        (below("rsprov-https", Mo::new("fvRsProv").with("tnVzBrCPName", "https")), false),
        (below("rsprov-dns", Mo::new("fvRsProv").with("tnVzBrCPName", "dns")), true),
        (below("rscons-ssh", Mo::new("fvRsCons").with("tnVzBrCPName", "ssh")), true),
        // One that a rule named when we made it.
        (below("rscons-ssh", Mo::new("fvRsCons").with("annotation", ANNOTATION)), false),
        (below("annotationKey-[cost]", Mo::new("tagAnnotation").with("key", "cost")), true),
        (below("rsprov-https/annotationKey-[cost]", Mo::new("tagAnnotation").with("key", "cost")), true),
        (below("rsinstPToProfile-[x]-import", Mo::new("l3extRsInstPToProfile")), true),
        (below("fault-F0967", Mo::new("faultInst")), false),
        (below("rtx", Mo::new("fvRtFuncToEpg").with("lcOwn", "local")), true),
        (below("rtx", Mo::new("fvSomething").with("lcOwn", "implicit")), false),
        (below("rtx", Mo::new("fvSomething")), true),
    ] {
        assert_eq!(foreign(&[(&dn, mo.clone())]), (expected, false), "{dn} {mo}");
    }
    let graph = format!("{FW}/rtLIfCtxToSvcRedirectPol-[uni/tn-k8s/ldevCtx]");
    assert_eq!(foreign(&[(&graph, Mo::new("vnsRtLIfCtxToSvcRedirectPol"))]), (false, true));
}

#[test]
fn what_was_not_looked_through_may_hold_anything() {
    let (rules, mut apic) = (sample(), fabric());
    apic.post(&request(&rules, &[make(WEB, RuleId::Eepg(0))]).1);
    // A member that is not ours is in it.
    apic.subnet(WEB, "10.0.0.0/8", &[]);
    let all = compared(&apic, Scope::All, &rules);
    assert!(all.found.containers[&container(WEB)].foreign_children);
    // Or the answer is empty.
    let mut comparison = Comparison::new(Scope::L3out(l3out(WEB)));
    apic.remove(&format!("{WEB}/extsubnet-[10.0.0.0/8]"));
    for reading in comparison.next(&rules) {
        for mo in apic.answer(&reading) {
            comparison.take(mo.only(&Comparison::ATTRIBUTES));
        }
    }
    let whole = comparison.next(&rules);
    assert_eq!(whole.len(), 1);
    assert_eq!((&whole[0].target, whole[0].classes), (&Target::Tree(WEB.to_owned()), &[][..]));
    assert!(comparison.next(&rules).is_empty());
    assert!(comparison.found.containers[&container(WEB)].foreign_children);
}

#[test]
fn another_spelling_is_another_object_and_none_of_ours() {
    let (rules, mut apic) = (sample(), fabric());
    apic.put(WEB, Mo::new("l3extInstP").with("name", "web"));
    let ours = [("annotation", ANNOTATION), ("scope", "import-security")];
    for prefix in ["10.96.7.7/24", "FD00:96::7/128", "10.96.7.7/32"] {
        apic.subnet(WEB, prefix, &ours);
        let tag = Mo::new("tagAnnotation").with("key", KEY).with("value", mark(&["a"]).encode());
        apic.put(&format!("{WEB}/extsubnet-[{prefix}]/annotationKey-[{KEY}]"), tag);
    }
    let found = compared(&apic, Scope::L3out(l3out(WEB)), &rules);
    let members: Vec<_> = found
        .found
        .members
        .iter()
        .map(|seen| (seen.prefix.to_string(), seen.annotated, seen.mark.is_some(), seen.scope.to_string()))
        .collect();
    let security = || "import-security".to_owned();
    assert_eq!(
        members,
        [
            ("10.96.7.7/24".to_owned(), false, false, security()),
            ("10.96.7.7/32".to_owned(), true, true, security()),
            ("fd00:96::7/128".to_owned(), false, false, security()),
        ]
    );
    assert_eq!(found.odd, 0);
}

#[test]
fn what_was_not_asked_for_is_counted() {
    let rules = sample();
    let subnet = |dn: &str| Mo::new("l3extSubnet").with("dn", dn);
    let marked = |value: &str| {
        let tag = Mo::new("tagAnnotation").with("key", KEY).with("value", value);
        subnet("uni/tn-k8s/out-calico/instP-web/extsubnet-[10.96.7.7/32]").holding(tag)
    };
    let web = || Mo::new("l3extInstP").with("dn", WEB);
    for (mos, odd, members) in [
        (vec![web(), marked("1;prod;3f1c;a")], 0, 1),
        (vec![web(), marked("a human's own")], 1, 1),
        (vec![web(), subnet("uni/tn-k8s/out-calico/instP-web/extsubnet-[10.96.7.7]")], 1, 0),
        (vec![web(), subnet("uni/tn-k8s/out-calico/instP-web/extsubnet-[no]")], 1, 0),
        (vec![web(), subnet("uni/tn-k8s/out-calico/instP-web")], 1, 0),
        (vec![web(), subnet("uni/tn-k8s/out-other/instP-web/extsubnet-[10.96.7.7/32]")], 1, 0),
        (vec![web(), subnet("xyz/tn-k8s/out-calico/instP-web/extsubnet-[10.96.7.7/32]")], 1, 0),
        (vec![web(), subnet("")], 1, 0),
        (vec![web(), marked("1;prod;3f1c;a").with("scope", "import-security,sideways")], 1, 1),
        // Twice, or in what was not there when it was asked for.
        (vec![web(), marked("1;prod;3f1c;a"), marked("1;prod;3f1c;a")], 1, 1),
        (vec![marked("1;prod;3f1c;a")], 1, 1),
        (vec![Mo::new("l3extInstP").with("dn", "uni/tn-k8s/out-calico")], 1, 0),
        (vec![Mo::new("l3extOut").with("dn", "uni/tn-k8s/out-other")], 1, 0),
        (vec![Mo::new("l3extRsEctx").with("dn", "uni/tn-k8s/out-calico")], 1, 0),
        (vec![Mo::new("vnsSvcRedirectPol").with("dn", FW)], 1, 0),
        (vec![Mo::new("fvTenant").with("dn", "uni/tn-k8s")], 1, 0),
        (vec![Mo::new("faultInst").with("code", "F0467")], 1, 0),
        (vec![Mo::new("fvBD").with("dn", WEB)], 1, 0),
        (vec![Mo::default()], 1, 0),
    ] {
        let shown = format!("{mos:?}");
        let mut comparison = Comparison::new(Scope::L3out(l3out(WEB)));
        comparison.take(web());
        assert_eq!(comparison.odd, 1, "nothing was asked for");
        comparison.odd = 0;
        comparison.next(&rules);
        for mo in mos {
            comparison.take(mo.only(&Comparison::ATTRIBUTES));
        }
        while !comparison.next(&rules).is_empty() {}
        assert_eq!((comparison.odd, comparison.found.members.len()), (odd, members), "{shown}");
        comparison.take(web());
        assert_eq!(comparison.odd, odd + 1, "it is complete");
    }
}

#[test]
fn faults_say_which_prefix_of_which_object() {
    let rules = sample();
    let mut comparison = Comparison::new(Scope::All);
    comparison.next(&rules);
    let filters: Vec<_> = comparison
        .next(&rules)
        .into_iter()
        .filter(|reading| reading.target == Target::Class("faultInst"))
        .filter_map(|reading| reading.filter)
        .collect();
    assert_eq!(
        filters,
        [
            r#"and(wcard(faultInst.changeSet,"prefix-entry-already-in-use"),wcard(faultInst.dn,"uni/epp/rtd"))"#,
            r#"eq(faultInst.code,"F3544")"#,
        ]
    );
    let used = |node: u32, prefix: &str| {
        let dn = format!(
            "topology/pod-1/node-{node}/local/svc-policyelem-id-0/uni/epp/rtd-[{WEB}]/nwissues/fault-F0467"
        );
        let text = format!(
            "configQual:prefix-entry-already-in-use, debugMessage:prefix-entry-already-in-use: Prefix entry \
             sys/ctx-[vxlan-2621440]/pfx-[{prefix}] is in use;\n"
        );
        let fault = Mo::new("faultInst").with("code", "F0467").with("severity", "minor").with("lc", "raised");
        fault.with("dn", dn).with("changeSet", text)
    };
    let dn = "topology/pod-1/node-101/sys/actrl/dbgStatsReport/fault-F3544";
    let full = Mo::new("faultInst").with("dn", dn).with("code", "F3544").with("descr", "full".repeat(200));
    for mo in [
        used(101, "10.96.7.7/32"),
        used(102, "10.96.7.7/32"),
        used(101, "10.96.7.8/32").with("severity", "cleared"),
        used(101, "10.96.7.8/32").with("lc", "retaining"),
        used(101, "of an older release"),
        full.clone(),
    ] {
        comparison.take(mo);
    }
    let shown: Vec<_> = comparison
        .found
        .faults
        .iter()
        .map(|fault| {
            (fault.code.as_str(), fault.object.as_str(), fault.prefix.map(|prefix| prefix.to_string()))
        })
        .collect();
    assert_eq!(
        shown,
        [
            ("F0467", WEB, Some("10.96.7.7/32".to_owned())),
            ("F0467", WEB, None),
            ("F3544", "topology/pod-1/node-101", None),
        ]
    );
    let texts: Vec<_> = comparison.found.faults.iter().map(|fault| &fault.text).collect();
    assert!(texts.iter().all(|text| text.len() <= 300 && !text.contains('\n')), "{texts:?}");
    assert_eq!(comparison.odd, 0);
    comparison.take(full.clone().with("code", "F0001"));
    comparison.take(full.with("dn", WEB));
    assert_eq!((comparison.odd, comparison.found.faults.len()), (2, 3));
    for last in 0..2_000_u32 {
        comparison.take(used(101, &format!("10.97.{}.{}/32", last >> 8, last & 255)));
    }
    assert_eq!((comparison.odd, comparison.found.faults.len()), (2, 1_001));
}

#[test]
fn many_names_are_asked_for_in_several_filters() {
    let eepgs = (0..100).map(|rule| {
        let mut eepg = eepg("web");
        eepg.vrf = format!("vrf-{rule}").into();
        eepg.l3out = format!("a-rather-long-name-of-an-l3out-{rule}").into();
        eepg
    });
    let rules = rules(eepgs.collect(), vec![]);
    let readings = Comparison::new(Scope::All).next(&rules);
    let filters: Vec<_> = readings.iter().filter_map(|reading| reading.filter.as_deref()).collect();
    assert_eq!(filters.iter().filter(|filter| filter.contains("l3extRsEctx")).count(), 3);
    assert!(filters.iter().all(|filter| filter.len() < 2_500), "{filters:?}");
    let strays = filters.iter().find(|filter| filter.contains("l3extSubnet")).unwrap();
    let first = r#"and(eq(l3extSubnet.annotation,"orchestrator:thirdleaf"),not(wcard(l3extSubnet.dn,"uni/tn-k8s/out-"#;
    assert!(strays.starts_with(first), "{strays}");
    assert!(strays.len() < 1_600);
}

/// An object as an APIC would never write it, or nearly.
fn hostile() -> impl Strategy<Value = Mo> {
    let class = prop_oneof![prop::sample::select(vec![
        "l3extOut",
        "l3extRsEctx",
        "l3extInstP",
        "l3extSubnet",
        "vnsSvcRedirectPol",
        "vnsRedirectDest",
        "faultInst",
        "fvTenant",
        "fvRsCons",
    ]),];
    let dn = prop_oneof![
        "(uni|/)?(/tn-[a-z]{0,2})?(/(out-calico|svcCont|rsectx))?(/(instP-web|svcRedirectPol-fw))?(/\\PC{0,12})?",
        "uni/tn-k8s/out-calico/instP-web/extsubnet-\\[[0-9./]{0,12}\\]",
        "uni/tn-k8s/svcCont/svcRedirectPol-fw/RedirectDest_ip-\\[[0-9a-f.:/]{0,12}\\]",
    ];
    let attributes = btree_map(
        prop::sample::select(vec!["annotation", "scope", "tDn", "tnFvCtxName", "mac", "code", "changeSet"]),
        "(orchestrator:thirdleaf|prod|import-security,|F0467|pfx-\\[\\]?|\\PC{0,9})",
        0..4,
    );
    (class, dn, attributes, "\\PC{0,20}").prop_map(|(class, dn, attributes, value)| {
        let mo = attributes.into_iter().fold(Mo::new(class), |mo, (name, value)| mo.with(name, value));
        mo.with("dn", dn).holding(Mo::new("tagAnnotation").with("key", KEY).with("value", value))
    })
}

proptest! {
    #[test]
    fn whatever_is_said_is_taken_or_counted(
        mos in vec(vec(hostile(), 0..12), 3), scope in 0..3_usize,
    ) {
        let rules = sample();
        let scopes = [Scope::All, Scope::L3out(l3out(WEB)), Scope::Policy(container(FW))];
        let mut comparison = Comparison::new(scopes[scope].clone());
        for round in mos {
            comparison.next(&rules);
            for mo in round {
                comparison.take(mo.only(&Comparison::ATTRIBUTES));
            }
        }
        while !comparison.next(&rules).is_empty() {}
        let members = &comparison.found.members;
        prop_assert!(members.is_sorted_by_key(|seen| (Arc::clone(&seen.container), seen.prefix)));
        for seen in members {
            prop_assert!(comparison.found.containers.contains_key(&seen.container));
            prop_assert!(seen.mark.is_none() || seen.prefix == seen.prefix.trunc());
        }
    }
}
