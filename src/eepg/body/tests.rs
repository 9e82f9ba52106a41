//! What is posted, word by word.

use super::*;
use crate::config::model::{Contracts, Redirect};
use crate::eepg::samples::{eepg, net, redirect, rules};

fn container(dn: &str) -> Arc<Container> {
    Arc::new(Container::of(dn).unwrap())
}

fn mark(nodes: &[&str]) -> Mark {
    Mark::new("prod".into(), "3f1c".into(), nodes.iter().map(|node| Arc::from(*node)).collect())
}

fn put(dn: &str, prefix: &str, rule: RuleId) -> Op {
    let (container, prefix, mark) = (container(dn), net(prefix), mark(&["a"]));
    Op::Put {
        container,
        prefix,
        class: Class::ServiceHost,
        rule,
        mark,
        keep: Scopes::default(),
        is_new: true,
    }
}

fn remove(dn: &str, prefix: &str) -> Op {
    Op::Remove { container: container(dn), prefix: net(prefix) }
}

fn make(dn: &str, rule: RuleId) -> Op {
    Op::Make { container: container(dn), rule, mark: mark(&[]), is_new: true }
}

fn unmake(dn: &str) -> Op {
    Op::Unmake { container: container(dn) }
}

fn release(dn: &str, prefix: Option<&str>) -> Op {
    Op::Release { container: container(dn), prefix: prefix.map(net) }
}

fn sample() -> Rules {
    let contracts = Contracts { provide: vec!["https".into()], consume: vec!["dns".into(), "ntp".into()] };
    let mut web = eepg("web");
    web.contracts = contracts;
    web.scope = vec![SubnetScope::SharedSecurity, SubnetScope::ImportSecurity];
    let fw = Redirect {
        mac: Some("00:00:5E:00:01:01".into()),
        health_group: Some("pods".into()),
        ip_sla: Some("ping".into()),
        ..redirect("fw")
    };
    rules(vec![web, eepg("old")], vec![fw, redirect("plain")])
}

const WEB: &str = "uni/tn-k8s/out-calico/instP-web";
const OLD: &str = "uni/tn-k8s/out-calico/instP-old";
const FW: &str = "uni/tn-k8s/svcCont/svcRedirectPol-fw";
const PLAIN: &str = "uni/tn-k8s/svcCont/svcRedirectPol-plain";

const TAG: &str = r#"{"tagAnnotation":{"attributes":{"key":"thirdleaf-owner","value":"1;prod;3f1c;a"}}}"#;
const OWN_TAG: &str = r#"{"tagAnnotation":{"attributes":{"key":"thirdleaf-owner","value":"1;prod;3f1c;"}}}"#;
const SUBNET: &str = r#""annotation":"orchestrator:thirdleaf","descr":"thirdleaf: service_host by rule web, announced by a","ip":"10.96.7.7/32","name":"service_host:web:a""#;

#[test]
fn a_move_is_one_request_at_the_l3out() {
    let ops = [remove(OLD, "10.96.7.7/32"), put(WEB, "10.96.7.7/32", RuleId::Eepg(0))];
    let (dn, mo) = request(&sample(), &ops);
    assert_eq!(dn, "uni/tn-k8s/out-calico");
    let expected = [
        r#"{"l3extOut":{"attributes":{"dn":"uni/tn-k8s/out-calico","name":"calico","status":"modified"},"children":["#,
        r#"{"l3extInstP":{"attributes":{"name":"old","status":"modified"},"children":["#,
        r#"{"l3extSubnet":{"attributes":{"ip":"10.96.7.7/32","status":"deleted"}}}]}},"#,
        r#"{"l3extInstP":{"attributes":{"name":"web","status":"modified"},"children":[{"l3extSubnet":{"attributes":{"#,
        SUBNET,
        r#","scope":"import-security,shared-security","status":"created"},"children":["#,
        TAG,
        "]}}]}}]}}",
    ];
    assert_eq!(mo.to_string(), expected.concat());
    let turned: Vec<_> = ops.iter().rev().cloned().collect();
    assert_eq!(request(&sample(), &turned), (dn, mo));
}

