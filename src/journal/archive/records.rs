//! What was heard, as records.

use crate::bgp::attribute::{Set, code};
use crate::bgp::header::HEADER;
use crate::bgp::{Families, Family, MessageType, Negotiated};
use crate::mrt::Peering;
use crate::mrt::write::{Said, put_message, put_state_change};
use crate::speaker::tap::{Ends, Heard, What, kind};
use crate::time::Timestamp;

/// States as RFC 4271 numbers them.
const IDLE: u16 = 1;
const OPEN_CONFIRM: u16 = 5;
const ESTABLISHED: u16 = 6;

/// Appends all that was heard.
pub(super) fn put(heard: &Heard, out: &mut Vec<u8>) {
    let (peering, terms) = (peering(&heard.ends), &heard.ends.negotiated);
    for (what, at, messages) in heard.steps() {
        match what {
            What::Established => put_state_change(at, &peering, [OPEN_CONFIRM, ESTABLISHED], out),
            What::Closed => put_state_change(at, &peering, [ESTABLISHED, IDLE], out),
            What::Received | What::Sent => {
                let sent = what == What::Sent;
                for message in messages {
                    // What we send has no path identifiers.
                    let add_path = !sent && has_path_ids(message, terms);
                    let said = Said { sent, four_octet_as: terms.four_octet_as, add_path };
                    put_message(at, &peering, said, message, out);
                }
            }
        }
    }
}

/// Appends that the session is up, as far as the files are concerned.
pub(super) fn put_up(ends: &Ends, at: Timestamp, out: &mut Vec<u8>) {
    put_state_change(at, &peering(ends), [IDLE, ESTABLISHED], out);
}

/// Appends that it is not.
pub(super) fn put_down(ends: &Ends, at: Timestamp, out: &mut Vec<u8>) {
    put_state_change(at, &peering(ends), [ESTABLISHED, IDLE], out);
}

fn peering(ends: &Ends) -> Peering {
    let Negotiated { peer_as, local_as, .. } = *ends.negotiated;
    Peering { peer_as, local_as, peer: ends.peer.address, local: ends.local }
}

/// Whether a message is one whose prefixes have path identifiers. A record says so of all its prefixes, while it was
/// agreed on for each family: a message of both families, of which one has them, is told by its first.
fn has_path_ids(message: &[u8], terms: &Negotiated) -> bool {
    if terms.add_path.is_empty() || kind(message) != Some(MessageType::Update) {
        return false;
    }
    let without = terms.families.difference(terms.add_path);
    without == Families::NONE || family(message).is_some_and(|family| terms.add_path.contains(family))
}

/// The family of the first prefixes of an UPDATE.
fn family(message: &[u8]) -> Option<Family> {
    let (withdrawn, rest) = counted(message.get(HEADER..)?)?;
    let (attributes, announced) = counted(rest)?;
    if !withdrawn.is_empty() || !announced.is_empty() {
        return Some(Family::Ipv4);
    }
    let carries = |code| matches!(code, code::MP_REACH | code::MP_UNREACH);
    let attribute = Set::from_canonical(attributes).iter().find(|attribute| carries(attribute.code))?;
    let (afi, rest) = attribute.value.split_first_chunk()?;
    Family::from_wire(u16::from_be_bytes(*afi), *rest.first()?)
}

fn counted(octets: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = octets.split_first_chunk()?;
    rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))
}
