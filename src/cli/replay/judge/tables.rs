//! Tables: what they tell of each peer, and what they do not.

use std::hash::BuildHasher;

use foldhash::fast::FixedState;

use super::{GATHERED, GATHERED_BY_ALL, Judge, Table, outcome, place, same_as, told_by_path};
use crate::bgp::open::AS_TRANS;
use crate::bgp::{Family, Update};
use crate::cli::replay::far::{How, Mark, Source, Told};
use crate::mrt::{Entry, Peer, Rib};
use crate::speaker::stats::ErrorAction;

impl Judge {
    pub(super) fn begin_table(&mut self, view: &[u8], peers: &[Peer]) {
        let leaf = self.places.named(view);
        let view = FixedState::default().hash_one(view);
        self.tables += 1;
        self.table = Some(Table {
            number: self.tables,
            source: Source::Table { file: self.file, view },
            leaf,
            whole: true,
            covers: [false; 2],
            index: peers.to_vec(),
            told: Vec::new(),
        });
    }

    pub(super) fn rib(&mut self, rib: &Rib<'_>) {
        if self.table.is_none() {
            self.begin_table(b"", &[]);
        }
        if let Some(table) = &mut self.table
            && let Some(covers) = table.covers.get_mut(place(Family::of(&rib.prefix)))
        {
            *covers = true;
        }
        let leaf = self.table.as_ref().and_then(|table| table.leaf);
        for entry in rib.entries() {
            self.notes.routes += 1;
            // What the writer made itself has no peer; RFC 6396 has no way to say so but this.
            if entry.peer.address.is_unspecified() || entry.peer.asn == 0 {
                self.notes.own += 1;
            } else if let Some(at) = self.far((entry.peer.address, None, leaf)) {
                self.entry(at, rib, &entry);
            }
        }
        if self.gathered > GATHERED_BY_ALL {
            (0..self.fars.len()).for_each(|at| self.flush(at));
        }
    }

    fn entry(&mut self, at: usize, rib: &Rib<'_>, entry: &Entry<'_>) {
        let mut body = std::mem::take(&mut self.body);
        entry.write_update(rib.prefix, &mut body);
        let update = Update::parse(&body, &entry.terms());
        self.route(at, Family::of(&rib.prefix), entry, update.as_ref().ok());
        self.body = body;
    }

    /// One route, as an UPDATE announces it; none if its attributes cannot be read.
    fn route(&mut self, at: usize, family: Family, entry: &Entry<'_>, update: Option<&Update<'_>>) {
        let is_hidden = !entry.four_octet_as && entry.peer.asn == u32::from(AS_TRANS);
        let told = update.filter(|_| is_hidden).and_then(told_by_path);
        if !self.enters(at, entry, told.unwrap_or(entry.peer.asn)) {
            return self.doubled(at, entry.peer.asn);
        }
        self.begin_family(at, family);
        let Some(far) = self.fars.get_mut(at) else { return };
        let Some(update) = update else {
            far.stats.add_errors(ErrorAction::TreatAsWithdraw, 1);
            self.notes.unreadable += 1;
            return;
        };
        // Daemons write attributes of their own with the route: a local preference.
        if let Some(action) = outcome(update.faults(), true) {
            far.stats.add_errors(action, 1);
        }
        let before = far.held.octets_len();
        far.held.push_update(update);
        self.gathered += far.held.octets_len().saturating_sub(before);
        if far.held.octets_len() > GATHERED {
            self.flush(at);
        }
    }

    /// Whether the entry is of the peer, with this AS, that the table has at this address: the first counts.
    fn enters(&mut self, at: usize, entry: &Entry<'_>, asn: u32) -> bool {
        let (Some(table), Some(far)) = (&mut self.table, self.fars.get_mut(at)) else { return false };
        let learned = far.asn == u32::from(AS_TRANS) && asn != far.asn;
        match far.mark.as_ref().filter(|mark| mark.table == table.number) {
            Some(mark) if mark.peer != entry.peer => return false,
            Some(_) if !learned => return true,
            Some(_) => {}
            None => table.told.push(at),
        }
        far.mark = Some(Mark { table: table.number, peer: entry.peer, told: [Told::Nothing; 2] });
        if far.session.is_none() || learned || !same_as(far.asn, entry.peer.asn, entry.four_octet_as) {
            far.identify(&entry.peer);
            self.establish(at, How::Table, asn, None, entry.path_id.is_some());
        }
        true
    }

    /// Several tables of one file are parts of a whole; any other replaces what was known before.
    fn begin_family(&mut self, at: usize, family: Family) {
        let (Some(table), Some(far)) = (&self.table, self.fars.get_mut(at)) else { return };
        let Some(told) = far.mark.as_mut().and_then(|mark| mark.told.get_mut(place(family))) else { return };
        let Some(source) = far.source.get_mut(place(family)) else { return };
        if *told != Told::Nothing {
            return;
        }
        *told = match (*source, table.source) {
            (None, _) => Told::New,
            (Some(Source::Table { file, view }), Source::Table { file: this, view: name })
                if file == this && view != name =>
            {
                Told::New
            }
            (Some(_), _) => Told::Again,
        };
        *source = Some(table.source);
        if *told == Told::Again {
            far.held.push_begin_refresh(family);
        }
    }

    /// A table that is whole says what is not there, too.
    pub(super) fn end_table(&mut self) {
        let Some(table) = self.table.take() else { return };
        for at in &table.told {
            if table.whole
                && let Some(far) = self.fars.get_mut(*at)
                && let Some(mark) = &far.mark
            {
                for (family, told) in Family::ALL.into_iter().zip(mark.told) {
                    if told == Told::Again {
                        far.held.push_end_refresh(family);
                    }
                    if told != Told::Nothing {
                        far.held.push_end_of_rib(family);
                    }
                }
            }
            self.flush(*at);
        }
        if table.whole {
            self.empty(&table);
        }
    }

    /// Peers of which the table before this one had routes, and this one has none.
    fn empty(&mut self, table: &Table) {
        for peer in &table.index {
            let Some(at) = self.by_ends.get(&(peer.address, None, table.leaf)).copied() else { continue };
            let Some(far) = self.fars.get_mut(at) else { continue };
            let told = far.mark.as_ref().filter(|mark| mark.table == table.number);
            let told = told.map_or([Told::Nothing; 2], |mark| mark.told);
            for (family, told) in Family::ALL.into_iter().zip(told) {
                let of = place(family);
                let same = matches!(
                    (far.source.get(of), table.source),
                    (Some(Some(Source::Table { view, .. })), Source::Table { view: this, .. }) if *view == this
                );
                if told == Told::Nothing && same && table.covers.get(of) == Some(&true) {
                    far.held.push_begin_refresh(family);
                    far.held.push_end_refresh(family);
                }
            }
            self.flush(at);
        }
    }
}
