//! `thirdleaf summary`: what a network engineer knows as `show ip bgp summary`, a block a leaf.

#![expect(clippy::disallowed_methods, reason = "waits for the next time to be shown")]

use std::io::{self, IsTerminal as _, Write};
use std::net::Ipv4Addr;
use std::time::Duration;

use clap::Args;
use serde::Deserialize;

use super::client::Client;
use super::output::{self, Style};
use super::scope::Scope;
use super::table::{Cell, Column, Paint, Table, age, printable};
use super::{Error, Exit, maintenance, positive};
use crate::config::model;
use crate::eepg::view::Counts;
use crate::observer::view::{Finding, FindingCounts, Peer, Summary};
use crate::time::{Clock, Timestamp};
use crate::web;

#[derive(Debug, Args)]
pub(super) struct Show {
    /// Of this leaf alone
    #[arg(long)]
    leaf: Option<String>,
    #[command(flatten)]
    scope: Scope,
    /// Show it again and again, every so many seconds
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "2", value_parser = positive)]
    watch: Option<usize>,
}

/// What the summary needs of the configuration.
#[derive(Deserialize)]
struct Config {
    #[serde(rename = "leaf")]
    leaves: Vec<Leaf>,
}

#[derive(Deserialize)]
pub(super) struct Leaf {
    name: String,
    local_as: u32,
    router_id: Ipv4Addr,
    rack: String,
    cluster: String,
    vrf: String,
}

impl From<&model::Leaf> for Leaf {
    fn from(leaf: &model::Leaf) -> Self {
        Self {
            name: leaf.name.to_string(),
            local_as: leaf.local_as,
            router_id: leaf.router_id,
            rack: leaf.rack.to_string(),
            cluster: leaf.cluster.to_string(),
            vrf: leaf.vrf.to_string(),
        }
    }
}

impl Show {
    pub(super) async fn execute(
        self,
        client: &Client,
        style: &Style,
        out: &mut impl Write,
    ) -> Result<Exit, Error> {
        match self.watch {
            Some(seconds) => self.watch(seconds, client, style, out).await,
            None => self.once(client, style, out).await,
        }
    }

    /// Until the output is closed. On a terminal each time stands in the place of the one before; elsewhere they
    /// follow each other. A daemon that is gone is waited for.
    async fn watch(
        &self,
        seconds: usize,
        client: &Client,
        style: &Style,
        out: &mut impl Write,
    ) -> Result<Exit, Error> {
        let clears = io::stdout().is_terminal() && !style.is_json();
        loop {
            let style = Style { now: Clock::start().now(), ..*style };
            let mut text = Vec::new();
            match self.once(client, &style, &mut text).await {
                Ok(_) => {}
                Err(error @ (Error::Unreachable { .. } | Error::Refused { status: 500.., .. })) => {
                    text.clear();
                    // A program that reads documents is not told in between.
                    if style.is_json() {
                        eprintln!("thirdleaf: {error}");
                    } else {
                        writeln!(text, "{}", printable(&error.to_string()))?;
                    }
                }
                Err(error) => return Err(error),
            }
            if clears {
                write!(out, "\x1b[H\x1b[J")?;
            }
            if !style.is_json() {
                writeln!(out, "every {seconds} s, now {}", style.now)?;
            }
            out.write_all(&text)?;
            if !clears && !style.is_json() {
                writeln!(out)?;
            }
            out.flush()?;
            tokio::time::sleep(Duration::from_secs(seconds as u64)).await;
        }
    }

    async fn once(&self, client: &Client, style: &Style, out: &mut impl Write) -> Result<Exit, Error> {
        let whole: web::Summary = client.get("/api/v1/summary", &[]).await?;
        if style.is_json() {
            output::value(&whole, style, out)?;
            return Ok(Exit::FINE);
        }
        let web::Summary { observed: mut summary, eepgs, apics } = whole;
        let config: Config = client.get("/api/v1/config", &[]).await?;
        let wanted = |leaf: &Leaf| self.leaf.as_ref().is_none_or(|name| *name == leaf.name);
        let mut shown = 0;
        for leaf in config.leaves.into_iter().filter(wanted) {
            shown += 1;
            let peers = peers(&leaf, &self.scope, client).await?;
            // A leaf that hears others alone says nothing of this cluster.
            if self.scope.is_all() || !peers.is_empty() {
                leaf_block(&leaf, &peers, style, out)?;
            }
        }
        if let Some(name) = self.leaf.as_ref().filter(|_| shown == 0) {
            return Err(Error::Usage(format!("there is no leaf {name:?}")));
        }
        if !self.scope.is_all() {
            summary.findings = counted(&self.scope, client).await?;
        }
        findings(&summary, out)?;
        maintenance::lines(&summary.maintenance, style.now, out)?;
        if self.scope.is_all() {
            members(eepgs.as_ref(), &apics, &summary.mode, style.now, out)?;
        }
        Ok(Exit::FINE)
    }
}

