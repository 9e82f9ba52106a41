//! `thirdleaf maintenance`: what is found in what somebody works on is kept, and nobody is told of it.

use std::collections::BTreeSet;
use std::io::Write;
use std::time::Duration;

use clap::{Args, Subcommand};
use humantime::{format_duration, parse_duration};
use serde::Serialize;

use super::client::Client;
use super::output::{self, Row, Style};
use super::table::{Cell, Column, age, printable};
use super::{Error, Exit};
use crate::observer::maintenance::{Whom, Window};
use crate::observer::view::Peer;
use crate::time::Timestamp;

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Maintenance {
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show the windows that run (the default)
    List,
    /// Begin a window, or change the one that there is: findings of a node, a rack or a cluster are muted
    Start(Start),
    /// End a window before its time
    End(Target),
}

#[derive(Debug, Args)]
struct Start {
    #[command(flatten)]
    target: Target,
    /// How long it lasts; it ends by itself (30m, 2h, 1day)
    #[arg(long = "for", value_name = "DURATION", value_parser = parse_duration)]
    duration: Duration,
    /// Why, for who sees it
    #[arg(long, value_name = "TEXT")]
    reason: String,
}

#[derive(Debug, Args)]
struct Target {
    /// A node, a rack or a cluster
    #[arg(value_name = "NODE|RACK|CLUSTER")]
    name: String,
    #[command(flatten)]
    which: Which,
}

/// What the name is of, where it could be of several.
#[derive(Debug, Args)]
#[group(multiple = false)]
struct Which {
    /// The name is a node's
    #[arg(long)]
    node: bool,
    /// The name is a rack's
    #[arg(long)]
    rack: bool,
    /// The name is a cluster's
    #[arg(long)]
    cluster: bool,
}

#[derive(Serialize)]
struct Begin<'a> {
    scope: &'a Whom,
    #[serde(rename = "for")]
    duration: String,
    reason: &'a str,
}

#[derive(Serialize)]
struct End<'a> {
    scope: &'a Whom,
}

impl Maintenance {
    pub(super) async fn execute(
        self,
        client: &Client,
        style: &Style,
        out: &mut impl Write,
    ) -> Result<Exit, Error> {
        let done = match &self.action {
            None | Some(Action::List) => {
                let pages = client.pages::<Window>("/api/v1/maintenance", &[], None);
                output::list(pages, style, out).await?;
                return Ok(Exit::FINE);
            }
            Some(Action::Start(Start { target, duration, reason })) => {
                let scope = &target.among(&peers(client, &target.name).await?, || {
                    format!(
                        "no peer that is known has a node, a rack or a cluster {:?}; of what only the configuration \
                         names, say --node, --rack or --cluster",
                        target.name
                    )
                })?;
                let duration = format_duration(*duration).to_string();
                client.post("/api/v1/maintenance", &Begin { scope, duration, reason }).await?
            }
            Some(Action::End(target)) => {
                let scope = &target.among(&windows(client, &target.name).await?, || {
                    format!(
                        "there is no maintenance of {:?}; `thirdleaf maintenance` shows what there is",
                        target.name
                    )
                })?;
                client.post("/api/v1/maintenance/end", &End { scope }).await?
            }
        };
        writeln!(out, "{}", printable(&done))?;
        Ok(Exit::FINE)
    }
}

impl Target {
    /// What is meant, of all that has the name; `none` says that nothing has it.
    fn among(&self, known: &BTreeSet<Whom>, none: impl FnOnce() -> String) -> Result<Whom, Error> {
        let name = || self.name.as_str().into();
        let Which { node, rack, cluster } = self.which;
        if node || rack || cluster {
            let whom: fn(_) -> _ = if node {
                Whom::Node
            } else if rack {
                Whom::Rack
            } else {
                Whom::Cluster
            };
            return Ok(whom(name()));
        }
        match known.iter().collect::<Vec<_>>()[..] {
            [only] => Ok(only.clone()),
            [] => Err(Error::Usage(none())),
            ref several => {
                let flags: Vec<_> = several.iter().map(|whom| flag(whom)).collect();
                Err(Error::Usage(format!(
                    "{:?} is the name of several: say {}",
                    self.name,
                    flags.join(" or ")
                )))
            }
        }
    }
}

const fn flag(whom: &Whom) -> &'static str {
    match whom {
        Whom::Node(_) => "--node",
        Whom::Rack(_) => "--rack",
        Whom::Cluster(_) => "--cluster",
    }
}

