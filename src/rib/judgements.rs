//! Judgements by number.
//!
//! A record has 17 bits for its judgement: room for every class with every set of reasons that there is, for
//! a set with transit holds few others. Numbers are
//! given out as judgements are first seen, so that nobody but `policy` ever builds one.

use hashbrown::HashMap;

use crate::policy::Judgement;

/// The judgements seen so far: a few dozen in practice, at most `6 * ((1 << 14) + 4)`.
#[derive(Debug, Default)]
pub(super) struct Judgements {
    seen: Vec<Judgement>,
    numbers: HashMap<Judgement, u32, foldhash::fast::RandomState>,
    last: Option<(Judgement, u32)>,
}

impl Judgements {
    /// The number of a judgement.
    #[inline]
    pub(super) fn number(&mut self, judgement: Judgement) -> u32 {
        match self.last {
            Some((last, number)) if last == judgement => number,
            _ => self.look_up(judgement),
        }
    }

    fn look_up(&mut self, judgement: Judgement) -> u32 {
        let seen = &mut self.seen;
        let number = *self.numbers.entry(judgement).or_insert_with(|| {
            seen.push(judgement);
            u32::try_from(seen.len().saturating_sub(1)).unwrap_or(u32::MAX)
        });
        self.last = Some((judgement, number));
        number
    }

    /// The judgement with this number.
    pub(super) fn get(&self, number: u32) -> Option<Judgement> {
        self.seen.get(usize::try_from(number).ok()?).copied()
    }
}
