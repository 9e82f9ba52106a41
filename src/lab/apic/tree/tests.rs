//! The tree without a network: writes, queries, faults.

use super::super::{Page, Query, Scope};
use super::*;

const OUT: &str = "uni/tn-k8s/out-calico";
const WEB: &str = "uni/tn-k8s/out-calico/instP-web";

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_micros(1_763_740_000_000_000 + seconds * 1_000_000)
}

fn mo(text: &str) -> Mo {
    serde_json::from_str(text).unwrap()
}

fn subnet(ip: &str) -> Mo {
    Mo::new("l3extSubnet").with("ip", ip)
}

fn eepg(name: &str) -> Mo {
    Mo::new("l3extInstP").with("name", name)
}

/// A tenant with a VRF, an L3Out in it, and the EEPG `web`.
fn tree() -> Tree {
    let mut tree = Tree::new(Fabric::default(), at(0));
    let tenant =
        Mo::new("fvTenant").with("name", "k8s").holding(Mo::new("fvCtx").with("name", "prod")).holding(
            Mo::new("l3extOut")
                .with("name", "calico")
                .holding(Mo::new("l3extRsEctx").with("tnFvCtxName", "prod"))
                .holding(eepg("web")),
        );
    tree.post("uni", &tenant, at(0)).unwrap();
    tree
}

fn refused(tree: &mut Tree, dn: &str, mo: &Mo) -> (u16, u16, String) {
    let before: Vec<_> = tree.objects().map(|(dn, _)| dn.to_owned()).collect();
    let refusal = tree.post(dn, mo, at(1)).unwrap_err();
    let after: Vec<_> = tree.objects().map(|(dn, _)| dn.to_owned()).collect();
    assert_eq!(before, after, "what is refused leaves nothing behind");
    (refusal.status, refusal.code, refusal.text)
}

fn asked(tree: &mut Tree, scope: &Scope, options: &[(&str, &str)]) -> Page {
    tree.query(scope, &Query::read(options.iter().copied()).unwrap(), at(1)).unwrap()
}

fn object(dn: &str) -> Scope {
    Scope::Object(dn.to_owned())
}

fn class(class: &str) -> Scope {
    Scope::Class { classes: vec![class.to_owned()], below: String::new() }
}

fn names(page: &Page) -> Vec<&str> {
    page.objects.iter().map(Mo::dn).collect()
}

#[test]
fn a_post_says_where_it_belongs_in_any_of_the_ways() {
    let member = format!("{WEB}/extsubnet-[10.0.0.1/32]");
    for (url, mo) in [
        (WEB, subnet("10.0.0.1/32")),
        (WEB, Mo::new("l3extSubnet").with("rn", "extsubnet-[10.0.0.1/32]")),
        (WEB, subnet("10.0.0.1/32").with("dn", member.as_str())),
        (&member, Mo::new("l3extSubnet")),
        (&member, subnet("10.0.0.1/32")),
        ("", Mo::new("l3extSubnet").with("dn", member.as_str())),
        ("uni", Mo::new("l3extSubnet").with("dn", member.as_str())),
        (OUT, eepg("web").holding(subnet("10.0.0.1/32"))),
        (
            OUT,
            Mo::new("l3extOut").holding(Mo::new("l3extInstP").with("dn", WEB).holding(subnet("10.0.0.1/32"))),
        ),
        (
            "",
            mo(&format!(
                r#"{{"polUni":{{"attributes":{{"dn":"uni"}},"children":[{{"fvTenant":{{"attributes":{{"name":"k8s"}},"children":[{{"l3extOut":{{"attributes":{{"name":"calico"}},"children":[{}]}}}}]}}}}]}}}}"#,
                eepg("web").holding(subnet("10.0.0.1/32"))
            )),
        ),
    ] {
        let mut tree = tree();
        let changes = tree.post(url, &mo, at(1)).unwrap_or_else(|refusal| panic!("{url} {mo}: {refusal}"));
        let changes: Vec<_> = changes.iter().map(|change| (change.dn.as_ref(), change.what)).collect();
        assert_eq!(changes, [(member.as_str(), What::Created)], "{url} {mo}");
        assert_eq!(tree.get(&member).unwrap().get("ip"), "10.0.0.1/32");
    }
}

