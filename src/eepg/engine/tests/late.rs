//! Answers and comparisons that take their time, while routes go on to change.

use super::*;
use crate::config::model::{Caps, Match};
use crate::eepg::samples::{eepg, pin};
use crate::lab::apic::Refuse;

const HOST: &str = "10.96.1.1/32";
const WEB: &str = "uni/tn-k8s/out-calico/instP-web";
const FOREIGN: &str = "uni/tn-k8s/out-other/instP-foreign";

fn member(eepg: &str, prefix: &str) -> String {
    format!("{eepg}/extsubnet-[{prefix}]")
}

fn hosts(count: u8) -> Vec<String> {
    (0..count).map(|last| format!("10.96.1.{last}/32")).collect()
}

/// `10.96.1.0/24` to an EEPG of another L3Out, all else to `web`.
fn two_l3outs() -> Vec<Eepg> {
    let matches = Match { prefix: vec![net("10.96.1.0/24")], ..Match::default() };
    vec![Eepg { matches, l3out: "other".into(), ..eepg("foreign") }, eepg("web")]
}

fn with_members(count: u8, rules: Vec<Eepg>, safety: Safety) -> World {
    let mut world = World::with(rules, vec![], safety);
    for host in hosts(count) {
        world.announce("a", &host);
    }
    world.run_for(10 * SECOND);
    assert_eq!(world.ours().len(), usize::from(count));
    world.forget_requests();
    world
}

impl World {
    /// All requests that may go now, unanswered; what is to be compared is.
    fn requests_under_way(&mut self) -> Vec<Batch> {
        let mut batches = Vec::new();
        for _ in 0..100 {
            match self.engine.next(self.now) {
                Next::Compare(scope) => self.compare(&scope),
                Next::Write => batches.extend(std::iter::from_fn(|| self.engine.batch(self.now))),
                Next::Wait(_) => return batches,
            }
        }
        panic!("there is something to write, and nothing is written");
    }

    /// Lets time pass; nothing is read, and requests are answered.
    fn write_for(&mut self, time: Duration) {
        let end = self.now.after(time);
        while self.now < end {
            self.now = self.now.after(SECOND / 4);
            match self.engine.next(self.now) {
                Next::Compare(scope) => self.engine.not_compared(&scope, "too slow".to_owned(), self.now),
                Next::Write => {
                    while let Some(batch) = self.engine.batch(self.now) {
                        self.post(&batch);
                    }
                }
                Next::Wait(_) => {}
            }
        }
    }

    fn deletes(batches: &[Batch]) -> usize {
        let changes = batches.iter().flat_map(|batch| &batch.changes);
        changes.filter(|change| change.operation == "delete").count()
    }
}

fn refusal() -> Refusal {
    let mut tree = Tree::new(Fabric::default(), Timestamp::from_micros(0));
    tree.post("uni", &Mo::new("fvTenant").with("name", "no spaces"), Timestamp::from_micros(0)).unwrap_err()
}

#[test]
fn who_waits_for_another_slot_does_not_ask_without_end() {
    let mut world = World::new(two_l3outs(), vec![]);
    world.announce("a", HOST);
    world.run_for(10 * SECOND);
    world.announce("a", "10.96.1.2/32");
    world.now = world.now.after(SECOND);
    let under_way = world.requests_under_way();
    assert_eq!(under_way.len(), 1);
    world.reload(vec![eepg("web")], vec![]);
    world.now = world.now.after(2 * SECOND);
    assert!(world.requests_under_way().is_empty(), "the L3Out that it leaves is busy");
    world.post(&under_way[0]);
    world.run_for(2 * SECOND);
    assert!(world.has(&member(WEB, HOST)) && !world.has(&member(FOREIGN, HOST)));
}

#[test]
fn what_was_withdrawn_long_ago_counts_no_more() {
    let mut world = with_members(60, vec![eepg("web")], enforcing());
    for host in &hosts(60)[..30] {
        world.withdraw("a", host);
        world.sleep(12 * MINUTE);
    }
    assert_eq!(world.ours().len(), 30);
    assert_eq!(world.found(Kind::HoldDown), []);
}

#[test]
fn a_hold_ends_when_somebody_else_deletes_what_it_holds() {
    let mut world = with_members(60, vec![eepg("web")], enforcing());
    for host in &hosts(60)[..30] {
        world.withdraw("a", host);
    }
    world.run_for(5 * SECOND);
    assert_eq!(world.found(Kind::HoldDown).len(), 1);
    for host in &hosts(60)[..30] {
        world.tree.delete(&member(WEB, host), world.now).unwrap();
    }
    world.sleep(6 * MINUTE);
    assert_eq!(world.found(Kind::HoldDown), []);
    world.withdraw("a", "10.96.1.59/32");
    world.sleep(12 * MINUTE);
    assert!(!world.has(&member(WEB, "10.96.1.59/32")));
}