#[test]
fn what_is_made_and_its_members_stand_in_one_tree() {
    let put = Op::Put {
        container: container(WEB),
        // The network, whatever stands behind it.
        prefix: net("10.96.7.7/24"),
        class: Class::ServiceCidr,
        rule: RuleId::Eepg(0),
        mark: mark(&["b", "a"]),
        keep: Scopes::of(&[SubnetScope::ExportRtctrl]),
        is_new: true,
    };
    let (dn, mo) = request(&sample(), &[put, make(WEB, RuleId::Eepg(0))]);
    assert_eq!(dn, "uni/tn-k8s/out-calico");
    let contract = |class: &str, name: &str| {
        format!(
            r#"{{"{class}":{{"attributes":{{"annotation":"orchestrator:thirdleaf","tnVzBrCPName":"{name}"}}}}}},"#
        )
    };
    let expected = [
        r#"{"l3extOut":{"attributes":{"dn":"uni/tn-k8s/out-calico","name":"calico","status":"modified"},"children":["#,
        r#"{"l3extInstP":{"attributes":{"annotation":"orchestrator:thirdleaf","name":"web","status":"created"},"children":["#,
        OWN_TAG,
        ",",
        &contract("fvRsProv", "https"),
        &contract("fvRsCons", "dns"),
        &contract("fvRsCons", "ntp"),
        r#"{"l3extSubnet":{"attributes":{"annotation":"orchestrator:thirdleaf","descr":"thirdleaf: service_cidr by rule web, announced by a, b","ip":"10.96.7.0/24","name":"service_cidr:web:a","scope":"export-rtctrl,import-security,shared-security","status":"created"},"children":["#,
        r#"{"tagAnnotation":{"attributes":{"key":"thirdleaf-owner","value":"1;prod;3f1c;a,b"}}}"#,
        "]}}]}}]}}",
    ];
    assert_eq!(mo.to_string(), expected.concat());
}

#[test]
fn destinations_have_what_their_rule_gives_them() {
    let ops = [
        put(FW, "10.244.1.1/32", RuleId::Redirect(0)),
        make(FW, RuleId::Redirect(0)),
        put(PLAIN, "10.244.1.1/32", RuleId::Redirect(1)),
        remove(PLAIN, "10.244.1.2/32"),
    ];
    let (dn, mo) = request(&sample(), &ops);
    assert_eq!(dn, "uni/tn-k8s/svcCont");
    let expected = [
        r#"{"vnsSvcCont":{"attributes":{"dn":"uni/tn-k8s/svcCont"},"children":["#,
        r#"{"vnsSvcRedirectPol":{"attributes":{"annotation":"orchestrator:thirdleaf","destType":"L3","name":"fw","status":"created"},"children":["#,
        OWN_TAG,
        r#",{"vnsRsIPSLAMonitoringPol":{"attributes":{"annotation":"orchestrator:thirdleaf","tDn":"uni/tn-k8s/ipslaMonitoringPol-ping"}}},"#,
        r#"{"vnsRedirectDest":{"attributes":{"annotation":"orchestrator:thirdleaf","descr":"thirdleaf: service_host by rule redirect fw, announced by a","ip":"10.244.1.1","mac":"00:00:5E:00:01:01","status":"created"},"children":["#,
        TAG,
        r#",{"vnsRsRedirectHealthGroup":{"attributes":{"tDn":"uni/tn-k8s/svcCont/redirectHealthGroup-pods"}}}]}}]}},"#,
        r#"{"vnsSvcRedirectPol":{"attributes":{"name":"plain","status":"modified"},"children":["#,
        r#"{"vnsRedirectDest":{"attributes":{"annotation":"orchestrator:thirdleaf","descr":"thirdleaf: service_host by rule redirect plain, announced by a","ip":"10.244.1.1","status":"created"},"children":["#,
        TAG,
        r#"]}},{"vnsRedirectDest":{"attributes":{"ip":"10.244.1.2","status":"deleted"}}}]}}]}}"#,
    ];
    assert_eq!(mo.to_string(), expected.concat());
}

