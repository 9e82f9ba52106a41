//! Mapping rules: which routes want which member.

use std::net::IpAddr;
use std::sync::Arc;

use super::dn::{Container, L3out};
use crate::config::Config;
use crate::config::model;
use crate::observer::feed::{Destination, Witness};

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
    /// By which rule.
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
    /// They lead to different containers.
    Disputed(Vec<Claim>),
    /// One container.
    Member(Claim),
}

/// The rules of one APIC.
#[derive(Clone, Debug)]
pub struct Rules {
    eepgs: Vec<(usize, model::Eepg)>,
    redirects: Vec<(usize, model::Redirect)>,
}

impl Rules {
    /// The rules that `config` has for `apic`.
    pub fn new(apic: &str, config: &Config) -> Self {
        let of = |name: &Arc<str>| **name == *apic;
        let eepgs = config.eepgs.iter().cloned().enumerate().filter(|(_, rule)| of(&rule.apic)).collect();
        let redirects =
            config.redirects.iter().cloned().enumerate().filter(|(_, rule)| of(&rule.apic)).collect();
        Self { eepgs, redirects }
    }

    /// What the routes of a prefix ask for, in each domain that has rules for its VRF: of the routes that are
    /// not stale, if there are any, else of the stale ones. Each route asks by the first rule that matches it.
    pub fn decide(&self, destination: &Destination) -> Vec<(Domain, Wish)> {
        todo!("{destination:?}")
    }

    /// The domains that there are rules for.
    pub fn domains(&self) -> Vec<Domain> {
        todo!()
    }

    /// The VRFs that EEPGs are in, by the names of their `fvCtx`.
    pub fn vrfs(&self) -> Vec<Arc<str>> {
        todo!()
    }

    /// The L3Outs that rules name, with the VRF that each must be in.
    pub fn l3outs(&self) -> Vec<(L3out, Arc<str>)> {
        todo!()
    }

    /// The `[[eepg]]` entry.
    pub fn eepg(&self, rule: RuleId) -> Option<&model::Eepg> {
        todo!("{rule:?}")
    }

    /// The `[[redirect]]` entry.
    pub fn redirect(&self, rule: RuleId) -> Option<&model::Redirect> {
        todo!("{rule:?}")
    }

    /// What people call a rule: its name in the file, as in `web` or `redirect fw`.
    pub fn name(&self, rule: RuleId) -> String {
        todo!("{rule:?}")
    }
}
