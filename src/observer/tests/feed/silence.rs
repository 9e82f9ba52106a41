//! Silence is not withdrawal.

use super::*;

const SILENT: [&str; 2] = ["10.244.1.7/32, silent: leaf1 since 10", "10.244.1.8/32, silent: leaf1 since 10"];
const NONE: [&str; 0] = [];

/// A world whose node was lost with its routes ten seconds after the start.
fn lost() -> (World, Reader, Session) {
    let (mut world, mut reader) = (kept(), Reader::default());
    let node = world.node_with_hosts();
    world.pass_to(10);
    reader.read(&mut world);
    world.close(&node, Loss::Final);
    (world, reader, node)
}

#[test]
fn who_is_lost_is_silent_before_its_routes_are_swept_and_after() {
    let (mut world, mut reader, _) = lost();
    assert_eq!(told(&mut world), SILENT);
    world.settle();
    assert_eq!(reader.now(&mut world), SILENT);
    assert_eq!(world.snapshot().rib.paths, [0, 0]);
    world.pass(MINUTE * 60);
    assert_eq!(told(&mut world), SILENT);
}

#[test]
fn restart_timers_that_run_out_leave_silence_since_the_loss() {
    let (mut world, mut reader) = (kept(), Reader::default());
    let node = world.node_with_hosts();
    world.pass_to(10);
    world.close(&node, Loss::Graceful);
    world.pass(SECOND * 125);
    assert_eq!(reader.now(&mut world), SILENT);
}

#[test]
fn who_comes_back_without_what_it_forwarded_is_silent_since_the_loss() {
    let (mut world, mut reader) = (kept(), Reader::default());
    let node = world.node_with_hosts();
    world.pass_to(10);
    world.close(&node, Loss::Graceful);
    world.pass(SECOND * 5);
    world.up("leaf1", NODE, NODE_AS, "192.168.1.77");
    world.settle();
    assert_eq!(reader.now(&mut world), SILENT);
    let silent = &reader.0[&("default".into(), net(HOST))].silent[0];
    assert_eq!(&*silent.witness, NODE, "as it was called then");
}

#[test]
fn what_it_announces_again_it_is_not_silent_of() {
    for swept in [false, true] {
        let (mut world, _, _) = lost();
        if swept {
            world.settle();
        }
        let node = world.node();
        world.announce(&node, &[HOST]);
        let expected = ["10.244.1.7/32 leaf1", SILENT[1]];
        assert_eq!(told(&mut world), expected);
        world.settle();
        assert_eq!(told(&mut world), expected);
    }
}

#[test]
fn what_it_withdraws_it_is_not_silent_of() {
    for swept in [false, true] {
        let (mut world, mut reader, _) = lost();
        if swept {
            world.settle();
            reader.read(&mut world);
        }
        let node = world.node();
        world.withdraw(&node, &[HOST]);
        world.settle();
        assert_eq!(reader.now(&mut world), [SILENT[1]]);
    }
}

#[test]
fn what_it_announces_unacceptably_it_is_not_silent_of() {
    for swept in [false, true] {
        let (mut world, mut reader, _) = lost();
        if swept {
            world.settle();
            reader.read(&mut world);
        }
        let node = world.node();
        world.announce_as(&node, &Builder::new(&[NODE_AS, 64_999], ip(NODE)), &[HOST]);
        world.settle();
        assert_eq!(reader.now(&mut world), [SILENT[1]]);
    }
}

#[test]
fn end_of_rib_ends_it() {
    for swept in [false, true] {
        let (mut world, mut reader, _) = lost();
        if swept {
            world.settle();
            assert_eq!(reader.now(&mut world), SILENT);
        }
        let node = world.node();
        world.end_of_rib(&node);
        if !swept {
            assert_eq!(told(&mut world), NONE);
        }
        world.settle();
        assert_eq!(reader.now(&mut world), NONE, "also if it was swept later");
        world.close(&node, Loss::Final);
        world.settle();
        assert_eq!(told(&mut world), NONE, "and it does not begin again");
    }
}

#[test]
fn the_time_for_it_ends_it() {
    let (mut world, mut reader, _) = lost();
    let node = world.node();
    world.pass(Duration::from_secs(359));
    assert_eq!(reader.now(&mut world), SILENT);
    world.pass(SECOND * 2);
    assert_eq!(reader.now(&mut world), NONE);
    // Also of who is lost at that very moment.
    let (mut world, mut reader, _) = lost();
    let again = world.node();
    world.now = world.now.after(MINUTE * 6);
    world.close(&again, Loss::Final);
    world.settle();
    assert_eq!(reader.now(&mut world), NONE);
    drop(node);
}

