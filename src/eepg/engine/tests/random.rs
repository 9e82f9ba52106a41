//! Whatever happens in whatever order, nothing goes that must stay, and it settles once all is quiet.

use proptest::prelude::*;

use super::*;
use crate::config::model::Match;
use crate::eepg::samples::eepg;

const NODES: [&str; 3] = ["a", "b", "c"];
const PLACES: [&str; 2] = ["uni/tn-k8s/out-calico/instP-web", "uni/tn-k8s/out-calico/instP-all"];

#[derive(Clone, Debug)]
enum Event {
    Announce(usize, u8),
    Withdraw(usize, u8),
    Lose(usize),
    Return(usize),
    Forget(usize),
    Pass(u64),
    Reload(usize),
    Restart(bool),
    Weather(Weather),
    Foreign(usize, u8),
    Remove(usize, u8),
    Unmark(usize, u8),
    Meddle(usize, u8),
    Backup,
    Restore,
    Compare,
}

fn event() -> impl Strategy<Value = Event> {
    let node = 0..NODES.len();
    let place = 0..PLACES.len();
    let prefix = 0..8_u8;
    prop_oneof![
        6 => (node.clone(), prefix.clone()).prop_map(|(node, prefix)| Event::Announce(node, prefix)),
        3 => (node.clone(), prefix.clone()).prop_map(|(node, prefix)| Event::Withdraw(node, prefix)),
        2 => node.clone().prop_map(Event::Lose),
        2 => node.clone().prop_map(Event::Return),
        1 => node.prop_map(Event::Forget),
        6 => prop_oneof![1..5_u64, 30..90_u64, 300..900_u64].prop_map(Event::Pass),
        1 => (0..4_usize).prop_map(Event::Reload),
        1 => any::<bool>().prop_map(Event::Restart),
        1 => prop_oneof![Just(Weather::Fair), Just(Weather::Down), Just(Weather::Deaf)].prop_map(Event::Weather),
        1 => (place.clone(), prefix.clone()).prop_map(|(place, prefix)| Event::Foreign(place, prefix)),
        1 => (place.clone(), prefix.clone()).prop_map(|(place, prefix)| Event::Remove(place, prefix)),
        1 => (place.clone(), prefix.clone()).prop_map(|(place, prefix)| Event::Unmark(place, prefix)),
        1 => (place, prefix).prop_map(|(place, prefix)| Event::Meddle(place, prefix)),
        1 => Just(Event::Backup),
        1 => Just(Event::Restore),
        2 => Just(Event::Compare),
    ]
}

fn rules(number: usize) -> Vec<Eepg> {
    let narrow = |prefix: &str, name: &str| {
        let matches = Match { prefix: vec![net(prefix)], ..Match::default() };
        Eepg { matches, ..eepg(name) }
    };
    match number {
        0 => vec![narrow("10.96.1.0/30", "web"), eepg("all")],
        1 => vec![eepg("all")],
        2 => vec![narrow("10.96.1.4/30", "web")],
        _ => {
            let matches = Match { node: vec!["a".into()], ..Match::default() };
            vec![Eepg { matches, ..eepg("web") }, eepg("all")]
        }
    }
}

fn prefix(number: u8) -> String {
    format!("10.96.1.{number}/32")
}

/// What must hold, kept beside the world and without its help.
#[derive(Default)]
struct Witness {
    /// Since when no rule takes a prefix, or nobody announces it.
    gone: BTreeMap<IpNet, Timestamp>,
    /// What nodes had when they fell silent, and when: also those that no process knows of any more.
    lost: BTreeMap<(&'static str, IpNet), Timestamp>,
    started: Timestamp,
    backup: Option<Tree>,
}

impl Witness {
    /// Keeps what is known from outside.
    fn watch(&mut self, world: &World) {
        for number in 0..8 {
            let prefix = net(&prefix(number));
            if is_supported(world, prefix) {
                self.gone.remove(&prefix);
            } else {
                self.gone.entry(prefix).or_insert(world.now);
            }
        }
        for (name, node) in &world.nodes {
            if node.up {
                self.lost.retain(|(other, _), _| other != name);
            }
            for (prefix, since) in &node.silent {
                self.lost.entry((name, *prefix)).or_insert(*since);
            }
        }
    }

