//! Changes as one request: what is posted, and where.
//!
//! The APIC takes a request whole or not at all, and makes what is posted and not there. So whatever only leads
//! to what is changed stands there with `status: modified`, which is refused if it is missing. `vnsSvcCont` has
//! no status: it is implicit, comes with the first policy of its tenant, and holds nothing of its own.

mod scopes;
#[cfg(test)]
mod tests;
mod texts;

use std::collections::BTreeMap;
use std::sync::Arc;

use ipnet::IpNet;

use super::dn::{self, Container};
use super::mark::{ANNOTATION, KEY, Mark};
use super::mo::Mo;
use super::rule::{RuleId, Rules};
use crate::config::model::SubnetScope;
use crate::policy::Class;

pub use scopes::Scopes;
pub(super) use texts::Owned;
pub use texts::{digest, texts, wanted_digest};

/// One step of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// Make an EEPG or a policy, with contracts or IP SLA as its rule says, and our marks.
    Make {
        /// Which.
        container: Arc<Container>,
        /// The rule that asks for it.
        rule: RuleId,
        /// Our mark on it.
        mark: Mark,
        /// Whether it is not there yet: if that is not so, the request is refused.
        is_new: bool,
    },
    /// Delete an EEPG or a policy.
    Unmake {
        /// Which.
        container: Arc<Container>,
    },
    /// Make a member, or give it all attributes that we are responsible for.
    Put {
        /// Where.
        container: Arc<Container>,
        /// Which.
        prefix: IpNet,
        /// What it is for.
        class: Class,
        /// The rule that asks for it.
        rule: RuleId,
        /// Our mark on it.
        mark: Mark,
        /// Flags of `scope` that others set and that stay.
        keep: Scopes,
        /// Whether it is not there yet: if that is not so, the request is refused.
        is_new: bool,
    },
    /// Delete a member.
    Remove {
        /// Where.
        container: Arc<Container>,
        /// Which.
        prefix: IpNet,
    },
    /// Take our marks off an object, and leave it.
    Release {
        /// Its container.
        container: Arc<Container>,
        /// Which member; none: the container itself.
        prefix: Option<IpNet>,
    },
}

impl Op {
    const fn container(&self) -> &Arc<Container> {
        match self {
            Self::Make { container, .. }
            | Self::Unmake { container }
            | Self::Put { container, .. }
            | Self::Remove { container, .. }
            | Self::Release { container, .. } => container,
        }
    }

    /// Of contradictory steps about one object the least is taken: what keeps it.
    const fn rank(&self) -> u8 {
        match self {
            Self::Make { .. } | Self::Put { .. } => 0,
            Self::Release { .. } => 1,
            Self::Unmake { .. } | Self::Remove { .. } => 2,
        }
    }
}

/// What is to be done with a container and what is in it.
#[derive(Default)]
struct Work<'a> {
    itself: Option<&'a Op>,
    members: BTreeMap<IpNet, &'a Op>,
}

/// One request that does all of `ops`, and nothing if any of it is refused: the object that it is posted to, the
/// nearest that contains everything (an L3Out, a `vnsSvcCont`, a tenant, or `uni`), and what is posted.
/// Containers are posted with `status: modified`, so that none is made by accident, unless one of `ops` makes it.
///
/// The order of `ops` means nothing. Of steps that contradict each other that is taken which keeps the object.
pub fn request(rules: &Rules, ops: &[Op]) -> (String, Mo) {
    let mut work: BTreeMap<&Container, Work<'_>> = BTreeMap::new();
    for op in ops {
        let work = work.entry(op.container()).or_default();
        match op {
            Op::Make { .. } | Op::Unmake { .. } | Op::Release { prefix: None, .. } => {
                let known = work.itself.get_or_insert(op);
                *known = weightier(known, op);
            }
            Op::Put { prefix, .. } | Op::Remove { prefix, .. } | Op::Release { prefix: Some(prefix), .. } => {
                let known = work.members.entry(*prefix).or_insert(op);
                *known = weightier(known, op);
            }
        }
    }
    let mut tree = Tree::default();
    for (container, work) in work {
        let node = tree.parent(container);
        node.push(posted(rules, container, &work));
    }
    tree.root()
}

fn weightier<'a>(one: &'a Op, other: &'a Op) -> &'a Op {
    let rule = |op: &Op| match op {
        Op::Make { rule, .. } | Op::Put { rule, .. } => Some(*rule),
        _ => None,
    };
    if (other.rank(), rule(other)) < (one.rank(), rule(one)) { other } else { one }
}

/// What is changed, by where it stands: tenant, then L3Out or, of policies, nothing.
#[derive(Default)]
struct Tree<'a>(BTreeMap<&'a str, BTreeMap<Option<&'a str>, Vec<Mo>>>);

impl<'a> Tree<'a> {
    fn parent(&mut self, container: &'a Container) -> &mut Vec<Mo> {
        let l3out = match container {
            Container::Eepg { l3out, .. } => Some(&*l3out.name),
            Container::Policy { .. } => None,
        };
        self.0.entry(container.tenant()).or_default().entry(l3out).or_default()
    }

    /// The nearest object that contains all, with everything.
    fn root(mut self) -> (String, Mo) {
        if self.0.len() != 1 {
            let tenants = self.0.into_iter().map(|(name, parents)| {
                let tenant = Mo::new("fvTenant").with("name", name);
                holding(modified(tenant), parents.into_iter().map(|(name, children)| parent(name, children)))
            });
            return ("uni".to_owned(), holding(Mo::new("polUni").with("dn", "uni"), tenants));
        }
        let (tenant, mut parents) = self.0.pop_first().unwrap_or_default();
        if parents.len() != 1 {
            let children = parents.into_iter().map(|(name, children)| parent(name, children));
            let dn = dn::tenant(tenant);
            let mo = holding(modified(Mo::new("fvTenant").with("name", tenant)), children);
            return (dn.clone(), mo.with("dn", dn));
        }
        let (name, children) = parents.pop_first().unwrap_or_default();
        let rn = name.map_or_else(|| "svcCont".to_owned(), |name| format!("out-{name}"));
        let dn = format!("uni/tn-{tenant}/{rn}");
        (dn.clone(), parent(name, children).with("dn", dn))
    }
}

