//! Two sessions that talk to each other, over a wire that is faithful or is not.

use thirdleaf::bgp::session::{Ending, Heard, State, Stop};
use thirdleaf::bgp::{Cease, Families, Negotiated};
use thirdleaf::time::Timestamp;

use super::super::input::Input;
use super::watched::{FAMILIES, Watched, stops};
use super::{START, offer, passed};

struct Pair {
    ends: [Watched; 2],
    /// Octets on their way to each.
    wires: [Vec<u8>; 2],
    /// Octets that arrived at each and are no whole message yet.
    left: [Vec<u8>; 2],
    now: Timestamp,
}

pub fn check(mut input: Input<'_>) {
    let offers = [offer(&mut input, 65101, 65102), offer(&mut input, 65102, 65101)];
    let shared = offers[0].families.intersection(offers[1].families);
    let mut pair = Pair {
        ends: offers.map(|offer| Watched::new(offer, START)),
        wires: [Vec::new(), Vec::new()],
        left: [Vec::new(), Vec::new()],
        now: START,
    };
    if input.bool() {
        while !input.is_empty() {
            pair.suffer(&mut input);
        }
    } else {
        pair.get_on(&mut input, shared);
    }
    let now = pair.now;
    pair.ends.into_iter().for_each(|end| end.speaks_bgp(now));
}

impl Pair {
    /// Over a faithful wire, both come up, agree, stay up, and part in peace.
    fn get_on(&mut self, input: &mut Input<'_>, shared: Families) {
        self.settle();
        if shared.is_empty() {
            return assert!(self.ends.iter().all(Watched::is_over), "no family in common");
        }
        let [Some(one), Some(other)] = [self.terms(0), self.terms(1)] else {
            panic!("not Established: {:?} and {:?}", self.ends[0].session, self.ends[1].session)
        };
        assert_eq!((one.families, other.families), (shared, shared));
        assert_eq!((one.hold_time, one.keepalive_time), (other.hold_time, other.keepalive_time));
        assert_eq!((one.peer_as, one.local_as), (other.local_as, other.peer_as));
        assert!(one.add_path.is_empty() && other.add_path.is_empty(), "nobody offers to send");
        for _ in 0..64 {
            let families = input.one_of(&FAMILIES);
            let next = self.ends.iter().filter_map(|end| end.session.next_timeout()).min();
            let later = self.now.after(passed(input));
            self.now = next.map_or(later, |next| later.min(next));
            for end in &mut self.ends {
                end.timeout(self.now);
            }
            if input.bool() {
                self.ends[0].refresh(families, self.now);
            }
            self.settle();
            assert!(self.ends.iter().all(Watched::is_established), "lost in peace");
        }
        let stop = stops(input.below(11));
        self.ends[0].stop(stop.clone(), self.now);
        self.settle();
        if let Stop::Cease(cease, _) = stop {
            self.was_told(cease);
        }
    }

    fn was_told(&self, cease: Cease) {
        match self.ends[1].session.state() {
            State::Ended { ending, .. } => match &**ending {
                Ending::Notified(notification) => assert_eq!(notification.as_cease(), Some(cease)),
                ending => panic!("{ending}"),
            },
            state => panic!("{state:?}"),
        }
    }

    fn terms(&self, end: usize) -> Option<Negotiated> {
        match self.ends[end].session.state() {
            State::Established(negotiated) => Some(Negotiated::clone(negotiated)),
            _ => None,
        }
    }

    /// Carries everything over until nothing is said any more.
    fn settle(&mut self) {
        while self.ends.iter().any(|end| !end.session.outgoing().is_empty()) {
            for end in 0..2 {
                self.take(end, usize::MAX);
                self.bring(end, usize::MAX);
            }
        }
    }

    /// One step over a wire that loses, changes, repeats and breaks.
    fn suffer(&mut self, input: &mut Input<'_>) {
        let end = usize::from(input.below(2));
        let now = self.now;
        match input.below(16) {
            0..=3 => self.take(end, usize::from(input.u8())),
            4..=7 => self.bring(1 - end, usize::from(input.u8())),
            8 => self.settle(),
            9 | 10 => {
                self.now = now.after(passed(input));
                for end in &mut self.ends {
                    end.timeout(self.now);
                }
            }
            11 => {
                let (place, octet) = (usize::from(input.u8()), input.u8());
                if let Some(place) = self.wires[end].get_mut(place) {
                    *place ^= octet;
                }
            }
            12 => {
                let count = usize::from(input.u8()).min(self.wires[end].len());
                self.wires[end].drain(..count);
            }
            13 => self.wires[end].extend_from_within(..),
            14 => self.ends[end].refresh(Families::ALL, now),
            _ => match input.below(12) {
                11 => self.ends[end].lost(now),
                choice => self.ends[end].stop(stops(choice), now),
            },
        }
        self.wires[end].truncate(16_384);
    }

    /// Octets from one end onto the wire to the other.
    fn take(&mut self, end: usize, count: usize) {
        let octets = self.ends[end].sent(count, self.now);
        self.wires[1 - end].extend(octets);
    }

    /// Octets from the wire to the end that they are for.
    fn bring(&mut self, end: usize, count: usize) {
        let count = count.min(self.wires[end].len());
        let (watched, left) = (&mut self.ends[end], &mut self.left[end]);
        left.extend(self.wires[end].drain(..count));
        loop {
            let taken = watched.receive(left, &mut Heard::default(), self.now);
            left.drain(..taken);
            match watched.session.state() {
                State::Opened(_) => watched.admit(self.now),
                _ if taken == 0 => break,
                _ => {}
            }
        }
    }
}
