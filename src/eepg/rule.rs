//! Mapping rules: which routes want which member.

mod condition;
mod naming;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

use self::condition::Condition;
pub(super) use self::naming::is_name;
use self::naming::{Naming, Pins};
use super::dn::{Container, L3out};
use crate::config::Config;
use crate::config::model;
use crate::observer::feed::{Destination, Offer, Witness};

/// The place of a rule in the file: of `[[eepg]]`, or of `[[redirect]]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RuleId {
    /// The `[[eepg]]` entry with this index.
    Eepg(usize),
    /// The `[[redirect]]` entry with this index.
    Redirect(usize),
}

/// Where a prefix has one container at most.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Domain {
    /// A VRF: one EEPG, whatever the L3Out.
    Vrf(Arc<str>),
    /// A redirect policy.
    Policy(Arc<Container>),
}

/// What a route asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Where it wants to be a member.
    pub container: Arc<Container>,
    /// By which rule: of several the first.
    pub rule: RuleId,
    /// Whose route it is: of several the one with the least witness.
    pub peer: IpAddr,
    /// The node.
    pub witness: Witness,
}

/// What all routes of a prefix ask for within a domain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Wish {
    /// No route, or none that a rule takes.
    #[default]
    Nothing,
    /// What there is is left alone (`manage = "never"`).
    Untouched,
    /// They lead to different containers, in order; of one claim alone: a rule with `manage = "never"` takes
    /// another of the routes. What there is stays, nothing else is written.
    Disputed(Vec<Claim>),
    /// A rule takes a route and has no name for its container, see [`Rules::unnamed`]. What there is stays,
    /// nothing else is written.
    Unnamed {
        /// The rule: of several the first.
        rule: RuleId,
        /// The node of the route: of several the least.
        witness: Witness,
    },
    /// One container.
    Member(Claim),
}

/// The rules of one APIC. A handle: cheap to clone.
#[derive(Clone, Debug)]
pub struct Rules(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    eepgs: Vec<(usize, model::Eepg)>,
    redirects: Vec<(usize, model::Redirect)>,
    ladders: Vec<Ladder>,
}

/// The rules of a domain for the routes of one VRF, made to be asked fast.
#[derive(Debug)]
struct Ladder {
    vrf: Arc<str>,
    domain: Domain,
    /// In the file's order: the first that matches wins.
    steps: Vec<Step>,
}

#[derive(Debug)]
struct Step {
    rule: RuleId,
    condition: Condition,
    /// None: what matches is left alone.
    naming: Option<Naming>,
}

impl Rules {
    /// The rules that `config` has for `apic`.
    pub fn new(apic: &str, config: &Config) -> Self {
        let of = |name: &Arc<str>| **name == *apic;
        let eepgs: Vec<_> =
            config.eepgs.iter().cloned().enumerate().filter(|(_, rule)| of(&rule.apic)).collect();
        let redirects: Vec<_> =
            config.redirects.iter().cloned().enumerate().filter(|(_, rule)| of(&rule.apic)).collect();
        let pins = Pins::new(config);
        let mut ladders: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (index, rule) in &eepgs {
            let naming = rule.manage.then(|| Naming::of_eepg(rule, &pins));
            let (rule, matches, vrf) = (RuleId::Eepg(*index), &rule.matches, &rule.vrf);
            let step = Step { rule, condition: Condition::new(matches), naming };
            ladders.entry((Domain::Vrf(Arc::clone(vrf)), Arc::clone(vrf))).or_default().push(step);
        }
        for (index, rule) in &redirects {
            let container = Arc::new(policy(rule));
            let naming = Some(Naming::Fixed(Arc::clone(&container)));
            let step =
                Step { rule: RuleId::Redirect(*index), condition: Condition::new(&rule.matches), naming };
            ladders.entry((Domain::Policy(container), Arc::clone(&rule.vrf))).or_default().push(step);
        }
        let ladders =
            ladders.into_iter().map(|((domain, vrf), steps)| Ladder { vrf, domain, steps }).collect();
        Self(Arc::new(Inner { eepgs, redirects, ladders }))
    }

    /// What the routes of a prefix ask for, in each domain that has rules for its VRF: of the routes that are
    /// not stale, if there are any, else of the stale ones. Each route asks by the first rule that matches it;
    /// routes that no rule matches ask for nothing. A default route is never a member.
    pub fn decide(&self, destination: &Destination) -> Vec<(Domain, Wish)> {
        let ladders = self.0.ladders.iter().filter(|ladder| ladder.vrf == destination.vrf);
        ladders.map(|ladder| (ladder.domain.clone(), ladder.wish(destination))).collect()
    }

    /// The domains that there are rules for.
    pub fn domains(&self) -> Vec<Domain> {
        let all: BTreeSet<_> = self.0.ladders.iter().map(|ladder| &ladder.domain).collect();
        all.into_iter().cloned().collect()
    }

    /// The VRFs that EEPGs are in, by the names of their `fvCtx`.
    pub fn vrfs(&self) -> Vec<Arc<str>> {
        let all: BTreeSet<_> = self.0.eepgs.iter().map(|(_, rule)| &rule.vrf).collect();
        all.into_iter().map(Arc::clone).collect()
    }

    /// The L3Outs that rules name, with the VRF that each must be in.
    pub fn l3outs(&self) -> Vec<(L3out, Arc<str>)> {
        let all: BTreeSet<_> =
            self.0.eepgs.iter().map(|(_, rule)| (l3out(rule), Arc::clone(&rule.vrf))).collect();
        all.into_iter().collect()
    }

