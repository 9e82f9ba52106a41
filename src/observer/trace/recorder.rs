//! The core and what notes its inputs on their way in.

use std::borrow::Cow;
use std::net::IpAddr;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tracing::warn;

use super::base::{self, Base};
use super::record::{Record, Start, Told};
use super::ring::{Part, Ring};
use super::{SEGMENT, frame};
use crate::config::{self, Config};
use crate::observer::core::Core;
use crate::observer::feed::Destination;
use crate::observer::maintenance::{NoMaintenance, Whom, Window};
use crate::observer::{Actor, Reported, RouteChanges, State};
use crate::speaker::Event;
use crate::time::Timestamp;

/// After a gap, how long to wait before going on, twice as long each time that it does not last, and the
/// longest: a base is written each time.
const PAUSE: Duration = Duration::from_secs(5);
const LONGEST_PAUSE: Duration = Duration::from_mins(5);

/// The core, and a recorder that sees every call which changes it.
pub(in crate::observer) struct Recorded {
    core: Core,
    recorder: Option<Recorder>,
}

/// Notes what the core is told, for a thread that writes it.
pub struct Recorder {
    ring: Ring,
    /// What was noted since the last tick, and how many inputs that is.
    noted: Vec<u8>,
    inputs: u64,
    /// Octets of the segment until now, and with how many it is full.
    written: usize,
    full: usize,
    /// Something is missing, and it is not before this time that a base is written to go on from.
    gap: Option<Timestamp>,
    /// How long the next gap is at least.
    pause: Duration,
    /// The number of the last segment, and when it was begun.
    last: u64,
    begun: Timestamp,
    /// A base was left out, which was told.
    omits: bool,
}

impl Recorded {
    /// The core as it begins.
    pub(in crate::observer) fn new(core: Core, mut recorder: Option<Recorder>) -> Self {
        if let Some(recorder) = &mut recorder {
            recorder.begin(&core);
        }
        Self { core, recorder }
    }

    /// Whose doing it is what happens next. The trace does not say: it is of what is found, not of who asked.
    pub(in crate::observer) fn attribute_to(&mut self, actor: Option<Actor>) {
        self.core.chronicle.attribute_to(actor);
    }

    pub(in crate::observer) fn handle(&mut self, event: Event, now: Timestamp) {
        if let Some(recorder) = &mut self.recorder {
            recorder.note(&Record::Handled { event: Told::of(&event), now });
        }
        self.core.handle(event, now);
    }

    pub(in crate::observer) fn work(&mut self, now: Timestamp) {
        if !self.core.has_work() {
            return;
        }
        if let Some(recorder) = &mut self.recorder {
            recorder.note(&Record::Worked(now));
        }
        self.core.work(now);
    }

    pub(in crate::observer) fn tick(&mut self, now: Timestamp) -> Timestamp {
        let next = self.core.tick(now);
        let errors = self.core.take_errors();
        if let Some(recorder) = &mut self.recorder {
            for errors in errors {
                recorder.note(&Record::Errors(errors));
            }
            recorder.note(&Record::Ticked(now));
            recorder.turn(&self.core, now);
        }
        next
    }

    pub(in crate::observer) fn reconfigure(&mut self, config: Arc<Config>, now: Timestamp) {
        if let Some(recorder) = &mut self.recorder {
            recorder.note(&Record::Reloaded { config: Cow::Owned(text(&config)), now });
        }
        self.core.reconfigure(config, now);
    }

    pub(in crate::observer) fn forget_down(
        &mut self,
        leaf: Option<&str>,
        peer: IpAddr,
        now: Timestamp,
    ) -> usize {
        if let Some(recorder) = &mut self.recorder {
            recorder.note(&Record::Forgot { leaf: leaf.map(Cow::Borrowed), peer, now });
        }
        self.core.forget_down(leaf, peer, now)
    }