#[test]
fn what_stands_in_the_way_is_said_as_documented() {
    let member = |attribute: &'static str, value: &str| subnet("10.0.0.1/32").with(attribute, value);
    for (url, mo, code, text) in [
        (
            "uni/tn-none/out-o",
            eepg("web"),
            102,
            "configured object ((Dn0)) not found Dn0=uni/tn-none/out-o, ",
        ),
        (
            WEB,
            member("status", "modified"),
            102,
            "configured object ((Dn0)) not found Dn0=uni/tn-k8s/out-calico/instP-web/extsubnet-[10.0.0.1/32], ",
        ),
        (
            OUT,
            eepg("web").with("status", "created"),
            103,
            "Cannot create External EPG (l3extInstP); object uni/tn-k8s/out-calico/instP-web already exists.",
        ),
        ("uni/tm-k8s", eepg("web"), 104, "Invalid RN tm-k8s"),
        (WEB, Mo::new("l3extSubnet"), 104, "Invalid RN extsubnet-[]"),
        (WEB, Mo::new("l3extSubnet").with("rn", "cidr-[10.0.0.1/32]"), 104, "Invalid RN cidr-[10.0.0.1/32]"),
        (
            "uni/tn-k8s/svcCont",
            Mo::new("vnsSvcCont").with("status", "deleted"),
            107,
            "Cannot delete object of class:vnsSvcCont",
        ),
        (
            WEB,
            Mo::new("l3extInstP").with("pcTag", "1"),
            107,
            "Cannot modify read-only property, class=l3extInstP, prop=pcTag",
        ),
        (
            WEB,
            Mo::new("l3extInstP").with("name", "other"),
            107,
            "Create-only and naming props cannot be modified after creation, class=l3extInstP, prop=name",
        ),
    ] {
        assert_eq!(refused(&mut tree(), url, &mo), (400, code, text.to_owned()), "{url} {mo}");
    }
}

#[test]
fn values_that_are_wrong_are_refused_as_documented() {
    let member = |attribute: &'static str, value: &str| subnet("10.0.0.1/32").with(attribute, value);
    let long = "x".repeat(129);
    for (url, mo, code, text) in [
        (
            WEB,
            Mo::new("l3extInstP").with("prio", "high"),
            120,
            "unknown property value high, name prio, class l3extInstP [(Dn0)] Dn0=, ",
        ),
        (
            WEB,
            member("scope", "import-security,all"),
            120,
            "unknown property value import-security,all, name scope, class l3extSubnet [(Dn0)] Dn0=, ",
        ),
        (
            WEB,
            member("status", "gone"),
            120,
            "unknown property value gone, name status, class l3extSubnet [(Dn0)] Dn0=, ",
        ),
        (WEB, Mo { class: "l3extSub".into(), ..Mo::default() }, 122, "unknown managed object class l3extSub"),
        (
            OUT,
            eepg("a b"),
            801,
            "property name of uni/tn-k8s/out-calico/instP-a b failed validation for value 'a b'",
        ),
        (
            WEB,
            Mo::new("l3extInstP").with("descr", long.as_str()),
            801,
            &format!("property descr of {WEB} failed validation for value '{long}'"),
        ),
        (
            WEB,
            Mo::new("l3extInstP").with("color", "red"),
            400,
            "unknown attribute 'color' in element 'l3extInstP'",
        ),
        (
            OUT,
            subnet("10.0.0.1/32"),
            400,
            "Invalid request. Can not contain child 'l3extSubnet' under parent 'l3extOut'",
        ),
        (
            WEB,
            Mo::new("fvTenant").with("dn", "uni/tn-k8s"),
            400,
            "Invalid request. uni/tn-k8s is not below uni/tn-k8s/out-calico/instP-web",
        ),
        (
            "topology/pod-1/node-101/sys",
            Mo::new("topSystem").with("status", "deleted"),
            107,
            "Cannot delete object of class:topSystem",
        ),
        (
            "uni/tn-k8s/svcCont",
            Mo::new("vnsSvcRedirectPol").with("name", "p").with("minThresholdPercent", "50"),
            1,
            "Invalid Configuration : minimum threshold above the maximum, uni/tn-k8s/svcCont/svcRedirectPol-p",
        ),
    ] {
        assert_eq!(refused(&mut tree(), url, &mo), (400, code, text.to_owned()), "{url} {mo}");
    }
}

