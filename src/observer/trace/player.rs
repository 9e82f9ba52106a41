//! The core run over a trace again.

use std::io;
use std::sync::Arc;

use super::base::{self, Base};
use super::frame::{Frames, Torn};
use super::record::{Established, Record, Start, Told};
use crate::config::Config;
use crate::observer::Offline;
use crate::observer::core::Core;
use crate::speaker::{self, Event};
use crate::time::Timestamp;

/// Plays segments, one after the other, to the core that they were recorded of.
pub struct Player {
    /// To judge by instead of what was recorded.
    instead: Option<Arc<Config>>,
    core: Option<Core>,
    from: Timestamp,
    now: Timestamp,
    config: Option<Arc<Config>>,
    /// Nothing is missing until now.
    whole: bool,
    /// Of which run the last segment was, and its number.
    last: Option<(Timestamp, u64)>,
    inputs: u64,
    notes: Vec<String>,
    damage: Vec<String>,
}

/// What a trace came to.
pub struct Played {
    /// The core at the end.
    pub offline: Offline,
    /// The configuration in force then.
    pub config: Arc<Config>,
    /// How many inputs it was told.
    pub inputs: u64,
    /// Since when: what was before is not known but for what it came to.
    pub from: Timestamp,
    /// What to know of it, a line each.
    pub notes: Vec<String>,
    /// Where it is damaged, a line each.
    pub damage: Vec<String>,
}

/// There is nothing to begin with.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is nothing that can be played{}", lines(.why))]
pub struct Unplayable {
    /// What is known of why, a line each.
    pub why: Vec<String>,
}

impl Player {
    /// A player that judges as was judged when it was recorded, or by another configuration.
    pub const fn new(instead: Option<Arc<Config>>) -> Self {
        Self {
            instead,
            core: None,
            from: Timestamp::from_micros(0),
            now: Timestamp::from_micros(0),
            config: None,
            whole: false,
            last: None,
            inputs: 0,
            notes: Vec::new(),
            damage: Vec::new(),
        }
    }

    /// Plays one segment, the next one.
    pub fn play(&mut self, name: &str, segment: &[u8]) {
        let mut frames = match Frames::new(segment) {
            Ok(frames) => frames,
            Err(why) => {
                self.whole = false;
                return self.damage.push(format!("{name} {why}"));
            }
        };
        if self.segment(name, &mut frames).is_err() {
            self.whole = false;
            let (offset, length) = (frames.offset, segment.len());
            self.damage.push(format!(
                "{name} breaks off at octet {offset} of {length}; what is before it was played"
            ));
        }
    }

    /// One segment cannot be read: those after it still are.
    pub fn miss(&mut self, name: &str, error: &io::Error) {
        self.whole = false;
        self.damage.push(format!("{name} cannot be read: {error}"));
    }

    fn segment(&mut self, name: &str, frames: &mut Frames<'_>) -> Result<(), Torn> {
        let Some(Record::Start(start)) = next(frames)? else { return Err(Torn) };
        if !self.begin(name, start, frames)? {
            return Ok(());
        }
        while let Some(record) = next(frames)? {
            self.inputs += 1;
            self.tell(record)?;
        }
        Ok(())
    }

    /// Goes on with a segment; `false`: it cannot be begun with.
    fn begin(&mut self, name: &str, start: Start, frames: &mut Frames<'_>) -> Result<bool, Torn> {
        let goes_on = self.goes_on(name, &start);
        if self.core.is_none() {
            self.from = start.now;
        }
        match start.base {
            Base::New { config, settings } => {
                let config = Arc::new(base::configuration(&config).ok_or(Torn)?);
                let config = self.instead.clone().unwrap_or(config);
                self.core = Some(Core::new(Arc::clone(&config), settings, start.now));
                self.config = Some(config);
            }
            Base::Kept => {
                let frame = frames.next()?.ok_or(Torn)?;
                if !goes_on {
                    let (mut core, mut config) = base::read(frame).ok_or(Torn)?;
                    if let Some(instead) = &self.instead {
                        config = Arc::clone(instead);
                        core.reconfigure(Arc::clone(instead), start.now);
                    }
                    (self.core, self.config) = (Some(core), Some(config));
                }
            }
            Base::Omitted { known, attributes } if !goes_on => {
                self.core = None;
                self.whole = false;
                self.notes.push(format!(
                    "{name} cannot be begun with: {known} routes and findings and {attributes} octets of \
                     attributes were known, too much to be written"
                ));
                return Ok(false);
            }
            Base::Omitted { .. } => {}
        }
        self.now = self.now.max(start.now);
        self.whole = true;
        Ok(true)
    }