fn name_of(whom: &Whom) -> &str {
    match whom {
        Whom::Node(name) | Whom::Rack(name) | Whom::Cluster(name) => name,
    }
}

/// All that known peers have by this name.
async fn peers(client: &Client, name: &str) -> Result<BTreeSet<Whom>, Error> {
    let mut pages = client.pages::<Peer>("/api/v1/peers", &[], None);
    let mut known = BTreeSet::new();
    while let Some(peers) = pages.next().await? {
        for peer in &peers {
            let own = [
                peer.node.as_deref().map(|node| Whom::Node(node.into())),
                Some(Whom::Rack(peer.rack.as_str().into())),
                Some(Whom::Cluster(peer.cluster.as_str().into())),
            ];
            known.extend(own.into_iter().flatten().filter(|whom| name_of(whom) == name));
        }
    }
    Ok(known)
}

/// All that is worked on by this name: what ends need not be known any more.
async fn windows(client: &Client, name: &str) -> Result<BTreeSet<Whom>, Error> {
    let mut pages = client.pages::<Window>("/api/v1/maintenance", &[], None);
    let mut known = BTreeSet::new();
    while let Some(windows) = pages.next().await? {
        known.extend(windows.into_iter().map(|window| window.scope).filter(|whom| name_of(whom) == name));
    }
    Ok(known)
}

/// The windows that run, a line each.
pub(super) fn lines(windows: &[Window], now: Timestamp, out: &mut impl Write) -> std::io::Result<()> {
    for Window { scope, until, reason, .. } in windows {
        let (scope, reason) = (printable(&scope.to_string()), printable(reason));
        writeln!(out, "Maintenance: {scope}, {} left: {reason}", age(*until, now))?;
    }
    Ok(())
}

impl Row for Window {
    const COLUMNS: &'static [Column] = &[
        Column::left("SCOPE"),
        Column::left("NAME"),
        Column::right("SINCE"),
        Column::right("LEFT"),
        Column::left("UNTIL").wide(),
        Column::left("REASON"),
    ];

    fn cells(&self, now: Timestamp) -> Vec<Cell> {
        vec![
            Cell::new(flag(&self.scope).trim_start_matches('-')),
            Cell::new(name_of(&self.scope)),
            Cell::new(age(now, self.since)),
            Cell::new(age(self.until, now)),
            Cell::new(self.until),
            Cell::new(&self.reason),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::testing::{Stub, page};
    use crate::cli::tests::ask;

    fn target(name: &str, which: Option<&str>) -> Target {
        let is = |flag| which == Some(flag);
        let which = Which { node: is("--node"), rack: is("--rack"), cluster: is("--cluster") };
        Target { name: name.to_owned(), which }
    }

    fn none() -> String {
        "nothing has this name".to_owned()
    }

    #[test]
    fn a_name_of_several_needs_a_flag() {
        let known = || BTreeSet::from([Whom::Rack("a".into()), Whom::Cluster("a".into())]);
        let error = target("a", None).among(&known(), none).unwrap_err();
        assert_eq!(error.to_string(), "\"a\" is the name of several: say --rack or --cluster");
        assert_eq!(error.exit(), 2);
        assert_eq!(target("a", Some("--cluster")).among(&known(), none).unwrap(), Whom::Cluster("a".into()));
        assert_eq!(target("a", Some("--rack")).among(&known(), none).unwrap(), Whom::Rack("a".into()));
    }

    #[test]
    fn a_name_of_one_needs_none_and_an_unknown_one_is_not_guessed() {
        let known = BTreeSet::from([Whom::Node("node-1".into())]);
        assert_eq!(target("node-1", None).among(&known, none).unwrap(), Whom::Node("node-1".into()));
        let error = target("node-2", None).among(&BTreeSet::new(), none).unwrap_err();
        assert!(error.to_string().starts_with("nothing"), "{error}");
        assert_eq!(
            target("n", Some("--node")).among(&BTreeSet::new(), none).unwrap(),
            Whom::Node("n".into())
        );
    }

    #[test]
    fn what_has_ended_already_is_said_to_have_none() {
        let stub = Stub::new(&[("/api/v1/maintenance", page(&[] as &[Window]))]);
        let (code, text) = ask(&stub.url, &["maintenance", "list"]);
        assert_eq!((code, text.as_str()), (0, "SCOPE  NAME  SINCE  LEFT  REASON\n"));
        let (code, text) = ask(&stub.url, &["maintenance", "end", "rack1"]);
        assert_eq!(code, 2);
        assert!(text.contains("there is no maintenance of \"rack1\""), "{text}");
    }
}