#[test]
fn one_bad_object_undoes_all_of_a_post() {
    let mut tree = tree();
    tree.post(WEB, &subnet("10.0.0.9/32").with("descr", "before"), at(1)).unwrap();
    let batch = Mo::new("l3extOut").holding(eepg("new").holding(subnet("10.0.0.1/32"))).holding(
        eepg("web")
            .with("descr", "changed")
            .holding(subnet("10.0.0.9/32").with("status", "deleted"))
            .holding(subnet("not a prefix")),
    );
    assert_eq!(refused(&mut tree, OUT, &batch).1, 801);
    assert_eq!(tree.value(&format!("{WEB}/extsubnet-[10.0.0.9/32]"), "descr").unwrap(), "before");
    assert_eq!(tree.value(WEB, "descr").unwrap(), "");
}

#[test]
fn a_member_moves_in_one_post() {
    let mut tree = tree();
    tree.post(WEB, &subnet("10.0.0.1/32"), at(1)).unwrap();
    let moved = Mo::new("l3extOut")
        .holding(eepg("web").holding(subnet("10.0.0.1/32").with("status", "deleted")))
        .holding(eepg("other").holding(subnet("10.0.0.1/32")));
    tree.post(OUT, &moved, at(2)).unwrap();
    assert_eq!(
        tree.of_class("l3extSubnet").collect::<Vec<_>>(),
        [format!("{OUT}/instP-other/extsubnet-[10.0.0.1/32]")]
    );
    assert_eq!(tree.post(OUT, &moved, at(3)).unwrap(), [], "a second time nothing changes");
}

#[test]
fn attributes_are_merged_and_flags_replaced() {
    let mut tree = tree();
    let dn = format!("{WEB}/extsubnet-[10.0.0.1/32]");
    tree.post(
        WEB,
        &subnet("10.0.0.1/32").with("name", "n").with("scope", "shared-security,import-security"),
        at(1),
    )
    .unwrap();
    assert_eq!(tree.value(&dn, "scope").unwrap(), "import-security,shared-security");
    tree.post(
        WEB,
        &subnet("10.0.0.1/32").with("scope", "export-rtctrl").with("status", "created,modified"),
        at(2),
    )
    .unwrap();
    assert_eq!(tree.value(&dn, "scope").unwrap(), "export-rtctrl");
    assert_eq!(tree.value(&dn, "name").unwrap(), "n");
    assert_eq!(tree.value(&dn, "modTs").unwrap(), "2025-11-21T15:46:42.000+00:00");
    assert_eq!(tree.post(WEB, &subnet("10.0.0.1/32").with("name", "n"), at(3)).unwrap(), []);
    assert_eq!(tree.value(&dn, "modTs").unwrap(), "2025-11-21T15:46:42.000+00:00", "nothing changed");
}