#[test]
fn what_joins_a_hold_late_is_held_as_long() {
    let mut world = with_members(100, vec![eepg("web")], enforcing());
    for host in &hosts(100)[..30] {
        world.withdraw("a", host);
    }
    world.sleep(23 * HOUR + 30 * MINUTE);
    for host in &hosts(100)[30..70] {
        world.withdraw("a", host);
    }
    world.sleep(10 * HOUR);
    assert_eq!(world.ours().len(), 70);
    world.sleep(24 * HOUR);
    assert_eq!(world.ours().len(), 30);
}

#[test]
fn who_comes_back_from_silence_with_nothing_withdraws_all_at_once() {
    let mut world = World::new(vec![eepg("web")], vec![]);
    for (place, host) in hosts(45).iter().enumerate() {
        world.announce(["a", "b", "c"][place / 15], host);
    }
    world.run_for(10 * SECOND);
    for node in ["a", "b", "c"] {
        world.lose(node);
        world.run_for(MINUTE);
    }
    assert_eq!(world.holds(), [("peer_loss".to_owned(), 45)]);
    for node in ["a", "b", "c"] {
        world.come_back(node, &[]);
    }
    world.sleep(HOUR);
    assert_eq!(world.ours().len(), 45);
    assert_eq!(world.holds()[0].0, "mass_withdraw");
}

#[test]
fn what_was_withdrawn_while_it_was_being_written_counts_too() {
    let mut world = with_members(30, vec![eepg("web")], enforcing());
    for last in 0..40 {
        world.announce("b", &format!("10.96.2.{last}/32"));
    }
    world.now = world.now.after(SECOND);
    let under_way = world.requests_under_way();
    for last in 0..40 {
        world.withdraw("b", &format!("10.96.2.{last}/32"));
    }
    for batch in &under_way {
        world.post(batch);
    }
    world.sleep(HOUR);
    assert_eq!(world.ours().len(), 70);
    assert_eq!(world.holds()[0].0, "mass_withdraw");
}

#[test]
fn new_rules_write_nothing_before_they_were_asked() {
    let mut world = World::new(vec![eepg("web")], vec![]);
    world.tree.delete(WEB, world.now).unwrap();
    world.engine.compare_now(world.now);
    world.announce("a", HOST);
    world.run_for(5 * SECOND);
    assert_eq!(world.holds(), [("missing".to_owned(), 1)]);
    world.config.eepgs = vec![Eepg { create: true, ..eepg("all") }, eepg("web")];
    world.engine.reconfigure(&world.config, world.now);
    for _ in 0..5 {
        world.now = world.now.after(SECOND);
        world.work();
    }
    assert!(!world.has(WEB), "the first rule says create now, and means another");
    world.offer_all();
    world.run_for(5 * SECOND);
    assert!(!world.has(WEB) && world.has(&member("uni/tn-k8s/out-calico/instP-all", HOST)));
}

#[test]
fn what_old_rules_do_not_want_waits_for_the_new_ones() {
    let mut world = with_members(1, vec![eepg("web")], enforcing());
    world.reload(vec![], vec![]);
    world.run_for(9 * MINUTE + 58 * SECOND);
    world.config.eepgs = vec![eepg("web")];
    world.engine.reconfigure(&world.config, world.now);
    for _ in 0..10 {
        world.now = world.now.after(SECOND);
        world.work();
    }
    assert_eq!(world.ours().len(), 1);
    world.offer_all();
    world.sleep(HOUR);
    assert_eq!(world.ours().len(), 1);
}