#[test]
fn a_second_loss_does_not_make_it_younger() {
    for loss in [Loss::Final, Loss::Graceful] {
        let (mut world, mut reader, _) = lost();
        world.pass(SECOND * 10);
        let node = world.node();
        world.announce(&node, &HOSTS[1..]);
        world.pass(SECOND * 10);
        world.close(&node, loss);
        world.pass(SECOND * 200);
        assert_eq!(reader.now(&mut world), [SILENT[0], "10.244.1.8/32, silent: leaf1 since 30"]);
    }
}

#[test]
fn stale_routes_of_who_is_lost_again_before_end_of_rib_are_silent_since_the_first_loss() {
    for loss in [Loss::Final, Loss::Graceful] {
        let mut world = kept();
        let node = world.node_with_hosts();
        world.pass_to(10);
        world.close(&node, Loss::Graceful);
        world.pass(SECOND * 10);
        let node = world.node();
        world.announce(&node, &HOSTS[1..]);
        world.pass(SECOND * 10);
        world.close(&node, loss);
        let last = if loss == Loss::Final { ", silent: leaf1 since 30" } else { " leaf1 stale" };
        let expected = [SILENT[0].to_owned(), format!("10.244.1.8/32{last}")];
        assert_eq!(told(&mut world), expected);
        world.settle();
        assert_eq!(told(&mut world), expected);
    }
}

#[test]
fn what_is_swept_after_end_of_rib_is_withdrawn_whatever_comes_then() {
    for loss in [Loss::Final, Loss::Graceful] {
        let mut world = kept();
        let node = world.node_with_hosts();
        world.close(&node, Loss::Graceful);
        let node = world.node();
        world.announce(&node, &[HOST]);
        world.end_of_rib(&node);
        // The sweep has not begun yet.
        world.close(&node, loss);
        world.pass(SECOND * 200);
        assert_eq!(told(&mut world), ["10.244.1.7/32, silent: leaf1 since 0"]);
    }
}

#[test]
fn what_is_swept_on_a_live_session_is_withdrawn() {
    let (mut world, mut reader) = (kept(), Reader::default());
    let node = world.node_with_hosts();
    world.close(&node, Loss::Graceful);
    world.node();
    world.pass(MINUTE * 6 + SECOND);
    assert_eq!(reader.now(&mut world), NONE, "it had the time to announce them");

    let (mut world, mut reader) = (kept(), Reader::default());
    let node = world.node_with_hosts();
    let mut batch = Batch::default();
    batch.push_begin_refresh(Family::Ipv4);
    batch.push_end_refresh(Family::Ipv4);
    world.batch(&node, batch);
    world.settle();
    assert_eq!(reader.now(&mut world), NONE, "it sent everything again");
}

#[test]
fn who_is_forgotten_is_not_waited_for() {
    for swept in [false, true] {
        let (mut world, mut reader, node) = lost();
        if swept {
            world.settle();
            assert_eq!(reader.now(&mut world), SILENT);
        }
        world.forget(&node);
        world.settle();
        assert_eq!(reader.now(&mut world), NONE);
    }
    let (mut world, mut reader, _) = lost();
    world.pass(Duration::from_hours(7 * 24) + MINUTE);
    assert_eq!(reader.now(&mut world), NONE, "after `forget_after`");
    let (mut world, mut reader, _) = lost();
    let elsewhere = |entry: &mut Neighbors| entry.range = net("192.168.7.0/24");
    let mut gone = with_rule(Match::default());
    gone.neighbors.iter_mut().filter(|entry| entry.range.addr().is_ipv4()).for_each(elsewhere);
    world.take_over(gone);
    assert_eq!(reader.now(&mut world), NONE, "its range is removed");
}

#[test]
fn who_says_goodbye_is_forgotten_unless_it_is_pinned() {
    for pinned in [false, true] {
        let mut config = with_rule(Match::default());
        if pinned {
            config.nodes = vec![pin("worker1", &[NODE])];
        }
        let (mut world, mut reader) = (kept_by(config), Reader::default());
        let node = world.node_with_hosts();
        world.pass_to(10);
        reader.read(&mut world);
        world.close(&node, Loss::Deconfigured);
        world.settle();
        let expected = if pinned { &SILENT[..] } else { &NONE };
        assert_eq!(reader.now(&mut world), expected);
    }
}

