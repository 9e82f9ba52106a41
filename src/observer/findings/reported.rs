//! Findings that no route shows: who keeps members says them, in its own words.

use ipnet::IpNet;

use super::key::About;
use super::text::bounded;
use super::{Findings, Key, Kind, MAX_PROOFS, Scope};
use crate::observer::Reported;
use crate::time::Timestamp;

/// How many characters of a text are kept. It may quote what an APIC answered.
const LONGEST: usize = 1_000;

impl Kind {
    /// Whether somebody else finds it.
    pub(in crate::observer) const fn is_reported(self) -> bool {
        matches!(
            self,
            Self::EepgConflict
                | Self::EepgDrift
                | Self::EepgWriteFailing
                | Self::HoldDown
                | Self::ApicDown
                | Self::AciConfig
                | Self::JournalFailing
                | Self::AlertsFailing
        )
    }
}

impl Key {
    /// What is reported; none if it is not for others to find.
    pub(in crate::observer) fn reported(found: &Reported) -> Option<Self> {
        let scope = Scope { cluster: "".into(), vrf: found.vrf.clone() };
        let about = About::Object { object: found.object.clone(), prefix: found.prefix };
        found.kind.is_reported().then_some(Self { kind: found.kind, scope, about })
    }
}

impl Findings {
    /// `key` is wrong until it is cleared, and this is all that is known of it.
    pub(in crate::observer) fn report(&mut self, key: Key, found: &Reported, now: Timestamp) {
        let evidence = found.evidence.iter().take(MAX_PROOFS).map(|proof| cut(proof));
        let evidence = bounded(evidence, found.evidence.len() as u64);
        self.update(key, now, |cause| {
            cause.lasting = true;
            (cause.said, cause.facts) = (Some(cut(&found.summary)), evidence);
            cause.advice = (!found.advice.is_empty()).then(|| cut(&found.advice));
            cause.severity = found.severity;
        });
    }
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{} ...", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// What is said of an object of which nothing more is known.
pub(super) fn sentence(kind: Kind, object: &str, prefix: Option<IpNet>) -> String {
    let what = prefix.map_or_else(|| object.to_owned(), |prefix| format!("{prefix} ({object})"));
    match kind {
        Kind::EepgConflict => format!(
            "{what} is claimed by more than one EEPG: a member stays where it is, and a new one is not written, so that \
             its traffic meets contracts that may not be its own"
        ),
        Kind::EepgDrift => {
            format!(
                "{what} is not as we left it: until it is repaired, traffic meets the contracts of what is there"
            )
        }
        Kind::EepgWriteFailing => format!(
            "{what} cannot be written: what routes want does not get there, and its traffic meets the contracts of \
             before"
        ),
        Kind::HoldDown => {
            format!(
                "deletes of {what} wait: traffic is as before, and members that nobody wants may be among what stays"
            )
        }
        Kind::ApicDown => {
            format!("no controller of {what} answers: members stay as they are, whatever routes want")
        }
        Kind::JournalFailing => format!(
            "{what} cannot be written: sessions and verdicts go on, and what happens meanwhile is not kept"
        ),
        Kind::AlertsFailing => {
            format!(
                "alerts do not reach {what}: who relies on them there hears of nothing that is found wrong"
            )
        }
        _ => format!("{what} is missing in the APIC, or is not as it must be: what needs it is not written"),
    }
}
