//! Faults on what we may have written.

use ipnet::IpNet;

use super::{Comparison, Fault, Reading, Target};
use crate::eepg::dn;
use crate::eepg::mo::Mo;

/// Faults of one code that are kept.
const MOST: usize = 1_000;
/// Characters of a fault's text that are kept.
const LONGEST: usize = 300;

/// Prefixes that a leaf refuses, as another EEPG of the VRF has them (F0467), and what leaves cannot program
/// (F3544).
pub(super) fn readings() -> [Reading; 2] {
    let filters = [
        "and(wcard(faultInst.changeSet,\"prefix-entry-already-in-use\"),wcard(faultInst.dn,\"uni/epp/rtd\"))",
        "eq(faultInst.code,\"F3544\")",
    ];
    filters.map(|filter| Reading {
        target: Target::Class("faultInst"),
        classes: &[],
        children: &[],
        filter: Some(filter.to_owned()),
    })
}

impl Comparison {
    /// Every leaf raises it anew: one of each object and prefix is kept.
    pub(super) fn take_fault(&mut self, mo: &Mo) {
        let code = mo.get("code");
        if mo.get("severity") == "cleared" || mo.get("lc") == "retaining" {
            return;
        }
        let object = match code {
            "F0467" => deployed(mo.dn()),
            "F3544" => leaf(mo.dn()),
            _ => None,
        };
        let Some(object) = object else {
            self.odd += 1;
            return;
        };
        let text = [mo.get("changeSet"), mo.get("descr")].into_iter().find(|text| !text.is_empty());
        let text = text.unwrap_or_default();
        let prefix = entry(text);
        let mut same_code = self.found.faults.iter().filter(|fault| fault.code == code);
        let is_known = |fault: &Fault| fault.object == object && fault.prefix == prefix;
        if same_code.clone().any(is_known) || same_code.nth(MOST - 1).is_some() {
            return;
        }
        let line = text.chars().map(|letter| if letter.is_control() { ' ' } else { letter });
        let text = line.take(LONGEST).collect();
        self.found.faults.push(Fault { code: code.to_owned(), object: object.to_owned(), prefix, text });
    }
}

/// The object that a leaf was to deploy: `.../uni/epp/rtd-[OBJECT]/nwissues/fault-F0467`.
fn deployed(dn: &str) -> Option<&str> {
    dn::rns(dn).find_map(|rn| rn.strip_prefix("rtd-[")?.strip_suffix(']'))
}

/// The leaf of `topology/pod-1/node-101/sys/...`.
fn leaf(dn: &str) -> Option<&str> {
    let end = dn.match_indices('/').nth(2)?.0;
    dn.get(..end).filter(|dn| dn.starts_with("topology/pod-") && dn.contains("/node-"))
}

/// The prefix of `sys/ctx-[vxlan-1]/pfx-[10.96.7.7/32]`.
fn entry(text: &str) -> Option<IpNet> {
    let (_, rest) = text.split_once("pfx-[")?;
    rest.split_once(']')?.0.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distinguished_names_and_texts_say_what_a_fault_is_about() {
        let dn = "topology/pod-1/node-101/local/svc-policyelem-id-0/uni/epp/rtd-[uni/tn-T/out-O/instP-E]/\
                  nwissues/fault-F0467";
        assert_eq!(deployed(dn), Some("uni/tn-T/out-O/instP-E"));
        assert_eq!(deployed("topology/pod-1/node-101"), None);
        let dn = "topology/pod-1/node-101/sys/actrl/dbgStatsReport/fault-F3544";
        assert_eq!(leaf(dn), Some("topology/pod-1/node-101"));
        assert_eq!(leaf("uni/tn-T/out-O/instP-E"), None);
        let text = "Prefix entry sys/ctx-[vxlan-2621440]/pfx-[112.112.112.112/32] is in use;";
        assert_eq!(entry(text), Some("112.112.112.112/32".parse().unwrap()));
        assert_eq!(entry("pfx-[nothing] pfx-["), None);
        assert_eq!(entry("prefix-entry-already-in-use"), None);
    }
}