#[test]
fn a_place_that_is_used_again_is_not_silent_of_what_the_former_peer_was() {
    let (mut world, mut reader, node) = lost();
    world.settle();
    world.forget(&node);
    world.up("leaf1", "192.168.1.3", NODE_AS, "192.168.1.3");
    world.settle();
    assert_eq!(reader.now(&mut world), NONE);
}

#[test]
fn a_family_that_did_not_come_back_stays_silent() {
    let (mut world, mut reader) = (kept(), Reader::default());
    let both = Negotiated { families: Families::ALL, ..terms(NODE_AS, NODE) };
    let node = world.up_with("leaf1", NODE, both);
    world.announce(&node, &[HOST]);
    world.announce_as(&node, &Builder::new(&[NODE_AS], ip("fd00:1::2")), &["fd00:244::7/128"]);
    world.settle();
    world.close(&node, Loss::Final);
    let node = world.node();
    let mut batch = Batch::default();
    for family in Family::ALL {
        batch.push_end_of_rib(family);
    }
    world.batch(&node, batch);
    world.pass(MINUTE * 10);
    assert_eq!(reader.now(&mut world), ["fd00:244::7/128, silent: leaf1 since 0"]);
}

#[test]
fn a_policy_that_would_reject_what_is_silent_does_not_end_it() {
    let (mut world, mut reader, _) = lost();
    world.settle();
    let mut narrow = with_rule(Match::default());
    narrow.policy.allow[0] = allow(AllowClass::Pod, "10.245.0.0/16", &[32]);
    world.take_over(narrow);
    assert_eq!(reader.now(&mut world), SILENT);
    world.take_over(with_rule(Match { class: vec![Class::ServiceHost], ..Match::default() }));
    assert_eq!(told(&mut world), SILENT);
}

#[test]
fn a_new_name_does_not_change_whom_members_wait_for() {
    let (mut world, mut reader, _) = lost();
    world.settle();
    reader.read(&mut world);
    world.take_over(Config { nodes: vec![pin("worker1", &[NODE])], ..with_rule(Match::default()) });
    reader.0.clear();
    world.core.offer_all();
    assert_eq!(reader.now(&mut world), SILENT);
    assert_eq!(&*reader.0[&("default".into(), net(HOST))].silent[0].witness, NODE);
}

#[test]
fn a_peer_that_goes_to_another_vrf_leaves_nothing_behind() {
    let moved = || {
        let mut config = with_rule(Match::default());
        config.neighbors.iter_mut().for_each(|entry| entry.vrf = "other".into());
        config
    };
    let in_vrfs = |reader: &Reader| -> Vec<_> {
        let there = reader.0.iter().filter(|(_, told)| line(told).is_some());
        there.map(|((vrf, prefix), _)| format!("{vrf} {prefix}")).collect()
    };
    let (mut world, mut reader, _) = lost();
    world.settle();
    reader.read(&mut world);
    world.take_over(moved());
    reader.read(&mut world);
    assert!(in_vrfs(&reader).is_empty(), "it was silent");
    let (mut world, mut reader) = (kept(), Reader::default());
    world.node_with_hosts();
    reader.read(&mut world);
    world.take_over(moved());
    reader.read(&mut world);
    assert_eq!(in_vrfs(&reader), ["other 10.244.1.7/32", "other 10.244.1.8/32"]);
}

#[test]
fn of_several_paths_one_speaks_for_the_prefix() {
    let (mut world, mut reader) = (kept(), Reader::default());
    let paths = || Negotiated { add_path: Families::only(Family::Ipv4), ..terms(NODE_AS, NODE) };
    let own = Builder::new(&[NODE_AS], ip(NODE));
    let node = world.up_with("leaf1", NODE, paths());
    world.announce_paths(&node, &own, &[(1, net(HOST)), (2, net(HOST))]);
    world.close(&node, Loss::Final);
    let node = world.up_with("leaf1", NODE, paths());
    world.announce_paths(&node, &own, &[(2, net(HOST))]);
    // The other path is swept only now.
    world.settle();
    assert_eq!(reader.now(&mut world), ["10.244.1.7/32 leaf1"]);
}