#[test]
fn caps_hold_within_one_request_and_over_several() {
    let caps = Caps { eepgs: 2, ..Caps::default() };
    let rule = Eepg { create: true, caps, ..eepg("{node}") };
    let mut world = World::new(vec![rule.clone()], vec![]);
    world.config.nodes = ["a", "b", "c"].map(|name| pin(name, None, None)).to_vec();
    world.reload(vec![rule], vec![]);
    for (node, host) in ["a", "b", "c"].into_iter().zip(hosts(3)) {
        world.announce(node, &host);
    }
    world.run_for(10 * SECOND);
    assert_eq!(world.ours().len(), 2);
    let made = ["a", "b", "c"].map(|name| world.has(&format!("uni/tn-k8s/out-calico/instP-{name}")));
    assert_eq!(made, [true, true, false]);

    let caps = Caps { l3out_members: 3, ..Caps::default() };
    let narrow = Match { prefix: vec![net("10.96.1.0/24")], ..Match::default() };
    let rules = vec![Eepg { matches: narrow, caps, ..eepg("web") }, Eepg { caps, ..eepg("all") }];
    let mut world = World::new(rules, vec![]);
    for last in 0..3 {
        world.announce("a", &format!("10.96.1.{last}/32"));
        world.announce("a", &format!("10.96.2.{last}/32"));
    }
    world.run_for(10 * SECOND);
    assert_eq!(world.ours().len(), 3);
}

#[test]
fn deletes_under_way_count() {
    let safety = Safety { max_deletes_per_minute: 2, ..enforcing() };
    let mut world = World::with(two_l3outs(), vec![], safety);
    for last in 0..3 {
        world.announce("a", &format!("10.96.1.{last}/32"));
        world.announce("a", &format!("10.96.2.{last}/32"));
    }
    world.run_for(10 * SECOND);
    for last in 0..3 {
        world.withdraw("a", &format!("10.96.1.{last}/32"));
        world.withdraw("a", &format!("10.96.2.{last}/32"));
    }
    world.run_for(9 * MINUTE + 50 * SECOND);
    let mut under_way = Vec::new();
    for _ in 0..30 {
        world.now = world.now.after(SECOND);
        under_way.extend(world.requests_under_way());
    }
    assert_eq!(World::deletes(&under_way), 2);
}

#[test]
fn deletes_whose_answer_was_lost_count() {
    let safety = Safety { max_deletes_per_minute: 2, ..enforcing() };
    let mut world = with_members(9, vec![eepg("web")], safety);
    for host in hosts(9) {
        world.withdraw("a", &host);
    }
    world.run_for(9 * MINUTE + 50 * SECOND);
    for _ in 0..8 {
        // Posts are done and their answers lost, and it is compared right after.
        world.weather = Weather::Deaf;
        world.now = world.now.after(2 * SECOND);
        for batch in world.requests_in_bad_weather() {
            world.post(&batch);
        }
        world.weather = Weather::Fair;
        world.now = world.now.after(2 * SECOND);
        world.requests_under_way().iter().for_each(|batch| world.post(batch));
    }
    assert!(world.ours().len() >= 7, "{}", world.ours().len());
}

impl World {
    fn requests_in_bad_weather(&mut self) -> Vec<Batch> {
        let weather = std::mem::replace(&mut self.weather, Weather::Fair);
        let batches = self.requests_under_way();
        self.weather = weather;
        batches
    }
}

#[test]
fn an_old_plan_approves_nothing_that_it_did_not_show() {
    let mut world = with_members(2, vec![eepg("web")], enforcing());
    world.tree.refuse(Refuse { dn: ".*10.96.1.1/32.*".to_owned(), refusal: refusal(), times: None });
    world.announce("b", HOST);
    world.run_for(5 * SECOND);
    assert_eq!(world.holds(), [("refused".to_owned(), 1)]);
    let shown = world.plan().id;
    world.tree.refuse_nothing();
    world.withdraw("a", HOST);
    world.withdraw("b", HOST);
    let _ = world.engine.approve(&shown, world.now);
    world.run_for(MINUTE);
    assert!(world.has(&member(WEB, HOST)), "its withdrawal was not shown");

    // Nor does it lift what a pause hides.
    let mut world = with_members(1, vec![eepg("web")], enforcing());
    world.withdraw("a", "10.96.1.0/32");
    let until = world.now.after(HOUR);
    world.engine.pause(Some(view::Pause { until, reason: "work".to_owned() }), world.now);
    let shown = world.plan().id;
    let _ = world.engine.approve(&shown, world.now);
    world.engine.pause(None, world.now);
    world.run_for(MINUTE);
    assert_eq!(world.ours().len(), 1);
}

#[test]
fn what_is_approved_and_refused_is_not_tried_every_second() {
    let mut world = with_members(1, vec![eepg("web")], enforcing());
    world.withdraw("a", "10.96.1.0/32");
    let shown = world.plan().id;
    world.engine.approve(&shown, world.now).unwrap();
    world.tree.refuse(Refuse { dn: ".*10.96.1.0/32.*".to_owned(), refusal: refusal(), times: None });
    world.run_for(50 * SECOND);
    assert_eq!(world.posts.len(), 1);
}

