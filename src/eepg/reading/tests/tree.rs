//! A tree of objects that takes requests and answers queries, as far as these tests go.

use std::collections::BTreeMap;

use super::super::{Reading, Target};
use crate::eepg::mo::Mo;

/// Objects by distinguished name, without children.
#[derive(Default)]
pub(super) struct Apic(BTreeMap<String, Mo>);

impl Apic {
    pub(super) fn put(&mut self, dn: &str, mo: Mo) {
        let known =
            self.0.entry(dn.to_owned()).or_insert_with(|| Mo { class: mo.class.clone(), ..Mo::default() });
        known.attributes.extend(mo.attributes);
        known.attributes.insert("dn".into(), dn.to_owned());
    }

    pub(super) fn remove(&mut self, dn: &str) {
        self.0.retain(|known, _| known != dn && !known.starts_with(&format!("{dn}/")));
    }

    pub(super) fn l3out(&mut self, dn: &str, vrf: &str) {
        self.put(dn, Mo::new("l3extOut"));
        let name = vrf.rsplit_once("ctx-").unwrap().1;
        let relation = Mo::new("l3extRsEctx").with("tnFvCtxName", name).with("tDn", vrf);
        self.put(&format!("{dn}/rsectx"), relation);
    }

    pub(super) fn subnet(&mut self, eepg: &str, prefix: &str, attributes: &[(&'static str, &str)]) {
        self.put(eepg, Mo::new("l3extInstP"));
        let mo = attributes.iter().fold(Mo::new("l3extSubnet"), |mo, (name, value)| mo.with(name, *value));
        self.put(&format!("{eepg}/extsubnet-[{prefix}]"), mo);
    }

    /// Takes what is posted.
    pub(super) fn post(&mut self, mo: &Mo) {
        self.apply(mo.dn(), mo);
    }

    fn apply(&mut self, dn: &str, mo: &Mo) {
        match mo.get("status") {
            "deleted" => return self.remove(dn),
            "modified" => assert!(self.0.contains_key(dn) || mo.class == "fvTenant", "{dn} is not there"),
            "created" => assert!(!self.0.contains_key(dn), "{dn} is there"),
            "" => {}
            other => panic!("status {other}"),
        }
        let mut plain = mo.clone();
        plain.attributes.remove("status");
        // As the APIC writes them.
        if let Some(mac) = plain.attributes.get_mut("mac") {
            mac.make_ascii_uppercase();
        }
        self.put(dn, plain);
        for child in &mo.children {
            let rn = match &*child.class {
                "l3extOut" => format!("out-{}", child.get("name")),
                "l3extInstP" => format!("instP-{}", child.get("name")),
                "l3extSubnet" => format!("extsubnet-[{}]", child.get("ip")),
                "fvRsProv" => format!("rsprov-{}", child.get("tnVzBrCPName")),
                "fvRsCons" => format!("rscons-{}", child.get("tnVzBrCPName")),
                "tagAnnotation" => format!("annotationKey-[{}]", child.get("key")),
                "vnsSvcCont" => "svcCont".to_owned(),
                "vnsSvcRedirectPol" => format!("svcRedirectPol-{}", child.get("name")),
                "vnsRedirectDest" => format!("RedirectDest_ip-[{}]", child.get("ip")),
                "vnsRsRedirectHealthGroup" => "rsRedirectHealthGroup".to_owned(),
                "vnsRsIPSLAMonitoringPol" => "rsIPSLAMonitoringPol".to_owned(),
                other => panic!("class {other}"),
            };
            self.apply(&format!("{dn}/{rn}"), child);
        }
    }

    /// What a query finds.
    pub(super) fn answer(&self, reading: &Reading) -> Vec<Mo> {
        let is_asked = |dn: &str, mo: &Mo| match &reading.target {
            Target::Class(class) => mo.class == *class,
            Target::Tree(root) => {
                (dn == root || dn.starts_with(&format!("{root}/")))
                    && (reading.classes.is_empty() || reading.classes.contains(&&*mo.class))
            }
        };
        let found = self.0.iter().filter(|(dn, mo)| {
            is_asked(dn, mo) && reading.filter.as_ref().is_none_or(|filter| holds(filter, mo))
        });
        found.map(|(dn, mo)| self.with_children(dn, mo, reading.children)).collect()
    }

    fn with_children(&self, dn: &str, mo: &Mo, classes: &[&str]) -> Mo {
        let mut mo = mo.clone();
        let is_child = |child: &str| {
            child.strip_prefix(&format!("{dn}/")).is_some_and(|rest| crate::eepg::dn::rns(rest).count() == 1)
        };
        let children =
            self.0.iter().filter(|(child, found)| is_child(child) && classes.contains(&&*found.class));
        mo.children.extend(children.map(|(_, found)| found.clone()));
        mo
    }
}

/// Whether a filter holds for an object: `and`, `or`, `not`, `eq` and `wcard`.
fn holds(filter: &str, mo: &Mo) -> bool {
    let (operator, rest) = filter.split_once('(').unwrap();
    let operands = split(rest.strip_suffix(')').unwrap());
    match operator {
        "and" => operands.iter().all(|operand| holds(operand, mo)),
        "or" => operands.iter().any(|operand| holds(operand, mo)),
        "not" => !holds(operands[0], mo),
        _ => {
            let (class, attribute) = operands[0].split_once('.').unwrap();
            assert_eq!(mo.class, class);
            let value = operands[1].strip_prefix('"').unwrap().strip_suffix('"').unwrap();
            match operator {
                "eq" => mo.get(attribute) == value,
                "wcard" => mo.get(attribute).contains(value),
                other => panic!("operator {other}"),
            }
        }
    }
}

/// Operands, which commas within parentheses and quotation marks do not part.
fn split(text: &str) -> Vec<&str> {
    let (mut depth, mut quoted) = (0_usize, false);
    let parts = text.split(move |letter| {
        match letter {
            '"' => quoted = !quoted,
            '(' if !quoted => depth += 1,
            ')' if !quoted => depth -= 1,
            _ => {}
        }
        letter == ',' && depth == 0 && !quoted
    });
    parts.collect()
}
