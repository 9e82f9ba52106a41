//! Headers, OPENs, the state machine and its timers.

mod capability;
mod collision;
mod header;
mod loss;
mod machine;
mod notification;
mod open;
mod parameter;
mod timers;
mod transport;

use std::fmt;
use std::time::Duration;

use serde_json::Value;

use super::{Bench, Case, Client, NODE_AS, run};
use crate::peer::Peer;
use crate::run::{Place, eventually};
use crate::wire::{OPEN, Open, as_path, next_hop, nlri, origin, update};

/// Code, subcode and data of a NOTIFICATION.
type Told = (u8, u8, Vec<u8>);

/// How far a connection has come when a case begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    OpenSent,
    OpenConfirm,
    Established,
}

impl Stage {
    const ALL: [Self; 3] = [Self::OpenSent, Self::OpenConfirm, Self::Established];

    fn reach(self, client: &Client<'_>) -> Peer {
        self.reach_with(client, &client.usual_open())
    }

    fn reach_with(self, client: &Client<'_>, open: &Open) -> Peer {
        let mut peer = client.connect();
        match self {
            Self::OpenSent => {
                peer.expect(OPEN);
            }
            Self::OpenConfirm => {
                peer.open(&open.encode());
            }
            Self::Established => {
                peer.open(&open.encode());
                peer.confirm();
            }
        }
        peer
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

/// Puts a time into the table.
fn figure(client: &Client<'_>, what: &str, time: Duration) {
    client.note(format!("{what} {} ms", time.as_millis()));
}

/// The one block of a client.
fn block(client: &Client<'_>) -> String {
    format!("10.244.{}.0/26", client.address.octets()[3])
}

/// UPDATE of the client's block.
fn route(client: &Client<'_>) -> Vec<u8> {
    let attributes = [origin(0), as_path(&[NODE_AS.into()]), next_hop(client.address)].concat();
    update(&[], &attributes, &nlri(&block(client)))
}

/// Announces the client's block and waits until it is held.
fn announce(client: &Client<'_>, peer: &mut Peer) {
    peer.send(&route(client));
    holds(client, peer);
}

fn holds(client: &Client<'_>, peer: &mut Peer) {
    let expected = [format!("{} accepted", block(client))];
    peer.until("the route is held", || (client.table() == expected).then_some(()));
}

/// The API says that the session is up.
fn up(client: &Client<'_>, peer: &mut Peer) -> Value {
    let established = |peer: &Value| peer["state"] == "Established";
    peer.until("it is Established", || client.peer().filter(established))
}

/// The API says that a session that was up is down, has no routes, and why.
fn down(client: &Client<'_>, why: &str) {
    let peer =
        eventually("the session is down", || client.peer().filter(|peer| peer["state"] != "Established"));
    let error = peer["last_error"].as_str().unwrap();
    assert!(error.contains(why), "{why:?} expected: {error}");
    eventually("its routes are gone", || client.table().is_empty().then_some(()));
}

/// The program never held a session of this client.
fn unknown(client: &Client<'_>) {
    assert_eq!(client.peer(), None, "no session, so nobody to show");
}

/// In `stage`, each of these is answered with its NOTIFICATION, and the session is over.
fn refused(
    source: &'static str,
    what: impl fmt::Display,
    stage: Stage,
    messages: impl Fn(&Client<'_>) -> Vec<(Vec<u8>, Told)> + Send + Sync + 'static,
) -> Case {
    Case::new(source, format!("{what}, in {stage}"), move |client| {
        for (octets, told) in messages(client) {
            let mut peer = stage.reach(client);
            if stage == Stage::Established {
                announce(client, &mut peer);
            }
            peer.send(&octets);
            let head = &octets[..octets.len().min(40)];
            assert_eq!(peer.expect_notification(), told, "to {head:02x?}");
            if stage == Stage::Established {
                down(client, &format!("sent NOTIFICATION {}/{}", told.0, told.1));
            } else {
                unknown(client);
            }
        }
    })
}

/// In `stage`, each of these ends the connection without a NOTIFICATION.
fn closed(
    source: &'static str,
    what: impl fmt::Display,
    stage: Stage,
    messages: impl Fn(&Client<'_>) -> Vec<Vec<u8>> + Send + Sync + 'static,
) -> Case {
    Case::new(source, format!("{what}, in {stage}: closed in silence"), move |client| {
        for octets in messages(client) {
            let mut peer = stage.reach(client);
            if stage == Stage::Established {
                announce(client, &mut peer);
            }
            peer.send(&octets);
            peer.expect_silent_close();
            if stage == Stage::Established {
                eventually("its routes are gone", || client.table().is_empty().then_some(()));
            } else {
                unknown(client);
            }
        }
    })
}