#[test]
fn a_comparison_that_began_before_does_not_say_what_a_request_did() {
    let mut world = World::new(vec![eepg("web")], vec![]);
    world.announce("a", HOST);
    world.now = world.now.after(SECOND);
    let begun = world.now;
    let comparison = world.read_all(&crate::eepg::Scope::All);
    world.now = world.now.after(SECOND);
    world.weather = Weather::Deaf;
    let batch = world.engine.batch(world.now).unwrap();
    world.post(&batch);
    world.weather = Weather::Fair;
    world.engine.compared(comparison, begun, world.now);
    // Nothing is read, so nothing is known.
    world.forget_requests();
    world.write_for(30 * SECOND);
    assert_eq!(world.posts, []);
}

#[test]
fn what_may_stand_in_one_l3out_is_not_written_into_another() {
    let mut world = World::new(vec![eepg("web")], vec![]);
    world.weather = Weather::Deaf;
    world.announce("a", HOST);
    world.now = world.now.after(SECOND);
    let batch = world.engine.batch(world.now).unwrap();
    world.post(&batch);
    world.weather = Weather::Fair;
    world.reload(two_l3outs(), vec![]);
    world.write_for(30 * SECOND);
    assert!(world.has(&member(WEB, HOST)) && !world.has(&member(FOREIGN, HOST)));
    world.run_for(2 * MINUTE);
    assert!(!world.has(&member(WEB, HOST)) && world.has(&member(FOREIGN, HOST)));
}

#[test]
fn members_of_an_l3out_that_goes_to_another_vrf_stay() {
    let mut world = with_members(3, vec![eepg("web")], enforcing());
    world.meddle("uni/tn-k8s", &Mo::new("fvTenant").holding(Mo::new("fvCtx").with("name", "test")));
    let to = Mo::new("l3extRsEctx").with("tnFvCtxName", "test");
    world.meddle("uni/tn-k8s/out-calico", &Mo::new("l3extOut").holding(to));
    world.sleep(2 * HOUR);
    assert_eq!(world.ours().len(), 3);
}

#[test]
fn a_comparison_that_takes_long_lets_deletes_through() {
    let mut world = with_members(1, vec![eepg("web")], enforcing());
    world.withdraw("a", "10.96.1.0/32");
    for _ in 0..60 {
        match world.engine.next(world.now) {
            Next::Compare(scope) => {
                let (begun, comparison) = (world.now, world.read_all(&scope));
                world.now = world.now.after(45 * SECOND);
                world.engine.compared(comparison, begun, world.now);
            }
            Next::Write => {
                while let Some(batch) = world.engine.batch(world.now) {
                    world.post(&batch);
                }
            }
            Next::Wait(_) => world.now = world.now.after(30 * SECOND),
        }
    }
    assert_eq!(world.ours().len(), 0);
}

#[test]
fn an_eepg_whose_mending_was_approved_is_not_deleted_early() {
    let mut world = World::new(vec![Eepg { create: true, ..eepg("made") }], vec![]);
    world.announce("a", HOST);
    world.run_for(10 * SECOND);
    world.withdraw("a", HOST);
    world.sleep(13 * MINUTE);
    let shown = world.plan();
    assert_eq!(shown.held.len(), 1, "{shown:?}");
    world.announce("a", HOST);
    world.engine.approve(&shown.id, world.now).ok();
    world.run_for(10 * SECOND);
    world.withdraw("a", HOST);
    world.sleep(2 * HOUR);
    assert!(world.has("uni/tn-k8s/out-calico/instP-made"));
}

#[test]
fn an_eepg_that_may_not_be_deleted_keeps_no_other() {
    let rule = Eepg { create: true, ..eepg("{node}") };
    let mut world = World::new(vec![rule.clone()], vec![]);
    world.config.nodes = ["a", "b", "c"].map(|name| pin(name, None, None)).to_vec();
    world.reload(vec![rule], vec![]);
    for (node, host) in ["a", "b", "c"].into_iter().zip(hosts(3)) {
        world.announce(node, &host);
    }
    world.run_for(10 * SECOND);
    world.tree.refuse(Refuse { dn: ".*instP-a$".to_owned(), refusal: refusal(), times: None });
    for (node, host) in ["a", "b", "c"].into_iter().zip(hosts(3)) {
        world.withdraw(node, &host);
    }
    world.sleep(28 * HOUR);
    let there = ["a", "b", "c"].map(|name| world.has(&format!("uni/tn-k8s/out-calico/instP-{name}")));
    assert_eq!(there, [true, false, false]);
}
