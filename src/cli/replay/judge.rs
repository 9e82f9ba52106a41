//! From records to what the observer would have been told, had it been there.

mod messages;
mod tables;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use foldhash::fast::RandomState;
use hashbrown::HashMap;

use super::far::{Far, How, Source};
use super::notes::Notes;
use super::places::Places;
use crate::bgp::attribute::{Cause, Faults};
use crate::bgp::open::AS_TRANS;
use crate::bgp::session::Ending;
use crate::bgp::{Family, Update};
use crate::cli::patience;
use crate::config::Config;
use crate::mrt::{self, Body, Peer, Peering, Record};
use crate::observer::{Offline, Settings};
use crate::speaker::stats::ErrorAction;
use crate::speaker::{Event, PeerId, SessionId};
use crate::time::Timestamp;

/// The number of the state Established (RFC 4271, 8.2.2; RFC 6396, 4.4.1).
const ESTABLISHED: u16 = 6;
/// Octets of routes of a table that a peer gathers, and all peers together.
const GATHERED: usize = 32 << 10;
const GATHERED_BY_ALL: usize = 16 << 20;
/// A time so far ahead of what came before is doubted.
const LEAP: Duration = Duration::from_hours(24);
/// Kinds of records that are told apart.
const KINDS: usize = 1_000;

/// Plays records to an observer, under their own time.
pub(super) struct Judge {
    config: Arc<Config>,
    places: Places,
    /// None before the first record: time starts with it.
    offline: Option<Offline>,
    fars: Vec<Far>,
    by_ends: HashMap<Known, usize, RandomState>,
    by_id: HashMap<PeerId, usize, RandomState>,
    of_as: HashMap<u32, BTreeSet<usize>, RandomState>,
    sessions: u64,
    /// The time of the files: it never goes back.
    now: Timestamp,
    file: u32,
    file_name: String,
    tables: u64,
    table: Option<Table>,
    /// Octets that all peers have gathered.
    gathered: usize,
    /// The body of an UPDATE, kept for its memory.
    body: Vec<u8>,
    pub(super) notes: Notes,
}

/// By what a file knows a peer: its address, the AS of the writer (none in a table, which does not tell), and the
/// leaf that the writer's address, or the name of the table, is that of.
type Known = (IpAddr, Option<u32>, Option<usize>);

/// A table that is being read.
struct Table {
    number: u64,
    source: Source,
    /// The leaf that has its name.
    leaf: Option<usize>,
    /// Nothing of it is missing.
    whole: bool,
    /// By family, whether it has any prefix.
    covers: [bool; 2],
    /// The index of its peers.
    index: Vec<Peer>,
    /// Those that have a route in it.
    told: Vec<usize>,
}

impl Judge {
    pub(super) fn new(config: Arc<Config>) -> Self {
        Self {
            places: Places::new(&config),
            config,
            offline: None,
            fars: Vec::new(),
            by_ends: HashMap::default(),
            by_id: HashMap::default(),
            of_as: HashMap::default(),
            sessions: 0,
            now: Timestamp::default(),
            file: 0,
            file_name: String::new(),
            tables: 0,
            table: None,
            gathered: 0,
            body: Vec::new(),
            notes: Notes::default(),
        }
    }

    /// The next record.
    pub(super) fn record(&mut self, record: &Record<'_>) {
        self.notes.records += 1;
        if let Body::Skipped(kind) = record.body {
            if self.notes.skipped.len() < KINDS || self.notes.skipped.contains_key(&kind) {
                *self.notes.skipped.entry(kind).or_default() += 1;
            }
            return;
        }
        self.pass_time(record);
        self.notes.first.get_or_insert(self.now);
        match &record.body {
            Body::Peers { view, peers } => {
                self.end_table();
                self.begin_table(view, peers);
            }
            Body::Rib(rib) => self.rib(rib),
            Body::Message(message) => {
                self.end_table();
                self.message(message);
            }
            Body::StateChange(change) => {
                self.end_table();
                self.state_change(change);
            }
            Body::Skipped(_) => {}
        }
    }

    /// Time goes on to a record's. What one damaged octet makes the year 2097 must not let all findings and
    /// routes age by a lifetime: a leap that the record behind it takes back is none.
    fn pass_time(&mut self, record: &Record<'_>) {
        let leaps = |from: Timestamp, to: Timestamp| to > from.after(LEAP);
        let is_first = self.notes.first.is_none();
        let place = || format!("{}, at octet {}", self.file_name, record.offset);
        let mut at = record.at;
        if let Some(next) = record.next
            && leaps(next, at)
            && (is_first || leaps(self.now, at) && !leaps(next, self.now))
        {
            self.notes.leaps.add(place());
            at = if is_first { next } else { self.now };
        } else if at.as_secs() < self.now.as_secs() {
            // Within a second, records with microseconds and those without stand in any order.
            self.notes.earlier.add_up_to(1, place());
        }
        self.now = self.now.max(at);
    }

    /// A record cannot be read.
    pub(super) fn bad_record(&mut self, error: &mrt::Error) {
        self.notes.damaged(format_args!("{}: {error}", self.file_name));
        if let Some(table) = &mut self.table {
            table.whole = false;
        }
    }

    /// A file begins, which is to be called that.
    pub(super) fn begin_file(&mut self, name: String) {
        self.file += 1;
        self.file_name = name;
    }

    /// The file ends; so many octets of it were padding.
    pub(super) fn end_of_file(&mut self, padding: u64) {
        self.notes.padding += padding;
        self.end_table();
    }

