//! What is asked of the APIC.

use std::collections::BTreeSet;

use super::{Reading, Target};
use crate::eepg::dn::{self, Container, L3out};
use crate::eepg::mark::ANNOTATION;
use crate::eepg::rule::Rules;

/// Names in one filter: a request line has room for some thousand characters.
const NAMES: usize = 40;
/// Characters of one filter that leave out what is listed anyway.
const LONGEST: usize = 1_500;

/// The first round: the L3Outs of our VRFs, all EEPGs, and what else has our annotation.
pub(super) fn readings(rules: &Rules) -> Vec<Reading> {
    let vrfs = rules.vrfs();
    let vrfs: Vec<&str> = vrfs.iter().map(|vrf| &**vrf).collect();
    let mut readings = one_of("l3extRsEctx", "tnFvCtxName", &vrfs);
    readings.push(class("l3extInstP", None));
    let l3outs: BTreeSet<_> = rules.l3outs().into_iter().map(|(l3out, _)| l3out.to_string()).collect();
    let policies: BTreeSet<_> = rules.policies().iter().map(ToString::to_string).collect();
    readings.push(class("l3extSubnet", Some(strays("l3extSubnet", &l3outs))));
    readings.push(class("vnsSvcRedirectPol", Some(strays("vnsSvcRedirectPol", &BTreeSet::new()))));
    readings.push(class("vnsRedirectDest", Some(strays("vnsRedirectDest", &policies))));
    readings
}

fn class(class: &'static str, filter: Option<String>) -> Reading {
    Reading { target: Target::Class(class), classes: &[], children: &[], filter }
}

/// Has our annotation and is not in one of `trees`, which are listed anyway.
///
/// `wcard` takes a pattern in which a dot is any character, so a tree with one in its name is not left out: what
/// is read twice does no harm, what is not read would.
fn strays(class: &str, trees: &BTreeSet<String>) -> String {
    let ours = format!("eq({class}.annotation,\"{ANNOTATION}\")");
    let mut all = ours.clone();
    for tree in trees.iter().filter(|tree| !tree.contains('.')) {
        let other = format!(",not(wcard({class}.dn,\"{tree}/\"))");
        if all.len() + other.len() > LONGEST {
            break;
        }
        all.push_str(&other);
    }
    if all == ours { all } else { format!("and({all})") }
}

/// Objects of a class one of whose attributes is one of `values`: as many queries as it takes.
fn one_of(name: &'static str, attribute: &str, values: &[&str]) -> Vec<Reading> {
    // The configuration has no other names; in a filter a quotation mark would end the text.
    let values: Vec<_> = values.iter().filter(|value| !value.contains(['"', ',', '(', ')'])).collect();
    let queries = values.chunks(NAMES).map(|values| {
        let equal: Vec<_> =
            values.iter().map(|value| format!("eq({name}.{attribute},\"{value}\")")).collect();
        let filter = equal.join(",");
        class(name, Some(if values.len() > 1 { format!("or({filter})") } else { filter }))
    });
    queries.collect()
}

/// The second round: an L3Out, its EEPGs and their members.
pub(super) fn l3out(l3out: &L3out) -> Reading {
    Reading {
        target: Target::Tree(l3out.to_string()),
        classes: &["l3extOut", "l3extRsEctx", "l3extInstP", "l3extSubnet"],
        children: &["tagAnnotation", "fvRsProv", "fvRsCons"],
        filter: None,
    }
}

/// The second round: a redirect policy and its destinations.
pub(super) fn policy(policy: &Container) -> Reading {
    Reading {
        target: Target::Tree(policy.to_string()),
        classes: &["vnsSvcRedirectPol", "vnsRedirectDest"],
        children: &["tagAnnotation", "vnsRsIPSLAMonitoringPol", "vnsRsRedirectHealthGroup"],
        filter: None,
    }
}

/// The second round: what rules name beside L3Outs and policies, by distinguished name.
pub(super) fn singly(rules: &Rules) -> (Vec<Reading>, BTreeSet<String>) {
    let (mut tenants, mut groups, mut policies) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    tenants.extend(rules.eepgs().map(|rule| dn::tenant(&rule.tenant)));
    for rule in rules.redirects() {
        tenants.insert(dn::tenant(&rule.tenant));
        groups.extend(rule.health_group.iter().map(|group| dn::health_group(&rule.tenant, group)));
        policies.extend(rule.ip_sla.iter().map(|policy| dn::ip_sla(&rule.tenant, policy)));
    }
    let of = |class, dns: &BTreeSet<String>| {
        one_of(class, "dn", &dns.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let mut readings = of("fvTenant", &tenants);
    readings.extend(of("vnsRedirectHealthGroup", &groups));
    readings.extend(of("fvIPSLAMonitoringPol", &policies));
    let asked = [tenants, groups, policies].into_iter().flatten().collect();
    (readings, asked)
}

/// The third round: a container with all that it contains.
pub(super) fn whole(container: &Container) -> Reading {
    Reading { target: Target::Tree(container.to_string()), classes: &[], children: &[], filter: None }
}
