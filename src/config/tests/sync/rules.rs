//! `[[eepg]]`, `[[redirect]]` and `[safety]`.

use std::time::Duration;

use super::super::super::model::{Caps, Mode, SubnetScope};
use super::super::{SHORTEST, and};
use super::{check, fabric, good, rule};
use crate::policy::Class;

/// The error of one rule with `lines`, which begin on line 34.
fn wrong(lines: &str, expected: &[&str]) {
    check(&[(fabric(&rule(lines)), expected)]);
}

#[test]
fn rules_need_a_fabric() {
    let no_apic = "there is no [[apic]]: nobody could hold what this says \
                   (say in [[apic]] where the controllers are and who we are there)";
    check(&[
        (and(&(rule("") + &rule("match.min_length = 32"))), &[&format!("24:1 [[[eepg]]] {no_apic}")]),
        (
            and("[[redirect]]\npolicy = \"fw\"\ntenant = \"k8s\"\n"),
            &[&format!("24:1 [[[redirect]]] {no_apic}")],
        ),
        (
            and("[safety]\nmode = \"enforce\"\n"),
            &[
                "25:8 [\"enforce\"] there is no [[apic]] that anything could be written to (add one, or leave this out)",
            ],
        ),
    ]);
    super::super::read(&and("[safety]\nmode = \"observe\"\n")).unwrap();
}

#[test]
fn matches_say_one_value_or_several() {
    let lines = "match = { class = [\"service_host\", \"pod_block\"], prefix = \"10.96.0.0/16\", min_length = 20, \
                 community = [\"65102:100\", \"0002FDE800000064\"], peer_as = [65102, \"65110-65120\"], node = \"10.0.0.9\", \
                 rack = \"rack1\", leaf = [\"rack1\"], cluster = \"default\" }";
    let config = good(&fabric(&rule(lines)));
    let matches = &config.eepgs[0].matches;
    assert_eq!(matches.class, [Class::PodBlock, Class::ServiceHost]);
    assert_eq!(
        (matches.prefix.as_slice(), matches.min_length),
        (&["10.96.0.0/16".parse().unwrap()][..], Some(20))
    );
    assert_eq!(matches.community.concat(), "65102:100rt:65000:100");
    assert_eq!(matches.peer_as.iter().map(ToString::to_string).collect::<Vec<_>>(), ["65102", "65110-65120"]);
    assert_eq!([&matches.node, &matches.rack].map(|names| names.concat()), ["10.0.0.9", "rack1"]);
    assert_eq!([&matches.leaf, &matches.cluster].map(|names| names.concat()), ["rack1", "default"]);
}

