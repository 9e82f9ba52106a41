//! Distinguished names: the path of an object in the tree of the APIC.

use std::fmt;
use std::sync::Arc;

use ipnet::IpNet;

/// The relative names of a distinguished name, from the root: the `/` within brackets is none of the path.
pub fn rns(dn: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0_usize;
    dn.split(move |letter| {
        match letter {
            '[' => depth += 1,
            ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        letter == '/' && depth == 0
    })
    .filter(|rn| !rn.is_empty())
}

/// What contains members: the unit of a rule.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Container {
    /// An external EPG (`l3extInstP`): its members are `l3extSubnet`.
    Eepg {
        /// The L3Out that has it.
        l3out: L3out,
        /// Its name.
        name: Arc<str>,
    },
    /// A redirect policy (`vnsSvcRedirectPol`): its members are `vnsRedirectDest`.
    Policy {
        /// Its tenant.
        tenant: Arc<str>,
        /// Its name.
        name: Arc<str>,
    },
}

/// An L3Out (`l3extOut`).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct L3out {
    /// Its tenant.
    pub tenant: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
}

impl fmt::Display for L3out {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "uni/tn-{}/out-{}", self.tenant, self.name)
    }
}

impl L3out {
    /// The L3Out that has this distinguished name, or within which it lies.
    pub fn of(dn: &str) -> Option<Self> {
        let mut rns = rns(dn);
        let (Some("uni"), Some(tenant), Some(out)) = (rns.next(), rns.next(), rns.next()) else {
            return None;
        };
        Some(Self { tenant: tenant.strip_prefix("tn-")?.into(), name: out.strip_prefix("out-")?.into() })
    }
}

/// The distinguished name.
impl fmt::Display for Container {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Eepg { l3out, name } => write!(f, "{l3out}/instP-{name}"),
            Self::Policy { tenant, name } => write!(f, "uni/tn-{tenant}/svcCont/svcRedirectPol-{name}"),
        }
    }
}

impl Container {
    /// Its own name.
    pub const fn name(&self) -> &Arc<str> {
        match self {
            Self::Eepg { name, .. } | Self::Policy { name, .. } => name,
        }
    }

    /// Its tenant.
    pub const fn tenant(&self) -> &Arc<str> {
        match self {
            Self::Eepg { l3out, .. } => &l3out.tenant,
            Self::Policy { tenant, .. } => tenant,
        }
    }

    /// The container that has this distinguished name, or within which it lies.
    pub fn of(dn: &str) -> Option<Self> {
        let mut rns = rns(dn).skip(1);
        let tenant = rns.next()?.strip_prefix("tn-")?;
        let (second, third) = (rns.next()?, rns.next()?);
        if let Some(name) = second.strip_prefix("out-") {
            let l3out = L3out { tenant: tenant.into(), name: name.into() };
            return Some(Self::Eepg { l3out, name: third.strip_prefix("instP-")?.into() });
        }
        let name = third.strip_prefix("svcRedirectPol-").filter(|_| second == "svcCont")?;
        Some(Self::Policy { tenant: tenant.into(), name: name.into() })
    }

    /// The distinguished name of the container in which a member lies.
    pub fn of_member(dn: &str) -> Option<String> {
        member_prefix(dn).and(Self::of(dn)).map(|container| container.to_string())
    }

    /// The distinguished name of a member.
    pub fn member(&self, prefix: IpNet) -> String {
        match self {
            Self::Eepg { .. } => format!("{self}/extsubnet-[{prefix}]"),
            Self::Policy { .. } => format!("{self}/RedirectDest_ip-[{}]", prefix.addr()),
        }
    }
}

/// The name of a VRF, from its distinguished name.
pub fn vrf_name(dn: &str) -> Option<&str> {
    rns(dn).last()?.strip_prefix("ctx-")
}

/// The distinguished name of a tenant.
pub(super) fn tenant(name: &str) -> String {
    format!("uni/tn-{name}")
}

/// The distinguished name of a health group (`vnsRedirectHealthGroup`).
pub(super) fn health_group(tenant: &str, name: &str) -> String {
    format!("uni/tn-{tenant}/svcCont/redirectHealthGroup-{name}")
}

/// The distinguished name of an IP SLA policy (`fvIPSLAMonitoringPol`).
pub(super) fn ip_sla(tenant: &str, name: &str) -> String {
    format!("uni/tn-{tenant}/ipslaMonitoringPol-{name}")
}

/// The prefix of a member, from its distinguished name: of a destination, that of a host.
pub fn member_prefix(dn: &str) -> Option<IpNet> {
    let rn = rns(dn).last()?;
    if let Some(rest) = rn.strip_prefix("extsubnet-[") {
        return rest.strip_suffix(']')?.parse().ok();
    }
    let address = rn.strip_prefix("RedirectDest_ip-[")?.strip_suffix(']')?;
    address.parse::<std::net::IpAddr>().ok().map(IpNet::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slashes_in_brackets_are_no_path() {
        let dn = "uni/tn-k8s/out-calico/instP-web/extsubnet-[10.96.7.7/32]";
        let all: Vec<_> = rns(dn).collect();
        assert_eq!(all, ["uni", "tn-k8s", "out-calico", "instP-web", "extsubnet-[10.96.7.7/32]"]);
        let nested =
            "topology/pod-1/node-101/local/svc-policyelem-id-0/uni/epp/rtd-[uni/tn-T/out-O/instP-E]/nwissues";
        assert_eq!(rns(nested).nth(7), Some("rtd-[uni/tn-T/out-O/instP-E]"));
    }

    #[test]
    fn names_lead_there_and_back() {
        for dn in ["uni/tn-k8s/out-calico/instP-web", "uni/tn-k8s/svcCont/svcRedirectPol-fw"] {
            let container = Container::of(dn).unwrap();
            assert_eq!(container.to_string(), dn);
            let member = container.member("10.96.7.7/32".parse().unwrap());
            assert_eq!(Container::of(&member), Some(container));
            assert_eq!(member_prefix(&member), Some("10.96.7.7/32".parse().unwrap()));
        }
        assert_eq!(Container::of("uni/tn-k8s/out-calico/rsectx"), None);
        assert_eq!(L3out::of("uni/tn-k8s/out-calico/rsectx").unwrap().to_string(), "uni/tn-k8s/out-calico");
    }
}