    /// Every member that goes and comes nowhere else was withdrawn by all, long enough ago, and was ours.
    fn look(&self, world: &mut World, before: &Tree) {
        assert_eq!(world.doubles, Vec::<String>::new(), "in two EEPGs by our hand");
        for (dn, what) in std::mem::take(&mut world.done) {
            let Some(prefix) = crate::eepg::dn::member_prefix(&dn) else { continue };
            match what {
                What::Deleted => self.may_delete(world, before, &dn, prefix),
                What::Created | What::Modified => {}
            }
        }
    }

    fn may_delete(&self, world: &World, before: &Tree, dn: &str, prefix: IpNet) {
        let tag = before.value(&format!("{dn}/annotationKey-[thirdleaf-owner]"), "value");
        if before.has(dn) {
            let annotation = before.value(dn, "annotation");
            assert!(annotation.is_some_and(|value| value == "orchestrator:thirdleaf"), "{dn} was not ours");
            assert!(
                tag.as_deref().is_some_and(|value| value.starts_with("1;prod-sync;")),
                "{dn} was not ours"
            );
        }
        if PLACES.iter().any(|place| world.has(&format!("{place}/extsubnet-[{prefix}]"))) {
            return;
        }
        let (safety, now) = (&world.config.safety, world.now);
        assert!(self.started.after(safety.startup_grace) <= now, "{dn} went within the grace of the start");
        let gone = self.gone.get(&prefix);
        assert!(
            gone.is_some_and(|gone| gone.after(safety.delete_after) <= now),
            "{dn} went too soon: {gone:?}"
        );
        let nodes = tag.as_deref().and_then(|tag| tag.split(';').nth(3)).unwrap_or_default();
        for node in nodes.split(',') {
            let lost = self.lost.iter().find(|((name, other), _)| *name == node && *other == prefix);
            let silent = lost.is_some_and(|(_, since)| since.after(safety.hold_down) > now);
            assert!(!silent, "{dn} went though {node} is silent about it");
        }
    }
}

fn wishes(world: &World, prefix: IpNet) -> Vec<crate::eepg::Wish> {
    let up =
        NODES.iter().filter(|name| world.nodes[**name].up && world.nodes[**name].routes.contains(&prefix));
    let offers = up.map(|name| offer(Class::ServiceHost, name, number(name))).collect();
    let wishes = world.engine.rules().decide(&destination(&prefix.to_string(), offers));
    wishes.into_iter().map(|(_, wish)| wish).collect()
}

fn is_supported(world: &World, prefix: IpNet) -> bool {
    wishes(world, prefix).iter().any(|wish| *wish != crate::eepg::Wish::Nothing)
}

fn step(world: &mut World, witness: &mut Witness, event: &Event) {
    let before = world.tree.clone();
    match event {
        Event::Announce(node, number) if world.nodes[NODES[*node]].up => {
            world.announce(NODES[*node], &prefix(*number));
        }
        Event::Withdraw(node, number) if world.nodes[NODES[*node]].up => {
            world.withdraw(NODES[*node], &prefix(*number));
        }
        Event::Lose(node) => world.lose(NODES[*node]),
        Event::Return(node) if !world.nodes[NODES[*node]].up => {
            let some: Vec<String> =
                world.nodes[NODES[*node]].routes.iter().step_by(2).map(ToString::to_string).collect();
            world.come_back(NODES[*node], &some.iter().map(String::as_str).collect::<Vec<_>>());
        }
        Event::Forget(node) if !world.nodes[NODES[*node]].up => {
            witness.lost.retain(|(name, _), _| *name != NODES[*node]);
            world.forget(NODES[*node]);
        }
        Event::Pass(seconds) => world.run_for(Duration::from_secs(*seconds)),
        Event::Reload(number) => world.reload(rules(*number), vec![]),
        Event::Restart(with_state) => {
            let instance = if *with_state { world.instance } else { world.instance + 1 };
            witness.started = world.now;
            if !with_state {
                world.nodes.values_mut().for_each(|node| node.down_since = None);
            }
            world.restart(instance);
        }
        Event::Weather(weather) => world.weather = *weather,
        Event::Foreign(place, number) => {
            let dn = format!("{}/extsubnet-[{}]", PLACES[*place], prefix(*number));
            if !world.has(&dn) {
                world.foreign(PLACES[*place], &prefix(*number));
            }
        }
        Event::Remove(place, number) => {
            let dn = format!("{}/extsubnet-[{}]", PLACES[*place], prefix(*number));
            world.tree.delete(&dn, world.now).unwrap();
        }
        Event::Unmark(place, number) => {
            let dn =
                format!("{}/extsubnet-[{}]/annotationKey-[thirdleaf-owner]", PLACES[*place], prefix(*number));
            world.tree.delete(&dn, world.now).unwrap();
        }
        Event::Meddle(place, number) => {
            let dn = format!("{}/extsubnet-[{}]", PLACES[*place], prefix(*number));
            if world.has(&dn) {
                world.meddle(&dn, &Mo::new("l3extSubnet").with("descr", "meddled"));
            }
        }
        Event::Backup => witness.backup = Some(world.tree.clone()),
        Event::Restore => {
            if let Some(backup) = witness.backup.clone() {
                world.tree.restore(backup);
            }
        }
        Event::Compare => world.engine.compare_now(world.now),
        _ => {}
    }
    witness.look(world, &before);
    witness.watch(world);
}

/// Once faults stop and everybody is back, what routes want is there, and nothing of ours that they do not want.
fn converges(world: &mut World) {
    world.weather = Weather::Fair;
    world.engine.pause(None, world.now);
    for node in NODES {
        if !world.nodes[node].up {
            world.come_back(node, &[]);
        }
    }
    // Who restored a backup sees marks in it of a process that nobody knew of, and says that it is all right.
    world.sleep(10 * MINUTE);
    world.engine.pause(None, world.now);
    // Longer than any brake.
    world.sleep(3 * HOUR);
    for number in 0..8 {
        let prefix = net(&prefix(number));
        let wishes = wishes(world, prefix);
        for place in PLACES {
            let dn = format!("{place}/extsubnet-[{prefix}]");
            let why = || format!("{dn}: {}", world.engine.why("prod", prefix, world.now));
            let rival = PLACES.iter().any(|other| {
                let dn = format!("{other}/extsubnet-[{prefix}]");
                *other != place && world.has(&dn) && !world.is_ours(&dn)
            });
            match &wishes[..] {
                [crate::eepg::Wish::Member(claim)] if claim.container.to_string() == place => {
                    assert!(rival || world.has(&dn), "wanted and not there: {}", why());
                }
                [crate::eepg::Wish::Nothing] => assert!(!world.is_ours(&dn), "wanted by nobody: {}", why()),
                [crate::eepg::Wish::Member(_)] => {
                    assert!(rival || !world.is_ours(&dn), "wanted elsewhere: {}", why());
                }
                _ => {}
            }
        }
    }
    world.forget_requests();
    world.sleep(HOUR);
    assert_eq!(world.posts, [], "it is settled");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn nothing_goes_that_must_stay_and_all_settles(events in proptest::collection::vec(event(), 1..60)) {
        let safety = Safety { startup_grace: 5 * SECOND, delete_after: 20 * SECOND, hold_down: HOUR, ..enforcing() };
        let mut world = World::starting(rules(0), vec![], safety);
        let mut witness = Witness { started: world.now, ..Witness::default() };
        world.run_for(2 * SECOND);
        for event in &events {
            step(&mut world, &mut witness, event);
        }
        converges(&mut world);
    }
}