#[test]
fn bad_matches() {
    wrong(
        "match = { kubernetes = { namespace = \"shop\" }, clas = 1 }",
        &[
            "34:24 [{ namespace = \"shop\" }] `kubernetes` comes with a later version \
             (until then communities, prefixes and nodes tell workloads apart)",
            "34:48 [clas] unknown key `clas` in `eepg[0].match` (did you mean `class`?)",
        ],
    );
    wrong(
        "match = { class = [\"pod_hosts\", \"other\", \"service\"] }",
        &[
            "34:20 [\"pod_hosts\"] unknown value `pod_hosts` (did you mean `pod_host`?)",
            "34:33 [\"other\"] no accepted route is of the class `other`",
            "34:42 [\"service\"] unknown value `service` (the values are node_subnet, pod_block, pod_host, \
             service_cidr, service_host, other)",
        ],
    );
    wrong(
        "match = { prefix = [\"10.96.0.1/16\", \"172.16.0.0/12\", \"10.96.0.1\"] }",
        &[
            "34:21 [\"10.96.0.1/16\"] `10.96.0.1/16` has host bits set (write \"10.96.0.0/16\")",
            "34:37 [\"172.16.0.0/12\"] no route within 172.16.0.0/12 is allowed, so none could match \
             (permit what is announced there with [[policy.allow]] first)",
            "34:54 [\"10.96.0.1\"] a prefix needs a length (write \"10.96.0.1/32\")",
        ],
    );
    wrong(
        "match = { prefix = \"10.96.0.0/16\", min_length = 33 }",
        &["34:49 [33] a prefix of this family has a length of at most 32"],
    );
    wrong("match.min_length = 129", &["34:20 [129] must be a number from 1 to 128"]);
    wrong(
        "match = { community = [\"65536:1\", 100], peer_as = \"AS1\" }",
        &[
            "34:24 [\"65536:1\"] `65536:1` is not a community \
             (write it as \"65102:100\", \"65102:1:2\" or \"rt:65102:100\")",
            "34:35 [100] expected a string, found a number",
            "34:51 [\"AS1\"] `AS1` is not a range of ASes (write 65102, \"65102\" or \"65102-65199\")",
        ],
    );
    wrong(
        "match = { node = \"n1\", rack = \"rakc1\", leaf = \"rack2\", cluster = \"blue\" }",
        &[
            "34:18 [\"n1\"] unknown node `n1` (there are none)",
            "34:31 [\"rakc1\"] unknown rack `rakc1` (did you mean `rack1`?)",
            "34:47 [\"rack2\"] unknown leaf `rack2` (did you mean `rack1`?)",
            "34:66 [\"blue\"] unknown cluster `blue` (the clusters are default)",
        ],
    );
    wrong("match = { rack = [] }", &["34:18 [[]] this list must not be empty"]);
    wrong("match = true", &["34:9 [true] expected a table, found true or false"]);
}

#[test]
fn what_no_allowed_route_could_match() {
    let compare =
        "compare `class`, `prefix` and `min_length` with the prefixes and `lengths` of [[policy.allow]]";
    let nothing = "no route that [[policy.allow]] permits could match";
    let matches = "{ class = \"pod_block\", prefix = \"10.96.0.0/12\" }";
    wrong(&format!("match = {matches}"), &[&format!("34:9 [{matches}] {nothing} ({compare})")]);
    let matches = "{ class = \"pod_block\", min_length = 27 }";
    wrong(&format!("match = {matches}"), &[&format!("34:9 [{matches}] {nothing} ({compare})")]);
    let matches = "{ class = \"pod_block\", prefix = \"10.244.0.0/27\" }";
    wrong(&format!("match = {matches}"), &[&format!("34:9 [{matches}] {nothing} ({compare})")]);
    good(&fabric(&rule("match = { class = \"pod_block\", min_length = 26, prefix = \"10.244.0.0/20\" }")));
    good(&fabric(&rule("match = { prefix = \"0.0.0.0/0\" }")));
    // Only blocks and ranges are allowed.
    let blocks = |more: &str| fabric(&rule(more)).replace(", 32]", "]");
    let hosts =
        "without `class` only hosts match: permit their length in [[policy.allow]], or name the class";
    check(&[
        (blocks(""), &[&format!("30:1 [[[eepg]]] {nothing} ({hosts})")]),
        (
            blocks("match.class = [\"pod_host\"]"),
            &["34:16 [\"pod_host\"] no [[policy.allow]] permits a route of the class `pod_host` \
               (the length of a host makes a `_host`, any other the range or the block)"],
        ),
    ]);
    good(&blocks("match.class = \"pod_block\""));
}

#[test]
fn what_is_allowed_elsewhere_does_not_count() {
    let text = fabric(&rule("match.class = \"pod_host\""))
        .replace("lengths = [26, 32]  ", "vrfs = \"red\"\nlengths = [26, 32]  ")
        .replace("peer_as = [", "vrf = \"red\"\npeer_as = [");
    good(&text.replace("l3out =", "vrf = \"red\"\nl3out ="));
    let errors = super::read_in(&text.replace("l3out =", "vrf = \"default\"\nl3out ="), &super::machine());
    assert!(errors.unwrap_err().to_string().contains("permits a route of the class `pod_host`"));
}