    /// Whether nothing is missing before a segment; what is, is told.
    fn goes_on(&mut self, name: &str, start: &Start) -> bool {
        let Some((run, number)) = self.last.replace((start.run, start.number)) else { return false };
        let is_new = matches!(start.base, Base::New { .. });
        let next = number.saturating_add(1);
        let follows = run == start.run && next == start.number;
        if start.continues && follows && self.whole && self.core.is_some() {
            return true;
        }
        // After what could not be written there is a number more, and no segment is missing.
        if start.number > next && (start.continues || is_new) {
            self.notes.push(match start.number.saturating_sub(1) {
                last if last == next => format!("segment {next} is missing"),
                last => format!("segments {next} to {last} are missing"),
            });
        } else if !is_new {
            self.notes.push(format!("inputs are missing before {name}, {} since the start", start.lost));
        }
        if is_new {
            self.notes.push(format!("{name} is the first since thirdleaf started anew"));
        }
        false
    }

    fn tell(&mut self, record: Record<'_>) -> Result<(), Torn> {
        let Some(core) = &mut self.core else { return Ok(()) };
        match record {
            Record::Start(_) => return Err(Torn),
            Record::Handled { event, now } => {
                self.now = now;
                if let Some(event) = event_of(core, event) {
                    core.handle(event, now);
                }
            }
            Record::Worked(now) => {
                self.now = now;
                core.work(now);
            }
            Record::Errors((peer, counts)) => core.count_errors_of(&peer, counts),
            Record::Ticked(now) => {
                self.now = now;
                core.tick(now);
                // By another configuration there is other work.
                while self.instead.is_some() && core.has_work() {
                    core.work(now);
                }
            }
            Record::Reloaded { config, now } => {
                self.now = now;
                if self.instead.is_none() {
                    let config = Arc::new(base::configuration(&config).ok_or(Torn)?);
                    core.reconfigure(Arc::clone(&config), now);
                    self.config = Some(config);
                }
            }
            Record::Forgot { leaf, peer, now } => {
                self.now = now;
                core.forget_down(leaf.as_deref(), peer, now);
            }
            Record::ForgotNode { node, cluster, now } => {
                self.now = now;
                core.forget_node(&node, cluster.as_deref(), now);
            }
            Record::MaintenanceStarted(window) => {
                self.now = window.since;
                // What was refused then is refused again.
                let _ = core.start_maintenance(window.into_owned());
            }
            Record::MaintenanceEnded { scope, now } => {
                self.now = now;
                core.end_maintenance(&scope, now);
            }
            Record::Acknowledged { id, reason, now } => {
                self.now = now;
                core.acknowledge(&id, &reason, now);
            }
            Record::Reported { source, found, now } => {
                self.now = now;
                core.report(&source.into(), found.into_owned(), now);
            }
            Record::Restored { state, now } => {
                self.now = now;
                core.restore(state.into_owned(), now);
            }
        }
        drop((core.take_events(), core.take_commands(), core.take_errors()));
        Ok(())
    }

    /// What it came to.
    ///
    /// # Errors
    /// There was nothing that could be played.
    pub fn finish(self) -> Result<Played, Unplayable> {
        let (Some(core), Some(config)) = (self.core, self.config) else {
            return Err(Unplayable { why: self.damage.into_iter().chain(self.notes).collect() });
        };
        let offline = Offline::of(core, self.now);
        let Self { inputs, from, notes, damage, .. } = self;
        Ok(Played { offline, config, inputs, from, notes, damage })
    }
}

/// A line each, after another.
fn lines(why: &[String]) -> String {
    why.iter().flat_map(|line| ["\n", line]).collect()
}

fn next<'a>(frames: &mut Frames<'a>) -> Result<Option<Record<'a>>, Torn> {
    let Some(body) = frames.next()? else { return Ok(None) };
    postcard::from_bytes(body).map(Some).map_err(|_| Torn)
}

/// The event as it was; none, if nobody may peer with that name: then the core only asked for its end.
fn event_of(core: &Core, told: Told<'_>) -> Option<Event> {
    Some(match told {
        Told::Established(news) => Event::Established(Box::new(established(core, news)?)),
        Told::Routes { session, at, batch } => Event::Routes { session, at, batch: batch.into_owned() },
        Told::Closed(closed) => Event::Closed(closed.into_owned()),
        Told::Refused(refused) => Event::Refused(Box::new(refused.into_owned())),
        Told::Unsigned(unsigned) => Event::Unsigned(unsigned.into_owned()),
    })
}

fn established(core: &Core, news: Established<'_>) -> Option<speaker::Established> {
    let neighbors = Arc::clone(core.map.neighbors(&news.peer)?);
    let known = core.peers.find(&news.peer).and_then(|at| core.peers.get(at)?.last.as_ref());
    Some(speaker::Established {
        stats: known.map_or_else(Arc::default, |last| Arc::clone(&last.stats)),
        session: news.session,
        peer: news.peer,
        local: news.local,
        at: news.at,
        negotiated: news.negotiated,
        capabilities: news.capabilities.into_owned(),
        neighbors,
    })
}
