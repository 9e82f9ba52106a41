//! `thirdleaf why`: the judgement of every route of a prefix, step by step.

use std::io::{self, Write};

use clap::Args;
use ipnet::IpNet;

use super::client::Client;
use super::output::{self, Style};
use super::routes::Prefix;
use super::scope::Scope;
use super::table::printable;
use super::{Error, Exit};
use crate::observer::view::{Page, Route, Step, Why as Judged};

#[derive(Debug, Args)]
pub(super) struct Why {
    /// Prefix, or an address: its longest match
    prefix: Prefix,
    #[command(flatten)]
    scope: Scope,
}

impl Why {
    pub(super) async fn execute(
        self,
        client: &Client,
        style: &Style,
        out: &mut impl Write,
    ) -> Result<Exit, Error> {
        let Some(prefix) = self.resolve(client).await? else {
            return nothing(self.prefix.net, style, out);
        };
        let Scope { cluster, vrf } = self.scope;
        let query = [("prefix", Some(prefix.to_string())), ("cluster", cluster), ("vrf", vrf)];
        let page: Page<Judged> = client.get("/api/v1/routes/why", &query).await?;
        if page.items.is_empty() {
            return nothing(prefix, style, out);
        }
        if style.is_json() {
            output::value(&page.items, style, out)?;
            return Ok(Exit::FINE);
        }
        for (at, judged) in page.items.iter().enumerate() {
            if at > 0 {
                writeln!(out)?;
            }
            print(judged, out)?;
        }
        Ok(Exit::FINE)
    }

    /// The prefix that is meant: for an address, the longest that is announced.
    async fn resolve(&self, client: &Client) -> Result<Option<IpNet>, Error> {
        if !self.prefix.is_address {
            return Ok(Some(self.prefix.net));
        }
        let query = [
            ("prefix", Some(self.prefix.net.to_string())),
            ("match", Some("covering".to_owned())),
            ("cluster", self.scope.cluster.clone()),
            ("vrf", self.scope.vrf.clone()),
        ];
        let mut pages = client.pages::<Route>("/api/v1/routes", &query, None);
        let mut longest: Option<IpNet> = None;
        while let Some(routes) = pages.next().await? {
            let prefixes = routes.into_iter().map(|route| route.prefix);
            longest = longest.into_iter().chain(prefixes).max_by_key(IpNet::prefix_len);
        }
        Ok(longest)
    }
}

fn nothing(prefix: IpNet, style: &Style, out: &mut impl Write) -> Result<Exit, Error> {
    if style.is_json() {
        writeln!(out, "[]")?;
    } else {
        writeln!(out, "no peer announces {prefix}")?;
    }
    Ok(Exit::NEGATIVE)
}

fn print(judged: &Judged, out: &mut impl Write) -> io::Result<()> {
    let route = &judged.route;
    let named = route.node.as_ref().filter(|node| ***node != *route.peer.to_string());
    let node = named.map(|node| format!(" ({node})")).unwrap_or_default();
    let stale = if route.stale { ", stale" } else { "" };
    let (cluster, vrf) = (printable(&route.cluster), printable(&route.vrf));
    writeln!(
        out,
        "{} from {}{} on {}, cluster {cluster}, VRF {vrf}, AS path {}: {}{stale}",
        route.prefix,
        route.peer,
        printable(&node),
        route.leaf,
        if route.as_path.is_empty() { "empty" } else { &route.as_path },
        judged.verdict,
    )?;
    for Step { check, passed, detail } in &judged.steps {
        let mark = if *passed { "ok" } else { "NO" };
        writeln!(out, "  {mark}  {:<20}  {}", check.name(), printable(detail))?;
    }
    if !judged.eepg.is_empty() {
        writeln!(out, "  EEPG: {}", printable(&judged.eepg))?;
    }
    Ok(())
}
