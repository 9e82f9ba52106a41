//! `thirdleaf check-health`: a plugin for Nagios, Icinga, Checkmk and their kin.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::io::Write;
use std::net::IpAddr;

use clap::Args;

use super::client::Client;
use super::{Error, Exit, Options};
use crate::observer::findings::Kind;
use crate::observer::maintenance::{Whom, Window};
use crate::observer::view::{Finding, Peer};
use crate::web;

#[derive(Debug, Args)]
pub(super) struct CheckHealth {
    /// Warn from so many peers down on
    #[arg(long, default_value_t = 1, value_name = "COUNT")]
    warning_peers: u64,
    /// Critical from so many peers down on
    #[arg(long, default_value_t = 2, value_name = "COUNT")]
    critical_peers: u64,
    /// Critical above so many rejected routes
    #[arg(long, default_value_t = 0, value_name = "COUNT")]
    rogues: u64,
    /// Warn above so many members that are not as they should be
    #[arg(long, default_value_t = 0, value_name = "COUNT")]
    drift: u64,
}

/// The convention's four states and their exit codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Health {
    Ok,
    Warning,
    Critical,
    Unknown,
}

impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ok => "OK",
            Self::Warning => "WARNING",
            Self::Critical => "CRITICAL",
            Self::Unknown => "UNKNOWN",
        })
    }
}

/// What the line is made of.
#[derive(Clone, Copy, Debug, Default)]
struct Facts {
    known: u64,
    up: u64,
    /// Of those that are not up: somebody works on them.
    in_maintenance: u64,
    /// Of the others that are not up: somebody has acknowledged it.
    acknowledged: u64,
    rogues: u64,
    /// All findings on rejected routes are muted.
    rogues_muted: bool,
    /// None, if no `[[apic]]` is configured.
    fabric: Option<Fabric>,
    critical: u64,
    warning: u64,
    muted: u64,
}

/// What the line says of APICs.
#[derive(Clone, Copy, Debug, Default)]
struct Fabric {
    apics: u64,
    up: u64,
    drift: u64,
    /// All findings on APICs that are down are muted.
    down_muted: bool,
    /// All findings on drift are muted.
    drift_muted: bool,
}

/// Says on one line what makes no sense of the words that it was called with.
pub(super) fn misused(error: &clap::Error) -> Exit {
    let error = error.to_string();
    let line = error.lines().next().unwrap_or_default().trim_start_matches("error: ");
    _ = writeln!(std::io::stdout(), "THIRDLEAF {} - {line}", Health::Unknown);
    Exit(Health::Unknown as u8)
}

impl CheckHealth {
    pub(super) fn execute(self, options: &Options, out: &mut impl Write) -> Result<Exit, Error> {
        let (health, line) = match options.ask(async |client, _| facts(&client).await) {
            Ok(facts) => self.judge(facts),
            Err(error) => (Health::Unknown, error.to_string()),
        };
        writeln!(out, "THIRDLEAF {health} - {line}")?;
        Ok(Exit(health as u8))
    }

