//! What happened, in words: those of the stream.

use std::borrow::Cow;
use std::time::Duration;

use rusqlite::ErrorCode;

use crate::eepg::view::Change;
use crate::observer::RouteChange;
use crate::observer::view::{Event, Route};
use crate::policy::Reason;
use crate::speaker::PeerId;
use crate::sync::Wrote;
use crate::time::Timestamp;

/// How much of an AS path, and of communities, a line has: a node chooses how long they are, and for how many routes.
const LONGEST: usize = 200;

/// A route came, or is judged otherwise.
pub(super) fn judged(change: &RouteChange, route: &Route) -> Event {
    let (kind, what) = match route.reasons.first() {
        None => ("route_accepted", format!("is accepted as {}", route.class)),
        Some(Reason::Transit) => ("route_noted", "is transit by design".to_owned()),
        Some(reason) => ("route_rejected", format!("is rejected: {reason}")),
    };
    about(change, kind, &what)
}

/// A route is announced otherwise, and judged as before.
pub(super) fn changed(change: &RouteChange, route: &Route) -> Event {
    let mut what = vec![format!("changed: AS path {}", short(&route.as_path))];
    what.extend(route.next_hop.map(|next_hop| format!("next hop {next_hop}")));
    if !route.communities.is_empty() {
        what.push(format!("communities {}", short(&route.communities.join(" "))));
    }
    about(change, "route_changed", &what.join(", "))
}

/// The row of the route has all of it.
fn short(long: &str) -> Cow<'_, str> {
    match long.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}...", long.get(..end).unwrap_or_default()).into(),
        None => long.into(),
    }
}

/// A route is gone.
pub(super) fn withdrawn(change: &RouteChange, node: Option<&str>) -> Event {
    let mut event = about(change, "route_withdrawn", "is gone");
    event.node = node.map(str::to_owned);
    event.text = text(change, node, "is gone");
    event
}

/// A route changed more than once, and is as it was.
pub(super) fn flapped(change: &RouteChange) -> Event {
    about(change, "route_flapped", "changed, and is as it was")
}

fn about(change: &RouteChange, kind: &str, what: &str) -> Event {
    let route = change.route.as_ref();
    let node = route.and_then(|route| route.node.as_deref());
    Event {
        at: change.at,
        kind: kind.to_owned(),
        cluster: route.map(|route| route.cluster.to_string()),
        vrf: route.map(|route| route.vrf.to_string()),
        node: node.map(str::to_owned),
        prefix: Some(change.prefix),
        text: text(change, node, what),
        ..of_peer(&change.peer)
    }
}

fn text(change: &RouteChange, node: Option<&str>, what: &str) -> String {
    let times = if change.times > 1 { format!(" ({} changes)", change.times) } else { String::new() };
    format!("{} of {} ({}) {what}{times}", change.prefix, node.unwrap_or("?"), change.peer)
}

fn of_peer(peer: &PeerId) -> Event {
    Event { leaf: Some(peer.leaf.to_string()), peer: Some(peer.address), ..Event::default() }
}

/// The routes of a peer went with it.
pub(super) fn gone(peer: &PeerId, count: usize, at: Timestamp) -> Event {
    let text = format!("{count} routes of {peer} are gone: it is known no more");
    Event { at, kind: "routes_gone".to_owned(), text, ..of_peer(peer) }
}

/// Routes of a peer were there when we last listened, and are not now.
pub(super) fn not_heard_again(
    leaf: &str,
    address: &str,
    count: usize,
    lapse: Timestamp,
    now: Timestamp,
) -> Event {
    Event {
        at: now,
        kind: "routes_gone".to_owned(),
        leaf: Some(leaf.to_owned()),
        peer: address.parse().ok(),
        text: format!(
            "{count} routes of {address} on {leaf} were last known at {lapse} and are not announced now"
        ),
        ..Event::default()
    }
}

/// For some time nothing was written.
pub(super) fn gap(since: Timestamp, lost: u64, why: &str, now: Timestamp) -> Event {
    let lost = if lost > 0 { format!(", {lost} events are missing") } else { String::new() };
    let text = format!(
        "nothing was written since {since}: {why}{lost}; routes are made good from what is there now"
    );
    Event { at: now, kind: "journal_gap".to_owned(), text, ..Event::default() }
}

/// What was written to an APIC, change by change.
pub(super) fn wrote(wrote: &Wrote) -> Vec<Event> {
    let kind = if wrote.refused.is_none() { "eepg_write" } else { "eepg_write_refused" };
    let event = |change: &Change| {
        let what =
            change.prefix.map_or_else(|| change.dn.clone(), |prefix| format!("{prefix} in {}", change.eepg));
        let refused = wrote.refused.as_ref().map(|why| format!(", refused: {why}")).unwrap_or_default();
        Event {
            at: wrote.at,
            kind: kind.to_owned(),
            peer: change.because.peer,
            node: change.because.node.clone(),
            prefix: change.prefix,
            text: format!("{} {what} ({}): {}{refused}", change.operation, wrote.apic, change.reason),
            ..Event::default()
        }
    };
    wrote.changes.iter().map(event).collect()
}

/// What `SQLite` says, and what it means for who has to mend it.
pub(super) fn trouble(error: &rusqlite::Error) -> String {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => {
            "there is no room: the disk is full, or journal.max_bytes is too small for the routes that there are".to_owned()
        }
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            format!("the file is damaged ({error}): move it away, and a new one is begun at the next start")
        }
        _ => error.to_string(),
    }
}

/// A disk that does not answer.
pub(super) fn slow(waited: Duration) -> String {
    format!("the disk has not answered for {} s", waited.as_secs())
}
