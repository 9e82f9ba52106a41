//! One session, and a twin of it that gets the same octets in other cuts.

use thirdleaf::bgp::session::{Heard, State};
use thirdleaf::bgp::{MessageType, Negotiated};
use thirdleaf::time::Timestamp;

use super::super::input::Input;
use super::super::{recipe, terms};
use super::watched::{FAMILIES, Watched, same, stops};
use super::{START, offer, passed};

const PEER: u32 = 65102;

/// Both get the same events at the same times.
struct Twins {
    one: Watched,
    other: Watched,
    /// Octets that are on their way to both.
    stream: Vec<u8>,
    /// What each has not taken yet.
    left: [Vec<u8>; 2],
    now: Timestamp,
    /// Whether OPENs are admitted at once, as the speaker does.
    admit: bool,
}

pub fn check(mut input: Input<'_>) {
    let offer = offer(&mut input, 65101, PEER);
    let mut twins = Twins {
        one: Watched::new(offer.clone(), START),
        other: Watched::new(offer, START),
        stream: Vec::new(),
        left: [Vec::new(), Vec::new()],
        now: START,
        admit: input.below(4) != 3,
    };
    if input.below(4) != 3 {
        twins.establish(&mut input);
    }
    while !input.is_empty() {
        twins.step(&mut input);
        assert!(
            same(&twins.one.session, &twins.other.session),
            "{:?}\n{:?}",
            twins.one.session,
            twins.other.session
        );
    }
    twins.one.speaks_bgp(twins.now);
    twins.other.speaks_bgp(twins.now);
}

impl Twins {
    /// The usual beginning, so that most of a run is in Established.
    fn establish(&mut self, input: &mut Input<'_>) {
        self.stream.extend(recipe::message(1, &recipe::open(input, PEER)));
        self.stream.extend(recipe::message(4, &[]));
        self.deliver(self.stream.len(), 7);
    }

    fn step(&mut self, input: &mut Input<'_>) {
        let now = self.now;
        match input.below(24) {
            0 => self.stream.extend(recipe::message(4, &[])),
            1..=4 => {
                let terms = self.terms(input);
                self.stream.extend(recipe::message(2, &recipe::update(input, &terms)));
            }
            5 => self.stream.extend(recipe::message(1, &recipe::open(input, PEER))),
            6 => {
                let body = [0, 1 + input.below(3), input.below(4), 1];
                self.stream.extend(recipe::message(5, &body[..if input.below(16) == 15 { 3 } else { 4 }]));
            }
            7 => {
                let data = [input.below(9), input.below(12), input.below(4), b'b', b'y', b'e'];
                self.stream.extend(recipe::message(3, &data));
            }
            8 => {
                let length = input.below(32);
                self.stream.extend(input.take(length.into()));
            }
            9 => {
                let kind = input.below(7);
                let length = input.below(32);
                self.stream.extend(recipe::message(kind, input.take(length.into())));
            }
            10 => {
                let place = usize::from(input.u8());
                let octet = input.u8();
                if let Some(place) = self.stream.get_mut(place) {
                    *place = octet;
                }
            }
            11..=14 => {
                let cut = usize::from(input.u8());
                self.deliver(self.stream.len(), cut);
            }
            15 => {
                let (count, cut) = (usize::from(input.u8()), usize::from(input.u8()));
                self.deliver(count, cut);
            }
            16 | 17 => {
                self.now = self.now.after(passed(input));
                let now = self.now;
                self.both(|watched| watched.timeout(now));
            }
            18 => {
                if let Some(next) = self.one.session.next_timeout() {
                    self.now = self.now.max(next);
                    let now = self.now;
                    self.both(|watched| watched.timeout(now));
                }
            }
            19 => {
                let count = usize::from(input.u16());
                self.both(|watched| drop(watched.sent(count, now)));
            }
            20 => {
                let families = input.one_of(&FAMILIES);
                self.both(|watched| watched.refresh(families, now));
            }
            21 if input.bool() => self.both(|watched| watched.suspend(now)),
            21 => self.both(|watched| watched.resume(now)),
            22 => self.both(|watched| watched.admit(now)),
            _ => match input.below(16) {
                choice @ 0..=10 => self.both(|watched| watched.stop(stops(choice), now)),
                11 => self.both(|watched| watched.lost(now)),
                _ => {}
            },
        }
    }

    /// What the peer would write: as agreed, mostly.
    fn terms(&self, input: &mut Input<'_>) -> Negotiated {
        let bits = input.u8();
        match self.one.session.state() {
            State::Established(negotiated) if bits < 224 => Negotiated::clone(negotiated),
            _ => terms::chosen(bits),
        }
    }

    fn both(&mut self, mut event: impl FnMut(&mut Watched)) {
        event(&mut self.one);
        event(&mut self.other);
    }

    /// The next `count` octets: to the one as a whole, to the other in runs of `cut`.
    fn deliver(&mut self, count: usize, cut: usize) {
        let rest = self.stream.split_off(count.min(self.stream.len()));
        let octets = std::mem::replace(&mut self.stream, rest);
        let [left, other_left] = &mut self.left;
        let (mut one, mut other) = (Learned::default(), Learned::default());
        for run in octets.chunks(usize::MAX) {
            one.read(&mut self.one, left, run, self.admit, self.now);
        }
        for run in octets.chunks(cut + 1) {
            other.read(&mut self.other, other_left, run, self.admit, self.now);
        }
        assert_eq!(one, other, "whole, and in runs of {}", cut + 1);
        assert_eq!(left, other_left, "the same is left");
    }
}

/// What octets taught, in whatever cuts they came.
#[derive(Debug, Default, PartialEq)]
struct Learned {
    messages: [u32; MessageType::ALL.len()],
    octets: usize,
    discarded: u32,
    withdrawn: u32,
    items: Vec<String>,
}

impl Learned {
    /// Does what the speaker does with what it read.
    fn read(
        &mut self,
        watched: &mut Watched,
        left: &mut Vec<u8>,
        octets: &[u8],
        admit: bool,
        now: Timestamp,
    ) {
        left.extend(octets);
        loop {
            let established = watched.is_established();
            let mut heard = Heard::default();
            let count = watched.receive(left, &mut heard, now);
            left.drain(..count);
            self.add(&heard);
            if admit && matches!(watched.session.state(), State::Opened(_)) {
                watched.admit(now);
            } else if established || !watched.is_established() {
                break;
            }
        }
        if watched.is_over() {
            left.clear();
        }
    }

    fn add(&mut self, heard: &Heard) {
        for (sum, more) in self.messages.iter_mut().zip(heard.messages) {
            *sum += more;
        }
        self.octets += heard.octets;
        self.discarded += heard.discarded;
        self.withdrawn += heard.withdrawn;
        self.items.extend(heard.batch.items().map(|item| format!("{item:?}")));
    }
}