#[test]
fn deleting_takes_all_below_and_nothing_beside() {
    let mut tree = tree();
    tree.post(OUT, &eepg("web2").holding(subnet("10.0.0.2/32")), at(1)).unwrap();
    tree.post(
        WEB,
        &subnet("10.0.0.1/32").holding(Mo::new("tagAnnotation").with("key", "k").with("value", "v")),
        at(1),
    )
    .unwrap();
    let changes = tree.delete(WEB, at(2)).unwrap();
    assert_eq!(changes.len(), 1);
    assert_eq!(tree.of_class("l3extSubnet").count(), 1);
    assert_eq!(tree.of_class("tagAnnotation").count(), 0);
    assert_eq!(tree.delete(WEB, at(2)).unwrap(), [], "what is not there is gone");
    assert_eq!(tree.delete("uni/tn-k8s/outt", at(2)).unwrap_err().code, 104);
    assert_eq!(tree.delete("uni/tn-k8s/svcCont", at(2)).unwrap_err().code, 107);
}

#[test]
fn relations_by_name_find_their_own_tenant_first() {
    let mut tree = tree();
    let vrf = |tree: &Tree| tree.value(&format!("{OUT}/rsectx"), "tDn").unwrap().into_owned();
    assert_eq!(vrf(&tree), "uni/tn-k8s/ctx-prod");
    assert_eq!(tree.value(WEB, "configSt").unwrap(), "applied");
    let scope = tree.value("uni/tn-k8s/ctx-prod", "scope").unwrap().into_owned();
    assert_eq!(tree.value(WEB, "scope").unwrap(), scope);
    assert!(tree.value(WEB, "pcTag").unwrap().parse::<u16>().unwrap() >= 16_386);
    tree.delete("uni/tn-k8s/ctx-prod", at(1)).unwrap();
    assert_eq!(
        (vrf(&tree).as_str(), tree.value(WEB, "configIssues").unwrap().as_ref()),
        ("", "context-not-present")
    );
    assert_eq!(tree.value(&format!("{OUT}/rsectx"), "state").unwrap(), "missing-target");
    tree.post("uni/tn-common", &Mo::new("fvCtx").with("name", "prod"), at(1)).unwrap();
    assert_eq!(vrf(&tree), "uni/tn-common/ctx-prod");
}

#[test]
fn redirect_policies_are_kept_as_the_apic_writes_them() {
    let mut tree = tree();
    let policy = Mo::new("vnsSvcRedirectPol").with("name", "fw").holding(
        Mo::new("vnsRedirectDest").with("ip", "10.0.0.1").with("mac", "00:50:56:aa:bb:cc").holding(
            Mo::new("vnsRsRedirectHealthGroup").with("tDn", "uni/tn-k8s/svcCont/redirectHealthGroup-g"),
        ),
    );
    tree.post("uni/tn-k8s/svcCont", &policy, at(1)).unwrap();
    let dest = tree.get("uni/tn-k8s/svcCont/svcRedirectPol-fw/RedirectDest_ip-[10.0.0.1]").unwrap();
    assert_eq!((dest.get("mac"), dest.get("weight"), dest.get("podId")), ("00:50:56:AA:BB:CC", "1", "1"));
    let mask = Mo::new("vnsRedirectDest").with("ip", "10.0.0.0/24");
    assert_eq!(refused(&mut tree, "uni/tn-k8s/svcCont/svcRedirectPol-fw", &mask).1, 801);
}

#[test]
fn roles_are_asked_for_by_what_changes() {
    let mut tree = tree();
    let own = ["tenant-ext-connectivity".to_owned()];
    let batch = |child: Mo| {
        Mo::new("fvTenant")
            .with("name", "k8s")
            .holding(Mo::new("l3extOut").with("name", "calico").holding(eepg("web").holding(child)))
    };
    assert!(tree.post_as("uni", &batch(subnet("10.0.0.1/32")), &own, at(1)).is_ok());
    let contract = Mo::new("fvRsProv").with("tnVzBrCPName", "c");
    let refusal = tree.post_as("uni", &batch(contract.clone()), &own, at(1)).unwrap_err();
    assert_eq!((refusal.status, refusal.code), (403, 403));
    assert!(tree.post_as("uni", &batch(contract), &["tenant-epg".to_owned()], at(1)).is_ok());
    assert_eq!(tree.delete_as(WEB, &[], at(1)).unwrap_err().status, 403);
}