    pub(in crate::observer) fn restore(&mut self, state: State, now: Timestamp) {
        if let Some(recorder) = &mut self.recorder {
            recorder.note(&Record::Restored { state: Cow::Borrowed(&state), now });
        }
        self.core.restore(state, now);
    }

    pub(in crate::observer) fn forget_node(
        &mut self,
        node: &str,
        cluster: Option<&str>,
        now: Timestamp,
    ) -> usize {
        if let Some(recorder) = &mut self.recorder {
            let cluster = cluster.map(Cow::Borrowed);
            recorder.note(&Record::ForgotNode { node: Cow::Borrowed(node), cluster, now });
        }
        self.core.forget_node(node, cluster, now)
    }

    pub(in crate::observer) fn start_maintenance(&mut self, window: Window) -> Result<Window, NoMaintenance> {
        if let Some(recorder) = &mut self.recorder {
            recorder.note(&Record::MaintenanceStarted(Cow::Borrowed(&window)));
        }
        self.core.start_maintenance(window)
    }

    pub(in crate::observer) fn end_maintenance(&mut self, scope: &Whom, now: Timestamp) -> Option<Window> {
        if let Some(recorder) = &mut self.recorder {
            recorder.note(&Record::MaintenanceEnded { scope: Cow::Borrowed(scope), now });
        }
        self.core.end_maintenance(scope, now)
    }

    pub(in crate::observer) fn acknowledge(&mut self, id: &str, reason: &str, now: Timestamp) -> bool {
        if let Some(recorder) = &mut self.recorder {
            let (id, reason) = (Cow::Borrowed(id), Cow::Borrowed(reason));
            recorder.note(&Record::Acknowledged { id, reason, now });
        }
        self.core.acknowledge(id, reason, now)
    }

    pub(in crate::observer) fn report(&mut self, source: &Arc<str>, found: Vec<Reported>, now: Timestamp) {
        if let Some(recorder) = &mut self.recorder {
            let (source, found) = (Cow::Borrowed(&**source), Cow::Borrowed(&found[..]));
            recorder.note(&Record::Reported { source, found, now });
        }
        self.core.report(source, found, now);
    }

    /// What follows is no input: nothing but what keepers of members are told comes of it.
    pub(in crate::observer) fn offer_slice(&mut self, now: Timestamp) {
        self.core.offer_slice(now);
    }

    pub(in crate::observer) fn offers(&mut self, max: usize) -> Vec<Destination> {
        self.core.offers(max)
    }

    pub(in crate::observer) fn offer_all(&mut self) {
        self.core.offer_all();
    }

    pub(in crate::observer) fn walk_changes(&mut self) {
        self.core.walk_changes();
    }

    pub(in crate::observer) fn change_slice(&mut self) {
        self.core.change_slice();
    }

    pub(in crate::observer) fn changes(&mut self, max: usize) -> RouteChanges {
        self.core.changes(max)
    }

    pub(in crate::observer) fn take(
        &mut self,
    ) -> (Vec<crate::observer::view::Event>, Vec<crate::observer::Command>) {
        (self.core.take_events(), self.core.take_commands())
    }

    /// How many inputs could not be noted; `None`: there is no trace.
    pub(in crate::observer) fn lost(&self) -> Option<u64> {
        self.recorder.as_ref().map(|recorder| recorder.ring.lost())
    }

    /// Ends the trace; the answer comes when all of it is written.
    pub(in crate::observer) fn end(&mut self) -> Option<oneshot::Receiver<()>> {
        let mut recorder = self.recorder.take()?;
        recorder.flush(self.core.started);
        Some(recorder.ring.end())
    }
}

/// For tests that look closer.
#[cfg(test)]
impl std::ops::DerefMut for Recorded {
    fn deref_mut(&mut self) -> &mut Core {
        &mut self.core
    }
}

impl Deref for Recorded {
    type Target = Core;

    fn deref(&self) -> &Core {
        &self.core
    }
}

