//! The glance bar: how it stands, in seven tiles. The worst of it colours the page, its title and its icon.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use maud::{Markup, html};
use tokio::sync::Mutex;

use super::level::Level;
use super::words::{ago, count, counted, left, link, text, visible};
use crate::config::Config;
use crate::eepg::view::{Held, Pause};
use crate::observer::findings::Kind;
use crate::observer::view::Finding;
use crate::time::Timestamp;
use crate::web::Shared;
use crate::web::problem::Problem;
use crate::web::summary::{Apic, Summary};

const SESSIONS: [Kind; 8] = [
    Kind::PeerDown,
    Kind::RackDown,
    Kind::ObserverIsolated,
    Kind::PeerFlapping,
    Kind::PeerRefused,
    Kind::StaleRoutes,
    Kind::RecoveryWait,
    Kind::TimerTrouble,
];
const CONFLICTS: [Kind; 8] = [
    Kind::DuplicatePodBlock,
    Kind::DuplicateNodeSubnet,
    Kind::DuplicatePodHost,
    Kind::DuplicateServiceHost,
    Kind::DuplicateAs,
    Kind::DuplicateRouterId,
    Kind::LeafDisagreement,
    Kind::EepgConflict,
];
const ROGUE: [Kind; 2] = [Kind::RogueRoute, Kind::MeshLeftOn];
const MISSING: [Kind; 2] = [Kind::MissingServiceCidr, Kind::MissingNodeSubnet];
const DRIFT: [Kind; 3] = [Kind::EepgDrift, Kind::EepgWriteFailing, Kind::AciConfig];

/// What the bar is about, at one moment.
#[derive(Clone, Debug, Default)]
pub(super) struct Glance {
    pub(super) now: Timestamp,
    /// What instances are told apart by.
    pub(super) name: String,
    pub(super) summary: Summary,
    /// Open findings of which somebody is told, by kind: how many, and how bad the worst is.
    pub(super) told: BTreeMap<String, (usize, Level)>,
    /// How many of them are critical, and how many a warning.
    pub(super) critical: usize,
    pub(super) warning: usize,
    /// Brakes that are engaged.
    pub(super) held: Vec<Held>,
    pub(super) paused: Option<Pause>,
}

struct Tile {
    name: &'static str,
    label: &'static str,
    level: Level,
    value: String,
    below: Markup,
    href: String,
}

/// The bar as it was a moment ago, for all who look: however many do, it is asked for a few times a second.
#[derive(Debug, Default)]
pub(in crate::web) struct Seen(Mutex<Option<(Timestamp, Looked)>>);

/// The bar, or why there is none.
type Looked = Result<Arc<Glance>, String>;

/// For how long it is good enough.
const FRESH: Duration = Duration::from_millis(200);

impl Glance {
    pub(super) async fn look(shared: &Shared) -> Result<Arc<Self>, Problem> {
        let mut seen = shared.seen.0.lock().await;
        let now = shared.app.clock.now();
        if let Some((at, glance)) = &*seen
            && now.since(*at) < FRESH
        {
            return glance.clone().map_err(Problem::unavailable);
        }
        let glance = Self::take(shared, now).await.map(Arc::new);
        // Who waited for an answer that did not come need not wait again, one after the other.
        let kept = glance.as_ref().map(Arc::clone).map_err(|problem| problem.message().to_owned());
        *seen = Some((shared.app.clock.now(), kept));
        glance
    }

    async fn take(shared: &Shared, now: Timestamp) -> Result<Self, Problem> {
        let observed = shared.ask(shared.app.observer.summary()).await?;
        let findings = shared.ask(shared.app.observer.findings()).await?;
        let mut glance = Self { now, name: name(&shared.config()), ..Self::default() };
        glance.count(&findings);
        glance.summary = shared.with_members(observed).await;
        if let Some(sync) = shared.sync()
            && let Some(plan) = shared.aside(sync.plan(0, 0, false)).await
        {
            (glance.held, glance.paused) = (plan.held, plan.paused);
        }
        Ok(glance)
    }

    pub(super) fn count(&mut self, findings: &[Finding]) {
        for finding in findings.iter().filter(|finding| finding.state == "open" && finding.muted.is_none()) {
            let level = Level::of(finding);
            let (count, worst) = self.told.entry(finding.kind.clone()).or_default();
            *count += 1;
            *worst = level.max(*worst);
            match level {
                Level::Critical => self.critical += 1,
                Level::Warning => self.warning += 1,
                Level::Ok => {}
            }
        }
    }

