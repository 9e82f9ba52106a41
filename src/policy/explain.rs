//! The judgement step by step, for people.

use ipnet::IpNet;

use super::allow::Entry;
use super::path::Rules;
use super::{Reason, Terms, martian};
use crate::bgp::attribute::Set;

/// One step of a judgement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// What was asked: the reason that a "no" would give.
    pub reason: Reason,
    /// Whether the route passed.
    pub passed: bool,
    /// What was compared with what.
    pub detail: String,
}

impl Terms {
    /// How a route is judged: one step a reason, in order of precedence.
    ///
    /// There is no step for [`Reason::Limit`]: it is about the peer's other routes, not about this one. One for
    /// [`Reason::Transit`] is there where transit is noted.
    pub fn explain(&self, prefix: IpNet, attributes: Set<'_>) -> Vec<Check> {
        let reasons = self.judge(prefix, self.path(attributes)).reasons();
        Reason::ALL
            .into_iter()
            .filter(|reason| *reason != Reason::Limit)
            .filter(|reason| *reason != Reason::Transit || self.rules.notes_transit())
            .map(|reason| {
                let passed = !reasons.contains(reason);
                Check { reason, passed, detail: self.detail(reason, passed, &prefix, attributes) }
            })
            .collect()
    }

    fn detail(&self, reason: Reason, passed: bool, prefix: &IpNet, attributes: Set<'_>) -> String {
        let path = attributes.as_path();
        match reason {
            Reason::Transit => self.rules.transit_detail(passed, path),
            Reason::DefaultRoute if passed => format!("{prefix} is not the default route"),
            Reason::DefaultRoute => format!("{prefix} is the default route"),
            Reason::Martian => self.martian_detail(prefix),
            Reason::NotAllowed => self.allowed_detail(prefix),
            Reason::TooBroad | Reason::TooSpecific => self.length_detail(passed, prefix),
            Reason::NotOwnNodeSubnet => self.own_detail(passed, prefix),
            Reason::AsPathTooLong => self.rules.length_detail(path),
            Reason::AsPathEmpty => Rules::empty_detail(path),
            Reason::FirstAsMismatch => self.rules.first_detail(path),
            Reason::UnexpectedOriginAs => self.rules.origin_detail(path),
            Reason::OwnAsInPath => self.rules.own_as_detail(path),
            Reason::AsSet => Rules::set_detail(path),
            Reason::NextHopNotPeer => self.rules.next_hop_detail(attributes.next_hop(), &self.own),
            Reason::Limit => String::new(),
        }
    }

    fn martian_detail(&self, prefix: &IpNet) -> String {
        match martian::range(prefix) {
            None => format!("{prefix} is in no reserved range"),
            Some((range, name)) if self.own_loopback(prefix) => {
                format!("in {range} ({name}), but the session is too, and it is the peer's own subnet")
            }
            Some((range, name)) => format!("in {range} ({name})"),
        }
    }

    fn allowed_detail(&self, prefix: &IpNet) -> String {
        let entries = self.entries(prefix);
        let overlapping: Vec<_> = entries.overlapping(prefix).collect();
        match (overlapping.is_empty(), entries.iter().next()) {
            (false, _) => format!("overlaps {}", list(overlapping)),
            (true, Some(_)) => format!("overlaps none of {}", list(entries.iter())),
            (true, None) => "no entry of this family applies to the peer".into(),
        }
    }

    fn length_detail(&self, passed: bool, prefix: &IpNet) -> String {
        let length = prefix.prefix_len();
        let rules = || list(self.entries(prefix).overlapping(prefix).map(allowed_lengths));
        match self.entries(prefix).overlapping(prefix).next() {
            None => "does not matter: it overlaps no allowed prefix".into(),
            Some(_) if passed => format!("length {length}; {}", rules()),
            Some(entry) if prefix.contains(entry.prefix()) => {
                format!("length {length} covers {}; {}", entry.prefix(), rules())
            }
            Some(_) => format!("length {length} is not allowed; {}", rules()),
        }
    }

    fn own_detail(&self, passed: bool, prefix: &IpNet) -> String {
        let own = list(&self.own);
        match (self.holds_own(prefix), passed) {
            (true, _) => format!("{prefix} holds the peer's address {own}"),
            (false, false) => format!("{prefix} does not hold the peer's address {own}"),
            (false, true) => "does not matter: it need not hold the peer's address".into(),
        }
    }
}

fn allowed_lengths(entry: &Entry) -> String {
    let lengths: Vec<_> = entry.lengths().map(|length| length.to_string()).collect();
    format!("{entry} allows {}", lengths.join(" "))
}

/// A list for people: it ends after eight.
fn list<T: ToString>(items: impl IntoIterator<Item = T>) -> String {
    let mut items = items.into_iter();
    let shown: Vec<_> = items.by_ref().take(8).map(|item| item.to_string()).collect();
    match items.count() {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}