#[test]
fn what_is_released_stays_without_our_marks() {
    let (_, mo) = request(&sample(), &[release(WEB, None), release(WEB, Some("10.96.7.7/32"))]);
    let unmarked = r#"{"tagAnnotation":{"attributes":{"key":"thirdleaf-owner","status":"deleted"}}}"#;
    let expected = [
        r#"{"l3extOut":{"attributes":{"dn":"uni/tn-k8s/out-calico","name":"calico","status":"modified"},"children":["#,
        r#"{"l3extInstP":{"attributes":{"annotation":"","name":"web","status":"modified"},"children":["#,
        unmarked,
        r#",{"l3extSubnet":{"attributes":{"annotation":"","ip":"10.96.7.7/32","status":"modified"},"children":["#,
        unmarked,
        "]}}]}}]}}",
    ];
    assert_eq!(mo.to_string(), expected.concat());
}

/// Every class with its status, in order, as in `l3extOut~(l3extInstP-())`.
fn outline(mo: &Mo) -> String {
    let status = match mo.get("status") {
        "" | "created" => "+",
        "modified" => "~",
        "deleted" => "-",
        other => panic!("{other}"),
    };
    let children: Vec<_> =
        mo.children.iter().filter(|child| child.class != "tagAnnotation").map(outline).collect();
    let children = if children.is_empty() { String::new() } else { format!("({})", children.join(" ")) };
    format!("{}{status}{children}", mo.class)
}

#[test]
fn a_request_goes_to_the_nearest_object_that_contains_all() {
    let other = "uni/tn-k8s/out-other/instP-web";
    let abroad = "uni/tn-abroad/out-calico/instP-web";
    let far = "uni/tn-abroad/svcCont/svcRedirectPol-fw";
    for (dns, dn, expected) in [
        (&[WEB][..], "uni/tn-k8s/out-calico", "l3extOut~(l3extInstP-)"),
        (&[FW], "uni/tn-k8s/svcCont", "vnsSvcCont+(vnsSvcRedirectPol-)"),
        (&[WEB, other], "uni/tn-k8s", "fvTenant~(l3extOut~(l3extInstP-) l3extOut~(l3extInstP-))"),
        (&[WEB, FW], "uni/tn-k8s", "fvTenant~(vnsSvcCont+(vnsSvcRedirectPol-) l3extOut~(l3extInstP-))"),
        (
            &[WEB, abroad],
            "uni",
            "polUni+(fvTenant~(l3extOut~(l3extInstP-)) fvTenant~(l3extOut~(l3extInstP-)))",
        ),
        (
            &[FW, far],
            "uni",
            "polUni+(fvTenant~(vnsSvcCont+(vnsSvcRedirectPol-)) fvTenant~(vnsSvcCont+(vnsSvcRedirectPol-)))",
        ),
    ] {
        let ops: Vec<_> = dns.iter().map(|dn| unmake(dn)).collect();
        let (found, mo) = request(&sample(), &ops);
        assert_eq!((&*found, mo.dn(), &*outline(&mo)), (dn, dn, expected));
    }
}

#[test]
fn nothing_is_made_but_what_is_asked_for() {
    let rules = sample();
    let (put, remove) = (put(WEB, "10.96.7.7/32", RuleId::Eepg(0)), remove(WEB, "10.96.7.7/32"));
    let mut mend = put.clone();
    if let Op::Put { is_new, .. } = &mut mend {
        *is_new = false;
    }
    let (make, unmake) = (make(WEB, RuleId::Eepg(0)), unmake(WEB));
    let (free, released) = (release(WEB, None), release(WEB, Some("10.96.7.7/32")));
    // Of what contradicts itself, what keeps the object.
    for (ops, expected) in [
        (vec![&put], "l3extInstP~(l3extSubnet+)"),
        (vec![&mend], "l3extInstP~(l3extSubnet~)"),
        (vec![&remove], "l3extInstP~(l3extSubnet-)"),
        (vec![&put, &remove], "l3extInstP~(l3extSubnet+)"),
        (vec![&remove, &unmake], "l3extInstP-"),
        (vec![&put, &unmake], "l3extInstP~(l3extSubnet+)"),
        (vec![&released, &unmake], "l3extInstP~(l3extSubnet~)"),
        (vec![&released, &remove], "l3extInstP~(l3extSubnet~)"),
        (vec![&released, &put], "l3extInstP~(l3extSubnet+)"),
        (vec![&free, &unmake], "l3extInstP~"),
        (vec![&make, &unmake], "l3extInstP+(fvRsProv+ fvRsCons+ fvRsCons+)"),
        (vec![&make, &free], "l3extInstP+(fvRsProv+ fvRsCons+ fvRsCons+)"),
    ] {
        for turned in [false, true] {
            let mut ops: Vec<_> = ops.iter().copied().cloned().collect();
            if turned {
                ops.reverse();
            }
            let (_, mo) = request(&rules, &ops);
            assert_eq!(outline(&mo), format!("l3extOut~({expected})"), "{ops:?}");
        }
    }
}