    fn judge(&self, facts: Facts) -> (Health, String) {
        let Facts { known, up, in_maintenance, acknowledged, rogues, critical, warning, muted, .. } = facts;
        let excused = in_maintenance + acknowledged;
        let down = known.saturating_sub(up).saturating_sub(excused);
        let rogue = rogues > self.rogues && !facts.rogues_muted;
        let is_down = facts.fabric.is_some_and(|fabric| fabric.up < fabric.apics && !fabric.down_muted);
        let drifts = facts.fabric.is_some_and(|fabric| fabric.drift > self.drift && !fabric.drift_muted);
        let health = if down >= self.critical_peers.max(1) || rogue || is_down || critical > 0 {
            Health::Critical
        } else if down >= self.warning_peers.max(1) || drifts || warning > 0 {
            Health::Warning
        } else {
            Health::Ok
        };
        let (warn_at, critical_at) = (self.warning_peers.max(1), self.critical_peers.max(1));
        let aside = [
            (in_maintenance, "peers down in maintenance"),
            (acknowledged, "peers down and acknowledged"),
            (muted, "findings muted"),
        ];
        let aside = aside.iter().filter(|(count, _)| *count > 0);
        let aside: Vec<_> = aside.map(|(count, what)| format!(", {count} {what}")).collect();
        let aside = aside.concat();
        let (members, measured) = facts.fabric.map(|fabric| self.fabric(fabric)).unwrap_or_default();
        let line = format!(
            "{up}/{known} peers up, {rogues} rogue routes{members}, {critical} critical and {warning} other findings \
             open{aside} \
             | peers_up={up};{}:;{}:;0;{known} rogues={rogues};;{};0 findings_critical={critical};;0;0 \
             findings_warning={warning};0;;0 findings_muted={muted};;;0{measured}",
            // Alert below what is left with one peer less than the threshold down.
            (known + 1).saturating_sub(warn_at).saturating_sub(excused),
            (known + 1).saturating_sub(critical_at).saturating_sub(excused),
            self.rogues,
        );
        (health, line)
    }

    /// What there is to say of APICs, and to measure.
    fn fabric(&self, Fabric { apics, up, drift, .. }: Fabric) -> (String, String) {
        let text = format!(", {up}/{apics} APICs up, {drift} drifted");
        (text, format!(" apics_up={up};;{apics}:;0;{apics} drift={drift};{};;0", self.drift))
    }
}

async fn facts(client: &Client) -> Result<Facts, Error> {
    let whole: web::Summary = client.get("/api/v1/summary", &[]).await?;
    let fabric = fabric(client, &whole).await?;
    let summary = whole.observed;
    let critical = open(client, "critical").await?;
    let rogues = summary.routes.rejected + summary.routes.rejected_not_kept;
    let losses = if summary.findings.muted > 0 { acknowledged(client).await? } else { HashSet::new() };
    let (in_maintenance, acknowledged) = excused(client, &summary.maintenance, &losses).await?;
    Ok(Facts {
        known: summary.peers.known as u64,
        up: summary.peers.established as u64,
        in_maintenance,
        acknowledged,
        rogues,
        rogues_muted: rogues > 0 && summary.findings.muted > 0 && all_muted(client, Kind::RogueRoute).await?,
        fabric,
        critical,
        warning: (summary.findings.open as u64).saturating_sub(critical),
        muted: summary.findings.muted as u64,
    })
}

/// Open findings of which somebody should know.
async fn open(client: &Client, severity: &str) -> Result<u64, Error> {
    let query = [("state", Some("open".to_owned())), ("severity", Some(severity.to_owned()))];
    let mut pages = client.pages::<Finding>("/api/v1/findings", &query, None);
    let mut open = 0;
    while let Some(findings) = pages.next().await? {
        open += findings.iter().filter(|finding| finding.muted.is_none()).count() as u64;
    }
    Ok(open)
}

async fn fabric(client: &Client, summary: &web::Summary) -> Result<Option<Fabric>, Error> {
    if summary.apics.is_empty() {
        return Ok(None);
    }
    let up = summary.apics.iter().filter(|apic| apic.up == Some(true)).count() as u64;
    let mut fabric = Fabric { apics: summary.apics.len() as u64, up, ..Fabric::default() };
    fabric.drift = summary.apics.iter().map(|apic| apic.drift).sum();
    if summary.observed.findings.muted > 0 {
        fabric.down_muted = fabric.up < fabric.apics && all_muted(client, Kind::ApicDown).await?;
        fabric.drift_muted = fabric.drift > 0 && all_muted(client, Kind::EepgDrift).await?;
    }
    Ok(Some(fabric))
}