impl Recorder {
    /// A recorder that writes into this ring, after the segment with this number.
    pub(super) const fn new(ring: Ring, last: u64, full: usize) -> Self {
        Self {
            ring,
            noted: Vec::new(),
            inputs: 0,
            written: 0,
            full,
            gap: None,
            pause: PAUSE,
            last,
            begun: Timestamp::from_micros(0),
            omits: false,
        }
    }

    fn begin(&mut self, core: &Core) {
        let base = Base::New { config: text(&core.config), settings: core.settings };
        let (run, number) = (core.started, self.next());
        let start = Start { run, number, continues: false, lost: 0, now: run, base };
        self.segment(&start, &[]);
    }

    fn note(&mut self, record: &Record<'_>) {
        if self.gap.is_some() {
            return self.ring.lose(1);
        }
        self.inputs += 1;
        // Writing to memory does not fail.
        let _ = frame::put(record, &mut self.noted);
    }

    /// After each tick: hands over what was noted, and ends a segment that is full.
    fn turn(&mut self, core: &Core, now: Timestamp) {
        self.flush(now);
        match self.gap {
            None if self.written < self.full => {}
            Some(pause) if now < pause => {}
            _ if core.is_at_rest() => self.go_on(core, now),
            None if self.written.saturating_sub(self.full) > SEGMENT => {
                self.lose(now, "the core had no rest for too long");
            }
            _ => {}
        }
    }

    fn flush(&mut self, now: Timestamp) {
        let inputs = std::mem::take(&mut self.inputs);
        if self.noted.is_empty() {
            return;
        }
        self.written += self.noted.len();
        let octets = std::mem::take(&mut self.noted);
        if !self.ring.send(Part::Inputs { octets, inputs }) {
            self.lose(now, "the disk is slower than what there is to write");
        } else if let Some(error) = self.ring.failure() {
            self.lose(now, &format!("it cannot be written, {error}"));
        }
    }

    /// What follows at once is the same gap, which was told.
    fn lose(&mut self, now: Timestamp, why: &str) {
        if now.since(self.begun) > LONGEST_PAUSE {
            self.pause = PAUSE;
        }
        if self.pause == PAUSE {
            warn!("the trace has a gap: {why}; thirdleaf_trace_lost_total counts the inputs that it lacks");
        }
        self.gap = Some(now.after(self.pause));
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
    }

    /// Another segment, with all that is known for a base.
    fn go_on(&mut self, core: &Core, now: Timestamp) {
        let continues = self.gap.is_none();
        let kept = base::kept(core, text(&core.config));
        let base = if kept.is_some() { Base::Kept } else { base::omitted(core) };
        if let Base::Omitted { known, attributes } = base
            && !std::mem::replace(&mut self.omits, true)
        {
            warn!(
                known,
                attributes,
                "too much is known for another segment of the trace to begin with: once the oldest are gone, \
                 it cannot be replayed"
            );
        }
        let (run, number) = (core.started, self.next());
        let start = Start { run, number, continues, lost: self.ring.lost(), now, base };
        if !continues {
            // What failed since is of before.
            drop(self.ring.failure());
        }
        self.gap = None;
        if !self.segment(&start, &kept.unwrap_or_default()) {
            self.lose(now, "the disk is slower than what there is to write");
        }
    }

    /// The number of the next segment.
    pub(super) const fn next(&self) -> u64 {
        self.last.saturating_add(1)
    }

    fn segment(&mut self, start: &Start, kept: &[u8]) -> bool {
        let mut octets = Vec::new();
        frame::put_head(&mut octets);
        let encoded = frame::put(&Record::Start(start.clone()), &mut octets);
        octets.extend_from_slice(kept);
        // A base is not what the bound of a segment is about, or a large one would be followed by another.
        self.written = 0;
        (self.last, self.begun) = (start.number, start.now);
        let (number, continues) = (start.number, start.continues);
        encoded.is_ok() && self.ring.send(Part::Segment { number, continues, octets })
    }
}

fn text(config: &Config) -> String {
    config::text(config).unwrap_or_default()
}
