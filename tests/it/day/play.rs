//! Plays scenarios, counts what an operator is told, and compares.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::time::{Duration, Instant};

use thirdleaf::observer::view::Finding;

use super::scenarios::{self, Act, Deed, Scenario, Sight};
use super::site::Site;
use super::{NODES, Pace, Restart};
use crate::run::quiet;

/// How often the daemon is asked.
const POLL: Duration = Duration::from_millis(100);
/// For so long all must look the same that is to stay: longer than the daemon takes to look at everything once.
const STEADY: Duration = Duration::from_secs(2);

/// What came of a scenario.
struct Outcome {
    name: &'static str,
    told: String,
    goal: String,
    took: Duration,
    /// What it waited for in vain.
    failure: Option<String>,
}

/// Plays all scenarios and prints the table.
pub(super) async fn day(restart: Restart) {
    let pace = Pace::of_environment();
    let mut outcomes = Vec::new();
    let mut site: Option<(super::Ases, Site)> = None;
    for scenario in scenarios::all() {
        // Others may keep the machine busy between scenarios.
        let _quiet = quiet();
        let fits = site.as_ref().is_some_and(|(ases, _)| *ases == scenario.ases && !scenario.installs);
        let (_, played) = match site.take().filter(|_| fits) {
            Some(same) => site.insert(same),
            None => site.insert((scenario.ases, Site::new(scenario.ases, pace))),
        };
        let mut stage = Stage { site: played, scenario: &scenario, pace, restart };
        let outcome = stage.play().await;
        let failed = outcome.failure.is_some();
        outcomes.push(outcome);
        if failed {
            // What is left of it must not trouble the next one.
            site = None;
        }
    }
    let table = table(&outcomes, pace, restart);
    std::io::stdout().lock().write_all(table.as_bytes()).unwrap();
    let wrong = |outcome: &&Outcome| outcome.failure.is_some() || outcome.told != outcome.goal;
    let wrong: Vec<&str> = outcomes.iter().filter(wrong).map(|outcome| outcome.name).collect();
    assert!(pace == Pace::Zero || wrong.is_empty(), "not as it should be: {}\n{table}", wrong.join("; "));
}

/// What a look at the daemon shows of what is waited for.
enum Look {
    There,
    NotYet,
    Never,
}

impl Look {
    const fn there_if(there: bool) -> Self {
        if there { Self::There } else { Self::NotYet }
    }
}

struct Stage<'a> {
    site: &'a mut Site,
    scenario: &'a Scenario,
    pace: Pace,
    restart: Restart,
}

