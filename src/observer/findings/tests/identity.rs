//! What tells findings apart: alerts are known by it alone.

use std::collections::BTreeMap;

use super::*;

fn second(second: u64) -> Timestamp {
    Timestamp::default().after(Duration::from_secs(second))
}

/// Keys that are alike in all but one thing.
fn keys() -> Vec<Key> {
    let other = Scope { vrf: "other".into(), ..scope() };
    let prefix = net("10.244.1.0/26");
    let mut keys = every_key();
    keys.extend([
        Key::rogue_route(scope(), Reason::Martian, net("::/0")),
        Key::rogue_route(scope(), Reason::DefaultRoute, net("0.0.0.0/0")),
        Key::rogue_route(other.clone(), Reason::DefaultRoute, net("::/0")),
        Key::rogue_peer(scope(), peer(1)),
        Key::rogue_peer(scope(), peer(2)),
        Key::duplicate(other.clone(), Class::PodBlock, prefix).unwrap(),
        Key::missing(scope(), peer(1), Expected::ServiceCidr(prefix)),
        Key::missing(scope(), peer(2), Expected::ServiceCidr(prefix)),
        Key::leaf_disagreement(scope(), "node-2".into()),
        Key::peer_down(scope(), peer(2)),
        Key::rack_down(scope(), "rack2".into()),
        Key::prefix_limit_near(scope(), peer(1)),
        Key::mesh_left_on(other),
        Key::peer_refused(scope(), "rack1".into(), "md5".into()),
        Key::peer_refused(scope(), "".into(), "md5".into()),
        Key::duplicate_as(scope(), 65103),
        Key::duplicate_router_id(scope(), Ipv4Addr::new(192, 168, 1, 2)),
        Key::fabric_capacity(scope(), Capacity::LpmExceeded),
        Key::fabric_capacity(scope(), Capacity::Ecmp),
        object(Kind::EepgConflict, None),
        object(Kind::EepgConflict, Some("10.244.1.8/32")),
        Key::burst(Kind::PeerDown, scope(), second(1)),
        Key::burst(Kind::PeerDown, scope(), second(2)),
    ]);
    keys
}

#[test]
fn no_two_of_a_kind_have_the_same() {
    let mut seen = BTreeMap::new();
    for key in keys() {
        let before = seen.insert((key.kind(), key.identity()), key.clone());
        assert_eq!(before, None, "{key:?}");
    }
}

#[test]
fn it_stays_when_more_becomes_known() {
    let mut world = World::new();
    world.rogue(1, rogue(1));
    world.pass(0);
    let first = world.only();
    world.rogue(2, rogue(1));
    world.pass(0);
    let second = world.only();
    assert_ne!((&first.peer, &first.evidence), (&second.peer, &second.evidence));
    assert_eq!(first.identity, second.identity);
    let shown = serde_json::to_value(&second).unwrap();
    let expected = serde_json::json!({
        "cluster": "blue", "prefix": "8.0.1.0/24", "reason": "not_allowed", "vrf": "default",
    });
    assert_eq!(shown["identity"], expected);
}