#[test]
fn what_tests_want_refused_is_refused() {
    let mut tree = tree();
    let refusal = Refusal { status: 400, code: 801, text: "no".to_owned() };
    tree.refuse(Refuse {
        dn: "extsubnet-[10.0.0.1/32]".to_owned(),
        refusal: refusal.clone(),
        times: Some(1),
    });
    let both = eepg("web").holding(subnet("10.0.0.2/32")).holding(subnet("10.0.0.1/32"));
    assert_eq!(refused(&mut tree, OUT, &both), (400, 801, "no".to_owned()));
    assert!(tree.post(OUT, &both, at(1)).is_ok(), "once only");
    tree.refuse(Refuse { dn: "instP".to_owned(), refusal, times: None });
    assert!(tree.delete(WEB, at(1)).is_err());
    tree.refuse_nothing();
    assert!(tree.delete(WEB, at(1)).is_ok());
}

#[test]
fn the_tree_is_bounded() {
    let fabric = Fabric { max_objects: 60, ..Fabric::default() };
    let mut tree = Tree::new(fabric, at(0));
    let tenants = (0..60).fold(Mo::new("polUni"), |mo, number| {
        mo.holding(Mo::new("fvTenant").with("name", format!("t{number}")))
    });
    assert_eq!(refused(&mut tree, "uni", &tenants).1, 1);
}

#[test]
fn queries_reach_what_they_name() {
    let mut tree = tree();
    let tag = Mo::new("tagAnnotation").with("key", "k").with("value", "v");
    tree.post(WEB, &subnet("10.0.0.1/32").holding(tag).with("annotation", "orchestrator:thirdleaf"), at(1))
        .unwrap();
    let member = format!("{WEB}/extsubnet-[10.0.0.1/32]");
    assert_eq!(asked(&mut tree, &object("uni/tn-none"), &[]), Page { total: 0, objects: vec![] });
    assert_eq!(
        names(&asked(&mut tree, &object(OUT), &[("query-target", "children")])),
        [WEB, "uni/tn-k8s/out-calico/rsectx"]
    );
    let flat = asked(
        &mut tree,
        &object(OUT),
        &[("query-target", "subtree"), ("target-subtree-class", "l3extInstP,l3extSubnet")],
    );
    assert_eq!(names(&flat), [WEB, &member]);
    let options = [
        ("query-target", "subtree"),
        ("target-subtree-class", "l3extInstP,l3extSubnet"),
        ("rsp-subtree", "children"),
        ("rsp-subtree-class", "tagAnnotation"),
    ];
    let nested = asked(&mut tree, &object(OUT), &options);
    assert_eq!(nested.objects[0].children, []);
    let tag = &nested.objects[1].children[0];
    assert_eq!((tag.dn(), tag.get("rn"), tag.get("value")), ("", "annotationKey-[k]", "v"));
    let full = asked(
        &mut tree,
        &object("uni/tn-k8s"),
        &[("rsp-subtree", "full"), ("rsp-subtree-class", "l3extSubnet")],
    );
    let path: Vec<_> = std::iter::successors(full.objects.first(), |mo| mo.children.first())
        .map(|mo| mo.class.as_ref())
        .collect();
    assert_eq!(
        path,
        ["fvTenant", "l3extOut", "l3extInstP", "l3extSubnet"],
        "the way to it, and nothing else"
    );
    let filter =
        r#"and(eq(l3extSubnet.annotation,"orchestrator:thirdleaf"),wcard(l3extSubnet.dn,"uni/tn-k8s/"))"#;
    assert_eq!(asked(&mut tree, &class("l3extSubnet"), &[("query-target-filter", filter)]).total, 1);
    let elsewhere = Scope::Class { classes: vec!["l3extSubnet".to_owned()], below: "uni/tn-k".to_owned() };
    assert_eq!(asked(&mut tree, &elsewhere, &[]).total, 0);
    let count = asked(&mut tree, &class("l3extSubnet"), &[("rsp-subtree-include", "count")]);
    assert_eq!((count.total, count.objects[0].get("count")), (1, "1"));
    let healthy = asked(&mut tree, &object(WEB), &[("rsp-subtree-include", "health")]);
    assert_eq!(healthy.objects[0].children[0].get("cur"), "100");
    for dn in ["uni/nonsense", "uni/tn-k8s/instP-web"] {
        let query = Query::default();
        assert_eq!(tree.query(&object(dn), &query, at(1)).unwrap_err().code, 104, "{dn}");
    }
    assert_eq!(tree.query(&class("l3extSub"), &Query::default(), at(1)).unwrap_err().code, 122);
}

