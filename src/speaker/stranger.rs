//! Somebody whom no range lets in: a port probe, or a node that somebody forgot?
//!
//! He is turned away at once. What he says all the same is read for a moment, if few others are listened to:
//! a speaker of BGP says its OPEN without being asked.

#![expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "the IO of one connection")]

use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::shared::Shared;
use super::{Event, PeerId, Refusal, Refused};
use crate::bgp::{MessageType, Open, frame};

/// How long he is listened to.
const PATIENCE: Duration = Duration::from_secs(1);
/// The longest OPEN (RFC 8654, 4).
const LONGEST: usize = 4096;

/// Turns him away, and tells of him if he says OPEN.
pub(super) fn turn_away(shared: &Arc<Shared>, peer: PeerId, stream: TcpStream) {
    if !shared.herald.admits(&peer, shared.clock.now()) {
        return;
    }
    let Ok(place) = Arc::clone(&shared.strangers).try_acquire_owned() else { return };
    let shared = Arc::clone(shared);
    tokio::spawn(async move {
        let _place = place;
        let Ok(Some(asn)) = timeout(PATIENCE, offered_as(stream)).await else { return };
        let ranges = shared.registry().table().ranges(&peer.leaf, peer.address.is_ipv6());
        shared.herald.tell(Event::Refused(Box::new(Refused {
            at: shared.clock.now(),
            why: Refusal::NotInRange,
            offered_as: Some(asn),
            expected: format!("an address in {ranges}"),
            detail: String::new(),
            peer,
        })));
    });
}

/// The AS of the OPEN that he says, if he does.
async fn offered_as(mut stream: TcpStream) -> Option<u32> {
    stream.shutdown().await.ok()?;
    let mut heard = Vec::new();
    while heard.len() < LONGEST {
        stream.readable().await.ok()?;
        let mut octets = [0; 512];
        match stream.try_read(&mut octets) {
            Ok(0) => return None,
            Ok(count) => heard.extend_from_slice(octets.get(..count)?),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => continue,
            Err(_) => return None,
        }
        if let Some(frame) = frame(&heard, false).ok()? {
            let said_open = frame.kind == MessageType::Open;
            return said_open.then(|| Open::parse(frame.body).ok()).flatten().map(|open| open.asn());
        }
    }
    None
}