#[test]
fn a_bad_policy_is_told_once() {
    let text = fabric(&rule("match = { class = \"pod_block\", prefix = \"10.244.0.0/20\" }"));
    check(&[(
        text.replace("\"10.244.0.0/16\"", "\"10.244.0.1/16\""),
        &["14:10 [\"10.244.0.1/16\"] `10.244.0.1/16` has host bits set (write \"10.244.0.0/16\")"],
    )]);
}

#[test]
fn vrfs() {
    let red = "[[neighbors]]\nleaf = \"rack1\"\nrange = \"192.168.2.0/26\"\npeer_as = 65102\nvrf = \"red\"\n";
    wrong(
        "vrf = \"prod\"",
        &[
            "34:7 [\"prod\"] unknown VRF `prod` (no peer is in it, so nothing could match; the VRFs are default)",
        ],
    );
    check(&[(
        fabric(&(rule("") + red)),
        &[
            "30:1 [[[eepg]]] `vrf` is missing in `eepg[0]`, and peers are in several (write one of default, red)",
        ],
    )]);
    assert_eq!(&*good(&fabric(&(rule("vrf = \"red\"") + red))).eepgs[0].vrf, "red");
    // Where every range says another VRF than its leaf, that is the only one with peers.
    let only = fabric(&rule("")).replace("peer_as = [", "vrf = \"red\"\npeer_as = [");
    assert_eq!(&*good(&only).eepgs[0].vrf, "red");
}

#[test]
fn what_is_made() {
    let config = good(&fabric(&rule(
        "create = true\ncontracts = { provide = [\"web\", \"dns\"], consume = \"ntp\" }\n\
         scope = [\"shared-security\", \"import-security\"]\ncaps = { members = 10, l3out_members = 20, eepgs = 5 }",
    )));
    let eepg = &config.eepgs[0];
    assert!(eepg.create && eepg.manage);
    assert_eq!(
        (eepg.contracts.provide.concat(), eepg.contracts.consume.concat()),
        ("webdns".into(), "ntp".into())
    );
    assert_eq!(eepg.scope, [SubnetScope::ImportSecurity, SubnetScope::SharedSecurity]);
    assert_eq!(eepg.caps, Caps { members: 10, l3out_members: 20, eepgs: 5 });
    wrong(
        "contracts = { provide = \"web\" }",
        &[
            "34:13 [{ provide = \"web\" }] contracts are those of an EEPG that we make, and `create` is false \
           (add create = true, or leave its contracts to whoever made it)",
        ],
    );
    wrong(
        "create = true\ncontracts = { provide = [\"web\", \"a b\", \"web\"], consumes = \"x\" }",
        &[
            "35:33 [\"a b\"] the APIC does not take `a b` for a name \
             (it takes up to 64 letters, digits, `_`, `.`, `:` and `-`)",
            "35:40 [\"web\"] `web` stands here twice",
            "35:48 [consumes] unknown key `consumes` in `eepg[0].contracts` (did you mean `consume`?)",
        ],
    );
    wrong(
        "scope = \"shared-security\"",
        &["34:9 [\"shared-security\"] without `import-security` a member classifies nothing \
           (write [\"import-security\", \"shared-security\"])"],
    );
    wrong(
        "scope = [\"import-security\", \"import-rtctrl\", \"import_security\"]",
        &[
            "34:29 [\"import-rtctrl\"] `import-rtctrl` controls routes, and a member only classifies \
             (set it on a subnet of your own: what is set on a member besides is left as it is)",
            "34:46 [\"import_security\"] unknown value `import_security` (did you mean `import-security`?)",
        ],
    );
    wrong("manage = \"no\"", &["34:10 [\"no\"] unknown value `no` (the values are always, never)"]);
    wrong(
        "manage = \"never\"\ncreate = true",
        &["35:10 [true] an EEPG that is left alone is not made either: `manage` is \"never\""],
    );
    assert!(!good(&fabric(&rule("manage = \"never\""))).eepgs[0].manage);
    wrong(
        "caps = { members = 0, eepgs = 0, l3out_member = 1 }",
        &[
            "34:20 [0] must be a number from 1 to 1000000",
            "34:31 [0] must be a number from 1 to 100000",
            "34:34 [l3out_member] unknown key `l3out_member` in `eepg[0].caps` (did you mean `l3out_members`?)",
        ],
    );
}

