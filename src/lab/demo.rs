//! `demo`: a small data centre on loopback, and what thirdleaf has to say about it.
//!
//! The white paper's two racks and six nodes, another cluster beside them, a simulated APIC, a whole daemon that
//! observes all, and a story told line by line: what happens, the finding that it causes, what that means to traffic, what
//! an operator types. Nothing here waits for a time: each step waits until the daemon's own HTTP API, or the APIC, shows
//! what the step is about.
#![expect(clippy::disallowed_methods, reason = "this room does IO")]

use std::future::Future;
use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use tokio::signal::ctrl_c;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep};

use super::apic;
use super::fabric::Fabric;
use super::node::{Node, Timers};
use crate::observer::Observer;
use crate::observer::view::{Event, Finding};
use crate::time::Clock;
pub use aci::Aci;
use api::Api;
use story::{Act, Deed, Expected, Scene};

mod aci;
mod api;
mod story;

/// How long the daemon may take to see what a step is about. Nothing counts as missing in its first minute.
const PATIENCE: Duration = Duration::from_secs(70);
/// How often it is asked.
const POLL: Duration = Duration::from_millis(50);
/// Between two scenes, and while a finding is open, for the reader.
const PAUSE: Duration = Duration::from_secs(4);
/// How far what is printed stands behind the margin.
const INDENT: usize = 13;
/// What is typed first.
const PROGRAM: &str = "thirdleaf";
/// How much faster than BIRD the nodes dial.
const FASTER: u32 = 10;

