//! `demo`: a small data centre on loopback, and what thirdleaf has to say about it.
//!
//! The white paper's two racks and six nodes, another cluster beside them, a whole daemon that observes all, and
//! a story told line by line: what happens, the finding that it causes, what that means to traffic. Nothing here waits for a
//! time: each step waits until the daemon's own HTTP API shows what the step is about.
#![expect(clippy::disallowed_methods, reason = "this room does IO")]

use std::fmt::Write as _;
use std::future::Future;
use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use thiserror::Error;
use tokio::time::{Instant, sleep};

use super::fabric::Fabric;
use super::node::{Node, Timers};
use crate::observer::view::Finding;
use api::Api;
use story::{Act, Deed, Expected, Scene};

mod api;
mod story;

/// How long the daemon may take to see what a step is about. Nothing counts as missing in its first minute.
const PATIENCE: Duration = Duration::from_secs(70);
/// How often it is asked.
const POLL: Duration = Duration::from_millis(50);
/// Between two scenes, and while a finding is open, for the reader.
const PAUSE: Duration = Duration::from_secs(4);
/// How much faster than BIRD the nodes dial.
const FASTER: u32 = 10;

/// Why the demo could not be given. A story that does not go as told is no error but a negative answer.
#[derive(Debug, Error)]
pub enum Error {
    /// The API did not answer.
    #[error("the HTTP API does not answer: {0}")]
    Api(#[from] reqwest::Error),
    /// Nobody can be told.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// The configuration that the demo's daemon runs with.
pub fn configuration() -> String {
    let mut more = String::from("\n[findings.open_after]\n");
    for (kind, seconds) in story::OPEN_AFTER {
        // Writing to a String cannot fail.
        let _ = writeln!(more, "{kind} = \"{seconds}s\"");
    }
    Fabric::white_paper().config(&more)
}

/// Plays the story to a daemon with [`configuration`] whose API and leaves listen there.
///
/// With `once` it ends with the story, else with Ctrl-C. True: every finding that was to open did and
/// resolved, and no other opened.
///
/// # Errors
///
/// An API that does not answer, an `out` that cannot be written to.
pub async fn play(
    http: SocketAddr,
    leaves: &[SocketAddr],
    once: bool,
    out: impl Write,
) -> Result<bool, Error> {
    let mut stage = Stage {
        api: Api::new(http)?,
        nodes: Fabric::white_paper().start(leaves, Timers::BIRD.faster(FASTER)),
        opened: Vec::new(),
        out,
        start: Instant::now(),
        once,
    };
    let told = tokio::select! {
        told = stage.tell(http) => told,
        // Whoever interrupts a demo that would have gone on has seen enough; the story of `--once` is not told.
        interrupt = tokio::signal::ctrl_c() => interrupt.map(|()| !once).map_err(Error::from),
    };
    for node in stage.nodes {
        node.finish().await;
    }
    told
}

struct Stage<W> {
    api: Api,
    nodes: Vec<Node>,
    /// The findings that opened as told, by their identity.
    opened: Vec<(Expected, String)>,
    out: W,
    start: Instant,
    once: bool,
}

impl<W: Write> Stage<W> {
    async fn tell(&mut self, http: SocketAddr) -> Result<bool, Error> {
        self.introduce(http)?;
        for (number, scene) in story::scenes().into_iter().enumerate() {
            if number > 0 {
                self.rest().await;
            }
            if !self.scene(number + 1, scene).await? {
                return Ok(false);
            }
        }
        let well = self.review().await?;
        if !self.once {
            self.say("The nodes stay, and pods come and go. Look around; Ctrl-C ends it.")?;
            self.live_on().await;
        }
        Ok(well)
    }

    /// Time to read, and to look at what is wrong from another terminal.
    async fn rest(&self) {
        if !self.once {
            sleep(PAUSE).await;
        }
    }

    fn introduce(&mut self, http: SocketAddr) -> io::Result<()> {
        writeln!(
            self.out,
            "thirdleaf demo: three racks, eight nodes, two clusters, and the third leaf of each rack, all on loopback."
        )?;
        writeln!(self.out, "It forwards nothing and announces nothing; it listens, judges, and tells.\n")?;
        // As it was called, for it may not be installed.
        let program = std::env::args().next().unwrap_or_else(|| "thirdleaf".to_owned());
        writeln!(self.out, "Look at it from another terminal:")?;
        writeln!(self.out, "  http://{http}/metrics")?;
        writeln!(self.out, "  {program} --server http://{http} summary\n")?;
        writeln!(self.out, "Findings open sooner here than by default ({}).", sooner())?;
        self.out.flush()
    }

    async fn scene(&mut self, number: usize, scene: Scene) -> Result<bool, Error> {
        writeln!(self.out, "\n{number}. {}", scene.title)?;
        for act in scene.acts {
            if !self.act(act).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Plays one act; false: what it waits for did not come.
    async fn act(&mut self, act: Act) -> Result<bool, Error> {
        match act {
            Act::Say(text) => self.say(text)?,
            Act::Do(node, deed) => {
                self.note(&format!("{node} {}", deed.text()))?;
                self.perform(node, deed).await;
            }
            Act::See(sight) => {
                let Some(()) = wait(async || Ok(self.api.sees(&sight).await?.then_some(()))).await? else {
                    return self.in_vain(&sight.text());
                };
                self.note(&format!("seen: {}", sight.text()))?;
            }
            Act::Open(expected, meaning) => {
                let opened =
                    async || self.finding(|finding| expected.is(finding) && finding.state == "open").await;
                let Some(finding) = wait(opened).await? else {
                    return self.in_vain(&format!("finding {expected} open"));
                };
                self.note(&format!("! {} {}: {}", finding.severity, finding.kind, finding.summary))?;
                self.note(&format!("  traffic: {meaning}"))?;
                self.opened.push((expected, finding.id));
                self.rest().await;
            }
            Act::Resolve(expected) => {
                let opened = self.opened.iter().find(|(opened, _)| *opened == expected);
                let id = opened.map(|(_, id)| id.clone()).unwrap_or_default();
                let over =
                    async || self.finding(|finding| finding.id == id && finding.state == "resolved").await;
                let Some(finding) = wait(over).await? else {
                    return self.in_vain(&format!("finding {expected} resolved"));
                };
                self.note(&format!("  resolved: {}", finding.kind))?;
            }
        }
        Ok(true)
    }

    async fn finding(&self, wanted: impl Fn(&Finding) -> bool) -> Result<Option<Finding>, Error> {
        Ok(self.api.findings().await?.into_iter().find(wanted))
    }

    async fn perform(&self, name: &str, deed: Deed) {
        let Some(node) = self.nodes.iter().find(|node| node.settings().name == name) else { return };
        match deed {
            Deed::Announce(route) => node.announce([route]).await,
            Deed::Withdraw(prefix) => node.withdraw([prefix]).await,
            Deed::Serve(service) => node.serve(service.into()).await,
            Deed::Borrow(pod) => node.borrow(pod.into()).await,
            Deed::Release(pod) => node.release(pod.into()).await,
            Deed::Drain(service) => node.drain([service.into()]).await,
            Deed::Crash => node.crash().await,
            Deed::Boot => node.boot().await,
        }
    }

    /// Whether all went as told: what opened is what the story causes, and it is over.
    async fn review(&mut self) -> Result<bool, Error> {
        let opened: Vec<Finding> =
            self.api.findings().await?.into_iter().filter(|finding| finding.opened.is_some()).collect();
        writeln!(self.out, "\nThe end")?;
        let mut well = true;
        for finding in &opened {
            if !self.opened.iter().any(|(_, id)| *id == finding.id) {
                well = false;
                self.note(&format!("not in the story: {} {}", finding.kind, finding.summary))?;
            } else if finding.state != "resolved" {
                well = false;
                self.note(&format!("not over: {} {}", finding.kind, finding.summary))?;
            }
        }
        if well {
            self.note(&format!("{} findings opened and resolved, and no other.", opened.len()))?;
        }
        Ok(well)
    }

    /// Pods that borrow an address and give it back, for as long as anybody looks.
    async fn live_on(&self) {
        for round in 0_u8.. {
            for (number, node) in (1_u8..).zip(&self.nodes) {
                // Every cluster has two nodes at least.
                let owner = number % 2 + 1;
                let pod = IpAddr::from([10, 244, owner, 1 + round % 62]);
                node.borrow(pod).await;
                sleep(PAUSE).await;
                node.release(pod).await;
            }
        }
    }

    fn in_vain(&mut self, what: &str) -> Result<bool, Error> {
        self.note(&format!("in vain: {what} did not come within {} s", PATIENCE.as_secs()))?;
        Ok(false)
    }

    fn say(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.out, "   {text}")?;
        self.out.flush()
    }

    fn note(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.out, "{:7.1} s  {text}", self.start.elapsed().as_secs_f64())?;
        self.out.flush()
    }
}

/// Asks until there is an answer; none: it did not come in time.
async fn wait<T, F>(mut ask: impl FnMut() -> F) -> Result<Option<T>, Error>
where
    F: Future<Output = Result<Option<T>, Error>>,
{
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask().await? {
            return Ok(Some(answer));
        }
        if deadline < Instant::now() {
            return Ok(None);
        }
        sleep(POLL).await;
    }
}

fn sooner() -> String {
    story::OPEN_AFTER.map(|(kind, seconds)| format!("{kind} after {seconds} s")).join(", ")
}

#[cfg(test)]
mod tests;