#[test]
fn a_rule_behind_a_wider_one_is_never_asked() {
    let two = |first: &str, second: &str| fabric(&(rule(first) + &rule(second).replace("web", "db")));
    let order = "the first rule that matches wins: put the narrower one first";
    check(&[
        (
            two("match = { rack = \"rack1\" }", "match = { rack = \"rack1\" }"),
            &[&format!(
                "39:9 [{{ rack = \"rack1\" }}] nothing reaches this rule: the one for `web` on line 34 takes it all ({order})"
            )],
        ),
        (
            two("", "match.class = \"pod_host\""),
            &[&format!(
                "39:1 [match] nothing reaches this rule: the one for `web` on line 30 takes it all ({order})"
            )],
        ),
    ]);
    for (wide, narrow) in [
        ("prefix = \"10.96.0.0/16\"", "prefix = [\"10.96.7.0/24\", \"10.96.8.0/32\"]"),
        ("min_length = 20", "min_length = 32"),
        ("community = [\"1:2\", \"1:3\"]", "community = \"1:3\""),
        ("peer_as = \"65102-65110\"", "peer_as = [65102, \"65105-65110\"]"),
        ("node = [\"10.0.0.1\", \"10.0.0.2\"]", "node = \"10.0.0.2\""),
        ("leaf = \"rack1\"", "leaf = \"rack1\", node = \"10.0.0.2\""),
        ("cluster = \"default\"", "cluster = \"default\", rack = \"rack1\""),
        ("class = [\"pod_block\", \"pod_host\"]", "class = \"pod_block\""),
    ] {
        let (wide, narrow) = (format!("match = {{ {wide} }}"), format!("match = {{ {narrow} }}"));
        let errors = super::read_in(&two(&wide, &narrow), &super::machine()).expect_err(&narrow);
        assert!(errors.to_string().contains("nothing reaches this rule"), "{narrow}\n{errors}");
        good(&two(&narrow, &wide));
    }
    // One that is wrong says nothing of others.
    check(&[(
        two("match.class = \"pod_hots\"", "match.class = \"pod_host\""),
        &["34:15 [\"pod_hots\"] unknown value `pod_hots` (did you mean `pod_host`?)"],
    )]);
    // One that other values might reach is asked.
    for (first, second) in [
        ("match.class = \"pod_host\"", ""),
        ("match.class = \"pod_block\"", ""),
        ("match.prefix = \"10.96.7.0/24\"", "match.prefix = [\"10.96.7.0/24\", \"10.96.8.0/24\"]"),
        ("match.community = \"1:2\"", "match.prefix = \"10.96.0.0/16\""),
    ] {
        good(&two(first, second));
    }
}