/// Whether there are findings of a kind, all of them muted.
async fn all_muted(client: &Client, kind: Kind) -> Result<bool, Error> {
    let query = [("kind", Some(kind.name().to_owned()))];
    let mut pages = client.pages::<Finding>("/api/v1/findings", &query, None);
    let mut any = false;
    while let Some(findings) = pages.next().await? {
        any |= !findings.is_empty();
        if findings.iter().any(|finding| finding.muted.is_none()) {
            return Ok(false);
        }
    }
    Ok(any)
}

/// A peer, by leaf and address.
type Place = (String, IpAddr);

/// Peers whose loss is acknowledged, itself or with what explains it.
async fn acknowledged(client: &Client) -> Result<HashSet<Place>, Error> {
    let mut pages = client.pages::<Finding>("/api/v1/findings", &[], None);
    let mut muted = HashMap::new();
    let mut lost = Vec::new();
    while let Some(findings) = pages.next().await? {
        for Finding { id, kind, muted: why, leaf, peer, .. } in findings {
            if let (true, Some(leaf), Some(peer)) = (kind == Kind::PeerDown.name(), leaf, peer) {
                lost.push((id.clone(), (leaf, peer)));
            }
            if let Some(why) = why {
                muted.insert(id, why);
            }
        }
    }
    let is_acknowledged = |id: &str| {
        let mut why = muted.get(id);
        // What explains may be explained itself: by its rack, and that by our own isolation.
        for _ in 0..4 {
            match why.map(|why| why.strip_prefix("absorbed:").ok_or(why)) {
                Some(Ok(by)) => why = muted.get(by),
                other => return other.is_some_and(|why| why.is_err_and(|why| why == "acknowledged")),
            }
        }
        false
    };
    Ok(lost.into_iter().filter(|(id, _)| is_acknowledged(id)).map(|(_, place)| place).collect())
}

