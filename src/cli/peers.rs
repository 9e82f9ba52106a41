//! `thirdleaf peers`: who is known, and what to do about one of them.

use std::io::Write;
use std::net::IpAddr;

use clap::{Args, Subcommand};
use serde::Serialize;

use super::client::Client;
use super::output::{self, Row, Style};
use super::scope::Scope;
use super::table::{Cell, Column, Paint, age};
use super::{Error, Exit};
use crate::observer::view::Peer;
use crate::time::Timestamp;

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Peers {
    #[command(subcommand)]
    action: Option<Action>,
    /// In this state: up, down, or a name of RFC 4271
    #[arg(long)]
    state: Option<String>,
    /// Of this node
    #[arg(long)]
    node: Option<String>,
    /// Of this leaf
    #[arg(long)]
    leaf: Option<String>,
    #[command(flatten)]
    scope: Scope,
    /// At most so many
    #[arg(long, value_parser = super::positive)]
    limit: Option<usize>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// End the sessions of an address with Cease/4; the node connects again
    Reset(Whom),
    /// Forget what is down and not pinned: the peers of a node, or those with an address
    Forget(Gone),
}

#[derive(Debug, Args, Serialize)]
struct Whom {
    /// The peer's address
    #[arg(value_name = "ADDRESS")]
    peer: IpAddr,
    /// On this leaf alone
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    leaf: Option<String>,
}

#[derive(Debug, Args)]
struct Gone {
    /// A node's name, or a peer's address
    #[arg(value_name = "NODE|ADDRESS")]
    name: String,
    /// The address on this leaf alone
    #[arg(long)]
    leaf: Option<String>,
    /// The node of this cluster alone
    #[arg(long)]
    cluster: Option<String>,
}

/// What is to be forgotten, as the API wants to be told.
#[derive(Serialize)]
#[serde(untagged)]
enum Forgotten {
    Peer(Whom),
    Node {
        node: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        cluster: Option<String>,
    },
}

impl Gone {
    /// What parses as an address is one: that is also what nodes without a name are called.
    fn read(&self) -> Result<Forgotten, Error> {
        let (leaf, cluster) = (self.leaf.clone(), self.cluster.clone());
        match (self.name.parse(), leaf, cluster) {
            (Ok(peer), leaf, None) => Ok(Forgotten::Peer(Whom { peer, leaf })),
            (Err(_), None, cluster) => Ok(Forgotten::Node { node: self.name.clone(), cluster }),
            (Ok(_), ..) => {
                Err(Error::Usage(format!("{} is an address: of one leaf it is with --leaf", self.name)))
            }
            (Err(_), ..) => Err(Error::Usage(format!(
                "{:?} is no address: a node is forgotten on all leaves, without --leaf",
                self.name
            ))),
        }
    }
}

impl Peers {
    pub(super) async fn execute(
        self,
        client: &Client,
        style: &Style,
        out: &mut impl Write,
    ) -> Result<Exit, Error> {
        let done = match &self.action {
            None => return self.list(client, style, out).await,
            Some(Action::Reset(whom)) => client.post("/api/v1/peers/reset", whom).await?,
            Some(Action::Forget(whom)) => client.post("/api/v1/peers/forget", &whom.read()?).await?,
        };
        writeln!(out, "{done}")?;
        Ok(Exit::FINE)
    }

    async fn list(self, client: &Client, style: &Style, out: &mut impl Write) -> Result<Exit, Error> {
        let query = [
            ("state", self.state),
            ("node", self.node),
            ("leaf", self.leaf),
            ("cluster", self.scope.cluster),
            ("vrf", self.scope.vrf),
        ];
        let pages = client.pages::<Peer>("/api/v1/peers", &query, self.limit);
        output::list(pages, style, out).await?;
        Ok(Exit::FINE)
    }
}

impl Row for Peer {
    const COLUMNS: &'static [Column] = &[
        Column::left("LEAF"),
        Column::left("PEER"),
        Column::right("AS"),
        Column::left("NODE"),
        Column::left("RACK").wide(),
        Column::left("CLUSTER").wide(),
        Column::left("VRF").wide(),
        Column::left("STATE"),
        Column::right("SINCE"),
        Column::right("HOLD").wide(),
        Column::left("FAMILIES").wide(),
        Column::right("RECV"),
        Column::right("ACC"),
        Column::right("REJ"),
        Column::right("NOTED").wide(),
        Column::right("STALE"),
        Column::right("RESETS"),
        Column::left("LAST-ERROR"),
        Column::left("CAPABILITIES").wide(),
    ];

    fn cells(&self, now: Timestamp) -> Vec<Cell> {
        let routes = &self.routes;
        let rejected = routes.rejected + routes.rejected_not_kept;
        let state = if self.is_up() { Paint::Good } else { Paint::Bad };
        vec![
            Cell::new(&self.leaf),
            Cell::new(self.peer),
            Cell::maybe(self.peer_as),
            Cell::maybe(self.node.as_ref()),
            Cell::new(&self.rack),
            Cell::new(&self.cluster),
            Cell::new(&self.vrf),
            Cell::new(&self.state).paint(state),
            Cell::maybe(self.since.map(|since| age(now, since))),
            Cell::maybe(self.hold_time),
            Cell::all(&self.families),
            Cell::new(routes.total + routes.rejected_not_kept + routes.noted_not_kept),
            Cell::new(routes.accepted),
            Cell::new(rejected).paint(if rejected > 0 { Paint::Bad } else { Paint::Plain }),
            Cell::new(routes.noted + routes.noted_not_kept),
            Cell::new(routes.stale).paint(if routes.stale > 0 { Paint::Warning } else { Paint::Plain }),
            Cell::new(self.resets),
            Cell::maybe(self.last_error.as_ref()),
            Cell::new(self.capabilities.join(", ")),
        ]
    }
}

impl Peer {
    pub(super) fn is_up(&self) -> bool {
        self.state == "Established"
    }
}