#[test]
fn rules_of_one_eepg_say_the_same_of_it() {
    let two = |first: &str, second: &str| {
        fabric(&(rule(&format!("{first}\nmatch.class = \"pod_host\"")) + &rule(second)))
    };
    let red = "[[neighbors]]\nleaf = \"rack1\"\nrange = \"192.168.2.0/26\"\npeer_as = 65102\nvrf = \"red\"\n";
    check(&[
        (
            two("create = true", ""),
            &[
                "36:1 [[[eepg]]] EEPG `web` has another `create` in the rule on line 30 (give both the same `create`)",
            ],
        ),
        (
            two("create = true\ncontracts.provide = \"a\"", "create = true"),
            &[
                "37:1 [[[eepg]]] EEPG `web` has another `contracts` in the rule on line 30 (give both the same `contracts`)",
            ],
        ),
        (
            two("", "scope = [\"import-security\", \"shared-security\"]"),
            &[
                "36:1 [[[eepg]]] EEPG `web` has another `scope` in the rule on line 30 (give both the same `scope`)",
            ],
        ),
        (
            two("caps.members = 5", "caps.members = 6"),
            &["36:1 [[[eepg]]] EEPG `web` has another `caps.members` in the rule on line 30 \
               (give both the same `caps.members`)"],
        ),
        (
            two("name = 1\n#", "").replace("name = 1\n#", "caps.l3out_members = 5\ncaps.eepgs = 1\n#")
                + &rule("caps.eepgs = 2\nmatch.class = \"pod_block\"").replace("web", "db"),
            &["43:1 [[[eepg]]] L3Out `calico` has another `caps.eepgs` in the rule on line 30 \
               (give both the same `caps.eepgs`)"],
        ),
        (
            two("vrf = \"default\"", "vrf = \"red\"").replace("[global]", &format!("{red}[global]")),
            &[
                "41:1 [[[eepg]]] L3Out `calico` has another `vrf` in the rule on line 35 (give both the same `vrf`)",
            ],
        ),
    ]);
    let config = good(&two("caps = { members = 5, eepgs = 7 }", "caps.l3out_members = 9"));
    assert_eq!(
        config.eepgs.iter().map(|eepg| eepg.caps).collect::<Vec<_>>(),
        [Caps { members: 5, l3out_members: 9, eepgs: 7 }; 2]
    );
    good(&two("create = true", "manage = \"never\""));
}

/// A redirect policy with `lines`, which begin on line 33.
fn redirect(lines: &str) -> String {
    format!("[[redirect]]\npolicy = \"fw\"\ntenant = \"k8s\"\n{lines}\n")
}

#[test]
fn redirects() {
    let config = good(&fabric(&redirect("")));
    let [redirect_of_file] = config.redirects.as_slice() else { panic!() };
    assert_eq!((&*redirect_of_file.policy, &*redirect_of_file.apic), ("fw", "fabric1"));
    assert_eq!((&*redirect_of_file.tenant, &*redirect_of_file.vrf), ("k8s", "default"));
    assert_eq!((redirect_of_file.create, redirect_of_file.min_destinations), (false, 1));
    assert_eq!(
        (&redirect_of_file.mac, &redirect_of_file.health_group, &redirect_of_file.ip_sla),
        (&None, &None, &None)
    );
    let mac = |mac: &str| good(&fabric(&redirect(&format!("mac = \"{mac}\"")))).redirects.remove(0).mac;
    assert_eq!(mac("00-50-56-ab-cd-ef").as_deref(), Some("00:50:56:AB:CD:EF"));
    assert_eq!(mac("00:00:00:00:00:00"), None);
    let config = good(&fabric(&redirect(
        "create = true\nhealth_group = \"hg\"\nip_sla = \"sla\"\nmin_destinations = 0",
    )));
    let [whole] = config.redirects.as_slice() else { panic!() };
    assert_eq!((whole.health_group.as_deref(), whole.ip_sla.as_deref()), (Some("hg"), Some("sla")));
    assert_eq!((whole.create, whole.min_destinations), (true, 0));
    check(&[
        (
            fabric(&redirect("mac = \"01:00:5e:00:00:01\"")),
            &["33:7 [\"01:00:5e:00:00:01\"] this is the MAC address of a group, not of a destination"],
        ),
        (
            fabric(&redirect(
                "mac = \"00:50:56:ab:cd\"\nip_sla = \"a/b\"\nmin_destinations = 1001\nhealthgroup = \"x\"",
            )),
            &[
                "33:7 [\"00:50:56:ab:cd\"] `00:50:56:ab:cd` is not a MAC address (write it as \"00:50:56:AB:CD:EF\")",
                "34:10 [\"a/b\"] the APIC does not take `a/b` for a name \
                 (it takes up to 64 letters, digits, `_`, `.`, `:` and `-`)",
                "35:20 [1001] must be a number from 0 to 1000",
                "36:1 [healthgroup] unknown key `healthgroup` in `redirect[0]` (did you mean `health_group`?)",
            ],
        ),
        (
            fabric(&redirect("match = { class = [\"pod_block\", \"pod_host\"] }")),
            &["33:20 [\"pod_block\"] a destination is an address, and `pod_block` is for prefixes \
               (only `pod_host` and `service_host` are one address each)"],
        ),
        (
            fabric(&redirect("match.kubernetes = {}")),
            &["33:20 [{}] `kubernetes` comes with a later version \
               (until then communities, prefixes and nodes tell workloads apart)"],
        ),
        (
            fabric(&(redirect("match.class = \"pod_host\"") + &redirect("match.class = \"service_host\""))),
            &["35:10 [\"fw\"] the destinations of `fw` are said already, on line 31 \
               (one entry may match several prefixes, nodes or communities)"],
        ),
    ]);
}

