//! A tap: what each session said and heard, as it was on the wire, for somebody who keeps it.
//!
//! Only sessions that the observer is told of are heard, in the order in which it is told: of each peer, one
//! begins when the end of the one before was passed on. KEEPALIVEs say nothing, and are left out.

use std::net::IpAddr;
use std::sync::Arc;
use std::{fmt, mem};

use super::{PeerId, SessionId};
use crate::bgp::header::HEADER;
use crate::bgp::{MessageType, Negotiated};
use crate::time::Timestamp;

/// Where a header has the length of the message, and its type behind it.
const LENGTH: usize = 16;

/// Who listens.
pub trait Tap: fmt::Debug + Send + Sync {
    /// Takes what was heard. Never waits: sessions do not.
    fn hear(&self, heard: Heard);
}

/// A session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ends {
    /// Which.
    pub session: SessionId,
    /// The far end.
    pub peer: PeerId,
    /// Our end's address.
    pub local: IpAddr,
    /// The terms.
    pub negotiated: Arc<Negotiated>,
}

/// A piece of what was said in a session, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    /// In which.
    pub ends: Arc<Ends>,
    /// What happened.
    pub steps: Vec<Step>,
    /// The messages of all steps.
    pub octets: Vec<u8>,
}

/// A step of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// What happened.
    pub what: What,
    /// When.
    pub at: Timestamp,
    /// How many of the octets are its messages.
    pub octets: usize,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// The peer said these messages.
    Received,
    /// We said these messages.
    Sent,
    /// The session reached Established.
    Established,
    /// It ended.
    Closed,
}

impl Heard {
    /// All that happened, each with its messages, whole.
    pub fn steps(&self) -> impl Iterator<Item = (What, Timestamp, Messages<'_>)> {
        let mut rest = &self.octets[..];
        self.steps.iter().map(move |step| {
            let (messages, after) = rest.split_at_checked(step.octets).unwrap_or((rest, &[]));
            rest = after;
            (step.what, step.at, Messages(messages))
        })
    }

    /// How many messages there are.
    pub fn messages(&self) -> u64 {
        Messages(&self.octets).map(|_| 1).sum()
    }

    /// Whether the session ended with it.
    pub fn is_end(&self) -> bool {
        self.steps.last().is_some_and(|step| step.what == What::Closed)
    }
}

/// Walks whole messages, header and all.
#[derive(Clone, Debug)]
pub struct Messages<'a>(&'a [u8]);

impl<'a> Iterator for Messages<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let (_, length) = self.0.get(..HEADER)?.split_at_checked(LENGTH)?;
        let length = usize::from(u16::from_be_bytes(*length.first_chunk()?)).max(HEADER);
        let (message, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(message)
    }
}

/// The type of a whole message, if it is one of ours.
pub fn kind(message: &[u8]) -> Option<MessageType> {
    MessageType::from_code(*message.get(LENGTH.saturating_add(2))?)
}

/// What one connection has said and heard, until it is passed on; nothing, if nobody listens.
#[derive(Debug)]
pub(super) struct Tape(Option<Box<Noted>>);

#[derive(Debug)]
struct Noted {
    tap: Arc<dyn Tap>,
    /// The session, once there is one.
    ends: Option<Arc<Ends>>,
    steps: Vec<Step>,
    octets: Vec<u8>,
    /// Of what is outgoing, how many octets were noted.
    outgoing: usize,
}

impl Tape {
    pub(super) fn new(tap: Option<Arc<dyn Tap>>) -> Self {
        let noted = |tap| Noted { tap, ends: None, steps: Vec::new(), octets: Vec::new(), outgoing: 0 };
        Self(tap.map(noted).map(Box::new))
    }

    /// The peer said these messages.
    pub(super) fn received(&mut self, messages: &[u8], at: Timestamp) {
        if let Some(noted) = &mut self.0 {
            noted.note(What::Received, messages, at);
        }
    }

    /// This is what is to be sent, as far as it is not sent yet.
    pub(super) fn outgoing(&mut self, messages: &[u8], at: Timestamp) {
        if let Some(noted) = &mut self.0 {
            noted.note(What::Sent, messages.get(noted.outgoing..).unwrap_or_default(), at);
            noted.outgoing = messages.len();
        }
    }