/// Peers that are down in what somebody works on, and others whose loss is one of `acknowledged`.
async fn excused(
    client: &Client,
    windows: &[Window],
    acknowledged: &HashSet<Place>,
) -> Result<(u64, u64), Error> {
    if windows.is_empty() && acknowledged.is_empty() {
        return Ok((0, 0));
    }
    let covers = |window: &Window, peer: &Peer| match &window.scope {
        Whom::Node(name) => peer.node.as_deref() == Some(&**name),
        Whom::Rack(name) => *peer.rack == **name,
        Whom::Cluster(name) => *peer.cluster == **name,
    };
    let mut pages = client.pages::<Peer>("/api/v1/peers", &[("state", Some("down".to_owned()))], None);
    let (mut in_maintenance, mut known) = (0, 0);
    while let Some(peers) = pages.next().await? {
        for peer in peers {
            if windows.iter().any(|window| covers(window, &peer)) {
                in_maintenance += 1;
            } else if acknowledged.contains(&(peer.leaf, peer.peer)) {
                known += 1;
            }
        }
    }
    Ok((in_maintenance, known))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::testing;
    use crate::cli::tests::ask;
    use crate::observer::view::{FindingCounts, RouteCounts};

    const CHECK: CheckHealth = CheckHealth { warning_peers: 1, critical_peers: 2, rogues: 0, drift: 0 };
    const FINE: Facts = Facts {
        known: 12,
        up: 12,
        in_maintenance: 0,
        acknowledged: 0,
        rogues: 0,
        rogues_muted: false,
        fabric: None,
        critical: 0,
        warning: 0,
        muted: 0,
    };

    #[test]
    fn says_what_is_wrong_in_one_line() {
        let (health, line) = CHECK.judge(Facts { up: 11, rogues: 2, ..FINE });
        assert_eq!(health, Health::Critical);
        assert_eq!(
            line,
            "11/12 peers up, 2 rogue routes, 0 critical and 0 other findings open \
             | peers_up=11;12:;11:;0;12 rogues=2;;0;0 findings_critical=0;;0;0 findings_warning=0;0;;0 \
             findings_muted=0;;;0"
        );
    }

    #[test]
    fn what_somebody_works_on_or_knows_of_is_no_alarm() {
        let (health, line) = CHECK.judge(Facts { up: 8, in_maintenance: 4, muted: 3, ..FINE });
        assert_eq!(health, Health::Ok);
        assert_eq!(
            line,
            "8/12 peers up, 0 rogue routes, 0 critical and 0 other findings open, 4 peers down in maintenance, \
             3 findings muted \
             | peers_up=8;8:;7:;0;12 rogues=0;;0;0 findings_critical=0;;0;0 findings_warning=0;0;;0 \
             findings_muted=3;;;0"
        );
        let health = |facts| CHECK.judge(facts).0;
        assert_eq!(health(Facts { up: 7, in_maintenance: 4, ..FINE }), Health::Warning);
        assert_eq!(health(Facts { rogues: 2, rogues_muted: true, ..FINE }), Health::Ok);
        assert_eq!(health(Facts { rogues: 2, rogues_muted: false, muted: 1, ..FINE }), Health::Critical);
    }

    #[test]
    fn the_worst_wins() {
        let health = |facts| CHECK.judge(facts).0;
        assert_eq!(health(FINE), Health::Ok);
        assert_eq!(health(Facts { up: 11, ..FINE }), Health::Warning);
        assert_eq!(health(Facts { up: 10, ..FINE }), Health::Critical);
        assert_eq!(health(Facts { warning: 1, ..FINE }), Health::Warning);
        assert_eq!(health(Facts { warning: 1, critical: 1, ..FINE }), Health::Critical);
        assert_eq!(health(Facts { rogues: 1, ..FINE }), Health::Critical);
        assert_eq!(CheckHealth { rogues: 1, ..CHECK }.judge(Facts { rogues: 1, ..FINE }).0, Health::Ok);
    }

    #[test]
    fn codes_are_those_of_the_convention() {
        let codes =
            [Health::Ok, Health::Warning, Health::Critical, Health::Unknown].map(|health| health as u8);
        assert_eq!(codes, [0, 1, 2, 3]);
    }

    #[test]
    fn peers_whose_loss_is_acknowledged_are_no_alarm() {
        let lost = |id: &str, muted: &str| Finding {
            kind: Kind::PeerDown.name().into(),
            leaf: Some("rack1".into()),
            peer: format!("192.168.1.{id}").parse().ok(),
            muted: Some(muted.to_owned()),
            ..testing::finding(id)
        };
        let rack = |muted: Option<&str>| {
            let muted = muted.map(str::to_owned);
            Finding { kind: Kind::RackDown.name().into(), muted, ..testing::finding("rack") }
        };
        let down = |n: u8| Peer { state: "Idle".into(), ..testing::peer(&format!("192.168.1.{n}")) };
        let check = |findings: &[Finding]| {
            let muted = findings.iter().filter(|finding| finding.muted.is_some()).count();
            let stub = testing::Stub::new(&[
                (
                    "/api/v1/summary",
                    serde_json::json!({
                        "peers": { "known": 3, "established": 0 },
                        "routes": RouteCounts::default(),
                        "findings": FindingCounts { muted, ..FindingCounts::default() },
                        "mode": "observe",
                        "maintenance": [],
                    }),
                ),
                ("/api/v1/findings", testing::page(findings)),
                ("/api/v1/peers", testing::page(&[down(1), down(2), down(3)])),
            ]);
            let (code, line) = ask(&stub.url, &["check-health"]);
            (code, line.contains(", 3 peers down and acknowledged, "))
        };
        let by_rack = ["1", "2"].map(|id| lost(id, "absorbed:rack"));
        let [one, two] = by_rack;
        let three = lost("3", "acknowledged");
        let known = rack(Some("acknowledged"));
        assert_eq!(check(&[known, one.clone(), two.clone(), three.clone()]), (0, true));
        assert_eq!(check(&[rack(None), one, two, three]), (2, false), "nobody knows of the rack");
    }
}