#[test]
fn answers_show_as_much_as_is_asked_for() {
    let mut tree = tree();
    let mut keys = |props| {
        let page = asked(&mut tree, &object(WEB), &[("rsp-prop-include", props)]);
        page.objects[0].attributes.keys().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(keys("naming-only"), ["dn", "name"]);
    let configured = keys("config-only");
    assert!(configured.contains(&"prefGrMemb".to_owned()) && !configured.contains(&"pcTag".to_owned()));
    let all = keys("all");
    assert!(
        ["pcTag", "modTs", "uid", "status", "configSt", "annotation"]
            .iter()
            .all(|key| all.contains(&(*key).to_owned()))
    );
    let systems =
        asked(&mut tree, &object("topology/pod-1/node-101/sys"), &[("rsp-prop-include", "config-only")]);
    assert_eq!(systems.total, 0, "what has nothing to configure is left out");
}

#[test]
fn options_that_there_are_not_are_refused() {
    for option in [
        ("query-target", "all"),
        ("rsp-subtree", "some"),
        ("rsp-prop-include", "none"),
        ("rsp-subtree-include", "everything"),
        ("order-by", "l3extSubnet.dn|up"),
        ("order-by", "l3extSubnet.nothing"),
        ("target-subtree-class", "l3extSub"),
        ("page-size", "0"),
        ("page", "-1"),
        ("subscription", "yes"),
        ("query-target-fliter", "true()"),
    ] {
        let refusal = Query::read([option]).unwrap_err();
        assert_eq!(refusal.status, 400, "{option:?}");
    }
    assert!(
        Query::read([("_dc", "1"), ("subscription", "no"), ("rsp-subtree-include", "relations,required")])
            .is_ok()
    );
}

#[test]
fn pages_are_ordered_only_when_asked() {
    let mut tree = tree();
    let many = (0..50).fold(eepg("web"), |mo, host| {
        mo.holding(subnet(&format!("10.0.0.{host}/32")).with("name", format!("{}", host % 2)))
    });
    tree.post(OUT, &many, at(1)).unwrap();
    let mut pages = |order: Option<&str>| -> Vec<String> {
        (0..5)
            .flat_map(|page| {
                let page = page.to_string();
                let mut options = vec![("page", page.as_str()), ("page-size", "10")];
                options.extend(order.map(|order| ("order-by", order)));
                let page = asked(&mut tree, &class("l3extSubnet"), &options);
                assert_eq!(page.total, 50);
                page.objects.iter().map(|mo| mo.get("ip").to_owned()).collect::<Vec<_>>()
            })
            .collect()
    };
    let distinct = |pages: &[String]| pages.iter().collect::<BTreeSet<_>>().len();
    assert_eq!(distinct(&pages(Some("l3extSubnet.dn|desc"))), 50);
    assert_eq!(pages(Some("l3extSubnet.dn"))[..2], ["10.0.0.0/32", "10.0.0.1/32"]);
    assert_eq!(distinct(&pages(Some("l3extSubnet.name|asc,l3extSubnet.dn|desc"))), 50);
    assert!(distinct(&pages(None)) < 50, "who pages without an order misses some");
    assert!(distinct(&pages(Some("l3extSubnet.name"))) < 50, "so who pages with ties");
}

#[test]
fn an_answer_that_is_too_big_is_refused() {
    let mut tree = tree();
    tree.fabric.max_results = 5;
    let options = [("query-target", "subtree")];
    let query = Query::read(options).unwrap();
    let refusal = tree.query(&object("uni"), &query, at(1)).unwrap_err();
    assert_eq!(refusal.text, "Unable to process the query, result dataset is too big");
    assert!(asked(&mut tree, &object("uni"), &[("query-target", "subtree"), ("page-size", "5")]).total > 5);
}

/// Who complains of which prefix.
fn faults(tree: &mut Tree, now: Timestamp) -> Vec<(String, String)> {
    let filter = r#"and(wcard(faultInst.changeSet,"prefix-entry-already-in-use"),wcard(faultInst.dn,"node-101/.*uni/epp/rtd"))"#;
    let query = Query::read([("query-target-filter", filter)]).unwrap();
    let page = tree.query(&class("faultInst"), &query, now).unwrap();
    let between = |text: &str, from: &str, to: &str| {
        text.split_once(from)
            .and_then(|(_, rest)| rest.split_once(to))
            .map(|(inside, _)| inside.to_owned())
            .unwrap()
    };
    page.objects
        .iter()
        .map(|mo| (between(mo.dn(), "rtd-[", "]"), between(mo.get("changeSet"), "pfx-[", "]")))
        .collect()
}

#[test]
fn a_prefix_in_two_eepgs_of_a_vrf_is_a_fault_of_the_later_one() {
    let mut tree = tree();
    let other = "uni/tn-k8s/out-second/instP-other";
    let second = Mo::new("l3extOut")
        .with("name", "second")
        .holding(Mo::new("l3extRsEctx").with("tnFvCtxName", "prod"))
        .holding(eepg("other"));
    tree.post("uni/tn-k8s", &second, at(0)).unwrap();
    tree.post(other, &subnet("10.0.0.7/24"), at(1)).unwrap();
    tree.post(WEB, &subnet("10.0.0.0/24"), at(10)).unwrap();
    tree.post(WEB, &subnet("0.0.0.0/0"), at(10)).unwrap();
    tree.post(other, &subnet("0.0.0.0/0"), at(10)).unwrap();
    tree.post(other, &subnet("10.1.0.0/24").with("scope", "import-rtctrl"), at(10)).unwrap();
    tree.post(WEB, &subnet("10.1.0.0/24"), at(10)).unwrap();
    assert_eq!(faults(&mut tree, at(99)), []);
    assert_eq!(faults(&mut tree, at(100)), [(WEB.to_owned(), "10.0.0.0/24".to_owned())]);
    let scope = tree.value("uni/tn-k8s/ctx-prod", "scope").unwrap().into_owned();
    let fault = tree
        .get(&format!(
            "topology/pod-1/node-102/local/svc-policyelem-id-0/uni/epp/rtd-[{WEB}]/nwissues/fault-F0467"
        ))
        .unwrap();
    assert_eq!(
        fault.get("changeSet"),
        format!(
            "configQual:prefix-entry-already-in-use, configSt:failed-to-apply, debugMessage:prefix-entry-already-in-use: Prefix entry sys/ctx-[vxlan-{scope}]/pfx-[10.0.0.0/24] is in use;, temporaryError:no"
        )
    );
    assert_eq!((fault.get("severity"), fault.get("lc")), ("minor", "raised"));
    // The first goes: the later one has it now.
    tree.delete(&format!("{other}/extsubnet-[10.0.0.7/24]"), at(200)).unwrap();
    assert_eq!(faults(&mut tree, at(200)), []);
    // Back again, it is the later one.
    tree.post(other, &subnet("10.0.0.0/24"), at(300)).unwrap();
    assert_eq!(faults(&mut tree, at(390)), [(other.to_owned(), "10.0.0.0/24".to_owned())]);
    // In another VRF there is no conflict.
    tree.post("uni/tn-k8s", &Mo::new("fvCtx").with("name", "dev"), at(400)).unwrap();
    tree.post("uni/tn-k8s/out-second", &Mo::new("l3extRsEctx").with("tnFvCtxName", "dev"), at(400)).unwrap();
    assert_eq!(faults(&mut tree, at(500)), []);
}

#[test]
fn more_prefixes_than_fit_are_a_fault() {
    let mut tree = tree();
    let many = (0..5).fold(eepg("web"), |mo, host| mo.holding(subnet(&format!("10.0.0.{host}/32"))));
    tree.post(OUT, &many, at(1)).unwrap();
    let overflow = |tree: &mut Tree| {
        let page =
            asked(tree, &class("faultInst"), &[("query-target-filter", r#"eq(faultInst.code,"F3544")"#)]);
        page.objects.iter().map(|mo| mo.get("changeSet").to_owned()).collect::<Vec<_>>()
    };
    assert!(overflow(&mut tree).is_empty());
    tree.set_capacity(3);
    assert_eq!(overflow(&mut tree), ["pfxRuleFailed (New: 2)", "pfxRuleFailed (New: 2)"], "on either leaf");
    let usage = "topology/pod-1/node-101/sys/eqptcapacity";
    assert_eq!(
        tree.value(&format!("{usage}/CDeqptcapacityPrefixEntries5min"), "totalRouteEntries").unwrap(),
        "5"
    );
    let stats = asked(
        &mut tree,
        &class("eqptcapacityEntity"),
        &[("rsp-subtree-include", "stats"), ("rsp-subtree-class", "eqptcapacityL3TotalUsage5min")],
    );
    assert_eq!(stats.objects[0].children[0].get("v4TotalEpCum"), "5");
    tree.delete(WEB, at(2)).unwrap();
    assert!(overflow(&mut tree).is_empty());
}

#[test]
fn an_older_tree_can_be_put_back() {
    let mut tree = tree();
    let older = tree.clone();
    tree.post(WEB, &subnet("10.0.0.1/32"), at(1)).unwrap();
    tree.set_capacity(7);
    tree.restore(older);
    assert_eq!(tree.of_class("l3extSubnet").count(), 0);
    assert_eq!(tree.fabric.capacity, 7);
}

#[test]
fn what_was_read_can_be_loaded() {
    let mut tree = tree();
    tree.post(WEB, &subnet("10.0.0.1/32"), at(1)).unwrap();
    let tenant = asked(&mut tree, &object("uni/tn-k8s"), &[("rsp-subtree", "full")]).objects.remove(0);
    let mut copy = Tree::new(Fabric::default(), at(5));
    copy.load(&tenant, at(5)).unwrap();
    copy.settle(at(5));
    assert!(tree.objects().map(|(dn, _)| dn).eq(copy.objects().map(|(dn, _)| dn)));
    assert_eq!(refused(&mut tree, "uni", &tenant).1, 107, "a client may not");
}

#[test]
fn the_controllers_show_themselves() {
    let mut tree = Tree::new(Fabric { controllers: 3, ..Fabric::default() }, at(0));
    let controllers = asked(
        &mut tree,
        &class("topSystem"),
        &[("query-target-filter", r#"eq(topSystem.role,"controller")"#)],
    );
    assert_eq!(controllers.total, 3);
    assert_eq!(asked(&mut tree, &class("infraWiNode"), &[]).total, 3);
    assert_eq!(asked(&mut tree, &class("fabricNode"), &[]).total, 5);
    assert_eq!(asked(&mut tree, &class("firmwareCtrlrRunning"), &[]).objects[0].get("version"), VERSION);
}
