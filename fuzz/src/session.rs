//! The session machine under arbitrary events and times.
//!
//! [`alone`]: what a shell could do to one connection, in any order. [`pair`]: two of them on one wire.

mod alone;
mod pair;
mod watched;

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use thirdleaf::bgp::session::Offer;
use thirdleaf::bgp::{Families, Family};
use thirdleaf::config::model::AsRange;
use thirdleaf::time::Timestamp;

use super::input::Input;

/// One octet: both ends, or one; then choices.
pub fn check(data: &[u8]) {
    let mut input = Input::new(data);
    if input.bool() { pair::check(input) } else { alone::check(input) }
}

const START: Timestamp = Timestamp::from_micros(1_763_760_000_000_000);

fn offer(input: &mut Input<'_>, local_as: u32, peer_as: u32) -> Arc<Offer> {
    Arc::new(Offer {
        local_as,
        identifier: Ipv4Addr::from(local_as),
        hold_time: Duration::from_secs(input.one_of(&[3, 90, 0, 9])),
        families: input.one_of(&[Families::ALL, Families::only(Family::Ipv4), Families::only(Family::Ipv6)]),
        add_path: input.bool(),
        peer_as: vec![AsRange { first: peer_as, last: peer_as }],
    })
}

/// From no time to a few minutes, mostly short.
fn passed(input: &mut Input<'_>) -> Duration {
    let millis = [0, 1, 10, 100, 900, 1000, 1100, 3000, 10_000, 30_000, 100_000, 500_000];
    Duration::from_millis(input.one_of(&millis))
}