/// An L3Out, or the container of a tenant's policies.
fn parent(l3out: Option<&str>, children: Vec<Mo>) -> Mo {
    let parent = match l3out {
        Some(name) => modified(Mo::new("l3extOut").with("name", name)),
        None => Mo::new("vnsSvcCont"),
    };
    holding(parent, children)
}

fn modified(mo: Mo) -> Mo {
    mo.with("status", "modified")
}

/// What we make must not be there, and what we mend must be: what somebody made or deleted since we looked is
/// neither taken over nor made again by accident.
fn expected(mo: Mo, is_new: bool) -> Mo {
    if is_new { mo.with("status", "created") } else { modified(mo) }
}

fn deleted(mo: Mo) -> Mo {
    mo.with("status", "deleted")
}

fn holding(mut mo: Mo, children: impl IntoIterator<Item = Mo>) -> Mo {
    mo.children.extend(children);
    mo
}

/// An EEPG or a policy, and what is done to it.
fn posted(rules: &Rules, container: &Container, work: &Work<'_>) -> Mo {
    let class = match container {
        Container::Eepg { .. } => "l3extInstP",
        Container::Policy { .. } => "vnsSvcRedirectPol",
    };
    let mo = Mo::new(class).with("name", &**container.name());
    // Who wants a member there does not want its container gone.
    let keeps = work.members.values().any(|op| !matches!(op, Op::Remove { .. }));
    let mo = match work.itself {
        Some(Op::Make { rule, mark, is_new, .. }) => made(rules, expected(mo, *is_new), *rule, mark),
        Some(Op::Release { .. }) => unmarked(modified(mo)),
        Some(Op::Unmake { .. }) if !keeps => return deleted(mo),
        _ => modified(mo),
    };
    let members = work.members.iter().map(|(prefix, op)| match container {
        Container::Eepg { .. } => subnet(rules, *prefix, op),
        Container::Policy { .. } => destination(rules, *prefix, op),
    });
    holding(mo, members)
}

/// With our marks, and what the rule wants of it.
fn made(rules: &Rules, mo: Mo, rule: RuleId, mark: &Mark) -> Mo {
    let mut mo = marked(mo, mark);
    if let Some(rule) = rules.eepg(rule) {
        let contract = |class, name: &Arc<str>| {
            Mo::new(class).with("tnVzBrCPName", &**name).with("annotation", ANNOTATION)
        };
        mo.children.extend(rule.contracts.provide.iter().map(|name| contract("fvRsProv", name)));
        mo.children.extend(rule.contracts.consume.iter().map(|name| contract("fvRsCons", name)));
    }
    if let Some(rule) = rules.redirect(rule) {
        mo = mo.with("destType", "L3");
        let track = |name: &Arc<str>| {
            let dn = dn::ip_sla(&rule.tenant, name);
            Mo::new("vnsRsIPSLAMonitoringPol").with("tDn", dn).with("annotation", ANNOTATION)
        };
        mo.children.extend(rule.ip_sla.as_ref().map(track));
    }
    mo
}

fn marked(mo: Mo, mark: &Mark) -> Mo {
    mo.with("annotation", ANNOTATION)
        .holding(Mo::new("tagAnnotation").with("key", KEY).with("value", mark.encode()))
}

/// Without our marks: an empty text is what an annotation is that nobody set.
fn unmarked(mo: Mo) -> Mo {
    mo.with("annotation", "").holding(deleted(Mo::new("tagAnnotation").with("key", KEY)))
}

fn subnet(rules: &Rules, prefix: IpNet, op: &Op) -> Mo {
    let mo = Mo::new("l3extSubnet").with("ip", prefix.to_string());
    match op {
        Op::Put { class, rule, mark, keep, is_new, .. } => {
            let (name, descr) = texts(rules, *class, *rule, mark);
            let scope = rules
                .eepg(*rule)
                .map_or_else(|| Scopes::of(&[SubnetScope::ImportSecurity]), |rule| Scopes::of(&rule.scope));
            let mo = expected(Mo::new("l3extSubnet").with("ip", prefix.trunc().to_string()), *is_new);
            let mo = mo.with("name", name).with("descr", descr).with("scope", scope.union(*keep).to_string());
            marked(mo, mark)
        }
        Op::Release { .. } => unmarked(modified(mo)),
        _ => deleted(mo),
    }
}

fn destination(rules: &Rules, prefix: IpNet, op: &Op) -> Mo {
    let mut mo = Mo::new("vnsRedirectDest").with("ip", prefix.addr().to_string());
    match op {
        Op::Put { class, rule, mark, is_new, .. } => {
            let (_, descr) = texts(rules, *class, *rule, mark);
            mo = expected(mo, *is_new);
            mo = marked(mo.with("descr", descr), mark);
            let Some(rule) = rules.redirect(*rule) else { return mo };
            if let Some(mac) = &rule.mac {
                mo = mo.with("mac", &**mac);
            }
            if let Some(group) = &rule.health_group {
                let dn = dn::health_group(&rule.tenant, group);
                mo.children.push(Mo::new("vnsRsRedirectHealthGroup").with("tDn", dn));
            }
            mo
        }
        Op::Release { .. } => unmarked(modified(mo)),
        _ => deleted(mo),
    }
}