#[test]
fn safety() {
    let lines = "[safety]\nmode = \"enforce\"\nstartup_grace = \"0s\"\ndelete_after = \"1s\"\nhold_down = \"1s\"\n\
                 mass_withdraw = { fraction = 1, count = 1, window = \"1s\" }\nmax_deletes_per_minute = 1\n\
                 max_delete_fraction = 1.0\neepg_delete_after = \"1s\"\nrepair_limit = 1\n";
    let safety = good(&fabric(lines)).safety;
    let second = Duration::from_secs(1);
    assert_eq!(
        (safety.mode, safety.startup_grace, safety.delete_after),
        (Mode::Enforce, Duration::ZERO, second)
    );
    assert_eq!((safety.hold_down, safety.eepg_delete_after), (second, second));
    let mass = safety.mass_withdraw;
    assert_eq!((mass.fraction, mass.count, mass.window), (1.0, 1, second));
    assert_eq!((safety.max_deletes_per_minute, safety.max_delete_fraction, safety.repair_limit), (1, 1.0, 1));
    let silent = "a peer that fell silent withdrew nothing, so its members stay at least as long";
    check(&[
        (
            and("[safety]\nmode = \"enforced\"\nstartup_grace = \"25h\"\ndelete_after = \"0s\"\n\
                 mass_withdraw = { fraction = 0, count = 0, window = \"2h\" }\nmax_deletes_per_minute = 0\n\
                 max_delete_fraction = 1.1\neepg_delete_after = \"31d\"\nrepair_limit = 0\nholddown = 1"),
            &[
                "25:8 [\"enforced\"] unknown value `enforced` (did you mean `enforce`?)",
                "26:17 [\"25h\"] must be from 0s to 1day \
                 (it is for the peers to come back; nothing is deleted meanwhile)",
                "27:16 [\"0s\"] must be from 1s to 30days \
                 (a service that moves is withdrawn and announced again within seconds)",
                "28:30 [0] must be above 0 and at most 1 (it is a share of an L3Out's members: 0.1 holds deletes above 10 %)",
                "28:41 [0] must be a number from 1 to 1000000",
                "28:53 [\"2h\"] must be from 1s to 1h (what goes within it counts as one event)",
                "29:26 [0] must be a number from 1 to 100000",
                "30:23 [1.1] must be above 0 and at most 1 \
                 (it is a share of an L3Out's members: 0.2 deletes at most 20 % within ten minutes)",
                "31:21 [\"31d\"] must be from 1s to 30days (an EEPG that is made anew has lost what others added to it)",
                "32:16 [0] must be a number from 1 to 1000",
                "33:1 [holddown] unknown key `holddown` in `safety` (did you mean `hold_down`?)",
            ],
        ),
        (
            and("[safety]\nhold_down = \"9m\""),
            &[&format!("25:13 [\"9m\"] `hold_down` (9m) is shorter than `delete_after` (10m) ({silent})")],
        ),
        (
            and("[safety]\ndelete_after = \"25h\""),
            &[&format!(
                "24:1 [[safety]] `hold_down` (1day) is shorter than `delete_after` (1day 1h) ({silent})"
            )],
        ),
        (
            format!("{SHORTEST}[safety]\nhold_down = \"31d\""),
            &["25:13 [\"31d\"] must be from 1s to 30days \
               (members of peers that are gone are not kept for ever, nor dropped at a blink)"],
        ),
    ]);
}