impl Stage<'_> {
    async fn play(&mut self) -> Outcome {
        let mut failure = self.prepare().await.err();
        self.site.forget_notified();
        let start = Instant::now();
        if failure.is_none() {
            failure = self.perform().await.err();
        }
        let told = if self.site.is_running() { kinds(self.site.notified()) } else { String::new() };
        let goal = self.goal();
        Outcome { name: self.scenario.name, told, goal, took: start.elapsed(), failure }
    }

    /// A whole site, unless the scenario begins before there is one.
    async fn prepare(&mut self) -> Result<(), String> {
        if self.scenario.installs || self.site.is_running() {
            return Ok(());
        }
        self.site.start();
        self.site.join(0..NODES);
        self.whole().await
    }

    async fn perform(&mut self) -> Result<(), String> {
        for act in &self.scenario.acts {
            match act {
                Act::Do(deed) => self.act(deed).await?,
                Act::See(sight) => self.see(*sight).await?,
                Act::Settle => self.settle().await?,
                Act::Restart(sight) => self.come_again(*sight).await?,
            }
        }
        self.whole().await
    }

    async fn act(&mut self, deed: &Deed) -> Result<(), String> {
        let site = &mut *self.site;
        match deed {
            Deed::StartDaemon => site.start(),
            Deed::Allow(list) => site.allow(*list),
            Deed::Maintain(reason) => return site.start_maintenance(reason),
            Deed::Forget(node) => return site.forget(*node),
            Deed::Mesh(on) => site.mesh(*on).await,
            Deed::Join(nodes) => site.join(nodes.clone()),
            Deed::Leave(nodes) => site.leave(nodes.clone()).await,
            Deed::LosePower(nodes) => site.each(nodes, async |_, node| node.lose_power().await).await,
            Deed::Cut(nodes) => site.each(nodes, async |_, node| node.cut().await).await,
            Deed::Mend(nodes) => site.each(nodes, async |_, node| node.mend().await).await,
            Deed::Stop(nodes) => site.each(nodes, async |_, node| node.stop().await).await,
            Deed::Boot(nodes) => site.each(nodes, async |_, node| node.boot().await).await,
            Deed::Announce(nodes, what) => {
                site.each(nodes, async |number, node| node.announce(what(number)).await).await;
            }
            Deed::Withdraw(nodes, what) => {
                let prefixes = |number| what(number).into_iter().map(|route| route.prefix);
                site.each(nodes, async |number, node| node.withdraw(prefixes(number)).await).await;
            }
        }
        Ok(())
    }

    /// The daemon ends and comes back: what was open is open still, it comes to see what it saw, and nobody is
    /// told of anything.
    async fn come_again(&mut self, sight: Sight) -> Result<(), String> {
        let Restart::By(signal) = self.restart else { return Ok(()) };
        let open = |site: &Site| -> BTreeMap<_, _> {
            let open = site.findings().into_iter().filter(|finding| is(finding, "open"));
            open.map(|finding| (finding.id, (finding.kind, finding.opened))).collect()
        };
        let before = open(self.site);
        // What was told in the last seconds before a kill may be told again; this is about what was kept.
        let kept = |stage: &mut Self| {
            Look::there_if(stage.pace == Pace::Zero || before.keys().all(|id| stage.site.has_kept(id)))
        };
        self.until(kept, Duration::ZERO).await.map_err(|()| format!("kept on disk: {before:?}"))?;
        self.site.restart(signal);
        let after = open(self.site);
        if self.pace != Pace::Zero && before != after {
            return Err(format!("findings over a restart: {before:?} before it, {after:?} after it"));
        }
        self.see(sight).await?;
        self.settle().await
    }

    async fn see(&mut self, sight: Sight) -> Result<(), String> {
        let muted = |site: &Site, how: &str| {
            let findings = site.findings();
            findings
                .iter()
                .filter(|finding| finding.muted.as_ref().is_some_and(|muted| muted.starts_with(how)))
                .count()
        };
        // Where findings open at once, many are told that would be explained a moment later.
        let told_at_once = self.pace == Pace::Zero;
        let seen = |stage: &mut Self| {
            let site = &*stage.site;
            let summary = site.summary();
            Look::there_if(match sight {
                Sight::Up(peers) => summary.peers.established == peers,
                Sight::Known(peers) => summary.peers.known == peers,
                Sight::Besides(routes) => summary.routes.accepted >= site.routes() + routes,
                Sight::Rejected(routes) => summary.routes.rejected >= routes,
                Sight::Absorbed(findings) => told_at_once || muted(site, "absorbed:") >= findings,
                Sight::InMaintenance(findings) => told_at_once || muted(site, "maintenance") >= findings,
                Sight::NoFinding => site.findings().is_empty(),
            })
        };
        self.until(seen, Duration::ZERO).await.map_err(|()| format!("{sight:?}; {}", self.status()))
    }

    /// Waits until an operator was told what there is to tell, and nothing more is about to be told.
    async fn settle(&mut self) -> Result<(), String> {
        let settled = |stage: &mut Self| {
            if stage.pace != Pace::Zero && stage.has_told_too_much() {
                return Look::Never;
            }
            let findings = stage.site.findings();
            let pending = findings.iter().any(|finding| is(finding, "pending"));
            let open = findings.iter().filter(|finding| is(finding, "open"));
            let open: Vec<String> = open.map(|finding| finding.kind.clone()).collect();
            Look::there_if(!pending && (stage.pace == Pace::Zero || kinds(&open) == stage.goal()))
        };
        self.until(settled, STEADY).await.map_err(|()| format!("open: {}; {}", self.goal(), self.status()))
    }

    /// What was told cannot be taken back.
    fn has_told_too_much(&mut self) -> bool {
        let told = self.site.notified();
        let count = |kind: &str| told.iter().filter(|told| *told == kind).count();
        let goal = self.scenario.told.iter();
        told.len() > goal.clone().map(|(_, count)| count).sum()
            || goal.clone().any(|(kind, most)| count(kind) > *most)
    }

    /// Waits until all is as it was at first.
    async fn whole(&mut self) -> Result<(), String> {
        let whole = |stage: &mut Self| {
            let summary = stage.site.summary();
            let peers = (summary.peers.known, summary.peers.established) == (NODES, NODES);
            let routes = &summary.routes;
            let routes = (routes.accepted, routes.rejected, routes.stale) == (stage.site.routes(), 0, 0);
            Look::there_if(peers && routes && stage.site.findings().is_empty())
        };
        self.until(whole, STEADY).await.map_err(|()| format!("all well again; {}", self.status()))
    }

    /// Waits until this holds, and goes on to hold for a while.
    async fn until(&mut self, mut look: impl FnMut(&mut Self) -> Look, steady: Duration) -> Result<(), ()> {
        let (start, mut since) = (Instant::now(), None);
        loop {
            let now = Instant::now();
            match look(self) {
                Look::There if now.duration_since(*since.get_or_insert(now)) >= steady => return Ok(()),
                Look::There => {}
                Look::NotYet if now.duration_since(start) <= self.pace.patience() => since = None,
                Look::NotYet | Look::Never => return Err(()),
            }
            tokio::time::sleep(POLL).await;
        }
    }

    fn goal(&self) -> String {
        let told = self.scenario.told.iter();
        kinds(&told.flat_map(|(kind, count)| vec![(*kind).to_owned(); *count]).collect::<Vec<_>>())
    }

    /// For whoever looks for what went wrong.
    fn status(&self) -> String {
        let summary = self.site.summary();
        let mut text = format!("there are {:?}, {:?}", summary.peers, summary.routes);
        for finding in self.site.findings().iter().take(20) {
            let Finding { id, kind, state, muted, summary, .. } = finding;
            let _ = write!(text, "\n    {id} {kind} {state} {muted:?} {summary}");
        }
        text
    }
}

fn is(finding: &Finding, state: &str) -> bool {
    finding.state == state && finding.muted.is_none()
}

/// How many of each there are.
fn kinds(kinds: &[String]) -> String {
    let mut counts = BTreeMap::new();
    for kind in kinds {
        *counts.entry(kind).or_insert(0) += 1;
    }
    let counts: Vec<String> = counts.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
    if counts.is_empty() { "none".to_owned() } else { counts.join(", ") }
}

fn table(outcomes: &[Outcome], pace: Pace, restart: Restart) -> String {
    let restart = match restart {
        Restart::Never => String::new(),
        Restart::By(signal) => format!(", with SIG{signal} in the middle of each"),
    };
    let mut text = format!("\nA day in the life of {NODES} nodes ({pace:?}{restart})\n");
    let _ = writeln!(text, "{:<46} {:<22} {:<36} {:>8}", "scenario", "to be told", "told", "seconds");
    for Outcome { name, told, goal, took, failure } in outcomes {
        let _ = writeln!(text, "{name:<46} {goal:<22} {told:<36} {:>8.1}", took.as_secs_f64());
        if let Some(failure) = failure {
            let _ = writeln!(text, "    in vain: {failure}");
        }
    }
    text
}
