//! Messages and states of sessions, as the writer of the file heard and saw them.

use super::{ESTABLISHED, Judge, outcome, same_as, told_by_path};
use crate::bgp::header::HEADER;
use crate::bgp::open::AS_TRANS;
use crate::bgp::refresh::Subtype;
use crate::bgp::session::Ending;
use crate::bgp::{Error, MessageType, Notification, Open, RouteRefresh, Update};
use crate::cli::replay::far::{How, Source};
use crate::mrt::{Message, Peering, StateChange};
use crate::speaker::stats::{ErrorAction, SessionState};

impl Judge {
    pub(super) fn message(&mut self, message: &Message<'_>) {
        self.notes.messages += 1;
        let ends = message.peering;
        if message.sent {
            self.notes.sent += 1;
            return self.sent(message);
        }
        let Some(at) = self.far(self.known_by(&ends)) else { return };
        if let Some(far) = self.fars.get_mut(at) {
            let of = |kind: MessageType| u32::from(kind == message.kind);
            far.stats.add_received(MessageType::ALL.map(of), message.body.len() + HEADER);
        }
        match message.kind {
            MessageType::Open => self.open(at, message),
            MessageType::Notification => {
                if let Ok(notification) = Notification::parse(message.body) {
                    self.ends(at, &Ending::Notified(notification));
                }
            }
            MessageType::Keepalive | MessageType::Update | MessageType::RouteRefresh => {
                if !self.is_live(at, message) {
                    self.doubled(at, ends.peer_as);
                } else if message.kind == MessageType::Update {
                    self.update(at, message);
                } else if message.kind == MessageType::RouteRefresh {
                    self.refresh(at, message);
                }
            }
        }
    }

    /// A NOTIFICATION that the writer sent ended the session; all else that it sent is its own affair.
    fn sent(&mut self, message: &Message<'_>) {
        let ends = message.peering;
        let Some(at) = self.known(&ends) else { return };
        if message.kind == MessageType::Notification
            && let Ok(notification) = Notification::parse(message.body)
        {
            let cause = "the writer of the file ended the session".to_owned();
            self.ends(at, &Ending::Failed { notification, cause });
        }
    }

    fn open(&mut self, at: usize, message: &Message<'_>) {
        let Ok(open) = Open::parse(message.body) else {
            self.notes.bad_opens += 1;
            return;
        };
        // Some daemons write what they sent like what they received. OpenBGPD does not know the AS yet.
        let peer_as = message.peering.peer_as;
        if peer_as != 0 && !same_as(open.asn(), peer_as, message.four_octet_as) {
            self.notes.sent += 1;
        } else if let Some(far) = self.fars.get_mut(at) {
            far.opened = Some(open.into_owned());
        }
    }

    fn ends(&mut self, at: usize, ending: &Ending) {
        if let Some(far) = self.fars.get_mut(at) {
            far.opened = None;
        }
        self.close(at, ending, ending.to_string());
    }

    /// Makes sure that there is a session for a message that only a session has. `false`: it is of another
    /// peer with the same address.
    fn is_live(&mut self, at: usize, message: &Message<'_>) -> bool {
        let Some(far) = self.fars.get_mut(at) else { return false };
        let ends = message.peering;
        let opened = far.opened.as_ref().map(Open::asn);
        let same = same_as(far.asn, ends.peer_as, message.four_octet_as);
        // One that was only known in two octets until now.
        let learned = far.asn == u32::from(AS_TRANS) && message.four_octet_as && !same;
        if far.session.is_some() && opened.is_none() && !learned {
            return same;
        }
        let asn = opened.unwrap_or(if same { far.asn } else { ends.peer_as });
        far.is_fresh = true;
        self.establish(at, How::Silent, asn, Some(ends.local), message.add_path);
        true
    }

