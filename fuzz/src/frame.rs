//! Framing: any cut of the stream gives the same messages and the same error; what is read and can be
//! written again is read as the same.

use bytes::BytesMut;
use thirdleaf::bgp::header::{HEADER, MAX};
use thirdleaf::bgp::refresh::Subtype;
use thirdleaf::bgp::{Error, Message, MessageType, Negotiated, Outgoing, frame};

use super::input::Input;
use super::terms;

/// One octet of terms, one that says where to cut, then the stream.
pub fn check(data: &[u8]) {
    let mut input = Input::new(data);
    let terms = terms::chosen(input.u8());
    let step = usize::from(input.u8());
    let stream = input.rest();

    let whole = messages(stream, &[stream.len()], terms.extended_message);
    let octets: Vec<_> = (0..=stream.len()).collect();
    let cuts: Vec<_> = (0..stream.len()).step_by(step + 1).chain([stream.len()]).collect();
    assert_eq!(whole, messages(stream, &octets, terms.extended_message), "octet by octet");
    assert_eq!(whole, messages(stream, &cuts, terms.extended_message), "in runs of {}", step + 1);
    for (kind, octets) in &whole.0 {
        again(*kind, octets, &terms);
    }
}

/// The messages of a stream of which more and more comes, up to each of `cuts`; and the error that ends it.
fn messages(stream: &[u8], cuts: &[usize], extended: bool) -> (Vec<(MessageType, Vec<u8>)>, Option<Error>) {
    let mut found = Vec::new();
    let mut start = 0;
    for end in cuts {
        loop {
            match frame(&stream[start..*end], extended) {
                Ok(Some(frame)) => {
                    assert_eq!(frame.octets[HEADER..], *frame.body);
                    assert!(frame.octets.len() <= if extended { 65535 } else { MAX });
                    found.push((frame.kind, frame.octets.to_vec()));
                    start += frame.octets.len();
                }
                Ok(None) => break,
                Err(error) => {
                    let notification = error.notification();
                    assert_eq!(notification.code, 1);
                    let octets = match notification.subcode {
                        2 => 2,
                        3 => 1,
                        _ => 0,
                    };
                    assert_eq!(notification.data.len(), octets, "{error}");
                    return (found, Some(error));
                }
            }
        }
    }
    (found, None)
}

/// Reads a message, writes it again where that is ours to write, and reads that.
fn again(kind: MessageType, octets: &[u8], terms: &Negotiated) {
    let found = frame(octets, true).unwrap().unwrap();
    assert_eq!((found.kind, found.octets), (kind, octets));
    let Ok(message) = Message::parse(&found, terms) else { return };
    let outgoing = match &message {
        Message::Keepalive => Outgoing::Keepalive,
        Message::Notification(notification) => Outgoing::Notification(notification.clone()),
        Message::Update(update) => match update.end_of_rib() {
            Some(family) => Outgoing::EndOfRib(family),
            None => return,
        },
        Message::RouteRefresh(refresh) => match (refresh.family(), refresh.subtype) {
            (Some(family), Subtype::Request) => Outgoing::RouteRefresh(family),
            _ => return,
        },
        // OPENs have a target of their own.
        Message::Open(_) => return,
    };
    let mut out = BytesMut::new();
    outgoing.encode(&mut out);
    let written = frame(&out, false).unwrap().unwrap();
    assert_eq!(written.octets.len(), out.len());
    let read = Message::parse(&written, terms).unwrap();
    match (message, read) {
        (Message::Notification(first), Message::Notification(second)) => {
            assert_eq!((first.code, first.subcode), (second.code, second.subcode));
            assert!(first.data.starts_with(&second.data));
        }
        (Message::Update(first), Message::Update(second)) => {
            assert_eq!(first.end_of_rib(), second.end_of_rib());
        }
        (Message::RouteRefresh(first), Message::RouteRefresh(second)) => assert_eq!(first, second),
        (first, second) => assert!(matches!((first, second), (Message::Keepalive, Message::Keepalive))),
    }
}