#[test]
fn a_member_says_whose_it_is() {
    let nodes: Vec<_> = (0..40).map(|node| format!("node-{node}")).collect();
    let many: Vec<_> = nodes.iter().map(String::as_str).collect();
    let long = "n".repeat(200);
    let rules = rules(vec![eepg("web"), eepg("{node}"), eepg(&"e".repeat(64))], vec![]);
    for (rule, mark, name, descr) in [
        (0, mark(&["a"]), "service_host:web:a", "thirdleaf: service_host by rule web, announced by a"),
        (
            1,
            mark(&["b/n1", "a <x>"]),
            "service_host:_node_:a__x_",
            "thirdleaf: service_host by rule _node_, announced by a _x_, b/n1",
        ),
        (
            0,
            Mark { more: true, ..mark(&["a", "b"]) },
            "service_host:web:a",
            "thirdleaf: service_host by rule web, announced by a, b and more",
        ),
        (
            0,
            mark(&many),
            "service_host:web:node-0",
            "thirdleaf: service_host by rule web, announced by node-0, node-1, node-10, node-11, node-12, \
             node-13, node-14, node-15 and more",
        ),
        (
            0,
            mark(&[&long]),
            "service_host:web:nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn",
            "thirdleaf: service_host by rule web, announced by nodes with long names",
        ),
        (0, mark(&[]), "service_host:web:", "thirdleaf: service_host by rule web, announced by nobody"),
        (
            2,
            mark(&["a"]),
            "service_host:eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee",
            "thirdleaf: service_host by rule eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee, \
             announced by a",
        ),
    ] {
        let found = texts(&rules, Class::ServiceHost, RuleId::Eepg(rule), &mark);
        assert_eq!((found.0.as_str(), found.1.as_str()), (name, descr));
        assert!(found.0.len() <= 64 && found.1.len() <= 128, "{found:?}");
    }
}

#[test]
fn a_digest_tells_what_is_ours() {
    let rules = sample();
    let of = |rule, nodes| wanted_digest(&rules, Class::ServiceHost, rule, &mark(nodes));
    let (name, descr) = texts(&rules, Class::ServiceHost, RuleId::Eepg(0), &mark(&["a"]));
    assert_eq!(of(RuleId::Eepg(0), &["a"]), digest(&name, &descr, "", ""));
    assert_ne!(of(RuleId::Eepg(0), &["a"]), of(RuleId::Eepg(0), &["b"]));
    let (_, descr) = texts(&rules, Class::ServiceHost, RuleId::Redirect(0), &mark(&["a"]));
    let group = "uni/tn-k8s/svcCont/redirectHealthGroup-pods";
    assert_eq!(of(RuleId::Redirect(0), &["a"]), digest("", &descr, "00:00:5e:00:01:01", group));
    // What one of two rules of a policy leaves open is not compared.
    let open = Redirect { health_group: Some("pods".into()), ..redirect("fw") };
    let both = rules.redirect(RuleId::Redirect(0)).unwrap().clone();
    let rules = super::super::samples::rules(vec![], vec![both, open]);
    let of = |rule| wanted_digest(&rules, Class::ServiceHost, RuleId::Redirect(rule), &mark(&["a"]));
    assert_eq!(of(0), digest("", &descr, "", group));
    assert_eq!(of(0), of(1));
}