async fn peers(leaf: &Leaf, scope: &Scope, client: &Client) -> Result<Vec<Peer>, Error> {
    let Scope { cluster, vrf } = scope.clone();
    let query = [("leaf", Some(leaf.name.clone())), ("cluster", cluster), ("vrf", vrf)];
    let mut pages = client.pages::<Peer>("/api/v1/peers", &query, None);
    let mut peers = Vec::new();
    while let Some(page) = pages.next().await? {
        peers.extend(page);
    }
    Ok(peers)
}

/// The findings of a part, as the summary counts those of the whole.
async fn counted(scope: &Scope, client: &Client) -> Result<FindingCounts, Error> {
    let Scope { cluster, vrf } = scope.clone();
    let query = [("cluster", cluster), ("vrf", vrf)];
    let mut pages = client.pages::<Finding>("/api/v1/findings", &query, None);
    let mut counts = FindingCounts::default();
    while let Some(page) = pages.next().await? {
        for finding in page {
            match finding.state.as_str() {
                _ if finding.muted.is_some() => counts.muted += 1,
                "open" => {
                    counts.open += 1;
                    *counts.by_kind.entry(finding.kind).or_default() += 1;
                }
                _ => counts.pending += 1,
            }
        }
    }
    Ok(counts)
}

/// A leaf and its peers.
pub(super) fn leaf_block(
    leaf: &Leaf,
    peers: &[Peer],
    style: &Style,
    out: &mut impl Write,
) -> Result<(), Error> {
    heading(leaf, peers, out)?;
    let rows: Vec<_> = peers.iter().map(|peer| row(peer, style.now)).collect();
    Table::new(&COLUMNS, false, style.headings, style.colour).page(&rows, out)?;
    writeln!(out)?;
    Ok(())
}

fn heading(leaf: &Leaf, peers: &[Peer], out: &mut impl Write) -> io::Result<()> {
    let Leaf { name, local_as, router_id, rack, cluster, vrf } = leaf;
    let sum = |count: fn(&Peer) -> u64| peers.iter().map(count).sum::<u64>();
    writeln!(out, "BGP summary information for leaf {name}, rack {rack}, cluster {cluster}, VRF {vrf}")?;
    writeln!(out, "BGP router identifier {router_id}, local AS number {local_as}")?;
    let noted = match sum(|peer| peer.routes.noted + peer.routes.noted_not_kept) {
        0 => String::new(),
        noted => format!(", {noted} noted as transit"),
    };
    writeln!(
        out,
        "{} peers known, {} established; {} routes accepted, {} rejected, {} stale{noted}\n",
        peers.len(),
        peers.iter().filter(|peer| peer.is_up()).count(),
        sum(|peer| peer.routes.accepted),
        sum(|peer| peer.routes.rejected + peer.routes.rejected_not_kept),
        sum(|peer| peer.routes.stale),
    )
}

/// As on the leaf, without what an observer does not have (table version), with what it has (rejected).
const COLUMNS: [Column; 11] = [
    Column::left("Neighbor"),
    Column::right("V"),
    Column::right("AS"),
    Column::right("MsgRcvd"),
    Column::right("MsgSent"),
    Column::right("InQ"),
    Column::right("OutQ"),
    Column::right("Up/Down"),
    Column::left("State/PfxRcd"),
    Column::right("Rej"),
    Column::left("Node"),
];

fn row(peer: &Peer, now: Timestamp) -> Vec<Cell> {
    let rejected = peer.routes.rejected + peer.routes.rejected_not_kept;
    let state =
        if peer.is_up() { Cell::new(peer.routes.accepted) } else { Cell::new(&peer.state).paint(Paint::Bad) };
    vec![
        Cell::new(peer.peer),
        Cell::new(4),
        Cell::maybe(peer.peer_as),
        Cell::new(peer.messages.received.values().sum::<u64>()),
        Cell::new(peer.messages.sent.values().sum::<u64>()),
        // Messages are handled as they are read and written as they are made.
        Cell::new(0),
        Cell::new(0),
        Cell::new(peer.since.map_or_else(|| "never".to_owned(), |since| age(now, since))),
        state,
        Cell::new(rejected).paint(if rejected > 0 { Paint::Bad } else { Paint::Plain }),
        Cell::maybe(peer.node.as_ref()),
    ]
}