#[test]
fn of_more_than_is_remembered_the_peer_is_silent_of_everything() {
    let (mut world, mut reader) = (kept(), Reader::default());
    world.core.silent.most = 1;
    let other = world.up("leaf2", "192.168.1.9", 65_103, "192.168.1.9");
    world.announce(&other, &["10.244.2.1/32"]);
    let node = world.node_with_hosts();
    reader.read(&mut world);
    let before = world.core.roster(world.now).lost_track;
    world.close(&node, Loss::Final);
    world.settle();
    world.withdraw(&other, &["10.244.2.1/32"]);
    assert_eq!(
        reader.now(&mut world),
        [
            "10.244.1.7/32, silent: leaf1 since 0",
            "10.244.1.8/32, silent: leaf1 since 0",
            "10.244.2.1/32, silent: leaf1 since 0"
        ]
    );
    let node = world.node();
    world.announce(&node, &[HOST]);
    world.end_of_rib(&node);
    world.settle();
    assert_ne!(world.core.roster(world.now).lost_track, before, "all must be asked for anew");
    reader.0.clear();
    assert_eq!(reader.now(&mut world), ["10.244.1.7/32 leaf1"]);
}

#[test]
fn a_hundred_thousand_silent_prefixes_take_less_than_ten_megabytes() {
    let mut world = kept();
    let mut config = with_rule(Match::default());
    config.policy.allow[0] = allow(AllowClass::Pod, "10.0.0.0/8", &[32]);
    config.neighbors.iter_mut().for_each(|entry| entry.limits.prefixes = 200_000);
    world.take_over(config);
    let node = world.node();
    let hosts: Vec<_> =
        (0..100_000_u32).map(|n| (0, IpNet::from(IpAddr::from((10_u32 << 24 | n).to_be_bytes())))).collect();
    hosts.chunks(700).for_each(|some| world.announce_paths(&node, &Builder::new(&[NODE_AS], ip(NODE)), some));
    world.close(&node, Loss::Final);
    world.settle();
    assert_eq!(world.core.silent.paths.counters(Family::Ipv4).paths, 100_000);
    assert!(world.core.silent.paths.bytes() < 10_000_000, "{}", world.core.silent.paths.bytes());
}

#[test]
fn what_was_not_swept_before_a_second_loss_is_silent_since_the_first() {
    for told_all in [false, true] {
        let (mut world, ..) = lost();
        let node = world.node();
        world.announce(&node, &HOSTS[1..]);
        if told_all {
            world.end_of_rib(&node);
        }
        world.now = world.now.after(SECOND * 10);
        world.close(&node, Loss::Graceful);
        let rest = "10.244.1.8/32 leaf1 stale";
        let expected = if told_all { vec![rest] } else { vec![SILENT[0], rest] };
        assert_eq!(told(&mut world), expected);
    }
}

#[test]
fn what_it_is_no_longer_silent_of_counts_for_nothing_before_it_is_told() {
    let (mut world, mut reader, _) = lost();
    world.settle();
    reader.read(&mut world);
    let node = world.node();
    world.end_of_rib(&node);
    let other = world.up("leaf2", NODE, NODE_AS, NODE);
    world.announce(&other, &[HOST]);
    let told = world.core.offers(1);
    assert_eq!((told[0].prefix, told[0].silent.len()), (net(HOST), 0));
}

#[test]
fn who_is_lost_under_several_names_is_silent_under_each() {
    let (mut world, mut reader, _) = lost();
    world.settle();
    let node = world.up("leaf1", NODE, NODE_AS, "192.168.1.77");
    world.announce(&node, &HOSTS[1..]);
    world.settle();
    world.close(&node, Loss::Final);
    world.settle();
    reader.read(&mut world);
    let names = |reader: &Reader| {
        let silent = &reader.0[&("default".into(), net(HOSTS[1]))].silent;
        silent.iter().map(|silent| silent.witness.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(names(&reader), [NODE, "192.168.1.77"]);
    // Once it has spoken of everything, only its present name counts.
    let node = world.up("leaf1", NODE, NODE_AS, "192.168.1.77");
    world.announce(&node, &HOSTS);
    world.end_of_rib(&node);
    reader.read(&mut world);
    world.close(&node, Loss::Final);
    world.settle();
    reader.read(&mut world);
    assert_eq!(names(&reader), ["192.168.1.77"]);
}