    /// So many octets of what was to be sent were.
    pub(super) fn sent(&mut self, count: usize) {
        if let Some(noted) = &mut self.0 {
            noted.outgoing = noted.outgoing.saturating_sub(count);
        }
    }

    pub(super) fn established(&mut self, ends: impl FnOnce() -> Ends, at: Timestamp) {
        if let Some(noted) = &mut self.0 {
            noted.ends = Some(Arc::new(ends()));
            noted.steps.push(Step { what: What::Established, at, octets: 0 });
        }
    }

    pub(super) fn closed(&mut self, at: Timestamp) {
        if let Some(noted) = &mut self.0 {
            noted.steps.push(Step { what: What::Closed, at, octets: 0 });
        }
    }

    /// Passes on what was noted: the session is one that the observer was told of.
    pub(super) fn pass_on(&mut self) {
        if let Some(noted) = &mut self.0
            && let Some(ends) = noted.ends.as_ref().filter(|_| !noted.steps.is_empty())
        {
            let (steps, octets) = (mem::take(&mut noted.steps), mem::take(&mut noted.octets));
            noted.tap.hear(Heard { ends: Arc::clone(ends), steps, octets });
        }
    }
}

impl Noted {
    fn note(&mut self, what: What, messages: &[u8], at: Timestamp) {
        let before = self.octets.len();
        for message in Messages(messages).filter(|message| kind(message) != Some(MessageType::Keepalive)) {
            self.octets.extend_from_slice(message);
        }
        let octets = self.octets.len().saturating_sub(before);
        if octets > 0 {
            self.steps.push(Step { what, at, octets });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::mrt::terms;

    #[derive(Debug, Default)]
    struct Ear(Mutex<Vec<Heard>>);

    impl Tap for Ear {
        fn hear(&self, heard: Heard) {
            self.0.lock().unwrap().push(heard);
        }
    }

    fn message(code: u8, body: &[u8]) -> Vec<u8> {
        let mut octets = vec![0xff; 16];
        octets.extend(u16::try_from(HEADER + body.len()).unwrap().to_be_bytes());
        octets.push(code);
        octets.extend(body);
        octets
    }

    fn ends() -> Ends {
        let peer = PeerId { leaf: "rack1".into(), address: [192, 0, 2, 1].into() };
        let negotiated = Arc::new(terms(true, false));
        Ends { session: SessionId(1), peer, local: [192, 0, 2, 4].into(), negotiated }
    }

    #[test]
    fn what_was_said_is_told_once_there_is_a_session_and_without_keepalives() {
        let ear = Arc::new(Ear::default());
        let mut tape = Tape::new(Some(Arc::clone(&ear) as _));
        let [at, later] = [1, 2].map(Timestamp::from_micros);
        let (open, keepalive, update) = (message(1, b"open"), message(4, b""), message(2, b"update"));
        tape.outgoing(&open, at);
        // Half of it is sent, and another message is behind what is left.
        tape.sent(10);
        tape.outgoing(&[&open[10..], &keepalive].concat(), at);
        tape.sent(open.len() - 10 + keepalive.len());
        tape.received(&[&open[..], &keepalive].concat(), later);
        tape.pass_on();
        assert!(ear.0.lock().unwrap().is_empty(), "it is no session yet");
        tape.established(ends, later);
        tape.outgoing(&update, later);
        tape.pass_on();
        tape.received(&keepalive, later);
        tape.pass_on();
        tape.closed(later);
        tape.pass_on();
        let heard = ear.0.lock().unwrap();
        assert_eq!(heard.len(), 2, "a KEEPALIVE is nothing to tell");
        let told: Vec<_> =
            heard[0].steps().map(|(what, at, said)| (what, at, said.collect::<Vec<_>>())).collect();
        assert_eq!(
            told,
            [
                (What::Sent, at, vec![&open[..]]),
                (What::Received, later, vec![&open[..]]),
                (What::Established, later, vec![]),
                (What::Sent, later, vec![&update[..]]),
            ]
        );
        assert_eq!((heard[0].messages(), heard[0].is_end(), heard[1].is_end()), (3, false, true));
    }
}