    /// The redirect policies that rules name.
    pub fn policies(&self) -> Vec<Arc<Container>> {
        let all: BTreeSet<_> = self.0.redirects.iter().map(|(_, rule)| policy(rule)).collect();
        all.into_iter().map(Arc::new).collect()
    }

    /// The `[[eepg]]` entry.
    pub fn eepg(&self, rule: RuleId) -> Option<&model::Eepg> {
        let RuleId::Eepg(index) = rule else { return None };
        entry(&self.0.eepgs, index)
    }

    /// The `[[redirect]]` entry.
    pub fn redirect(&self, rule: RuleId) -> Option<&model::Redirect> {
        let RuleId::Redirect(index) = rule else { return None };
        entry(&self.0.redirects, index)
    }

    /// All `[[eepg]]` entries, in the file's order.
    pub(super) fn eepgs(&self) -> impl Iterator<Item = &model::Eepg> {
        self.0.eepgs.iter().map(|(_, rule)| rule)
    }

    /// All `[[redirect]]` entries, in the file's order.
    pub(super) fn redirects(&self) -> impl Iterator<Item = &model::Redirect> {
        self.0.redirects.iter().map(|(_, rule)| rule)
    }

    /// What people call a rule: its name in the file, as in `web` or `redirect fw`.
    pub fn name(&self, rule: RuleId) -> String {
        let eepg = self.eepg(rule).map(|eepg| eepg.name.to_string());
        let redirect = || self.redirect(rule).map(|redirect| format!("redirect {}", redirect.policy));
        eepg.or_else(redirect).unwrap_or_else(|| "?".to_owned())
    }

    /// One sentence for [`Wish::Unnamed`].
    pub fn unnamed(&self, rule: RuleId, witness: &str) -> String {
        format!(
            "rule {} has no name for the EEPG of {witness}: only a pinned node has a name, the APIC takes 1 to \
             64 letters, digits and _ . : -, and no two nodes may come to one name",
            self.name(rule)
        )
    }
}

fn entry<T>(entries: &[(usize, T)], index: usize) -> Option<&T> {
    let place = entries.binary_search_by_key(&index, |(index, _)| *index).ok()?;
    entries.get(place).map(|(_, entry)| entry)
}

pub(super) fn l3out(rule: &model::Eepg) -> L3out {
    L3out { tenant: Arc::clone(&rule.tenant), name: Arc::clone(&rule.l3out) }
}

pub(super) fn policy(rule: &model::Redirect) -> Container {
    Container::Policy { tenant: Arc::clone(&rule.tenant), name: Arc::clone(&rule.policy) }
}

impl Ladder {
    fn wish(&self, destination: &Destination) -> Wish {
        let is_host = destination.prefix.prefix_len() == destination.prefix.max_prefix_len();
        let may = match self.domain {
            Domain::Vrf(_) => destination.prefix.prefix_len() > 0,
            Domain::Policy(_) => is_host,
        };
        if !may {
            return Wish::Nothing;
        }
        let only_stale = destination.offers.iter().all(|offer| offer.stale);
        let mut poll = Poll::default();
        for offers in destination.offers.chunks(u64::BITS as usize) {
            self.ask(destination.prefix, offers, only_stale, &mut poll);
        }
        poll.wish()
    }

    /// Has each of at most 64 routes find its first rule: a rule looks at the prefix once for all of them.
    fn ask(&self, prefix: IpNet, offers: &[Offer], only_stale: bool, poll: &mut Poll) {
        let asks = |(place, offer): (usize, &Offer)| u64::from(offer.stale == only_stale) << place;
        let mut open: u64 = offers.iter().enumerate().map(asks).sum();
        for step in &self.steps {
            if open == 0 {
                break;
            }
            if !step.condition.holds_for(prefix) {
                continue;
            }
            for (place, offer) in offers.iter().enumerate() {
                if open & (1 << place) != 0 && step.condition.matches(offer) {
                    open &= !(1 << place);
                    poll.count(step, offer);
                }
            }
        }
    }
}

/// What the routes of a prefix said so far.
#[derive(Default)]
struct Poll {
    untouched: bool,
    unnamed: Option<(RuleId, Witness)>,
    /// One a container.
    claims: Vec<Claim>,
}

impl Poll {
    fn count(&mut self, step: &Step, offer: &Offer) {
        let Some(naming) = &step.naming else {
            self.untouched = true;
            return;
        };
        let Some(container) = naming.container(offer) else {
            let least = self.unnamed.get_or_insert_with(|| (step.rule, Arc::clone(&offer.witness)));
            least.0 = least.0.min(step.rule);
            if offer.witness < least.1 {
                least.1 = Arc::clone(&offer.witness);
            }
            return;
        };
        let claim = Claim {
            container,
            rule: step.rule,
            peer: offer.peer.address,
            witness: Arc::clone(&offer.witness),
        };
        match self.claims.iter_mut().find(|known| known.container == claim.container) {
            Some(known) => known.join(claim),
            None => self.claims.push(claim),
        }
    }

    fn wish(mut self) -> Wish {
        if let Some((rule, witness)) = self.unnamed {
            return Wish::Unnamed { rule, witness };
        }
        if self.claims.len() > 1 || (self.untouched && !self.claims.is_empty()) {
            self.claims.sort_unstable_by(|one, other| one.container.cmp(&other.container));
            return Wish::Disputed(self.claims);
        }
        match self.claims.pop() {
            Some(claim) => Wish::Member(claim),
            None if self.untouched => Wish::Untouched,
            None => Wish::Nothing,
        }
    }
}

impl Claim {
    /// Another claim of the same container.
    fn join(&mut self, other: Self) {
        let rule = self.rule.min(other.rule);
        if (&other.witness, other.peer) < (&self.witness, self.peer) {
            *self = other;
        }
        self.rule = rule;
    }
}
