//! What happened, in words.

use ipnet::IpNet;

use super::Actor;
use super::findings::{Change, Transition};
use super::maintenance::Window;
use super::peers::Peer;
use super::view::Event;
use crate::bgp::Families;
use crate::policy::{Judgement, Reason};
use crate::speaker::{Closed, Loss};
use crate::time::Timestamp;

/// How many route changes and findings of a second are told one by one; the rest is told as a number.
const EACH: u32 = 100;

/// Collects events until the log takes them.
pub(super) struct Chronicle {
    events: Vec<Event>,
    /// Whose doing it is what happens.
    actor: Option<Actor>,
    routes: Rate,
    findings: Rate,
}

/// What is told one by one in one second.
#[derive(Default)]
struct Rate {
    second: u64,
    told: u32,
    untold: u64,
}

impl Chronicle {
    pub(super) fn new(now: Timestamp) -> Self {
        let mut chronicle =
            Self { events: Vec::new(), actor: None, routes: Rate::default(), findings: Rate::default() };
        chronicle.push(now, "started", "the observer started".to_owned());
        chronicle
    }

    pub(super) fn take(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    /// Whose doing it is what happens next.
    pub(super) fn attribute_to(&mut self, actor: Option<Actor>) {
        self.actor = actor;
    }

    pub(super) fn maintenance_started(&mut self, window: &Window, now: Timestamp) {
        let Window { scope, until, reason, .. } = window;
        self.push_signed(
            now,
            "maintenance_started",
            format!("maintenance of {scope} until {until}: {reason}"),
        );
    }

    pub(super) fn maintenance_ended(&mut self, window: &Window, now: Timestamp) {
        let Window { scope, reason, .. } = window;
        self.push_signed(now, "maintenance_ended", format!("maintenance of {scope} is over: {reason}"));
    }

    pub(super) fn acknowledged(&mut self, id: &str, reason: &str, now: Timestamp) {
        self.push_signed(now, "finding_acknowledged", format!("{id} is acknowledged: {reason}"));
    }

    pub(super) fn restored(&mut self, peers: usize, findings: usize, written: Timestamp, now: Timestamp) {
        let text =
            format!("{peers} peers and {findings} open findings are known from before, as of {written}");
        self.push(now, "restored", text);
    }

    /// Tells what was not told one by one.
    pub(super) fn tick(&mut self, now: Timestamp) {
        if let Some(untold) = self.routes.untold(now) {
            self.push(now, "routes_changed", format!("{untold} more routes changed within a second"));
        }
        if let Some(untold) = self.findings.untold(now) {
            self.push(now, "findings_changed", format!("{untold} more findings changed within a second"));
        }
    }

    pub(super) fn peer_up(&mut self, peer: &Peer, now: Timestamp) {
        let Some(last) = &peer.last else { return };
        let terms = &last.negotiated;
        let text = format!(
            "{} is up: AS {}, identifier {}, hold time {} s",
            peer.id,
            terms.peer_as,
            terms.peer_id,
            terms.hold_time.as_secs()
        );
        self.about(peer, now, "peer_up", text);
    }

    pub(super) fn peer_down(&mut self, peer: &Peer, closed: &Closed, now: Timestamp) {
        let routes = match (peer.tally.held(), closed.loss) {
            (0, _) => "it had no routes".to_owned(),
            (held, Loss::Graceful) => format!("its {held} routes may outlive the session"),
            (held, Loss::Final | Loss::Deconfigured) => format!("its {held} routes are gone"),
        };
        let text = format!("{} is down: {}; {routes}", peer.id, closed.detail);
        self.about(peer, now, "peer_down", text);
    }

    pub(super) fn stale_expired(&mut self, peer: &Peer, now: Timestamp) {
        self.about(
            peer,
            now,
            "stale_routes_removed",
            format!("{} did not come back in time for its routes", peer.id),
        );
    }

    pub(super) fn refresh(&mut self, peer: &Peer, families: Families, now: Timestamp) {
        let names: Vec<_> = families.iter().map(crate::bgp::Family::name).collect();
        let text = format!("{} is asked to send its {} routes again", peer.id, names.join(" and "));
        self.about(peer, now, "refresh", text);
    }

    pub(super) fn reload(&mut self, now: Timestamp) {
        self.push_signed(now, "reload", "a new configuration is in force".to_owned());
    }

    /// A verdict came, changed or went.
    pub(super) fn route(
        &mut self,
        peer: &Peer,
        prefix: IpNet,
        before: Option<Judgement>,
        after: Option<Judgement>,
        now: Timestamp,
    ) {
        if !self.routes.admits(now) {
            return;
        }
        let (kind, what) = match after.or(before).map(|judgement| (judgement.class(), judgement.reasons())) {
            _ if after.is_none() => ("route_withdrawn", "is gone".to_owned()),
            Some((class, reasons)) => match reasons.first() {
                None => ("route_accepted", format!("is accepted as {class}")),
                Some(Reason::Transit) => ("route_noted", "is transit by design".to_owned()),
                Some(reason) => ("route_rejected", format!("is rejected: {reason}")),
            },
            None => return,
        };
        let name = peer.name.as_deref().unwrap_or("?");
        let text = format!("{prefix} of {name} ({}) {what}", peer.id);
        self.about(peer, now, kind, text);
        if let Some(event) = self.events.last_mut() {
            event.prefix = Some(prefix);
        }
    }

    pub(super) fn finding(&mut self, transition: &Transition, now: Timestamp) {
        let kind = match transition.change {
            Change::Pending => "finding_pending",
            Change::Open => "finding_open",
            Change::Resolved => "finding_resolved",
            Change::Dropped => "finding_dropped",
        };
        // What opens is worth a line whatever else happens; there is a bound on it.
        if !self.findings.admits(now) && transition.change != Change::Open {
            return;
        }
        let finding = &transition.finding;
        let text = format!("{} {} ({}): {}", finding.severity, finding.kind, finding.id, finding.summary);
        self.push(now, kind, text);
        if let Some(event) = self.events.last_mut() {
            let one = |scope: &str| (!scope.is_empty()).then(|| scope.to_owned());
            (event.cluster, event.vrf) = (one(&finding.cluster), one(&finding.vrf));
            event.leaf.clone_from(&finding.leaf);
            event.peer = finding.peer;
            event.node.clone_from(&finding.node);
            event.prefix = finding.prefix;
        }
    }

    fn about(&mut self, peer: &Peer, now: Timestamp, kind: &str, text: String) {
        let scope = &peer.place.scope;
        self.events.push(Event {
            at: now,
            kind: kind.to_owned(),
            cluster: Some(scope.cluster.to_string()),
            vrf: Some(scope.vrf.to_string()),
            leaf: Some(peer.id.leaf.to_string()),
            peer: Some(peer.id.address),
            node: peer.name.as_deref().map(str::to_owned),
            text,
            ..Event::default()
        });
    }

    /// What somebody may have done.
    fn push_signed(&mut self, at: Timestamp, kind: &str, text: String) {
        self.push(at, kind, text);
        if let (Some(actor), Some(event)) = (&self.actor, self.events.last_mut()) {
            actor.sign(event);
        }
    }

    fn push(&mut self, at: Timestamp, kind: &str, text: String) {
        self.events.push(Event { at, kind: kind.to_owned(), text, ..Event::default() });
    }
}

impl Rate {
    /// Whether one more is told in this second; if not, it is counted.
    fn admits(&mut self, now: Timestamp) -> bool {
        if self.second != now.as_secs() {
            (self.second, self.told) = (now.as_secs(), 0);
        }
        let admits = self.told < EACH;
        if admits {
            self.told += 1;
        } else {
            self.untold += 1;
        }
        admits
    }

    /// How many were not told, once their second is over.
    fn untold(&mut self, now: Timestamp) -> Option<u64> {
        let over = self.untold > 0 && self.second < now.as_secs();
        over.then(|| std::mem::take(&mut self.untold))
    }
}