    pub(super) fn worst(&self) -> Level {
        match (self.critical, self.warning) {
            (0, 0) if self.summary.observed.peers.known == 0 => Level::Warning,
            (0, 0) => Level::Ok,
            (0, _) => Level::Warning,
            _ => Level::Critical,
        }
    }

    /// The state in words: `2 critical, 1 warning`.
    fn words(&self) -> String {
        let of = |number: usize, word| (number > 0).then(|| format!("{} {word}", count(number)));
        let words: Vec<_> =
            [of(self.critical, "critical"), of(self.warning, "warning")].into_iter().flatten().collect();
        match (words.is_empty(), self.worst()) {
            (true, Level::Ok) => "ok".to_owned(),
            (true, _) => "no peer is known".to_owned(),
            (false, _) => words.join(", "),
        }
    }

    /// Of the page, so that a tab among others says how it stands.
    pub(super) fn title(&self) -> String {
        let name = visible(&self.name);
        let blank = if name.is_empty() { "" } else { " - " };
        format!("{} - {name}{blank}thirdleaf", self.words())
    }

    pub(super) fn render(&self) -> Markup {
        html! {
            header #glance data-state=(self.worst()) data-src="fragment/glance" data-now=(self.now) data-title=(self.title()) {
                h2 .worst role="status" { (self.worst().mark()) " " (self.words()) }
                ul .tiles {
                    @for tile in self.tiles() {
                        li data-tile=(tile.name) data-state=(tile.level) {
                            a href=(tile.href) {
                                span .label { (tile.level.mark()) " " (tile.label) }
                                strong .value data-long[tile.value.chars().count() > 7] { (tile.value) }
                                span .below { (tile.below) }
                            }
                        }
                    }
                }
            }
        }
    }

    fn tiles(&self) -> [Tile; 7] {
        [
            self.sessions(),
            self.rogue(),
            self.conflicts(),
            self.missing(),
            self.drift(),
            self.apic(),
            self.mode(),
        ]
    }

    /// How many findings of these kinds are told, and how bad the worst is.
    fn of(&self, kinds: &[Kind]) -> (usize, Level) {
        let told = kinds.iter().filter_map(|kind| self.told.get(kind.name()));
        told.fold((0, Level::Ok), |(sum, worst), (count, level)| (sum + count, worst.max(*level)))
    }

    /// `1 rack_down, 3 peer_down`; none: nothing of these kinds is open.
    fn kinds(&self, kinds: &[Kind]) -> Option<String> {
        let told = kinds.iter().filter_map(|kind| Some((kind.name(), self.told.get(kind.name())?.0)));
        let words: Vec<_> = told.map(|(kind, number)| format!("{} {kind}", count(number))).collect();
        (!words.is_empty()).then(|| words.join(", "))
    }

    fn sessions(&self) -> Tile {
        let peers = self.summary.observed.peers;
        let (_, level) = self.of(&SESSIONS);
        let down = peers.known.saturating_sub(peers.established);
        let below = self.kinds(&SESSIONS).unwrap_or_else(|| match down {
            0 => "established of known".to_owned(),
            _ => format!("{} down", count(down)),
        });
        // Findings take their time to open. Of what is worked on, or was acknowledged, somebody knows.
        let observed = &self.summary.observed;
        let somebody_knows = !observed.maintenance.is_empty() || observed.findings.muted > 0;
        let is_new = down > 0 && !somebody_knows;
        let level = if is_new || peers.known == 0 { level.max(Level::Warning) } else { level };
        Tile {
            name: "sessions",
            label: "Sessions",
            level,
            value: format!("{}/{}", count(peers.established), count(peers.known)),
            below: html! { (below) },
            href: "sessions".to_owned(),
        }
    }

    fn rogue(&self) -> Tile {
        let routes = &self.summary.observed.routes;
        let (_, level) = self.of(&ROGUE);
        let rejected = routes.rejected + routes.rejected_not_kept;
        Tile {
            name: "rogue",
            label: "Rogue routes",
            level,
            value: count(rejected),
            below: html! {
                @if let Some(kinds) = self.kinds(&ROGUE) { (kinds) }
                @else { "rejected; " (count(routes.accepted)) " accepted" }
            },
            href: link("routes", &[("state", "rejected")]),
        }
    }

    fn conflicts(&self) -> Tile {
        let (number, level) = self.of(&CONFLICTS);
        let below = self.kinds(&CONFLICTS).unwrap_or_else(|| "duplicates, disagreement".to_owned());
        let (value, below) = (count(number), html! { (below) });
        Tile { name: "conflicts", label: "Conflicts", level, value, below, href: "findings".to_owned() }
    }

    fn missing(&self) -> Tile {
        let (number, level) = self.of(&MISSING);
        let below = self.kinds(&MISSING).unwrap_or_else(|| "expected prefixes".to_owned());
        let (value, below) = (count(number), html! { (below) });
        Tile { name: "missing", label: "Missing", level, value, below, href: "findings".to_owned() }
    }

    fn drift(&self) -> Tile {
        let drift: u64 = self.summary.apics.iter().map(|apic| apic.drift).sum();
        let (_, level) = self.of(&DRIFT);
        let level = if drift > 0 { level.max(Level::Warning) } else { level };
        let below = match (self.kinds(&DRIFT), &self.summary.eepgs) {
            (Some(kinds), _) => kinds,
            (None, Some(counts)) if counts.held > 0 => format!("{} held back", count(counts.held)),
            (None, Some(counts)) => {
                format!("{} desired, {} observed", count(counts.desired), count(counts.observed))
            }
            (None, None) => "not known".to_owned(),
        };
        let (value, below) = if self.summary.apics.is_empty() {
            ("-".to_owned(), html! { "no [[apic]] is configured" })
        } else {
            (count(drift), html! { (below) })
        };
        Tile { name: "drift", label: "EEPG drift", level, value, below, href: "eepgs".to_owned() }
    }

    fn apic(&self) -> Tile {
        let apics = &self.summary.apics;
        let up = apics.iter().filter(|apic| apic.up == Some(true)).count();
        let level = match self.of(&[Kind::ApicDown]) {
            (0, _) if up < apics.len() => Level::Warning,
            (_, level) => level,
        };
        let value = match apics[..] {
            [] => "-".to_owned(),
            [Apic { up: Some(true), .. }] => "up".to_owned(),
            [Apic { up: Some(false), .. }] => "down".to_owned(),
            [Apic { up: None, .. }] => "not known".to_owned(),
            _ => format!("{up}/{} up", apics.len()),
        };
        // Of several, the one that was compared the longest ago says how far all can be trusted.
        let compared = apics.iter().map(|apic| apic.compared).min().flatten();
        let below = match compared {
            _ if apics.is_empty() => html! { "no [[apic]] is configured" },
            None => html! { "not compared yet" },
            Some(at) => html! { "compared " (ago(at, self.now)) " ago" },
        };
        Tile { name: "apic", label: "APIC", level, value, below, href: "eepgs".to_owned() }
    }

    fn mode(&self) -> Tile {
        let (holds, level) = self.of(&[Kind::HoldDown]);
        let level = if self.paused.is_some() { level.max(Level::Warning) } else { level };
        let value = match (&self.paused, holds) {
            (Some(_), _) => "paused".to_owned(),
            (None, 0) => self.summary.observed.mode.clone(),
            (None, _) => "hold_down".to_owned(),
        };
        let below = if let Some(Pause { until, reason }) = &self.paused {
            html! { (left(*until, self.now)) " left: " (text(reason)) }
        } else if self.held.is_empty() {
            html! { @if self.summary.eepgs.is_some() { "nothing is held back" } @else { "nothing is written" } }
        } else {
            let changes: usize = self.held.iter().map(|held| held.changes).sum();
            let until = self.held.iter().filter_map(|held| held.until).max();
            html! {
                (counted(changes, "change")) " held"
                @if let Some(until) = until { ", " (left(until, self.now)) " left" }
            }
        };
        Tile { name: "mode", label: "Mode", level, value, below, href: "eepgs".to_owned() }
    }
}

/// The instance's name; without one, its leaves.
pub(super) fn name(config: &Config) -> String {
    const NAMES: usize = 3;
    if let Some(name) = &config.global.name {
        return name.clone();
    }
    let names: Vec<&str> = config.leaves.iter().take(NAMES).map(|leaf| &*leaf.name).collect();
    let more = config.leaves.len().saturating_sub(NAMES);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{more}", names.join(", "))
}

/// Without a moment to look at, the bar says why.
pub(super) fn blind(problem: &Problem) -> Markup {
    html! {
        header #glance data-state="critical" data-src="fragment/glance" data-title="not known - thirdleaf" {
            h2 .worst role="alert" { (Level::Critical.mark()) " " (text(problem.message())) }
        }
    }
}

#[cfg(test)]
mod tests;
