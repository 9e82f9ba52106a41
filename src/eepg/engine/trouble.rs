//! What is wrong, for findings and metrics.

use std::collections::BTreeMap;
use std::sync::Arc;

use ipnet::IpNet;

use super::super::brake::Brake;
use super::super::dn::{self, Container, L3out};
use super::super::reading::Scope;
use super::super::rule::{Domain, Wish};
use super::entry::{Entry, Key};
use super::shown::names;
use super::slot::Held;
use super::{Counters, Engine};
use crate::config::model::Caps;
use crate::observer::Reported;
use crate::observer::findings::{Kind, Severity};
use crate::time::Timestamp;

/// At most so many of one sort are reported one by one.
const EACH: usize = 100;
/// Lines of proof.
const PROOFS: usize = 8;

impl Engine {
    /// What is wrong now: all of it, each time.
    pub fn findings(&self, now: Timestamp) -> Vec<Reported> {
        let mut found = Vec::new();
        self.find_conflicts(&mut found);
        self.find_drift(&mut found, now);
        self.find_failing(&mut found, now);
        self.find_holds(&mut found, now);
        self.find_missing(&mut found, now);
        self.find_full(&mut found);
        self.find_faults(&mut found);
        found
    }

    fn find_conflicts(&self, found: &mut Vec<Reported>) {
        let conflicts =
            self.entries.iter().filter_map(|(key, entry)| Some((key, self.conflict(*key, entry)?)));
        for (key, summary) in conflicts.take(EACH) {
            let vrf = match self.domains.get(usize::from(key.0)) {
                Some(Domain::Vrf(vrf)) => Arc::clone(vrf),
                _ => "".into(),
            };
            let prefix = Some(key.1);
            found.push(Reported {
                vrf,
                prefix,
                ..report(Kind::EepgConflict, Arc::clone(&self.apic), summary)
            });
        }
    }

    /// Why a prefix cannot have the EEPG that it wants.
    fn conflict(&self, key: Key, entry: &Entry) -> Option<String> {
        let prefix = key.1;
        match &entry.wish {
            Wish::Disputed(claims) if claims.len() > 1 => {
                let lead: Vec<_> = claims
                    .iter()
                    .map(|claim| format!("{} by {}", claim.container.name(), claim.witness))
                    .collect();
                Some(format!(
                    "{prefix} is led to different EEPGs: {}. It stays where it is, and is written nowhere new, until \
                     its routes agree",
                    lead.join(", ")
                ))
            }
            Wish::Unnamed { rule, witness } => Some(self.rules.unnamed(*rule, witness)),
            Wish::Member(claim) => {
                let rivals = self.rivals(key, entry, &claim.container);
                let rival = rivals.first()?;
                Some(format!(
                    "{prefix} belongs to {} by rule {}, but {} has it, which somebody else keeps: leaves would take \
                     only one of them, so ours is not written",
                    claim.container,
                    self.rules.name(claim.rule),
                    rival.container
                ))
            }
            _ => None,
        }
    }

