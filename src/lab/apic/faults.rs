//! What leaves complain of: prefixes that two EEPGs of one VRF have, and more prefixes than fit.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;

use ipnet::IpNet;

use super::tree::{Tree, stamp};
use crate::eepg::L3out;
use crate::eepg::dn::rns;
use crate::time::Timestamp;

/// What leads to faults, as it was when the tree last changed.
#[derive(Clone, Debug, Default)]
pub(super) struct Faults {
    /// Something that matters has changed since.
    stale: bool,
    conflicts: Vec<Conflict>,
    /// Different prefixes with `import-security`: hosts, and others.
    prefixes: Usage,
    /// The names of what is raised.
    raised: BTreeSet<String>,
    /// When the next one is due.
    due: Option<Timestamp>,
    /// Since when there are more prefixes than fit.
    overflows: Option<Timestamp>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Usage {
    v4_hosts: usize,
    v6_hosts: usize,
    all: usize,
}

/// An EEPG has a prefix that another one had before.
#[derive(Clone, Debug)]
struct Conflict {
    eepg: String,
    scope: String,
    prefix: IpNet,
    since: Timestamp,
}

struct Claim {
    born: u64,
    since: Timestamp,
    eepg: String,
}

impl Faults {
    /// Notes that an object of this class came, changed or went.
    pub(super) fn touched(&mut self, class: &str) {
        self.stale |= ["l3extSubnet", "l3extRsEctx", "l3extOut", "fvCtx"].contains(&class);
    }
}

impl Tree {
    /// Raises and clears the faults that are due.
    pub(super) fn settle(&mut self, now: Timestamp) {
        if !self.faults.stale && self.faults.due.is_none_or(|due| now < due) {
            return;
        }
        if self.faults.stale {
            let claims = self.claims();
            self.faults.prefixes = usage(&claims);
            self.faults.conflicts = conflicts(claims);
            self.faults.stale = false;
            self.show_usage(now);
        }
        let soak = self.fabric.soak;
        let mut wanted: BTreeMap<String, Vec<(&'static str, String)>> = BTreeMap::new();
        self.faults.due = None;
        for conflict in self.faults.conflicts.clone() {
            let due = conflict.since.after(soak);
            if due > now {
                self.faults.due = Some(self.faults.due.map_or(due, |earlier| earlier.min(due)));
                continue;
            }
            for leaf in &self.fabric.leaves {
                let dn = format!(
                    "topology/pod-1/node-{leaf}/local/svc-policyelem-id-0/uni/epp/rtd-[{}]/nwissues/fault-F0467",
                    conflict.eepg
                );
                wanted.entry(dn).or_insert_with(|| in_use(&conflict, due));
            }
        }
        let excess = self.faults.prefixes.all.saturating_sub(self.fabric.capacity);
        self.faults.overflows = (excess > 0).then(|| self.faults.overflows.unwrap_or(now));
        if let Some(since) = self.faults.overflows {
            for leaf in &self.fabric.leaves {
                let dn = format!("topology/pod-1/node-{leaf}/sys/actrl/dbgStatsReport/fault-F3544");
                wanted.insert(dn, overflow(excess, since));
            }
        }
        let cleared: Vec<_> =
            self.faults.raised.iter().filter(|dn| !wanted.contains_key(*dn)).cloned().collect();
        for dn in cleared {
            self.faults.raised.remove(&dn);
            self.set(dn.into(), None);
        }
        for (dn, values) in wanted {
            let values: Vec<_> = values.iter().map(|(name, value)| (*name, value.as_str())).collect();
            self.keep_as("faultInst", &dn, &values, now);
            self.faults.raised.insert(dn);
        }
    }

    /// Who has which prefix of which VRF.
    fn claims(&self) -> BTreeMap<(String, IpNet), Vec<Claim>> {
        let mut scopes: HashMap<L3out, Option<(String, Timestamp)>> = HashMap::new();
        let mut claims: BTreeMap<(String, IpNet), Vec<Claim>> = BTreeMap::new();
        for dn in self.of_class("l3extSubnet") {
            let Some(object) = self.objects.get(dn) else { continue };
            let value = |name| self.value_of(dn, object, name).unwrap_or_default();
            let Some(l3out) = L3out::of(dn) else { continue };
            let secured = value("scope").split(',').any(|flag| flag == "import-security");
            let Some(prefix) = network(&value("ip")).filter(|_| secured) else { continue };
            let scope = scopes.entry(l3out).or_insert_with_key(|l3out| {
                let relation = self.objects.get(format!("{l3out}/rsectx").as_str())?;
                let vrf = self.vrf(dn)?;
                Some((self.value(vrf, "scope")?.into_owned(), relation.modified))
            });
            let Some((scope, attached)) = scope else { continue };
            let eepg = rns(dn).take(4).collect::<Vec<_>>().join("/");
            let since = object.deployed.max(*attached);
            claims.entry((scope.clone(), prefix)).or_default().push(Claim { born: object.born, since, eepg });
        }
        claims
    }

    fn show_usage(&mut self, now: Timestamp) {
        let Usage { v4_hosts, v6_hosts, all } = self.faults.prefixes;
        let (v4, v6, all) = (v4_hosts.to_string(), v6_hosts.to_string(), all.to_string());
        let capacity = self.fabric.capacity.to_string();
        for leaf in self.fabric.leaves.clone() {
            let dn = |class: &str| format!("topology/pod-1/node-{leaf}/sys/eqptcapacity/CD{class}");
            let used = [("v4TotalEpCum", v4.as_str()), ("v6TotalEpCum", &v6)];
            self.keep(&dn("eqptcapacityL3TotalUsage5min"), &used, now);
            let fits = [("v4TotalEpCapCum", capacity.as_str()), ("v6TotalEpCapCum", &capacity)];
            self.keep(&dn("eqptcapacityL3TotalUsageCap5min"), &fits, now);
            let routes = [("totalRouteEntries", all.as_str()), ("totalRouteEntriesCap", &capacity)];
            self.keep(&dn("eqptcapacityPrefixEntries5min"), &routes, now);
            let policy = [("polUsageCum", "0"), ("polUsageCapCum", "64000")];
            self.keep(&dn("eqptcapacityPolUsage5min"), &policy, now);
        }
    }
}

/// The prefix that leaves make of it; none of a default route, for which no fault is raised.
fn network(ip: &str) -> Option<IpNet> {
    let net: IpNet = ip.parse().ok().or_else(|| ip.parse::<IpAddr>().ok().map(IpNet::from))?;
    (net.prefix_len() > 0).then_some(net.trunc())
}

fn usage(claims: &BTreeMap<(String, IpNet), Vec<Claim>>) -> Usage {
    let hosts = |v4: bool| {
        let host = |net: &&IpNet| net.prefix_len() == net.max_prefix_len() && net.addr().is_ipv4() == v4;
        claims.keys().map(|(_, net)| net).filter(host).count()
    };
    Usage { v4_hosts: hosts(true), v6_hosts: hosts(false), all: claims.len() }
}

/// Who was first has it.
fn conflicts(claims: BTreeMap<(String, IpNet), Vec<Claim>>) -> Vec<Conflict> {
    let mut conflicts: BTreeMap<String, Conflict> = BTreeMap::new();
    for ((scope, prefix), mut claims) in claims {
        claims.sort_by_key(|claim| claim.born);
        let Some(first) = claims.first().map(|claim| claim.eepg.clone()) else { continue };
        for Claim { since, eepg, .. } in claims.into_iter().filter(|claim| claim.eepg != first) {
            let conflict = Conflict { eepg: eepg.clone(), scope: scope.clone(), prefix, since };
            let told = conflicts.entry(eepg).or_insert_with(|| conflict.clone());
            if since < told.since {
                *told = conflict;
            }
        }
    }
    conflicts.into_values().collect()
}

fn in_use(conflict: &Conflict, raised: Timestamp) -> Vec<(&'static str, String)> {
    let change = format!(
        "configQual:prefix-entry-already-in-use, configSt:failed-to-apply, \
         debugMessage:prefix-entry-already-in-use: Prefix entry sys/ctx-[vxlan-{}]/pfx-[{}] is in use;, temporaryError:no",
        conflict.scope, conflict.prefix
    );
    let descr = format!(
        "Fault delegate: Configuration failed for {} due to Prefix Entry Already Used in Another EPG",
        conflict.eepg
    );
    let kind = ["F0467", "minor", "configuration-failed", "fv-nw-issues-config-failed", "management"];
    fault(kind, change, descr, conflict.since, raised)
}

fn overflow(excess: usize, since: Timestamp) -> Vec<(&'static str, String)> {
    let kind = [
        "F3544",
        "major",
        "actrl-resource-unavailable",
        "actrl-stats-report-pre-fix-prog-failed",
        "hwprog-failed",
    ];
    let descr = format!("{excess} prefixes could not be programmed into the hardware");
    fault(kind, format!("pfxRuleFailed (New: {excess})"), descr, since, since)
}

fn fault(
    [code, severity, cause, rule, subject]: [&'static str; 5],
    change: String,
    descr: String,
    created: Timestamp,
    raised: Timestamp,
) -> Vec<(&'static str, String)> {
    let mut values: Vec<(&'static str, String)> = [
        ("code", code),
        ("severity", severity),
        ("origSeverity", severity),
        ("prevSeverity", severity),
        ("highestSeverity", severity),
        ("lc", "raised"),
        ("cause", cause),
        ("domain", "tenant"),
        ("subject", subject),
        ("type", "config"),
        ("rule", rule),
    ]
    .map(|(name, value)| (name, value.to_owned()))
    .to_vec();
    let times = [("created", stamp(created)), ("lastTransition", stamp(raised))];
    values.extend([("changeSet", change), ("descr", descr)].into_iter().chain(times));
    values
}