    fn update(&mut self, at: usize, message: &Message<'_>) {
        let Some(far) = self.fars.get_mut(at) else { return };
        let update = match Update::parse(message.body, &message.terms()) {
            Ok(update) => update,
            Err(error) => return self.malformed(at, &error),
        };
        if far.asn == u32::from(AS_TRANS)
            && !message.four_octet_as
            && let Some(asn) = told_by_path(&update)
        {
            let how = far.how;
            self.establish(at, how, asn, Some(message.peering.local), message.add_path);
        }
        let Some(far) = self.fars.get_mut(at) else { return };
        let is_internal = message.peering.peer_as == message.peering.local_as;
        if let Some(action) = outcome(update.faults(), is_internal) {
            far.stats.add_errors(action, 1);
        }
        far.source = [Some(Source::Messages); 2];
        far.held.push_update(&update);
        self.gathered += far.held.octets_len();
        self.flush(at);
    }

    /// It would have ended the session; whoever wrote the file went on, and so do we.
    fn malformed(&mut self, at: usize, error: &Error) {
        let Some(far) = self.fars.get_mut(at) else { return };
        far.stats.add_errors(ErrorAction::SessionReset, 1);
        self.notes.resets.add(format_args!("{}: {error}", far.id()));
        let ending = Ending::Failed { notification: error.notification(), cause: error.to_string() };
        self.close(at, &ending, format!("malformed UPDATE: {error}"));
    }

    fn refresh(&mut self, at: usize, message: &Message<'_>) {
        let Some(far) = self.fars.get_mut(at) else { return };
        let Ok(refresh) = RouteRefresh::parse(message.body, true) else { return };
        match (refresh.subtype, refresh.family()) {
            (Subtype::Begin, Some(family)) => far.held.push_begin_refresh(family),
            (Subtype::End, Some(family)) => far.held.push_end_refresh(family),
            _ => {}
        }
        self.flush(at);
    }

    pub(super) fn state_change(&mut self, change: &StateChange) {
        let ends = self.turned(change.peering);
        if change.new == ESTABLISHED {
            let Some(at) = self.far(self.known_by(&ends)) else { return };
            let Some(far) = self.fars.get_mut(at) else { return };
            // Its first message may have told before.
            if std::mem::take(&mut far.is_fresh) && far.session.is_some() || change.old == ESTABLISHED {
                return;
            }
            let hidden = ends.peer_as == u32::from(AS_TRANS) && far.asn > u16::MAX.into();
            let recorded = if hidden { far.asn } else { ends.peer_as };
            let asn = far.opened.as_ref().map_or(recorded, Open::asn);
            self.establish(at, How::Started, asn, Some(ends.local), false);
        } else if change.old == ESTABLISHED {
            let Some(at) = self.who_left(&ends) else { return };
            if let Some(far) = self.fars.get_mut(at) {
                far.opened = None;
            }
            let detail = format!("left Established for {}", state(change.new));
            self.close(at, &Ending::Lost(None), detail);
        }
    }
}

impl Judge {
    /// OpenBGPD writes its own end first in changes of states, though not in messages.
    fn turned(&self, ends: Peering) -> Peering {
        let Peering { peer_as, local_as, peer, local } = ends;
        let turned = Peering { peer_as: local_as, local_as: peer_as, peer: local, local: peer };
        let knows = |ends: &Peering| self.known(ends).is_some();
        if !knows(&ends) && knows(&turned) { turned } else { ends }
    }

    /// Whose session left Established. BIRD has forgotten the addresses of a connection that is gone, but
    /// not the ASes: they tell if only one session has them.
    fn who_left(&mut self, ends: &Peering) -> Option<usize> {
        if !ends.peer.is_unspecified() {
            return self.known(ends);
        }
        let mut meant = self.of_as.get(&ends.peer_as).into_iter().flatten().copied().filter(|at| {
            self.fars.get(*at).is_some_and(|far| far.session.is_some() && far.asn == ends.peer_as)
        });
        let only = meant.next();
        if only.is_some() && meant.next().is_some() {
            self.notes.nameless += 1;
            return None;
        }
        only
    }
}

/// The name of a state (RFC 6396, 4.4.1).
fn state(number: u16) -> String {
    let known = SessionState::ALL.get(usize::from(number).wrapping_sub(1));
    known.map_or_else(|| format!("state {number}"), |state| state.name().to_owned())
}
