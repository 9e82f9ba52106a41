//! Flaps: a host route is withdrawn, and announced again a tenth of a second later.

use std::cell::Cell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use serde_json::json;
use tokio::time::MissedTickBehavior;

use super::{Shared, say};
use crate::wire::{self, Prefix};
use crate::workload::Random;

/// How long a route is away.
const AWAY: Duration = Duration::from_millis(100);

/// How finely flaps are spread.
const TICK: Duration = Duration::from_millis(1);

/// Flaps in one go at most: who is behind still listens.
const BURST: usize = 200;

/// Flaps `rate` routes a second, each message in a write of its own.
pub(super) async fn churn(shared: Rc<Shared>, rate: usize, length: Duration) {
    let routes = routes(&shared);
    let attributes: Vec<Bytes> =
        shared.sessions.borrow().iter().map(|session| session.node.attributes()).collect();
    let octets = Cell::new(0);
    let push = |index: usize, out: &mut BytesMut| {
        octets.set(octets.get() + out.len());
        let session = Rc::clone(&shared.sessions.borrow()[index]);
        session.push(out.split().freeze());
    };
    let mut last = Duration::ZERO;
    let (start, mut flaps, mut away) = (Instant::now(), 0, VecDeque::new());
    let mut out = BytesMut::new();
    let goal = usize::try_from(length.as_millis()).unwrap_or(usize::MAX) * rate / 1_000;
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let now = Instant::now();
        let passed = usize::try_from(now.duration_since(start).as_millis()).unwrap_or(usize::MAX);
        let due = (passed * rate / 1_000).min(goal).min(flaps + BURST);
        for turn in flaps..due {
            let (index, prefix) = routes[turn % routes.len()];
            wire::withdraw(prefix, &mut out);
            push(index, &mut out);
            away.push_back((now + AWAY, index, prefix));
        }
        if due > flaps {
            (flaps, last) = (due, now.duration_since(start));
        }
        while let Some((at, index, prefix)) = away.front().copied()
            && at <= now
        {
            wire::announce(&attributes[index], &[prefix], &mut out);
            push(index, &mut out);
            away.pop_front();
        }
        if away.is_empty() && flaps == goal {
            break;
        }
    }
    let (seconds, unsent) = (last.as_secs_f64(), shared.unsent.get());
    say(
        &json!({"re": "churned", "flaps": flaps, "seconds": seconds, "octets": octets.get(), "unsent": unsent}),
    );
}

/// All that may flap, with the number of its session, in shuffled order.
fn routes(shared: &Shared) -> Vec<(usize, Prefix)> {
    let sessions = shared.sessions.borrow();
    let mut routes: Vec<(usize, Prefix)> = sessions
        .iter()
        .enumerate()
        .flat_map(|(index, session)| session.announced.hosts.iter().map(move |prefix| (index, *prefix)))
        .collect();
    Random(0x2545_f491_4f6c_dd1d).shuffle(&mut routes);
    routes
}