    fn find_drift(&self, found: &mut Vec<Reported>, now: Timestamp) {
        let mut drifted: BTreeMap<&Arc<Container>, Vec<(IpNet, &'static str, bool)>> = BTreeMap::new();
        for (key, entry) in &self.entries {
            let fought = entry
                .trouble
                .as_ref()
                .is_some_and(|trouble| trouble.repaired_too_often(self.safety.repair_limit, now).is_some());
            let drift = entry.drift.or(fought.then_some("changed again and again"));
            if let (Some(drift), Some(at)) = (drift, entry.at()) {
                drifted.entry(at).or_default().push((key.1, drift, fought));
            }
        }
        for (container, members) in drifted.into_iter().take(EACH) {
            let fought = members.iter().filter(|(.., fought)| *fought).count();
            let how = if fought > 0 {
                format!(
                    "; {fought} of them were repaired more than {} times in 10 minutes and are left as they are: \
                     somebody else writes there",
                    self.safety.repair_limit
                )
            } else {
                String::new()
            };
            let summary = format!(
                "{} members of {container} were not as we left them: traffic of theirs may be classified \
                 otherwise{how}",
                members.len()
            );
            let evidence = members.iter().take(PROOFS).map(|(prefix, drift, _)| format!("{prefix}: {drift}"));
            let evidence = evidence.collect();
            found.push(Reported { evidence, ..report(Kind::EepgDrift, container.to_string(), summary) });
        }
    }

    fn find_failing(&self, found: &mut Vec<Reported>, now: Timestamp) {
        let mut refused: BTreeMap<&Arc<Container>, Vec<String>> = BTreeMap::new();
        for (key, entry) in &self.entries {
            let said = entry.trouble.as_ref().and_then(|trouble| trouble.refused.as_ref());
            if let (Some((said, ..)), Some(at)) = (said, entry.at()) {
                refused.entry(at).or_default().push(format!("{}: {said}", key.1));
            }
        }
        for (container, held) in &self.containers {
            if let Some((said, ..)) = &held.refused {
                refused.entry(container).or_default().push(format!("the EEPG or policy itself: {said}"));
            }
        }
        for (container, lines) in refused.into_iter().take(EACH) {
            let summary = format!(
                "the APIC refuses {} changes in {container}; all others are written, and these are tried again later",
                lines.len()
            );
            let evidence = lines.into_iter().take(PROOFS).collect();
            found.push(Reported {
                evidence,
                ..report(Kind::EepgWriteFailing, container.to_string(), summary)
            });
        }
        if let Some(said) = &self.denied {
            let summary = format!("the APIC does not let us write: {said}");
            found.push(report(Kind::EepgWriteFailing, Arc::clone(&self.apic), summary));
        }
        if let Some(other) = &self.foreign_instance {
            let summary = format!(
                "another thirdleaf writes to {} under our name, {:?} (its instance is {other}): nothing is written \
                 until that is settled",
                self.apic, self.identity.name
            );
            let advice =
                "give one of them another global.name, or stop it; then `thirdleaf eepg resume`".to_owned();
            let object = format!("{}:instance", self.apic);
            let report = report(Kind::EepgWriteFailing, object, summary);
            found.push(Reported { advice, severity: Some(Severity::Critical), ..report });
        }
        let _ = now;
    }

    fn find_holds(&self, found: &mut Vec<Reported>, now: Timestamp) {
        for (scope, slot) in &self.slots {
            let mut silent = Vec::new();
            let mut nodes = std::collections::BTreeSet::new();
            let mut until = None;
            for key in &slot.deletes {
                let Some(entry) = self.entries.get(key) else { continue };
                if let Some(hold) =
                    self.hold_delete(*key, entry, now).filter(|hold| hold.brake == Brake::Silence)
                {
                    until = until.max(hold.until);
                    silent.push(key.1);
                    nodes.extend(self.silent_nodes(entry));
                }
            }
            let name = slot_name(scope);
            if let Some(hold) = &slot.hold {
                let until = hold.last.after(self.safety.hold_down);
                let summary = format!(
                    "{} of the {} members in {name} lost their routes at once: {} of them are kept and nothing of \
                     that is deleted before {until}, until somebody approves, or their routes are back",
                    hold.lost,
                    hold.of,
                    hold.keys.len()
                );
                let evidence = hold.keys.iter().take(PROOFS).map(|key| key.1.to_string()).collect();
                found.push(Reported { evidence, ..report(Kind::HoldDown, name.clone(), summary) });
            } else if let Some(until) = until {
                let nodes: Vec<_> = nodes.into_iter().collect();
                let summary = format!(
                    "{} members in {name} are kept though nothing announces them: {} fell silent, and silence is not \
                     withdrawal. They stay until these are back or forgotten, somebody approves, or {until}",
                    silent.len(),
                    names(&nodes)
                );
                let evidence = silent.iter().take(PROOFS).map(ToString::to_string).collect();
                found.push(Reported { evidence, ..report(Kind::HoldDown, name, summary) });
            }
        }
    }

    /// Nodes that have not said since what they have.
    fn silent_nodes(&self, entry: &Entry) -> Vec<Arc<str>> {
        if entry.silent.is_some() {
            return entry.nodes.to_vec();
        }
        let marks = entry.seen.iter().filter_map(|seen| seen.mark.as_ref());
        marks.flat_map(|mark| &mark.nodes).filter(|node| !self.heard.contains(*node)).cloned().collect()
    }

    fn find_missing(&self, found: &mut Vec<Reported>, now: Timestamp) {
        if self.compared.is_none() {
            return;
        }
        for (l3out, vrf) in self.rules.l3outs() {
            let there = self.l3outs.get(&l3out).filter(|found| found.present);
            let summary = match there {
                None if !self.present.contains(&dn::tenant(&l3out.tenant)) => {
                    format!("tenant {} is not there: members for {l3out} wait for it", l3out.tenant)
                }
                None => format!("L3Out {l3out} is not there: its members wait for it, and it is never made"),
                Some(there) => {
                    let is = there.vrf.as_deref();
                    if is.and_then(dn::vrf_name) == Some(&*vrf) {
                        continue;
                    }
                    format!(
                        "L3Out {l3out} is in {}, but its rule says VRF {vrf}: nothing is written there",
                        is.unwrap_or("no VRF")
                    )
                }
            };
            found.push(report(Kind::AciConfig, l3out.to_string(), summary));
        }
        for (container, held) in &self.containers {
            let lines = self.trouble_of(container, held, now);
            if let Some(first) = lines.first().filter(|_| held.refused.is_none()) {
                let evidence = lines.iter().skip(1).cloned().collect();
                let report = report(Kind::AciConfig, container.to_string(), first.clone());
                found.push(Reported { evidence, ..report });
            }
        }
    }

    /// The least that rules of an L3Out allow.
    fn caps_of(&self, of: &L3out) -> Caps {
        let rules = self.rules.eepgs().filter(|rule| rule.tenant == of.tenant && rule.l3out == of.name);
        let caps = rules.map(|rule| rule.caps).reduce(|one, other| Caps {
            members: one.members.min(other.members),
            l3out_members: one.l3out_members.min(other.l3out_members),
            eepgs: one.eepgs.min(other.eepgs),
        });
        caps.unwrap_or_default()
    }

    /// What is wrong with an EEPG or a policy.
    pub(super) fn trouble_of(&self, container: &Arc<Container>, held: &Held, now: Timestamp) -> Vec<String> {
        let mut lines = Vec::new();
        let _ = now;
        if !held.compared || held.rule.is_none() {
            return lines;
        }
        let creates = self.of_eepg(container).is_some_and(|rule| rule.create)
            || self.of_policy(container).is_some_and(|rule| rule.create);
        if let Some((said, ..)) = &held.refused {
            lines.push(format!("the APIC refuses it: {said}"));
        }
        let Some(found) = &held.found else {
            if !creates {
                lines.push(format!(
                    "{container} is not there and its rule does not say create: its {} members wait for it",
                    held.wanted
                ));
            }
            return lines;
        };
        if !found.issues.is_empty() {
            lines.push(format!("{container} has configuration issues: {}", found.issues));
        }
        let Some(rule) = self.of_policy(container) else { return lines };
        if let Some(group) = &rule.health_group {
            let dn = dn::health_group(container.tenant(), group);
            if !self.present.contains(&dn) {
                lines.push(format!("health group {group} of {container} is not there"));
            }
        }
        if let Some(sla) = &rule.ip_sla {
            let dn = dn::ip_sla(container.tenant(), sla);
            if !self.present.contains(&dn) {
                lines.push(format!("IP SLA policy {sla} of {container} is not there"));
            }
        }
        if found.ip_sla.is_none() {
            lines.push(format!(
                "{container} has no IP SLA policy: without one, destinations behind an L3Out are not used"
            ));
        }
        lines
    }

    /// 80 % is worth a warning; at 100 % no more are written.
    fn find_full(&self, found: &mut Vec<Reported>) {
        let mut tell = |object: String, what: &str, count: usize, cap: usize| {
            if cap == 0 || count.saturating_mul(5) < cap.saturating_mul(4) {
                return;
            }
            let (severity, rest) = if count >= cap {
                (Severity::Critical, "no more are written")
            } else {
                (Severity::Warning, "at 100 % no more are written")
            };
            let summary =
                format!("{object} has {count} {what}, of the {cap} that the configuration allows: {rest}");
            let advice = "raise the cap, after a look at what the leaves can hold, or have fewer: one EEPG for many \
                          workloads, blocks instead of hosts";
            let report = report(Kind::FabricCapacity, object, summary);
            found.push(Reported { severity: Some(severity), advice: advice.to_owned(), ..report });
        };
        for (container, held) in &self.containers {
            if let Some(rule) = self.of_eepg(container) {
                tell(container.to_string(), "members of ours", held.ours.max(held.wanted), rule.caps.members);
            }
        }
        for (l3out, _) in self.rules.l3outs() {
            let caps = self.caps_of(&l3out);
            let ours = self.slots.get(&Scope::L3out(l3out.clone())).map_or(0, |slot| slot.ours);
            tell(l3out.to_string(), "members of ours", ours, caps.l3out_members);
            tell(format!("{l3out} "), "EEPGs", self.eepgs_of(&l3out), caps.eepgs);
        }
        tell(self.apic.to_string(), "members of ours", self.all_members(), self.caps.members);
        tell(format!("{} ", self.apic), "EEPGs", self.eepgs.unwrap_or(0), self.caps.eepgs);
    }

    fn find_faults(&self, found: &mut Vec<Reported>) {
        for fault in self.faults.iter().take(EACH) {
            let ours = self
                .containers
                .iter()
                .find(|(container, held)| held.ours > 0 && container.to_string() == fault.object);
            let summary = match (fault.code.as_str(), ours) {
                ("F0467", Some((container, _))) => {
                    let prefix = fault.prefix.map_or_else(String::new, |prefix| format!(" with {prefix}"));
                    format!(
                        "leaves refuse to program {container}{prefix}, another EEPG of the VRF has the prefix (F0467): \
                         traffic of it falls under the other's contracts"
                    )
                }
                ("F3544", _) => format!(
                    "a leaf has no room for prefixes (F3544 at {}): members may not be programmed there",
                    fault.object
                ),
                _ => continue,
            };
            let object = format!("{} {}", fault.code, fault.object);
            let evidence = vec![fault.text.clone()];
            found.push(Reported { evidence, ..report(Kind::EepgWriteFailing, object, summary) });
        }
    }

    /// Why a brake is engaged, in one line.
    pub(super) fn brake_reason(&self, brake: Brake, scope: &str, changes: usize, now: Timestamp) -> String {
        match brake {
            Brake::Paused => self.paused.as_ref().map_or_else(String::new, |pause| pause.reason.clone()),
            Brake::ForeignInstance => "another instance writes under our name".to_owned(),
            Brake::Comparison => match &self.failure {
                Some((why, _)) => format!("the APIC was not compared completely yet: {why}"),
                None => "the APIC was not compared completely yet".to_owned(),
            },
            Brake::Startup => format!(
                "nothing is deleted so soon after the start; {} peers are still awaited",
                self.awaited(now)
            ),
            Brake::Silence => "nodes that had a route are silent, and silence is not withdrawal".to_owned(),
            Brake::DeleteAfter => "the last withdrawal is too fresh".to_owned(),
            Brake::MassWithdraw => "too many members lost their routes at once".to_owned(),
            Brake::Maintenance => "somebody works on a node that had the route".to_owned(),
            Brake::DeleteRate => {
                format!("{} deletes a minute are the most", self.safety.max_deletes_per_minute)
            }
            Brake::DeleteFraction => {
                format!("too large a share of {scope} was deleted within ten minutes")
            }
            Brake::MinDestinations => "a policy keeps its last destinations".to_owned(),
            Brake::RepairLimit => "it was repaired again and again: somebody else changes it".to_owned(),
            Brake::Refused => format!("the APIC refused {changes} changes; they are tried again"),
            Brake::Conflict => "another EEPG of the VRF has the prefix".to_owned(),
            Brake::Cap => "a cap of the configuration is reached".to_owned(),
            Brake::Missing => "what it is to stand in is missing".to_owned(),
        }
    }

    /// For metrics.
    pub fn counters(&self, now: Timestamp) -> Counters {
        let changes = self.changes.iter().map(|((container, operation, result), count)| {
            (container.to_string(), *operation, *result, *count)
        });
        let mut drift: BTreeMap<(String, &'static str), u64> = BTreeMap::new();
        for (key, entry) in &self.entries {
            let Some(at) = entry.at() else { continue };
            if let Some(kind) = entry.drift {
                *drift.entry((at.to_string(), kind)).or_default() += 1;
            }
            if self.conflict(*key, entry).is_some() {
                *drift.entry((at.to_string(), "conflict")).or_default() += 1;
            }
        }
        Counters {
            changes: changes.collect(),
            holds: self.engaged(now),
            drift: drift.into_iter().map(|((container, kind), count)| (container, kind, count)).collect(),
        }
    }

    fn engaged(&self, now: Timestamp) -> Vec<(String, Brake)> {
        let mut engaged = std::collections::BTreeSet::new();
        engaged.extend(self.stopped(now).map(|hold| (String::new(), hold.brake)));
        for (scope, slot) in &self.slots {
            let name = slot_name(scope);
            for key in &slot.deletes {
                let Some(entry) = self.entries.get(key) else { continue };
                if let Some(hold) = self.hold_delete(*key, entry, now) {
                    let name = if hold.brake == Brake::Startup { String::new() } else { name.clone() };
                    engaged.insert((name, hold.brake));
                }
            }
            let (budget, exhausted) = self.delete_budget(scope, now);
            if budget == 0 && !slot.deletes.is_empty() {
                engaged.insert((name, exhausted.brake));
            }
        }
        engaged.into_iter().collect()
    }
}

impl Entry {
    /// The container by which it is counted.
    fn at(&self) -> Option<&Arc<Container>> {
        self.wish.container().or_else(|| self.seen.first().map(|seen| &seen.container))
    }
}

fn slot_name(scope: &Scope) -> String {
    match scope {
        Scope::All => String::new(),
        Scope::L3out(l3out) => l3out.to_string(),
        Scope::Policy(container) => container.to_string(),
    }
}

fn report(kind: Kind, object: impl Into<Arc<str>>, summary: String) -> Reported {
    Reported {
        kind,
        object: object.into(),
        vrf: "".into(),
        prefix: None,
        severity: None,
        summary,
        advice: String::new(),
        evidence: Vec::new(),
    }
}