    /// All is read: what was wrong at the end lasts, for as long as it takes findings to open. The
    /// observer, and the end of the files' time.
    pub(super) fn finish(self) -> (Offline, Timestamp, Notes) {
        let mut offline = self.offline.unwrap_or_else(|| observer(&self.config, self.now));
        offline.finish(self.now);
        let end = offline.now().after(patience::of(&self.config));
        offline.finish(end);
        (offline, self.now, self.notes)
    }

    fn tell(&mut self, event: Event) {
        let offline = self.offline.get_or_insert_with(|| observer(&self.config, self.now));
        offline.handle(event, self.now);
    }

    /// By what a message knows its peer.
    fn known_by(&self, ends: &Peering) -> Known {
        (ends.peer, Some(ends.local_as), self.places.at(ends.local))
    }

    /// The peer of a message, if it is known.
    fn known(&self, ends: &Peering) -> Option<usize> {
        let unnamed = || self.by_ends.get(&(ends.peer, Some(ends.local_as), None));
        self.by_ends.get(&self.known_by(ends)).or_else(unnamed).copied()
    }

    /// The recorded peer; none if there is no leaf at all.
    fn far(&mut self, known: Known) -> Option<usize> {
        if let Some(at) = self.by_ends.get(&known) {
            return Some(*at);
        }
        let (address, local_as, leaf) = known;
        let place = self.places.find(address, local_as, leaf)?;
        let far = Far::new(&place, address);
        // A table and messages may mean the same peer.
        let at = *self.by_id.entry(far.id().clone()).or_insert(self.fars.len());
        if at == self.fars.len() {
            if place.is_stranger {
                self.notes.strangers.entry(place.leaf.name.to_string()).or_default().add(address);
            }
            self.fars.push(far);
        }
        self.by_ends.insert(known, at);
        // Some records do not tell the writer's address.
        self.by_ends.entry((address, local_as, None)).or_insert(at);
        Some(at)
    }

    /// A record is of another peer, with this AS, than the session that is known at this address.
    fn doubled(&mut self, at: usize, asn: u32) {
        let Some(far) = self.fars.get(at) else { return };
        self.notes.doubled.add_once(format_args!("{} with AS {asn} beside AS {}", far.id(), far.asn));
    }

    fn establish(&mut self, at: usize, how: How, asn: u32, local: Option<IpAddr>, add_path: bool) {
        self.flush(at);
        let Some(far) = self.fars.get_mut(at) else { return };
        // Of a peer that had a session before, the file knows.
        let is_new = far.asn == 0 && far.session.is_none();
        if matches!(how, How::Silent) && far.opened.is_none() && is_new {
            self.notes.silent.add(far.id());
        }
        // Nobody has AS_TRANS: whose AS it stands for is not known yet.
        if far.asn != asn && asn != u32::from(AS_TRANS) && !far.is_permitted(asn) {
            self.notes.not_permitted.add(format_args!("{} with AS {asn}", far.id()));
        }
        self.of_as.entry(asn).or_default().insert(at);
        self.sessions += 1;
        let event = far.establish(how, asn, local, add_path, (SessionId(self.sessions), self.now));
        self.tell(event);
    }

    fn close(&mut self, at: usize, ending: &Ending, detail: String) {
        self.flush(at);
        let now = self.now;
        if let Some(event) = self.fars.get_mut(at).and_then(|far| far.close(ending, detail, now)) {
            self.tell(event);
        }
    }

    /// Hands over what a peer has gathered.
    fn flush(&mut self, at: usize) {
        let at_time = self.now;
        let Some(far) = self.fars.get_mut(at) else { return };
        let batch = std::mem::take(&mut far.held);
        if batch.is_empty() {
            return;
        }
        self.gathered = self.gathered.saturating_sub(batch.octets_len());
        let Some(session) = far.session else { return };
        self.tell(Event::Routes { session, at: at_time, batch });
    }
}

/// A file knows nothing of peers that it does not name, and does not start with our start.
fn observer(config: &Arc<Config>, now: Timestamp) -> Offline {
    let settings = Settings { route_grace: Duration::ZERO, peer_grace: Duration::MAX, strangers: true };
    Offline::new(Arc::clone(config), settings, now)
}

/// What became of an UPDATE with these faults. `lenient`: attributes of internal sessions are in place, and
/// what only matters between old speakers does not.
fn outcome(faults: &Faults, lenient: bool) -> Option<ErrorAction> {
    let harmless = |cause| matches!(cause, Cause::Internal | Cause::OldSpeaker);
    let told = faults.iter().filter(|reported| !(lenient && harmless(reported.fault.cause()))).count();
    let more = faults.count() > faults.iter().count();
    if told == 0 && !more {
        None
    } else if faults.withdraw() {
        Some(ErrorAction::TreatAsWithdraw)
    } else {
        Some(ErrorAction::AttributeDiscard)
    }
}

/// Whether an AS, as it is known, is the one of a record; of two octets, daemons fill them as they like
/// where the number does not fit.
const fn same_as(known: u32, recorded: u32, four_octet_as: bool) -> bool {
    known == recorded || (!four_octet_as && known > u16::MAX as u32)
}

/// Who announces this, by its path, to a peer of whom a record of two octets only says AS_TRANS (RFC 6793,
/// 4.2.2): the first AS, if it is one that does not fit.
fn told_by_path(update: &Update<'_>) -> Option<u32> {
    let mut scratch = Vec::new();
    let first = update.announced().next()?;
    let path = update.attributes(first, &mut scratch).as_path();
    path.numbers().next().filter(|asn| *asn > u16::MAX.into())
}

/// Where a family is in a pair.
const fn place(family: Family) -> usize {
    match family {
        Family::Ipv4 => 0,
        Family::Ipv6 => 1,
    }
}
