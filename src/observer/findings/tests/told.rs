//! How often somebody is told.

use super::*;

fn down(number: u32) -> Key {
    let address = Ipv4Addr::from(0x0a00_0000 + number);
    Key::peer_down(scope(), PeerId { leaf: "rack1".into(), address: address.into() })
}

impl World {
    /// Says of all that came or changed that it is explained by `cause`.
    fn absorb(&mut self, cause: &Key) {
        let by = self.findings.present(cause).unwrap().0;
        for number in self.findings.take_unexplained() {
            if number != by && self.findings.subject(number).is_some() {
                self.findings.mute(number, Some(Muted::Absorbed(by)), self.now);
            }
        }
    }
}

#[test]
fn what_waited_for_room_is_explained_before_it_opens() {
    let mut world = World::new();
    let cause = Key::observer_isolated();
    world.raise(&cause);
    let many = u32::try_from(MAX_OF_KIND).unwrap() + 100;
    (0..many).for_each(|number| world.raise(&down(number)));
    world.absorb(&cause);
    let told: Vec<_> = world.changes(600).into_iter().filter(|change| *change == Change::Open).collect();
    assert_eq!(told.len(), 1);
    // Some come back: others are seen, and are older than it takes to open.
    (0..50).for_each(|number| world.clear(&down(number)));
    world.absorb(&cause);
    assert!(!world.changes(600).contains(&Change::Open));
}

#[test]
fn an_acknowledged_cause_that_is_explained_stays_acknowledged_over_a_restart() {
    let mut before = World::new();
    before.raise(&block(1));
    before.pass(1);
    assert!(before.findings.acknowledge(&before.only().id, "known".to_owned()));
    assert_eq!(before.changes(600), []);
    let mut after = World { now: before.now, ..World::new() };
    after.findings.restore(before.findings.saved(), after.now.after(Duration::from_mins(7)));
    after.raise(&block(1));
    assert!(!after.changes(600).contains(&Change::Open), "{:?}", after.current());
}

#[test]
fn what_is_explained_takes_no_room_from_what_is_not() {
    let mut world = World::new();
    let cause = Key::observer_isolated();
    world.raise(&cause);
    let many = u32::try_from(MAX_OF_KIND).unwrap() + 100;
    (0..many).for_each(|number| world.raise(&down(number)));
    world.absorb(&cause);
    world.pass(600);
    let other = Scope { cluster: "green".into(), ..scope() };
    world.raise(&Key::peer_down(other, peer(1)));
    assert!(world.changes(600).contains(&Change::Open));
}