/// Why the demo could not be given. A story that does not go as told is no error but a negative answer.
#[derive(Debug, Error)]
pub enum Error {
    /// The API did not answer.
    #[error("the HTTP API does not answer: {0}")]
    Api(#[from] reqwest::Error),
    /// There is no APIC to be had.
    #[error(transparent)]
    Apic(#[from] apic::Error),
    /// Nobody can be told.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Carries out what an operator types, the program's name first; answers what is printed, or why it failed.
pub type Terminal = fn(Vec<String>) -> Result<String, String>;

/// Plays the story to a daemon with [`Aci::configuration`] whose API and leaves listen there.
///
/// With `once` it ends with the story, else with Ctrl-C. True: every finding that was to open did and
/// resolved, and no other opened.
///
/// # Errors
///
/// An API that does not answer, an `out` that cannot be written to.
pub async fn play(
    aci: Arc<Aci>,
    http: SocketAddr,
    leaves: &[SocketAddr],
    terminal: Terminal,
    observer: Observer,
    once: bool,
    out: impl Write,
) -> Result<bool, Error> {
    let mut stage = Stage {
        api: Api::new(http)?,
        aci,
        http,
        terminal,
        nodes: Fabric::white_paper().start(leaves, Timers::BIRD.faster(FASTER)),
        opened: Vec::new(),
        observer: Some(observer),
        clock: Clock::start(),
        said: Vec::new(),
        out,
        start: Instant::now(),
        once,
    };
    let told = tokio::select! {
        // Who reads the first line can count on being heard.
        biased;
        // Whoever interrupts a demo that would have gone on has seen enough; the story of `--once` is not told.
        interrupt = interrupted() => interrupt.map(|()| !once).map_err(Error::from),
        told = stage.tell() => told,
    };
    for node in stage.nodes {
        node.finish().await;
    }
    told
}

/// Ctrl-C, or SIGTERM: what is kept on disk must go, too.
async fn interrupted() -> io::Result<()> {
    let mut terminated = signal(SignalKind::terminate())?;
    tokio::select! {
        interrupt = ctrl_c() => interrupt,
        _ = terminated.recv() => Ok(()),
    }
}

struct Stage<W> {
    api: Api,
    aci: Arc<Aci>,
    /// Where the daemon's API is.
    http: SocketAddr,
    terminal: Terminal,
    nodes: Vec<Node>,
    /// The findings that opened as told, by their identity.
    opened: Vec<(Expected, String)>,
    /// Among whose events the story is told as well, for those who look at the page.
    observer: Option<Observer>,
    clock: Clock,
    /// Lines that belong together and were not told among the events yet.
    said: Vec<&'static str>,
    out: W,
    start: Instant,
    once: bool,
}

impl<W: Write> Stage<W> {
    async fn tell(&mut self) -> Result<bool, Error> {
        self.introduce()?;
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

    fn introduce(&mut self) -> io::Result<()> {
        let (out, http) = (&mut self.out, self.http);
        writeln!(
            out,
            "thirdleaf demo: three racks, eight nodes, two clusters, and the third leaf of each rack, all on loopback."
        )?;
        writeln!(
            out,
            "It forwards nothing and announces nothing; it listens, judges, and tells. And it keeps the"
        )?;
        writeln!(out, "external EPGs of an APIC in step, which is simulated as well: {}\n", self.aci.url())?;
        writeln!(out, "Look at it in a browser:")?;
        writeln!(out, "  http://{http}/\n")?;
        writeln!(out, "and from another terminal:")?;
        let token = self.aci.token_file();
        writeln!(out, "  export THIRDLEAF_SERVER=http://{http} THIRDLEAF_TOKEN_FILE={}", token.display())?;
        // As it was called, for it may not be installed.
        let program = std::env::args().next().unwrap_or_else(|| PROGRAM.to_owned());
        writeln!(out, "  {program} summary")?;
        writeln!(out, "  {program} eepg plan\n")?;
        writeln!(
            out,
            "The token lets you change something; it, the APIC's password (of user thirdleaf) and the audit file of what is"
        )?;
        writeln!(out, "written are in {}, which goes when the demo ends.", self.aci.directory().display())?;
        writeln!(out, "Findings open sooner here than by default ({}).", sooner())?;
        self.out.flush()
    }

    async fn scene(&mut self, number: usize, scene: Scene) -> Result<bool, Error> {
        writeln!(self.out, "\n{number}. {}", scene.title)?;
        self.log("demo_scene", None, format!("{number}. {}", scene.title));
        for act in scene.acts {
            if let Act::Say(text) = act {
                self.said.push(text);
            } else {
                self.log_said();
            }
            if !self.act(act).await? {
                return Ok(false);
            }
        }
        self.log_said();
        Ok(true)
    }

    /// Plays one act; false: what it waits for did not come.
    async fn act(&mut self, act: Act) -> Result<bool, Error> {
        match act {
            Act::Say(text) => self.say(text)?,
            Act::Do(node, deed) => {
                self.log("demo", Some(node), format!("{node} {}", deed.text()));
                self.note(&format!("{node} {}", deed.text()))?;
                self.perform(node, deed).await;
            }
            Act::See(sight) => {
                let Some(()) = wait(async || Ok(self.api.sees(&sight).await?.then_some(()))).await? else {
                    return self.in_vain(&sight.text());
                };
                self.note(&format!("seen: {}", sight.text()))?;
            }
            Act::Member(eepg, prefix) => {
                let text = format!("{eepg} has the member {prefix}");
                return self.see_in_apic(&text, |aci| aci.has(eepg, &prefix)).await;
            }
            Act::NoMember(eepg, prefix) => {
                let text = format!("{eepg} has no member {prefix}");
                return self.see_in_apic(&text, |aci| !aci.has(eepg, &prefix)).await;
            }
            Act::Tamper(eepg, prefix) => {
                let text = format!("somebody deletes {prefix} from {eepg}, by hand");
                self.note(&text)?;
                self.log("demo", None, text);
                if !self.aci.delete(eepg, &prefix) {
                    return self.refused("the APIC does not let go of it");
                }
            }
            Act::Type(words) => {
                let words: Vec<&str> = words.split(' ').collect();
                match self.typed(&words).await? {
                    Ok(printed) => self.show(&words, &printed)?,
                    Err(why) => return self.refused(&why),
                }
            }
            Act::Approve => return self.approve().await,
            Act::Open(expected, meaning) => {
                let opened =
                    async || self.finding(|finding| expected.is(finding) && finding.state == "open").await;
                let Some(finding) = wait(opened).await? else {
                    return self.in_vain(&format!("finding {expected} open"));
                };
                self.note(&format!("! {} {}: {}", finding.severity, finding.kind, finding.summary))?;
                self.note(&format!("  traffic: {meaning}"))?;
                self.log("demo", None, format!("Traffic: {meaning}"));
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

    /// Waits until the APIC shows this.
    async fn see_in_apic(&mut self, text: &str, seen: impl Fn(&Aci) -> bool) -> Result<bool, Error> {
        let Some(()) = wait(async || Ok(seen(&self.aci).then_some(()))).await? else {
            return self.in_vain(text);
        };
        self.note(&format!("seen in the APIC: {text}"))?;
        Ok(true)
    }

    /// Approves the plan as it is. It may become another while that is typed: then, the next.
    async fn approve(&mut self) -> Result<bool, Error> {
        let approved = wait(async || {
            let id = self.api.plan().await?.id;
            let printed = self.typed(&["eepg", "approve", &id]).await?;
            Ok(printed.ok().map(|printed| (id, printed)))
        });
        let Some((id, printed)) = approved.await? else { return self.in_vain("approval of the plan") };
        self.show(&["eepg", "approve", &id], &printed)?;
        Ok(true)
    }

    /// What is printed if an operator types this, or why it fails.
    async fn typed(&self, words: &[&str]) -> Result<Result<String, String>, Error> {
        let (server, token) = (format!("http://{}", self.http), self.aci.token_file());
        let before =
            [PROGRAM, "--server", &server, "--token-file", &token.to_string_lossy()].map(str::to_owned);
        let words = before.into_iter().chain(words.iter().map(|word| (*word).to_owned())).collect();
        let terminal = self.terminal;
        // A verb waits for its answer as if it were alone.
        Ok(spawn_blocking(move || terminal(words)).await.map_err(io::Error::other)?)
    }

    fn show(&mut self, words: &[&str], printed: &str) -> io::Result<()> {
        self.note(&format!("$ {PROGRAM} {}", words.join(" ")))?;
        for line in printed.lines() {
            let indent = if line.is_empty() { 0 } else { INDENT };
            writeln!(self.out, "{:indent$}{line}", "")?;
        }
        self.out.flush()
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
            Deed::LosePower => node.lose_power().await,
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

    fn refused(&mut self, why: &str) -> Result<bool, Error> {
        self.note(&format!("in vain: {why}"))?;
        Ok(false)
    }

    /// Tells it among the events, too.
    fn log(&self, kind: &str, node: Option<&str>, text: String) {
        let Some(observer) = &self.observer else { return };
        let (kind, node) = (kind.to_owned(), node.map(str::to_owned));
        observer.events().append([Event { at: self.clock.now(), kind, node, text, ..Event::default() }]);
    }

    fn log_said(&mut self) {
        if !self.said.is_empty() {
            let text = std::mem::take(&mut self.said).join(" ");
            self.log("demo", None, text);
        }
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
