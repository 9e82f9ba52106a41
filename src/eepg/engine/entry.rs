//! One prefix in one domain: what routes want, and what the APIC has.

use std::collections::VecDeque;
use std::sync::Arc;

use ipnet::IpNet;

use super::super::dn::Container;
use super::super::reading::{Scope, Seen};
use super::super::rule::{Claim, Wish};
use crate::observer::feed::{Destination, Witness};
use crate::policy::Class;
use crate::time::Timestamp;

/// A domain's number, and a prefix.
pub(super) type Key = (u16, IpNet);

#[derive(Debug)]
pub(super) struct Entry {
    pub(super) wish: Wish,
    pub(super) class: Class,
    /// Nodes that announce it or fell silent with it, sorted.
    pub(super) nodes: Arc<[Witness]>,
    /// When the last of those fell silent that did not say since what they have.
    pub(super) silent: Option<Timestamp>,
    /// Since when nothing wants it and nobody is silent about it.
    pub(super) gone: Option<Timestamp>,
    /// Since when we know of it.
    pub(super) known: Timestamp,
    /// When the first change was heard that is not written yet.
    pub(super) changed: Option<Timestamp>,
    /// When our last request that changed it was answered.
    pub(super) written: Option<Timestamp>,
    /// When it lost its routes, if that was counted.
    pub(super) lost: Option<Timestamp>,
    /// What the APIC has of it in this domain.
    pub(super) seen: Vec<Seen>,
    pub(super) todo: Option<Todo>,
    /// The configuration by which it was offered last.
    pub(super) epoch: u32,
    /// A human let its deletion through.
    pub(super) approved: bool,
    /// A human wants it to be ours.
    pub(super) adopted: bool,
    /// The last comparison found it other than we had left it.
    pub(super) drift: Option<&'static str>,
    pub(super) trouble: Option<Box<Trouble>>,
}

/// What went wrong with an entry.
#[derive(Debug, Default)]
pub(super) struct Trouble {
    /// What the APIC said, how often in a row, and when it is tried again.
    pub(super) refused: Option<(String, u32, Timestamp)>,
    /// Where a request may have changed it whose answer is not known.
    pub(super) unsure: Vec<Scope>,
    /// When it was repaired.
    pub(super) repairs: VecDeque<Timestamp>,
}

/// What is to be done about an entry, as one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Todo {
    /// Where a member is to be made, or mended.
    pub(super) put: Option<Arc<Container>>,
    /// It is not there yet.
    pub(super) is_new: bool,
    /// Where members of ours are to be deleted.
    pub(super) remove: Vec<Arc<Container>>,
    /// Where marks of ours are to be taken off.
    pub(super) release: Vec<Arc<Container>>,
}

impl Todo {
    /// The one container by which it is known.
    pub(super) fn at(&self) -> Option<&Arc<Container>> {
        self.put.as_ref().or_else(|| self.remove.first()).or_else(|| self.release.first())
    }

    /// Every container that it changes.
    pub(super) fn all(&self) -> impl Iterator<Item = &Arc<Container>> {
        self.put.iter().chain(&self.remove).chain(&self.release)
    }

    /// Whether it takes something away and puts it nowhere else.
    pub(super) const fn is_delete(&self) -> bool {
        self.put.is_none() && !self.remove.is_empty()
    }

    /// Whether it leaves something of the same L3Out.
    pub(super) fn moves_within(&self) -> bool {
        let Some(to) = self.put.as_ref().map(Scope::slot) else { return false };
        self.remove.iter().any(|from| Scope::slot(from) == to)
    }

    /// As the API names it.
    pub(super) const fn operation(&self) -> &'static str {
        match (&self.put, self.is_new) {
            (Some(_), true) => "create",
            (None, _) if !self.remove.is_empty() => "delete",
            _ => "modify",
        }
    }
}

impl Wish {
    /// Where the prefix is to be a member.
    pub(super) const fn container(&self) -> Option<&Arc<Container>> {
        match self {
            Self::Member(claim) => Some(&claim.container),
            _ => None,
        }
    }

    pub(super) const fn claim(&self) -> Option<&Claim> {
        match self {
            Self::Member(claim) => Some(claim),
            _ => None,
        }
    }
}

impl Entry {
    pub(super) fn new(now: Timestamp) -> Self {
        Self {
            wish: Wish::Nothing,
            class: Class::Other,
            nodes: Arc::new([]),
            silent: None,
            gone: None,
            known: now,
            changed: None,
            written: None,
            lost: None,
            seen: Vec::new(),
            todo: None,
            epoch: 0,
            approved: false,
            adopted: false,
            drift: None,
            trouble: None,
        }
    }

    /// Takes over what routes say; answers where it was to be a member before.
    pub(super) fn told(&mut self, wish: Wish, destination: &Destination) -> Option<Arc<Container>> {
        let former = self.wish.container().cloned();
        self.wish = wish;
        let offers = destination.offers.iter().map(|offer| &offer.witness);
        let mut nodes: Vec<_> =
            offers.chain(destination.silent.iter().map(|silence| &silence.witness)).cloned().collect();
        nodes.sort();
        nodes.dedup();
        if *nodes != *self.nodes {
            self.nodes = nodes.into();
        }
        self.silent = destination.silent.iter().map(|silence| silence.since).max();
        if let Some(offer) = destination.offers.first() {
            self.class = offer.accepted.class();
        }
        former
    }

    /// Whether any route or rule wants something to be there.
    pub(super) fn is_supported(&self) -> bool {
        self.wish != Wish::Nothing
    }

    /// Whether there is nothing to remember.
    pub(super) fn is_empty(&self) -> bool {
        !self.is_supported() && self.seen.is_empty() && self.silent.is_none()
    }

    pub(super) fn trouble(&mut self) -> &mut Trouble {
        self.trouble.get_or_insert_default()
    }
}
