//! The table against a plain map that does the same.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, Ipv6Addr};

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::policy::{Class, Reason};

/// What the table must be: a map, ordered as answers are.
#[derive(Default)]
struct Model {
    routes: BTreeMap<Key, Route>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Route {
    attributes: u8,
    judgement: Judgement,
    since: Timestamp,
    old: bool,
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Announce(Key, u8, usize),
    Withdraw(Key),
    Judge(Key, usize),
    /// As often as that, without a sweep between.
    Outdate(PeerIndex, Family, usize),
    Sweep(PeerIndex, Family, usize),
    Page(IpNet, Option<Key>, usize),
}

fn judgement(number: usize) -> Judgement {
    Judgement::rejected(Class::PodBlock, Reason::ALL[number % Reason::ALL.len()])
}

fn octets(attributes: u8) -> Vec<u8> {
    vec![attributes; usize::from(attributes) * 80]
}

fn at(seconds: usize) -> Timestamp {
    Timestamp::from_micros(seconds as u64 * 1_000_000)
}

fn key(route: &(IpNet, Path)) -> Key {
    Key { prefix: route.0, peer: route.1.peer, path_id: route.1.path_id }
}

/// A few prefixes that nest, share blocks and lie apart, and the first and last of all, of both families.
fn prefix() -> impl Strategy<Value = IpNet> {
    let v4 = (0_u32..4, 0_u32..64, prop::sample::select(vec![0, 8, 15, 20, 21, 22, 26, 31, 32])).prop_map(
        |(far, near, length)| {
            let address = Ipv4Addr::from_bits(0x0a00_0000 | far << 11 | near << 5 | near & 1);
            IpNet::from(Ipv4Net::new(address, length).unwrap().trunc())
        },
    );
    let v6 = (0_u128..4, 0_u128..64, prop::sample::select(vec![0, 32, 64, 117, 122, 128])).prop_map(
        |(far, near, length)| {
            let address = Ipv6Addr::from_bits(0xfd00 << 112 | far << 60 | near << 5);
            IpNet::from(Ipv6Net::new(address, length).unwrap().trunc())
        },
    );
    let ends = ["0.0.0.0/32", "128.0.0.0/1", "255.255.255.255/32", "::/128", "8000::/1"];
    let ends = ends.into_iter().chain(["ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128"]).map(net);
    prop_oneof![8 => v4, 4 => v6, 1 => prop::sample::select(ends.collect::<Vec<_>>())]
}

fn any_key() -> impl Strategy<Value = Key> {
    (prefix(), 0_u32..5, prop_oneof![3 => Just(0_u32), 1 => 0_u32..3])
        .prop_map(|(prefix, peer, path_id)| Key { prefix, peer: PeerIndex(peer), path_id })
}

fn step() -> impl Strategy<Value = Step> {
    let session = || (0_u32..5, prop::sample::select(Family::ALL.to_vec()));
    prop_oneof![
        12 => (any_key(), 0_u8..6, 0_usize..2).prop_map(|(key, set, judged)| Step::Announce(key, set, judged)),
        4 => any_key().prop_map(Step::Withdraw),
        1 => (any_key(), 0_usize..3).prop_map(|(key, judged)| Step::Judge(key, judged)),
        1 => (session(), prop::sample::select(vec![1, 1, 1, 126, 127, 128, 129]))
            .prop_map(|((peer, family), times)| Step::Outdate(PeerIndex(peer), family, times)),
        2 => (session(), 0_usize..9)
            .prop_map(|((peer, family), budget)| Step::Sweep(PeerIndex(peer), family, budget)),
        2 => (prefix(), prop::option::of(any_key()), 1_usize..9)
            .prop_map(|(prefix, after, limit)| Step::Page(prefix, after, limit)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn does_what_a_plain_map_does(steps in vec(step(), 1..200)) {
        let (mut rib, mut model) = (Rib::new(), Model::default());
        for (number, step) in steps.into_iter().enumerate() {
            model.step(&mut rib, step, at(number));
        }
        model.compare(&rib);
        model.end(&mut rib);
    }

    #[test]
    fn a_walk_in_slices_misses_nothing_that_stays(
        keys in prop::collection::btree_set(any_key(), 1..60), churn in vec(any_key(), 0..60), slice in 1_usize..5,
    ) {
        let mut rib = Rib::new();
        let id = rib.intern(Set::from_canonical(&[1]));
        let mine = PeerIndex(1);
        let mut staying = BTreeSet::new();
        for key in &keys {
            rib.announce(mine, key.prefix, key.path_id, id, judgement(0), at(0));
            staying.insert((key.prefix, key.path_id));
        }
        let (mut seen, mut churn) = (BTreeSet::new(), churn.into_iter());
        for family in Family::ALL {
            let mut position = None;
            loop {
                let page: Vec<_> = rib.paths_of(mine, family, position).take(slice).collect();
                let Some(last) = page.last() else { break };
                position = Some(last.0);
                seen.extend(page.iter().map(|(_, prefix, path)| (*prefix, path.path_id)));
                if let Some(key) = churn.next() {
                    staying.remove(&(key.prefix, key.path_id));
                    if rib.withdraw(mine, key.prefix, key.path_id).is_none() {
                        rib.announce(mine, key.prefix, key.path_id, id, judgement(0), at(0));
                    }
                }
            }
        }
        prop_assert!(seen.is_superset(&staying), "{:?}", staying.difference(&seen));
    }
}

impl Model {
    fn step(&mut self, rib: &mut Rib, step: Step, now: Timestamp) {
        match step {
            Step::Announce(key, attributes, judged) => self.announce(rib, key, attributes, judged, now),
            Step::Withdraw(key) => {
                let before = self.routes.remove(&key);
                let path = rib.withdraw(key.peer, key.prefix, key.path_id);
                assert_eq!(
                    path.map(|path| (path.judgement, path.since, path.old)),
                    before.map(|route| (route.judgement, route.since, route.old))
                );
            }
            Step::Judge(key, judged) => {
                let before = rib.set_judgement(key.peer, key.prefix, key.path_id, judgement(judged));
                let route = self.routes.get_mut(&key);
                assert_eq!(before, route.as_ref().map(|route| route.judgement));
                if let Some(route) = route {
                    route.judgement = judgement(judged);
                }
            }
            Step::Outdate(peer, family, times) => {
                (0..times).for_each(|_| rib.outdate(peer, family));
                for (key, route) in &mut self.routes {
                    route.old |= key.peer == peer && Family::of(&key.prefix) == family;
                }
            }
            Step::Sweep(peer, family, budget) => self.sweep(rib, peer, family, budget),
            Step::Page(prefix, after, limit) => self.page(rib, prefix, after, limit),
        }
    }

    fn announce(&mut self, rib: &mut Rib, key: Key, attributes: u8, judged: usize, now: Timestamp) {
        let octets = octets(attributes);
        let id = rib.intern(Set::from_canonical(&octets));
        // Whatever is there or not, nothing comes of it.
        let keys = self.routes.keys().map(|other| (other.path_id, other.prefix));
        rib.prefetch(key.peer, Family::of(&key.prefix), keys.chain([(key.path_id, key.prefix)]));
        let change = rib.announce(key.peer, key.prefix, key.path_id, id, judgement(judged), now);
        rib.release(id);
        let new = Route { attributes, judgement: judgement(judged), since: now, old: false };
        let before = self.routes.insert(key, new);
        match (before, change) {
            (None, Change::New) => {}
            (Some(before), Change::Same { was_old }) => {
                assert_eq!(was_old, before.old);
                assert_eq!((before.attributes, before.judgement), (attributes, judgement(judged)));
                self.routes.insert(key, Route { since: before.since, ..new });
            }
            (Some(before), Change::Replaced(path)) => {
                assert_ne!((before.attributes, before.judgement), (attributes, judgement(judged)));
                assert_eq!(
                    (path.judgement, path.since, path.old),
                    (before.judgement, before.since, before.old)
                );
                if before.attributes == attributes {
                    self.routes.insert(key, Route { since: before.since, ..new });
                }
            }
            (before, change) => panic!("{before:?} {change:?}"),
        }
    }

    fn sweep(&mut self, rib: &mut Rib, peer: PeerIndex, family: Family, budget: usize) {
        let mut removed = 0;
        let done = rib.sweep(peer, family, budget, |prefix, path| {
            removed += 1;
            let key = Key { prefix, peer: path.peer, path_id: path.path_id };
            assert!(path.old && self.routes.remove(&key).is_some_and(|route| route.old));
        });
        assert!(removed <= budget);
        assert_eq!(done, self.of(peer, family).all(|(_, route)| !route.old));
    }

    fn page(&self, rib: &Rib, prefix: IpNet, after: Option<Key>, limit: usize) {
        let expect = |inside: &dyn Fn(&IpNet) -> bool| -> Vec<Key> {
            let keys = self.routes.keys().copied();
            keys.filter(|key| inside(&key.prefix) && after.is_none_or(|after| *key > after))
                .take(limit)
                .collect()
        };
        let longer: Vec<_> = rib.longer(prefix, after).map(|route| key(&route)).take(limit).collect();
        assert_eq!(longer, expect(&|other| prefix.contains(other)), "longer than {prefix} after {after:?}");
        let covering: Vec<_> = rib.covering(prefix, after).map(|route| key(&route)).take(limit).collect();
        assert_eq!(covering, expect(&|other| other.contains(&prefix)), "covering {prefix} after {after:?}");
        let all: Vec<_> = rib.all(after).map(|route| key(&route)).take(limit).collect();
        assert_eq!(all, expect(&|_| true), "all after {after:?}");
        let covering = self.routes.keys().map(|key| key.prefix).filter(|other| other.contains(&prefix));
        assert_eq!(rib.longest(prefix), covering.max_by_key(IpNet::prefix_len));
    }

    /// Everything that can be asked of the table has the right answer.
    fn compare(&self, rib: &Rib) {
        let held: Vec<_> = rib.all(None).map(|route| (key(&route), Self::route(rib, route.1))).collect();
        let expected: Vec<_> = self.routes.iter().map(|(key, route)| (*key, *route)).collect();
        assert_eq!(held, expected);
        let sets: BTreeSet<_> = self.routes.values().map(|route| route.attributes).collect();
        assert_eq!(rib.attribute_sets(), sets.len());
        self.sift(rib);
        for family in Family::ALL {
            let mine = || self.routes.keys().filter(|key| Family::of(&key.prefix) == family);
            let prefixes: BTreeSet<_> = mine().map(|key| key.prefix).collect();
            let expected = Counters { prefixes: prefixes.len() as u64, paths: mine().count() as u64 };
            assert_eq!(rib.counters(family), expected);
            for prefix in prefixes {
                let exact: Vec<_> = rib.exact(prefix).map(|path| key(&(prefix, path))).collect();
                for peer in (0..4).map(PeerIndex) {
                    let others: Vec<_> = exact.iter().copied().filter(|key| key.peer != peer).collect();
                    let elsewhere: Vec<_> =
                        rib.elsewhere(prefix, peer).map(|path| key(&(prefix, path))).collect();
                    assert_eq!(elsewhere, others);
                }
                let keys: Vec<_> = mine().filter(|key| key.prefix == prefix).copied().collect();
                assert_eq!(exact, keys);
            }
            for peer in (0..5).map(PeerIndex) {
                assert_eq!(rib.count(peer, family), self.of(peer, family).count() as u64);
                let old = self.of(peer, family).filter(|(_, route)| route.old).count();
                assert_eq!(rib.old_count(peer, family), old as u64);
                let luggage =
                    |(_, route): (_, &Route)| octets(route.attributes).len().saturating_sub(256) as u64;
                let both = Family::ALL.into_iter().flat_map(|family| self.of(peer, family));
                assert_eq!(rib.luggage(peer), both.map(luggage).sum::<u64>());
                let walk: BTreeSet<_> =
                    rib.paths_of(peer, family, None).map(|(_, prefix, path)| key(&(prefix, path))).collect();
                assert_eq!(walk, self.of(peer, family).map(|(key, _)| *key).collect());
            }
        }
    }

    /// What is sifted out of runs, in however small parts, is what a look at each path finds.
    fn sift(&self, rib: &Rib) {
        let keys: Vec<_> = self.routes.keys().copied().collect();
        let (first, last) = (keys.get(keys.len() / 4), keys.get(keys.len() / 2));
        for bounds in [(None, None), (first, None), (None, last), (first, last)] {
            let bounds = (bounds.0.map(|key| key.prefix), bounds.1.map(|key| key.prefix));
            let wanted = |old, judged| old || judged == judgement(0);
            let mut found = BTreeSet::new();
            for (peer, family) in (0..5).flat_map(|peer| Family::ALL.map(|family| (PeerIndex(peer), family)))
            {
                let mut position = None;
                loop {
                    let wants = |_, judged, old| wanted(old, judged);
                    position = rib.sift((peer, family), position, 3, bounds, wants, |prefix, path_id| {
                        found.insert(Key { prefix, peer, path_id });
                    });
                    if position.is_none() {
                        break;
                    }
                }
            }
            let within = |key: &Key| {
                bounds.0.is_none_or(|first| first <= key.prefix)
                    && bounds.1.is_none_or(|last| key.prefix <= last)
            };
            let all = self.routes.iter().filter(|(_, route)| wanted(route.old, route.judgement));
            let expected: BTreeSet<_> = all.map(|(key, _)| *key).filter(within).collect();
            assert_eq!(found, expected);
        }
    }

    fn route(rib: &Rib, path: Path) -> Route {
        let stored = rib.attributes(path.attributes);
        let attributes = (0..6).find(|number| octets(*number) == stored.octets()).unwrap();
        Route { attributes, judgement: path.judgement, since: path.since, old: path.old }
    }

    /// All gone, nothing left behind.
    fn end(&mut self, rib: &mut Rib) {
        for key in std::mem::take(&mut self.routes).into_keys() {
            let path = rib.get(key.peer, key.prefix, key.path_id);
            assert_eq!(path, rib.withdraw(key.peer, key.prefix, key.path_id));
            assert!(path.is_some());
        }
        self.compare(rib);
        assert_eq!(rib.all(None).count(), 0);
    }

    fn of(&self, peer: PeerIndex, family: Family) -> impl Iterator<Item = (&Key, &Route)> {
        self.routes.iter().filter(move |(key, _)| key.peer == peer && Family::of(&key.prefix) == family)
    }
}

fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

#[test]
fn a_prefix_of_thousands_of_peers_is_found_and_paged() {
    let (mut rib, wide) = (Rib::new(), net("10.96.0.0/12"));
    let id = rib.intern(Set::from_canonical(&[1]));
    let peers = 4_800;
    for peer in (0..peers).map(|peer| PeerIndex(peer * 7 % peers)) {
        assert_eq!(rib.announce(peer, wide, 0, id, judgement(0), at(0)), Change::New);
    }
    let (mut after, mut seen) = (None, 0);
    while let Some(last) = rib.longer(wide, after).take(100).last() {
        seen += 100;
        assert_eq!(last.1.peer, PeerIndex(seen - 1));
        after = Some(key(&last));
    }
    assert_eq!(seen, peers);
    for peer in (0..peers).rev().map(PeerIndex) {
        assert!(rib.withdraw(peer, wide, 0).is_some());
    }
    assert_eq!(rib.counters(Family::Ipv4), Counters::default());
}

#[test]
fn what_was_outdated_often_and_never_swept_stays_old() {
    let (mut rib, peer) = (Rib::new(), PeerIndex(0));
    let id = rib.intern(Set::from_canonical(&[1]));
    rib.announce(peer, net("10.0.0.0/26"), 0, id, judgement(0), at(0));
    for round in 0..1_000 {
        rib.outdate(peer, Family::Ipv4);
        let kept = net("10.0.0.64/26");
        let change = rib.announce(peer, kept, 0, id, judgement(0), at(round));
        assert_eq!(change, if round == 0 { Change::New } else { Change::Same { was_old: true } });
        assert_eq!(rib.old_count(peer, Family::Ipv4), 1);
        assert!(rib.get(peer, net("10.0.0.0/26"), 0).unwrap().old);
        assert!(!rib.get(peer, kept, 0).unwrap().old);
    }
    assert!(rib.sweep(peer, Family::Ipv4, 10, |prefix, _| assert_eq!(prefix, net("10.0.0.0/26"))));
    assert_eq!(rib.count(peer, Family::Ipv4), 1);
}

#[test]
fn attributes_live_as_long_as_somebody_holds_them() {
    let mut rib = Rib::new();
    let sets: Vec<Vec<u8>> = (0..300).map(|number: usize| number.to_be_bytes().repeat(number)).collect();
    let intern_all = |rib: &mut Rib| -> Vec<AttributesId> {
        sets.iter().map(|set| rib.intern(Set::from_canonical(set))).collect()
    };
    let mut ids = intern_all(&mut rib);
    let count = rib.attribute_sets();
    for _ in 0..3 {
        assert_eq!(intern_all(&mut rib), ids);
        for (id, set) in ids.iter().zip(&sets) {
            rib.release(*id);
            assert_eq!(rib.attributes(*id).octets(), set);
        }
        // The first set stays, so that the store is never empty; the others go and come again.
        for id in ids.iter().skip(1) {
            rib.release(*id);
        }
        assert_eq!(rib.attribute_sets(), 1);
        rib.intern(Set::from_canonical(&sets[0]));
        ids = intern_all(&mut rib);
        rib.release(ids[0]);
        rib.release(ids[0]);
        assert_eq!(rib.attribute_sets(), count);
    }
    for id in &ids {
        rib.release(*id);
    }
    assert_eq!(rib.attribute_sets(), 0);
    assert!(rib.attributes(ids[7]).octets().is_empty());
    rib.release(ids[7]);
    assert_eq!(rib.attribute_sets(), 0, "nobody's set is not released twice");

    // A number that nobody holds any more names nothing, and does not become two sets' number.
    rib.announce(PeerIndex(0), net("10.0.0.0/26"), 0, ids[7], judgement(0), at(0));
    assert!(rib.withdraw(PeerIndex(0), net("10.0.0.0/26"), 0).is_some());
    let again = intern_all(&mut rib);
    for (id, set) in again.iter().zip(&sets) {
        assert_eq!(rib.attributes(*id).octets(), set);
    }
}

#[test]
fn freed_octets_serve_sets_of_any_size() {
    let mut rib = Rib::new();
    rib.intern(Set::from_canonical(&[]));
    let empty = rib.bytes();
    for length in (1..=512).map(|cells| cells * 8) {
        let sets = (0..64_u8).map(|number| vec![number; length]);
        let ids: Vec<_> = sets.map(|set| rib.intern(Set::from_canonical(&set))).collect();
        let (used, held) = (64 * length as u64, rib.bytes() - empty);
        assert!(held >= used && held < 2 * used + 10_000, "{held} for {used} in sets of {length}");
        for id in ids {
            rib.release(id);
        }
    }
}

#[test]
fn what_is_withdrawn_leaves_no_memory_behind() {
    let mut rib = Rib::new();
    let id = rib.intern(Set::from_canonical(&[1]));
    // One in each block of the index: what costs the most.
    let scattered = |number: u32| IpNet::from(Ipv4Net::new(Ipv4Addr::from_bits(number << 12), 32).unwrap());
    for number in 0..50_000 {
        rib.announce(PeerIndex(0), scattered(number), 1, id, judgement(0), at(0));
    }
    let full = rib.bytes();
    let (record, path_id, block, entry, order) = (16, 4, 32, 12 + 16, 4);
    assert!(full > 50_000 * (record + path_id + block + entry + order), "{full} with all in");
    for number in 1..50_000 {
        rib.withdraw(PeerIndex(0), scattered(number), 1);
    }
    assert!(rib.bytes() < full / 20, "{} of {full}", rib.bytes());
}

#[test]
fn bits_beyond_the_length_do_not_matter() {
    let mut rib = Rib::new();
    let id = rib.intern(Set::from_canonical(&[1]));
    rib.announce(PeerIndex(0), net("10.1.2.3/24"), 0, id, judgement(0), at(0));
    assert_eq!(rib.longest(net("10.1.2.77/32")), Some(net("10.1.2.0/24")));
    assert_eq!(rib.longer(net("10.1.77.77/16"), None).next().map(|route| route.0), Some(net("10.1.2.0/24")));
    assert_eq!(rib.covering(net("10.1.2.77/32"), None).count(), 1);
    let after = Key { prefix: net("10.1.2.99/24"), peer: PeerIndex(0), path_id: 0 };
    assert_eq!(rib.longer(net("10.1.0.0/16"), Some(after)).count(), 0);
    assert_eq!(rib.covering(net("10.1.2.77/32"), Some(after)).count(), 0);
    assert!(rib.withdraw(PeerIndex(0), net("10.1.2.255/24"), 0).is_some());
}
