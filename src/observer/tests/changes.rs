//! What the journal is told: whoever applies it to what was told before has what there is.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::model::{Happening, Play, happening};
use super::*;
use crate::observer::view::Route;

type Whose = (String, IpAddr, IpNet, u32);

/// Who writes down what it is told.
#[derive(Default)]
struct Reader {
    routes: BTreeMap<Whose, Route>,
    /// What it was not told of since it last lost the track.
    unsure: BTreeSet<Whose>,
    lost_track: u64,
    told: u32,
}

impl Reader {
    /// Begins, or begins anew.
    fn walk(&mut self, world: &mut World) {
        world.core.walk_changes();
        self.unsure = self.routes.keys().cloned().collect();
    }

    /// Takes up to so many changes.
    fn read(&mut self, world: &mut World, max: usize) -> bool {
        while world.core.changes.has_walk() {
            world.core.change_slice();
        }
        let changes = world.core.changes(max);
        if self.lost_track != changes.lost_track {
            self.lost_track = changes.lost_track;
            self.unsure = self.routes.keys().cloned().collect();
        }
        for (peer, _) in &changes.forgotten {
            let leaf = peer.leaf.to_string();
            self.routes.retain(|whose, _| (&whose.0, whose.1) != (&leaf, peer.address));
        }
        assert!(changes.routes.is_sorted_by_key(|change| change.at));
        for change in changes.routes {
            let whose = (change.peer.leaf.to_string(), change.peer.address, change.prefix, change.path_id);
            self.told += change.times;
            self.unsure.remove(&whose);
            match change.route {
                Some(route) => _ = self.routes.insert(whose, route),
                None => _ = self.routes.remove(&whose),
            }
        }
        if changes.complete {
            for whose in std::mem::take(&mut self.unsure) {
                self.routes.remove(&whose);
            }
        }
        changes.more
    }

    fn read_all(&mut self, world: &mut World) {
        while self.read(world, 3) {}
        // What is complete is known by the next answer at the latest.
        self.read(world, 3);
    }

    fn has_all(&self, world: &World) {
        let all = world.page(RouteQuery { limit: 1_000, ..RouteQuery::default() }).items;
        // Silence is no change of a route.
        let plain = |route: &Route| Route { stale: false, ..route.clone() };
        let all: Vec<Route> = all.iter().map(plain).collect();
        let mut kept: Vec<Route> = self.routes.values().map(plain).collect();
        kept.sort_by_key(|kept| {
            all.iter().position(|route| {
                (route.prefix, &route.leaf, route.peer, route.path_id)
                    == (kept.prefix, &kept.leaf, kept.peer, kept.path_id)
            })
        });
        assert_eq!(kept, all);
    }
}

#[test]
fn a_route_that_comes_and_goes_is_told_once() {
    let mut world = World::new();
    let node = world.node();
    let mut reader = Reader::default();
    reader.walk(&mut world);
    reader.read_all(&mut world);
    for _ in 0..3 {
        world.announce(&node, &["10.244.1.0/26"]);
        world.withdraw(&node, &["10.244.1.0/26"]);
    }
    world.announce(&node, &["10.244.1.0/26"]);
    let changes = world.core.changes(100);
    let [change] = &changes.routes[..] else { panic!("{:?}", changes.routes) };
    assert_eq!((change.times, change.at), (7, world.now));
    assert_eq!(change.route.as_ref().map(|route| &*route.state), Some("accepted"));
    assert!(world.core.changes(100).routes.is_empty());
    // The same again is no change, other attributes are one.
    world.announce(&node, &["10.244.1.0/26"]);
    assert!(world.core.changes(100).routes.is_empty());
}

#[test]
fn without_a_reader_nothing_is_noted() {
    let mut world = World::new();
    let node = world.node();
    world.announce(&node, &["10.244.1.0/26"]);
    assert!(world.core.changes(100).routes.is_empty());
}

proptest! {
    #[test]
    fn who_writes_down_what_it_is_told_has_what_there_is(
        story in prop::collection::vec((happening(), 0..4_usize), 1..60),
        most in prop_oneof![Just(2_usize), Just(1_000)],
        begins in 0..20_usize,
    ) {
        let roomy = Limits { prefixes: 10_000, warn_at: 0.8, action: LimitAction::Warn, rejected_kept: 1_000 };
        let mut play = Play::new(&roomy);
        play.world.core.changes.most = most;
        let mut reader = Reader::default();
        for (step, (happening, reads)) in story.iter().enumerate() {
            if step == begins {
                reader.walk(&mut play.world);
            }
            play.happens(happening);
            if *reads > 0 {
                reader.read(&mut play.world, *reads);
            }
        }
        if story.len() <= begins {
            reader.walk(&mut play.world);
        }
        play.world.pass(SECOND * 3);
        reader.read_all(&mut play.world);
        reader.has_all(&play.world);
        // Whoever is told all of it again is told the same.
        reader.walk(&mut play.world);
        reader.read_all(&mut play.world);
        reader.has_all(&play.world);
    }
}

/// A story whose changes somebody else writes down.
pub(crate) struct Stage(Play);

impl Stage {
    pub(crate) fn new() -> Self {
        let roomy =
            Limits { prefixes: 10_000, warn_at: 0.8, action: LimitAction::Warn, rejected_kept: 1_000 };
        Self(Play::new(&roomy))
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.0.world.now
    }

    pub(crate) fn happens(&mut self, happening: &Happening) {
        self.0.happens(happening);
    }

    pub(crate) fn pass(&mut self, time: Duration) {
        self.0.world.pass(time);
    }

    pub(crate) fn walk(&mut self) {
        self.0.world.core.walk_changes();
    }

    pub(crate) fn changes(&mut self, max: usize) -> crate::observer::RouteChanges {
        while self.0.world.core.changes.has_walk() {
            self.0.world.core.change_slice();
        }
        self.0.world.core.changes(max)
    }

    /// All routes that there are.
    pub(crate) fn routes(&self) -> Vec<Route> {
        self.0.world.page(RouteQuery { limit: 1_000, ..RouteQuery::default() }).items
    }
}
