//! The core without its task: for what comes from files instead of sessions, under their own time.

use std::sync::Arc;
use std::time::Duration;

use super::core::Core;
use super::search::Search;
use super::{RouteQuery, Settings, Snapshot, view};
use crate::config::Config;
use crate::speaker::Event;
use crate::time::Timestamp;

/// After something happened, time passes as slowly as it does for the task; then it goes from one moment at
/// which something falls due to the next, so that a year of silence costs no more than a minute.
const RESTLESS: Duration = Duration::from_secs(3);
/// How long after the end there may still be something to look at.
const AFTERMATH: Duration = Duration::from_secs(2);
/// What a tick leaves for the next one takes some time, whatever it is.
const STEP: Duration = Duration::from_millis(1);
/// How many routes a query looks at in one go.
const STEPS: usize = 100_000;

/// An observer that is told what happened and when, and does all that would have been done meanwhile.
///
/// Nobody is there who could do what it asks of a session: a peer is sent no ROUTE-REFRESH, and one above
/// its prefix limit is not reset, but not heard any further either.
pub struct Offline {
    core: Core,
    now: Timestamp,
    /// No tick before this.
    next: Timestamp,
    restless_until: Timestamp,
}

impl Offline {
    /// An observer that starts at `now` and knows the pinned peers and no route.
    pub fn new(config: Arc<Config>, settings: Settings, now: Timestamp) -> Self {
        Self::of(Core::new(config, settings, now), now)
    }

    /// What a core has come to that was told by others.
    pub(super) fn of(core: Core, now: Timestamp) -> Self {
        Self { core, now, next: now, restless_until: now.after(RESTLESS) }
    }

    /// The time that it has come to. It never goes back, whatever time is named.
    pub const fn now(&self) -> Timestamp {
        self.now
    }

    /// Takes in what a session says, after all that is due before `now`.
    pub fn handle(&mut self, event: Event, now: Timestamp) {
        self.advance(now);
        self.core.handle(event, self.now);
        (self.next, self.restless_until) = (self.now, self.now.after(RESTLESS));
        self.forget_what_is_told();
    }

    /// Lets time pass.
    pub fn advance(&mut self, now: Timestamp) {
        while self.now < now {
            self.work();
            let rested = !self.is_restless();
            let due = self.due().filter(|due| *due <= now);
            self.now = due.unwrap_or(now);
            if rested {
                // What falls due at this very moment is still to be done; without, the house is kept already.
                let until = if due.is_some() { self.now } else { self.now.after(Duration::from_micros(1)) };
                self.core.leap(until);
            }
            if due.is_none() {
                return;
            }
            if rested {
                self.restless_until = self.now.after(RESTLESS);
            }
            self.tick();
        }
    }

    /// The end, at `now`: everything that is begun is done, for which a moment more may have to pass.
    pub fn finish(&mut self, now: Timestamp) {
        self.advance(now);
        let end = self.now.after(AFTERMATH);
        self.work();
        while self.now < end && self.core.is_dirty() {
            self.advance(self.core.next_tick().max(self.now.after(STEP)).min(end));
            self.work();
        }
    }

    /// Everything but the routes: what `/summary`, `/peers` and `/findings` are made of.
    pub fn snapshot(&mut self, now: Timestamp) -> Snapshot {
        self.advance(now);
        self.core.snapshot(self.now)
    }

    /// A page of routes, as [`Observer::routes`](super::Observer::routes) gives it.
    pub fn routes(&self, query: RouteQuery) -> view::Page<view::Route> {
        let mut search = Search::new(query);
        while !self.core.search(&mut search, STEPS) {}
        search.finish(&self.core)
    }

    /// When something is to be done next, if ever without being told anything more.
    fn due(&self) -> Option<Timestamp> {
        let due = if self.is_restless() { Some(self.core.next_tick()) } else { self.core.next_change() };
        due.map(|due| due.max(self.now).max(self.next))
    }

    fn is_restless(&self) -> bool {
        self.now < self.restless_until
    }

    fn tick(&mut self) {
        self.core.tick(self.now);
        self.next = self.now.after(STEP);
        self.forget_what_is_told();
    }

    /// Does what a tick began, which the next may have to look at.
    fn work(&mut self) {
        while self.core.has_work() {
            self.core.work(self.now);
            self.next = self.now;
        }
    }

    fn forget_what_is_told(&mut self) {
        drop(self.core.take_commands());
        drop(self.core.take_events());
        drop(self.core.take_errors());
    }
}