/// Members of EEPGs, and the APICs that have them.
fn members(
    eepgs: Option<&Counts>,
    apics: &[web::Apic],
    mode: &str,
    now: Timestamp,
    out: &mut impl Write,
) -> io::Result<()> {
    if let Some(Counts { total, desired, observed, pending, held }) = eepgs {
        let mode = printable(mode);
        writeln!(
            out,
            "EEPGs: {total}, {desired} members desired, {observed} observed; {pending} changes to come, {held} held back; \
             mode {mode}"
        )?;
    }
    for web::Apic { name, up, compared, drift } in apics {
        let state = match up {
            Some(true) => "up",
            Some(false) => "down",
            None => "not known",
        };
        let compared = match compared {
            Some(at) => format!("compared {} ago, {drift} drifted", age(now, *at)),
            None => "not compared yet".to_owned(),
        };
        writeln!(out, "APIC {}: {state}, {compared}", printable(name))?;
    }
    Ok(())
}

/// What is wrong, in one line.
pub(super) fn findings(summary: &Summary, out: &mut impl Write) -> io::Result<()> {
    let findings = &summary.findings;
    if findings.open + findings.pending + findings.muted == 0 {
        return writeln!(out, "No findings");
    }
    write!(out, "Findings: {} open, {} pending", findings.open, findings.pending)?;
    if findings.muted > 0 {
        write!(out, ", {} muted", findings.muted)?;
    }
    for (at, (kind, count)) in findings.by_kind.iter().enumerate() {
        write!(out, "{}{count} {kind}", if at == 0 { "; " } else { ", " })?;
    }
    writeln!(out)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::cli::testing;
    use crate::observer::view::{FindingCounts, RouteCounts};

    #[test]
    fn reads_like_the_leafs() {
        let leaf = Leaf {
            name: "rack1".into(),
            local_as: 65101,
            router_id: Ipv4Addr::new(10, 0, 0, 101),
            rack: "r1".into(),
            cluster: "default".into(),
            vrf: "calico".into(),
        };
        let (mut up, mut down) = (testing::peer("192.168.1.1"), testing::peer("fd00:1:2::12"));
        up.routes.accepted = 12;
        up.routes.rejected = 2;
        (down.state, down.since, down.node) = ("Idle".into(), None, None);
        down.routes = RouteCounts::default();
        let mut out = Vec::new();
        let peers = [up, down];
        heading(&leaf, &peers, &mut out).unwrap();
        let rows: Vec<_> =
            peers.iter().map(|peer| row(peer, testing::NOW.after(Duration::from_secs(723)))).collect();
        Table::new(&COLUMNS, false, true, false).page(&rows, &mut out).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "BGP summary information for leaf rack1, rack r1, cluster default, VRF calico\n\
             BGP router identifier 10.0.0.101, local AS number 65101\n\
             2 peers known, 1 established; 12 routes accepted, 2 rejected, 0 stale\n\
             \n\
             Neighbor      V     AS  MsgRcvd  MsgSent  InQ  OutQ   Up/Down  State/PfxRcd  Rej  Node\n\
             192.168.1.1   4  65102       46       44    0     0  00:12:03  12              2  node1\n\
             fd00:1:2::12  4  65102       46       44    0     0     never  Idle            0  -\n"
        );
    }

    #[test]
    fn ends_with_what_is_wrong() {
        let mut summary = Summary::default();
        let text = |summary: &Summary| {
            let mut out = Vec::new();
            findings(summary, &mut out).unwrap();
            String::from_utf8(out).unwrap()
        };
        assert_eq!(text(&summary), "No findings\n");
        summary.findings.open = 3;
        summary.findings.by_kind = [("peer_down".into(), 1), ("rogue_route".into(), 2)].into();
        assert_eq!(text(&summary), "Findings: 3 open, 0 pending; 1 peer_down, 2 rogue_route\n");
        summary.findings = FindingCounts { muted: 2, ..FindingCounts::default() };
        assert_eq!(text(&summary), "Findings: 0 open, 0 pending, 2 muted\n");
    }
}
