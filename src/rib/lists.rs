//! The paths of prefixes that have several.

use super::ALLOCATION;
use super::index::Ref;

/// Sorted lists by number. A list has two members at least.
#[derive(Debug, Default)]
pub(super) struct Lists {
    members: Vec<Vec<Ref>>,
    /// Numbers free to be given out again.
    vacant: Vec<u32>,
    /// Room of all lists together.
    room: usize,
}

impl Lists {
    /// The number of a new list of two.
    pub(super) fn pair(&mut self, first: Ref, second: Ref) -> u32 {
        let mut pair = Vec::with_capacity(PAIR);
        pair.extend([first, second]);
        self.room = self.room.saturating_add(pair.capacity());
        if let Some(number) = self.vacant.pop() {
            if let Some(list) = self.list_mut(number) {
                *list = pair;
            }
            return number;
        }
        self.members.push(pair);
        u32::try_from(self.members.len().saturating_sub(1)).unwrap_or(u32::MAX)
    }

    /// The members of a list.
    #[inline]
    pub(super) fn get(&self, number: u32) -> &[Ref] {
        usize::try_from(number).ok().and_then(|number| self.members.get(number)).map_or(&[], Vec::as_slice)
    }

    /// Puts a member in.
    pub(super) fn insert(&mut self, number: u32, at: usize, member: Ref) {
        let Some(list) = self.list_mut(number) else { return };
        let before = list.capacity();
        if list.len() == before {
            list.reserve_exact(growth(before));
        }
        list.insert(at.min(list.len()), member);
        let after = list.capacity();
        self.room = self.room.saturating_add(after).saturating_sub(before);
    }

    /// Replaces a member.
    pub(super) fn set(&mut self, number: u32, at: usize, member: Ref) {
        if let Some(place) = self.list_mut(number).and_then(|list| list.get_mut(at)) {
            *place = member;
        }
    }

    /// Takes a member out. If one alone is left, the list is no more, and it is answered.
    pub(super) fn remove(&mut self, number: u32, at: usize) -> Option<Ref> {
        let list = self.list_mut(number)?;
        let before = list.capacity();
        if at < list.len() {
            list.remove(at);
        }
        let only = match list.as_slice() {
            [only] => Some(*only),
            _ => None,
        };
        if only.is_some() {
            *list = Vec::new();
        } else if list.len() < before / 2 {
            list.shrink_to(list.len().saturating_add(growth(list.len())));
        }
        let after = list.capacity();
        self.room = self.room.saturating_add(after).saturating_sub(before);
        if only.is_some() {
            self.vacant.push(number);
        }
        only
    }

    /// Memory held, about.
    pub(super) fn bytes(&self) -> usize {
        let lists = self.members.capacity().saturating_mul(size_of::<Vec<Ref>>());
        let vacant = self.vacant.capacity().saturating_mul(size_of::<u32>());
        let room = self.room.saturating_mul(size_of::<Ref>());
        let allocations = self.members.len().saturating_sub(self.vacant.len()).saturating_mul(ALLOCATION);
        [lists, vacant, room, allocations].into_iter().fold(0, usize::saturating_add)
    }

    fn list_mut(&mut self, number: u32) -> Option<&mut Vec<Ref>> {
        usize::try_from(number).ok().and_then(|number| self.members.get_mut(number))
    }
}

/// Room of a new list: one more member fits into what the usual allocator gives for two.
const PAIR: usize = 3;

/// By how much a full list grows: twice the room would cost more memory than the fewer copies are worth. An
/// odd number of members and the header of an allocation fill it.
const fn growth(length: usize) -> usize {
    match length {
        0..5 => 2,
        5..16 => 4,
        _ => (length / 4) & !1,
    }
}
